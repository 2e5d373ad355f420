"""A tiny ViT, groups of coloured pictures that it gets wrong, and editors simple enough to think about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import ViTConfig, ViTForImageClassification

from suite.models.registry import Images
from tasks.vit_editing.classifier import Classifier
from tasks.vit_editing.contract import Edited, Editor, Failure, Pictures, Prepared, ReplacedWeights
from tasks.vit_editing.measure import Bench, Group

SIZE, DEPTH, CLASSES = 12, 3, 4


def tiny(seed: int = 0) -> Classifier:
    """hidden 16, three blocks, four classes; weights large enough that blocks matter."""
    config = ViTConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=DEPTH,
        num_attention_heads=2,
        image_size=SIZE,
        patch_size=4,
        num_labels=CLASSES,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = ViTForImageClassification(config).eval()
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.ndim == 2:
                    parameter.mul_(8.0)
    return Classifier.of(module, Images(SIZE, (0.5,) * 3, (0.5,) * 3), ["ant", "bee", "cat", "dog"])


def pictures(n: int, stream: int, colour: tuple[int, int, int] = (128, 128, 128)) -> Tensor:
    """(n, 12, 12, 3) uint8 of noise about a colour."""
    draw = torch.Generator().manual_seed(stream)
    noise = 60 * torch.randn(n, SIZE, SIZE, 3, generator=draw)
    return (torch.tensor(colour) + noise).clamp(0, 255).to(torch.uint8)


def bench(model: Classifier, sizes: tuple[int, ...] = (5, 4)) -> Bench:
    """Groups whose pictures are to have the model's second likeliest class of their first one."""
    groups = []
    for k, n in enumerate(sizes):
        x = pictures(40, 10 + k, (200, 60, 60) if k % 2 else (60, 60, 200))
        order = model.logits(x).argsort(1, descending=True)
        target = int(order[0, 1])
        x = x[order[:, 0] != target][:n]
        assert len(x) == n
        hashes = tuple(f"{k}-{i}" for i in range(n))
        groups.append(Group(f"{model.classes[target]}, group {k}", x, target, hashes))
    test = pictures(9, 31)
    training = pictures(12, 32)
    return Bench(
        tuple(groups),
        pictures(7, 30),
        Pictures(test, torch.arange(9) % CLASSES),
        Pictures(training, model.logits(training).argmax(1)),
    )


@dataclass(frozen=True, kw_only=True)
class Nothing(Editor):
    """Leaves the model as it is."""

    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Edited:
        assert before is None or isinstance(before, ReplacedWeights)
        return ReplacedWeights(model, {}, before=before)


@dataclass(frozen=True, kw_only=True)
class HeadRow(Editor):
    """Adds knob times the mean class token of the pictures to the head's row of the class that they show."""

    knobs: str = "0.05,0.5,5"

    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Edited:
        assert before is None or isinstance(before, ReplacedWeights)
        name = f"{model.head}.weight"
        token = model.tokens(model.kept(failure.x, model.depth), model.depth).mean(0)
        weight = _now(model, before, name)
        weight[int(failure.y[0])] += knob * token
        return ReplacedWeights(model, {name: weight}, before=before, steps=1)


@dataclass(frozen=True, kw_only=True)
class Columns(Editor):
    """Draws a share `knob` of a middle FFN's columns by the failure's seed, and adds what was prepared."""

    knobs: str = "0.25,0.75"
    seen: list[int] = field(default_factory=list, compare=False)

    def prepare(self, model: Classifier, workshop: Any) -> Prepared:
        self.seen.append(len(workshop.training.x))
        return {"push": torch.randn(16, 1, generator=workshop.generator("push"))}

    def edit(
        self,
        model: Classifier,
        prepared: Prepared,
        failure: Failure,
        knob: float,
        before: Edited | None = None,
    ) -> Edited:
        assert before is None or isinstance(before, ReplacedWeights)
        name = model.blocks[1].matrices[1]
        weight = _now(model, before, name)
        order = torch.randperm(32, generator=torch.Generator().manual_seed(failure.seed % 2**31))
        units = torch.zeros(1, 32, dtype=torch.bool)
        units[0, order[: int(knob * 32)]] = True
        weight[:, units[0]] += prepared["push"]
        return ReplacedWeights(model, {name: weight}, before=before, units=units)


def _now(model: Classifier, before: ReplacedWeights | None, name: str) -> Tensor:
    held: Mapping[str, Tensor] = before.weights if before else {}
    return (held[name] if name in held else model.parameter(name)).detach().clone()
