"""FeCAM: Mahalanobis distance to every class mean, under the class's own covariance.

    Sigma_s = Sigma + alpha1 V1 I + alpha2 V2 (1 - I)      V1, V2: means of the diagonal, of the rest
    Sigma_n = Sigma_s / (sigma sigma^T)                    sigma: square roots of the diagonal of Sigma_s
    score = -(x - mu)^T Sigma_n^-1 (x - mu)                features of length 1

Source: Goswami et al. (2023), "FeCAM", equations 5 to 8, and the released code for vision transformers
(FeCAM_vit_cifar100.py: alpha1 = 1, alpha2 = 0). The power transform that the paper applies to features
after a ReLU is left out, as there: a transformer's features can be negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.cldyb.memory import Remembering, admit
from suite.errors import UsageError
from tasks.cldyb.contract import Backbone, ContinualLearner, Learner, TaskData

if TYPE_CHECKING:
    from torch import Tensor


def normalised(covariance: Tensor, alpha1: float, alpha2: float) -> Tensor:
    """(d, d) Sigma_n of a covariance (d, d), d >= 2. ValueError where some feature never varies."""
    d = len(covariance)
    diagonal = covariance.diagonal()
    off = (covariance.sum() - diagonal.sum()) / (d * (d - 1))
    shrunk = covariance + alpha2 * off
    shrunk.diagonal().add_(alpha1 * diagonal.mean() - alpha2 * off)
    sd = shrunk.diagonal().clamp_min(0).sqrt()
    if not bool((sd > 0).all()):
        raise ValueError("a class whose examples agree in a feature needs alpha1 > 0 and other examples")
    return shrunk / (sd[:, None] * sd)


class ClassCovariances(Remembering):
    """memory: means (C, d), roots (C, d, d) with roots roots^T = Sigma_n^-1; float32."""

    def __init__(self, alpha1: float, alpha2: float) -> None:
        super().__init__()
        self.alpha1, self.alpha2 = alpha1, alpha2

    def learn(self, task: TaskData, seed: int) -> None:
        import torch
        from torch.nn import functional as F

        seen = admit(self.seen, task, least=2)
        x = F.normalize(task.x.double(), dim=1)
        eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        for c in task.classes:
            rows = x[task.y == c]
            factor = torch.linalg.cholesky(normalised(rows.T.cov(), self.alpha1, self.alpha2))
            root = torch.linalg.solve_triangular(factor, eye, upper=False).T
            self.append("means", rows.mean(0)[None].float())
            self.append("roots", root[None].float())
        self.seen = seen

    def logits(self, x: Tensor) -> Tensor:
        import torch
        from torch.nn import functional as F

        x = F.normalize(x, dim=1)
        pairs = zip(self.memory["means"], self.memory["roots"], strict=True)
        return -torch.stack([((x - mean) @ root).square().sum(1) for mean, root in pairs], dim=1)


@dataclass(frozen=True)
class FeCAM(ContinualLearner):
    """alpha1, alpha2: how strongly the covariances are shrunk to their mean diagonal and mean rest."""

    alpha1: float = 1.0
    alpha2: float = 0.0

    def __post_init__(self) -> None:
        if self.alpha1 <= 0 or self.alpha2 < 0:
            raise UsageError(
                f"alpha1 must be positive, alpha2 0 or more, not {self.alpha1:g}, {self.alpha2:g}"
            )

    def begin(self, backbone: Backbone, seed: int) -> Learner:
        return ClassCovariances(self.alpha1, self.alpha2)
