"""Papers: stable names, BibTeX that no title can break, and looking one up."""

from __future__ import annotations

import hashlib
import re

import pytest
import toy_plugin

from suite import catalog, claims, papers
from suite.api import Paper
from suite.errors import UsageError
from suite.papers import bibtex, slug

LEXSYM = Paper("LexSym: Compositionality as Lexical Symmetry", 2023, "https://arxiv.org/abs/2201.12926")


def digest(title: str) -> str:
    return hashlib.sha256(title.encode()).hexdigest()[:8]


def test_a_slug_is_words_and_year() -> None:
    assert slug(LEXSYM) == "lexsym-compositionality-as-lexical-symmetry-2023"
    assert slug(Paper("Café: a  naïve & plain Title!", 1999, "")) == "cafe-a-naive-plain-title-1999"


@pytest.mark.parametrize("title", ["", "!!!", "组合泛化", "Über 组合"])
def test_a_title_that_letters_cannot_tell_apart_gets_a_hash(title: str) -> None:
    words = "uber-" if title.startswith("Ü") else ""
    assert slug(Paper(title, 2024, "")) == f"{words}{digest(title)}-2024"


def test_a_long_title_is_cut_and_stays_apart_from_others() -> None:
    one, other = ("word " * 50 + end for end in ("a", "b"))
    assert slug(Paper(one, 2024, "")) != slug(Paper(other, 2024, ""))
    assert len(slug(Paper(one * 40, 2024, ""))) <= 120


def test_bibtex_is_an_entry_with_title_year_and_address() -> None:
    assert bibtex(LEXSYM) == (
        "@misc{lexsym-compositionality-as-lexical-symmetry-2023,\n"
        "  title = {{LexSym: Compositionality as Lexical Symmetry}},\n"
        "  year = {2023},\n"
        "  url = {https://arxiv.org/abs/2201.12926},\n"
        "  eprint = {2201.12926},\n"
        "  archiveprefix = {arXiv},\n"
        "}\n"
    )


def test_a_paper_without_address_has_none() -> None:
    assert "url" not in bibtex(Paper("A title", 2025, ""))


def test_what_tex_gives_a_meaning_is_escaped() -> None:
    title = r"50% of A&B_c #1 costs $2 ~ {x}^2 \ done"
    assert (
        r"title = {{50\% of A\&B\_c \#1 costs \$2 \textasciitilde{} \textbraceleft{}x\textbraceright{}"
        r"\textasciicircum{}2 \textbackslash{} done}}"
    ) in bibtex(Paper(title, 2024, ""))


@pytest.mark.parametrize(
    "text",
    ["}} @misc{evil, title={x}", "{{{", "a\nb\r\n\tc\x00d", '"quoted" <script>', "\u202eright to left"],
)
def test_no_text_breaks_an_entry(text: str) -> None:
    entry = bibtex(Paper(text, 2024, f"https://example.org/{text}"))
    lines = entry.splitlines()
    assert len(lines) == 5 and entry.count("@misc{") == 1
    depth = 0
    for char in entry:
        depth += {"{": 1, "}": -1}.get(char, 0)
        assert depth >= 0
    assert depth == 0
    # The address has no brace, blank or quote that would end its field.
    (address,) = re.findall(r"url = \{(.*)\},", entry)
    assert not set(address) & set('{}"\\ ')


def test_every_paper_of_tasks_methods_and_claims_is_listed() -> None:
    found = papers.papers()
    assert list(found) == sorted(found)
    named = [spec.paper for spec in (*catalog.tasks().values(), *catalog.methods().values())]
    for book in claims.books().values():
        named += [item.paper for item in (*book.claims, *book.published, *book.audits)]
    assert {slug(paper) for paper in named} == set(found)
    assert found["a-toy-2024"] == toy_plugin.PAPER


def test_of_two_mentions_the_one_with_a_link_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, linked = Paper("Same", 2024, ""), Paper("Same", 2024, "https://example.org")
    for order in ([plain, linked], [linked, plain]):
        monkeypatch.setattr(papers, "_mentioned", lambda order=order: iter(order))
        assert papers.papers() == {"same-2024": linked}


def test_the_bibliography_has_each_paper_once() -> None:
    keys = re.findall(r"^@misc\{(.*),$", papers.bibliography(), re.MULTILINE)
    assert keys == list(papers.papers())


def test_a_paper_is_found_by_slug_or_words() -> None:
    assert papers.find("a-toy-2024") == "a-toy-2024"
    assert papers.find("Lexical  SYMMETRY") == slug(LEXSYM)
    with pytest.raises(UsageError, match="'learning to substitute' fits several papers: .*-2025, .*-2023"):
        papers.find("learning to substitute")
    with pytest.raises(UsageError, match="paper 'a-toi-2024' not found; did you mean 'a-toy-2024'"):
        papers.find("a-toi-2024")
    with pytest.raises(UsageError, match="not found"):
        papers.find("")
