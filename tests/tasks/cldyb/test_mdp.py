"""The reward of one step, and what the rewards of a sequence add up to."""

import numpy as np
import pytest

from suite.errors import MethodError, UsageError
from tasks.cldyb.mdp import Ledger, Reward, need_legal, rewards, seed_of, stream
from tasks.cldyb.tabular import (
    Tabular,
    from_accuracies,
    histories,
    overlapping,
    random_accuracies,
    singles,
    trap,
)


def matrices(learners, horizon, seed):
    rng = np.random.default_rng(seed)
    return [[rng.random(t + 1).tolist() for t in range(horizon)] for _ in range(learners)]


def test_reward_by_hand():
    # One learner: 0.9, 0.5 become 0.6, 0.6, and the new task is learned at 0.2; of 4 tasks.
    before, after = [[0.9, 0.5]], [[0.6, 0.6, 0.2]]
    assert Reward()(before, after, 4) == pytest.approx((0.8 + 0.3 - 0.1) / 4)
    assert Reward(alpha=2, beta=0.5)(before, after, 4) == pytest.approx((1.6 + 0.1) / 4)
    assert Reward(weights=(3.0,))(before, after, 4) == pytest.approx(0.75)


def test_aggregates_by_hand():
    before, after = [[], []], [[0.2], [0.6]]
    assert Reward()(before, after, 2) == pytest.approx(0.3)
    assert Reward(aggregate="min")(before, after, 2) == pytest.approx(0.2)
    assert Reward(aggregate="max")(before, after, 2) == pytest.approx(0.4)
    # 0.4 is above two of four and equal to one (2.5 / 4); 0.2 is above none and equal to two of two (1 / 2).
    ranked = Reward(aggregate="rank-mean", reference=((0.5, 0.1, 0.4, 0.3), (0.2, 0.2)))
    assert ranked([[], []], [[0.2], [0.6]], 2) == pytest.approx((2.5 / 4 + 0.5) / 2 / 2)


def test_rank_mean_ignores_the_scale_of_a_learner():
    rng = np.random.default_rng(0)
    known, steps = rng.random((2, 20)), rng.random((10, 2))

    def values(factor):
        reference = (tuple(known[0]), tuple(factor * known[1]))
        reward = Reward(aggregate="rank-mean", reference=reference)
        return [reward([[], []], [[1 - a], [1 - factor * b]], 1) for a, b in steps]

    assert values(1.0) == pytest.approx(values(0.25), abs=1e-12)


@pytest.mark.parametrize("learners", [1, 2, 5])
@pytest.mark.parametrize("horizon", [1, 2, 7])
def test_returns_telescope_to_one_minus_final_accuracy(learners, horizon):
    for seed in range(10):
        drawn = matrices(learners, horizon, seed)
        final = np.mean([np.mean(rows[-1]) for rows in drawn])
        assert abs(sum(Reward().of_matrices(drawn)) - (1 - final)) < 1e-12


def test_returns_with_other_weights_are_learning_and_forgetting_apart():
    drawn, horizon = matrices(3, 5, 1), 5
    learned = np.mean([np.mean([rows[t][t] for t in range(horizon)]) for rows in drawn])
    forgotten = np.mean([np.mean([rows[t][t] - rows[-1][t] for t in range(horizon - 1)]) for rows in drawn])
    got = sum(Reward(alpha=0.7, beta=1.9).of_matrices(drawn))
    assert got == pytest.approx(0.7 * (1 - learned) + 1.9 * (4 / 5) * forgotten, abs=1e-12)


def test_twins_are_one_learner_and_order_of_learners_does_not_matter():
    drawn = matrices(3, 4, 2)
    assert Reward().of_matrices([drawn[0]] * 2) == pytest.approx(Reward().of_matrices(drawn[:1]), abs=1e-15)
    for aggregate in ("mean", "min", "max"):
        reward = Reward(aggregate=aggregate)
        assert reward.of_matrices(drawn) == pytest.approx(reward.of_matrices(drawn[::-1]), abs=1e-15)


def test_no_joint_sequence_beats_the_mean_of_the_separate_optima():
    tasks = singles(4)
    for seed in range(5):
        rows = random_accuracies(tasks, 3, 3, np.random.default_rng(seed))
        joint = from_accuracies(tasks, 3, rows)
        alone = [from_accuracies(tasks, 3, {h: [r[m]] for h, r in rows.items()}) for m in range(3)]

        def best(table):
            return max(sum(rewards(table, one)) for one in histories(tasks, 3) if len(one) == 3)

        assert best(joint) <= np.mean([best(one) for one in alone]) + 1e-12


def test_trap_is_what_it_says():
    table = trap()
    returns = {one: sum(rewards(table, one)) for one in histories(table.tasks, 3) if len(one) == 3}
    assert len(returns) == 60
    assert max(returns, key=returns.get) == ((4,), (3,), (2,))
    assert sorted(returns.values())[-2:] == pytest.approx([0.3, 1.0])
    assert max(table.tasks, key=lambda one: table.reward((), one)) == (0,)
    assert max(v for one, v in returns.items() if one[0] == (0,)) == pytest.approx(0.7 / 3)
    noisy = trap(np.random.default_rng(0), noise=0.01)
    assert np.std([noisy.table[one] - table.table[one] for one in table.table]) == pytest.approx(
        0.01, rel=0.2
    )


def test_a_table_uses_no_class_twice_and_must_be_whole():
    tasks = overlapping(5, 2)
    found = list(histories(tasks, 2))
    assert len(found) == 10 + 10 * 3
    assert all(len({number for task in one for number in task}) == 2 * len(one) for one in found)
    with pytest.raises(UsageError, match="no reward"):
        Tabular(tasks, 2, {one: 0.0 for one in found[:-1]})


def test_ledger_pays_once_for_an_edge():
    ledger = Ledger(trap())
    for _ in range(3):
        rewards(ledger, ((4,), (3,), (2,)))
        rewards(ledger, ((4,), (3,), (1,)))
    assert (ledger.edges, ledger.calls) == (4, 18)


def test_streams_depend_on_seed_name_and_history():
    keys = [
        (0, "a", ()),
        (1, "a", ()),
        (0, "b", ()),
        (0, "a", ((1, 2),)),
        (0, "a", ((1,), (2,))),
        (0, "a", ((12,),)),
    ]
    assert len({seed_of(*key) for key in keys}) == len(keys)
    assert stream(*keys[3]).random() == stream(*keys[3]).random()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"aggregate": "median"}, "unknown"),
        ({"alpha": -1.0}, "at least 0"),
        ({"weights": (1.0, float("nan"))}, "finite"),
        ({"aggregate": "rank-mean"}, "reference"),
        ({"reference": ((0.1,),)}, "rank-mean"),
    ],
)
def test_senseless_rewards_are_refused(fields, words):
    with pytest.raises(UsageError, match=words):
        Reward(**fields)


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="rows"):
        Reward()([[]], [[0.1], [0.2]], 1)
    with pytest.raises(UsageError, match="followed"):
        Reward()([[0.1]], [[0.1]], 2)
    with pytest.raises(UsageError, match="reference losses of 1"):
        Reward(aggregate="rank-mean", reference=((0.1,),))([[], []], [[0.1], [0.2]], 1)


@pytest.mark.parametrize("tasks", [[(1, 2)], [(4, 3)], [(3, 3)], [()], [(3,), (3,)]])
def test_illegal_proposals_are_refused(tasks):
    with pytest.raises(MethodError, match="proposed"):
        need_legal(((0, 1),), tasks)
