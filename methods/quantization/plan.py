"""What quantizing a large model will take, from its configuration alone.

    python -m methods.quantization.plan --config meta-llama-2-7b/config.json --precision W4A4KV4

The model is built without memory for its weights (torch's meta device) and every linear map that a quantizer
would replace is walked. Bytes and operations are counted, not measured; seconds are operations over a stated
throughput, a lower bound that leaves out searches, copies and whatever else a real run does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from suite.errors import SuiteError, UsageError
from tasks.quantization.contract import EXACT, Precision

SCALE_BITS = 16
FLOAT, DOUBLE = 4, 8
ROWS = 1 << 16
"""Tokens of a site kept whole, as in `calibrate.MAX_ROWS`."""


@dataclass(frozen=True)
class Map:
    """A linear map that is rounded: `count` layers have one of this shape. block: of its rotations."""

    path: str
    site: str
    rows: int
    width: int
    block: int
    count: int

    @property
    def weights(self) -> int:
        return self.rows * self.width * self.count


@dataclass(frozen=True)
class Plan:
    """Bytes, operations and what they were counted for.

    parameters: of the whole model. stored: bytes of the rounded model, everything that is not rounded in 16
    bits. layer: one layer in float32. stream: the residual stream of all calibration windows, in float32.
    sites: what is gathered of one layer's activations, whole tokens and Hessians. calibration: of two passes
    (what reaches a layer, what leaves it) over the windows. evaluation: of a pass over the test.
    """

    maps: tuple[Map, ...]
    precision: Precision
    parameters: int
    stored: float
    layer: int
    stream: int
    sites: int
    calibration: float
    evaluation: float

    @property
    def peak(self) -> int:
        """Bytes on the device with one layer there: it and its rounded copy, two streams, the sites."""
        return 2 * self.layer + 2 * self.stream + self.sites

    @property
    def peak_whole(self) -> int:
        """The same with the whole model there in float32, as `layerwise` has it."""
        return self.peak - self.layer + FLOAT * self.parameters


def plan(
    config: Any,
    precision: Precision,
    *,
    windows: int = 128,
    length: int = 2048,
    evaluated: int = 341_469,
    block: int = 128,
    hessian: bool = False,
) -> Plan:
    """The plan for a model of this configuration; UsageError for one that is not built like Llama.

    evaluated: tokens of the test; block: the largest rotation; hessian: whether X^T X is gathered as well.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from suite.models.llama_like import llama_like

    if windows < 1 or length < 1:
        raise UsageError(f"{windows} windows of {length} tokens: at least one of one")
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    llama = llama_like(model)
    maps = _maps(llama, block)
    parameters = sum(p.numel() for p in model.parameters())
    rounded = sum(m.weights for m in maps)
    tokens = windows * length
    widths = {m.site: m.width for m in maps}
    kept = min(2 * tokens, 3 * ROWS)  # the batches' own and what they are joined to
    gathered = sum(FLOAT * kept * d + (DOUBLE * d * d if hessian else 0) for d in widths.values())
    a_layer = sum(p.numel() for p in llama.blocks[0].module.parameters())
    head = model.get_output_embeddings().weight.numel()
    return Plan(
        maps,
        precision,
        parameters,
        sum(_bits(m, precision) for m in maps) / 8 + 2 * (parameters - rounded),
        FLOAT * a_layer,
        FLOAT * tokens * llama.width,
        gathered,
        2 * tokens * _operations(llama, rounded, length),
        evaluated * (_operations(llama, rounded, length) + 2 * head),
    )


def _maps(llama: Any, block: int) -> tuple[Map, ...]:
    """Every map of every layer, those of one shape and place taken together."""
    from methods.quantization.hadamard import block_size
    from suite.models.llama_like import READERS

    shapes: dict[tuple[str, str, int, int], int] = {}
    for part in llama.blocks:
        for site, paths in READERS.items():
            for path in paths:
                linear = part.linear(path)
                key = (path, site, linear.out_features, linear.in_features)
                shapes[key] = shapes.get(key, 0) + 1
    return tuple(Map(*key, block_size(key[3], block), count) for key, count in shapes.items())


def _bits(part: Map, precision: Precision) -> float:
    """Of the stored weight, with a scale and a zero point a row or group."""
    if precision.weights >= EXACT:
        return EXACT * part.weights
    group = precision.group or part.width
    if part.width % group:
        raise UsageError(f"groups of {group} do not divide the {part.width} inputs of {part.path}")
    grids = part.rows * (part.width // group) * part.count
    return precision.weights * part.weights + grids * (SCALE_BITS + precision.weights)


def _operations(llama: Any, weights: int, length: int) -> float:
    """A token's passes through all layers: two a weight, and attention to half the window on average."""
    attention = 4.0 * llama.heads * llama.head_dim * (length + 1) / 2 * len(llama.blocks)
    return 2.0 * weights + attention


def read(name: str) -> Any:
    """The configuration of a registered model, a folder or a JSON file; UsageError where there is none."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    path = Path(name)
    if not path.exists():
        from suite import models

        path = models.path(name)
    path = path / "config.json" if path.is_dir() else path
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return CONFIG_MAPPING[found["model_type"]].from_dict(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UsageError(f"{path} is no model's configuration ({reason})") from None


def table(found: Plan, throughput: float, memory: float) -> str:
    """The plan as text. throughput: operations a second; memory: bytes of the device."""
    lines = [f"{'map':<20} {'shape':>13} {'layers':>6} {'block':>6} {'MB float16':>11} {'MB stored':>10}"]
    for m in found.maps:
        shape, whole, stored = f"{m.rows}x{m.width}", 2 * m.weights / 1e6, _bits(m, found.precision) / 8e6
        lines.append(f"{m.path:<20} {shape:>13} {m.count:>6} {m.block:>6} {whole:>11,.1f} {stored:>10,.1f}")
    lines.append(
        f"parameters  {found.parameters:,}; {2 * found.parameters / 1e9:.2f} GB in 16 bits, "
        f"{found.stored / 1e9:.2f} GB at {found.precision.name}"
    )
    lines.append(
        f"memory      a layer {found.layer / 1e9:.2f} GB, a stream {found.stream / 1e9:.2f} GB, "
        f"sites {found.sites / 1e9:.2f} GB"
    )
    for size, name in ((found.peak, "one layer there"), (found.peak_whole, "the whole float32 model there")):
        fits = "fits" if size <= memory else "does not fit"
        lines.append(f"            {size / 1e9:.2f} GB with {name}: {fits} in {memory / 1e9:.0f} GB")
    for name, count in (("calibration", found.calibration), ("evaluation", found.evaluation)):
        lines.append(
            f"{name:<11} {count:.2e} operations: {count / throughput:,.0f} s at {throughput:.0e}/s, or more"
        )
    return "\n".join(lines)


@click.command()
@click.option("--config", required=True, help="A registered model, a folder or a config.json.")
@click.option("--precision", required=True, help="Like W4A4KV4 or W4A16g128.")
@click.option("--windows", default=128, show_default=True)
@click.option("--length", default=2048, show_default=True, help="Tokens of a window.")
@click.option("--hessian", is_flag=True, help="With the Hessians that GPTQ needs.")
@click.option("--tflops", default=50.0, show_default=True, help="Million million operations a second.")
@click.option("--memory-gb", default=80.0, show_default=True)
def main(
    config: str, precision: str, windows: int, length: int, hessian: bool, tflops: float, memory_gb: float
) -> None:
    """Maps, bytes and operations of quantizing a model, without its weights."""
    try:
        if tflops <= 0:
            raise UsageError(f"--tflops {tflops}: more than 0")
        bits = Precision.parse(precision)
        found = plan(read(config), bits, windows=windows, length=length, hessian=hessian)
        click.echo(table(found, tflops * 1e12, memory_gb * 1e9))
    except (SuiteError, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
