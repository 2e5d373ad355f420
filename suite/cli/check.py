"""`suite check METHOD`: whether a competitor keeps its contract."""

from __future__ import annotations

from typing import Any

import click

from suite.cli.output import METHOD, TASK, json_option, to_json


@click.command()
@click.argument("method", type=METHOD)
@click.option(
    "--task", type=TASK, help="The task to check on; by default the family's first that needs no file."
)
@json_option
@click.pass_context
def command(ctx: click.Context, method: str, task: str | None, fmt: str) -> None:
    """Test that a competitor keeps its contract; exit 1 when it breaks a promise."""
    from suite.threads import settle

    settle()
    from suite.conformance import checks

    found: list[dict[str, Any]] = []
    for check in checks(method, task):
        broken = _broken(check)
        found.append({"check": check.name, "promise": check.promise, "broken": broken})
        if fmt == "text":
            mark = "ok    " if broken is None else "BROKEN"
            click.echo(f"{mark} {check.name:<12} {check.promise}" + (f"\n       {broken}" if broken else ""))
    if fmt == "json":
        click.echo(to_json({"method": method, "checks": found}), nl=False)
    ctx.exit(1 if any(row["broken"] for row in found) else 0)


def _broken(check: Any) -> str | None:
    """Why a promise is broken, None where it is kept; whatever the competitor raises breaks it."""
    from suite.errors import DataError, UsageError

    try:
        check()
    except (DataError, UsageError):
        raise
    except Exception as error:
        return f"{error}" if str(error) else type(error).__name__
    return None
