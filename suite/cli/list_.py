"""`suite list`: tasks, methods or families, from their specs alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from suite.api import MethodSpec, TaskSpec
from suite.cli.output import Name, format_option, table
from suite.errors import unknown

COLUMNS = {
    "tasks": ("task", "family", "primary", "paper", "summary"),
    "methods": ("method", "family", "role", "paper", "summary"),
    "families": ("family", "tasks", "methods"),
}
EVERYTHING = ("kind", "name", "family", "summary")


@click.command()
@click.argument("what", required=False, type=click.Choice(tuple(COLUMNS)))
@click.option("--family", type=Name("family"), help="Only this family.")
@format_option
def command(what: str | None, family: str | None, fmt: str) -> None:
    """List tasks, methods or families; without an argument everything."""
    from suite import catalog

    tasks, methods = list(catalog.tasks().values()), list(catalog.methods().values())
    if family is not None:
        families = {t.family for t in tasks} | {m.family for m in methods}
        if family not in families:
            raise unknown("family", family, families, "suite list families")
        tasks = [t for t in tasks if t.family == family]
        methods = [m for m in methods if m.family == family]
    columns = COLUMNS[what] if what else EVERYTHING
    click.echo(table(_rows(what, tasks, methods), columns, fmt), nl=False)


def _rows(what: str | None, tasks: list[TaskSpec], methods: list[MethodSpec]) -> list[Mapping[str, Any]]:
    if what == "tasks":
        return [
            {"task": t.name, "family": t.family, "primary": t.primary, "paper": cite(t), "summary": t.summary}
            for t in tasks
        ]
    if what == "methods":
        return [
            {"method": m.name, "family": m.family, "role": m.role, "paper": cite(m), "summary": m.summary}
            for m in methods
        ]
    if what == "families":
        return _families(tasks, methods)
    return [
        {"kind": kind, "name": spec.name, "family": spec.family, "summary": spec.summary}
        for kind, specs in (("task", tasks), ("method", methods))
        for spec in specs
    ]


def _families(tasks: list[TaskSpec], methods: list[MethodSpec]) -> list[Mapping[str, Any]]:
    names = sorted({t.family for t in tasks} | {m.family for m in methods})
    return [
        {
            "family": name,
            "tasks": sum(t.family == name for t in tasks),
            "methods": sum(m.family == name for m in methods),
        }
        for name in names
    ]


def cite(spec: TaskSpec | MethodSpec) -> str:
    """Title and year of the paper of a spec."""
    return f"{spec.paper.title} ({spec.paper.year})"
