"""Addresses of pages and the words that several of them use of a table, an entry or a paper."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from leaderboard import figures
from leaderboard.board import Entry, Table
from leaderboard.content import View
from suite import papers
from suite.api import Metric, Paper

ROLES = {
    "null": "floor",
    "ceiling": "ceiling",
    "control": "control",
    "paper": "paper's method",
    "baseline": "",
}
BETTER = {"higher": "higher is better", "lower": "lower is better", "neutral": "explains, is no score"}


def task_page(task: str) -> str:
    """Addresses are from the site's folder; a page puts its own way up before them."""
    return f"task/{figures.slug(task)}.html"


def runs_page(task: str, method: str) -> str:
    return f"task/{figures.slug(task)}/{figures.slug(method)}.html"


def method_page(method: str) -> str:
    return f"method/{figures.slug(method)}.html"


def family_page(family: str) -> str:
    return f"family/{figures.slug(family)}.html"


def paper_page(slug: str) -> str:
    return f"paper/{figures.slug(slug)}.html"


def anchor(entry: Entry) -> str:
    """The id of an entry's section on its page of runs: the profile, and a hash where more was chosen."""
    name = figures.slug(entry.cell["profile"])
    if not entry.base_model and entry.overrides in ("", "{}"):
        return name
    chosen = f"{entry.base_model}\n{entry.overrides}".encode(errors="replace")
    return f"{name}-{hashlib.sha256(chosen).hexdigest()[:8]}"


def named(entry: Entry, up: str) -> View:
    """A method as tables name it, with a link to its runs; `up` leads from the page to the site's folder."""
    page = runs_page(entry.cell["task"], entry.method)
    return {
        "method": entry.method,
        "page": f"{up}{page}#{anchor(entry)}",
        "with": figures.settings(entry.cell),
        "role": ROLES.get(entry.role, entry.role),
    }


def unit(table: Table, metric: str | None = None) -> str:
    """The unit of a metric of the table's task, "" where the catalogue has lost it."""
    found = table.spec.metric(metric or table.primary) if table.spec else None
    return found.unit if found else ""


def metric(found: Metric, primary: bool) -> View:
    return {"name": found.name, "better": BETTER[found.better], "summary": found.summary, "primary": primary}


def paper(found: Paper | None, up: str) -> View | None:
    """A paper with the page it has here; its address is a link only where it is one of the web."""
    if found is None:
        return None
    link = found.link if found.link.startswith(("https://", "http://")) else ""
    return {
        "title": found.title,
        "year": found.year,
        "link": link,
        "page": up + paper_page(papers.slug(found)),
    }


def costs(entry: Entry) -> Mapping[str, float | None]:
    """What an entry cost, by the names that the pages and their scripts use; None where it is not known.

    seconds: median of a run. peak_mb: largest, MiB. parameters, examples: of the seed with most.
    """
    return {
        "seconds": entry.seconds,
        "peak_mb": entry.peak_mb,
        "parameters": max(entry.per_seed("parameters").values(), default=None),
        "examples": max(entry.per_seed("examples_seen").values(), default=None),
    }


def shown_costs(entry: Entry) -> list[View]:
    """The costs in the order of COSTS, as a value to sort by and as a reader sees it."""
    found = costs(entry)
    shown = {
        "seconds": figures.seconds(found["seconds"]),
        "peak_mb": figures.memory(found["peak_mb"]),
        "parameters": figures.compact(found["parameters"]),
        "examples": figures.compact(found["examples"]),
    }
    return [{"key": key, "value": found[key], "shown": shown[key]} for key in COSTS]


COSTS = {
    "seconds": ("Time", "median, s"),
    "peak_mb": ("Memory", "peak, MiB"),
    "parameters": ("Parameters", "trained"),
    "examples": ("Examples", "trained on"),
}
