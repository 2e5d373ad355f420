"""`suite data show NAME`: all that is known of a data set, and its first rows on request."""

from __future__ import annotations

from typing import Any

import click

from suite.cli.output import table, to_json
from suite.data import files
from suite.data.registry import Entry, File, entry, select

Facts = dict[str, Any]
LABELS = ("summary", "licence", "citation", "source", "revision", "hub", "reading", "derived")
COLUMNS = ("file", "bytes", "rows", "at_hand", "reader", "sha256", "from")
NOT_CHECKED = "no: hub id, splits and licence were not compared with their home"


def facts_of(name: str) -> Facts:
    """What is known of a data set or of one of its files, as plain values. No file is opened."""
    owner = entry(name.partition("/")[0])
    rows = [_file(owner, file) for _, file in select(name)]
    return {
        "data": owner.name,
        **{label: getattr(owner, label) for label in LABELS},
        "papers": list(owner.papers),
        "checked": owner.checked,
        "bytes": owner.bytes,
        "files": rows,
    }


def text(facts: Facts) -> str:
    """The facts as lines 'label: value', the table of the files, and what differs from file to file."""
    lines = [f"data: {facts['data']}"]
    lines += [f"{label}: {facts[label]}{_doubt(label, facts)}" for label in LABELS if facts[label]]
    if not facts["revision"]:
        lines.append("revision: none pinned")
    lines.append(f"papers: {', '.join(facts['papers']) or 'none'}")
    lines.append(f"checked: {'yes' if facts['checked'] else NOT_CHECKED}")
    lines.append(f"size: {_size(facts)}")
    notes = [
        f"{row['file']}: {label}: {value}"
        for row in facts["files"]
        for label in ("columns", "source", "licence")
        if (value := ", ".join(row[label]) if label == "columns" else row[label])
    ]
    return "\n".join([*lines, "", table(facts["files"], COLUMNS) + "\n".join(["", *notes] if notes else [])])


def _doubt(label: str, facts: Facts) -> str:
    """A hub id that no file comes from was written down from memory."""
    return (
        " (not compared with the hub; no file comes from it)" if label == "hub" and facts["checked"] else ""
    )


def _size(facts: Facts) -> str:
    held = sum(row["at_hand"] for row in facts["files"])
    known = "not known" if facts["bytes"] is None else f"{facts['bytes']:,} bytes"
    return f"{known} in all, uncompressed; {held} of {len(facts['files'])} files at hand"


def _file(owner: Entry, file: File) -> Facts:
    return {
        "file": f"{owner.name}/{file.name}",
        "bytes": file.bytes,
        "rows": file.rows,
        "at_hand": files.locate(owner, file) is not None,
        "reader": file.format,
        "sha256": file.sha256,
        "from": _from(owner, file),
        "columns": list(file.columns),
        "source": file.origin,
        "licence": file.licence,
    }


def _from(owner: Entry, file: File) -> str:
    if owner.from_hub:
        return f"the hub, {owner.hub}"
    if not file.address:
        return "SUITE_DATA_DIR alone, made as 'derived' says" if owner.derived else "SUITE_DATA_DIR alone"
    return f"{file.address}, member {file.member}" if file.member else file.address


def head(name: str, count: int) -> list[Facts]:
    """The columns and the first `count` rows of every file at hand that `name` stands for."""
    from suite.data.readers import read

    found = []
    for owner, file in select(name):
        if files.locate(owner, file) is None:
            continue
        rows = read(f"{owner.name}/{file.name}")
        found.append(
            {
                "file": f"{owner.name}/{file.name}",
                "rows": rows.num_rows,
                "columns": {field.name: str(field.type) for field in rows.schema},
                "head": [
                    {key: _short(value) for key, value in row.items()}
                    for row in rows.slice(0, count).to_pylist()
                ],
            }
        )
    return found


def _short(value: Any) -> Any:
    """A value that a terminal can show: encoded bytes are counted, long text and lists are cut."""
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, (str, list, dict)):
        shown = value if isinstance(value, str) else str(value)
        return shown if len(shown) <= 200 else f"{shown[:200]}... ({len(shown):,} characters)"
    return value


def show(name: str, rows: int, fmt: str) -> None:
    """Print what `suite data show` says."""
    facts = facts_of(name)
    if rows:
        facts["read"] = head(name, rows)
    if fmt == "json":
        click.echo(to_json(facts), nl=False)
        return
    click.echo(text(facts).rstrip("\n"))
    for found in facts.get("read", []):
        columns = ", ".join(f"{column} ({kind})" for column, kind in found["columns"].items())
        click.echo(f"\n{found['file']}: {found['rows']:,} rows; columns {columns}")
        for row in found["head"]:
            click.echo("  " + "; ".join(f"{key}: {' '.join(str(v).split())}" for key, v in row.items()))
