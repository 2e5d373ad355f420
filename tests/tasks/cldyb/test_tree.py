"""The tree search against brute force, its limits, its budget, and going on after an interruption."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from methods.cldyb.adversaries import Greedy, RandomTasks, TreeSearch
from methods.cldyb.sequence_adversaries import BruteForce
from suite.errors import UsageError
from tasks.cldyb.mdp import MDP, Ledger, rewards, used
from tasks.cldyb.search_settings import SearchSettings
from tasks.cldyb.tabular import (
    Tabular,
    from_accuracies,
    histories,
    overlapping,
    random_accuracies,
    singles,
    trap,
)
from tasks.cldyb.tree import Search


def table(seed, tasks=None, horizon=3, learners=2):
    tasks = tasks or singles(5)
    return from_accuracies(
        tasks, horizon, random_accuracies(tasks, horizon, learners, np.random.default_rng(seed))
    )


def constant(count=6, horizon=1, value=0.25):
    tasks = singles(count)
    return Tabular(tasks, horizon, dict.fromkeys(histories(tasks, horizon), value))


class Changing(MDP):
    """Proposes three of the legal tasks, drawn by the stream."""

    def __init__(self, inner):
        self.inner, self.horizon, self.asked = inner, inner.horizon, []

    def actions(self, history, rng):
        self.asked.append(history)
        legal = self.inner.actions(history, rng)
        return tuple(sorted(legal[i] for i in rng.permutation(len(legal))[:3]))

    def reward(self, history, action):
        return self.inner.reward(history, action)


@pytest.mark.parametrize("backup", ["mean", "max"])
@pytest.mark.parametrize("exploration", [0.0, 1.4])
def test_an_exhaustive_budget_equals_brute_force(backup, exploration):
    for seed in range(3):
        for mdp in (table(seed), table(seed, overlapping(6, 2)), trap(np.random.default_rng(seed), 0.05)):
            leaves = sum(len(one) == 3 for one in histories(mdp.tasks, 3))
            settings = SearchSettings(
                leaves, None, 3, exploration, backup=backup, commit="max", visit_all=True
            )
            search = Search(mdp, settings, seed)
            tasks, best = search.run(), BruteForce().find(mdp, 0)
            assert sum(rewards(mdp, tasks)) == pytest.approx(best.total, abs=1e-12)
            assert search.best[0] == pytest.approx(best.total, abs=1e-12)
            # Every simulation saw a leaf of its own, and later steps had nothing left to look at.
            assert search.simulations == search.steps[0].simulations == leaves


@pytest.mark.parametrize("backup", ["mean", "max"])
@pytest.mark.parametrize("limited", [{"depth": 1}, {"depth": 3, "gamma": 0.0}])
def test_looking_ahead_by_nothing_is_greedy(limited, backup):
    for seed in range(4):
        mdp = table(seed)
        for commit in ("visits", "max"):
            settings = SearchSettings(simulations=40, backup=backup, commit=commit, **limited)
            assert TreeSearch(**asdict(settings)).find(mdp, seed).tasks == Greedy().find(mdp, seed).tasks
    assert TreeSearch(simulations=40, **limited).find(trap(), 0).tasks[0] == (0,)


@pytest.mark.parametrize("exploration", [0.01, 1.4, 1e9])
@pytest.mark.parametrize("backup", ["mean", "max"])
def test_a_constant_reward_is_visited_evenly_and_ties_go_to_the_lowest_task(exploration, backup):
    for horizon, depth in ((1, 1), (3, 3)):
        search = Search(constant(6, horizon), SearchSettings(10**6, None, depth, exploration, backup=backup))
        for k in range(1, 49):
            search.simulate()
            visits = [child.visits for child in search.root.children]
            assert k < 6 or max(visits) - min(visits) <= 1
            assert visits == sorted(visits, reverse=True) or k < 6
        assert set(visits) == {8}
        assert search.take() == (0,)


def test_without_exploration_all_later_visits_go_to_the_best():
    mdp = table(3, horizon=1)
    search = Search(mdp, SearchSettings(simulations=10**6, depth=1, exploration=0.0))
    for _ in range(55):
        search.simulate()
    visits = {child.action: child.visits for child in search.root.children}
    best = max(mdp.tasks, key=lambda one: mdp.reward((), one))
    assert visits.pop(best) == 51 and set(visits.values()) == {1}


def test_endless_exploration_visits_uniformly():
    search = Search(table(4), SearchSettings(simulations=10**6, depth=3, exploration=1e9))
    for _ in range(200):
        search.simulate()
    assert {child.visits for child in search.root.children} == {40}


def test_uct_by_hand():
    # Three tasks, horizon 1, returns 0.1, 0.5, 0.9: spread 0.8, c 0.5. After one visit each:
    # score = r / 0.8 + 0.5 sqrt(ln 3 / n): (2,) leads, then 1.125 + 0.5 sqrt(ln 4 / 2) = 1.5413 against
    # 0.625 + 0.5 sqrt(ln 4) = 1.2137 of (1,); it leads until 0.5 sqrt(ln n) (1 - 1 / sqrt(n - 2)) > 0.5.
    mdp = Tabular(singles(3), 1, {((0,),): 0.1, ((1,),): 0.5, ((2,),): 0.9})
    search = Search(mdp, SearchSettings(simulations=100, depth=1, exploration=0.5))
    first = next(n for n in range(3, 99) if 0.5 * np.sqrt(np.log(n)) * (1 - 1 / np.sqrt(n - 2)) > 0.5)
    for _ in range(first):
        search.simulate()
    assert [child.visits for child in search.root.children] == [1, 1, first - 2]
    search.simulate()
    assert [child.visits for child in search.root.children] == [1, 2, first - 2]


def test_more_simulations_never_lower_the_best_return():
    for seed in range(5):
        search, best = Search(table(seed), SearchSettings(10**6, depth=3, backup="max"), seed), []
        for _ in range(80):
            search.simulate()
            best.append(search.best[0])
        assert best == sorted(best)
        # A shorter search is the beginning of a longer one.
        short = Search(table(seed), SearchSettings(10**6, depth=3, backup="max"), seed)
        for _ in range(17):
            short.simulate()
        assert short.best[0] == best[16]


def test_committing_to_the_largest_return_ends_where_the_best_simulation_did():
    for seed in range(8):
        search = Search(table(seed), SearchSettings(simulations=12, depth=3, commit="max"), seed)
        assert (search.run(), search.total_return) == (
            search.best[1],
            pytest.approx(search.best[0], abs=1e-12),
        )


@pytest.mark.parametrize("per_task", [1, 4])
def test_the_tree_beats_random_tasks(per_task):
    settings = SearchSettings(simulations=5 * per_task, depth=3)
    for mdp in (trap(), table(0), table(1)):
        found = [TreeSearch(**asdict(settings)).find(mdp, seed).total for seed in range(20)]
        assert np.mean(found) >= np.mean([RandomTasks().find(mdp, seed).total for seed in range(20)])


def test_the_trap_is_passed_with_exploration_and_kept_without():
    def right(**fields):
        settings = SearchSettings(simulations=10**6, depth=3, **fields)
        found = 0
        for seed in range(6):
            search = Search(trap(), settings, seed)
            for _ in range(300):
                search.simulate()
            found += search.take() == (4,)
        return found

    assert right() == 6
    assert right(exploration=0.05, scale=2.0) < 6


@pytest.mark.parametrize("dynamic", [False, True])
def test_no_class_is_used_twice_whatever_is_proposed(dynamic):
    inner = table(0, overlapping(7, 2), horizon=3)
    for seed in range(5):
        mdp = Changing(inner)
        search = Search(mdp, SearchSettings(simulations=15, depth=3, dynamic=dynamic), seed)
        tasks = search.run()
        assert len(tasks) == 3 and len(used(tasks)) == 6
        lengths = {len(one) for one in mdp.asked}
        assert lengths == {0, 1, 2} and len(mdp.asked) == len(set(mdp.asked))
        assert dynamic or len(mdp.asked) == 3


def test_an_edge_is_paid_once_and_every_root_return_is_a_sum_of_its_children():
    ledger = Ledger(table(2))
    search = Search(ledger, SearchSettings(simulations=60, depth=3), 0)
    for _ in range(60):
        search.simulate()
    root = search.root
    assert root.visits == sum(child.visits for child in root.children) == 60
    assert root.total == pytest.approx(sum(child.total for child in root.children))
    assert root.best == max(child.best for child in root.children)
    assert ledger.edges <= 5 + 20 + 60 < ledger.calls


def test_returns_are_discounted_by_hand():
    mdp = Tabular(singles(3), 3, dict.fromkeys(histories(singles(3), 3), 1.0))
    search = Search(mdp, SearchSettings(simulations=9, depth=3, gamma=0.5))
    for _ in range(9):
        search.simulate()
    child = search.root.children[0]
    assert (search.root.best, child.best, child.children[0].best) == (1.75, 1.75, 1.5)
    assert search.best[0] == 3.0


def test_budgets_are_kept():
    mdp = table(0)
    assert [step.simulations for step in _run(mdp, SearchSettings(simulations=7)).steps] == [7, 7, 7]
    assert [step.simulations for step in _run(mdp, SearchSettings(total=20)).steps] == [7, 7, 6]
    assert [step.simulations for step in _run(mdp, SearchSettings()).steps] == [20, 16, 12]


def _run(mdp, settings, seed=0):
    search = Search(mdp, settings, seed)
    search.run()
    return search


def test_a_subtree_is_kept_only_where_its_returns_are_whole():
    def carried(**fields):
        search = Search(table(1, singles(6), horizon=4), SearchSettings(simulations=50, **fields), 0)
        while not search.steps:
            search.advance()
        return search.root.visits

    assert carried(depth=4) > 0 and carried(depth=3, reuse="always") > 0
    assert carried(depth=3) == 0 and carried(depth=4, reuse="never") == 0


CASES = [
    SearchSettings(simulations=12, depth=3),
    SearchSettings(simulations=12, depth=3, dynamic=True, backup="max", commit="max"),
    SearchSettings(total=30, depth=2, reuse="always", exploration=0.3),
    SearchSettings(simulations=12, depth=3, commit="max", visit_all=True),
    SearchSettings(simulations=12, depth=3, gamma=0.9, scale=2.0, dynamic=True),
]


@pytest.mark.parametrize("settings", CASES)
def test_a_killed_search_goes_on_to_the_same_tree_and_sequence(settings):
    inner = table(5, overlapping(7, 2), horizon=3)

    def mdp():
        return Changing(inner)

    whole = Search(mdp(), settings, 3)
    states = []
    whole.run(lambda state: states.append(json.dumps(state, allow_nan=False)), every=1)
    for i in range(0, len(states), 5):
        again = Search.resume(mdp(), json.loads(states[i]))
        assert json.dumps(again.state()) == states[i]
        for later in states[i + 1 : i + 4]:
            again.advance()
            assert json.dumps(again.state()) == later
        assert again.done or again.run() == whole.history
        assert json.dumps(again.state()) == states[-1]


def test_the_same_seed_finds_the_same_and_another_looks_elsewhere():
    mdp, settings = table(0), SearchSettings(simulations=10, depth=3)
    assert _run(mdp, settings, 4).state() == _run(mdp, settings, 4).state()
    assert _run(mdp, settings, 4).state() != _run(mdp, settings, 5).state()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"simulations": 3, "total": 3}, "not both"),
        ({"depth": 0}, "depth"),
        ({"exploration": float("inf")}, "exploration"),
        ({"scale": 0.0}, "scale"),
        ({"backup": "median"}, "backup"),
        ({"reuse": "sometimes"}, "reuse"),
        ({"visit_all": True}, "commit = max"),
    ],
)
def test_senseless_settings_are_refused(fields, words):
    with pytest.raises(UsageError, match=words):
        SearchSettings(**fields)


def test_dead_ends_and_foreign_states_are_told():
    with pytest.raises(UsageError, match="1 tasks to go"):
        Search(Tabular(singles(2), 3, dict.fromkeys(histories(singles(2), 3), 0.0))).run()
    search = Search(table(0))
    with pytest.raises(UsageError, match="before the first simulation"):
        search.take()
    with pytest.raises(UsageError, match="horizon"):
        Search.resume(constant(), search.state())
    search.run()
    with pytest.raises(UsageError, match="complete"):
        search.advance()


@pytest.mark.parametrize(("quantile", "place"), [(1.0, 0), (0.5, 2), (0.0, 4)])
def test_a_quantile_takes_easier_tasks_in_the_order_of_their_worth(quantile, place):
    """Five tasks of one step each: the best returns are the rewards themselves."""
    worth = {(c,): value for c, value in enumerate((0.2, 0.9, 0.4, 0.6, 0.1))}
    table = {one: worth[one[-1]] for one in histories(singles(5), 1)}
    search = Search(Tabular(singles(5), 1, table), SearchSettings(30, commit="max", quantile=quantile))
    ordered = sorted(worth, key=worth.get, reverse=True)
    assert search.run() == (ordered[place],)


def test_of_equals_the_lowest_task_is_taken_at_the_top():
    table = dict.fromkeys(histories(singles(4), 1), 0.5)
    for commit in ("max", "visits"):
        assert Search(Tabular(singles(4), 1, table), SearchSettings(8, commit=commit)).run() == ((0,),)
    with pytest.raises(UsageError, match="quantile"):
        SearchSettings(quantile=1.5)
