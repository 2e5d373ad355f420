"""Old checkpoints, written by torch itself, are read to the bit; anything else is refused and not run."""

from __future__ import annotations

import collections
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from suite.errors import DataError
from suite.models.convert.checkpoint import convert
from suite.models.convert.state_dict import MAGIC, PROTOCOL, tensors


def saved(path: Path, state: object) -> Path:
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


class Bomb:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return open, (str(self.path), "w")


def test_the_state_of_a_module_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
    found = tensors(saved(tmp_path / "m.pth", module.state_dict()))
    expected = {name: value.numpy() for name, value in module.state_dict().items()}
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and np.array_equal(found[name], value)


def test_views_of_one_storage_are_taken_apart(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    state = {"rows": base[1:3], "turned": base.T, "steps": base[:, ::2], "half": torch.ones(3).half()}
    found = tensors(saved(tmp_path / "m.pth", state))
    for name, value in state.items():
        assert np.array_equal(found[name], value.numpy()) and found[name].flags.c_contiguous


def test_the_conversion_writes_the_same_numbers(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "out").mkdir()
    saved(tmp_path / "raw" / "m.pth", {"a.b": torch.tensor([1.5, -2.0])})
    convert(tmp_path / "raw", tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors")["a.b"].tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "state",
    [
        torch.nn.Linear(2, 2),
        {"a": torch.ones(2), "b": collections.Counter()},
        {"a": torch.ones(2).to_sparse()},
        {"a": torch.ones(2, dtype=torch.complex64)},
        {"a": 3},
        [torch.ones(2)],
    ],
    ids=["module", "foreign class", "sparse", "complex", "number", "list"],
)
def test_anything_but_a_dict_of_plain_tensors_is_refused(tmp_path: Path, state: object) -> None:
    with pytest.raises(DataError, match="holds no plain dict of tensors: .*; nothing was loaded"):
        tensors(saved(tmp_path / "m.pth", state))


def head() -> bytes:
    """The first three pickles of an old checkpoint."""
    about = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}
    return b"".join(pickle.dumps(part, protocol=2) for part in (MAGIC, PROTOCOL, about))


def test_a_call_in_the_pickle_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    path.write_bytes(head() + pickle.dumps({"a": Bomb(tmp_path / "made")}, protocol=2) + pickle.dumps([]))
    with pytest.raises(DataError, match="it wants to import"):
        tensors(path)
    assert not (tmp_path / "made").exists()


def test_a_checkpoint_of_the_newer_kind_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "m.pth")
    with pytest.raises(DataError, match="holds no plain dict of tensors"):
        tensors(tmp_path / "m.pth")


@pytest.mark.parametrize("cut", [0, 1, 30, 200, -1, -9])
def test_a_cut_file_is_one_line(tmp_path: Path, cut: int) -> None:
    path = saved(tmp_path / "m.pth", {"a": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError) as caught:
        tensors(path)
    assert "\n" not in str(caught.value)


def test_bytes_too_many_are_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pth", {"a": torch.ones(100)})
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError, match="1 bytes too many"):
        tensors(path)


@pytest.mark.parametrize(("old", "new"), [((2, 3), (2, 4)), ((2, 3), (9, 3))], ids=["wider", "longer"])
def test_a_tensor_that_leaves_its_storage_is_refused(
    tmp_path: Path, old: tuple[int, int], new: tuple[int, int]
) -> None:
    """The shape in the pickle is changed; the storage stays."""
    path = saved(tmp_path / "m.pth", {"a": torch.arange(6.0).reshape(old)})
    shape = [b"K" + struct.pack("B", old[0]) + b"K" + struct.pack("B", old[1]) + b"\x86"]
    shape += [b"K" + struct.pack("B", new[0]) + b"K" + struct.pack("B", new[1]) + b"\x86"]
    content = path.read_bytes()
    assert content.count(shape[0]) == 1
    path.write_bytes(content.replace(*shape))
    with pytest.raises(DataError, match="a tensor of shape"):
        tensors(path)


def test_a_few_numbers_do_not_fill_the_memory(tmp_path: Path) -> None:
    expanded = torch.ones(1).expand(1 << 30)
    with pytest.raises(DataError, match="made of 1 numbers"):
        tensors(saved(tmp_path / "m.pth", {"a": expanded}))
