"""Fine-tuning on the failure: FFNs of a few blocks with or without a pull to the old weights, all parameters,
or two rows of the head.

The first follows editing/ft.py of the released code of Learning Where to Edit Vision Transformers: RMSprop at
2e-5 for at most 100 steps, the first of them one of plain gradient descent, and lambda swept from 0.1 to 0.
How the other two go is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.vit_editing.mask_editor import FFNEditor, alike, replaced
from tasks.vit_editing.contract import Edited, Editor, Failure, Prepared, ReplacedWeights

if TYPE_CHECKING:
    from torch import Tensor

    from methods.vit_editing.descent import Descent
    from methods.vit_editing.mask_trunk import Trunk
    from tasks.vit_editing.contract import Classifier

LAMBDAS = "0,0.001,0.005,0.01,0.025,0.05,0.1"
"""Strengths of the pull, as the released code sweeps them."""


@dataclass(frozen=True, kw_only=True)
class FineTune(FFNEditor):
    """RMSprop on whole FFN matrices; knob: the strength of the pull, and without one there is none.

    pull: "" for none, "l1" or "l2". sgd_first: the first step is one of plain gradient descent.
    """

    pull: Literal["", "l1", "l2"] = ""
    sgd_first: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pull not in ("", "l1", "l2"):
            raise ValueError(f'pull is "", l1 or l2, not {self.pull}')
        if self.knobs and not self.pull:
            raise ValueError("knobs are strengths of a pull; set pull to l1 or l2, or leave knobs empty")

    def masks(
        self,
        trunk: Trunk,
        prepared: Prepared,
        failures: Sequence[Failure],
        streams: Tensor,
        labels: Tensor,
        knob: float,
    ) -> Tensor:
        size = (len(failures), len(trunk.rows), trunk.hidden)
        return streams.new_ones(size).bool()

    def descent(self, knob: float) -> Descent:
        from methods.vit_editing.descent import Descent

        return Descent(
            lr=self.lr,
            steps=self.steps,
            enough=self.enough,
            pull=self.pull,
            strength=knob,
            sgd_first=self.sgd_first,
        )


@dataclass(frozen=True, kw_only=True)
class FineTuneAll(Editor):
    """RMSprop on every parameter of the model, one failure after another; no knob."""

    lr: float = 2e-5
    steps: int = 100
    enough: float = 0.01

    def __post_init__(self) -> None:
        if self.lr <= 0 or self.steps < 0:
            raise ValueError(f"lr is above 0 and steps at least 0, not {self.lr} and {self.steps}")

    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Edited:
        import torch

        from methods.vit_editing.descent import ended, losses

        under = replaced(before)
        weights = {name: value.detach() for name, value in model.module.named_parameters()}
        weights |= dict(under.weights) if under else {}
        weights = {name: value.clone().requires_grad_() for name, value in weights.items()}
        optimizer = torch.optim.RMSprop(weights.values(), lr=self.lr)
        done = 0
        while done < self.steps:
            logits = model.logits(failure.x, weights)[None]
            loss = losses(logits, failure.y[None])
            if bool(ended(logits.detach(), failure.y[None], loss.detach(), self.enough).all()):
                break
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
            done += 1
        moved = {name: value.detach() for name, value in weights.items() if value.grad is not None}
        return ReplacedWeights(model, moved, before=under, steps=done)


@dataclass(frozen=True, kw_only=True)
class HeadOnly(Editor):
    """RMSprop on the head's rows (and biases) of the class shown and of the class that the model says
    instead; knob: the cross-entropy at which an edit stops, if it is right.
    """

    knobs: str = "1.5,1,0.5,0.1,0.01"
    lr: float = 1e-3
    steps: int = 100

    def __post_init__(self) -> None:
        if self.lr <= 0 or self.steps < 0:
            raise ValueError(f"lr is above 0 and steps at least 0, not {self.lr} and {self.steps}")

    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Edited:
        return self._edits(model, [failure], knob, replaced(before))[0]

    def edit_many(
        self, model: Classifier, prepared: Prepared, failures: Sequence[Failure], knob: float
    ) -> list[Edited]:
        found: dict[int, Edited] = {}
        for numbers in alike(failures, len(failures)):
            part = [failures[e] for e in numbers]
            found |= dict(zip(numbers, self._edits(model, part, knob, None), strict=True))
        return [found[e] for e in range(len(failures))]

    def _edits(
        self, model: Classifier, failures: Sequence[Failure], knob: float, before: ReplacedWeights | None
    ) -> list[Edited]:
        """Edits of failures with equally many pictures. The token is the same at every step."""
        import torch

        from methods.vit_editing.descent import Descent, RMSprop, ended, losses

        under = before.weights if before else {}
        names = (f"{model.head}.weight", f"{model.head}.bias")
        start = [under[name] if name in under else model.parameter(name) for name in names]
        labels = torch.stack([failure.y for failure in failures])
        with torch.no_grad():
            h = model.stream(torch.cat([failure.x for failure in failures]), model.depth, under)
            tokens = model.tokens(h, model.depth, under).unflatten(0, tuple(labels.shape))
            said = (tokens @ start[0].T + start[1]).argmax(-1)
        count, classes = len(failures), len(start[1])
        free = start[1].new_zeros((count, classes)).scatter_(1, torch.cat([labels, said], 1), 1.0)
        values = [one.detach().expand(count, *one.shape).clone().requires_grad_() for one in start]
        how = Descent(lr=self.lr, steps=self.steps, enough=knob)
        rms, going = RMSprop(how, values), torch.ones(count, dtype=torch.bool, device=labels.device)
        taken = torch.zeros_like(going, dtype=torch.int64)
        for step in range(self.steps):
            logits = torch.baddbmm(values[1][:, None], tokens, values[0].transpose(1, 2))
            loss = losses(logits, labels)
            going &= ~ended(logits.detach(), labels, loss.detach(), knob)
            if not bool(going.any()):
                break
            gradients = torch.autograd.grad(loss[going].sum(), values)
            kept = free * going[:, None]
            rms.step(values, [gradients[0] * kept[..., None], gradients[1] * kept], step == 0)
            taken += going
        return [
            ReplacedWeights(
                model,
                {name: value.detach()[e].clone() for name, value in zip(names, values, strict=True)},
                before=before,
                steps=int(taken[e]),
            )
            for e in range(count)
        ]
