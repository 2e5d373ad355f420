"""The command of `methods.quantization.export`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import click

from suite.errors import Skip, SuiteError, UsageError


@click.command()
@click.option("--method", required=True, help="The competitor's name: `suite list methods`.")
@click.option("--base-model", required=True, help="A registered model's name, or a folder.")
@click.option("--precision", required=True, help="Like W4A4KV4, W8A8 or W4A16g128.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new or empty folder.")
@click.option("--set", "sets", multiple=True, metavar="FIELD=VALUE", help="A field of the method.")
@click.option("--profile", default="small", show_default=True, help="Whose presets the method has.")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--text", type=click.Path(path_type=Path), help="Calibration text; without it, the model writes one."
)
@click.option("--windows", default=16, show_default=True, help="Calibration windows.")
@click.option("--length", default=256, show_default=True, help="Tokens of each.")
@click.option("--compressed-tensors", "compressed", is_flag=True, help="Write that format instead.")
def main(**options: Any) -> None:
    """Quantizes a model and writes it to a folder."""
    try:
        click.echo(export(**options))
    except (SuiteError, Skip, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None


def export(
    method: str,
    base_model: str,
    precision: str,
    out: Path,
    sets: tuple[str, ...],
    profile: str,
    seed: int,
    text: Path | None,
    windows: int,
    length: int,
    compressed: bool,
) -> str:
    """Does what the command says; the line that it prints."""
    from methods.quantization import compressed as foreign
    from methods.quantization import export as own
    from suite import models
    from suite.api import Context
    from tasks.quantization.contract import Calibration, Precision

    quantizer, bits = _quantizer(method, profile, sets), Precision.parse(precision)
    own.check_folder(out, set(foreign.FILES if compressed else (own.TENSORS, own.INDEX)))
    if windows < 1 or length < 2:
        raise UsageError(f"{windows} windows of {length} tokens: at least 1 of 2")
    loaded = models.load(base_model)
    ids = _windows(loaded, text, windows, length, seed)
    context = Context(seed=seed, base_model=base_model)
    found = quantizer.quantize(copy.deepcopy(loaded.model), Calibration(ids, loaded.tokenizer), bits, context)
    (foreign if compressed else own).save(found.model, out)
    return f"{out}: {method} {bits.name}, {found.weight_bits:.3f} bits a weight"


def _quantizer(name: str, profile: str, sets: tuple[str, ...]) -> Any:
    from suite import catalog, settings

    spec = catalog.method(name)
    if spec.family != "quantization":
        raise UsageError(f"method '{name}' is of family '{spec.family}', not a quantizer")
    if bad := next((pair for pair in sets if "=" not in pair), None):
        raise UsageError(f"--set {bad}: write it as field=value")
    cls = catalog.load(spec.where)
    by_hand = settings.overrides(cls, dict(pair.split("=", 1) for pair in sets), name)
    return settings.build(cls, name, spec.params, spec.presets.get(profile, {}), by_hand)


def _windows(loaded: Any, text: Path | None, count: int, length: int, seed: int) -> Any:
    """Calibration windows (count, length): at random places of a text, or written by the model itself."""
    import numpy as np
    import torch

    from suite.models._calls import encode, need_prefix
    from suite.models.generation import generate

    if loaded.tokenizer is None:
        raise UsageError(f"{loaded.name} is no language model")
    if text is None:
        prompts = [[need_prefix(loaded.tokenizer)]] * count
        seeds = [seed * count + k for k in range(count)]
        made = generate(
            loaded.model,
            loaded.tokenizer,
            prompts,
            max_new_tokens=length - 1,
            temperature=1.0,
            seeds=seeds,
            eos=(),
        )
        rows = [[*prompt, *row.ids] for prompt, row in zip(prompts, made, strict=True)]
        shortest = min(map(len, rows))
        return torch.tensor([row[:shortest] for row in rows])
    try:
        ids = encode(loaded.tokenizer, text.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--text {text} cannot be read: {error}") from None
    if len(ids) < length:
        raise UsageError(f"--text {text} has {len(ids)} tokens, fewer than one window of {length}")
    places = np.random.default_rng(seed).integers(0, len(ids) - length + 1, count)
    return torch.tensor([ids[place : place + length] for place in places])
