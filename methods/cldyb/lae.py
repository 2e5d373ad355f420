"""LAE: parts that learn, a slow average of them, and the surer of the two as the answer.

    L = CE over the new classes; from the second task on the parts stand still for the first epochs
    after every step from the second task on:  theta_off <- a theta_off + (1 - a) theta
    score = max(softmax(z), softmax(z_off)), entry by entry: a row sums to 1 or more

Source: Gao et al. (2023), "A unified continual learning framework with general parameter-efficient tuning",
and the code (main.py, config/vit_adapter.yaml, vit_lora.yaml). theta_off begins as what the first
task has left; before, both are the same. One head serves both. LAMDA-PILOT's configuration has prefixes of
length 10 instead, averages from the first task on and holds the parts still in it too.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.cldyb.adapt_base import Adapting, AdaptingLearner
from methods.cldyb.gradient import Batch, GradientLearner, Lesson, at_least, part
from suite.errors import UsageError
from tasks.cldyb.contract import Backbone, State

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from methods.cldyb.adapted import Host, Site

HEAD_STD = 0.001


def average(slow: nn.Module, fast: nn.Module, a: float) -> None:
    """slow <- a slow + (1 - a) fast."""
    import torch

    with torch.no_grad():
        for kept, now in zip(slow.parameters(), fast.parameters(), strict=True):
            kept.mul_(a).add_(now, alpha=1 - a)


def surer(logits: Tensor, others: Tensor) -> Tensor:
    """(n, C) log of the larger of the two softmaxes, entry by entry."""
    import torch

    return torch.maximum(logits.log_softmax(dim=1), others.log_softmax(dim=1))


class LAELearner(AdaptingLearner):
    """offline: the average of the parts, among the state as "offline/NAME"."""

    def __init__(self, method: LAE, backbone: Backbone) -> None:
        super().__init__(method, backbone)
        self.offline = copy.deepcopy(self.parts)

    def rows(self, classes: int, generator: Generator) -> Tensor:
        import torch

        width = self.network.head.weight.shape[1]
        return torch.randn((classes, width), generator=generator) * HEAD_STD

    def epoch(self, lesson: Lesson, number: int) -> None:
        super().epoch(lesson, number)
        self.parts.requires_grad_(not lesson.old or number >= self.method.still)

    def stepped(self, lesson: Lesson, batch: Batch) -> None:
        if lesson.old:
            average(self.offline, self.parts, self.method.decay)

    def finish(self, lesson: Lesson) -> None:
        self.parts.requires_grad_(True)
        if not lesson.old:
            self.offline.load_state_dict(self.parts.state_dict())

    def logits(self, x: Tensor) -> Tensor:
        """Log of the scores, which are no distribution: their exponentials sum to 1 or more."""
        tokens = self.host.kept(x)
        head = self.network.head
        both = [head(self.features_with(tokens, parts)).detach() for parts in (self.parts, self.offline)]
        return surer(*both)

    def state(self) -> State:
        offline = {f"offline/{n}": v.detach().clone() for n, v in self.offline.state_dict().items()}
        return {**super().state(), **offline}

    def restore(self, state: State, seen: Sequence[int]) -> None:
        super().restore(state, seen)
        self.offline.load_state_dict(part(state, "offline/"))


@dataclass(frozen=True)
class LAE(Adapting):
    """part: adapters beside the attention, or low-rank updates of keys and values; inner: width or rank.

    still: epochs at the start of a task, from the second on, in which the parts do not learn. decay: a.
    """

    makes: ClassVar[type[GradientLearner]] = LAELearner

    epochs: int = 5
    batch: int = 24
    lr: float = 0.0028125
    weight_decay: float = 0.0
    rule: Literal["sgd", "adam"] = "adam"
    schedule: Literal["constant", "cosine", "coda"] = "constant"
    stop: int | None = 5
    part: Literal["adapter", "lora"] = "adapter"
    inner: int = 5
    still: int = 3
    decay: float = 0.9999

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "inner")
        at_least(self, 0, "still")
        if not 0 <= self.decay <= 1:
            raise UsageError(f"decay must lie in [0, 1], not {self.decay:g}")

    def sites(self) -> tuple[Site, ...]:
        return ("attention",) if self.part == "adapter" else ("key", "value")

    def parts(self, host: Host) -> nn.ModuleDict:
        from torch import nn

        from methods.cldyb.adapt_parts import Bottleneck, LowRank

        if self.part == "adapter":
            made = {n: Bottleneck(host.width, self.inner, None, activation="gelu") for n in host.places}
        else:
            sizes = {n: (place.in_features, place.out_features) for n, place in host.places.items()}
            made = {n: LowRank(*size, self.inner, None) for n, size in sizes.items()}
        return nn.ModuleDict(made)
