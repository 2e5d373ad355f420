"""The linear probe against a general minimiser, against closed forms, and in what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp

from suite.errors import UsageError
from suite.models.probe import held_out_rows, linear_probe


def blobs(n: int, d: int, classes: int, *, seed: int = 0, spread: float = 1.0) -> tuple[Any, Any]:
    """Gaussian classes whose features have scales and offsets of their own."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % classes)
    x = rng.normal(size=(classes, d))[y] + spread * rng.normal(size=(n, d))
    return x * rng.uniform(0.1, 10, d) + rng.normal(size=d), y


def minimum(x: Any, y: Any, strength: float) -> tuple[Any, Any]:
    """Weights and bias of the objective in the docstring by scipy, its gradient by differences."""
    z = (x - x.mean(0)) / x.std(0)
    d, k = z.shape[1], len(np.unique(y))

    def objective(theta: Any) -> float:
        w, b = theta[: d * k].reshape(d, k), theta[d * k :]
        scores = z @ w + b
        nll = (logsumexp(scores, axis=1) - scores[np.arange(len(y)), y]).mean()
        return float(nll + strength / 2 * (w**2).sum())

    found = minimize(objective, np.zeros(d * k + k), method="BFGS", options={"gtol": 1e-9, "maxiter": 500})
    return found.x[: d * k].reshape(d, k), found.x[d * k :]


@pytest.mark.parametrize("strength", [0.3, 0.02])
def test_the_fit_is_the_minimum_that_a_general_minimiser_finds(strength: float) -> None:
    x, y = blobs(60, 3, 3)
    probe = linear_probe(x, y, strengths=[strength], dtype="float64")
    weights, bias = minimum(x, y, strength)
    np.testing.assert_allclose(probe.weights, weights, atol=2e-5)
    np.testing.assert_allclose(probe.bias, bias - bias.mean(), atol=2e-5)


@pytest.mark.parametrize("strength", [1.0, 0.01, 0.0001])
def test_the_fit_equals_scikit_learns(strength: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    x, y = blobs(80, 12, 4, spread=2.0)
    z = (x - x.mean(0)) / x.std(0)
    ours = linear_probe(x, y, strengths=[strength], dtype="float64", steps=1000).scores(x)
    judge = linear_model.LogisticRegression(C=1 / (len(y) * strength), tol=1e-10, max_iter=10_000).fit(z, y)
    np.testing.assert_allclose(ours, judge.decision_function(z), rtol=1e-4, atol=1e-4)


def test_single_precision_stays_close_to_double() -> None:
    x, y = blobs(300, 40, 5)
    single, double = (linear_probe(x, y, strengths=[0.01], dtype=d) for d in ("float32", "float64"))
    np.testing.assert_allclose(single.scores(x), double.scores(x), atol=5e-3)


def test_labels_of_any_kind_come_back() -> None:
    x = np.array([[0.0], [0.1], [5.0], [5.1]])
    probe = linear_probe(x, ["cat", "cat", "dog", "dog"], strengths=[0.01])
    assert probe.predict(np.array([[-1.0], [9.0]])).tolist() == ["cat", "dog"]
    assert probe.classes.tolist() == ["cat", "dog"]


def test_scaling_and_shifting_features_changes_nothing() -> None:
    x, y = blobs(200, 6, 3)
    moved = linear_probe(x * 1000 + 7, y, dtype="float64")
    kept = linear_probe(x, y, dtype="float64")
    assert moved.strength == kept.strength
    np.testing.assert_allclose(moved.scores(x * 1000 + 7), kept.scores(x), atol=1e-5)


def test_a_constant_feature_has_no_weight() -> None:
    x, y = blobs(100, 4, 2)
    x[:, 2] = 0.1
    probe = linear_probe(x, y)
    assert probe.weights[2].abs().max() < 1e-6
    assert np.isfinite(probe.scores(x)).all()


def test_the_strength_that_gets_most_of_the_held_out_part_right_is_taken() -> None:
    x, y = blobs(120, 60, 3, spread=4.0, seed=5)
    probe = linear_probe(x, y, seed=3)
    out = held_out_rows(torch.from_numpy(y), 3).numpy()
    by_hand = {}
    for strength in probe.held_out:
        part = linear_probe(x[~out], y[~out], strengths=[strength], dtype="float64", steps=1000)
        by_hand[strength] = float((part.predict(x[out]) == y[out]).mean())
    assert probe.held_out == pytest.approx(by_hand, abs=1.5 / out.sum())
    assert probe.held_out[probe.strength] == max(probe.held_out.values())
    assert len(set(probe.held_out.values())) > 1


def test_a_fifth_is_held_out_of_every_class() -> None:
    y = torch.tensor([0] * 50 + [1] * 25 + [2] * 5 + [3])
    out = held_out_rows(y, 0)
    assert [int(out[y == c].sum()) for c in (0, 1)] == [10, 5]
    assert 0 < int(out[y == 2].sum()) < 5
    assert int(out[y == 3].sum()) == 0
    assert not torch.equal(out, held_out_rows(y, 1))


def test_no_class_is_held_out_whole() -> None:
    y = torch.arange(240).repeat_interleave(2)
    out = held_out_rows(y, 0)
    assert set(y[~out].tolist()) == set(range(240))


def test_one_row_a_class_leaves_nothing_to_choose_by() -> None:
    probe = linear_probe(np.eye(4), [0, 1, 2, 3])
    assert (probe.strength, probe.held_out) == (0.01, {})
    assert probe.predict(np.eye(4)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("features", "labels", "line"),
    [
        (np.zeros((3, 2)), [1, 1, 1], "there are 1"),
        (np.zeros((3, 2)), [1, 2], r"shape \(3, 2\) for 2 labels"),
        (np.zeros(3), [1, 2, 1], "is due"),
        (np.array([[1.0], [np.nan]]), [0, 1], "not finite"),
    ],
)
def test_what_is_no_problem_is_refused(features: Any, labels: Any, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        linear_probe(features, labels)


def test_features_of_another_width_are_refused() -> None:
    probe = linear_probe(np.array([[0.0], [1.0]]), [0, 1])
    with pytest.raises(UsageError, match=r"features \(N, 1\)"):
        probe.predict(np.zeros((2, 3)))
