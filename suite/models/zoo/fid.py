"""The feature network of the small Fréchet distances: it tells apart every class of the image pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from suite.models.fid import PIXELS, FeatureNet, features, fid, kernel_distance, normalise, save
from suite.models.training import Streams, batches
from suite.models.zoo.distill import Targets, augment
from suite.models.zoo.fit import as_stored, loop_of, seed_weights
from suite.models.zoo.pool import SOURCES, UPRIGHT, Picture, pictures
from suite.models.zoo.recipe import Made, Recipe, Table, Workshop
from suite.models.zoo.views import crops

VIEW_SEED = 0
"""Of the crops, the same as the vision transformers see."""

PAIRS = (("cifar10", "pacs"), ("cifar10", "flowers5"), ("mnist", "notmnist"), ("cifar10", "mnist"))
BLURS = (0.5, 1.0, 2.0)
NOISES = (0.05, 0.1, 0.2)
Batch = tuple[Tensor, Targets]


@dataclass(frozen=True)
class FidRecipe(Recipe):
    """A small CNN by cross-entropy over all labelled classes of all sources together, training pictures
    alone.

    views: the whole picture and views - 1 random crops of it, one of them a step.
    """

    views: int = 2
    steps: int = 1500
    batch: int = 96
    lr: float = 3e-3
    warmup: int = 100
    weight_decay: float = 0.05

    @property
    def data(self) -> tuple[str, ...]:
        return tuple(f"images/{source}.parquet" for source in SOURCES)

    def make(self, workshop: Workshop) -> Made:
        known = [p for p in pictures() if p.label >= 0]
        train, test = ([p for p in known if p.split == split] for split in ("train", "test"))
        labels = sorted({name_of(p) for p in train})
        net, losses = self._train(train, labels, workshop)
        exact = scores(net, test, labels)
        whole = features(exact.images, net)
        as_stored(net)
        stored = scores(net, test, labels)
        moved = fid(whole, features(stored.images, net))
        parameters = sum(p.numel() for p in net.parameters())
        facts = {
            "architecture": f"FeatureNet, {parameters:,} parameters, {whole.shape[1]} features, float16",
            "input": f"{PIXELS} x {PIXELS} pixels",
            "pictures": f"{len(train):,} labelled training pictures of {len(labels)} classes",
            "loss": f"{np.mean(losses[:50]):.3f} over the first 50 steps, {np.mean(losses[-50:]):.3f} "
            "over the last",
            "rounding to float16": f"test accuracy {exact.accuracy():.2f} % before and "
            f"{stored.accuracy():.2f} % after; distance of the test pictures' features before and after "
            f"{moved:.1e}",
        }
        return Made(lambda folder: save(net, labels, folder), facts, [stored.table(), sanity(net, stored)])

    def _train(
        self, chosen: Sequence[Picture], labels: list[str], workshop: Workshop
    ) -> tuple[FeatureNet, list[float]]:
        seed_weights(self)
        net = FeatureNet(len(labels))
        loop = loop_of(self, {"net": net}, workshop, betas=(0.9, 0.999))
        supply = Supply(self, chosen, labels)

        def loss(step: int) -> Tensor:
            pixels, targets = supply.batch(step)
            log_p = net(pixels).log_softmax(1)
            return -(targets.classes * log_p).sum() / len(pixels)

        losses = loop.run(loss)
        return net.eval(), losses


class Supply:
    """Batches of augmented views with their classes; every draw is of the step's own stream."""

    def __init__(self, recipe: FidRecipe, chosen: Sequence[Picture], labels: list[str]) -> None:
        self.views, self.streams = recipe.views, Streams(recipe.seed)
        self.pixels = crops(chosen, recipe.views, PIXELS, VIEW_SEED)
        self.classes = torch.eye(len(labels))
        self.labels = numbers(chosen, labels)
        self.mirrors = torch.tensor([p.source not in UPRIGHT for p in chosen])
        self.plan = batches(len(chosen), recipe.batch, recipe.steps, self.streams)

    def batch(self, step: int) -> Batch:
        """Normalised pixels (B, 3, 32, 32) and their targets."""
        rows = self.plan[step]
        view = self.streams.numpy("views", step).integers(0, self.views, len(rows))
        pixels = torch.from_numpy(self.pixels[rows, view]).permute(0, 3, 1, 2).float() / 255
        targets = Targets(torch.zeros(len(rows), 1), self.classes[self.labels[rows]])
        pixels, targets = augment(pixels, self.mirrors[rows], targets, self.streams, step, cutmix=0.0)
        return normalise(pixels * 255), targets


def name_of(picture: Picture) -> str:
    """The class of a picture: "source/label"."""
    return f"{picture.source}/{picture.label}"


def numbers(chosen: Sequence[Picture], labels: Sequence[str]) -> np.ndarray:
    """The place of each picture's class among `labels`, (N,)."""
    index = {name: i for i, name in enumerate(labels)}
    return np.array([index[name_of(p)] for p in chosen])


@dataclass(frozen=True)
class Scores:
    """What a network said of pictures: source, image (N, 32, 32, 3), class and predicted class of each."""

    sources: np.ndarray
    images: np.ndarray
    truth: np.ndarray
    said: np.ndarray

    def accuracy(self, source: str | None = None) -> float:
        """Per cent right, over one source or all."""
        which = self.sources == source if source else np.ones(len(self.sources), bool)
        return 100 * float((self.truth == self.said)[which].mean())

    def table(self) -> Table:
        """Accuracy on each source."""
        names = list(dict.fromkeys(self.sources.tolist()))
        rows: list[tuple[str | float, ...]] = []
        for name in names:
            which = self.sources == name
            classes = len(set(self.truth[which].tolist()))
            rows.append((name, str(which.sum()), str(classes), self.accuracy(name), 100 / classes))
        note = (
            "Per cent of the test pictures; the network chooses among the classes of all sources at once. "
            "'guess' is what guessing right the source alone would give."
        )
        return Table("Accuracy", ("source", "test", "classes", "right", "guess"), tuple(rows), note)


def scores(net: FeatureNet, chosen: Sequence[Picture], labels: Sequence[str]) -> Scores:
    """Classify whole pictures."""
    images = crops(chosen, 1, PIXELS, VIEW_SEED)[:, 0]
    values = torch.from_numpy(features(images, net)).float()
    with torch.inference_mode():
        said = net.classifier(values).argmax(1).numpy()
    return Scores(np.array([p.source for p in chosen]), images, numbers(chosen, labels), said)


def sanity(net: FeatureNet, known: Scores) -> Table:
    """Distances that must be small (halves of one set) and must grow (other sources, blur, noise)."""
    rows: list[tuple[str | float, ...]] = []
    for what, first, second in compared(known):
        x, y = features(first, net), features(second, net)
        count = f"{len(first):,} and {len(second):,}"
        rows.append((what, count, f"{fid(x, y):.3f}", f"{kernel_distance(x, y):.4f}"))
    note = (
        "On test pictures. Blur: Gaussian, radius in pixels; noise: Gaussian, standard deviation of values "
        "in [0, 1]; both against the same pictures unchanged. The Fréchet distance of two halves of one set "
        "is not 0 but its bias at that number of pictures."
    )
    return Table("Distances", ("pictures", "number", "Fréchet", "kernel"), tuple(rows), note)


def compared(known: Scores) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """What is compared with what."""
    order = Streams(VIEW_SEED).numpy("halves").permutation(len(known.images))
    yield "halves of the pool", known.images[order[::2]], known.images[order[1::2]]
    photos = known.images[known.sources == "cifar10"]
    yield "cifar10, halves", photos[::2], photos[1::2]
    for first, second in PAIRS:
        yield f"{first}, {second}", *(known.images[known.sources == s] for s in (first, second))
    for radius in BLURS:
        yield f"cifar10, blur {radius}", photos, blurred(photos, radius)
    for amount in NOISES:
        yield f"cifar10, noise {amount}", photos, noisy(photos, amount, VIEW_SEED)


def blurred(images: np.ndarray, radius: float) -> np.ndarray:
    """uint8 (N, S, S, 3) after a Gaussian blur."""
    from PIL import Image, ImageFilter

    kernel = ImageFilter.GaussianBlur(radius)
    return np.stack([np.asarray(Image.fromarray(image).filter(kernel)) for image in images])


def noisy(images: np.ndarray, amount: float, seed: int) -> np.ndarray:
    """uint8 images with Gaussian noise of standard deviation `amount` * 255, cut to the range."""
    noise = Streams(seed).numpy("noise").normal(0, amount * 255, images.shape)
    return (images + noise).round().clip(0, 255).astype(np.uint8)


FID_NET = FidRecipe(
    "fid-net",
    "A small CNN whose features stand behind the suite's Fréchet and kernel distances between sets of "
    "images. Its weights are fixed: another version would change every such score.",
)
