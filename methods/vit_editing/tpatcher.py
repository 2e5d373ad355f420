"""T-Patcher: the model is frozen, and one hidden unit is added to the last FFN for each failure.

    unit: act(key . u + bias) (value * gain);  key starts as u / |u|^2, so that its activation on u is 1
    a: activation before the nonlinearity; of the edit's pictures, and of queries in memory
    loss = CE + alc mean exp(margin - a)                                               (largest 5)
         + m (mean exp(a_memory - a + 3) + mean exp(a_memory + 3))                     (largest 1000 each)

Source: Huang et al. (2023), Transformer-Patcher, section 3, as released (src/models/patch.py, src/utils.py):
Adam, rate 0.01, weight decay 0.01, gain 10, margins 0, 3 and -3, m = 5. u: what the last FFN reads at the
class token; memory: that of training pictures, and of pictures edited before.

Deviations: value starts at 0 (released: standard normal, which times the gain swamps the class token of a
small model). No validation set says when to stop: a step is not taken once all pictures are right with CE <=
enough and an activation loss <= quiet, the released threshold. Several pictures share one unit, whose key
starts from their mean query. Only the class token needs to be followed, since the head reads no other behind
the last FFN. Gradients are not clipped (released: at 5) and the rate stays as it is (released: halved where
the loss no longer falls).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suite.errors import UsageError
from tasks.vit_editing.contract import Edited, Editor, Failure, Prepared, Workshop

if TYPE_CHECKING:
    from methods.vit_editing.rival_patches import Patched
    from tasks.vit_editing.contract import Classifier


@dataclass(frozen=True, kw_only=True)
class TPatcher(Editor):
    """knobs: m; 5 and 10 are released (for two tasks), the others are ours. alc: of the activation loss.

    steps: at most (2,000 released); 100 leave memory less quiet than 300.

    samples: training pictures in memory (released: 40,000 queries). margin: that activation must pass; above,
    below: margins of the memory losses. largest, hardest: how many terms the two means are over. batch: edits
    at once.
    """

    knobs: str = "0,0.1,1,5,10"
    samples: int = 2000
    steps: int = 300
    lr: float = 0.01
    decay: float = 0.01
    gain: float = 10.0
    alc: float = 1.0
    margin: float = 0.0
    above: float = 3.0
    below: float = -3.0
    largest: int = 5
    hardest: int = 1000
    enough: float = 0.01
    quiet: float = 0.1
    batch: int = 64

    def __post_init__(self) -> None:
        if min(self.samples, self.steps, self.batch, self.largest, self.hardest) < 1:
            raise UsageError("samples, steps, batch, largest and hardest must be at least 1")
        if self.lr <= 0 or self.gain == 0:
            raise UsageError("lr must be above 0 and gain must not be 0")

    def prepare(self, model: Classifier, workshop: Workshop) -> Prepared:
        """memory (M, d): what the last FFN reads at the class tokens of training pictures."""
        import torch

        from methods.vit_editing.rival_streams import read_by

        x = workshop.training.x
        picked = x[torch.randperm(len(x), generator=workshop.generator("t-patcher"))[: self.samples]]
        found, done = [], 0
        for part in read_by(model, picked, model.depth - 1):
            found.append(part.read[:, 0])
            done += len(part.read)
            workshop.report("memory of queries", done, len(picked))
        return {"memory": torch.cat(found)}

    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Edited:
        from methods.vit_editing.rival_patches import Patched

        if before is not None and not isinstance(before, Patched):
            raise UsageError(f"a patch cannot be put on top of {type(before).__name__}")
        return self._edits(model, prepared, [failure], knob, before)[0]

    def edit_many(
        self, model: Classifier, prepared: Prepared, failures: Sequence[Failure], knob: float
    ) -> list[Edited]:
        from methods.vit_editing.rival_streams import in_groups

        return in_groups(failures, self.batch, lambda part: self._edits(model, prepared, part, knob, None))

    def _edits(
        self,
        model: Classifier,
        prepared: Prepared,
        failures: list[Failure],
        knob: float,
        before: Patched | None,
    ) -> list[Edited]:
        import torch

        from methods.vit_editing import rival_patches as patches
        from methods.vit_editing.rival_descent import descend, solved
        from methods.vit_editing.rival_streams import activation, passed, stacked

        x, y = stacked(failures)
        last = model.depth - 1
        with torch.no_grad():
            part = passed(model, model.kept(x.flatten(0, 1), last), last)
            queries, token = part.read[:, 0], part.after[:, 0]
            token = token if before is None else token + before.adds(queries)
        queries, token = queries.unflatten(0, y.shape), token.unflatten(0, y.shape)
        memory = prepared["memory"] if before is None else torch.cat([prepared["memory"], before.queries])
        act = activation(model, last)
        key = queries.mean(1)
        key = (key / key.square().sum(1, keepdim=True)).requires_grad_(True)
        bias = key.new_zeros(len(y), 1, requires_grad=True)
        value = torch.zeros_like(key).requires_grad_(True)
        gain = torch.full_like(key, self.gain).requires_grad_(True)
        parameters = [key, bias, value, gain]

        def losses() -> tuple[torch.Tensor, torch.Tensor]:
            asked = (queries @ key[:, :, None])[:, :, 0] + bias
            moved = token + act(asked)[:, :, None] * (value * gain)[:, None]
            logits = model.logits_from(moved.flatten(0, 1)[:, None], model.depth).unflatten(0, y.shape)
            loss, enough = solved(logits, y, self.enough)
            awake = patches.hardest(self.margin - asked, self.largest)
            loss = loss + self.alc * awake
            if knob:
                seen = key @ memory.T + bias
                loss = loss + knob * patches.memory_loss(seen, asked, self.above, self.below, self.hardest)
            return loss, enough & (awake.detach() <= self.quiet)

        optimizer = torch.optim.Adam(parameters, lr=self.lr, weight_decay=self.decay)
        taken = descend(parameters, losses, optimizer, self.steps)
        key, bias, value = key.detach(), bias.detach(), (value * gain).detach()
        edits: list[Edited] = []
        for i, steps in enumerate(taken):
            new = (key[i : i + 1], bias[i], value[i : i + 1], queries[i])
            if before is not None:
                old = (before.keys, before.biases, before.values, before.queries)
                new = tuple(torch.cat(pair) for pair in zip(old, new, strict=True))
            edits.append(patches.Patched(model, *new, steps=steps))
        return edits
