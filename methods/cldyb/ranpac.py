"""RanPAC: features randomly projected to many dimensions, then ridge regression on one-hot labels.

    h = ReLU(f W),   G <- G + H^T H,   Q <- Q + H^T Y,   logits = h (G + lambda I)^-1 Q

W has independent N(0, 1) entries and is drawn once. lambda is chosen in every task from 10^-8 .. 10^8: the
one with the least squared error on a held-out fifth of the task's rows, when fitted on the others alone.
Source: McDonnell et al. (2023), "RanPAC", section 4, algorithm 1, and the released code (RanPAC.py). The
optional tuning of the first session is left out: this is the paper's "no phase 1".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.cldyb.memory import Remembering, admit, columns
from suite.errors import UsageError
from tasks.cldyb.contract import Backbone, ContinualLearner, Learner, TaskData

if TYPE_CHECKING:
    from torch import Tensor

RIDGES = tuple(10.0**k for k in range(-8, 9))
HELD_OUT = 0.2


def one_hot(place: Tensor, n: int, like: Tensor) -> Tensor:
    """(len(place), n) of the type of `like`."""
    y = like.new_zeros((len(place), n))
    y[range(len(place)), place] = 1
    return y


def held_out_errors(h: Tensor, y: Tensor, ridges: tuple[float, ...] = RIDGES) -> list[float]:
    """Mean squared error on the last fifth of the rows, for every ridge fitted on the others. h (n, M) and
    y (n, C) in float64.

    Solved for all ridges by one eigendecomposition of the smaller of the two Gram matrices: with more
    dimensions than rows, (H^T H + l I)^-1 H^T = H^T (H H^T + l I)^-1.
    """
    import torch

    n = int(len(h) * (1 - HELD_OUT))
    fit, rest, truth = h[:n], h[n:], y[n:]
    dual = n < h.shape[1]
    values, vectors = torch.linalg.eigh(fit @ fit.T if dual else fit.T @ fit)
    values = values.clamp_min(0)
    left = (rest @ fit.T if dual else rest) @ vectors
    right = vectors.T @ (y[:n] if dual else fit.T @ y[:n])
    return [float(((left / (values + ridge)) @ right - truth).square().mean()) for ridge in ridges]


class RandomProjection(Remembering):
    """memory: gram (M, M), cross (M, C), ridge (); all float64, as a small ridge is lost in float32."""

    def __init__(self, projection: Tensor, ridge: float | None) -> None:
        super().__init__()
        self.projection = projection
        self.ridge = ridge
        self._solved: tuple[Tensor, Tensor] | None = None

    def hidden(self, x: Tensor) -> Tensor:
        """(n, M) float64 of x (n, d) float32."""
        return (x @ self.projection.to(x.device)).relu().double()

    def learn(self, task: TaskData, seed: int) -> None:
        import torch

        seen = admit(self.seen, task)
        h = self.hidden(task.x)
        y = one_hot(columns(task.y, task.classes), len(task.classes), h)
        gram, cross = h.T @ h, h.T @ y
        if self.memory:
            gram = self.memory["gram"] + gram
            cross = torch.cat([self.memory["cross"], cross], dim=1)
        ridge = self._choose(h, y, seed) if self.ridge is None else self.ridge
        self.memory = {"gram": gram, "cross": cross, "ridge": h.new_tensor(ridge)}
        self.seen = seen

    def _choose(self, h: Tensor, y: Tensor, seed: int) -> float:
        """The best ridge on rows in random order, as the released code's loader gives them."""
        from suite.models.training import Streams

        rows = Streams(seed).numpy("ridge").permutation(len(h))
        errors = held_out_errors(h[rows], y[rows])
        return RIDGES[min(range(len(RIDGES)), key=errors.__getitem__)]

    def weights(self) -> Tensor:
        """(M, C) of the regression; solved once for every Gram matrix."""
        import torch

        gram = self.memory["gram"]
        if self._solved is None or self._solved[0] is not gram:
            ridged = gram + torch.diag(self.memory["ridge"].expand(len(gram)))
            self._solved = (gram, _solve(ridged, self.memory["cross"]))
        return self._solved[1]

    def logits(self, x: Tensor) -> Tensor:
        return (self.hidden(x) @ self.weights()).float()


def _solve(gram: Tensor, cross: Tensor) -> Tensor:
    """gram^-1 cross; a Gram matrix that rounding has left indefinite is solved all the same."""
    import torch

    factor, failed = torch.linalg.cholesky_ex(gram)
    return torch.linalg.solve(gram, cross) if int(failed) else torch.cholesky_solve(cross, factor)


@dataclass(frozen=True)
class RanPAC(ContinualLearner):
    """dim: M. ridge: lambda; none lets every task choose it, and then the order of the tasks matters."""

    dim: int = 10_000
    ridge: float | None = None

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise UsageError(f"dim must be at least 1, not {self.dim}")
        if self.ridge is not None and self.ridge <= 0:
            raise UsageError(f"ridge must be positive, not {self.ridge:g}; none chooses it")

    def begin(self, backbone: Backbone, seed: int) -> Learner:
        import torch

        from suite.models.training import Streams

        projection = torch.randn((backbone.width, self.dim), generator=Streams(seed).torch("projection"))
        return RandomProjection(projection, self.ridge)
