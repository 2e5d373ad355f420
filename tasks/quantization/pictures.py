"""Pictures of activation magnitudes before and after a quantizer's transforms, as SVG files.

    python -m tasks.quantization.pictures --model stories260k --method duquant --out DIR

Tasks write no files, so this is a command of its own. One picture is one site of one layer: a panel a stage
(`stages`), in it a bar a channel, as high as the largest |x| over all tokens, and darker the mean of |x|.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from suite.errors import SuiteError, UsageError

WIDTH, HEIGHT, MARGIN, GAP = 640, 120, 48, 34
LARGEST, MEAN = "#9db7d5", "#1f4e79"
SITES = ("qkv", "out", "ffn", "down")


@dataclass(frozen=True)
class Panel:
    """One stage: its name, and the largest and the mean |x| of every channel."""

    name: str
    largest: Sequence[float]
    mean: Sequence[float]

    def __post_init__(self) -> None:
        if not self.largest or len(self.largest) != len(self.mean):
            raise ValueError(f"panel '{self.name}': as many means as maxima, and at least one")


def svg(title: str, panels: Sequence[Panel], common: bool = False) -> str:
    """A picture of panels below each other.

    Every panel has its own scale, up to its largest value, unless they have one in common. A bar's height in
    pixels over HEIGHT is its value over the top of the scale, which is written beside the panel.
    """
    tops = [max(panel.largest) for panel in panels]
    if common:
        tops = [max(tops)] * len(tops)
    full = MARGIN + len(panels) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + 2 * MARGIN}" height="{full}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<text x="{MARGIN}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for k, (panel, top) in enumerate(zip(panels, tops, strict=True)):
        parts += _panel(panel, top or 1.0, MARGIN + k * (HEIGHT + GAP))
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, top: float, y: float) -> list[str]:
    floor, step = y + HEIGHT, WIDTH / len(panel.largest)
    parts = [
        f'<g data-stage="{escape(panel.name)}" data-top="{top:.6g}">',
        f'<text x="{MARGIN}" y="{y - 6}">{escape(panel.name)}</text>',
        f'<text x="{MARGIN - 4}" y="{y + 10}" text-anchor="end">{top:.3g}</text>',
        f'<text x="{MARGIN - 4}" y="{floor}" text-anchor="end">0</text>',
    ]
    for values, colour, name in ((panel.largest, LARGEST, "largest"), (panel.mean, MEAN, "mean")):
        bars = "".join(
            f"M{MARGIN + k * step:.2f} {floor}v{-HEIGHT * value / top:.3f}h{step:.3f}V{floor}z"
            for k, value in enumerate(values)
        )
        parts.append(f'<path class="{name}" fill="{colour}" d="{bars}"/>')
    return [*parts, f'<path d="M{MARGIN} {floor}h{WIDTH}" stroke="#444"/>', "</g>"]


def panels(found: Any, site: str, layer: int) -> list[Panel]:
    """The panels of a site of a layer out of `stages.statistics`; UsageError where there is none."""
    own = {label: one for (label, at), one in found.items() if at == layer and label.startswith(f"{site}.")}
    if not own:
        raise UsageError(f"no site '{site}' in layer {layer}; sites are {', '.join(SITES)}")
    return [
        Panel(label.partition(".")[2], one.channel_max.tolist(), one.channel_mean.tolist())
        for label, one in own.items()
    ]


def draw(options: argparse.Namespace) -> list[Path]:
    """Quantizes as the task layer-error at small does, and writes the pictures."""
    from suite.api import Context
    from suite.plan import plan
    from tasks.quantization.contract import Precision
    from tasks.quantization.stages import statistics
    from tasks.quantization.task import quantized

    try:
        precision = Precision.parse(options.precision)
    except ValueError as error:
        raise UsageError(f"--precision: {error}") from None
    planned = plan("layer-error", options.method, options.profile, base_model=options.model)
    task: Any = planned.task_instance
    ctx = Context(seed=options.seed, profile=options.profile)
    trial = task.prepared(ctx)
    made, _ = quantized(planned.method_instance, trial, precision, ctx)
    found = statistics(trial.model, made.model, trial.windows, task.batch)
    options.out.mkdir(parents=True, exist_ok=True)
    written = []
    for layer in options.layers:
        for site in options.sites:
            name = f"{options.model or planned.cell.base_model}-{options.method}-{options.precision}"
            path = options.out / f"{name.replace('/', '-')}-layer{layer}-{site}.svg"
            title = f"{name}: |x| by channel, layer {layer}, {site}"
            path.write_text(svg(title, panels(found, site, layer), options.common), encoding="utf-8")
            written.append(path)
    return written


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m tasks.quantization.pictures", description=__doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("--model", default="", help="base model; that of the profile where left out")
    made.add_argument("--method", required=True)
    made.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    made.add_argument("--precision", default="W4A4KV4")
    made.add_argument("--layers", type=int, nargs="+", default=[1])
    made.add_argument("--sites", nargs="+", default=list(SITES), choices=SITES)
    made.add_argument("--profile", default="small", choices=("smoke", "small", "paper"))
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--common", action="store_true", help="one scale for all panels of a picture")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the pictures are written; what is wrong is one line on standard error."""
    try:
        for path in draw(parser().parse_args(arguments)):
            print(path)
    except SuiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
