"""A quantized model as Hugging Face's compressed-tensors format, which serving engines read.

Written is what the format can say: integer weights of 4 or 8 bits by row or group, symmetric or with a zero
point, and either exact inputs (pack-quantized) or inputs rounded token by token when the model runs
(int-quantized). Transforms that are computed when the model runs, clipped inputs, rounded keys and values
and mixed precision are refused with a line that says so.

Weights come out to the last bit. Dynamic rounding of inputs is the engine's own: its grids always hold
zero and its symmetric scale is the range over 2^b - 1, while here they are as `grids` says.

Layout (compressed-tensors 0.20, pack_quantized and naive_quantized): weight_packed (o, d b / 32) int32 has
code + 2^(b-1) with the earlier column in the lower bits, weight_zero_point is packed so along the rows,
weight_shape (o, d); unpacked, weight is int8 (o, d). value = (code - zero) scale with signed codes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from methods.quantization import cache, grids
from methods.quantization._exported import check_folder
from methods.quantization.export import others
from methods.quantization.linear import InputRule, QuantLinear, quantized_maps
from suite.errors import UsageError

FILES = ("config.json", "generation_config.json", "model.safetensors")
BITS = (4, 8)


class Scheme(NamedTuple):
    """What all maps of a model have in common; activations None: exact."""

    bits: int
    symmetric: bool
    group: int | None
    activations: InputRule | None

    @property
    def format(self) -> str:
        return "pack-quantized" if self.activations is None else "int-quantized"


def save(model: Any, folder: Path) -> None:
    """Writes the model to a folder that is new, empty or an earlier
    export; UsageError says what does not fit.
    """
    from safetensors.torch import save_file

    check_folder(folder, set(FILES))
    scheme = scheme_of(model)
    tensors: dict[str, Tensor] = {}
    for name, linear in quantized_maps(model):
        tensors.update({f"{name}.{key}": t for key, t in stored(name, linear, scheme).items()})
    kept = {*model.state_dict().keys()}  # without the buffers that a model makes by itself
    tensors.update({name: t for name, t in others(model) if name in kept})
    config = json.loads(model.config.to_json_string(use_diff=False))
    config |= {"architectures": [type(model).__name__], "quantization_config": described(scheme)}
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / "draft"
    save_file(
        {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, draft, metadata={"format": "pt"}
    )
    os.replace(draft, folder / FILES[2])
    (folder / FILES[0]).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / FILES[1]).write_text(model.generation_config.to_json_string(), encoding="utf-8")


def scheme_of(model: Any) -> Scheme:
    """The one scheme of a model's maps; UsageError where the format has none for them."""
    if getattr(model.config, "_attn_implementation", "") == cache.NAME:
        raise UsageError("compressed-tensors has no rounding of keys and values by token; leave KV out")
    schemes: dict[Scheme, str] = {}
    top = False
    for name, linear in quantized_maps(model):
        schemes.setdefault(_scheme(name, linear), name)
        top = top or _uses_top(linear)
    if len(schemes) != 1:
        raise UsageError(
            f"compressed-tensors: maps are rounded in {len(schemes)} ways "
            f"({', '.join(schemes.values()) or 'no quantized map'}); one is needed"
        )
    scheme = next(iter(schemes))
    return scheme._replace(symmetric=scheme.symmetric and not top)


def _uses_top(linear: QuantLinear) -> bool:
    """Whether the highest code occurs. A symmetric grid here has one level more above 0 than below, there one
    more below; GPTQ may use it, and then the grid is written with zero points.
    """
    grid = linear.parts[0].grid
    assert grid is not None
    return bool((grids.codes(linear.weight, grid) == 2**grid.bits - 1).any())


def _scheme(name: str, linear: QuantLinear) -> Scheme:
    rule = linear.inputs.rule
    if len(linear.inputs.transforms):
        kind = linear.inputs.transforms[0].kind
        raise UsageError(f"{name}: compressed-tensors has no {kind} transform computed when the model runs")
    exact = rule.bits >= grids.EXACT_BITS and not rule.tail
    plain = InputRule(rule.bits, symmetric=rule.symmetric)
    if not exact and (rule != plain or rule.bits not in BITS):
        raise UsageError(
            f"{name}: compressed-tensors rounds inputs to 4 or 8 bits over a token's whole range, "
            f"not by {rule}"
        )
    if len(linear.parts) != 1 or linear.parts[0].grid is None or linear.parts[0].grid.bits not in BITS:
        raise UsageError(
            f"{name}: its weight is not of 4 or 8 bits throughout, as compressed-tensors needs it"
        )
    grid = linear.parts[0].grid
    return Scheme(grid.bits, grid.symmetric, grid.group, None if exact else plain)


def stored(name: str, linear: QuantLinear, scheme: Scheme) -> dict[str, Tensor]:
    """A map's tensors in the format, by the names behind its own."""
    grid, half, dtype = linear.parts[0].grid, 2 ** (scheme.bits - 1), linear.weight.dtype
    assert grid is not None
    codes = grids.codes(linear.weight, grid)
    scale = (grid.scale if grid.group is None else grid.scale.squeeze(-1)).to(dtype)
    zero = (grid.zero if grid.group is None else grid.zero.squeeze(-1)) - half
    if scheme.symmetric:  # here 0 is code 2^(b-1) - 1, there it is 2^(b-1)
        codes, zero = codes + 1, torch.zeros_like(zero)
    if not bool((zero.round() == zero).all() and (zero >= -half).all() and (zero < half).all()):
        raise UsageError(
            f"{name}: a row or group lies on one side of 0, whose zero point compressed-tensors cannot hold; "
            "use a method with symmetric=true"
        )
    signed = (codes.to(torch.int16) - half).to(torch.int8)
    values = _values(signed, scale, zero, grid.group)
    if not torch.equal(values.to(dtype), linear.weight):
        raise UsageError(f"{name}: its weight does not lie on the grid that it names")
    found = {"weight_scale": scale}
    if scheme.activations is None:
        found["weight_packed"] = packed(signed, scheme.bits)
        found["weight_shape"] = torch.tensor(linear.weight.shape)
    else:
        found["weight"] = signed
    if not scheme.symmetric:
        zero = zero.to(torch.int8)
        found["weight_zero_point"] = packed(zero.T, scheme.bits).T if scheme.activations is None else zero
    if linear.bias is not None:
        found["bias"] = linear.bias
    return found


def _values(signed: Tensor, scale: Tensor, zero: Tensor, group: int | None) -> Tensor:
    """(code - zero) scale, (o, d)."""
    if group is not None:
        scale, zero = scale.repeat_interleave(group, 1), zero.repeat_interleave(group, 1)
    return (signed.to(scale.dtype) - zero.to(scale.dtype)) * scale


def packed(signed: Tensor, bits: int) -> Tensor:
    """int8 codes (o, d) as int32 (o, ceil(d bits / 32)), the earlier column in the lower bits."""
    each = 32 // bits
    unsigned = signed.to(torch.int64) + 2 ** (bits - 1)
    rows = torch.nn.functional.pad(unsigned, (0, -signed.shape[1] % each)).view(len(signed), -1, each)
    words = (rows << (bits * torch.arange(each))).sum(-1)
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


def described(scheme: Scheme) -> dict[str, Any]:
    """The `quantization_config` of config.json."""
    weights = {
        "num_bits": scheme.bits,
        "type": "int",
        "symmetric": scheme.symmetric,
        "strategy": "channel" if scheme.group is None else "group",
        "group_size": scheme.group,
        "dynamic": False,
    }
    inputs = None
    if scheme.activations is not None:
        rule = scheme.activations
        inputs = {"num_bits": rule.bits, "type": "int", "symmetric": rule.symmetric}
        inputs |= {"strategy": "token", "dynamic": True}
    group = {"targets": ["Linear"], "weights": weights, "input_activations": inputs}
    return {
        "quant_method": "compressed-tensors",
        "format": scheme.format,
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "kv_cache_scheme": None,
        "config_groups": {"group_0": group | {"output_activations": None}},
    }
