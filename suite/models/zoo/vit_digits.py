"""A tiny vision transformer that is a weak classifier of digits, made in seconds.

Whoever measures it finds what it was not trained on in suite/models/zoo/classes.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from suite.models.training import batches
from suite.models.zoo import classes
from suite.models.zoo.distill import shift
from suite.models.zoo.fit import as_stored, loop_of, seed_weights
from suite.models.zoo.recipe import Made, Recipe, Table, Workshop
from suite.models.zoo.vit import MEAN, STD, save
from suite.models.zoo.vit_classes import answers, percent, settings


@dataclass(frozen=True)
class DigitsRecipe(Recipe):
    """A tiny plain ViT that learns ten digits from few drawings, shifted about: it is meant to fail."""

    pixels: int = 16
    patch: int = 4
    hidden: int = 32
    layers: int = 4
    heads: int = 2
    steps: int = 500
    batch: int = 64
    lr: float = 2e-3
    warmup: int = 30
    weight_decay: float = 0.05

    @property
    def data(self) -> tuple[str, ...]:
        return ()

    def make(self, workshop: Workshop) -> Made:
        training, held = (classes.digits(part, self.pixels) for part in ("training", "held"))
        model, losses = self.fit(training, workshop)
        parameters = sum(p.numel() for p in model.parameters())
        facts = {
            "architecture": f"ViTForImageClassification, {parameters:,} parameters, float16",
            "pictures": f"{len(training.labels)} of scikit-learn's 1,797 drawings of digits "
            "(suite/models/zoo/classes.py says which), enlarged from 8 x 8 pixels",
            "input": f"{self.pixels} x {self.pixels} pixels, (x - {MEAN}) / {STD}",
            "loss": f"{np.mean(losses[:50]):.3f} over the first 50 steps, {np.mean(losses[-50:]):.3f} over "
            "the last",
        }
        lines = tuple(
            (name, str(len(part.labels)), percent(answers(model, part.pixels) == part.labels))
            for name, part in (("trained on", training), ("held out", held))
        )
        table = Table("Digits", ("drawings", "how many", "right"), lines, "Per cent by the first answer.")
        return Made(lambda folder: save(model, self.pixels, folder), facts, [table])

    def fit(self, training: classes.Drawn, workshop: Workshop) -> tuple[Any, list[float]]:
        """The trained model, its weights rounded as they are stored, and the loss of every step."""
        from transformers import ViTConfig, ViTForImageClassification

        seed_weights(self)
        names = [str(digit) for digit in range(10)]
        model = ViTForImageClassification(ViTConfig(**settings(self, self.pixels, self.patch, names)))
        loop = loop_of(self, {"model": model}, workshop)
        plan = batches(len(training.labels), self.batch, self.steps, loop.streams)
        pixels = torch.from_numpy(training.pixels).permute(0, 3, 1, 2).float() / 255
        labels = torch.from_numpy(training.labels)

        def loss(step: int) -> Tensor:
            rows, rng = plan[step], loop.streams.numpy("augment", step)
            down, right = (torch.from_numpy(rng.integers(-1, 2, len(rows))) for _ in range(2))
            logits = model((shift(pixels[rows], down, right) - MEAN) / STD).logits
            return F.cross_entropy(logits, labels[rows])

        model.train()
        losses = loop.run(loss)
        return as_stored(model.eval()), losses


VIT_16_DIGITS = DigitsRecipe(
    "vit-16-digits", "A tiny ViT classifier of digits, learned from few drawings; weak by design."
)
