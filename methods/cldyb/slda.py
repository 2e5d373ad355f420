"""Streaming linear discriminant analysis: running class means and one covariance that all classes share.

    d = x - mu_y,   Sigma <- (t Sigma + t / (t + 1) d d^T) / (t + 1),   mu_y <- mu_y + d / (n_y + 1)
    Lambda = ((1 - eps) Sigma + eps I)^-1,   W = Lambda mu,   logits = x W - (1/2) mu . W

Source: Hayes and Kanan (2020), "Lifelong machine learning with deep streaming linear discriminant analysis",
equations 1 to 5, and Avalanche's deep_slda.py. As there, mu_y is nought before the first example of a class,
which so adds x x^T itself to the covariance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.cldyb.memory import Remembering, admit, columns
from methods.cldyb.simplecil import class_means
from suite.errors import UsageError
from tasks.cldyb.contract import Backbone, ContinualLearner, Learner, TaskData

if TYPE_CHECKING:
    from torch import Tensor


def deviations(x: Tensor) -> Tensor:
    """(n, d) of the rows of x from the mean of the rows before them; that of the first is nought."""
    before = x.cumsum(0) - x
    counts = x.new_tensor(range(len(x))).clamp_min(1)
    return x - before / counts[:, None]


class SharedCovariance(Remembering):
    """memory: means (C, d), scatter (d, d) = t Sigma, and t = count (); all float64."""

    def __init__(self, shrinkage: float, streaming: bool) -> None:
        super().__init__()
        self.shrinkage = shrinkage
        self.streaming = streaming

    def learn(self, task: TaskData, seed: int) -> None:
        seen = admit(self.seen, task)
        place = columns(task.y, task.classes)
        x = task.x.double()
        means = class_means(x, place, len(task.classes))
        scatter = self.memory.get("scatter", x.new_zeros((x.shape[1], x.shape[1])))
        count = self.memory.get("count", x.new_zeros(()))
        self.memory["scatter"] = scatter + self._scatter(x, place, means, count)
        self.memory["count"] = count + len(x)
        self.append("means", means)
        self.seen = seen

    def _scatter(self, x: Tensor, place: Tensor, means: Tensor, count: Tensor) -> Tensor:
        """(d, d) that the task adds to t Sigma: every step of the recursion at once, in the rows' order."""
        if not self.streaming:
            d = x - means[place]
            return d.T @ d
        d = x.new_zeros(x.shape)
        for column in range(len(means)):
            of_class = place == column
            d[of_class] = deviations(x[of_class])
        t = count + x.new_tensor(range(len(x)))
        return d.T @ (d * (t / (t + 1))[:, None])

    def logits(self, x: Tensor) -> Tensor:
        import torch

        means, eps = self.memory["means"], self.shrinkage
        sigma = self.memory["scatter"] / self.memory["count"]
        eye = torch.eye(len(sigma), dtype=sigma.dtype, device=sigma.device)
        weights = torch.linalg.solve((1 - eps) * sigma + eps * eye, means.T)
        return (x.double() @ weights - 0.5 * (means.T * weights).sum(0)).float()


@dataclass(frozen=True)
class SLDA(ContinualLearner):
    """covariance: "streaming" as published, where it depends on the order of the examples, or "batch", the
    pooled covariance within the classes, which does not.
    """

    shrinkage: float = 1e-4
    covariance: Literal["streaming", "batch"] = "streaming"

    def __post_init__(self) -> None:
        if not 0 < self.shrinkage <= 1:
            raise UsageError(f"shrinkage must lie in (0, 1], not {self.shrinkage:g}")

    def begin(self, backbone: Backbone, seed: int) -> Learner:
        return SharedCovariance(self.shrinkage, self.covariance == "streaming")
