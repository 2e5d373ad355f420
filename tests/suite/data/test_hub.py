"""Splits from the hub of data sets, played by a function in its place."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from suite.data import dataset, fingerprint, read, registry
from suite.data.entries.making import from_hub
from suite.data.fetch import fetch
from suite.data.registry import Entry
from suite.errors import DataError

Asked = dict[str, Any]


@pytest.fixture
def hub(folders, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Entry, list[Asked]]]:
    """`hub(give, splits=...)`: the only entry is from the hub, which answers with `give(folder)`."""
    import datasets

    def play(give: Callable[[Path], Any], splits: str = "train", **more: str) -> tuple[Entry, list[Asked]]:
        entry = from_hub("far", "Rows.", "someone/far", splits, "Someone, 2020", "copra", **more)
        monkeypatch.setattr("suite.data.entries.ENTRIES", (entry,))
        registry.entries.cache_clear()
        asked: list[Asked] = []

        def load_dataset(path: str, name: str | None, *, cache_dir: str, **options: Any) -> Any:
            asked.append({"path": path, "name": name, **options})
            (Path(cache_dir) / "litter").write_text("what the library prepares")
            return give(Path(cache_dir))

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        return entry, asked

    return play


@pytest.fixture(autouse=True)
def registry_as_before() -> Any:
    yield
    registry.entries.cache_clear()


def rows(_: Path) -> Any:
    import datasets

    return datasets.Dataset.from_dict({"q": ["a", "b"], "n": [1, 2]})


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_split_is_kept_as_parquet_and_nothing_else_is(folders, hub) -> None:
    entry, asked = hub(rows, "cola/train", config="")
    path = fetch(entry, entry.files[0])
    assert asked == [
        {"path": "someone/far", "name": "cola", "split": "train", "revision": None, "data_files": None}
    ]
    assert path == folders[1] / "far" / "cola" / "train.parquet"
    assert files(folders[1]) == ["far/cola/train.parquet"]
    assert read("far").to_pylist() == [{"q": "a", "n": 1}, {"q": "b", "n": 2}]
    assert fetch(entry, entry.files[0]) == path and len(asked) == 1


def test_a_configuration_and_a_part_of_a_large_set_are_asked_for(hub) -> None:
    entry, asked = hub(rows, "validation", config="en", hub_files="en/part.json.gz")
    fetch(entry, entry.files[0])
    assert asked[0]["name"] == "en" and asked[0]["data_files"] == {"validation": "en/part.json.gz"}


def test_what_was_found_identifies_a_set_without_a_checksum(hub) -> None:
    entry, _ = hub(rows)
    before = fingerprint(["far"])
    fetch(entry, entry.files[0])
    assert fingerprint(["far"]) != before


def picture(folder: Path) -> Path:
    from PIL import Image

    path = folder / "red.png"
    Image.new("RGB", (2, 1), (255, 0, 0)).save(path)
    return path


def images(*paths: str) -> Any:
    import datasets

    return datasets.Dataset.from_dict(
        {"image": [{"bytes": None, "path": path} for path in paths], "label": list(range(len(paths)))},
        features=datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")}),
    )


def test_images_that_came_as_files_are_kept_as_bytes(hub) -> None:
    import numpy as np

    entry, _ = hub(lambda folder: images(str(picture(folder))))
    fetch(entry, entry.files[0])
    (row,) = read("far").to_pylist()
    assert row["image"]["path"] == "red.png" and row["image"]["bytes"].startswith(b"\x89PNG")
    assert np.asarray(dataset("far")[0]["image"]).tolist() == [[[255, 0, 0], [255, 0, 0]]]


def test_images_that_came_as_bytes_stay_as_they_are(hub, tmp_path: Path) -> None:
    encoded = picture(tmp_path).read_bytes()
    entry, _ = hub(lambda folder: images_of(encoded))
    fetch(entry, entry.files[0])
    assert read("far").to_pylist() == [{"image": {"bytes": encoded, "path": None}}]


def images_of(encoded: bytes) -> Any:
    import datasets

    return datasets.Dataset.from_dict(
        {"image": [{"bytes": encoded, "path": None}]}, features=datasets.Features({"image": datasets.Image()})
    )


def test_a_row_that_names_a_file_of_the_user_is_refused(folders, hub, tmp_path: Path) -> None:
    secret = picture(tmp_path)
    entry, _ = hub(lambda folder: images(str(folder / ".." / ".." / ".." / ".." / secret.name)))
    with pytest.raises(DataError, match=r"a row names the file .*red.png, which is none of the download's"):
        fetch(entry, entry.files[0])
    assert files(folders[1]) == []


@pytest.mark.parametrize(
    "error", [ConnectionError("no\nroute"), ValueError("Unknown split"), FileNotFoundError("no such set")]
)
def test_a_refusal_of_the_hub_is_one_line_and_leaves_nothing(folders, hub, error: Exception) -> None:
    def fail(_: Path) -> Any:
        raise error

    entry, _ = hub(fail)
    with pytest.raises(
        DataError, match=r"the hub does not give someone/far, train \(.*HF_HUB_OFFLINE"
    ) as caught:
        fetch(entry, entry.files[0])
    assert "\n" not in str(caught.value) and files(folders[1]) == []


def test_a_full_disk_is_not_blamed_on_the_hub(folders, hub) -> None:
    def fail(_: Path) -> Any:
        raise OSError(28, "No space left on device")

    entry, _ = hub(fail)
    with pytest.raises(DataError, match="cannot be written: .*No space left.*set SUITE_CACHE"):
        fetch(entry, entry.files[0])


def test_without_a_network_the_library_itself_refuses(folders, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = from_hub("far", "Rows.", "someone/far", "train", "Someone, 2020", "copra")
    with pytest.raises(DataError, match="the hub does not give someone/far, train") as caught:
        fetch(entry, entry.files[0])
    assert "\n" not in str(caught.value) and files(folders[1]) == []


def test_what_the_hub_wrote_in_a_file_is_read_within_bounds(folders, hub) -> None:
    entry, _ = hub(rows)
    path = fetch(entry, entry.files[0])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="is no readable parquet file"):
        read("far")
    assert io.BytesIO(path.read_bytes()).read(4) == b"PAR1"
