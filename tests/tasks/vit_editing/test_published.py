"""The paper's own pictures: read from a folder of the user's, on a small one made here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from suite.errors import DataError, UsageError
from suite.models.registry import Images
from tasks.vit_editing import published
from tasks.vit_editing.published import folder_of, labelled, middle, published_bench, read

SIZE = 7
"""Its shorter side is 8 before the middle is cut out."""


@dataclass
class Brightness:
    """Answers by the mean brightness: class 0 below 64, 1 below 128, 2 below 192, else 3."""

    classes: tuple[str, ...] = ("a", "b", "c", "d")
    images: Images = Images(SIZE, (0.5,) * 3, (0.5,) * 3)

    def logits(self, x: Tensor) -> Tensor:
        level = (x.float().mean((1, 2, 3)) // 64).long().clamp(max=3)
        return torch.nn.functional.one_hot(level, 4).float()


def put(path: Path, value: int, size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value,) * 3).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k, value in enumerate((10, 70, 80, 80, 200)):
        put(tmp_path / "natural" / "0_dim" / f"{k}.png", value)
    for k, value in enumerate((20, 150, 160)):
        put(tmp_path / "natural" / "2_mid" / "deeper" / f"{k}.PNG", value)
    put(tmp_path / "natural" / "2_mid" / "notes.txt.png", 30)
    (tmp_path / "natural" / "2_mid" / "readme.txt").write_text("no picture")
    for k, value in enumerate((70, 5, 6, 7)):
        put(tmp_path / "locality" / f"{k}.png", value)
    put(tmp_path / "training" / "1_b" / "0.png", 5)
    put(tmp_path / "training" / "3_d" / "0.png", 250)
    for k, value in enumerate((80, 90, 91)):
        put(tmp_path / "test" / "1_b" / f"{k}.png", value)
    return tmp_path


def values(x: Tensor) -> list[int]:
    found: list[int] = x[:, 0, 0, 0].tolist()
    return found


def of(folder: Path, subset: str = "natural", **more: Any) -> Any:
    return published_bench(Brightness(), folder, subset, **more)  # type: ignore[arg-type]


def test_groups_are_folders_without_what_the_model_gets_right(folder: Path) -> None:
    found = of(folder)
    told = [(g.name, g.target, values(g.x)) for g in found.groups]
    # 10 is right, 80 stands there twice; of the other folder 150 and 160 are right.
    assert told == [("0_dim", 0, [70, 80, 200]), ("2_mid", 2, [20, 30])]
    assert values(found.locality) == [6, 7]  # 70 is in a group, 5 in training
    assert (values(found.training.x), found.training.y.tolist()) == ([5, 250], [1, 3])
    assert (values(found.test.x), found.test.y.tolist()) == ([90, 91], [1, 1])  # 80 is in a group
    assert [g.name for g in of(folder, least=3).groups] == ["0_dim"]


def test_parts_are_at_most_so_many(folder: Path) -> None:
    found = of(folder, groups=1, locality=3, test=1, training=1)
    assert [len(found.groups), len(found.training.x)] == [1, 1]
    assert len(found.locality) <= 3 and len(found.test.x) <= 1


def test_the_middle_is_cut_out_after_the_shorter_side_was_scaled(tmp_path: Path) -> None:
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:12] = np.arange(8)[None, :, None] * 10
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert np.array_equal(middle(tmp_path / "wide.png", 7), wide[:7, 4:11])
    assert middle(put(tmp_path / "tall.png", 9, (30, 50)), 7).shape == (7, 7, 3)


def test_a_missing_folder_says_where_its_pictures_come_from(folder: Path) -> None:
    with pytest.raises(DataError, match=r"oil is not there; oil paintings .*MadryLab/dataset-interfaces"):
        of(folder, "oil")
    with pytest.raises(DataError, match=r"light is not there; stage light .*facebookresearch/PUG"):
        of(folder, "light")
    (folder / "locality").rename(folder / "elsewhere")
    with pytest.raises(DataError, match="locality is not there; .*hustyyq/Where-to-Edit"):
        of(folder)
    with pytest.raises(UsageError, match="published subset 'nature' not found; did you mean 'natural'"):
        of(folder, "nature")


def test_an_empty_group_is_said(folder: Path) -> None:
    (folder / "natural" / "1_none").mkdir()
    with pytest.raises(DataError, match="1_none is empty: it has no picture"):
        of(folder)


def test_a_subset_without_failures_is_said(folder: Path) -> None:
    with pytest.raises(DataError, match="no group with 4 pictures that the base model gets wrong"):
        of(folder, least=4)


@pytest.mark.parametrize("name", ["volleyball", "4_more", "x1_bad", "1"])
def test_an_unknown_label_is_said(folder: Path, name: str) -> None:
    put(folder / "natural" / name / "0.png", 1)
    with pytest.raises(DataError, match=f"{name}: an unknown label; .* 0 to 3, and _"):
        of(folder)


def test_a_subset_without_folders_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no folders LABEL_NAME"):
        list(labelled(tmp_path, "ab"))


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    whole = put(tmp_path / "whole.png", 5).read_bytes()
    for name, content in (("cut.png", whole[:50]), ("text.jpg", b"no picture")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name}: "):
            read([tmp_path / name], 0, 7)


def test_the_folder_is_given_or_that_of_the_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SUITE_DATA_DIR", str(tmp_path))
    assert folder_of() == tmp_path / published.NAME
    assert folder_of("/some/where") == Path("/some/where")
    monkeypatch.delenv("SUITE_DATA_DIR")
    with pytest.raises(UsageError, match="set SUITE_DATA_DIR .* hustyyq/Where-to-Edit|set SUITE_DATA_DIR"):
        folder_of()
