"""The feature network's recipe on a pool of twelve pictures of plain colours."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import killed
import numpy as np
import pytest
import torch
from PIL import Image

from suite.models import fid as distances
from suite.models.zoo import fid
from suite.models.zoo.fid import FID_NET, FidRecipe
from suite.models.zoo.pool import Picture
from suite.models.zoo.recipe import Workshop, train

COLOURS = {"cifar10": ((200, 30, 30), (30, 30, 200)), "mnist": ((10, 10, 10), (240, 240, 240))}


def png(colour: tuple[int, int, int], seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(-9, 10, (20, 20, 3))
    out = io.BytesIO()
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def pool() -> list[Picture]:
    found = [
        Picture(source, label, str(label), split, False, png(colour, seed))
        for source, colours in COLOURS.items()
        for label, colour in enumerate(colours)
        for seed, split in enumerate(("train",) * 4 + ("test",) * 40)
    ]
    return [*found, Picture("flickr8k_1k", -1, "", "train", False, png((0, 255, 0), 0))]


@pytest.fixture(autouse=True)
def small_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fid, "pictures", lambda: iter(pool()))
    monkeypatch.setattr(fid, "PAIRS", (("cifar10", "mnist"),))
    monkeypatch.setattr(fid, "BLURS", (1.0,))
    monkeypatch.setattr(fid, "NOISES", (0.1,))
    # 64 features are more than the tiny pool can carry
    monkeypatch.setattr(fid, "fid", lambda x, y: distances.fid(x[:, :8], y[:, :8]))
    yield


def recipe(steps: int = 12) -> FidRecipe:
    return replace(FID_NET, name="tiny", steps=steps, batch=8, warmup=2)


def test_a_tiny_pool_is_learnt_and_the_card_says_so(tmp_path: Path) -> None:
    target = train(recipe(40), tmp_path / "out", Workshop(tmp_path / "work", tmp_path / "shared"))
    card = (target / "card.md").read_text()
    assert "16 labelled training pictures of 4 classes" in card
    assert "| cifar10 | 80 | 2 | 100.0 | 50.0 |" in card
    net = distances.read(target)
    solid = np.full((1, 32, 32, 3), (200, 30, 30), np.uint8)
    with torch.inference_mode():
        said = net(distances.normalise(torch.from_numpy(solid).permute(0, 3, 1, 2))).argmax()
    assert int(said) == 0


def test_a_killed_training_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed.saving_every_step(monkeypatch)
    chosen = [p for p in pool() if p.split == "train" and p.label >= 0]
    labels = sorted({fid.name_of(p) for p in chosen})
    whole, losses = recipe()._train(chosen, labels, Workshop(tmp_path / "a", tmp_path))
    work = Workshop(tmp_path / "b", tmp_path, killed.at(7))
    with pytest.raises(killed.Killed):
        recipe()._train(chosen, labels, work)
    again, repeated = recipe()._train(chosen, labels, Workshop(tmp_path / "b", tmp_path))
    assert repeated == losses
    assert killed.same_weights(whole, again)


def test_test_pictures_and_pictures_without_a_label_are_not_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Picture] = []
    original = fid.Supply

    def watch(recipe: FidRecipe, chosen: list[Picture], labels: list[str]) -> fid.Supply:
        seen.extend(chosen)
        return original(recipe, chosen, labels)

    monkeypatch.setattr(fid, "Supply", watch)
    recipe(2).make(Workshop(tmp_path / "work", tmp_path))
    assert len(seen) == 16
    assert all(p.split == "train" and p.label >= 0 for p in seen)


def test_accuracy_is_counted_by_source() -> None:
    known = fid.Scores(
        np.array(["a", "a", "a", "b"]), np.zeros((4, 1)), np.array([0, 1, 1, 2]), np.array([0, 1, 0, 0])
    )
    assert known.accuracy("a") == pytest.approx(200 / 3)
    assert known.accuracy("b") == 0
    assert known.accuracy() == 50
    assert known.table().rows == (("a", "3", "2", pytest.approx(200 / 3), 50.0), ("b", "1", "1", 0.0, 100.0))


def test_noise_has_the_amount_asked_for() -> None:
    grey = np.full((4, 32, 32, 3), 128, np.uint8)
    noise = fid.noisy(grey, 0.1, 0).astype(float) - 128
    assert noise.std() == pytest.approx(25.5, rel=0.03)
    assert abs(noise.mean()) < 1
    assert np.array_equal(fid.noisy(grey, 0.1, 0), fid.noisy(grey, 0.1, 0))


def test_blur_keeps_the_mean_and_takes_contrast() -> None:
    x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    weak, strong = fid.blurred(x, 0.5), fid.blurred(x, 2.0)
    assert x.std() > weak.std() > strong.std()
    assert strong.mean() == pytest.approx(x.mean(), abs=2)
