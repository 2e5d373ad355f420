"""`suite doctor`: what this machine has, what is missing, and the one command or folder that helps."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

import click

from suite.cli.output import json_option, results_option, table, to_json

State = Literal["ok", "missing", "note"]
OLDEST_PYTHON = (3, 11)
TORCH = ((2, 6), (2, 14))
NEEDED = ("torch", "numpy", "pyarrow", "safetensors", "click", "platformdirs", "tqdm")
SOME_TASKS = ("transformers", "peft", "datasets", "pandas", "lm_eval", "gguf", "pillow", "jinja2")
FREE_DISK_MB = 1000


class Check(NamedTuple):
    """One thing looked at: 'missing' is needed for the small profile, a 'note' is not."""

    check: str
    state: State
    found: str
    help: str = ""


@click.command()
@results_option
@json_option
def command(results: Path, fmt: str) -> int:
    """Say what this machine has and lacks; exit code 1 when the small profile cannot run."""
    checks = list(examine(results))
    fine = all(check.state != "missing" for check in checks)
    if fmt == "json":
        click.echo(to_json({"ok": fine, "checks": [check._asdict() for check in checks]}), nl=False)
    else:
        click.echo(table([check._asdict() for check in checks], Check._fields), nl=False)
        click.echo("ready for the small profile" if fine else "not ready: see the lines marked 'missing'")
    return 0 if fine else 1


def examine(results: Path) -> Iterator[Check]:
    """Every check, cheap ones only: no package is imported to learn its version."""
    yield _python()
    for name in NEEDED:
        yield _package(name, "missing")
    for name in SOME_TASKS:
        yield _package(name, "note")
    yield _threads()
    yield _memory()
    yield _disk(results)
    yield _writable(results)
    yield from _data()


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info[:2] >= OLDEST_PYTHON
    return Check("python", "ok" if fine else "missing", found, "" if fine else "install Python 3.11 or newer")


def _package(name: str, otherwise: State) -> Check:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check(name, otherwise, "", f"pip install {name} -c ci/constraints.txt")
    if name == "torch" and not TORCH[0] <= _numbers(found) < TORCH[1]:
        return Check(name, "missing", found, "pip install 'torch>=2.6,<2.14'")
    return Check(name, "ok", found)


def _numbers(text: str) -> tuple[int, ...]:
    """(2, 13) of '2.13.0+cpu'."""
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _threads() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS", "not set")
    return Check("threads", "ok", f"{cores} cores, OMP_NUM_THREADS {limit}")


def _memory() -> Check:
    from suite import catalog

    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    need = max(
        (m.needs["small"].memory_mb for m in catalog.methods().values() if "small" in m.needs), default=0
    )
    fine = have >= need
    return Check(
        "memory", "ok" if fine else "missing", f"{have:,} MB", "" if fine else f"one method needs {need:,} MB"
    )


def _disk(results: Path) -> Check:
    free = shutil.disk_usage(_nearest(results)).free // 2**20
    fine = free >= FREE_DISK_MB
    help_line = "" if fine else f"free {FREE_DISK_MB:,} MB or choose another --results folder"
    return Check("disk", "ok" if fine else "missing", f"{free:,} MB free", help_line)


def _writable(results: Path) -> Check:
    place = _nearest(results)
    fine = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return Check(
        "results",
        "ok" if fine else "missing",
        str(results),
        "" if fine else "choose another --results folder",
    )


def _nearest(path: Path) -> Path:
    """The path itself or the nearest folder above it that exists."""
    path = path.absolute()
    return next(p for p in (path, *path.parents) if p.exists())


def _data() -> Iterator[Check]:
    """The files that tasks name; one without a known checksum cannot be fetched, so it is a note."""
    from suite import catalog
    from suite.data.files import missing, state
    from suite.data.registry import select

    for name in sorted({name for task in catalog.tasks().values() for name in task.data}):
        for entry, file in select(name):
            found, path = state(entry, file)
            title = f"data {entry.name}/{file.name}"
            if found == "missing":
                mark: State = "note" if file.sha256 is None else "missing"
                help_line = str(missing(entry, file)).rpartition("; ")[2]
                yield Check(title, mark, "not at hand", help_line)
            elif found == "damaged":
                help_line = f"remove it and run `suite data get {entry.name}`"
                yield Check(title, "missing", f"{path} is damaged", help_line)
            else:
                yield Check(title, "ok", str(path) if found == "ok" else f"{path} (no checksum known)")
