"""LoRA: low-rank changes of the query and value maps, trained on the failure.

    W = W0 + s B A,  A (r, d) uniform as a linear map starts, B (d, r) zero,  s = alpha / r
    loss = CE + penalty / 2 |s B A|^2, Adam, at most `steps` steps; no step once all pictures are right and
    CE <= enough

Source: Hu et al. (2022); r = 4, alpha = 4 on query and value as in the released models/vit.py of
Where-to-Edit, which scales by the integer alpha // r, so that alpha < r changes nothing at all
(integer_division).

Deviations: which blocks, optimizer and rate are not known: the middle blocks, Adam, and 5e-3, the rate of
EasyEdit's LoRA; the stop is that of Where-to-Edit's fine-tuning. The product is merged into the weights, so
that `touched` counts every entry of the changed matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.vit_editing.rival_grouped import Grouped
from suite.errors import Skip, UsageError
from tasks.vit_editing.contract import Edited, Failure, Prepared, ReplacedWeights

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.vit_editing.contract import Classifier

ROLES = {"query": 0, "key": 1, "value": 2, "output": 3}


@dataclass(frozen=True, kw_only=True)
class LoRA(Grouped):
    """knobs: numbers of steps, or weights of the penalty (`trades`); all are ours.

    maps: which of query, key, value, output. batch: edits at once.
    """

    knobs: str = "30,10,5,3,2"
    trades: Literal["steps", "penalty"] = "steps"
    blocks: str = ""
    maps: str = "query,value"
    rank: int = 4
    alpha: float = 4.0
    integer_division: bool = False
    steps: int = 30
    lr: float = 5e-3
    penalty: float = 0.0
    enough: float = 0.01
    batch: int = 16

    def __post_init__(self) -> None:
        if min(self.rank, self.steps, self.batch) < 1 or self.lr <= 0:
            raise UsageError("rank, steps and batch must be at least 1 and lr above 0")
        if not set(self._roles()) <= set(ROLES) or not self._roles():
            raise UsageError(f"maps={self.maps}: choose from query, key, value and output, commas between")

    @property
    def scale(self) -> float:
        """s."""
        return float(self.alpha // self.rank if self.integer_division else self.alpha / self.rank)

    def edits(
        self,
        model: Classifier,
        prepared: Prepared,
        failures: list[Failure],
        knob: float,
        before: Edited | None,
    ) -> list[Edited]:
        import torch

        from methods.vit_editing.rival_descent import descend, solved
        from methods.vit_editing.rival_streams import chosen, current, inherited, many_logits, stacked

        weights, blocks = inherited(before), chosen(self.blocks, model)
        names = self._names(model, blocks)
        x, y = stacked(failures)
        h = model.kept(x.flatten(0, 1), blocks[0]).unflatten(0, y.shape)
        starts = {name: current(model, weights, name) for name in names}
        downs, ups = self._pairs(failures, starts)
        parameters = [*downs.values(), *ups.values()]
        penalty, steps = (knob, self.steps) if self.trades == "penalty" else (self.penalty, int(knob))

        def products() -> dict[str, Tensor]:
            return {name: self.scale * ups[name] @ downs[name] for name in names}

        def losses() -> tuple[Tensor, Tensor]:
            low = products()
            logits = many_logits(model, h, blocks[0], {n: starts[n] + p for n, p in low.items()}, weights)
            loss, enough = solved(logits, y, self.enough)
            if penalty:
                sizes = [p.square().sum((1, 2)) for p in low.values()]
                loss = loss + penalty / 2 * torch.stack(sizes).sum(0)
            return loss, enough

        taken = descend(parameters, losses, torch.optim.Adam(parameters, lr=self.lr), steps)
        low = {name: product.detach() for name, product in products().items()}
        earlier = before if isinstance(before, ReplacedWeights) else None
        return [
            ReplacedWeights(model, {n: starts[n] + low[n][i] for n in names}, before=earlier, steps=taken[i])
            for i in range(len(failures))
        ]

    def _roles(self) -> list[str]:
        return [part.strip() for part in self.maps.split(",") if part.strip()]

    def _names(self, model: Classifier, blocks: Sequence[int]) -> list[str]:
        """Names of the weights that get a pair."""
        if any(not model.blocks[block].attention for block in blocks):
            raise Skip(
                "the attention of this model has no query and value maps of their own, which LoRA changes"
            )
        return [
            f"{model.blocks[block].attention[ROLES[role]]}.weight"
            for block in blocks
            for role in self._roles()
        ]

    def _pairs(
        self, failures: Sequence[Failure], starts: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """A (E, r, in) and B (E, out, r) of every weight, each edit's A from its own seed."""
        import torch

        draws = [torch.Generator().manual_seed(f.seed) for f in failures]
        downs, ups = {}, {}
        for name, w in starts.items():
            bound = w.shape[1] ** -0.5
            rows = [(torch.rand(self.rank, w.shape[1], generator=draw) * 2 - 1) * bound for draw in draws]
            downs[name] = torch.stack(rows).to(w.device).requires_grad_(True)
            ups[name] = w.new_zeros(len(failures), w.shape[0], self.rank, requires_grad=True)
        return downs, ups
