"""The simpler adversaries, against brute force and worked-out sequences."""

import numpy as np
import pytest

from methods.cldyb.adversaries import (
    Fixed,
    FlatMonteCarlo,
    Greedy,
    NcmHard,
    RandomRestarts,
    RandomTasks,
    TreeSearch,
)
from methods.cldyb.sequence_adversaries import Annealing, Beam, BruteForce
from suite.errors import Skip, UsageError
from tasks.cldyb.mdp import Ledger, rewards, used
from tasks.cldyb.orders import class_order, domain_order, random_order
from tasks.cldyb.tabular import (
    Tabular,
    from_accuracies,
    histories,
    overlapping,
    random_accuracies,
    singles,
    trap,
)

ALL = [
    TreeSearch(simulations=10),
    RandomTasks(),
    RandomRestarts(5),
    Greedy(),
    FlatMonteCarlo(10),
    Beam(2),
    Annealing(20),
    BruteForce(),
]


def table(seed, tasks=None, horizon=3):
    tasks = tasks or singles(5)
    return from_accuracies(tasks, horizon, random_accuracies(tasks, horizon, 1, np.random.default_rng(seed)))


@pytest.mark.parametrize("adversary", ALL, ids=lambda one: type(one).__name__)
def test_sequences_are_whole_legal_repeatable_and_never_above_brute_force(adversary):
    for seed in range(3):
        mdp = table(seed, overlapping(6, 2))
        found = adversary.find(mdp, seed)
        assert found == adversary.find(mdp, seed)
        assert len(found.tasks) == 3 and len(used(found.tasks)) == 6
        assert found.rewards == rewards(mdp, found.tasks)
        assert found.total <= BruteForce().find(mdp, 0).total + 1e-12
        with pytest.raises(UsageError):
            adversary.find(Tabular(singles(2), 3, dict.fromkeys(histories(singles(2), 3), 0.0)), 0)


def test_brute_force_knows_the_optimum_and_refuses_what_never_ends():
    found = BruteForce().find(trap(), 0)
    assert (found.tasks, found.simulations) == (((4,), (3,), (2,)), 60)
    assert found.total == pytest.approx(1.0)
    with pytest.raises(UsageError, match="more than 59"):
        BruteForce(59).find(trap(), 0)


def test_greedy_walks_into_the_trap():
    found = Greedy().find(trap(), 0)
    assert found.tasks == ((0,), (1,), (2,)) and found.total == pytest.approx(0.7 / 3)


def test_a_beam_of_one_is_greedy_and_a_full_one_is_brute_force():
    for seed in range(5):
        mdp = table(seed)
        assert Beam(1).find(mdp, 0).tasks == Greedy().find(mdp, 0).tasks
        assert Beam(60).find(mdp, 0).tasks == BruteForce().find(mdp, 0).tasks
    # By hand: after one step (0,) leads, then all others tie; of two, (0,) and (1,) survive.
    assert Beam(2).find(trap(), 0).tasks[0] in ((0,), (1,))


def test_flat_monte_carlo_of_depth_one_is_greedy_and_with_all_leaves_is_exact():
    for seed in range(5):
        mdp = table(seed)
        assert FlatMonteCarlo(5, depth=1).find(mdp, seed).tasks == Greedy().find(mdp, seed).tasks
    # 12 leaves below each first task: 300 draws each miss one with probability under 12 e^-25.
    mdp = table(1)
    assert FlatMonteCarlo(1500, backup="max").find(mdp, 0).tasks == BruteForce().find(mdp, 0).tasks


def test_flat_monte_carlo_with_fewer_looks_than_tasks_draws_which_to_look_at():
    first = {FlatMonteCarlo(1, depth=1).find(trap(), seed).tasks[0] for seed in range(40)}
    assert first == set(singles(5))
    # Greedy takes task 0 wherever it is among the two that are looked at: in 4 of 10 pairs.
    taken = [FlatMonteCarlo(2, depth=1).find(trap(), seed).tasks[0] for seed in range(200)]
    assert 56 <= taken.count((0,)) <= 104


def test_flat_monte_carlo_prefers_the_best_mean():
    # Mean returns over the 12 leaves below each first task, by enumeration.
    mdp = trap()
    means = {
        first: np.mean(
            [sum(rewards(mdp, one)) for one in histories(mdp.tasks, 3) if len(one) == 3 and one[0] == first]
        )
        for first in mdp.tasks
    }
    assert FlatMonteCarlo(2000).find(mdp, 0).tasks[0] == max(means, key=means.get)


def test_annealing_climbs_out_of_the_trap():
    # Swaps and single replacements connect all 60 sequences; 600 proposals meet the optimum.
    assert sum(Annealing(600).find(trap(), seed).total > 0.99 for seed in range(5)) == 5


def test_annealing_gives_the_best_it_met_and_not_where_it_ended():
    # So hot that everything is accepted: a walk that meets the optimum, and leaves it.
    assert min(Annealing(400, 1e6, 1e6).find(trap(), seed).total for seed in range(4)) > 0.99


def test_a_cold_start_never_goes_down():
    for seed in range(5):
        mdp = table(seed)
        totals = [Annealing(n, start=1e-9, end=1e-9).find(mdp, seed).total for n in (1, 5, 25)]
        assert totals == sorted(totals)


def test_ncm_hard_takes_the_least_accuracy_and_trains_for_its_own_sequence_only():
    class Told(Tabular):
        def easiness(self, history, action):
            return (3 * action[0] + 2 + len(history)) % 5

    plain = table(0)
    ledger = Ledger(Told(plain.tasks, plain.horizon, plain.table))
    found = NcmHard().find(ledger, 0)
    # 3 t + 2 mod 5 of tasks 0..4: 2 0 3 1 4; plus 1: 3 1 4 2 0; plus 2: 4 2 0 3 1.
    assert found.tasks == ((1,), (4,), (2,)) and ledger.edges == 3
    with pytest.raises(Skip):
        NcmHard().find(plain, 0)


def test_a_budget_sets_the_size_of_each_search():
    assert TreeSearch(depth=2).within(30, 3) == TreeSearch(total=30, depth=2)
    assert TreeSearch(simulations=5).within(30, 3).find(table(0), 0).simulations == 30
    assert RandomRestarts().within(7, 3).tries == 7 and RandomTasks().within(7, 3).tries == 1
    assert FlatMonteCarlo().within(30, 3).find(table(0), 0).simulations == 30
    assert FlatMonteCarlo().within(9, 3).find(table(0), 0).simulations == 9
    assert Annealing().within(30, 3).find(table(0), 0).simulations == 30
    assert Beam().within(30, 3).width == 5 and Greedy().within(30, 3) == Greedy()


def test_restarts_keep_the_best_of_their_tries_and_more_tries_never_hurt():
    mdp = table(2, overlapping(6, 2))
    totals = [RandomRestarts(tries).find(mdp, 5).total for tries in (1, 3, 10, 40)]
    assert totals == sorted(totals) and totals[0] == RandomTasks().find(mdp, 5).total
    assert totals[-1] > totals[0]


def test_a_domain_order_takes_each_domain_once_before_any_again():
    domains = ["a"] * 5 + ["b"] * 4 + ["c"] * 3
    for seed in range(5):
        tasks = domain_order(domains, 2, 5, np.random.default_rng(seed))
        of = [{domains[c] for c in task} for task in tasks]
        assert all(len(one) == 1 for one in of) and len(used(tasks)) == 10
        assert set.union(*of[:3]) == {"a", "b", "c"} and set.union(*of[3:]) == {"a", "b"}
    with pytest.raises(UsageError, match="the pool has 5"):
        domain_order(domains, 2, 6, np.random.default_rng(0))


def test_random_tasks_are_uniform():
    mdp, counts = trap(), dict.fromkeys(singles(5), 0)
    for seed in range(500):
        counts[RandomTasks().find(mdp, seed).tasks[0]] += 1
    # Chi-square with 4 degrees of freedom: above 18.5 once in a thousand.
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 18.5


def test_orders_over_a_pool():
    assert class_order(range(7), 3, 2) == ((0, 1, 2), (3, 4, 5))
    assert class_order([9, 4, 7, 1], 2, 2) == ((4, 9), (1, 7))
    drawn = random_order(range(20), 3, 5, np.random.default_rng(0))
    assert len(used(drawn)) == 15 and all(tuple(sorted(task)) == task for task in drawn)
    with pytest.raises(UsageError, match="more than the 7"):
        class_order(range(7), 4, 2)


def test_a_fixed_sequence_is_scored_as_it_is():
    tasks = ((4,), (3,), (2,))
    assert Fixed(tasks).find(trap(), 0).total == pytest.approx(1.0)
    with pytest.raises(UsageError, match="horizon is 3"):
        Fixed(tasks[:2]).find(trap(), 0)


@pytest.mark.parametrize(
    "make", [lambda: Beam(0), lambda: Annealing(0), lambda: Annealing(5, 0.1, 0.2), lambda: FlatMonteCarlo(0)]
)
def test_senseless_settings_are_refused(make):
    with pytest.raises(UsageError):
        make()
