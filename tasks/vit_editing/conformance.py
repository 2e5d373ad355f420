"""What `suite check` asks of an editor, beside what it asks of all."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from suite.conformance import Check
from suite.errors import MethodError
from suite.plan import Planned

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.vit_editing.classifier import Classifier
    from tasks.vit_editing.contract import Edited, Editor, Failure, Pictures, Prepared

SIZE, PATCH, WIDTH, DEPTH, CLASSES = 12, 4, 16, 3, 4
TRAINING, ASKED, FAILURES = 24, 6, 3
SAME = 1e-5
"""Of logits and of weights (contract.Editor.edit_many)."""


def checks(planned: Planned) -> list[Check]:
    """The family's promises, on a ViT of a few thousand random weights and pictures of noise."""
    ward = Ward(planned.method_instance)
    return [
        Check("original", "the model that is edited is left as it was", ward.original),
        Check("seeded", "the same failure and seed give the same edit", ward.seeded),
        Check("together", "edits made together are those made one by one", ward.together),
        Check("several", "the same with two pictures of a failure, at the knob's last value", ward.several),
        Check("start", "an edit changes nothing before the block that it names as its first", ward.start),
        Check("told", "parameters touched, their number and distance are as told", ward.told),
        Check("masked", "an edit with a mask changes nothing outside of it", ward.masked),
        Check("alone", "an answer does not depend on what else is asked", ward.alone),
        Check("before", "an edit on top of another has both in force", ward.before),
    ]


class Ward:
    """An editor with patients."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor

    @cached_property
    def model(self) -> Classifier:
        """A ViT whose blocks matter: its random weights are larger than a fresh model's."""
        import torch
        from transformers import ViTConfig, ViTForImageClassification

        from suite.models.registry import Images
        from tasks.vit_editing.classifier import Classifier

        config = ViTConfig(
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=DEPTH,
            num_attention_heads=2,
            image_size=SIZE,
            patch_size=PATCH,
            num_labels=CLASSES,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = ViTForImageClassification(config).eval()
            with torch.no_grad():
                for parameter in made.parameters():
                    if parameter.ndim == 2:
                        parameter.mul_(8.0)
        return Classifier.of(made, Images(SIZE, (0.5,) * 3, (0.5,) * 3), [str(c) for c in range(CLASSES)])

    def pictures(self, n: int, stream: int) -> Tensor:
        import torch

        draw = torch.Generator().manual_seed(stream)
        return torch.randint(0, 256, (n, SIZE, SIZE, 3), generator=draw, dtype=torch.uint8)

    @cached_property
    def training(self) -> Pictures:
        """Noise, with the model's own answers for labels."""
        from tasks.vit_editing.contract import Pictures

        x = self.pictures(TRAINING, 1)
        return Pictures(x, self.model.logits(x).argmax(1))

    @cached_property
    def prepared(self) -> Prepared:
        from tasks.vit_editing.contract import Workshop

        return self.editor.prepare(self.model, Workshop(self.training, 7))

    @cached_property
    def failures(self) -> list[Failure]:
        """Pictures that are to have the class that the model holds for the second likeliest."""
        from tasks.vit_editing.contract import Failure

        x = self.pictures(FAILURES, 2)
        second = self.model.logits(x).topk(2).indices[:, 1]
        return [Failure(x[k : k + 1], second[k : k + 1], 11 + k) for k in range(FAILURES)]

    @cached_property
    def asked(self) -> Tensor:
        return self.pictures(ASKED, 3)

    @property
    def knob(self) -> float:
        return self.editor.values[0]

    @cached_property
    def made(self) -> list[Edited]:
        return [self.edit(failure) for failure in self.failures]

    def edit(self, failure: Failure, before: Edited | None = None) -> Edited:
        return self.editor.edit(self.model, self.prepared, failure, self.knob, before=before)

    def logits(self, edited: Edited, x: Tensor | None = None) -> Tensor:
        import torch

        x = self.asked if x is None else x
        with torch.no_grad():
            found = edited.logits_from(x if edited.start < 0 else self.model.kept(x, edited.start))
        if tuple(found.shape) != (len(x), CLASSES):
            raise MethodError(f"logits {tuple(found.shape)} of {len(x)} pictures and {CLASSES} classes")
        return found

    def original(self) -> None:
        import torch

        state = {name: value.clone() for name, value in self.model.module.state_dict().items()}
        x = [failure.x.clone() for failure in self.failures]
        self.editor.edit_many(self.model, self.prepared, self.failures, self.knob)
        self.edit(self.failures[1], self.edit(self.failures[0]))
        for name, value in self.model.module.state_dict().items():
            if not torch.equal(value, state[name]):
                raise MethodError(f"'{name}' of the model was changed by an edit")
        if any(parameter.requires_grad for parameter in self.model.module.parameters()):
            raise MethodError("an edit has left parameters of the model with gradients on")
        if self.model.module.training:
            raise MethodError("an edit has left the model in training mode")
        if not all(torch.equal(a, failure.x) for a, failure in zip(x, self.failures, strict=True)):
            raise MethodError("an edit has changed the pictures that it was given")

    def seeded(self) -> None:
        import torch

        for failure, first in zip(self.failures, self.made, strict=True):
            if not torch.equal(self.logits(self.edit(failure)), self.logits(first)):
                raise MethodError("two edits of one failure under one seed gave other answers")

    def together(self) -> None:
        many = self.editor.edit_many(self.model, self.prepared, self.failures, self.knob)
        if len(many) != FAILURES:
            raise MethodError(f"edit_many gave {len(many)} edits for {FAILURES} failures")
        for one, other in zip(self.made, many, strict=True):
            _need_close(self.logits(other), self.logits(one), "answers of an edit made with others")
            for name, weight in _weights(one).items():
                if name not in _weights(other):
                    raise MethodError(f"'{name}' is edited alone and not together with others")
                _need_close(_weights(other)[name], weight, f"'{name}' of an edit made with others")

    def several(self) -> None:
        """Two failures of two pictures each, with the class of the first one."""
        from tasks.vit_editing.contract import Failure

        x, knob = self.pictures(4, 4), self.editor.values[-1]
        second = self.model.logits(x).topk(2).indices[::2, 1]
        asked = [Failure(x[2 * k : 2 * k + 2], second[k].expand(2).clone(), 17 + k) for k in range(2)]
        many = self.editor.edit_many(self.model, self.prepared, asked, knob)
        for failure, other in zip(asked, many, strict=True):
            one = self.editor.edit(self.model, self.prepared, failure, knob)
            for seen in (self.asked, failure.x):
                found = self.logits(one, seen)
                if not bool(found.isfinite().all()):
                    raise MethodError(f"at the knob's value {knob:g} logits are not finite")
                _need_close(
                    self.logits(other, seen), found, "answers of an edit with two pictures made with others"
                )

    def start(self) -> None:
        """The first touched block is what its weights say, so that streams before it hold."""
        from tasks.vit_editing.contract import first_touched

        for edited in self.made:
            if not -1 <= edited.start <= DEPTH:
                raise MethodError(f"start is {edited.start}; from -1 to {DEPTH}, the depth")
            names = tuple(_weights(edited))
            first = first_touched(self.model, names) if names else edited.start
            if edited.start > first:
                raise MethodError(f"start is block {edited.start}, yet block {first} is edited")
            if edited.start > 0:
                whole = self.model.logits(self.asked, _weights(edited)) if names else None
                if whole is not None and not edited.added:
                    _need_close(self.logits(edited), whole, "answers from block `start` on")

    def told(self) -> None:
        import math

        for edited in self.made:
            numbers = (edited.touched, edited.added, edited.distance, edited.steps)
            if not all(math.isfinite(v) and v >= 0 for v in numbers):
                raise MethodError(f"touched, added, distance and steps are {numbers}: none is below 0")
            changes = [(w - self.model.parameter(name)).detach() for name, w in _weights(edited).items()]
            if not changes:
                continue
            touched = sum(int((d != 0).sum()) for d in changes)
            distance = math.sqrt(sum(float((d.double() ** 2).sum()) for d in changes))
            if edited.touched != touched or abs(edited.distance - distance) > SAME * (1 + distance):
                raise MethodError(
                    f"told {edited.touched} parameters touched at a distance of {edited.distance:.6g}; they "
                    f"are {touched} at {distance:.6g}"
                )

    def masked(self) -> None:
        """A row of `units` a matrix, in the order of parameters: rows of an FFN's first one, columns of its
        second.
        """
        for edited in self.made:
            if edited.units is None:
                continue
            weights = _weights(edited)
            matrices = [
                (name, k) for b in self.model.blocks for k, name in enumerate(b.matrices) if name in weights
            ]
            if len(edited.units) != len(matrices):
                raise MethodError(f"a mask of {len(edited.units)} rows for {len(matrices)} edited matrices")
            for (name, k), units in zip(matrices, edited.units, strict=True):
                moved = (weights[name] != self.model.parameter(name)).any(1 - k)
                if bool((moved & ~units).any()):
                    raise MethodError(f"'{name}' has changed outside of the mask")

    def alone(self) -> None:
        import torch

        for edited in self.made:
            single = torch.cat([self.logits(edited, x[None]) for x in self.asked])
            _need_close(single, self.logits(edited), "answers to pictures asked one by one")

    def before(self) -> None:
        """On top of an edit of other pictures: what that one has changed is still there, and both count.

        An edit of the second failure alone must be another model than one on top of the first, if the first
        has changed anything.
        """
        import torch

        first = self.made[0]
        both = self.edit(self.failures[1], first)
        if both.start > first.start:
            raise MethodError(f"on top of an edit from block {first.start} it begins at block {both.start}")
        missing = set(_weights(first)) - set(_weights(both))
        if _weights(both) and missing:
            raise MethodError(f"'{min(missing)}' of the edit before is no longer in force")
        if both.added < first.added:
            raise MethodError(f"{first.added} parameters were added before, {both.added} are left")
        seen = torch.cat([self.asked, self.failures[0].x])
        # Rounding may differ where an editor runs the blocks itself.
        moved = not torch.allclose(self.logits(first, seen), self.model.logits(seen), rtol=SAME, atol=SAME)
        if moved and torch.equal(self.logits(both, seen), self.logits(self.made[1], seen)):
            raise MethodError("an edit on top of another is the same as without it: `before` is not honoured")


def _weights(edited: Edited) -> dict[str, Any]:
    """Replaced weights; none for an edit of another kind."""
    from tasks.vit_editing.contract import ReplacedWeights

    return dict(edited.weights) if isinstance(edited, ReplacedWeights) else {}


def _need_close(a: Tensor, b: Tensor, what: str) -> None:
    off = float((a - b).detach().abs().max())
    if not off <= SAME * (1 + float(b.detach().abs().max())):
        raise MethodError(f"{what} differ by {off:.2g}")
