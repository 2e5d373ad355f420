"""What the search box of the front page looks through."""

from __future__ import annotations

import json

from leaderboard import figures
from leaderboard.content import Content
from leaderboard.views import names

LONGEST = 300


def script(content: Content) -> str:
    """A script file with (kind, name, page, what it is) of every family, task, method and paper."""
    found = [("family", name, names.family_page(name), "") for name in content.by_family]
    for task, tables in content.by_task.items():
        spec = tables[0].spec
        found.append(("task", task, names.task_page(task), spec.summary if spec else ""))
    for method in content.by_method:
        known = content.methods.get(method)
        found.append(("method", method, names.method_page(method), known.summary if known else ""))
    for slug, paper in content.papers.items():
        found.append(("paper", paper.title, names.paper_page(slug), str(paper.year)))
    rows = [[kind, _short(name), page, _short(about)] for kind, name, page, about in found]
    return f"window.touchstoneIndex = {embedded(rows)};\n"


def _short(text: str) -> str:
    plain = figures.clean(text)
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def embedded(value: object) -> str:
    """JSON that is safe inside a script element and in a script file: no `<`, `>`, `&` or line separator.

    NaN and infinities have no JSON; they become null.
    """
    text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    for unsafe in "<>&\u2028\u2029":
        text = text.replace(unsafe, f"\\u{ord(unsafe):04x}")
    return text.encode("utf-8", "replace").decode()


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
