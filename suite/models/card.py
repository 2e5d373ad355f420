"""The model card of a named model: the zoo's own, or one made from the entry."""

from __future__ import annotations

from collections.abc import Iterator

from suite.models import terms
from suite.models.registry import Entry
from suite.models.sources import ZOO, locate

CARD = "card.md"


def card(entry: Entry) -> str:
    """Markdown, with a line break at the end."""
    if entry.recipe:
        found = locate(entry)
        for folder in (found.path if found else ZOO / entry.name, ZOO / entry.name):
            if (folder / CARD).is_file():
                return (folder / CARD).read_text().rstrip() + "\n"
    return "\n".join(_lines(entry)) + "\n"


def facts(entry: Entry) -> dict[str, str | int | None]:
    """What the entry states, by the word that `suite models show` prints before it; without empty ones."""
    stated: dict[str, str | int | None] = {
        "summary": entry.summary,
        "kind": entry.kind,
        "architecture": entry.architecture,
        "parameters": entry.parameters,
        "licence": entry.licence,
        "terms": f"{entry.terms.title} ({entry.terms.link})" if entry.terms else "",
        "accepted": _accepted(entry),
        "citation": entry.citation,
        "source": entry.source,
        "hub": entry.hub + (f" at {entry.revision}" if entry.revision else ""),
        "packages": ", ".join(f"{w.package}=={w.version}" for w in entry.wheels),
        "data folder": entry.data,
        "recipe": entry.recipe,
        "conversion": entry.convert,
        "images": _images(entry),
        "verified": "" if entry.verified else "no: stated from the paper, not tried here",
        "notes": entry.notes,
    }
    return {label: value for label, value in stated.items() if value not in ("", None)}


def _accepted(entry: Entry) -> str:
    return (terms.accepted(entry) or "not yet") if entry.terms else ""


def _images(entry: Entry) -> str:
    if entry.images is None:
        return ""
    mean, std = (", ".join(f"{v:.3f}" for v in values) for values in (entry.images.mean, entry.images.std))
    return f"{entry.images.size} pixels a side, mean {mean}, std {std}"


def _lines(entry: Entry) -> Iterator[str]:
    shown = facts(entry)
    yield from (f"# {entry.name}", "", str(shown.pop("summary")), "")
    notes = shown.pop("notes", None)
    yield from ("| | |", "|---|---|")
    for label, value in shown.items():
        yield f"| {label} | {value:,} |" if isinstance(value, int) else f"| {label} | {value} |"
    pinned = [(m.path, m.bytes, m.sha256) for w in entry.wheels for m in w.members]
    if pinned := pinned or [(f.name, f.bytes, f.sha256) for f in entry.files]:
        yield from ("", "| file | bytes | SHA-256 |", "|---|---|---|")
        for name, size, sha256 in pinned:
            yield f"| {name} | {size:,} | {sha256} |"
    if notes:
        yield from ("", str(notes))
