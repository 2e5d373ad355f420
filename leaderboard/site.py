"""The static site: pages of a board, written to a folder that works from disk and asks no outside host."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from leaderboard import figures, views
from leaderboard.board import Board
from suite.api import MethodSpec
from suite.errors import UsageError

TEMPLATES = Path(__file__).parent / "templates"
PLAIN_FILES = ("style.css", "sort.js")
OURS = ".touchstone-site"


def build(board: Board, methods: Mapping[str, MethodSpec], out: Path) -> int:
    """Write the site of `board` to `out`, replacing an earlier one; the number of pages.

    The pages are made in a folder beside `out` which then takes its place, so that a build that is
    stopped leaves the earlier site whole. UsageError where `out` holds anything else.
    """
    if out.exists() and not _replaceable(out):
        raise UsageError(
            f"{out} holds something that is no site of this suite; choose another folder with --out"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise _unwritable(out, error) from None
    try:
        count = _write(pages(board, methods), made)
        made.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        made.rename(out)
    except OSError as error:
        raise _unwritable(out, error) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return count


def pages(board: Board, methods: Mapping[str, MethodSpec]) -> Iterator[tuple[str, str]]:
    """(path below the site's folder, text) of every page."""
    environment = _environment()
    yield "index.html", environment.get_template("index.html").render(up="", **views.index(board))
    for name, view in views.tasks(board):
        yield name, environment.get_template("task.html").render(up="../", **view)
    for name, view in views.methods(board, methods):
        yield name, environment.get_template("method.html").render(up="../../", **view)


def _write(made: Iterator[tuple[str, str]], folder: Path) -> int:
    count = 0
    folders = set()
    for name, text in made:
        path = folder / name
        if path.parent not in folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            folders.add(path.parent)
        path.write_bytes(text.encode())
        count += 1
    for name in PLAIN_FILES:
        (folder / name).write_bytes((TEMPLATES / name).read_bytes())
    (folder / OURS).write_bytes(b"")
    return count


def _replaceable(out: Path) -> bool:
    return out.is_dir() and ((out / OURS).exists() or not any(out.iterdir()))


def _unwritable(out: Path, error: OSError) -> UsageError:
    return UsageError(
        f"the site cannot be written to {out}: {error.strerror or error}; choose another with --out"
    )


@cache
def _environment() -> Environment:
    """Templates in which every value is escaped, unless it is a chart made of numbers."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"clean": figures.clean, "broken": _broken}
    return made


def _broken(name: Any) -> Markup:
    """A metric's name that may be broken after each underscore."""
    return Markup("_<wbr>").join(escape(part) for part in figures.clean(name).split("_"))
