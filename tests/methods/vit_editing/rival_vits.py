"""A tiny vision transformer with a head, and pictures, for the tests of rival editors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import ViTConfig, ViTForImageClassification

from suite.models.registry import Images
from tasks.vit_editing.classifier import Classifier
from tasks.vit_editing.contract import Edited, Editor, Failure, Pictures, Prepared, Workshop

WIDTH, HIDDEN, PIXELS, CLASSES, DEPTH = 16, 32, 12, 4, 4
"""Middle blocks: 2 and 3."""


def tiny() -> Classifier:
    """Weights large enough that every part matters; always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ViTConfig(
            hidden_size=WIDTH,
            num_attention_heads=2,
            num_hidden_layers=DEPTH,
            intermediate_size=HIDDEN,
            image_size=PIXELS,
            patch_size=4,
            num_labels=CLASSES,
        )
        module = ViTForImageClassification(config)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    images = Images(PIXELS, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return Classifier.of(module, images, [str(k) for k in range(CLASSES)])


def pictures(n: int, seed: int = 1) -> Tensor:
    """(n, 12, 12, 3) uint8."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, PIXELS, PIXELS, 3), generator=draw, dtype=torch.uint8)


def answers(model: Classifier, x: Tensor) -> Tensor:
    """What the model says."""
    with torch.no_grad():
        return model.logits(x).argmax(1)


def failures(model: Classifier, n: int, each: int = 1, seed: int = 1) -> list[Failure]:
    """Failures with `each` pictures, to be classed as what they are not."""
    x = pictures(n * each, seed).view(n, each, PIXELS, PIXELS, 3)
    return [Failure(p, (answers(model, p[:1]) + 1).expand(each) % CLASSES, i) for i, p in enumerate(x)]


def workshop(n: int = 60, folder: Path | None = None, model: Classifier | None = None) -> Workshop:
    """Training pictures with arbitrary labels, or with those that a model gives them."""
    x = pictures(n, seed=2)
    y = torch.arange(n) % CLASSES if model is None else answers(model, x)
    return Workshop(Pictures(x, y), 3, folder)


def logits(model: Classifier, edited: Edited, x: Tensor) -> Tensor:
    """Of an edited model, for pictures."""
    with torch.no_grad():
        return edited.logits_from(model.kept(x, edited.start))


def keeps_the_contract(
    model: Classifier, editor: Editor, prepared: Prepared, knob: float, asked: Sequence[Failure]
) -> None:
    """The model stays, the same seed gives the same edit, and many at once are those one by one to 1e-5."""
    held = {name: p.clone() for name, p in model.module.named_parameters()}
    x = pictures(6, seed=5)
    many = editor.edit_many(model, prepared, asked, knob)
    assert len(many) == len(asked)
    for failure, edited in zip(asked, many, strict=True):
        alone = editor.edit(model, prepared, failure, knob)
        again = editor.edit(model, prepared, failure, knob)
        torch.testing.assert_close(logits(model, alone, x), logits(model, again, x), rtol=0, atol=0)
        torch.testing.assert_close(logits(model, edited, x), logits(model, alone, x), rtol=0, atol=1e-5)
        assert alone.steps == edited.steps
    for name, p in model.module.named_parameters():
        assert torch.equal(p, held[name]), name
    assert not any(module._forward_hooks for module in model.module.modules())
