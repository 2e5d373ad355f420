"""KN: the hidden units that carry an answer are found by integrated gradients, and their outputs turned over.

    attribution_i = a_i (1/m) sum_{j=1..m} d p(c; j/m a) / d a_i      a: keys of the class token in one block
    units: attribution >= t max over all blocks and units, in at least a share p of the copies of the picture
    W2[:, i] += old's share of -v(old answer) + new's share of v(right class)

Source: Dai et al. (2022), Knowledge Neurons in Pretrained Transformers, sections on attribution
and on updating facts; 20 steps, t = 0.2, p = 0.4 as EasyEdit (hparams/KN), which adds and subtracts once.

Deviations (a language-model recipe carried over): the blank's position is the class token; prompts are the
picture and its shifted copies of another brightness; word vectors are the head's rows times the scale of the
last norm, as directions of the stream, brought to the mean norm of the columns of the original W2, since the
head is not tied to an embedding. Where no unit passes the share, the one of the largest mean attribution is
edited. Units of the blocks in `blocks`, not of all. The answer whose units are sought is the one that the
model gives now, as for a fact that is to be replaced; attributes=target seeks those of the right class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.vit_editing.rival_grouped import Grouped
from suite.errors import UsageError
from tasks.vit_editing.contract import Edited, Failure, Prepared, ReplacedWeights

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.vit_editing.contract import Classifier, Weights


@dataclass(frozen=True, kw_only=True)
class KnowledgeNeurons(Grouped):
    """knobs: t; 0.2 is EasyEdit's, the others are ours. old, new: shares of the two directions.

    steps: m. share: p. copies: augmentations beside the picture. batch: edits at once.
    """

    knobs: str = "0.8,0.5,0.3,0.2,0.1"
    attributes: Literal["answer", "target"] = "answer"
    blocks: str = ""
    steps: int = 20
    share: float = 0.4
    copies: int = 4
    old: float = 1.0
    new: float = 1.0
    batch: int = 8

    def __post_init__(self) -> None:
        if min(self.steps, self.batch) < 1 or self.copies < 0:
            raise UsageError("steps and batch must be at least 1 and copies at least 0")
        if not 0 <= self.share <= 1:
            raise UsageError("share must lie between 0 and 1")

    def edits(
        self,
        model: Classifier,
        prepared: Prepared,
        failures: list[Failure],
        knob: float,
        before: Edited | None,
    ) -> list[Edited]:
        import torch

        from methods.vit_editing.rival_streams import augmented, chosen, current, inherited

        weights, blocks = inherited(before), chosen(self.blocks, model)
        x = torch.stack([augmented(f.x, self.copies, f.seed) for f in failures])
        y = torch.stack([f.y for f in failures])
        with torch.no_grad():
            h = model.kept(x.flatten(0, 2), blocks[0])
            told = model.logits_from(h, blocks[0], weights).argmax(1).unflatten(0, x.shape[:3])
        sought = told[:, :, :1] if self.attributes == "answer" else y[:, :, None]
        classes = sought.expand(x.shape[:3]).flatten()
        found = attributions(model, h, classes, blocks, self.steps, weights)
        found = found.unflatten(0, (len(failures), -1))  # (E, copies of all pictures, blocks, hidden)
        earlier = before if isinstance(before, ReplacedWeights) else None
        edits: list[Edited] = []
        for i in range(len(failures)):
            units = carriers(found[i], knob, self.share)
            changed = {}
            for row, block in zip(units, blocks, strict=True):
                name = model.blocks[block].matrices[1]
                w = current(model, weights, name)
                size = model.parameter(name).norm(dim=0).mean()  # as before all edits: a row would blow up
                turned = sum(
                    size * self._turn(model, int(o), int(n)) for o, n in zip(told[i, :, 0], y[i], strict=True)
                )
                changed[name] = w + torch.outer(turned / len(y[i]), row.to(w.dtype))
            edits.append(ReplacedWeights(model, changed, before=earlier, steps=0, units=units))
        return edits

    def _turn(self, model: Classifier, old: int, new: int) -> Tensor:
        """What is added to a unit's column (d,), in mean norms of the original matrix's columns."""
        return self.new * direction(model, new) - self.old * direction(model, old)


def direction(model: Classifier, number: int) -> Tensor:
    """Unit vector (d,) of the stream along which a class's logit grows, the norm's scale taken along."""
    row = model.parameter(f"{model.head}.weight")[number] * model.parameter(f"{model.norm}.weight")
    return row / row.norm()


def attributions(
    model: Classifier, h: Tensor, classes: Tensor, blocks: Sequence[int], steps: int, weights: Weights
) -> Tensor:
    """Integrated gradients (n, blocks, hidden) of p(class) by the class token's keys in each block, from
    streams (n, T, d) before the first of them.
    """
    import torch

    from methods.vit_editing.rival_streams import current, passed, with_token

    found, at = [], blocks[0]
    n = len(h)
    shares = (torch.arange(1, steps + 1, device=h.device) / steps)[:, None]
    repeated = classes.repeat(steps)
    for block in blocks:
        with torch.no_grad():
            h = model.through(h, at, block, weights)
            part = passed(model, h, block, weights)
        h, at = part.after, block + 1
        w = current(model, weights, model.blocks[block].matrices[1])
        keys = part.keys[:, 0]
        rest = part.after[:, 0] - keys @ w.T
        scaled = (shares[:, :, None] * keys).flatten(0, 1).requires_grad_(True)  # (steps n, hidden)
        token = rest.repeat(steps, 1) + scaled @ w.T
        stream = with_token(part.after.repeat(steps, 1, 1), token)
        p = model.logits_from(stream, block + 1, weights).softmax(1)
        (slope,) = torch.autograd.grad(p[torch.arange(len(p), device=p.device), repeated].sum(), scaled)
        found.append(keys * slope.view(steps, n, -1).mean(0))
    return torch.stack(found, 1)


def carriers(found: Tensor, t: float, share: float) -> Tensor:
    """Attributions (copies, blocks, hidden) to the units (blocks, hidden) bool that carry the answer."""
    import torch

    high = found >= t * found.amax((1, 2), keepdim=True)
    units = high.float().mean(0) >= share
    if not units.any():
        units.view(-1)[int(torch.argmax(found.mean(0).flatten()))] = True
    return units
