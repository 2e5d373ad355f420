"""Templates to text: every value is escaped, unless it is a chart or a table made here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from leaderboard import figures

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, up: str, view: Mapping[str, Any]) -> str:
    """The text of a page; `up` leads from it to the site's folder."""
    return _environment().get_template(template).render(up=up, **view)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"clean": figures.clean, "broken": broken, "slug": figures.slug}
    return made


def broken(name: Any) -> Markup:
    """A metric's name that may be broken after each underscore."""
    return Markup("_<wbr>").join(escape(part) for part in figures.clean(name).split("_"))
