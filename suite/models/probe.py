"""The linear probe: how much of a labelling a linear map can read off frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from suite.errors import UsageError

STRENGTHS = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001)
"""L2 strengths to choose from, strongest first."""
UNCHOSEN = 0.01
"""The strength where no class has two examples, so that nothing can be held out."""
FIFTH = 5
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Probe:
    """A linear classifier of features (N, D).

    classes (K,): the labels in order. strength: the L2 strength chosen. held_out: the share right of the
    held-out part under each strength that was tried; empty where nothing was chosen. The other fields map
    features to scores: (x - mean) / scale, weights (D, K), bias (K,).
    """

    classes: Array
    strength: float
    held_out: dict[float, float]
    mean: Tensor
    scale: Tensor
    weights: Tensor
    bias: Tensor

    def scores(self, features: Array | Tensor) -> Array:
        """The scores (N, K), whose softmax are the probabilities of the classes."""
        x = torch.as_tensor(features).to(self.weights.dtype)
        if x.ndim != 2 or x.shape[1] != len(self.mean):
            raise UsageError(f"features (N, {len(self.mean)}) were learned from, not {tuple(x.shape)}")
        scores: Array = torch.addmm(self.bias, (x - self.mean) / self.scale, self.weights).numpy()
        return scores

    def predict(self, features: Array | Tensor) -> Array:
        """The most probable label of each row (N,)."""
        labels: Array = self.classes[self.scores(features).argmax(1)]
        return labels


def linear_probe(
    features: Array | Tensor,
    labels: Array | Sequence[Any],
    *,
    strengths: Sequence[float] = STRENGTHS,
    dtype: Literal["float32", "float64"] = "float32",
    seed: int = 0,
    steps: int = 100,
) -> Probe:
    """Multinomial logistic regression from features (N, D) to labels (N,).

    Minimises mean cross-entropy + strength / 2 * |weights|^2, the bias free, on features standardised by
    the training rows (scikit-learn's C is 1 / (N * strength)). Of several strengths the one that gets most
    of a held-out fifth right is taken, of equal ones that of the smaller cross-entropy there, and the fit is
    made again on all rows. The fifth is drawn by `seed`, even over the classes; every class keeps a row to
    learn from. steps: at most so many of LBFGS for one strength.
    Raises UsageError for fewer than two classes, and for features that are no finite matrix.
    """
    x, classes, y = _checked(features, labels, getattr(torch, dtype))
    if not strengths or min(strengths) <= 0:
        raise UsageError("a probe needs L2 strengths above 0")
    held_out: dict[float, float] = {}
    strength = strengths[0]
    if len(strengths) > 1:
        strength, held_out = _chosen(x, y, len(classes), sorted(strengths, reverse=True), seed, steps)
    mean, scale = _moments(x)
    theta = _fit((x - mean) / scale, y, strength, x.new_zeros(x.shape[1] + 1, len(classes)), steps)
    return Probe(classes, strength, held_out, mean, scale, theta[:-1], theta[-1])


def _checked(
    features: Array | Tensor, labels: Array | Sequence[Any], dtype: torch.dtype
) -> tuple[Tensor, Array, Tensor]:
    """Features, the distinct labels sorted, and the number of each row's label."""
    x = torch.as_tensor(features).detach().to("cpu", dtype)
    classes, numbers = np.unique(np.asarray(labels), return_inverse=True)
    if x.ndim != 2 or len(x) != numbers.size:
        raise UsageError(f"features of shape {tuple(x.shape)} for {numbers.size} labels; (N, D) for N is due")
    if not bool(torch.isfinite(x).all()):
        raise UsageError("the features of a probe hold values that are not finite")
    if len(classes) < 2:
        raise UsageError(f"a probe tells classes apart, and there are {len(classes)}")
    return x, classes, torch.from_numpy(numbers)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature; 1 in the place of a deviation of nothing."""
    mean, scale = x.mean(0), x.std(0, correction=0)
    # What rounding leaves of a constant is no deviation.
    constant = scale <= torch.finfo(x.dtype).eps * 10 * mean.abs()
    return mean, torch.where(constant, torch.ones_like(scale), scale)


def held_out_rows(y: Tensor, seed: int) -> Tensor:
    """Which rows are held out (N,) bool: about every fifth of each class, never all of one."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(y)))
    order = order[torch.argsort(y[order], stable=True)]
    by_class = y[order]
    first = torch.ones_like(by_class, dtype=torch.bool)
    first[1:] = by_class[1:] != by_class[:-1]
    out = torch.zeros_like(first)
    out[order] = (torch.arange(len(y)) % FIFTH == FIFTH - 1) & ~first
    return out


def _chosen(
    x: Tensor, y: Tensor, classes: int, strengths: Sequence[float], seed: int, steps: int
) -> tuple[float, dict[float, float]]:
    """The strength of the best held-out part, and the share right of it for each."""
    out = held_out_rows(y, seed)
    if not bool(out.any()):
        return min(strengths, key=lambda s: abs(np.log(s / UNCHOSEN))), {}
    mean, scale = _moments(x[~out])
    inside, outside = ((x[rows] - mean) / scale for rows in (~out, out))
    theta = x.new_zeros(x.shape[1] + 1, classes)
    found: list[tuple[float, float, float]] = []
    for strength in strengths:
        theta = _fit(inside, y[~out], strength, theta, steps)
        scores = torch.addmm(theta[-1], outside, theta[:-1])
        right = float((scores.argmax(1) == y[out]).double().mean())
        found.append((right, -float(torch.nn.functional.cross_entropy(scores, y[out])), strength))
    return max(found)[2], {strength: right for right, _, strength in found}


def _fit(x: Tensor, y: Tensor, strength: float, start: Tensor, steps: int) -> Tensor:
    """The minimum (D + 1, K), the bias last, from `start` on; its gradient is written out, which is three
    times faster than to derive it.
    """
    theta = start.clone().requires_grad_()
    fine = torch.finfo(x.dtype).eps
    optimizer = torch.optim.LBFGS(
        [theta],
        max_iter=steps,
        history_size=10,
        tolerance_grad=10 * fine,
        tolerance_change=fine / 100,
        line_search_fn="strong_wolfe",
    )
    rows = torch.arange(len(y))

    def loss() -> Tensor:
        with torch.no_grad():
            weights, bias = theta[:-1], theta[-1]
            log_p = torch.log_softmax(torch.addmm(bias, x, weights), 1)
            # Summed in double precision, lest rounding end the search early.
            value = strength / 2 * weights.double().square().sum() - log_p[rows, y].double().mean()
            error = log_p.exp_()
            error[rows, y] -= 1
            error /= len(y)
            # error.T @ x instead of x.T @ error: measured nine times faster.
            theta.grad = torch.cat([(error.T @ x).T + strength * weights, error.sum(0, keepdim=True)])
        return value

    optimizer.step(loss)
    return theta.detach()
