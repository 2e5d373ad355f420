"""A quantized model in a folder and back, with the same logits to the last bit.

    python -m methods.quantization.export --method duquant --base-model M --precision W4A4KV4 --out FOLDER

`model.safetensors` has the tensors: codes (two a byte up to 4 bits) with their scales and zero points, the
transforms of each site once, and all other parameters as they are. `quantized.json` says how they belong
together. No code is stored and none is run when a folder is loaded. The tokenizer is not in it.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from methods.quantization import cache, grids
from methods.quantization._exported import (
    FORMAT,
    INDEX,
    TENSORS,
    check_folder,
    digest_of,
    packed,
    read_index,
    read_tensors,
    unpacked,
)
from methods.quantization.cache import CacheRule
from methods.quantization.grids import Grid
from methods.quantization.linear import InputRule, Inputs, Part, QuantLinear, Rounded, quantized_maps
from methods.quantization.transforms import KINDS, rebuilt
from suite.errors import DataError, UsageError
from suite.models.llama_like import READERS, llama_like

ATTENTION = ("sdpa", "eager")
SCALARS = (int, float, bool, type(None))


def save(model: Any, folder: Path) -> None:
    """Writes a quantized model to a folder that is new, empty or an earlier export.

    UsageError for a model that has parts a folder cannot describe: hooks, a wrapper around it, transforms
    that this package does not know.
    """
    from safetensors.torch import save_file

    check_folder(folder, {TENSORS, INDEX})
    tensors: dict[str, Tensor] = {}
    index = _described(model, tensors)
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{TENSORS}.part"
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, draft)
    index["sha256"] = digest_of(draft)
    os.replace(draft, folder / TENSORS)
    draft = folder / f"{INDEX}.part"
    draft.write_text(json.dumps(index, indent=1), encoding="utf-8")
    os.replace(draft, folder / INDEX)


def load(folder: Path) -> Any:
    """The model of a folder on the CPU, in evaluation mode; DataError where the folder is not an export."""
    index = read_index(folder)
    try:
        tensors = read_tensors(folder / TENSORS, index["sha256"])
        model = skeleton(index)
        _put_maps(model, index, tensors)
        _put_others(model, index, tensors)
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, UsageError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(f"{folder}: {INDEX} and {TENSORS} make no model ({reason}); export it anew") from None
    if tensors:
        raise DataError(f"{folder / TENSORS}: nothing uses '{min(tensors)}'; export the model anew")
    return model.eval()


def others(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Every parameter and buffer outside quantized maps, by name; a shared one once."""
    maps = tuple(f"{name}." for name, _ in quantized_maps(model))
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if not name.startswith(maps):
            yield name, tensor


def skeleton(index: Mapping[str, Any]) -> Any:
    """The float model of a description, without memory for its weights; DataError for another class."""
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    described = index["config"]
    config = CONFIG_MAPPING[described["model_type"]].from_dict(described)
    count = len(index["maps"]) // sum(map(len, READERS.values()))
    if config.get_text_config().num_hidden_layers != count:
        raise DataError(f"the configuration has another number of layers than the {count} that are stored")
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, attn_implementation=index["attention"])
    if type(model).__name__ != index["class"]:
        raise DataError(f"the configuration is that of {type(model).__name__}, not of {index['class']}")
    return model


def _described(model: Any, tensors: dict[str, Tensor]) -> dict[str, Any]:
    llama = llama_like(model)
    rules = [getattr(block.module.self_attn, "cache_rule", None) for block in llama.blocks]
    attention = model.config._attn_implementation
    if attention == cache.NAME:
        attention = ATTENTION[0]
    if attention not in ATTENTION:
        raise UsageError(f"attention '{attention}' cannot be exported; load the model with {ATTENTION[0]}")
    index: dict[str, Any] = {
        "format": FORMAT,
        "class": type(model).__name__,
        "config": json.loads(model.config.to_json_string(use_diff=False)),
        "generation": json.loads(model.generation_config.to_json_string()),
        "attention": attention,
        "cache": [None if rule is None else _scalars(rule, CacheRule) for rule in rules],
        "tied": model.get_output_embeddings().weight is model.get_input_embeddings().weight,
        "maps": {},
        "inputs": {},
    }
    owners: dict[int, str] = {}
    for name, linear in quantized_maps(model):
        if id(linear.inputs) not in owners:
            owners[id(linear.inputs)] = name
            index["inputs"][name] = _inputs(name, linear.inputs, tensors)
        index["maps"][name] = {"inputs": owners[id(linear.inputs)], **_map(name, linear, tensors)}
    _check_parts(model, index)
    tensors.update(others(model))
    return index


def _check_parts(model: Any, index: Mapping[str, Any]) -> None:
    """UsageError where the model computes something that its configuration and its maps do not say."""
    try:
        empty = skeleton(index)
    except (DataError, KeyError, ValueError) as error:
        raise UsageError(f"{type(model).__name__} cannot be exported: {error}") from None
    maps = tuple(index["maps"])
    kinds = [
        {name: type(m) for name, m in whole.named_modules() if not name.startswith(maps)}
        for whole in (model, empty)
    ]
    odd = {name for name in kinds[0].keys() | kinds[1].keys() if kinds[0].get(name) != kinds[1].get(name)}
    odd |= {
        name
        for name, m in model.named_modules()
        if m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m)
    }
    if odd:
        raise UsageError(f"'{min(odd)}' was changed by the method in a way that no export can describe")


def _scalars(rule: Any, kind: type) -> dict[str, Any]:
    fields = dataclasses.asdict(rule) if type(rule) is kind else {"": rule}
    if not all(isinstance(value, SCALARS) for value in fields.values()):
        raise UsageError(f"a rule that is no plain {kind.__name__} cannot be exported: {rule}")
    return fields


def _inputs(name: str, inputs: Inputs, tensors: dict[str, Tensor]) -> dict[str, Any]:
    found = []
    for i, transform in enumerate(inputs.transforms):
        if KINDS.get(transform.kind) is not type(transform):
            raise UsageError(f"{name}: {type(transform).__name__} is no transform that can be exported")
        for key, tensor in transform.state_dict().items():
            tensors[f"{name}.transforms.{i}.{key}"] = tensor.clone()  # sites may share one, files may not
        keys = list(transform.state_dict())
        found.append({"kind": transform.kind, "options": transform.options(), "tensors": keys})
    return {"readers": inputs.readers, "rule": _scalars(inputs.rule, InputRule), "transforms": found}


def _map(name: str, linear: QuantLinear, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """A map's parts: packed where codes and grid give its weight to the last bit, else as it is."""
    parts = linear.parts or (Part(0, linear.in_features, None),)
    ends = [0, *(part.last for part in parts)]
    if [part.first for part in parts] != ends[:-1] or ends[-1] != linear.in_features:
        raise UsageError(f"{name}: the parts of its weight do not follow one another")
    found = []
    for i, part in enumerate(parts):
        weight, grid, key = linear.weight[:, part.first : part.last], part.grid, f"{name}.{i}"
        entry: dict[str, Any] = {"first": part.first, "last": part.last, "grid": None, "packed": False}
        if grid is not None:
            entry["grid"] = {"bits": grid.bits, "symmetric": grid.symmetric, "group": grid.group}
            tensors[f"{key}.scale"], tensors[f"{key}.zero"] = grid.scale, grid.zero
        if grid is not None and not grid.exact:
            codes = grids.codes(weight, grid)
            entry["packed"] = torch.equal(grids.values(codes, grid).to(weight.dtype), weight)
        tensors[f"{key}.codes" if entry["packed"] else f"{key}.weight"] = (
            packed(codes, entry["grid"]["bits"]) if entry["packed"] else weight
        )
        found.append(entry)
    if linear.bias is not None:
        tensors[f"{name}.bias"] = linear.bias
    dtype = str(linear.weight.dtype).removeprefix("torch.")
    return {"rows": linear.out_features, "dtype": dtype, "bias": linear.bias is not None, "parts": found}


def _put_maps(model: Any, index: Mapping[str, Any], tensors: dict[str, Tensor]) -> None:
    """Puts the stored maps in the places of the model's own, each of which must be of the same shape."""
    inputs = {}
    for name, entry in index["inputs"].items():
        chain = []
        for i, link in enumerate(entry["transforms"]):
            own = {key: tensors.pop(f"{name}.transforms.{i}.{key}") for key in link["tensors"]}
            chain.append(rebuilt(link["kind"], link["options"], own))
        inputs[name] = Inputs(chain, InputRule(**entry["rule"]), entry["readers"])
    wanted = {
        f"{stem}.{block.index}.{path}"
        for block in llama_like(model).blocks
        for stem in [next(n for n, m in model.named_modules() if m is block.module).rpartition(".")[0]]
        for path in (path for paths in READERS.values() for path in paths)
    }
    if wanted != set(index["maps"]):
        raise DataError(f"{INDEX} lists other maps than the model has; export it anew")
    for name, entry in index["maps"].items():
        original = model.get_submodule(name)
        pieces = [_part(f"{name}.{i}", entry, part, tensors) for i, part in enumerate(entry["parts"])]
        weight = torch.cat([values for _, values in pieces], 1)
        bias = tensors.pop(f"{name}.bias") if entry["bias"] else None
        if weight.shape != original.weight.shape or (bias is None) != (original.bias is None):
            raise DataError(f"{name} is {tuple(weight.shape)}, not {tuple(original.weight.shape)}")
        parts = tuple(part for part, _ in pieces if part.grid is not None)
        model.set_submodule(name, QuantLinear(Rounded(weight, parts), bias, inputs[entry["inputs"]]))


def _part(key: str, entry: Mapping[str, Any], part: Mapping[str, Any], tensors: dict[str, Tensor]) -> Any:
    """(Part, its columns of the weight)."""
    shape = (entry["rows"], part["last"] - part["first"])
    grid = part["grid"]
    if grid is not None:
        grid = Grid(tensors.pop(f"{key}.scale"), tensors.pop(f"{key}.zero"), **grid)
    if part["packed"]:
        codes = unpacked(tensors.pop(f"{key}.codes"), grid.bits, shape)
        values = grids.values(codes, grid).to(getattr(torch, entry["dtype"]))
    else:
        values = tensors.pop(f"{key}.weight")
    return Part(part["first"], part["last"], grid), values


def _put_others(model: Any, index: Mapping[str, Any], tensors: dict[str, Tensor]) -> None:
    from transformers import GenerationConfig

    for name, empty in list(others(model)):
        if index["tied"] and empty is model.get_output_embeddings().weight and name not in tensors:
            continue
        tensor = tensors.pop(name)
        if tensor.shape != empty.shape:
            raise DataError(f"'{name}' is {tuple(tensor.shape)}, not {tuple(empty.shape)}; export it anew")
        stem, _, leaf = name.rpartition(".")
        owner = model.get_submodule(stem)
        if isinstance(empty, nn.Parameter):
            owner._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)
        else:
            owner._buffers[leaf] = tensor
    if index["tied"]:
        model.get_output_embeddings().weight = model.get_input_embeddings().weight
    model.generation_config = GenerationConfig.from_dict(index["generation"])
    llama, rules = llama_like(model), [None if rule is None else CacheRule(**rule) for rule in index["cache"]]
    cache.install(llama, next((rule for rule in rules if rule is not None), CacheRule()))
    for block, rule in zip(llama.blocks, rules, strict=True):
        block.module.self_attn.cache_rule = rule


if __name__ == "__main__":
    from methods.quantization._export_command import main

    main()
