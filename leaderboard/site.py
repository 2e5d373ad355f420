"""The static site: pages of a board, written to a folder that works from disk and asks no outside host."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from leaderboard import bundle, comparepages, downloads, runpages, workers
from leaderboard.content import Content
from leaderboard.render import render
from leaderboard.views import claims, family, front, method, names, paper, runs, search, task
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.store import Store

STATIC = Path(__file__).parent / "static"
PLAIN_FILES = ("style.css", "theme.js", "app.js")
OURS = ".touchstone-site"
# Below this many pages of runs a second process takes longer to start than it saves.
MANY, GROUP = 400, 20
Page = tuple[str, str]
Job = Callable[[], Iterator[Page]]


def build(content: Content, out: Path, store: Store | None = None, processes: int = 1) -> int:
    """Write the site to `out`, replacing an earlier one; the number of pages.

    With a `store`, also the pages of single runs, the comparisons and the downloads. The pages are made in
    a folder beside `out` which then takes its place, so that a build that is stopped leaves the earlier
    site whole. UsageError where `out` holds anything else.
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
        count = _fill(made, content, store, processes)
        made.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        made.rename(out)
    except OSError as error:
        raise _unwritable(out, error) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return count


def _fill(folder: Path, content: Content, store: Store | None, processes: int) -> int:
    if sum(len(found) for found in content.by_method.values()) < MANY:
        processes = 1
    _find_intervals(content, processes)
    with workers.started(processes, _jobs(content), lambda job: _write(job(), folder)) as counted:
        count = _write(_single(content), folder)
        if store is not None:
            count += _write(runpages.pages(content.board, store, render, content.logged), folder)
            count += _write(comparepages.pages(content.board, store, render), folder)
            count += downloads.write(content.board, store, content.judged, folder, render)
    count += sum(counted)
    for name in PLAIN_FILES:
        (folder / name).write_bytes((STATIC / name).read_bytes())
    bundle.write(folder)
    (folder / OURS).write_bytes(b"")
    return count


def _find_intervals(content: Content, processes: int) -> None:
    """Find the interval of every entry once: the processes that make the pages could not share them."""
    tables = content.board.tables
    found = workers.each(processes, tables, lambda table: [entry.interval() for entry in table.entries])
    for table, intervals in zip(tables, found, strict=True):
        for entry, interval in zip(table.entries, intervals, strict=True):
            entry.remember(interval)


def pages(content: Content) -> Iterator[Page]:
    """(path below the site's folder, text) of every page that the board alone can fill."""
    yield from _single(content)
    for job in _jobs(content):
        yield from job()


def _jobs(content: Content) -> list[Job]:
    """Parts of the site that can be made side by side: each family's page, each task's with its runs."""
    methods = list(content.by_method)
    return [
        *(partial(_family, content, name) for name in content.by_family),
        *(partial(_task, content, name) for name in content.by_task),
        *(partial(_methods, content, methods[i : i + GROUP]) for i in range(0, len(methods), GROUP)),
    ]


def _single(content: Content) -> Iterator[Page]:
    yield "index.html", render("index.html", "", front.front(content))
    yield "search.js", search.script(content)
    yield "claims.html", render("claims.html", "", claims.view(content))
    yield "papers.html", render("papers.html", "", paper.index(content))
    for slug in content.papers:
        yield names.paper_page(slug), render("paper.html", "../", paper.view(content, slug))


def _family(content: Content, name: str) -> Iterator[Page]:
    yield names.family_page(name), render("family.html", "../", family.view(content, name))


def _methods(content: Content, group: Sequence[str]) -> Iterator[Page]:
    for name in group:
        yield names.method_page(name), render("method.html", "../", method.view(content, name))


def _task(content: Content, name: str) -> Iterator[Page]:
    """The page of a task, and those of each method's runs on it."""
    yield names.task_page(name), render("task.html", "../", task.view(content, name))
    for competitor, found in runs.by_method(content.by_task[name]).items():
        page = names.runs_page(name, competitor)
        yield page, render("runs.html", "../../", runs.view(content, name, competitor, found))


def _write(made: Iterator[Page], folder: Path) -> int:
    """Write the pages; the number of those that are for readers, which scripts with data are not."""
    count = 0
    folders = set()
    for name, text in made:
        path = folder / name
        if path.parent not in folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            folders.add(path.parent)
        path.write_bytes(text.encode())
        count += name.endswith(".html")
    return count


def _replaceable(out: Path) -> bool:
    return out.is_dir() and ((out / OURS).exists() or not any(out.iterdir()))


def _unwritable(out: Path, error: OSError) -> UsageError:
    return UsageError(
        f"the site cannot be written to {out}: {error.strerror or error}; choose another with --out"
    )
