"""What every verb shares: options, tables in four formats, and completion of names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

FORMATS = ("text", "csv", "json", "markdown")
F = TypeVar("F", bound=Callable[..., Any])


class Name(click.ParamType[str]):
    """A name of the catalogue, completed by the shell; the verb itself says when it is unknown."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds
        self.name = " or ".join(kinds)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in sorted(known(*self.kinds)) if name.startswith(incomplete)]


TASK, METHOD, ANY = Name("task"), Name("method"), Name("task", "method", "family")


def known(*kinds: str) -> set[str]:
    """Every name of these kinds ('task', 'method', 'family')."""
    from suite import catalog

    names: set[str] = set()
    if "task" in kinds:
        names |= set(catalog.tasks())
    if "method" in kinds:
        names |= set(catalog.methods())
    if "family" in kinds:
        names |= {task.family for task in catalog.tasks().values()}
        names |= {method.family for method in catalog.methods().values()}
    return names


def results_option(function: F) -> F:
    """--results DIR, given to the verb as `results: Path`."""
    return click.option(
        "--results",
        type=click.Path(file_okay=False, path_type=Path),
        default="results",
        envvar="SUITE_RESULTS",
        show_default=True,
        show_envvar=True,
        help="Folder of the results.",
    )(function)


def format_option(function: F) -> F:
    """--format text|csv|json|markdown, given to the verb as `fmt: str`."""
    return click.option(
        "--format", "fmt", type=click.Choice(FORMATS), default="text", show_default=True, help="How to print."
    )(function)


def json_option(function: F) -> F:
    """--format text|json for verbs whose answer is no table."""
    return click.option(
        "--format",
        "fmt",
        type=click.Choice(("text", "json")),
        default="text",
        show_default=True,
        help="How to print.",
    )(function)


def quiet_option(function: F) -> F:
    """--quiet, given to the verb as `quiet: bool`."""
    return click.option("--quiet", "-q", is_flag=True, help="No progress, only the answer.")(function)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], fmt: str = "text") -> str:
    """The rows as text, csv, json or markdown, with a line break at the end.

    Text and markdown round for the eye; csv and json keep every digit. A missing value is empty (json:
    null), and so is a value that is no number: it must not be taken for a zero.
    """
    if fmt == "json":
        return to_json([{c: row.get(c) for c in columns} for row in rows])
    if fmt == "csv":
        return _csv(rows, columns)
    cells = [[shown(row.get(c)) for c in columns] for row in rows]
    right = [_numeric([row.get(c) for row in rows]) for c in columns]
    return _markdown(cells, columns, right) if fmt == "markdown" else _text(cells, columns, right)


def to_json(value: Any) -> str:
    """Strict JSON: what is no number becomes null."""
    import json

    return json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n"


def shown(value: Any) -> str:
    """A value for the eye: four digits after the point below 1,000, thousands set off above.

    A subclass of float shows as its own `str` says.
    """
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if type(value) is float:
        if value in (float("inf"), float("-inf")) or 0 < abs(value) < 0.00005:
            return f"{value:.2g}"
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4f}"
    return " ".join(str(value).split())


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if value - value == 0 else None
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(row.get(c)) for c in columns] for row in rows)
    return out.getvalue()


def _plain(value: Any) -> Any:
    value = _finite(value)
    return str(value).lower() if isinstance(value, bool) else value


def _numeric(values: Sequence[Any]) -> bool:
    there = [v for v in values if v is not None]
    return bool(there) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in there)


def _text(cells: Sequence[Sequence[str]], columns: Sequence[str], right: Sequence[bool]) -> str:
    widths = [max([len(c), *(len(row[k]) for row in cells)]) for k, c in enumerate(columns)]
    lines = []
    for row in [columns, *cells]:
        parts = (v.rjust(w) if r else v.ljust(w) for v, w, r in zip(row, widths, right, strict=True))
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines) + "\n"


def _markdown(cells: Sequence[Sequence[str]], columns: Sequence[str], right: Sequence[bool]) -> str:
    rule = ["---:" if r else "---" for r in right]
    escaped = [[value.replace("|", "\\|") for value in row] for row in cells]
    return "".join(f"| {' | '.join(row)} |\n" for row in [list(columns), rule, *escaped])
