"""Exported models load with the same logits to the last bit; what cannot be exported or read is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import llama_variants
import numpy as np
import pytest
import tiny_lms
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from methods.quantization import _exported, compressed, export
from methods.quantization._export_command import main
from methods.quantization.duquant import DuQuant
from methods.quantization.layerwise import Recipe, quantize, round_to_nearest
from methods.quantization.linear import quantized_maps
from methods.quantization.plain import Gptq, Rtn, SmoothQuant
from methods.quantization.transforms import Dense, Kronecker, Scale, Transform
from suite.api import Context
from suite.errors import DataError, UsageError
from tasks.quantization.contract import Calibration, Precision, Quantizer

CASES: dict[str, tuple[str, Quantizer, str]] = {
    "duquant": ("llama", DuQuant(steps=3), "W4A4KV4"),
    "biases": ("qwen2", DuQuant(steps=3), "W4A4KV4"),
    "norms behind, windows": ("gemma3", DuQuant(steps=3), "W3A8KV4g16"),
    "hadamard, gptq": ("qwen3", DuQuant(rotation="hadamard", rounding="gptq", reduce="concat"), "W6A6KV6"),
    "grouped": ("llama", Gptq(symmetric=True), "W4A16g16"),
    "wide codes": ("llama", Rtn(), "W10A16"),
    "nothing rounded": ("llama", DuQuant(steps=3), "W16A16"),
}


def quantized(kind: str, method: Quantizer, precision: str, **shape: Any) -> Any:
    model = llama_variants.model(kind, **shape)
    calibration = Calibration(llama_variants.tokens(), None)
    return method.quantize(model, calibration, Precision.parse(precision), Context(seed=0)).model


def same(a: Any, b: Any) -> bool:
    ids = llama_variants.tokens(2, 15, seed=8)
    return torch.equal(llama_variants.logits(a, ids), llama_variants.logits(b, ids))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("tied", [False, True])
def test_the_logits_are_the_same_to_the_last_bit(case: str, tied: bool, tmp_path: Path) -> None:
    model = quantized(*CASES[case], tied=tied)
    export.save(model, tmp_path / "out")
    again = export.load(tmp_path / "out")
    assert same(model, again) and not again.training
    prompt = llama_variants.tokens(1, 4)
    texts = [m.generate(prompt, max_new_tokens=4, do_sample=False) for m in (model, again)]
    assert torch.equal(*texts)
    assert (again.lm_head.weight is again.get_input_embeddings().weight) == tied


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("precision", ["W4A4", "W8A8"])
def test_other_types_too(dtype: torch.dtype, precision: str, tmp_path: Path) -> None:
    model = quantized("llama", Rtn(), precision, dtype=dtype)
    export.save(model, tmp_path)
    again = export.load(tmp_path)
    assert same(model, again) and again.lm_head.weight.dtype == dtype


def test_every_kind_of_transform_is_stored_once_a_site(tmp_path: Path) -> None:
    def links(site: Any) -> list[Transform]:
        rng = site.ctx.rng(site.label)
        gaussian = torch.from_numpy(rng.standard_normal((site.width, site.width))).float()
        return [
            Scale(gaussian[0].abs() + 0.1),
            Dense(torch.linalg.qr(gaussian).Q),
            Kronecker(torch.eye(4) + 0.1, torch.eye(site.width // 4)),
        ]

    model = llama_variants.model()
    recipe = Recipe(transforms=links, round=round_to_nearest(search=True))
    calibration = Calibration(llama_variants.tokens(), None)
    quantize(model, calibration, Precision(4, 4), Context(seed=0), recipe)
    export.save(model, tmp_path)
    assert same(model, export.load(tmp_path))
    names = [n for n in load_file(tmp_path / export.TENSORS) if ".transforms." in n]
    assert len(names) == 2 * 4 * 4  # layers, sites, tensors: not once a map


def test_an_earlier_export_and_an_export_of_a_loaded_model(tmp_path: Path) -> None:
    first, second = quantized(*CASES["duquant"]), quantized("llama", Rtn(), "W4A16")
    export.save(first, tmp_path / "a")
    export.save(export.load(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "a" / export.INDEX).read_bytes() == (tmp_path / "b" / export.INDEX).read_bytes()
    export.save(second, tmp_path / "a")
    assert same(export.load(tmp_path / "a"), second)


def test_weights_of_four_bits_take_half_a_byte(tmp_path: Path) -> None:
    model = quantized("llama", Rtn(), "W4A16")
    export.save(model, tmp_path)
    tensors = load_file(tmp_path / export.TENSORS)
    for name, linear in quantized_maps(model):
        codes = tensors[f"{name}.0.codes"]
        assert codes.dtype == torch.uint8 and codes.numel() == linear.weight.numel() // 2


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(2, 4), st.integers(0, 999))
def test_codes_survive_packing(rows: int, width: int, bits: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 2**bits, (rows, width)).astype(np.uint8)
    stored = _exported.packed(torch.from_numpy(codes), bits)
    flat = codes.flatten()
    for i, byte in enumerate(stored.tolist()):
        assert byte % 16 == flat[2 * i] and byte // 16 == (flat[2 * i + 1] if 2 * i + 1 < len(flat) else 0)
    assert torch.equal(_exported.unpacked(stored, bits, (rows, width)), torch.from_numpy(codes))


class Shear(Transform):
    kind = "shear"

    def forward(self, x: Any) -> Any:
        return x

    def flops(self, width: int) -> float:
        return 2.0 * width


def changes() -> dict[str, Any]:
    def hook(model: Any) -> None:
        model.model.layers[0].mlp.register_forward_pre_hook(lambda *_: None)

    def forward(model: Any) -> None:
        model.model.layers[1].mlp.forward = lambda x: x

    def module(model: Any) -> None:
        model.model.layers[1].mlp.act_fn = nn.Tanh()

    def transform(model: Any) -> None:
        model.model.layers[0].mlp.down_proj.inputs.transforms.append(Shear())

    def rule(model: Any) -> None:
        model.model.layers[0].mlp.down_proj.inputs.rule = lambda x: x

    return {"layers.0.mlp": hook, "layers.1.mlp": forward, "act_fn": module, "Shear": transform, "rule": rule}


@pytest.mark.parametrize("words", changes())
def test_what_no_folder_can_describe_is_refused(words: str, tmp_path: Path) -> None:
    model = quantized("llama", Rtn(), "W4A16")
    changes()[words](model)
    with pytest.raises(UsageError, match=words) as caught:
        export.save(model, tmp_path)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    model = quantized("llama", Rtn(), "W4A16")
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(UsageError, match="already holds notes; give a new or empty folder"):
        export.save(model, tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        export.save(model, tmp_path / "notes")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        export.save(model, tmp_path / "link")


def damages() -> dict[str, tuple[Any, str]]:
    def edit(**changed: Any) -> Any:
        def damage(folder: Path) -> None:
            index = json.loads((folder / export.INDEX).read_text())
            (folder / export.INDEX).write_text(json.dumps(index | changed))

        return damage

    def edited(change: Any) -> Any:
        def damage(folder: Path) -> None:
            index = json.loads((folder / export.INDEX).read_text())
            change(index)
            (folder / export.INDEX).write_text(json.dumps(index))

        return damage

    def flip(folder: Path) -> None:
        data = bytearray((folder / export.TENSORS).read_bytes())
        data[-1] ^= 1
        (folder / export.TENSORS).write_bytes(data)

    def foreign(folder: Path) -> None:
        save_file({"x": torch.ones(1)}, folder / export.TENSORS)
        edit(sha256=_exported.digest_of(folder / export.TENSORS))(folder)

    def pickled(folder: Path) -> None:
        torch.save({"x": torch.ones(1)}, folder / export.TENSORS)
        edit(sha256=_exported.digest_of(folder / export.TENSORS))(folder)

    def grown(folder: Path) -> None:
        save_file(load_file(folder / export.TENSORS) | {"x": torch.ones(1)}, folder / export.TENSORS)
        edit(sha256=_exported.digest_of(folder / export.TENSORS))(folder)

    name = "model.layers.0.mlp.down_proj"
    return {
        "no index": (lambda f: (f / export.INDEX).unlink(), "has no quantized.json"),
        "no tensors": (lambda f: (f / export.TENSORS).unlink(), "cannot be read"),
        "half an index": (lambda f: (f / export.INDEX).write_text('{"format": 1,'), "cannot be read"),
        "a list": (lambda f: (f / export.INDEX).write_text("[]"), "is not of format 1"),
        "another format": (edit(format=2), "is not of format 1"),
        "only a format": (lambda f: (f / export.INDEX).write_text('{"format": 1}'), "make no model"),
        "a flipped bit": (flip, "has another checksum"),
        "foreign tensors": (foreign, "make no model"),
        "a pickle": (pickled, "cannot be read"),
        "a tensor too many": (grown, "nothing uses 'x'"),
        "another class": (edit(**{"class": "Qwen2ForCausalLM"}), "not of Qwen2ForCausalLM"),
        "no maps": (edit(maps={}), "another number of layers"),
        "another kind": (edited(lambda i: i["config"].update(model_type="bark")), "make no model"),
        "another width": (edited(lambda i: i["config"].update(hidden_size=64)), "is .*, not "),
        "many layers": (edited(lambda i: i["config"].update(num_hidden_layers=10**9)), "number of layers"),
        "a map elsewhere": (
            edited(lambda i: i["maps"].update({"lm_head.x": i["maps"].pop(name)})),
            "lists other maps",
        ),
        "an unknown transform": (
            edited(lambda i: i["inputs"][name]["transforms"][0].update(kind="os.system")),
            "transform 'os.system' is none of",
        ),
        "an unknown field": (
            edited(lambda i: i["inputs"][name]["rule"].update(command="ls")),
            "make no model",
        ),
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export.save(quantized("llama", DuQuant(chain="P"), "W4A4KV4"), folder)
    return folder


@pytest.mark.parametrize("damage", damages())
def test_a_damaged_or_foreign_folder_is_one_clear_line(damage: str, exported: Path, tmp_path: Path) -> None:
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    do, words = damages()[damage]
    do(tmp_path)
    with pytest.raises(DataError, match=words) as caught:
        export.load(tmp_path)
    assert "\n" not in str(caught.value)


def unpacked_by_hand(words: np.ndarray, bits: int, width: int) -> np.ndarray:
    """Signed codes (o, width), bit by bit."""
    found = np.zeros((len(words), width), dtype=np.int64)
    for row, line in enumerate(words):
        whole = 0
        for k, word in enumerate(line):
            whole |= (int(word) % 2**32) << (32 * k)
        for j in range(width):
            found[row, j] = ((whole >> (bits * j)) & (2**bits - 1)) - 2 ** (bits - 1)
    return found


class SymmetricRtn(Quantizer):
    """Rounding to the nearest on symmetric grids."""

    def quantize(self, model: Any, calibration: Any, precision: Any, ctx: Any) -> Any:
        return quantize(model, calibration, precision, ctx, Recipe(round=round_to_nearest(symmetric=True)))


FOREIGN: dict[str, tuple[Quantizer, str]] = {
    "rows": (Rtn(), "W4A16"),
    "groups": (Gptq(), "W4A16g16"),
    "symmetric, the highest level used": (Gptq(symmetric=True), "W4A16g16"),
    "symmetric": (SymmetricRtn(), "W4A16g16"),
    "symmetric, 8 bits": (SymmetricRtn(), "W8A8"),
    "8 bits": (Rtn(), "W8A16"),
    "inputs too": (SmoothQuant(), "W8A8"),
    "4 bits, inputs too": (Rtn(), "W4A4"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_compressed_tensors_unpack_to_the_weights(case: str, tmp_path: Path) -> None:
    method, precision = FOREIGN[case]
    model = quantized("qwen2", method, precision)
    compressed.save(model, tmp_path)
    stored = {name: t.numpy() for name, t in load_file(tmp_path / "model.safetensors").items()}
    said = json.loads((tmp_path / "config.json").read_text())["quantization_config"]
    weights = said["config_groups"]["group_0"]["weights"]
    bits = weights["num_bits"]
    assert weights["symmetric"] == isinstance(method, SymmetricRtn)
    assert weights["symmetric"] != any(name.endswith("zero_point") for name in stored)
    for name, linear in quantized_maps(model):
        weight = linear.weight.numpy()
        scale = stored.pop(f"{name}.weight_scale")
        groups = scale.shape[1]
        zero: Any = np.zeros((len(weight), groups))
        if said["format"] == "pack-quantized":
            assert stored.pop(f"{name}.weight_shape").tolist() == list(weight.shape)
            codes = unpacked_by_hand(stored.pop(f"{name}.weight_packed"), bits, weight.shape[1])
            if f"{name}.weight_zero_point" in stored:
                lines = stored.pop(f"{name}.weight_zero_point").T
                zero = unpacked_by_hand(lines, bits, len(weight)).T
        else:
            codes = stored.pop(f"{name}.weight").astype(int)
            zero = stored.pop(f"{name}.weight_zero_point", zero).astype(int)
        each = weight.shape[1] // groups
        values = (codes - np.repeat(zero, each, 1)) * np.repeat(scale, each, 1)
        assert np.array_equal(values.astype(np.float32), weight)
        if linear.bias is not None:
            assert np.array_equal(stored.pop(f"{name}.bias"), linear.bias.numpy())
    assert set(stored) == {n for n, _ in model.named_parameters()}


def test_what_the_config_says(tmp_path: Path) -> None:
    compressed.save(quantized("llama", Gptq(), "W4A16g16"), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (group,) = config["quantization_config"].pop("config_groups").values()
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["quantization_config"] == {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "kv_cache_scheme": None,
    }
    assert (group["weights"]["strategy"], group["weights"]["group_size"]) == ("group", 16)
    assert group["weights"]["symmetric"] is False and group["input_activations"] is None


REFUSED: dict[str, tuple[Quantizer, str, str]] = {
    "transforms": (DuQuant(steps=2), "W4A4", "has no rotate transform computed when the model runs"),
    "cache": (Rtn(), "W4A4KV4", "no rounding of keys and values"),
    "clip": (Rtn(act_clip=0.9), "W4A4", "over a token's whole range"),
    "bits": (Rtn(), "W3A16", "not of 4 or 8 bits throughout"),
    "float": (Rtn(), "W16A16", "not of 4 or 8 bits throughout"),
    "bits of inputs": (Rtn(), "W4A6", "rounds inputs to 4 or 8 bits"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_compressed_tensors_cannot_say_is_refused(case: str, tmp_path: Path) -> None:
    method, precision, words = REFUSED[case]
    with pytest.raises(UsageError, match=words):
        compressed.save(quantized("llama", method, precision), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_zero_point_beyond_the_codes_is_refused(tmp_path: Path) -> None:
    model = llama_variants.model()
    model.model.layers[0].mlp.down_proj.weight.data[0].abs_().add_(1)
    calibration = Calibration(llama_variants.tokens(), None)
    found = Rtn().quantize(copy.deepcopy(model), calibration, Precision(4), Context(seed=0)).model
    with pytest.raises(UsageError, match="down_proj: .*one side of 0"):
        compressed.save(found, tmp_path)


def command(*more: str, out: Path) -> Any:
    needed = ["--base-model", "nowhere", "--precision", "W4A16", "--out", str(out)]
    return CliRunner().invoke(main, ["--method", "rtn", *needed, *more])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--method", "rtm"], "method 'rtm' not found; did you mean 'rtn'?"),
        (["--set", "weight_clip"], "write it as field=value"),
        (["--set", "wieght_clip=1"], "did you mean 'weight_clip'?"),
        (["--precision", "4 bits"], "write it like W4A4KV4"),
        (["--windows", "0"], "0 windows of 256 tokens"),
        ([], "nowhere"),
    ],
)
def test_the_command_says_what_is_wrong(more: list[str], words: str, tmp_path: Path) -> None:
    found = command(*more, out=tmp_path)
    assert found.exit_code == 2 and words in found.stderr and found.stderr.count("\n") == 1


def test_the_command_exports_a_model(tmp_path: Path) -> None:
    _, tokenizer = tiny_lms.stories()
    assert tokenizer is not None
    import os

    folder = str(Path(os.environ["SUITE_DATA_DIR"]) / "stories260k-llama")
    small = ["--base-model", folder, "--windows", "2", "--length", "16", "--set", "weight_clip=0.9"]
    found = command(*small, out=tmp_path / "own")
    assert found.exit_code == 0, found.output
    own = export.load(tmp_path / "own")
    grid = own.model.layers[0].self_attn.q_proj.parts[0].grid
    weight = tiny_lms.stories()[0].model.layers[0].self_attn.q_proj.weight
    by_hand = 0.9 * (weight.amax(1) - weight.amin(1)) / 15
    assert torch.allclose(grid.scale[:, 0], by_hand)
    text = tmp_path / "text"
    text.write_text("Once upon a time there was a cat and a dog. " * 9)
    found = command(*small, "--text", str(text), "--compressed-tensors", out=tmp_path / "foreign")
    assert found.exit_code == 0, found.output
    assert (tmp_path / "foreign" / "config.json").exists()
    found = command(*small, "--text", str(text), "--length", "5000", out=tmp_path / "none")
    assert found.exit_code == 2 and "fewer than one window" in found.stderr
