"""The recipes of the small classifiers: what a batch shows, what the teacher says, what is left behind."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from suite.models.conv_vit import ConvViTForImageClassification
from suite.models.resnet import ResNet, normalise
from suite.models.zoo import classes, vit_classes
from suite.models.zoo.recipe import Workshop, train
from suite.models.zoo.vit_classes import (
    MAPS,
    ClassesRecipe,
    Supply,
    Taught,
    answers,
    confusions,
    shifted,
    standardised,
    teach,
    teacher_view,
)
from suite.models.zoo.vit_digits import DigitsRecipe

TINY = ClassesRecipe("tiny", "A tiny one.", hidden=12, layers=2, heads=3, views=2, steps=4, batch=4, warmup=1)


def png(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    return out.getvalue()


def rows(source: str) -> list[Mapping[str, object]]:
    """Four training pictures and one test picture of each of three classes."""
    return [
        {
            "image": png(10 * label + k),
            "label": label,
            "label_name": classes.CIFAR10[label],
            "split": "test" if k == 4 else "train",
        }
        for k in range(5)
        for label in (0, 3, 5)
    ]


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> ResNet:
    """A small residual network of random weights, and a pool of 15 pictures, two of each class trained on."""
    torch.manual_seed(0)
    network: ResNet = ResNet(1).eval()
    monkeypatch.setattr(vit_classes, "_teacher", lambda: network)
    monkeypatch.setattr(classes, "rows", rows)
    monkeypatch.setattr(classes, "CIFAR10_TRAINED", 2)
    return network


def test_the_maps_are_those_from_which_the_teacher_answers(teacher: ResNet) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    logits, maps = teacher_view(teacher, pixels, 8)
    with torch.no_grad():
        x = normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        assert torch.allclose(logits, teacher(x), atol=1e-5)
        assert torch.allclose(maps[:, :, MAPS[0] :].mean(1), teacher.features(x), atol=1e-5)
        stage = teacher.layer2(teacher.layer1(teacher.bn1(teacher.conv1(x)).relu()))
    patch = stage[1, :, 2:4, 10:12].mean((1, 2))  # of 8 x 8 patches the second row, sixth column
    assert torch.allclose(maps[1, 8 + 5, : MAPS[0]], patch, atol=1e-5)


def test_the_teacher_is_asked_once(teacher: ResNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vit_classes, "CHUNK", 2)
    pixels = np.random.default_rng(1).integers(0, 256, (5, 2, 32, 32, 3), dtype=np.uint8)
    workshop = Workshop(tmp_path / "a", tmp_path / "b")
    first = teach(pixels, 8, tmp_path / "kept", workshop)
    assert (first.logits.shape, first.maps.shape) == ((5, 2, 10), (5, 2, 64, 96))
    assert torch.allclose(first.logits[3, 1], teacher_view(teacher, pixels[3, 1:], 8)[0][0], atol=1e-5)
    monkeypatch.setattr(vit_classes, "_teacher", None)
    again = teach(pixels, 8, tmp_path / "kept", workshop)
    assert torch.equal(first.maps, again.maps) and torch.equal(first.logits, again.logits)


def test_standardised_maps_have_mean_0_and_variance_1() -> None:
    torch.manual_seed(0)
    scaled = standardised(Taught(torch.zeros(50, 2, 10), torch.randn(50, 2, 4, 3) * 5 + 7)).maps.float()
    assert torch.allclose(scaled.mean((0, 1, 2)), torch.zeros(3), atol=1e-2)
    assert torch.allclose(scaled.std((0, 1, 2)), torch.ones(3), atol=1e-2)


def test_views_are_shifts_that_repeat_the_border() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    found = shifted(pixels, 4)
    assert np.array_equal(found[:, 0], pixels)
    grids = {}
    for down in range(-2, 3):
        for right in range(-2, 3):
            rows_, columns = (np.clip(np.arange(16) - by, 0, 15) for by in (down, right))
            grids[down, right] = pixels[:, rows_][:, :, columns]
    for view in range(1, 4):
        for k in range(4):
            assert any(np.array_equal(found[k, view], grid[k]) for grid in grids.values())


def supply(monkeypatch: pytest.MonkeyPatch, cutmix: float) -> Supply:
    """Patches of one value each, which the teacher's maps tell as well; the label's class is in blue."""
    monkeypatch.setattr(vit_classes, "tinted", lambda pixels, rng: pixels)
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (10, 1, 8, 8, 3)).astype(np.uint8)
    values[..., 2] = 20 * np.arange(10)[:, None, None, None]
    pixels = values.repeat(4, 2).repeat(4, 3)
    maps = torch.zeros(10, 1, 64, 96)
    maps[..., :3] = torch.from_numpy(values).flatten(2, 3).float()
    recipe = dataclasses.replace(TINY, views=1, batch=10, cutmix=cutmix, temperature=1.0)
    sharp = torch.eye(10)[:, None] * 50
    return Supply(recipe, pixels, np.arange(10), Taught(sharp, maps))


@pytest.mark.parametrize("cutmix", [0.0, 1.0])
def test_maps_and_labels_follow_the_pixels(cutmix: float, monkeypatch: pytest.MonkeyPatch) -> None:
    made_of = supply(monkeypatch, cutmix)
    mixed = 0
    for step in range(4):
        shown = made_of.batch(step)
        patches = ((shown.pixels * 0.5 + 0.5) * 255).unfold(2, 4, 4).unfold(3, 4, 4)
        assert torch.allclose(patches.amax((4, 5)), patches.amin((4, 5)))
        seen = patches.mean((4, 5)).flatten(2).transpose(1, 2)
        assert torch.allclose(seen, shown.maps[..., :3], atol=1e-3)
        for blue, labels, soft in zip(seen[..., 2], shown.labels, shown.soft, strict=True):
            share = torch.bincount((blue / 20).round().long(), minlength=10) / 64
            assert torch.allclose(labels, share, atol=1e-6)
            assert torch.allclose(soft, share, atol=1e-6)
            mixed += int((share > 0).sum() > 1)
    assert (mixed > 0) == (cutmix > 0)


def test_the_last_steps_see_every_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    made_of = supply(monkeypatch, 0.0)
    made_of.recipe = dataclasses.replace(TINY, dense=0.5)
    assert made_of.kept(2) is None
    kept = made_of.kept(1)
    assert kept is not None
    assert len(set(kept.tolist()) & set(range(64))) == 32


def test_confusions_are_counted() -> None:
    labels, own = np.array([0, 0, 0, 1, 2, 2]), np.array([1, 1, 0, 0, 1, 2])
    table = confusions(labels, own, np.array([True, False, True, True, True, True]))
    assert table.rows == (
        ("airplane", "automobile", "2", "1"),
        ("automobile", "airplane", "1", "1"),
        ("bird", "automobile", "1", "1"),
    )


def test_the_classifier_is_made_twice_alike_and_its_card_tells_held_out_pictures_apart(
    teacher: ResNet, tmp_path: Path
) -> None:
    made = [train(TINY, tmp_path / k, Workshop(tmp_path / f"w{k}", tmp_path / f"s{k}")) for k in "ab"]
    first, again = (load_file(folder / "model.safetensors") for folder in made)
    assert all(torch.equal(first[name], again[name]) for name in first)
    card = (made[0] / "card.md").read_text()
    model = ConvViTForImageClassification.from_pretrained(made[0]).float().eval()
    assert [model.config.id2label[k] for k in range(10)] == list(classes.CIFAR10)
    # Of 12 training rows 6 are trained on; with the 3 test rows 9 are held out.
    for name, n, held in (("trained on", 6, "training"), ("held out", 9, "held")):
        part = classes.cifar10(held)  # type: ignore[arg-type]
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(p.encoded))) for p in part])
        labels = np.array([p.label for p in part])
        theirs = teacher_view(teacher, pixels, 8)[0].argmax(1).numpy()
        right = [100 * float((found == labels).mean()) for found in (answers(model, pixels), theirs)]
        assert f"| {name} | {n} | {right[0]:.1f} | {right[1]:.1f} |" in card
    assert "| - test rows | 3 |" in card


def test_the_tiny_classifier_of_digits_learns_from_400_drawings(tmp_path: Path) -> None:
    recipe = DigitsRecipe("tiny", "A tiny one.", hidden=8, layers=1, steps=3, batch=8, warmup=1)
    folder = train(recipe, tmp_path / "made", Workshop(tmp_path / "work", tmp_path / "shared"))
    card = (folder / "card.md").read_text()
    assert "| trained on | 400 |" in card and "| held out | 1397 |" in card
    about = json.loads((folder / "preprocessor_config.json").read_text())
    assert about["size"] == {"height": 16, "width": 16}
