"""MOS: adapters drawn to those before, an aligned head, and a picture's adapter found by its answer.

    L = CE over the new classes + reg CE of M M^T / 0.8 against the identity, M the stored class means above
    the batch's features; after every step  A <- (1 - m) A + m mean of the adapters of the tasks before
    test: class by the nearest prototype under the first adapter; then, up to `rounds` times, the head on the
    features under the adapter of that class's task gives the class, until its task is the same
    score = softmax(head's logits) + softmax((t + 1) cosines of the prototypes),  t tasks before the last

Source: Sun et al. (2025), "MOS: Model surgery for pre-trained model-based class-incremental learning"; the
formulas are those of the code in LAMDA-PILOT (models/mos.py, backbone/vit_mos.py, exps/mos.json). That code
draws an adapter to the others after a step and again in every block of every forward pass, in testing too, so
that answers depend on what was asked before; here it is done after a step alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.cldyb.adapt_base import AdaptingLearner, Bottlenecked
from methods.cldyb.gradient import Batch, GradientLearner, Lesson, at_least, part
from methods.cldyb.simplecil import class_means
from suite.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

TEMPERATURE = 0.8


def apart(means: Tensor | None, features: Tensor) -> Tensor:
    """Cross-entropy of M M^T / 0.8 against the identity: rows of M are to be like none but themselves."""
    import torch
    from torch.nn import functional as F

    m = features if means is None else torch.cat([means, features])
    return F.cross_entropy(m @ m.T / TEMPERATURE, torch.arange(len(m), device=m.device))


def refined(
    features: Tensor, first: Tensor, head: Callable[[Tensor], Tensor], task_of: Tensor, rounds: int
) -> Tensor:
    """(n, C) logits of features (n, T, d) under each adapter, beginning with the adapters `first` (n,).

    Each row goes on to the adapter of the task of its own answer, and has come to rest where that is the one
    it came from; after `rounds` looks the last logits stand.
    """
    import torch

    rows, chosen = torch.arange(len(features), device=features.device), first
    logits = head(features[rows, chosen])
    for _ in range(rounds - 1):
        chosen = task_of[logits.argmax(dim=1)]
        logits = head(features[rows, chosen])
    return logits


class MOSLearner(AdaptingLearner):
    """memory: adapter.TASK.NAME, prototypes (C, d) under the first adapter, means (C, d) and covariances
    (C, d, d) under that of the class's task, task_of (C,).
    """

    past: list[Tensor]

    def start(self, lesson: Lesson) -> None:
        """The mean of the adapters before, parameter by parameter."""
        import torch

        kept = [part(self.memory, f"adapter.{t}.") for t in range(self.tasks)]
        names = [name for name, _ in self.parts.named_parameters()]
        self.past = [torch.stack([one[name] for one in kept]).mean(0) for name in names] if kept else []

    @property
    def tasks(self) -> int:
        """How many tasks were learned."""
        return int(self.memory["task_of"].max()) + 1 if "task_of" in self.memory else 0

    def loss(self, lesson: Lesson, batch: Batch) -> Tensor:
        features = self.network.encoder(batch.x)
        loss = self.cross_entropy(lesson, self.network.head(features), batch.y)
        return loss + self.method.reg * apart(self.memory.get("means"), features)

    def stepped(self, lesson: Lesson, batch: Batch) -> None:
        import torch

        with torch.no_grad():
            for parameter, mean in zip(self.parts.parameters(), self.past, strict=False):
                parameter.mul_(1 - self.method.merge).add_(mean, alpha=self.method.merge)

    def finish(self, lesson: Lesson) -> None:
        import torch

        from methods.cldyb.alignment import gaussians

        x, y = lesson.examples
        place, count = y - lesson.old, len(self.network.head.weight) - lesson.old
        task = self.tasks
        for name, value in self.parts.state_dict().items():
            self.memory[f"adapter.{task}.{name}"] = value.clone()
        means, covariances = gaussians(self.network.features(x), place, count)
        first = self.under(x, part(self.memory, "adapter.0."))
        self._add("prototypes", class_means(first, place, count).float())
        self._add("means", means)
        self._add("covariances", covariances)
        self._add("task_of", torch.full((count,), task))
        if task and self.method.align_epochs:
            self._align(lesson)

    def _add(self, name: str, rows: Tensor) -> None:
        import torch

        self.memory[name] = torch.cat([self.memory[name], rows]) if name in self.memory else rows

    def _align(self, lesson: Lesson) -> None:
        from torch.nn import functional as F

        from methods.cldyb.alignment import Settings, align

        m = self.method
        settings = Settings(m.align_epochs, m.samples, m.align_lr, m.momentum, m.weight_decay)
        means, covariances = self.memory["means"], self.memory["covariances"]
        align(self.network.head, means, covariances, settings, lesson.streams, F.cross_entropy)

    def logits(self, x: Tensor) -> Tensor:
        """Rows sum to 2, to 1 without the ensemble."""
        import torch
        from torch.nn import functional as F

        if not self.seen:
            return self.network.scores(x)
        tokens, task_of = self.host.kept(x), self.memory["task_of"]
        spaces = [self.under(tokens, part(self.memory, f"adapter.{t}.")) for t in range(self.tasks)]
        prototypes = F.normalize(self.memory["prototypes"], dim=1)
        cosines = F.normalize(spaces[0], dim=1) @ prototypes.T
        with torch.no_grad():
            first = task_of[cosines.argmax(dim=1)]
            features = torch.stack(spaces, dim=1)
            scores = refined(features, first, self.network.head, task_of, self.method.rounds).softmax(dim=1)
        return scores + (self.tasks * cosines).softmax(dim=1) if self.method.ensemble else scores


@dataclass(frozen=True)
class MOS(Bottlenecked):
    """merge: m. reg: the weight of the second term of the loss. align_epochs, align_lr: of the alignment;
    samples: features drawn of each class in an epoch of it, 5 batches in the code. rounds: looks at the test;
    ensemble: adds the prototypes' softmax.
    """

    makes: ClassVar[type[GradientLearner]] = MOSLearner

    batch: int = 48
    lr: float = 0.03
    weight_decay: float = 5e-4
    head_rate: float = 0.1
    inner: int = 16
    merge: float = 0.1
    reg: float = 0.1
    align_epochs: int = 30
    align_lr: float = 0.005
    samples: int = 240
    rounds: int = 4
    ensemble: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "reg", "align_epochs")
        at_least(self, 1, "samples", "rounds")
        if not 0 <= self.merge <= 1:
            raise UsageError(f"merge must lie in [0, 1], not {self.merge:g}")
        if self.align_lr <= 0:
            raise UsageError(f"align_lr must be positive, not {self.align_lr:g}")
