"""Prototypes, similarities and greedy sampling of tasks."""

from itertools import combinations

import numpy as np
import pytest

from suite.errors import DataError, UsageError
from tasks.cldyb.actions import Proposer, Reduction
from tasks.cldyb.sampling import Cap, Support, geometry, greedy_tasks, start_classes, uniform_tasks, within


def support(classes=12, each=4, width=6, seed=0, numbers=None):
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(classes, width))
    labels = np.repeat(np.arange(classes) if numbers is None else np.asarray(numbers), each)
    return Support(np.repeat(means, each, axis=0) + 0.3 * rng.normal(size=(classes * each, width)), labels)


def tasks_of(potential, size=4, unused=None, count=None, seed=0):
    unused = np.arange(len(potential)) if unused is None else np.asarray(unused)
    starts = start_classes(unused, count or len(unused), np.random.default_rng(seed))
    return greedy_tasks(potential, unused.tolist(), size, starts)


def test_prototypes_and_potential_by_hand():
    one = Support(np.array([[3.0, 0.0], [0.0, 3.0], [0.0, -2.0]]), np.array([4, 4, 9]))
    two = Support(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([4, 9]))
    space = geometry([one, two])
    half = np.sqrt(0.5)
    assert np.allclose(space.prototypes[0], [[half, half], [0, -1]])
    assert np.allclose(space.potential, [[1, (1 - half) / 2], [(1 - half) / 2, 1]])
    assert np.allclose(space.cosines[0], [[half, 0], [half, -1], [-half, 1]])
    assert space.labels[0].tolist() == [0, 0, 1]
    assert space.positions([9, 4]).tolist() == [1, 0]
    with pytest.raises(UsageError, match="not all among"):
        space.positions([5])


def test_tasks_are_distinct_sets_of_unused_classes():
    potential = geometry([support()]).potential
    for size in (1, 2, 4, 7):
        tasks = tasks_of(potential, size, unused=[0, 2, 3, 5, 7, 8, 11])
        assert len(set(tasks)) == len(tasks)
        for task in tasks:
            assert (
                len(set(task)) == size and set(task) <= {0, 2, 3, 5, 7, 8, 11} and sorted(task) == list(task)
            )
    assert tasks == [(0, 2, 3, 5, 7, 8, 11)]


def test_greedy_by_hand():
    potential = np.array([[1, 0.9, 0.1, 0.5], [0.9, 1, 0.4, 0.0], [0.1, 0.4, 1, 0.2], [0.5, 0.0, 0.2, 1]])
    # From 0: 1 (0.9); then 2 (0.1 + 0.4) and 3 (0.5 + 0) tie: the lower. From 3: 0, then 1 (0.9 + 0).
    assert greedy_tasks(potential, range(4), 3, np.array([0, 3])) == [(0, 1, 2), (0, 1, 3)]


def test_greedy_does_not_see_rotation_or_scale():
    plain, rng = support(), np.random.default_rng(5)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    scale = rng.uniform(0.1, 9.0, size=12)[plain.labels][:, None]
    turned = Support(scale * plain.features @ rotation, plain.labels)
    assert tasks_of(geometry([plain]).potential) == tasks_of(geometry([turned]).potential)


def test_greedy_never_beats_the_best_subset_and_finds_the_best_pair_from_its_end():
    for seed in range(5):
        potential = geometry([support(seed=seed), support(seed=seed + 50, width=3)]).potential
        for size in (2, 3, 4):
            best = max(within(potential, task) for task in combinations(range(12), size))
            assert all(within(potential, task) <= best + 1e-9 for task in tasks_of(potential, size))
        pair = max(combinations(range(12), 2), key=lambda task: within(potential, task))
        assert greedy_tasks(potential, range(12), 2, np.array([pair[0]])) == [pair]


def test_twins_are_one_learner_and_learners_have_no_order():
    one, two = support(), support(seed=1, width=9)
    assert np.allclose(geometry([one, one]).potential, geometry([one]).potential, atol=1e-15)
    assert np.allclose(geometry([one, two]).potential, geometry([two, one]).potential, atol=1e-15)


def test_start_classes_do_not_repeat_before_all_were_drawn():
    unused = np.array([3, 5, 8, 9])
    for seed in range(10):
        drawn = start_classes(unused, 10, np.random.default_rng(seed)).tolist()
        assert len(drawn) == 10 and len(set(start_classes(unused, 3, np.random.default_rng(seed)))) == 3
        assert set(drawn[:4]) == set(drawn[4:8]) == {3, 5, 8, 9}


def test_equal_sums_go_to_the_lowest_class_whatever_the_rounding():
    potential = np.zeros((4, 4))
    potential[0, 1] = 5.0  # the second
    potential[0, 2], potential[1, 2] = 0.1, 0.2
    potential[0, 3], potential[1, 3] = 0.15, 0.15
    assert 0.1 + 0.2 > 0.15 + 0.15
    assert greedy_tasks(potential, range(4), 3, np.array([0])) == [(0, 1, 2)]
    assert greedy_tasks(potential[:, [0, 1, 3, 2]], range(4), 3, np.array([0])) == [(0, 1, 2)]


def test_controls_are_uniform_and_distinct():
    tasks = uniform_tasks([1, 4, 6, 7], 2, 200, np.random.default_rng(0))
    assert sorted(tasks) == list(combinations([1, 4, 6, 7], 2))


def test_bad_supports_are_refused():
    with pytest.raises(UsageError, match="different classes"):
        geometry([support(), support(classes=11)])
    broken = support()
    broken.features[0, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        geometry([broken])
    with pytest.raises(UsageError, match="3 classes a task"):
        greedy_tasks(np.eye(4), [0, 1], 3, np.array([0]))


def test_a_cap_keeps_domains_apart_and_is_greedy_among_what_fits():
    potential = np.ones((6, 6)) * 0.1
    potential[0, 1] = potential[0, 2] = potential[1, 2] = 0.9  # one domain, much alike
    potential[0, 3], potential[0, 4] = 0.5, 0.4
    domains = np.array([0, 0, 0, 1, 1, 2])
    assert greedy_tasks(potential, range(6), 3, np.array([0])) == [(0, 1, 2)]
    assert greedy_tasks(potential, range(6), 3, np.array([0]), Cap(domains, 2)) == [(0, 1, 3)]
    assert greedy_tasks(potential, range(6), 3, np.array([0]), Cap(domains, 1)) == [(0, 3, 5)]
    # Four classes of three domains do not fit under one a domain.
    assert greedy_tasks(potential, range(6), 4, np.array([0, 3]), Cap(domains, 1)) == []
    one_each = uniform_tasks(range(6), 3, 300, np.random.default_rng(0), Cap(domains, 1))
    assert sorted(one_each) == [(a, b, 5) for a in range(3) for b in (3, 4)]
    assert uniform_tasks(range(6), 4, 20, np.random.default_rng(0), Cap(domains, 1)) == []


def test_a_cap_needs_domains_and_reaches_the_tasks_on_offer():
    space = geometry([support()])
    with pytest.raises(UsageError, match="needs the domains"):
        Proposer(lambda history: space, Reduction(2, per_domain=1))
    names = ["a" if c % 2 else "b" for c in range(int(space.classes.max()) + 1)]
    propose = Proposer(lambda history: space, Reduction(2, 16, 4, 0.5, per_domain=1), names)
    for seed in range(3):
        tasks = propose((), np.random.default_rng(seed))
        assert tasks and all(len({c % 2 for c in task}) == 2 for task in tasks)
    with pytest.raises(UsageError, match="per_domain"):
        Reduction(per_domain=-1)
