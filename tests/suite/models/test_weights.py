"""Weight files that are damaged or are something else are refused before anything loads them."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from safetensors.numpy import load_file, save_file

from suite.errors import DataError
from suite.models.weights import check_safetensors, check_weights, weight_files

GOOD = tiny_models.weights(a=[1.0, 2.0], b=[3.0])


class Bomb:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def written(tmp_path: Path, content: bytes, name: str = "model.safetensors") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_the_stand_in_is_a_safetensors_file_to_the_library_too(tmp_path: Path) -> None:
    found = load_file(written(tmp_path, GOOD))
    assert {name: values.tolist() for name, values in found.items()} == {"a": [1.0, 2.0], "b": [3.0]}


@pytest.mark.parametrize("dtype", ["f4", "f2", "i8", "u1", "?", "f8", "i4"])
def test_what_the_library_writes_is_whole(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "model.safetensors"
    arrays = {"x": np.ones((2, 3), dtype), "y": np.ones((), dtype), "z": np.ones((0, 4), dtype)}
    save_file(arrays, path, {"format": "pt"})
    check_safetensors(path)


SPAN = {"dtype": "F32", "shape": [1]}
HOLE = {"a": SPAN | {"data_offsets": [0, 4]}, "b": SPAN | {"data_offsets": [8, 12]}}
OVERLAP = {"a": SPAN | {"data_offsets": [0, 4]}, "b": SPAN | {"data_offsets": [0, 4]}}
LIES = {"a": SPAN | {"data_offsets": [0, 8]}}
NEGATIVE = {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}
ODD = {"a": {"dtype": "OBJECT", "shape": [1], "data_offsets": [0, 4]}}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it has 0 bytes"),
        (GOOD[:-1], "claim 12 bytes and the file has 11"),
        (GOOD + b"x", "claim 12 bytes and the file has 13"),
        (GOOD[:40], "its header claims"),
        (struct.pack("<Q", 1 << 62) + b"{}", "its header claims 4,611,686,018,427,387,904 bytes"),
        (struct.pack("<Q", 2) + b"[]", "cannot be read"),
        (struct.pack("<Q", 3) + b"{]}", "cannot be read"),
        (tiny_models.framed(HOLE, bytes(12)), "overlap or leave a gap at byte 4"),
        (tiny_models.framed(OVERLAP, bytes(4)), "overlap or leave a gap at byte 0"),
        (tiny_models.framed(LIES, bytes(8)), "does not fit its 8 bytes"),
        (tiny_models.framed(NEGATIVE, b""), "odd numbers"),
        (tiny_models.framed(ODD, bytes(4)), "OBJECT"),
        (b"[" * 5000 + b"]" * 5000, "header claims"),
        (struct.pack("<Q", 200_000) + b"[" * 100_000 + b"]" * 100_000, "cannot be read"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes, why: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        check_safetensors(path)
    assert why in str(caught.value) and "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_pickle_by_another_name_is_refused_and_never_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    path = written(tmp_path, pickle.dumps(Bomb(made)))
    with pytest.raises(DataError, match="it is a pickle; nothing was loaded"):
        check_weights(path.parent)
    assert not made.exists()


def test_a_zip_by_another_name_is_called_one(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 100)
    written(tmp_path, content.getvalue())
    with pytest.raises(DataError, match="it is a zip archive, as PyTorch writes pickles"):
        check_weights(tmp_path)


def test_a_folder_of_pickles_is_refused_by_name(tmp_path: Path) -> None:
    written(tmp_path, b"", "pytorch_model.bin")
    with pytest.raises(DataError, match=r"only pickled weights \(pytorch_model.bin\)"):
        weight_files(tmp_path)


def test_a_folder_without_weights_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no weights"):
        weight_files(tmp_path)


def test_a_shard_that_the_index_names_must_be_there(tmp_path: Path) -> None:
    written(tmp_path, GOOD, "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    written(tmp_path, json.dumps({"weight_map": shards}).encode(), "model.safetensors.index.json")
    with pytest.raises(DataError, match="lacks model-00002-of-00002.safetensors, which its index names"):
        check_weights(tmp_path)


@pytest.mark.parametrize("index", [b"", b"[]", b'{"weight_map": 3}'])
def test_a_damaged_index_is_said_to_be_one(tmp_path: Path, index: bytes) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, index, "model.safetensors.index.json")
    with pytest.raises(DataError, match="index.json is damaged"):
        check_weights(tmp_path)
