"""The papers behind tasks, methods and claims: a stable short name for each, and BibTeX.

Two mentions with the same title and year are one paper; the mention that has a link is kept.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

from suite.api import Paper
from suite.errors import UsageError, unknown

LONGEST = 100
ARXIV = re.compile(r"https?://arxiv\.org/abs/([^\s/?#]+)")
TEX = {
    **{c: "\\" + c for c in "&%$#_"},
    **{"\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
}


def slug(paper: Paper) -> str:
    """A name for addresses and keys, from title and year alone: "lexicon-learning-for-...-2021".

    Letters, digits and hyphens; where characters of the title are lost on the way, or it is too long, a
    hash of the title tells it from others.
    """
    plain = unicodedata.normalize("NFKD", paper.title)
    kept = "".join(c for c in plain if c.isascii())
    words = re.findall(r"[a-z0-9]+", kept.lower())
    name = "-".join(words)
    lost = any(c.isalnum() and not c.isascii() for c in plain)
    if lost or not words or len(name) > LONGEST:
        digest = hashlib.sha256(paper.title.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        name = "-".join(filter(None, [name[:LONGEST].rstrip("-"), digest]))
    return f"{name}-{paper.year}"


def papers() -> dict[str, Paper]:
    """Every paper that a task, a method or a claim names, by slug, sorted."""
    found: dict[str, Paper] = {}
    for paper in _mentioned():
        name = slug(paper)
        if name not in found or (paper.link and not found[name].link):
            found[name] = paper
    return dict(sorted(found.items()))


def _mentioned() -> Iterator[Paper]:
    from suite import catalog
    from suite.claims import books

    yield from (task.paper for task in catalog.tasks().values())
    yield from (method.paper for method in catalog.methods().values())
    for book in books().values():
        for listed in (book.claims, book.published, book.audits):
            yield from (item.paper for item in listed)


def find(text: str) -> str:
    """The slug of the one paper with that slug, or with `text` in its slug or title (case does not count).

    UsageError where no paper fits, or where several do.
    """
    known = papers()
    wanted = " ".join(text.lower().split())
    if wanted in known:
        return wanted
    fits = [name for name, paper in known.items() if wanted and _contains(name, paper, wanted)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise UsageError(f"'{text}' fits several papers: {', '.join(fits)}; name one of them")
    raise unknown("paper", wanted, known, "suite claims --format csv")


def _contains(name: str, paper: Paper, wanted: str) -> bool:
    return wanted in name or wanted in " ".join(paper.title.lower().split())


def bibtex(paper: Paper) -> str:
    """One @misc entry with key, title, year and address; an arXiv address also gives its number.

    The suite's papers have no list of authors, so none is written.
    """
    fields = {"title": "{" + _tex(paper.title) + "}", "year": str(paper.year)}
    if paper.link:
        fields["url"] = _address(paper.link)
    if arxiv := ARXIV.fullmatch(paper.link):
        fields |= {"eprint": _tex(arxiv[1]), "archiveprefix": "arXiv"}
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@misc{{{slug(paper)},", *lines, "}"]) + "\n"


def bibliography() -> str:
    """The entries of all papers, in order of their slugs, with a blank line between two."""
    return "\n".join(bibtex(paper) for paper in papers().values())


def _tex(text: str) -> str:
    """One line in which every character that TeX gives a meaning stands for itself."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return "".join(TEX.get(c, c) for c in line)


def _address(link: str) -> str:
    """The address with what would end or break a BibTeX field percent-encoded."""
    return quote(" ".join(link.split()), safe="!#$%&'()*+,-./:;=?@[]_~", errors="replace")
