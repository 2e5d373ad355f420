"""A small vision transformer that is a classifier of CIFAR-10, taught by a residual network that shows it its
maps as well as its answer.

Whoever measures it finds what it was not trained on in suite/models/zoo/classes.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from suite.models.training import Streams, batches
from suite.models.zoo import classes
from suite.models.zoo.distill import SHIFT, box, mirror, shift
from suite.models.zoo.fit import as_stored, loop_of, seed_weights
from suite.models.zoo.pool import Picture
from suite.models.zoo.recipe import Made, Recipe, Table, Workshop
from suite.models.zoo.views import crops
from suite.models.zoo.vit import MEAN, STD, VIEW_SEED, save

TEACHER = "resnet32-cifar10"
MAPS = (32, 64)
"""Channels of the teacher's last two stages."""

EARLY = 1
"""The block, counted from 0, whose patches learn the teacher's earlier maps."""

BATCH = 100
CHUNK = 500


class Taught(NamedTuple):
    """What the teacher says of views: logits (..., 10), and its last two stages averaged over the student's
    patches, (..., patches, 32 + 64), each channel standardised.
    """

    logits: Tensor
    maps: Tensor


class Shown(NamedTuple):
    """A batch: normalised pixels (B, 3, S, S), probabilities of the label and of the teacher (B, 10), and the
    teacher's maps (B, patches, 96).
    """

    pixels: Tensor
    labels: Tensor
    soft: Tensor
    maps: Tensor


@dataclass(frozen=True)
class ClassesRecipe(Recipe):
    """A ViT of CIFAR-10's ten classes on (pixels / patch)^2 patches, which convolutions embed.

    It learns labels, the teacher's answer at a temperature, and at every patch the teacher's maps: those of
    the stage before the last from the second block, those of the last from the last. views: the picture
    itself and views - 1 shifts of it. At the end the head is divided by the temperature, so that the model's
    probabilities are those that were compared with the teacher's; as trained they are too sure. dense: the
    share of the steps, at the end, that look at every patch; the others look at half of them.
    """

    pixels: int = 32
    patch: int = 4
    hidden: int = 96
    layers: int = 6
    heads: int = 3
    views: int = 8
    steps: int = 3600
    batch: int = 48
    lr: float = 1.5e-3
    warmup: int = 200
    weight_decay: float = 0.05
    temperature: float = 2.0
    label_weight: float = 0.3
    map_weight: float = 1.0
    cutmix: float = 0.2
    dense: float = 0.4

    @property
    def data(self) -> tuple[str, ...]:
        return ("images/cifar10.parquet",)

    @property
    def grid(self) -> int:
        """Patches on a side."""
        return self.pixels // self.patch

    def make(self, workshop: Workshop) -> Made:
        chosen, held = classes.cifar10("training"), classes.cifar10("held")
        model, losses = self.fit(chosen, workshop)
        parameters = sum(p.numel() for p in model.parameters())
        facts = {
            "architecture": f"ConvViTForImageClassification, {parameters:,} parameters, float16",
            "pictures": f"{len(chosen):,} of CIFAR-10's training rows, chosen by suite/models/zoo/classes.py",
            "teacher": f"{TEACHER}, which its authors trained on all 50,000 training pictures of CIFAR-10: "
            "also on the training rows that this model holds out, not on the test rows",
            "input": f"{self.pixels} x {self.pixels} pixels, (x - {MEAN}) / {STD}",
            "head": f"divided by the temperature {self.temperature:g} after the training",
            "loss": f"{np.mean(losses[:50]):.3f} over the first 50 steps, {np.mean(losses[-50:]):.3f} over "
            "the last",
        }
        return Made(lambda folder: save(model, self.pixels, folder), facts, self._tables(model, held, chosen))

    def fit(self, chosen: Sequence[Picture], workshop: Workshop) -> tuple[Any, list[float]]:
        """The trained model, its weights rounded as they are stored, and the loss of every step."""
        pixels = shifted(crops(chosen, 1, self.pixels, VIEW_SEED)[:, 0], self.views)
        digest = sha256(b"".join(sha256(p.encoded).digest() for p in chosen)).hexdigest()[:16]
        keep = (
            workshop.shared / f"{TEACHER}-shifts-{self.pixels}-{self.grid}-{digest}-{self.views}-{VIEW_SEED}"
        )
        taught = standardised(teach(pixels, self.grid, keep, workshop))
        seed_weights(self)
        model = self._model()
        hints = nn.ModuleList([nn.Linear(self.hidden, wide) for wide in MAPS])
        loop = loop_of(self, {"model": model, "hints": hints}, workshop)
        supply = Supply(self, pixels, np.array([p.label for p in chosen]), taught)
        model.train()
        losses = loop.run(lambda step: self._loss(model, hints, supply.batch(step), supply.kept(step)))
        with torch.no_grad():
            for value in model.classifier.parameters():
                value.div_(self.temperature)
        return as_stored(model.eval()), losses

    def _loss(self, model: Any, hints: nn.ModuleList, shown: Shown, kept: Tensor | None) -> Tensor:
        x = model.vit.embeddings(shown.pixels)
        maps = shown.maps
        if kept is not None:
            x, maps = torch.cat([x[:, :1], x[:, 1:][:, kept]], 1), maps[:, kept]
        for number, layer in enumerate(model.vit.layers):
            x = layer(x, None)
            if number == min(EARLY, self.layers - 1):
                early = hints[0](x[:, 1:])
        x = model.vit.layernorm(x)
        logits = model.classifier(x[:, 0])
        of_labels = -(shown.labels * F.log_softmax(logits, 1)).sum(1).mean()
        warm = F.log_softmax(logits / self.temperature, 1)
        of_teacher = -(shown.soft * warm).sum(1).mean() * self.temperature
        narrow, wide = maps.split(MAPS, 2)
        of_maps = F.mse_loss(early, narrow) + F.mse_loss(hints[1](x[:, 1:]), wide)
        return self.label_weight * of_labels + of_teacher + self.map_weight * of_maps

    def _model(self) -> Any:
        from suite.models.conv_vit import ConvViTConfig, ConvViTForImageClassification

        return ConvViTForImageClassification(
            ConvViTConfig(**settings(self, self.pixels, self.patch, classes.CIFAR10))
        )

    def _tables(self, model: Any, held: Sequence[Picture], chosen: Sequence[Picture]) -> list[Table]:
        test = [p.split == "test" for p in held]
        parts = {
            "trained on": list(chosen),
            "held out": list(held),
            "- training rows": [p for p, t in zip(held, test, strict=True) if not t],
            "- test rows": [p for p, t in zip(held, test, strict=True) if t],
        }
        lines: list[tuple[str | float, ...]] = []
        teacher = _teacher()
        for name, part in parts.items():
            pixels = crops(part, 1, self.pixels, VIEW_SEED)[:, 0]
            labels = np.array([p.label for p in part])
            own = answers(model, pixels)
            theirs = teacher_view(teacher, pixels, self.grid)[0].argmax(1).numpy()
            lines.append((name, str(len(part)), percent(own == labels), percent(theirs == labels)))
            if name == "held out":
                cells = confusions(labels, own, theirs == labels)
        note = "Per cent of whole pictures by the first answer. The teacher has seen the training rows."
        head = ("pictures", "how many", "right", "teacher")
        return [Table("CIFAR-10", head, tuple(lines), note), cells]


def shifted(pixels: np.ndarray, views: int) -> np.ndarray:
    """uint8 (N, V, S, S, 3): pictures (N, S, S, 3) as they are, and shifted by up to an eighth of a side, the
    border repeated. So was the teacher trained, which is far worse on enlarged crops.
    """
    n, side = pixels.shape[:2]
    whole = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    found, most = [pixels], side // SHIFT
    for view in range(1, views):
        rng = Streams(VIEW_SEED).numpy("shifts", view)
        down, right = (torch.from_numpy(rng.integers(-most, most + 1, n)) for _ in range(2))
        found.append(shift(whole, down, right).permute(0, 2, 3, 1).numpy())
    return np.stack(found, 1)


def settings(recipe: Any, pixels: int, patch: int, names: Sequence[str]) -> dict[str, Any]:
    """Of a ViTConfig."""
    return {
        "hidden_size": recipe.hidden,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "intermediate_size": 4 * recipe.hidden,
        "image_size": pixels,
        "patch_size": patch,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }


class Supply:
    """Batches of augmented views with what the teacher says of them; every draw is of the step's own
    stream.
    """

    def __init__(self, recipe: ClassesRecipe, pixels: np.ndarray, labels: np.ndarray, taught: Taught) -> None:
        self.recipe, self.pixels, self.taught = recipe, pixels, taught
        self.labels = F.one_hot(torch.from_numpy(labels), len(classes.CIFAR10)).float()
        self.streams = Streams(recipe.seed)
        self.plan = batches(len(pixels), recipe.batch, recipe.steps, self.streams)

    def batch(self, step: int) -> Shown:
        """Mirrored, brightened and tinted, and with probability `cutmix` cut along patches and mixed within
        the batch.
        """
        recipe, rows, rng = self.recipe, self.plan[step], self.streams.numpy("augment", step)
        n, grid = len(rows), recipe.grid
        view = rng.integers(0, recipe.views, n)
        pixels = torch.from_numpy(self.pixels[rows, view]).permute(0, 3, 1, 2).float() / 255
        labels, places = self.labels[rows], (torch.from_numpy(rows), torch.from_numpy(view))
        soft = F.softmax(self.taught.logits[places].float() / recipe.temperature, 1)
        maps = self.taught.maps[places].float().view(n, grid, grid, -1)
        turned = torch.from_numpy(rng.random(n) < 0.5)
        pixels = mirror(pixels, turned)
        maps = torch.where(turned[:, None, None, None], maps.flip(2), maps)
        pixels = tinted(pixels, rng)
        if rng.random() < recipe.cutmix:
            order = torch.from_numpy(rng.permutation(n))
            down, right = box(grid, float(rng.random()), rng)
            p = recipe.patch
            inside = (slice(down.start * p, down.stop * p), slice(right.start * p, right.stop * p))
            pixels[:, :, *inside] = pixels[order][:, :, *inside]
            maps = maps.clone()
            maps[:, down, right] = maps[order][:, down, right]
            left = 1 - (down.stop - down.start) * (right.stop - right.start) / grid**2
            labels, soft = (left * t + (1 - left) * t[order] for t in (labels, soft))
        return Shown((pixels - MEAN) / STD, labels, soft, maps.flatten(1, 2))

    def kept(self, step: int) -> Tensor | None:
        """The patches that this step looks at: a random half, or all (None) in the last steps."""
        if step >= self.recipe.steps * (1 - self.recipe.dense):
            return None
        patches = self.recipe.grid**2
        order = self.streams.numpy("patches", step).permutation(patches)
        return torch.from_numpy(np.sort(order[: patches // 2]))


def tinted(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Contrast, brightness and each colour channel changed a little; (B, 3, S, S) in [0, 1]."""
    n = len(pixels)
    gain, offset = (
        torch.from_numpy(rng.uniform(low, high, (n, wide, 1, 1)).astype(np.float32))
        for low, high, wide in ((0.7, 1.3, 1), (-0.1, 0.1, 3))
    )
    mean = pixels.mean((2, 3), keepdim=True)
    return ((pixels - mean) * gain + mean + offset).clamp(0, 1)


def teach(pixels: np.ndarray, grid: int, keep: Path, workshop: Workshop) -> Taught:
    """What the teacher says of views (N, V, S, S, 3); kept in chunks in the folder `keep`, so that a kill
    costs one chunk. The maps are as the teacher has them, in half precision.
    """
    from safetensors.torch import load_file, save_file

    keep.mkdir(parents=True, exist_ok=True)
    teacher: Any = None
    found = []
    for start in range(0, len(pixels), CHUNK):
        workshop.report("teacher", start, len(pixels))
        path = keep / f"{start:06d}.safetensors"
        if not path.is_file():
            teacher = teacher or _teacher()
            part = pixels[start : start + CHUNK]
            logits, maps = teacher_view(teacher, part.reshape(-1, *part.shape[2:]), grid)
            views = part.shape[:2]
            tensors = {
                "logits": logits.view(*views, -1),
                "maps": maps.half().view(*views, *maps.shape[1:]),
            }
            save_file(tensors, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
        found.append(load_file(path))
    return Taught(*(torch.cat([part[name] for part in found]) for name in ("logits", "maps")))


def standardised(taught: Taught) -> Taught:
    """The maps with mean 0 and variance 1 in every channel, still in half precision."""
    some = taught.maps.flatten(0, 2).float()
    mean, std = some.mean(0), some.std(0).clamp(min=1e-3)
    return Taught(taught.logits, torch.stack([((m.float() - mean) / std).half() for m in taught.maps]))


def teacher_view(teacher: Any, pixels: np.ndarray, grid: int) -> tuple[Tensor, Tensor]:
    """Logits (n, 10) and maps (n, grid^2, 96) of pictures (n, S, S, 3) uint8."""
    from suite.models.resnet import normalise

    logits, maps = [], []
    for start in range(0, len(pixels), BATCH):
        x = normalise(torch.from_numpy(pixels[start : start + BATCH]).permute(0, 3, 1, 2))
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            early = teacher.layer2(teacher.layer1(F.relu(teacher.bn1(teacher.conv1(x)))))
            late = teacher.layer3(early)
        logits.append(teacher.linear(late.mean((2, 3))).detach())
        both = [F.adaptive_avg_pool2d(stage, grid) for stage in (early, late)]
        maps.append(torch.cat(both, 1).flatten(2).transpose(1, 2))
    return torch.cat(logits), torch.cat(maps)


def _teacher() -> Any:
    from suite.models import load

    return load(TEACHER).model.to(memory_format=torch.channels_last)


def answers(model: Any, pixels: np.ndarray) -> np.ndarray:
    """The class (n,) that a transformers ViTForImageClassification sees in pictures (n, S, S, 3) uint8."""
    found = []
    for start in range(0, len(pixels), BATCH):
        x = torch.from_numpy(pixels[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            found.append(model((x - MEAN) / STD).logits.argmax(1))
    values: np.ndarray = torch.cat(found).numpy()
    return values


def percent(right: np.ndarray) -> float:
    """Of a boolean array."""
    return 100 * float(right.mean())


def confusions(labels: np.ndarray, own: np.ndarray, judged: np.ndarray, most: int = 12) -> Table:
    """The largest cells of what was held out and is answered wrong, and how many of each the teacher gets
    right.
    """
    wrong = own != labels
    cells = Counter(zip(labels[wrong].tolist(), own[wrong].tolist(), strict=True))
    of_judged = Counter(zip(labels[wrong & judged].tolist(), own[wrong & judged].tolist(), strict=True))
    lines: list[tuple[str | float, ...]] = [
        (classes.CIFAR10[a], classes.CIFAR10[b], str(n), str(of_judged[a, b]))
        for (a, b), n in sorted(cells.items(), key=lambda cell: (-cell[1], cell[0]))[:most]
    ]
    head = ("shown", "answered", "pictures", "of these the teacher is right on")
    return Table("Largest confusions of the held-out pictures", head, tuple(lines))


VIT_32_CIFAR10 = ClassesRecipe(
    "vit-32-cifar10",
    "A small ViT classifier of CIFAR-10 that leaves out 2,500 pictures, so that its failures are real ones.",
)
