"""A tiny classifier of 12 px pictures, and the descent of an edit as one would write it first."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import ViTConfig, ViTForImageClassification

from suite.models.registry import Images
from tasks.vit_editing.classifier import Classifier
from tasks.vit_editing.contract import Failure

WIDTH, HIDDEN, DEPTH, CLASSES, SIZE = 16, 24, 4, 5, 12
BLOCKS = (2, 3)


def tiny(dtype: torch.dtype = torch.float32, seed: int = 0) -> Classifier:
    """Weights large enough for pictures to matter."""
    torch.manual_seed(seed)
    config = ViTConfig(
        hidden_size=WIDTH,
        intermediate_size=HIDDEN,
        num_hidden_layers=DEPTH,
        num_attention_heads=2,
        image_size=SIZE,
        patch_size=4,
        num_labels=CLASSES,
        initializer_range=0.3,
    )
    module = ViTForImageClassification(config).to(dtype)
    return Classifier.of(module, Images(SIZE, (0.5,) * 3, (0.5,) * 3), [f"c{k}" for k in range(CLASSES)])


def pictures(n: int, seed: int = 0, size: int = SIZE) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, size, size, 3), generator=generator, dtype=torch.uint8)


def failures(model: Classifier, count: int, k: int = 1) -> list[Failure]:
    """Each of k pictures that are said to show the class that the model finds least likely in the first."""
    found = []
    for e in range(count):
        x = pictures(k, seed=100 + e)
        worst = model.logits(x[:1]).argmin(-1)
        found.append(Failure(x, worst.expand(k).clone(), seed=e))
    return found


def streams(failures: Sequence[Failure], at: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(E, k, T, d) before block `at`, computed in float32."""
    model = tiny()
    return torch.stack([model.kept(failure.x, at) for failure in failures]).to(dtype)


def literal(
    model: Classifier, h: Tensor, labels: Tensor, masks: Tensor, lr: float, steps: int, enough: float
) -> tuple[dict[str, Tensor], int]:
    """A deep copy of the module and torch's own optimiser on one edit. h: (k, T, d) before the first edited
    block, labels: (k,), masks: (rows, hidden); edited matrices by name, and the steps taken.
    """
    module = copy.deepcopy(model.module).requires_grad_(False)
    edited = replace(model, module=module)
    names = [name for k in BLOCKS for name in model.blocks[k].matrices]
    for name in names:
        module.get_parameter(name).requires_grad_()
    optimizer = torch.optim.RMSprop([module.get_parameter(name) for name in names], lr=lr)
    done = 0
    for _ in range(steps):
        logits = edited.logits_from(h, BLOCKS[0])
        loss = F.cross_entropy(logits, labels)
        if bool((logits.argmax(-1) == labels).all()) and float(loss.detach()) <= enough:
            break
        optimizer.zero_grad()
        loss.backward()
        for row, name in enumerate(names):
            mask = masks[row].to(h.dtype)
            module.get_parameter(name).grad *= mask[None] if row % 2 else mask[:, None]
        optimizer.step()
        done += 1
    return {name: module.get_parameter(name).detach() for name in names}, done
