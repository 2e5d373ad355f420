"""Learners that train nothing: against independent numpy computations of their formulas."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from methods.cldyb.fecam import FeCAM, normalised
from methods.cldyb.floors import Majority, Nearest, RandomGuess
from methods.cldyb.memory import admit
from methods.cldyb.ranpac import RIDGES, RanPAC, held_out_errors, one_hot
from methods.cldyb.simplecil import SimpleCIL
from methods.cldyb.slda import SLDA
from suite.errors import UsageError
from tasks.cldyb.contract import ContinualLearner, Learner, TaskData

D = 6
BACKBONE: Any = SimpleNamespace(width=D)
RNG = np.random.default_rng(7)
CENTRES = RNG.normal(size=(9, D)) * 2


def task(*classes: int, n: int = 12, seed: int = 0) -> TaskData:
    """n examples of each class around its centre, shuffled."""
    rng = np.random.default_rng([seed, *classes])
    y = rng.permutation(np.repeat(classes, n))
    x = CENTRES[y] + rng.normal(size=(len(y), D))
    return TaskData(torch.tensor(x, dtype=torch.float32), torch.tensor(y), classes)


TASKS = (task(4, 1), task(8, 0, 2), task(3))
TEST = torch.tensor(RNG.normal(size=(20, D)) * 3, dtype=torch.float32)
X = TEST.double().numpy()


def learned(method: ContinualLearner, tasks: tuple[TaskData, ...] = TASKS) -> Learner:
    learner = method.begin(BACKBONE, 5)
    for number, one in enumerate(tasks):
        learner.learn(one, number)
    return learner


def logits_by_class(learner: Learner) -> np.ndarray:
    """Columns in order of the classes' numbers."""
    columns: np.ndarray = learner.logits(TEST).double().numpy()[:, np.argsort(learner.seen)]
    return columns


def rows(tasks: tuple[TaskData, ...] = TASKS) -> tuple[np.ndarray, np.ndarray]:
    return (
        torch.cat([t.x for t in tasks]).double().numpy(),
        torch.cat([t.y for t in tasks]).numpy(),
    )


def test_simplecil_is_the_cosine_to_the_class_means() -> None:
    x, y = rows()
    learner = learned(SimpleCIL())
    assert learner.seen == (4, 1, 8, 0, 2, 3)
    for column, c in enumerate(learner.seen):
        mean = x[y == c].mean(0)
        cosine = X @ mean / np.linalg.norm(X, axis=1) / np.linalg.norm(mean)
        np.testing.assert_allclose(learner.logits(TEST)[:, column].numpy(), cosine, atol=1e-6)


def test_slda_does_the_published_recursion_example_by_example() -> None:
    x, y = rows()
    sigma = np.ones((D, D))
    mean, count = {c: np.zeros(D) for c in set(y)}, dict.fromkeys(y, 0)
    for t, (row, c) in enumerate(zip(x, y, strict=True)):
        d = row - mean[c]
        sigma = (t * sigma + np.outer(d, d) * t / (t + 1)) / (t + 1)
        mean[c] = mean[c] + d / (count[c] + 1)
        count[c] += 1
    learner = learned(SLDA())
    state = learner.state()
    np.testing.assert_allclose((state["scatter"] / state["count"]).numpy(), sigma, rtol=1e-10)
    inverse = np.linalg.inv((1 - 1e-4) * sigma + 1e-4 * np.eye(D))
    for column, c in enumerate(learner.seen):
        expected = X @ inverse @ mean[c] - 0.5 * mean[c] @ inverse @ mean[c]
        np.testing.assert_allclose(learner.logits(TEST)[:, column].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_slda_with_a_batch_covariance_is_order_invariant_and_pooled() -> None:
    x, y = rows()
    pooled = sum((x[y == c] - x[y == c].mean(0)).T @ (x[y == c] - x[y == c].mean(0)) for c in set(y)) / len(x)
    forth, back = (learned(SLDA(covariance="batch"), order) for order in (TASKS, TASKS[::-1]))
    np.testing.assert_allclose((forth.state()["scatter"] / len(x)).numpy(), pooled, rtol=1e-10)
    np.testing.assert_allclose(logits_by_class(forth), logits_by_class(back), rtol=1e-5, atol=1e-5)
    streaming = [learned(SLDA(), order).state()["scatter"] for order in (TASKS, TASKS[::-1])]
    assert not torch.allclose(*streaming)


def test_ranpac_is_ridge_regression_on_all_tasks_at_once_in_any_order() -> None:
    x, y = rows()
    method = RanPAC(dim=40, ridge=3.0)
    learner = learned(method)
    projection = learner.projection.double().numpy()  # type: ignore[attr-defined]
    h = np.maximum(x @ projection, 0)
    targets = (y[:, None] == np.array(learner.seen)).astype(float)
    weights = np.linalg.solve(h.T @ h + 3.0 * np.eye(40), h.T @ targets)
    np.testing.assert_allclose(
        learner.logits(TEST).numpy(), np.maximum(X @ projection, 0) @ weights, rtol=1e-3, atol=1e-5
    )
    back = learned(method, TASKS[::-1])
    np.testing.assert_allclose(logits_by_class(learner), logits_by_class(back), atol=1e-6)
    whole = TaskData(torch.tensor(x, dtype=torch.float32), torch.tensor(y), learner.seen)
    np.testing.assert_allclose(learner.logits(TEST), learned(method, (whole,)).logits(TEST), atol=1e-6)


@pytest.mark.parametrize("n", [20, 200])
def test_ranpacs_errors_are_those_of_a_regression_for_every_ridge(n: int) -> None:
    """With fewer and with more rows than dimensions."""
    rng = np.random.default_rng(n)
    h, y = rng.normal(size=(n, 30)), np.eye(3)[rng.integers(0, 3, n)]
    cut = int(n * 0.8)
    for ridge, found in zip(RIDGES, held_out_errors(torch.tensor(h), torch.tensor(y)), strict=True):
        if ridge < 1e-6:
            continue
        w = np.linalg.solve(h[:cut].T @ h[:cut] + ridge * np.eye(30), h[:cut].T @ y[:cut])
        assert found == pytest.approx(((h[cut:] @ w - y[cut:]) ** 2).mean(), rel=1e-6)


def test_ranpac_chooses_the_ridge_with_the_least_error_and_another_seed_another_projection() -> None:
    learner = RanPAC(dim=40).begin(BACKBONE, 5)
    learner.learn(TASKS[0], 3)
    from suite.models.training import Streams

    order = Streams(3).numpy("ridge").permutation(24)
    h = learner.hidden(TASKS[0].x)[order]  # type: ignore[attr-defined]
    y = one_hot((TASKS[0].y == 1).long(), 2, h)[order]
    errors = held_out_errors(h, y)
    assert float(learner.state()["ridge"]) == RIDGES[int(np.argmin(errors))]
    other = RanPAC(dim=40).begin(BACKBONE, 6)
    assert not torch.equal(other.projection, learner.projection)  # type: ignore[attr-defined]


@pytest.mark.parametrize("alphas", [(1.0, 0.0), (0.5, 0.25)])
def test_fecam_is_the_normalised_mahalanobis_distance(alphas: tuple[float, float]) -> None:
    x, y = rows()
    x, test = x / np.linalg.norm(x, axis=1)[:, None], X / np.linalg.norm(X, axis=1)[:, None]
    learner = learned(FeCAM(*alphas))
    for column, c in enumerate(learner.seen):
        cov = np.cov(x[y == c].T)
        v1, v2 = np.diag(cov).mean(), cov[~np.eye(D, dtype=bool)].mean()
        cov = cov + alphas[0] * v1 * np.eye(D) + alphas[1] * v2 * (1 - np.eye(D))
        sd = np.sqrt(np.diag(cov))
        np.testing.assert_allclose(
            normalised(torch.tensor(np.cov(x[y == c].T)), *alphas).numpy(), cov / np.outer(sd, sd), rtol=1e-9
        )
        gap = test - x[y == c].mean(0)
        expected = -np.einsum("ni,ij,nj->n", gap, np.linalg.inv(cov / np.outer(sd, sd)), gap)
        np.testing.assert_allclose(learner.logits(TEST)[:, column].numpy(), expected, rtol=1e-4, atol=1e-6)


def test_nearest_is_the_cosine_to_the_nearest_example_of_each_class() -> None:
    x, y = rows()
    cosines = X @ x.T / np.linalg.norm(X, axis=1)[:, None] / np.linalg.norm(x, axis=1)
    learner = learned(Nearest())
    for column, c in enumerate(learner.seen):
        expected = cosines[:, y == c].max(1)
        np.testing.assert_allclose(learner.logits(TEST)[:, column].numpy(), expected, atol=1e-6)


def test_majority_answers_the_largest_class_and_the_earliest_of_equals() -> None:
    learner = learned(Majority(), (task(4, 1, n=5), task(0, 2, n=8), task(3, n=8)))
    assert learner.logits(TEST)[0].tolist() == [5, 5, 8, 8, 8]
    assert {learner.seen[i] for i in learner.logits(TEST).argmax(1).tolist()} == {0}


def test_guesses_are_even_and_the_same_for_part_of_the_examples() -> None:
    learner = learned(RandomGuess(), TASKS[:1])
    logits = learner.logits(torch.zeros(4000, D))
    assert float(logits.argmax(1).float().mean()) == pytest.approx(0.5, abs=4 * 0.5 / 4000**0.5)
    assert torch.equal(learner.logits(torch.zeros(7, D)), logits[:7])


def test_what_is_no_new_task_is_refused() -> None:
    good = task(1, 2)
    assert admit((0,), good) == (0, 1, 2)
    with pytest.raises(ValueError, match="new classes"):
        admit((2,), good)
    with pytest.raises(ValueError, match="new classes"):
        admit((), task_with(good, (1, 2, 2)))
    with pytest.raises(ValueError, match=r"labels \[2\] are not among"):
        admit((), task_with(good, (1,)))
    with pytest.raises(ValueError, match=r"\[3\] have fewer than 1"):
        admit((), task_with(good, (1, 2, 3)))
    with pytest.raises(ValueError, match="fewer than 2"):
        learned(FeCAM(), (task(1, n=1),))


def task_with(one: TaskData, classes: tuple[int, ...]) -> TaskData:
    return TaskData(one.x, one.y, classes)


@pytest.mark.parametrize(
    ("method", "settings"),
    [(RanPAC, {"dim": 0}), (RanPAC, {"ridge": 0.0}), (SLDA, {"shrinkage": 0.0}), (FeCAM, {"alpha1": 0.0})],
)
def test_settings_out_of_range_are_refused(method: Any, settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(settings))):
        method(**settings)
