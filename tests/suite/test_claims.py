"""The vocabulary of claims: every claim of every family is testable, and a broken one is named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import toy_plugin

from suite import catalog, claims
from suite.claims import Audit, Book, Bound, Check, Claim, Published, Ranking
from suite.errors import UsageError

BOOKS = claims.books()
CLAIMS = [claim for book in BOOKS.values() for claim in book.claims]
PUBLISHED = [figure for book in BOOKS.values() for figure in book.published]
TOY = {
    "id": "toy-claim",
    "paper": toy_plugin.PAPER,
    "where": "Table 1",
    "statement": "It is so.",
    "tasks": ("toy",),
    "metric": "accuracy",
}


def problems(claim: claims.AnyClaim) -> tuple[str, ...]:
    return claims.problems(claim, catalog.tasks(), catalog.methods())


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.id)
def test_every_claim_can_be_tested(claim: claims.AnyClaim) -> None:
    assert problems(claim) == ()
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", claim.id)
    assert claim.where and claim.statement.endswith(".") and claim.paper.title


@pytest.mark.parametrize("claim", [c for c in CLAIMS if isinstance(c, Check)], ids=lambda c: c.id)
def test_every_check_has_its_function(claim: Check) -> None:
    assert callable(catalog.load(claim.where_code))


def test_no_two_claims_share_an_id() -> None:
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("figure", PUBLISHED, ids=lambda f: f"{f.method} on {f.task}")
def test_every_published_figure_is_of_something_here_and_says_where_from(figure: Published) -> None:
    task = catalog.tasks()[figure.task]
    assert catalog.methods()[figure.method].family == task.family
    assert task.metric(figure.metric) is not None
    assert figure.where and figure.source and figure.setting and figure.differs


@pytest.mark.parametrize("book", BOOKS.values(), ids=lambda b: b.family)
def test_every_note_says_whose_it_is_and_is_about_something(book: Book) -> None:
    ids = {claim.id for claim in book.claims}
    for audit in book.audits:
        assert audit.text and audit.source and audit.by
        assert not audit.about or audit.about in ids
    figures = [(p.paper, p.task, p.method, p.metric, p.slice, p.setting) for p in book.published]
    assert len(set(figures)) == len(figures)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tasks": ()}, "names no task"),
        ({"tasks": ("tyo",)}, "no task 'tyo'"),
        ({"metric": "acuracy"}, "task 'toy' has no metric 'acuracy'"),
        ({"better": "toy-cion"}, "no method 'toy-cion'"),
        ({"worse": ()}, "names nothing that `better` is compared with"),
        ({"worse": ("toy-coin",)}, "compares 'toy-coin' with itself"),
        ({"worse": ("geca",)}, "method 'geca' cannot run on task 'toy'"),
        ({"profile": "huge"}, "no profile 'huge'"),
    ],
)
def test_what_makes_a_comparison_untestable_is_named(changes: dict[str, Any], problem: str) -> None:
    fields: dict[str, Any] = TOY | {"better": "toy-coin", "worse": ("toy-slow",)}
    assert problems(Claim(**fields)) == ()
    assert problems(Claim(**fields | changes)) == (problem,)


def test_a_metric_without_a_better_side_takes_a_bound_only() -> None:
    place: dict[str, Any] = TOY | {"tasks": ("scan-jump",), "metric": "aug_consistency"}
    (problem,) = problems(Claim(**place, better="compsub", worse=("geca",)))
    assert problem == "metric 'aug_consistency' of task 'scan-jump' has no better side; use a Bound"
    assert problems(Bound(**place, method="compsub", relation="at least", value=1.0)) == ()


@pytest.mark.parametrize("where_code", ["", "module", ":function", "module:"])
def test_a_check_names_module_and_function(where_code: str) -> None:
    check = Check(id="a", paper=toy_plugin.PAPER, where="", statement="", where_code=where_code)
    assert problems(check) == ("where_code must be module:function",)


def test_a_family_without_a_claims_file_has_no_book() -> None:
    assert "compositional" in BOOKS and "toy" not in BOOKS


def test_a_plug_in_brings_claims_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "claiming.py").write_text(
        "from suite.claims import Check\n"
        "from toy_plugin import METHODS, PAPER, TASKS\n"
        "CLAIMS = [Check(id='c', paper=PAPER, where='', statement='', where_code='claiming:holds')]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SUITE_PLUGINS", "claiming")
    found = claims.books()
    assert [claim.id for claim in found["toy"].claims] == ["c"]
    assert found["compositional"] == BOOKS["compositional"]


def test_a_plug_in_that_breaks_takes_no_claims_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUITE_PLUGINS", "no_such_module_anywhere")
    assert claims.books() == BOOKS


def test_a_claim_is_found_by_its_id_or_its_nearest_one() -> None:
    book, claim = claims.find("scan-grammar", BOOKS)
    assert (book.family, claim.id) == ("compositional", "scan-grammar")
    with pytest.raises(UsageError, match="claim 'scan-gramar' not found; did you mean 'scan-grammar'"):
        claims.find("scan-gramar", BOOKS)


def test_notes_and_figures_go_with_their_claim() -> None:
    other = toy_plugin.Paper("Another", 2024, "")
    claim = Claim(**TOY, better="toy-coin", worse=("toy-slow",))  # type: ignore[arg-type]

    def note(about: str = "", paper: Any = toy_plugin.PAPER) -> Audit:
        return Audit(paper=paper, text="t", source="s", by="b", about=about)

    def figure(**more: Any) -> Published:
        fields = {"paper": other, "where": "", "task": "toy", "method": "toy-slow", "metric": "accuracy"}
        return Published(**fields | {"value": 0.5} | more)

    notes = (note(), note("toy-claim"), note("another-claim"), note(paper=other))
    figures = (
        figure(),
        figure(method="toy-coin"),
        figure(method="toy-oom"),
        figure(metric="errors"),
        figure(slice="even"),
        figure(task="elsewhere"),
    )
    book = Book("toy", (claim,), figures, notes)
    assert book.audits_of(claim) == (notes[1], notes[0])
    assert book.published_of(claim) == (figures[1], figures[0])
    bound = Bound(**TOY, method="toy-slow", relation="at least", value=0.1)  # type: ignore[arg-type]
    assert book.published_of(bound) == (figures[0],)
    check = Check(id="a", paper=toy_plugin.PAPER, where="", statement="", where_code="a:b")
    assert book.published_of(check) == ()


def test_the_vocabulary_loads_nothing_heavy() -> None:
    code = "import sys, suite.claims, suite.papers; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "suite.claims" in loaded and not {"numpy", "pyarrow", "pandas", "torch"} & set(loaded)


def test_the_example_in_the_docs_is_a_claims_file() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/claims.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    lists: dict[str, Any] = {}
    exec(example, lists)
    assert [type(claim) for claim in lists["CLAIMS"]] == [Claim, Bound, Ranking, Check]
    assert [problems(claim) for claim in lists["CLAIMS"]] == [()] * 4
    book = Book("x", tuple(lists["CLAIMS"]), tuple(lists["PUBLISHED"]), tuple(lists["AUDITS"]))
    assert book.published_of(book.claims[0]) == book.published
    assert book.audits_of(book.claims[0]) == book.audits
