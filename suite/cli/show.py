"""`suite show NAME`: all that is known of a task, a method or a family."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from suite.api import MethodSpec, TaskSpec
from suite.cli.output import ANY, json_option, known, results_option, shown, table, to_json
from suite.errors import SuiteError, unknown

Facts = dict[str, Any]


@click.command()
@click.argument("name", type=ANY)
@results_option
@json_option
def command(name: str, results: Path, fmt: str) -> None:
    """Show all about a task, method or family."""
    facts = facts_of(name, results)
    click.echo(to_json(facts) if fmt == "json" else _text(facts), nl=False)


def facts_of(name: str, results: Path) -> Facts:
    """What is known of `name` as plain values; UsageError where nothing has that name."""
    from suite import catalog

    if name in catalog.tasks():
        return _task(catalog.task(name), results)
    if name in catalog.methods():
        return _method(catalog.method(name), results)
    if name in known("family"):
        return _family(name)
    raise unknown("name", name, known("task", "method", "family"), "suite list")


def _common(spec: TaskSpec | MethodSpec, kind: str) -> Facts:
    return {
        "kind": kind,
        "name": spec.name,
        "family": spec.family,
        "summary": spec.summary,
        "paper": {"title": spec.paper.title, "year": spec.paper.year, "link": spec.paper.link},
        "version": spec.version,
    }


def _task(spec: TaskSpec, results: Path) -> Facts:
    from suite.cli import stored

    return {
        **_common(spec, "task"),
        "protocol": spec.protocol,
        "metrics": [
            {
                "metric": m.name,
                "better": m.better,
                "unit": m.unit,
                "exact": m.exact,
                "primary": m.name == spec.primary,
                "summary": m.summary,
            }
            for m in spec.metrics
        ],
        "data": list(spec.data),
        "null competitors": list(spec.nulls),
        "ceiling": spec.ceiling,
        "fields": _fields(spec),
        "in the store": stored.noise(results, spec),
        "runs": stored.costs(results, "task", spec.name),
    }


def _method(spec: MethodSpec, results: Path) -> Facts:
    from suite import catalog
    from suite.cli import stored

    return {
        **_common(spec, "method"),
        "role": spec.role,
        "deviations": spec.deviations,
        "fields": _fields(spec),
        "needs": [
            {"profile": p, "minutes": n.minutes, "memory_mb": n.memory_mb, "download_mb": n.download_mb}
            for p, n in spec.needs.items()
        ],
        "tasks": [t.name for t in catalog.tasks().values() if t.family == spec.family],
        "runs": stored.costs(results, "method", spec.name),
    }


def _family(name: str) -> Facts:
    from suite import catalog

    return {
        "kind": "family",
        "name": name,
        "tasks": [t.name for t in catalog.tasks().values() if t.family == name],
        "methods": [
            {"method": m.name, "role": m.role, "summary": m.summary}
            for m in catalog.methods().values()
            if m.family == name
        ],
    }


def _fields(spec: TaskSpec | MethodSpec) -> list[Facts]:
    """Each field with its type, the class's default and what the profiles put there.

    The module is imported for that; one that cannot be leaves the list empty, with a warning.
    """
    import dataclasses

    from suite import catalog
    from suite.settings import fields_of, spelled

    try:
        cls = catalog.load(spec.where)
    except SuiteError as error:
        print(f"warning: {error}", file=sys.stderr)
        return []
    defaults = {f.name: f.default for f in dataclasses.fields(cls) if f.default is not dataclasses.MISSING}
    rows = []
    for name, kind in fields_of(cls).items():
        row: Facts = {
            "field": name,
            "type": spelled(kind),
            "default": spec.params.get(name, defaults.get(name)),
        }
        for profile in ("small", "smoke"):
            row[profile] = spec.presets.get(profile, {}).get(name, row["default"])
        rows.append(row)
    return rows


def _text(facts: Mapping[str, Any]) -> str:
    lines = [
        f"{facts['name']}: a {facts['kind']}" + (f" of family {facts['family']}" if "family" in facts else "")
    ]
    for label, value in facts.items():
        if label in ("name", "kind", "family") or value in (None, "", [], {}):
            continue
        lines.append(_part(label, value))
    return "\n".join(lines) + "\n"


def _part(label: str, value: Any) -> str:
    if label == "paper":
        return f"paper: {value['title']} ({value['year']}), {value['link']}"
    if isinstance(value, Mapping):
        return "\n".join([f"{label}:", *(f"  {k}: {shown(v)}" for k, v in value.items())])
    if isinstance(value, Sequence) and value and isinstance(value[0], Mapping):
        return "\n".join(
            [f"{label}:", *(f"  {line}" for line in table(_spelled(value), list(value[0])).splitlines())]
        )
    if isinstance(value, list):
        return f"{label}: {', '.join(map(str, value))}"
    return f"{label}: {shown(value)}"


def _spelled(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Settings as `--set` takes them: 0.001 and true, not the 0.0010 and yes of a score table."""
    exact = {"default", "small", "smoke"}
    return [{k: _setting(v) if k in exact else v for k, v in row.items()} for row in rows]


def _setting(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
