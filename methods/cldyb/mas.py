"""Memory aware synapses: what moves the output most is held, as in EWC.

    Omega_k <- Omega_k + (1/n) sum over batches b of |d (sum over b of |f(x)|^2) / d theta_k|
    L = CE + (lambda / 2) sum_k Omega_k (theta_k - theta*_k)^2

Source: Aljundi et al. (2018), equations 3 to 5 (the squared norm of the output; lambda = 1 with the factor
1/2 of AFEC's code, approaches/mas.py, which takes the norm itself and batches of 20). A batch of 1 gives the
paper's mean over examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.cldyb.ewc import Anchored, something_to_protect
from methods.cldyb.gradient import Batch, Gradient, GradientLearner, Lesson, at_least

if TYPE_CHECKING:
    from torch import Tensor


class MASLearner(Anchored):
    """Importance is how fast the squared length of the output changes."""

    def importance(self, lesson: Lesson) -> dict[str, Tensor]:
        from methods.cldyb.penalties import accumulate, gradients

        first = self.first(lesson)
        n = len(lesson.examples.y)

        def squares(batch: Batch) -> Tensor:
            return self.network(batch.x)[:, first:].square().sum()

        total: dict[str, Tensor] = {}
        names = self.protected()
        for _, found in gradients(self.network, names, lesson.examples, self.method.sample, squares):
            total = accumulate(total, {name: g.abs() for name, g in found.items()}, 1.0, 1 / n)
        return total

    def merged(self, old: dict[str, Tensor], new: dict[str, Tensor], tasks: int) -> dict[str, Tensor]:
        from methods.cldyb.penalties import accumulate

        return accumulate(old, new, 1.0, 1.0)


@dataclass(frozen=True)
class MAS(Gradient):
    """strength: lambda. sample: batch size of the importance. protects: "encoder" leaves the head free."""

    makes: ClassVar[type[GradientLearner]] = MASLearner

    strength: float = 1.0
    sample: int = 20
    protects: Literal["all", "encoder"] = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "strength")
        at_least(self, 1, "sample")
        something_to_protect(self)
