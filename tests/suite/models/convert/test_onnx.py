"""ONNX files put together by hand from the protobuf's description are read as they were meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from suite.errors import DataError
from suite.models.convert.dinov2 import CONFIG, TENSORS, named
from suite.models.convert.onnx import Use, read


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: str, values: np.ndarray, kind: int = 1, packed: bool = False) -> bytes:
    dims = b"".join(map(varint, values.shape))
    shape = field(1, dims) if packed else b"".join(field(1, n) for n in values.shape)
    return field(5, shape + field(2, kind) + field(8, name) + field(9, values.astype("<f4").tobytes()))


def node(name: str, kind: str, *inputs: str) -> bytes:
    return field(1, b"".join(field(1, i) for i in inputs) + field(2, "out") + field(3, name) + field(4, kind))


def model(path: Path, *graph: bytes) -> Path:
    fixed = varint(9 << 3 | 5) + b"1234" + varint(10 << 3 | 1) + b"12345678"
    path.write_bytes(field(1, 8) + field(2, "by hand") + fixed + field(7, b"".join(graph)))
    return path


A, B = np.arange(6.0).reshape(2, 3), np.arange(300.0)


@pytest.mark.parametrize("packed", [False, True])
def test_weights_and_nodes_are_read(tmp_path: Path, packed: bool) -> None:
    path = model(
        tmp_path / "m.onnx",
        tensor("a", A, packed=packed),
        node("/x/MatMul", "MatMul", "in", "a"),
        tensor("b", B),
    )
    weights, nodes = read(path)
    assert list(weights) == ["a", "b"]
    assert np.array_equal(weights["a"], A) and np.array_equal(weights["b"], B)
    assert nodes == [Use("/x/MatMul", "MatMul", ("in", "a"))]


@pytest.mark.parametrize(
    "graph",
    [
        tensor("a", A, kind=7),
        field(5, field(1, 3) + field(2, 1) + field(8, "a") + field(9, b"1234")),
        field(5, field(1, 1 << 40) + field(2, 1) + field(8, "a") + field(9, b"1234")),
        varint(5 << 3 | 2) + varint(1 << 40) + b"short",
        varint(5 << 3 | 3),
        b"\xff" * 12,
    ],
    ids=["integers", "too few numbers", "huge shape", "huge field", "unknown wire", "endless number"],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, graph: bytes) -> None:
    with pytest.raises(DataError, match="m.onnx is no readable ONNX model: .*; nothing was loaded"):
        read(model(tmp_path / "m.onnx", graph))


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"PK\x03\x04"], ids=["empty", "pickle", "zip"])
def test_another_kind_of_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(DataError, match="no readable ONNX model"):
        read(tmp_path / "m.onnx")


def exported(width: int = 4) -> tuple[dict[str, np.ndarray], list[Use], dict[str, np.ndarray]]:
    """The weights and nodes of an exported Dinov2Model by the names of transformers, and its state."""
    import torch
    from transformers import Dinov2Config, Dinov2Model

    sizes = {"hidden_size": width, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 28}
    torch.manual_seed(0)
    made = Dinov2Model(Dinov2Config(**CONFIG | sizes))
    state = {name: value.numpy() for name, value in made.state_dict().items() if "mask_token" not in name}
    weights: dict[str, np.ndarray] = {"head.weight": np.ones(3)}
    nodes: list[Use] = []
    for number, (name, value) in enumerate(state.items()):
        if name == "embeddings.position_embeddings":
            weights["onnx::patches"], weights["onnx::class"] = value[:, 1:], value[:, :1]
        elif value.ndim == 2 and name.endswith(".weight"):
            module = "/backbone/" + name.removesuffix(".weight").replace(".", "/") + "/MatMul"
            weights[f"onnx::MatMul_{number}"] = value.T
            nodes.append(Use(module, "MatMul", ("x", f"onnx::MatMul_{number}")))
        else:
            weights[f"backbone.{name}"] = value
    return weights, nodes, state


def test_every_weight_of_the_backbone_gets_its_name_back() -> None:
    weights, nodes, state = exported()
    found = named(weights, nodes)
    assert set(found) == set(state) and len(found) == TENSORS
    assert all(np.array_equal(found[name], value) for name, value in state.items())


def test_a_backbone_that_lacks_a_weight_is_refused() -> None:
    weights, nodes, _ = exported()
    with pytest.raises(DataError, match=f"holds {TENSORS - 1} weights, not {TENSORS}; nothing was made"):
        named(weights, nodes[1:])
