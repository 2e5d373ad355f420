"""SLCA: the encoder learns slowly, the head fast; then the head is aligned with Gaussians of all classes.

    L = CE over the new classes; encoder's rate lr / 100; the rows of old classes stay
    alignment, from the second task on: features of class c from N((0.9 + 0.1 (t_c + 1) / (t + 1)) mu_c,
    Sigma_c + 1e-4 I), the cross-entropy of logits / (mean over tasks of the norm of a task's logits) / tau

Source: Zhang et al. (2023), "SLCA: Slow learner with classifier alignment for continual learning on a
pre-trained model"; the formulas are those of the code in LAMDA-PILOT (models/slca.py, exps/slca.json). As
there, the aligned head answers, and the next task goes on from the head before the alignment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.cldyb.adapt_base import Fitted
from methods.cldyb.gradient import Batch, Gradient, GradientLearner, Lesson, at_least
from methods.cldyb.memory import columns
from suite.errors import UsageError
from tasks.cldyb.contract import Backbone, TaskData

if TYPE_CHECKING:
    from torch import Tensor

    from methods.cldyb.adapt_descent import Descent
    from methods.cldyb.network import Head, Network
    from suite.models.training import Streams

HEAD_STD = 0.02


class SLCALearner(GradientLearner):
    """memory: means (C, d), covariances (C, d, d), task_of (C,), and from the second task on the head that
    answers, aligned.NAME.
    """

    descent: Descent
    kept: dict[str, Tensor]

    def __init__(self, method: SLCA, backbone: Backbone) -> None:
        from methods.cldyb.adapted import Steady

        fitted: Any = Fitted(backbone.width, lambda: Steady(backbone.fresh()))
        super().__init__(method, fitted)

    def prepare(self, task: TaskData, seen: tuple[int, ...], streams: Streams) -> Lesson:
        import torch

        rows = torch.empty(len(task.classes), self.network.head.weight.shape[1])
        torch.nn.init.trunc_normal_(rows, std=HEAD_STD, generator=streams.torch("head"))
        self.network.head.grow(rows)
        return Lesson(Batch(task.x, columns(task.y, seen)), len(self.seen), streams)

    def optimizer(self, network: Network) -> Descent:
        from methods.cldyb.adapt_descent import Descent

        m = self.method
        groups = [(network.encoder.parameters(), m.encoder_rate), (network.head.parameters(), 1.0)]
        self.descent = Descent(groups, m.lr, "sgd", m.momentum, m.weight_decay)
        return self.descent

    def start(self, lesson: Lesson) -> None:
        self.kept = {n: p[: lesson.old].detach().clone() for n, p in self.network.head.named_parameters()}

    def epoch(self, lesson: Lesson, number: int) -> None:
        m = self.method
        self.descent.lr = m.lr * (m.drop if number >= m.milestone * m.epochs else 1.0)

    def stepped(self, lesson: Lesson, batch: Batch) -> None:
        """Old rows have no gradient, but weight decay would shrink them."""
        import torch

        with torch.no_grad():
            for name, parameter in self.network.head.named_parameters():
                parameter[: lesson.old].copy_(self.kept[name])

    def finish(self, lesson: Lesson) -> None:
        import torch

        from methods.cldyb.alignment import gaussians

        x, y = lesson.examples
        place = y - lesson.old
        count = len(self.network.head.weight) - lesson.old
        means, covariances = gaussians(self.network.features(x), place, count)
        task = int(self.memory["task_of"].max()) + 1 if lesson.old else 0
        new = {"means": means, "covariances": covariances, "task_of": torch.full((count,), task)}
        for name, rows in new.items():
            self.memory[name] = torch.cat([self.memory[name], rows]) if lesson.old else rows
        if lesson.old and self.method.align_epochs:
            for name, value in self._aligned(lesson.streams).state_dict().items():
                self.memory[f"aligned.{name}"] = value

    def _aligned(self, streams: Streams) -> Head:
        """A copy of the head, aligned with the Gaussians in memory."""
        import copy

        from torch.nn import functional as F

        from methods.cldyb.alignment import Settings, align, normalised, shrinkage

        m, head = self.method, copy.deepcopy(self.network.head)
        means, covariances, task_of = (self.memory[n] for n in ("means", "covariances", "task_of"))
        sizes = task_of.bincount().tolist()

        def loss(logits: Tensor, y: Tensor) -> Tensor:
            return F.cross_entropy(normalised(logits, sizes, m.temperature), y)

        settings = Settings(m.align_epochs, m.samples, m.lr, m.momentum, m.weight_decay)
        align(head, means * shrinkage(task_of)[:, None], covariances, settings, streams, loss)
        return head

    def logits(self, x: Tensor) -> Tensor:
        from torch.nn import functional as F

        if "aligned.weight" not in self.memory:
            return self.network.scores(x)
        features = self.network.features(x)
        return F.linear(features, self.memory["aligned.weight"], self.memory["aligned.bias"])


@dataclass(frozen=True)
class SLCA(Gradient):
    """encoder_rate: the encoder's learning rate as a multiple of lr. milestone: the share of the epochs after
    which the rate is multiplied by `drop`. align_epochs, samples, temperature: of the alignment, which takes
    lr, momentum and weight_decay as well; align_epochs=0 leaves it out.
    """

    makes: ClassVar[type[GradientLearner]] = SLCALearner

    batch: int = 64
    lr: float = 0.01
    weight_decay: float = 5e-4
    over: Literal["new", "seen"] = "new"
    reads: Literal["features", "images"] = "images"
    encoder_rate: float = 0.01
    milestone: float = 0.9
    drop: float = 0.1
    align_epochs: int = 3
    samples: int = 256
    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "encoder_rate", "milestone", "drop", "align_epochs")
        at_least(self, 1, "samples")
        refuse: dict[str, Any] = {"head": "linear", "over": "new", "reads": "images"}
        for name, only in refuse.items():
            if getattr(self, name) != only:
                raise UsageError(f"{name} must be {only} in SLCA, not {getattr(self, name)}")
        if self.temperature <= 0:
            raise UsageError(f"temperature must be positive, not {self.temperature:g}")
