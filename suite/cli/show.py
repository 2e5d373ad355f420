"""`suite show NAME`: all that is known of a task, a method or a family; `--data`: of a task's data."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from suite.api import PROFILES, Context, MethodSpec, Profile, Task, TaskSpec
from suite.cli.output import ANY, json_option, known, results_option, shown, table, to_json
from suite.errors import SuiteError, UsageError, unknown

Facts = dict[str, Any]


@click.command()
@click.argument("name", type=ANY)
@click.option("--data", "of_data", is_flag=True, help="Read the task's data and say what is in it.")
@click.option(
    "--profile", type=click.Choice(PROFILES), help="With --data: whose sizes apply; small if not said."
)
@results_option
@json_option
def command(name: str, of_data: bool, profile: Profile | None, results: Path, fmt: str) -> None:
    """Show all about a task, method or family."""
    if profile and not of_data:
        raise UsageError("--profile says whose sizes --data reads; without --data leave it out")
    if of_data:
        facts = data_facts(name, profile or "small")
        click.echo(to_json(facts) if fmt == "json" else _data_text(facts), nl=False)
        return
    facts = facts_of(name, results)
    click.echo(to_json(facts) if fmt == "json" else _text(facts), nl=False)


def data_facts(name: str, profile: Profile) -> Facts:
    """What the task `name` says of its data in `profile`, under "facts"; nothing is run on it.

    UsageError for a method, a family and an unknown name; DataError where the data is not at hand.
    """
    from suite import catalog, settings
    from suite.data import resolve

    others = known("method", "family")
    if name not in catalog.tasks() and name in others:
        raise UsageError(f"'{name}' is no task; --data goes with a task, `suite list tasks` shows all")
    spec = catalog.task(name)
    preset = spec.presets.get(profile, {})
    task: Task = settings.build(catalog.load(spec.where), spec.name, spec.params, preset)
    found = task.facts(Context(seed=0, profile=profile, data=resolve))
    return {"kind": "task", "name": spec.name, "profile": profile, "facts": dict(found)}


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
        for profile in PROFILES:
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


def _data_text(facts: Facts) -> str:
    head = f"{facts['name']}: data of profile {facts['profile']}"
    if not facts["facts"]:
        return f"{head}: the task says nothing of it\n"
    rows = [{"fact": name, "value": value} for name, value in facts["facts"].items()]
    return f"{head}\n{table(rows, ['fact', 'value'])}"


def _part(label: str, value: Any) -> str:
    if label == "paper":
        return f"paper: {value['title']} ({value['year']})" + (f", {value['link']}" if value["link"] else "")
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
    exact = {"default", *PROFILES}
    return [{k: _setting(v) if k in exact else v for k, v in row.items()} for row in rows]


def _setting(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
