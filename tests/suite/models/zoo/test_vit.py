"""The recipe of the small ViTs, on generated pictures: what it sees, what it keeps, what its card says."""

from __future__ import annotations

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
from suite.models.zoo import measure, pool, views, vit
from suite.models.zoo.pool import Picture
from suite.models.zoo.recipe import Workshop, train
from suite.models.zoo.vit import Supply, ViTRecipe

COLOURS = {"dog": (220, 40, 40), "horse": (40, 40, 220)}
TINY = {
    "hidden": 12,
    "layers": 1,
    "heads": 3,
    "pixels": 8,
    "patch": 4,
    "steps": 6,
    "batch": 4,
    "warmup": 1,
}


def png(colour: tuple[int, int, int], seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(-20, 20, (10, 10, 3))
    out = io.BytesIO()
    Image.fromarray((np.array(colour) + noise).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def rows(source: str) -> list[Mapping[str, object]]:
    """Two colours as two classes of CIFAR-10, of which the horse is held out; nothing of the others."""
    if source != "cifar10":
        return []
    return [
        {
            "image": png(COLOURS[name], 10 * k + label),
            "label": label,
            "label_name": name,
            "split": "test" if k >= 6 else "train",
        }
        for k in range(9)
        for label, name in ((5, "dog"), (7, "horse"))
    ]


class MeanColour:
    """A teacher that sees the mean colour."""

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.mean((2, 3)).repeat(1, 427)[:, :1280]


@pytest.fixture(autouse=True)
def small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "rows", rows)
    monkeypatch.setattr(vit, "_teacher", MeanColour)
    monkeypatch.setattr(measure, "PROBED", ("cifar10",))


def made(tmp_path: Path, variant: str, **more: object) -> Path:
    recipe = ViTRecipe("tiny", "A tiny one.", variant=variant, **{**TINY, **more})  # type: ignore[arg-type]
    workshop = Workshop(tmp_path / f"work-{variant}", tmp_path / "shared")
    return train(recipe, tmp_path / variant, workshop)


def test_the_clean_model_knows_no_held_out_class(tmp_path: Path) -> None:
    clean = ConvViTForImageClassification.from_pretrained(made(tmp_path, "clean"))
    assert clean.config.id2label == {0: "cifar10/5"}
    both = ConvViTForImageClassification.from_pretrained(made(tmp_path, "contaminated"))
    assert both.config.id2label == {0: "cifar10/5", 1: "cifar10/7"}


def test_weights_are_kept_in_half_precision_with_what_an_image_needs(tmp_path: Path) -> None:
    folder = made(tmp_path, "clean")
    weights = load_file(folder / "model.safetensors")
    counters = {name for name in weights if name.endswith("num_batches_tracked")}
    assert {value.dtype for name, value in weights.items() if name not in counters} == {torch.float16}
    about = json.loads((folder / "preprocessor_config.json").read_text())
    assert (about["size"], about["image_mean"]) == ({"height": 8, "width": 8}, [0.5] * 3)


def test_a_second_run_is_the_same_model(tmp_path: Path) -> None:
    first = load_file(made(tmp_path / "a", "contaminated") / "model.safetensors")
    again = load_file(made(tmp_path / "b", "contaminated") / "model.safetensors")
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_card_has_the_probes_beside_teacher_and_pixels(tmp_path: Path) -> None:
    card = (made(tmp_path, "clean") / "card.md").read_text()
    assert "6 of the 12 training pictures of the pool (clean)" in card
    # the teacher sees the colours, so does a probe of the pixels
    (line,) = [line for line in card.splitlines() if line.startswith("| cifar10 | 12 ")]
    assert line.endswith("| 100.0 | 100.0 |")


def supply(views_: int = 2) -> Supply:
    recipe = ViTRecipe("tiny", "", views=views_, **TINY)  # type: ignore[arg-type]
    chosen = [pool.picture("cifar10", row) for row in rows("cifar10")]
    chosen.append(Picture("flickr8k_1k", -1, "", "train", False, chosen[0].encoded))
    pixels = views.crops(chosen, views_, 8, 0)
    features = np.arange(len(chosen) * views_, dtype=np.float32).reshape(len(chosen), views_, 1)
    return Supply(recipe, chosen, vit.class_names(chosen), pixels, features, vit.Streams(0))


def test_a_batch_pairs_views_with_their_own_features_and_labels() -> None:
    made_of = supply()
    made_of.recipe = ViTRecipe("tiny", "", cutmix=0.0, **TINY)  # type: ignore[arg-type]
    for step in range(6):
        pixels, targets = made_of.batch(step)
        assert pixels.shape == (4, 3, 8, 8)
        for row, feature, classes in zip(
            made_of.plan[step], targets.features[:, 0], targets.classes, strict=True
        ):
            assert int(feature) // 2 == row
            label = made_of.labels[row]
            assert classes.tolist() == [float(k == label) for k in range(2)]


def test_the_last_steps_see_every_patch() -> None:
    made_of = supply()
    made_of.recipe = ViTRecipe("tiny", "", dense=0.5, **TINY)  # type: ignore[arg-type]
    assert made_of.kept(3) is None
    kept = made_of.kept(2)
    assert kept is not None
    assert len(set(kept.tolist()) & set(range(4))) == 2


def test_accuracies_tell_held_out_classes_apart() -> None:
    chosen = [pool.picture("cifar10", row) for row in rows("cifar10")]
    blind = lambda pictures: np.array([[float(p.label == 7 and p.split == "train")] for p in pictures])  # noqa: E731
    found = measure.accuracies(blind, chosen)
    assert found == {"all": 50.0, "kept": 100.0, "held-out": 0.0}
