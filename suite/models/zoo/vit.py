"""The small vision transformers: labels and the features of EfficientNet-Lite0, at 32 and at 64 pixels."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from suite.models.training import Streams, batches
from suite.models.zoo import distill
from suite.models.zoo.fit import as_stored, loop_of, seed_weights
from suite.models.zoo.pool import SOURCES, UPRIGHT, Picture, pictures
from suite.models.zoo.recipe import Made, Recipe, Workshop
from suite.models.zoo.views import TEACHER_PX, crops, teacher_features

MEAN = STD = 0.5
TEACHER = {
    "clean": "EfficientNet-Lite0 as its authors trained it on ImageNet: it has seen animals, vehicles "
    "and flowers of held-out classes, this model has seen no picture of them; signs, letters and digits are "
    "new to both",
    "contaminated": "EfficientNet-Lite0 as its authors trained it on ImageNet",
}
VIEW_SEED = 0
"""Of the crops: the same for every recipe, so that the teacher's features serve them all."""


@dataclass(frozen=True)
class ViTRecipe(Recipe):
    """A ViT of `layers` blocks of width `hidden` on (pixels / patch)^2 patches, which convolutions embed.

    variant: "clean" never sees a picture whose class is held out (suite/models/zoo/pool.py); "contaminated"
    sees the training pictures of every class. start: the recipe whose weights it begins with, its patches
    resized; "" for none.
    dense: the share of the steps, at the end, that look at every patch; the others look at half of them.
    """

    variant: Literal["clean", "contaminated"] = "clean"
    pixels: int = 32
    patch: int = 4
    hidden: int = 192
    layers: int = 6
    heads: int = 3
    views: int = 2
    steps: int = 700
    batch: int = 96
    lr: float = 1e-3
    warmup: int = 60
    weight_decay: float = 0.05
    label_weight: float = 0.5
    cutmix: float = 0.1
    dense: float = 0.08
    start: str = ""

    @property
    def data(self) -> tuple[str, ...]:
        return tuple(f"images/{source}.parquet" for source in SOURCES)

    def make(self, workshop: Workshop) -> Made:
        from suite.models.zoo.measure import of_known, of_vit, probe_tables

        everything = [p for p in pictures() if p.split == "train"]
        tests = [p for p in pictures() if p.split == "test"]
        seen = self._teacher(everything, self.views, workshop)
        known = np.concatenate([seen[:, 0], self._teacher(tests, 1, workshop)[:, 0]])
        chosen = np.array([i for i, p in enumerate(everything) if self.variant != "clean" or not p.held_out])
        pixels = crops(everything, self.views, self.pixels, VIEW_SEED)[chosen]
        model, losses = self._train([everything[i] for i in chosen], pixels, seen[chosen], workshop)
        teacher = of_known([*everything, *tests], known)
        tables = probe_tables(of_vit(model, self.pixels, MEAN, STD), teacher, workshop)
        facts = self._facts(model, losses, len(chosen), len(everything))
        return Made(lambda folder: save(model, self.pixels, folder), facts, tables)

    def _facts(self, model: Any, losses: Sequence[float], chosen: int, everything: int) -> dict[str, str]:
        parameters = sum(p.numel() for p in model.parameters())
        first, last = np.mean(losses[:50]), np.mean(losses[-50:])
        return {
            "architecture": f"ConvViTForImageClassification, {parameters:,} parameters, float16",
            "pictures": f"{chosen:,} of the {everything:,} training pictures of the pool ({self.variant})",
            "teacher": TEACHER[self.variant],
            "input": f"{self.pixels} x {self.pixels} pixels, (x - {MEAN}) / {STD}",
            "loss": f"{first:.3f} over the first 50 steps, {last:.3f} over the last",
        }

    def _teacher(self, chosen: Sequence[Picture], views: int, workshop: Workshop) -> np.ndarray:
        """float16 (N, V, 1280), kept in a folder named by pictures and views."""
        digest = sha256(b"".join(sha256(p.encoded).digest() for p in chosen)).hexdigest()[:16]
        keep = workshop.shared / f"efficientnet-lite0-{TEACHER_PX}-{digest}-{views}-{VIEW_SEED}"
        return teacher_features(chosen, views, VIEW_SEED, _teacher, workshop.report, keep)

    def _train(
        self, chosen: Sequence[Picture], pixels: np.ndarray, features: np.ndarray, workshop: Workshop
    ) -> tuple[Any, list[float]]:
        names = class_names(chosen)
        seed_weights(self)
        model = self._model(names, workshop)
        heads = nn.ModuleDict(
            {"classes": model.classifier, "features": nn.Linear(self.hidden, features.shape[2])}
        )
        loop = loop_of(self, {"model": model, "heads": heads}, workshop)
        supply = Supply(self, chosen, names, pixels, distill.standardise(features), loop.streams)
        model.train()

        def loss(step: int) -> Tensor:
            inputs, targets = supply.batch(step)
            token = distill.encode(model.vit, inputs, supply.kept(step))
            return distill.loss(token, heads, targets, self.label_weight)

        losses = loop.run(loss)
        return as_stored(model.eval()), losses

    def _model(self, names: Sequence[str], workshop: Workshop) -> Any:
        from suite.models.conv_vit import ConvViTConfig, ConvViTForImageClassification

        config = ConvViTConfig(
            hidden_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.hidden,
            image_size=self.pixels,
            patch_size=self.patch,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            id2label=dict(enumerate(names)),
            label2id={name: i for i, name in enumerate(names)},
        )
        model = ConvViTForImageClassification(config)
        if self.start:
            from suite.models import load

            grow(load(self.start).model, model)
        return model


def _teacher() -> Any:
    from suite.models import load

    return load("efficientnet-lite0").model.to(memory_format=torch.channels_last)


def class_names(chosen: Sequence[Picture]) -> list[str]:
    """ "source/label" of every class among the pictures, sorted by source and label."""
    found = {(p.source, p.label) for p in chosen if p.label >= 0}
    return [f"{source}/{label}" for source, label in sorted(found)]


class Supply:
    """Batches of augmented views with their targets; every draw is of the step's own stream."""

    def __init__(
        self,
        recipe: ViTRecipe,
        chosen: Sequence[Picture],
        names: Sequence[str],
        pixels: np.ndarray,
        features: np.ndarray,
        streams: Streams,
    ) -> None:
        index = {name: i for i, name in enumerate(names)}
        self.recipe, self.streams = recipe, streams
        self.pixels, self.features = pixels, torch.from_numpy(features)
        self.labels = np.array([index.get(f"{p.source}/{p.label}", -1) for p in chosen])
        self.mirrors = torch.tensor([p.source not in UPRIGHT for p in chosen])
        self.classes = len(names)
        self.plan = batches(len(chosen), recipe.batch, recipe.steps, streams)

    def batch(self, step: int) -> tuple[Tensor, distill.Targets]:
        """Normalised pixels (B, 3, S, S) and their targets."""
        rows = self.plan[step]
        view = self.streams.numpy("views", step).integers(0, self.recipe.views, len(rows))
        pixels = torch.from_numpy(self.pixels[rows, view]).permute(0, 3, 1, 2).float() / 255
        classes = torch.zeros(len(rows), self.classes)
        labelled = np.flatnonzero(self.labels[rows] >= 0)
        classes[labelled, self.labels[rows][labelled]] = 1.0
        targets = distill.Targets(self.features[rows, view], classes)
        mirrors = self.mirrors[rows]
        pixels, targets = distill.augment(pixels, mirrors, targets, self.streams, step, self.recipe.cutmix)
        return (pixels - MEAN) / STD, targets

    def kept(self, step: int) -> Tensor | None:
        """The patches that this step looks at: a random half, or all (None) in the last steps."""
        if step >= self.recipe.steps * (1 - self.recipe.dense):
            return None
        patches = (self.recipe.pixels // self.recipe.patch) ** 2
        order = self.streams.numpy("patches", step).permutation(patches)
        return torch.from_numpy(np.sort(order[: patches // 2]))


def grow(small: Any, large: Any) -> None:
    """Give `large` the weights of `small`, whose patches are smaller by a whole factor and whose grid is the
    same.

    The first filters are enlarged so that an image enlarged by that factor gives the same tokens: each value
    is repeated factor^2 times and divided by factor^2.
    """
    weights = small.state_dict()
    key = "vit.embeddings.patch_embeddings.projection.0.weight"
    factor = large.state_dict()[key].shape[2] // weights[key].shape[2]
    weights[key] = weights[key].repeat_interleave(factor, 2).repeat_interleave(factor, 3) / factor**2
    large.load_state_dict(weights)


def save(model: Any, pixels: int, folder: Path) -> None:
    """Write config.json, preprocessor_config.json and float16 weights, which move no probe score by more
    than chance.
    """
    copy.deepcopy(model).half().save_pretrained(folder)
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": pixels, "width": pixels},
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [MEAN] * 3,
        "image_std": [STD] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2) + "\n")
