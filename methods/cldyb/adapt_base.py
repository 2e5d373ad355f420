"""Learners that train small parts inside a frozen encoder, and a head, by the routine of gradient.py."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from methods.cldyb.gradient import Batch, Gradient, GradientLearner, Lesson, at_least
from methods.cldyb.memory import columns
from suite.errors import UsageError
from tasks.cldyb.contract import Backbone, TaskData

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from methods.cldyb.adapt_descent import Descent
    from methods.cldyb.adapted import Adapted, Host, Site
    from methods.cldyb.network import Network
    from suite.models.training import Streams


class Fitted(NamedTuple):
    """A backbone whose encoders are what `fresh` makes."""

    width: int
    fresh: Callable[[], Any]


class AdaptingLearner(GradientLearner):
    """The network's encoder is `Adapted`: its state is that of the parts alone."""

    descent: Descent

    def __init__(self, method: Any, backbone: Backbone) -> None:
        from methods.cldyb.adapted import Adapted, Host

        self.host: Host = Host(backbone.fresh(), method.sites(), method.start, method.stop)
        parts = method.parts(self.host)
        fitted: Any = Fitted(backbone.width, lambda: Adapted(self.host, parts))
        super().__init__(method, fitted)

    @property
    def adapted(self) -> Adapted:
        encoder: Adapted = self.network.encoder
        return encoder

    @property
    def parts(self) -> nn.ModuleDict:
        return self.adapted.parts

    def prepare(self, task: TaskData, seen: tuple[int, ...], streams: Streams) -> Lesson:
        """As for every learner; parts are drawn for the first task."""
        if not self.seen:
            self.adapted.draw(streams.torch("parts"))
        self.network.head.grow(self.rows(len(task.classes), streams.torch("head")))
        return Lesson(Batch(self.host.kept(task.x), columns(task.y, seen)), len(self.seen), streams)

    def rows(self, classes: int, generator: Generator) -> Tensor:
        """(classes, width) of the head for new classes."""
        return self.network.head.fresh(classes, generator)

    def optimizer(self, network: Network) -> Descent:
        from methods.cldyb.adapt_descent import Descent

        m = self.method
        groups = [(network.encoder.parameters(), 1.0), (network.head.parameters(), m.head_rate)]
        self.descent = Descent(groups, m.lr, m.rule, m.momentum, m.weight_decay)
        return self.descent

    def epoch(self, lesson: Lesson, number: int) -> None:
        from methods.cldyb.adapt_descent import share

        self.descent.lr = self.method.lr * share(self.method.schedule, number, self.method.epochs)

    def under(self, x: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
        """(n, width) features of pictures or tokens with parts of these values, in evaluation mode."""
        import copy

        parts = copy.deepcopy(self.parts)
        parts.load_state_dict(dict(tensors))
        return self.features_with(x, parts)

    def features_with(self, x: Tensor, parts: nn.ModuleDict) -> Tensor:
        """(n, width) features of pictures or tokens with these parts, in evaluation mode."""
        import torch

        from methods.cldyb.network import CHUNK

        parts.eval()
        with torch.no_grad():
            return torch.cat([self.host.run(chunk, parts) for chunk in x.split(CHUNK)])


@dataclass(frozen=True)
class Adapting(Gradient):
    """start, stop: the blocks that have parts, as a slice; what lies before them runs once for every task.

    head_rate: the head's learning rate as a multiple of lr. Training pictures are not augmented.
    """

    makes: ClassVar[type[GradientLearner]] = AdaptingLearner

    over: Literal["new", "seen"] = "new"
    reads: Literal["features", "images"] = "images"
    rule: Literal["sgd", "adam"] = "sgd"
    schedule: Literal["constant", "cosine", "coda"] = "cosine"
    head_rate: float = 1.0
    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "head_rate")
        if self.reads != "images":
            raise UsageError("reads must be images: what is trained sits inside the encoder")

    def sites(self) -> tuple[Site, ...]:
        """The places of a block that have parts."""
        return ("mlp",)

    @abstractmethod
    def parts(self, host: Host) -> nn.ModuleDict:
        """Untrained parts, one for every place of the host, under its name."""


@dataclass(frozen=True)
class Bottlenecked(Adapting):
    """inner: the width of an adapter's bottleneck; scale: of what it adds; dropout: on its inner values."""

    inner: int = 64
    scale: float = 0.1
    dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "inner")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout must lie in [0, 1), not {self.dropout:g}")

    def parts(self, host: Host) -> nn.ModuleDict:
        from torch import nn

        from methods.cldyb.adapt_parts import Bottleneck

        return nn.ModuleDict(
            {name: Bottleneck(host.width, self.inner, self.scale, self.dropout) for name in host.places}
        )
