"""What the editors that are trained on pretended failures have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.vit_editing.rival_grouped import Grouped
from suite.errors import UsageError
from tasks.vit_editing.contract import Workshop

if TYPE_CHECKING:
    from methods.vit_editing.rival_training import Practice
    from tasks.vit_editing.contract import Classifier


@dataclass(frozen=True, kw_only=True)
class Practised(Grouped):
    """kind: of pretended failures, cutmix, swapped or both. episodes: of one step of training. apart:
    pictures of a step that must keep their answers. iterations, lr: of training.
    """

    blocks: str = ""
    kind: Literal["cutmix", "swapped", "both"] = "both"
    iterations: int = 2000
    episodes: int = 8
    apart: int = 8
    lr: float = 1e-3

    def __post_init__(self) -> None:
        if self.iterations < 0 or min(self.episodes, self.apart, self.batch) < 1 or self.lr <= 0:
            raise UsageError(
                "episodes, apart and batch must be at least 1, iterations at least 0 and lr above 0"
            )
        if self.kind not in ("cutmix", "swapped", "both"):
            raise UsageError(f"kind={self.kind}: choose cutmix, swapped or both")

    def practice(self, model: Classifier, workshop: Workshop, name: str, size: int) -> Practice:
        """Episodes of a name's own random stream, as the first edited block sees them."""
        from methods.vit_editing.rival_episodes import drawn
        from methods.vit_editing.rival_streams import chosen
        from methods.vit_editing.rival_training import practice

        classes = len(model.classes)
        if classes < 2 or not len(workshop.training.y):
            raise UsageError(
                "training on pretended failures needs training pictures and at least two classes"
            )
        draw = workshop.generator(name)
        episodes = drawn(workshop.training, self.kind, size, self.apart, classes, draw)
        return practice(model, episodes, chosen(self.blocks, model)[0])
