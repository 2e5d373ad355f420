"""Descriptions of tasks, k-means, and the reduced set of tasks that a history is offered."""

from itertools import product

import numpy as np
import pytest

from suite.errors import UsageError
from tasks.cldyb.actions import Proposer, Reduction
from tasks.cldyb.clustering import describe, k_means, ncm_accuracy, one_of_each
from tasks.cldyb.mdp import need_legal, stream, used
from tasks.cldyb.sampling import Support, geometry


def space(classes=12, each=5, width=6, seed=0, numbers=None):
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(classes, width))
    labels = np.repeat(np.arange(classes) if numbers is None else np.asarray(numbers), each)
    noise = 0.8 * rng.normal(size=(classes * each, width))
    return geometry([Support(np.repeat(means, each, axis=0) + noise, labels)])


def inertia(x, labels):
    return sum(((x[labels == g] - x[labels == g].mean(0)) ** 2).sum() for g in set(labels.tolist()))


def test_k_means_is_the_best_partition_of_few_points():
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=(6, 2))
        for k in (2, 3):
            best = min(
                inertia(x, np.array(labels))
                for labels in product(range(k), repeat=6)
                if len(set(labels)) == k
            )
            labels = k_means(x, k, np.random.default_rng(seed), restarts=10)
            assert inertia(x, labels) == pytest.approx(best)


def test_k_means_finds_blobs_and_every_label_is_given_even_to_equal_points():
    rng = np.random.default_rng(0)
    x = np.repeat(np.array([[0.0, 0], [50, 0], [0, 50]]), [3, 8, 5], axis=0) + rng.normal(size=(16, 2))
    labels = k_means(x, 3, rng)
    assert sorted(np.bincount(labels).tolist()) == [3, 5, 8]
    for k in (1, 3, 6):
        assert set(k_means(np.zeros((6, 2)), k, rng)) == set(range(k))


def test_one_action_of_every_cluster():
    tasks = [(number,) for number in range(9)]
    x = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2], [30.0], [30.1], [30.2]])
    drawn = set()
    for seed in range(20):
        found = one_of_each(tasks, x, 3, np.random.default_rng(seed))
        assert [task[0] // 3 for task in found] == [0, 1, 2]
        drawn |= set(found)
    assert drawn == set(tasks)
    assert one_of_each(tasks, x, 9, np.random.default_rng(0)) == tuple(tasks)
    assert one_of_each(tasks, x, 50, np.random.default_rng(0)) == tuple(tasks)
    assert len(one_of_each(tasks, np.zeros((9, 1)), 4, np.random.default_rng(0))) == 4


def test_ncm_accuracy_by_hand():
    # Class means point along the axes; an example of class 1 leans towards class 2's.
    x = np.array([[1.0, 0, 0], [0, 1, 0], [0, 1, 1.5], [0, 2, 0], [0, 0, 1]])
    found = geometry([Support(x, np.array([0, 1, 1, 1, 2]))])
    # Mean of class 1 is (0, 4, 1.5), normed (0, 0.936, 0.351): cosine to (0, 1, 1.5) 0.811, of class 2 0.832.
    assert ncm_accuracy(found, [(0, 1), (1, 2)], []).ravel() == pytest.approx([1.0, 3 / 4])
    assert ncm_accuracy(found, [(0, 1)], [2]).ravel() == pytest.approx([3 / 4])


def test_ncm_accuracy_against_a_loop():
    found, tasks, learned = space(), [(0, 3, 7), (1, 2, 9)], [4, 5]
    for b, task in enumerate(tasks):
        rows = [i for i, label in enumerate(found.labels[0]) if label in task]
        seen = sorted([*task, *learned])
        hits = [seen[int(found.cosines[0][i][seen].argmax())] == found.labels[0][i] for i in rows]
        assert ncm_accuracy(found, tasks, learned)[b, 0] == pytest.approx(np.mean(hits))


def test_descriptions_are_standardised_and_by_hand():
    found, tasks = space(width=6), [(0, 1, 2), (3, 4, 5), (6, 7, 8), (1, 5, 9)]
    features = describe(found, tasks, [10, 11])
    assert features.shape == (4, 6 + 5)
    assert np.allclose(features.mean(0), 0) and np.allclose(features.std(0), 1)
    cosines = found.potential
    inner = np.array([[cosines[a, b], cosines[a, c], cosines[b, c]] for a, b, c in tasks])
    old = np.array([max(cosines[a, b] for a in task for b in (10, 11)) for task in tasks])
    for column, values in ((6, inner.min(1)), (7, inner.mean(1)), (8, inner.max(1)), (9, old)):
        assert np.allclose(features[:, column], (values - values.mean()) / values.std())
    assert (describe(found, tasks, [])[:, 9] == 0).all()
    assert np.isfinite(describe(found, [(0,), (1,)], [])).all()


@pytest.mark.parametrize("controls", [0.0, 0.5])
def test_proposals_are_legal_as_many_as_groups_and_named_by_the_pool(controls):
    numbers = np.arange(24) * 3 + 1
    propose = Proposer(lambda history: space(24, numbers=numbers), Reduction(3, 16, 4, controls))
    history = ()
    for _ in range(4):
        found = propose(history, stream(7, "actions", history))
        need_legal(history, found)
        assert found == tuple(sorted(found)) == propose(history, stream(7, "actions", history))
        assert len(found) == 4 and all(
            len(task) == 3 and set(task) <= set(numbers.tolist()) for task in found
        )
        history = (*history, found[0])
    assert len(used(history)) == 12


def test_the_last_classes_make_one_task_and_too_few_make_none():
    propose = Proposer(lambda history: space(7), Reduction(3, 16, 4))
    history = ((0, 1, 2),)
    assert len(propose(history, stream(0, "a"))) >= 1
    assert propose(((0, 1),), stream(0, "a"))  # five are left
    assert propose(((0, 1, 2, 3),), stream(0, "a")) == ((4, 5, 6),)
    assert propose(((0, 1, 2), (3, 4)), stream(0, "a")) == ()


def test_hardness_of_a_task_is_its_ncm_accuracy():
    found = space(numbers=np.arange(12) + 5)
    propose = Proposer(lambda history: found, Reduction(3))
    assert propose.accuracy(((5, 6),), (8, 9, 10)) == ncm_accuracy(found, [(3, 4, 5)], [0, 1])[0, 0]


def test_senseless_reductions_are_refused():
    for fields in ({"size": 0}, {"groups": 0}, {"candidates": 0}, {"controls": -0.1}):
        with pytest.raises(UsageError):
            Reduction(**fields)
