"""Low-rank updates of the attention's projections, trained on from task to task: the floor of InfLoRA.

    W x + B A x, A and B trained by the cross-entropy over the new classes; nothing guards the past

Source: Hu et al. (2021), "LoRA", section 4.1, for the update; places, rank, Adam and its schedule are those
of InfLoRA's code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.cldyb.adapt_base import Adapting
from methods.cldyb.gradient import at_least
from suite.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from methods.cldyb.adapted import Host, Site


@dataclass(frozen=True)
class SeqLoRA(Adapting):
    """rank: of an update. places: the projections that have one."""

    batch: int = 128
    lr: float = 5e-4
    weight_decay: float = 0.0
    rule: Literal["sgd", "adam"] = "adam"
    schedule: Literal["constant", "cosine", "coda"] = "coda"
    rank: int = 10
    places: Literal["kv", "qv", "qkv"] = "kv"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "rank")

    def sites(self) -> tuple[Site, ...]:
        letters: dict[str, Site] = {"q": "query", "k": "key", "v": "value"}
        return tuple(letters[letter] for letter in self.places)

    def parts(self, host: Host) -> nn.ModuleDict:
        from torch import nn

        from methods.cldyb.adapt_parts import LowRank

        if self.rank > host.width:
            raise UsageError(f"rank must be at most the encoder's width {host.width}, not {self.rank}")
        sizes = {name: (place.in_features, place.out_features) for name, place in host.places.items()}
        return nn.ModuleDict({name: LowRank(*size, self.rank) for name, size in sizes.items()})
