"""What the pages of families, methods, papers and claims show, and the data that their scripts read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import toy_plugin
from html_pages import HOSTILE, Page
from logged_store import LoggedStore

from leaderboard import ledger, site
from leaderboard.claims import judge_all
from leaderboard.content import Content
from leaderboard.runpages import logged
from leaderboard.views import claims, names, search, task
from suite.budgets import Budget
from suite.claims import Audit, Book, Bound, Claim, Published
from suite.papers import slug

PAPER = toy_plugin.PAPER
METHODS = {spec.name: spec for spec in toy_plugin.METHODS}
TASKS = {spec.name: spec for spec in toy_plugin.TASKS}


def claim(**changes: Any) -> Claim:
    given: dict[str, Any] = {
        "id": "slow-wins",
        "paper": PAPER,
        "where": "Table 1",
        "statement": "Slow beats NaN.",
        "tasks": ("toy",),
        "metric": "accuracy",
        "better": "toy-slow",
        "worse": ("toy-nan",),
    }
    return Claim(**given | changes)


def pages(rows: Any, *claims: Any, published: Any = (), audits: Any = (), **fields: Any) -> dict[str, str]:
    board = rows.board()
    book = Book("toy", claims, tuple(published), tuple(audits))
    judged = judge_all(board, {"toy": book}, TASKS, METHODS)
    return dict(site.pages(Content(board, METHODS, judged, {"toy": book}, **fields)))


@pytest.fixture
def two(rows: Any) -> Any:
    """toy-slow 80 and toy-nan 60 %, three seeds each, with a floor at 50 %."""
    rows.seeds("toy-slow", [0.8, 0.81, 0.79])
    rows.seeds("toy-nan", [0.6, 0.62, 0.58])
    rows.seeds("toy-bad", [0.5, 0.5, 0.5])
    return rows


def test_a_supported_claim_stands_on_its_pages_with_difference_and_reason(two: Any) -> None:
    found = pages(two, claim())
    for name in ("claims.html", f"paper/{slug(PAPER)}.html", "method/toy-slow.html", "family/toy.html"):
        text = Page(found[name]).text
        assert "supported" in text and "Slow beats NaN." in text
    assert "+20.0 (" in Page(found["claims.html"]).text
    assert "1 claim supported" in Page(found["index.html"]).text


def test_a_claim_without_runs_says_what_to_run(rows: Any) -> None:
    rows.seeds("toy-slow", [0.8, 0.81])
    text = Page(pages(rows, claim())[f"paper/{slug(PAPER)}.html"]).text
    assert "not run" in text and "suite run --method toy-nan --task toy" in text


def test_a_bound_is_shown_against_its_value(two: Any) -> None:
    bound = Bound(
        id="floor",
        paper=PAPER,
        where="text",
        statement="NaN stays under 70 %.",
        tasks=("toy",),
        metric="accuracy",
        method="toy-nan",
        relation="at most",
        value=0.7,
    )
    text = Page(pages(two, bound)[f"paper/{slug(PAPER)}.html"]).text
    assert "the bound 70.0" in text and "+10.0 (" in text


def test_published_figures_stand_beside_ours_with_the_reason_for_a_difference(two: Any) -> None:
    told = figure(sd=0.01, setting="a large model", source="[poster]", differs="Ours is small.")
    text = Page(pages(two, published=[told])[f"paper/{slug(PAPER)}.html"]).text
    assert "toy-slow 90.0 ± 1.0 Table 2 80.0 (77.5 to 82.5) small, 3 seeds −10.0 small" in text
    assert "After ±: the paper's standard deviation" in text
    assert "Ours is small." in text and "Theirs: a large model." in text and "Read in: [poster]." in text


def figure(**changes: Any) -> Published:
    given: dict[str, Any] = {
        "paper": PAPER,
        "where": "Table 2",
        "task": "toy",
        "method": "toy-slow",
        "metric": "accuracy",
        "value": 0.9,
    }
    return Published(**given | changes)


def test_what_is_said_of_every_published_figure_is_said_once(two: Any) -> None:
    told = [figure(differs="Ours is small."), figure(differs="Ours is small. Rebuilt.", method="toy-nan")]
    text = Page(pages(two, published=told)[f"paper/{slug(PAPER)}.html"]).text
    assert text.count("Ours is small.") == 1 and text.count("Rebuilt.") == 1
    told = [figure(differs="Ours is small."), figure(differs="Ours is smaller.", method="toy-nan")]
    text = Page(pages(two, published=told)[f"paper/{slug(PAPER)}.html"]).text
    assert "Ours is small." in text and "Ours is smaller." in text


def test_a_figure_of_a_task_without_runs_has_its_metrics_unit_and_no_link(rows: Any) -> None:
    rows.seeds("toy-slow", [0.8, 0.81], task="elsewhere")
    told = [figure(value=0.119, sd=0.094), figure(task="nowhere", value=0.119)]
    page = Page(pages(rows, published=told)[f"paper/{slug(PAPER)}.html"])
    assert "accuracy, % toy-slow 11.9 ± 9.4 Table 2 not run" in page.text and "0.119 Table 2" in page.text
    assert not any("task/toy.html" in link for link in page.all("a", "href"))


def test_every_link_of_a_built_site_leads_to_a_page_and_a_place_on_it(tmp_path: Path) -> None:
    """With examples, comparisons, downloads, and claims and figures on a task that has no runs."""
    rows = LoggedStore(tmp_path / "results")
    for seed in range(2):
        for method, correct in (("toy-slow", [1, 1, 0]), ("toy-nan", [0, 1, 0]), ("toy-bad", [0, 0, 0])):
            rows.add(method, seed, correct, task="elsewhere", texts={0: ("q", "yes", "yes")})
    board = rows.board()
    book = Book("toy", (claim(), claim(id="none", tasks=("nowhere",))), (figure(),))
    judged = judge_all(board, {"toy": book}, TASKS, METHODS)
    content = Content(board, METHODS, judged, {"toy": book}, logged=logged(rows.store))
    site.build(content, tmp_path / "site", rows.store)
    assert broken_links(tmp_path / "site") == set()


def broken_links(folder: Path) -> set[tuple[str, str]]:
    """(page, address) of every address on a page that leads to no file, or to no place on its page."""
    found = {path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    ids = {path: {attrs["id"] for _, attrs in page.tags if "id" in attrs} for path, page in found.items()}
    broken = set()
    for path, page in found.items():
        assert len(ids[path]) == sum("id" in attrs for _, attrs in page.tags)
        for address in [a[key] for _, a in page.tags for key in ("href", "src") if key in a]:
            if address.startswith(("https://", "data:")):
                continue
            name, _, place = address.partition("#")
            name = unquote(name.partition("?")[0])
            file = (path.parent / name).resolve() if name else path
            if not file.is_file() or (place and place not in ids[file]):
                broken.add((str(path.relative_to(folder)), address))
    return broken


def test_what_no_paper_claims_is_marked_and_counted(two: Any) -> None:
    found = pages(two, claim(), claim(id="ours", where="not in the paper: asked here"))
    page = Page(found["claims.html"])
    assert "and 1 that no paper states" in page.text
    assert page.all("tr", "data-source") == ["from a paper", "asked here"]
    assert "no paper states" not in Page(pages(two, claim())["claims.html"]).text


def test_a_summary_begins_with_a_capital_unless_a_name_does() -> None:
    assert claims.sentence("all support it") == "All support it."
    assert claims.sentence("toy-slow: no run yet", {"toy-slow"}) == "toy-slow: no run yet."
    assert claims.sentence("") == ""


def test_slices_stand_in_the_order_of_their_numbers(rows: Any) -> None:
    parts = {("accuracy", part): 0.5 for part in ("len=17-24", "len=9-16", "conj=and", "len=1-8")}
    rows.seeds("toy-slow", [0.8, 0.81], scores=parts)
    (found,) = task.view(Content(rows.board(), METHODS), "toy")["tables"]
    heads = [name for name, _ in found["slices"]["heads"]]
    assert heads == ["conj=and", "len=1-8", "len=9-16", "len=17-24"]


def test_a_note_of_the_ledger_stands_once_with_its_methods(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = {"toy-bad": Budget(("*",), note="Nothing to tune.")}
    common = Budget(("*",), tuned_on=("toy test",), note="Common sizes.", source="a file")
    monkeypatch.setattr(
        ledger, "declared", lambda family, method, task, profile: declared.get(method, common)
    )
    text = Page(pages(two)["task/toy.html"]).text
    assert "toy-slow, toy-nan Common sizes. (a file) toy-bad Nothing to tune." in text
    assert "toy test sizes chosen looking at test" in text


def test_audit_notes_stand_beside_their_claim_or_their_paper(two: Any) -> None:
    notes = [
        Audit(paper=PAPER, text="The file holds the test set.", source="a file", by="counted"),
        Audit(paper=PAPER, text="Only of this claim.", source="", by="read", about="slow-wins"),
    ]
    page = pages(two, claim(), audits=notes)[f"paper/{slug(PAPER)}.html"]
    assert page.count("The file holds the test set.") == 1 == page.count("Only of this claim.")
    assert page.index("The file holds") < page.index("Its claims") < page.index("Only of this claim.")


def test_hostile_claims_figures_and_notes_are_shown_as_text(two: Any) -> None:
    for text in HOSTILE:
        paper = replace(PAPER, title=text, link=text)
        told = claim(paper=paper, id=text, where=text, statement=text, note=text)
        figure = Published(
            paper=paper,
            where=text,
            task=text,
            method=text,
            metric=text,
            value=float("nan"),
            slice=text,
            setting=text,
            source=text,
            differs=text,
        )
        note = Audit(paper=paper, text=text, source=text, by=text, about="")
        for name, made in pages(two, told, published=[figure], audits=[note]).items():
            if name.endswith(".html"):
                page = Page(made)
                assert not any(tag == "img" for tag, _ in page.tags)
                assert not any(key.startswith("on") for _, attrs in page.tags for key in attrs)
                assert not any(link.startswith("javascript:") for link in page.all("a", "href"))


def test_a_family_shows_methods_by_tasks_and_mean_ranks(rows: Any) -> None:
    """Three methods on two tasks; ranks 1, 2, 3 and 2, 1, 3 by mean: mean ranks 1.5, 1.5, 3."""
    for name, good, fair, poor in (("toy", 0.9, 0.8, 0.1), ("toy-2", 0.7, 0.8, 0.2)):
        for method, value in (("toy-slow", good), ("toy-nan", fair), ("toy-raise", poor)):
            rows.seeds(method, [value, value + 0.01, value - 0.01], task=name)
    made = pages(rows)["family/toy.html"]
    text = Page(made).text
    assert "toy-slow 90.0 87.5 to 92.5 rank 1 0.7 0.6752 to 0.7248 rank 2" in text
    assert "3 methods that were run with two seeds or more on all 2 tasks" in text
    shown = re.findall(
        r'text-anchor="end">([\w-]+)</text>.*?<text class="tick" x="618" y="[\d.]+">([\d.]+)<', made
    )
    assert shown == [("toy-nan", "1.5"), ("toy-slow", "1.5"), ("toy-raise", "3.0")]


def test_one_task_has_no_mean_ranks(two: Any) -> None:
    assert "Mean rank" not in pages(two)["family/toy.html"]


def test_a_method_page_has_tasks_settings_by_profile_and_source(rows: Any) -> None:
    rows.seeds("toy-slow", [0.8, 0.81], settings='{"lr":0.1}')
    rows.seeds("toy-slow", [0.7, 0.71], settings='{"lr":0.1}', task="toy-2")
    rows.seeds("toy-slow", [0.6], settings='{"lr":0.5}', profile="smoke")
    rows.seeds("toy-slow", [0.6], settings='{"lr":9}', overrides={"lr": 9})
    text = Page(pages(rows)["method/toy-slow.html"]).text
    assert "toy_plugin.py , Slow , version 1" in text
    assert "Field small smoke lr 0.1 0.5" in text
    assert "toy-2 small" in text and "one seed: no interval" in text


def test_settings_that_differ_by_task_are_all_said(rows: Any) -> None:
    rows.seeds("toy-slow", [0.8], settings='{"lr":0.1}')
    rows.seeds("toy-slow", [0.7], settings='{"lr":0.2}', task="toy-2")
    assert "lr 0.1 (toy); 0.2 (toy-2)" in Page(pages(rows)["method/toy-slow.html"]).text


def test_a_catalogued_method_without_runs_says_how_to_make_one(two: Any) -> None:
    text = Page(pages(two)["method/toy-coin.html"]).text
    assert "suite run --method toy-coin --task TASK" in text


def test_runs_with_a_page_of_their_own_are_linked(two: Any) -> None:
    with_page, without = two.runs[0]["run"], two.runs[1]["run"]
    made = pages(two, logged=frozenset([with_page]))["task/toy/toy-slow.html"]
    assert f'<a href="../../run/{with_page}.html">' in made and f"run/{without}.html" not in made
    assert f'<tr id="{without}">' in made


def test_what_differs_between_runs_has_a_column_and_what_does_not_is_said_once(rows: Any) -> None:
    rows.add("toy-slow", 0, 0.8, git_commit="a" * 40)
    rows.add("toy-slow", 1, 0.8, git_commit="b" * 40, git_dirty=True)
    page = Page(pages(rows)["task/toy/toy-slow.html"])
    assert "Device cpu . Code c0de . Made by project ." in page.text
    assert "aaaaaaaaaa " in page.text and "bbbbbbbbbb + changes" in page.text


def embedded(page: str, element: str) -> Any:
    (text,) = re.findall(f'<script type="application/json" id="{element}">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def test_the_ranking_that_the_page_redoes_is_the_boards(rows: Any) -> None:
    """1 + who beats it, and everybody less whom it beats: from the embedded lists, the board's own ranks."""
    for method, values in (
        ("toy-slow", [0.8, 0.7, 0.9]),
        ("toy-nan", [0.75, 0.7, 0.9]),
        ("toy-raise", [0.2, 0.21, 0.19]),
        ("toy-skip", [0.3, 0.31, 0.29]),
    ):
        rows.seeds(method, values)
    beats = embedded(pages(rows)["task/toy.html"], "beats-1")
    (table,) = rows.board().tables
    for place, entry in enumerate(table.ranked):
        best = 1 + sum(place in beaten for beaten in beats)
        assert (best, len(beats) - len(beats[place])) == entry.rank


def test_the_cost_plots_data_has_every_cost_and_null_for_an_unknown_one(two: Any) -> None:
    data = embedded(pages(two)["task/toy.html"], "pareto-data-1")
    assert [p["method"] for p in data["points"]] == ["toy-slow", "toy-nan", "toy-bad"]
    first = data["points"][0]
    assert (first["value"], first["seconds"], first["peak_mb"], first["parameters"]) == (
        pytest.approx(0.8),
        2.0,
        100.0,
        None,
    )
    assert first["low"] == pytest.approx(0.775, abs=1e-3) and first["href"] == "toy/toy-slow.html#small"


def test_claimed_values_are_shown_and_never_ranked(rows: Any) -> None:
    rows.seeds("toy-nan", [0.6, 0.62])
    rows.seeds("toy-slow", [0.9, 0.91], origin="claimed")
    text = Page(pages(rows)["task/toy.html"]).text
    assert "claimed by others, not run here yet: not ranked" in text
    rows.seeds("toy-slow", [0.8, 0.82])
    assert "80.0 to" not in text
    assert "claimed 90.5" in Page(pages(rows)["task/toy.html"]).text


def test_embedded_data_cannot_end_its_script_and_has_no_nan() -> None:
    value = {"</script>": ["\u2028<!--", float("nan"), float("inf"), 0.5, None, "\ud800"]}
    text = search.embedded(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == {"</script>": ["\u2028<!--", None, None, 0.5, None, "?"]}


def test_the_search_finds_tasks_methods_and_papers(two: Any) -> None:
    text = pages(two)["search.js"]
    rows = json.loads(text.removeprefix("window.touchstoneIndex = ").removesuffix(";\n"))
    assert ["task", "toy", "task/toy.html", TASKS["toy"].summary] in rows
    assert ["method", "toy-slow", "method/toy-slow.html", METHODS["toy-slow"].summary] in rows
    assert ["paper", "A toy", f"paper/{slug(PAPER)}.html", "2024"] in rows


def test_two_processes_write_the_same_bytes_as_one(
    two: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "MANY", 1)
    counts = [site.build(Content(two.board(), METHODS), tmp_path / str(n), processes=n) for n in (1, 2)]
    assert counts[0] == counts[1]
    first, second = (
        {p.relative_to(r): p.read_bytes() for p in r.rglob("*") if p.is_file()}
        for r in (tmp_path / "1", tmp_path / "2")
    )
    assert first == second


def test_entries_of_one_method_have_sections_of_their_own(rows: Any) -> None:
    rows.seeds("toy-slow", [0.8])
    rows.seeds("toy-slow", [0.7], overrides={"lr": 9})
    (table,) = rows.board().tables
    anchors = [names.anchor(entry) for entry in table.entries]
    assert anchors[0] == "small" and re.fullmatch(r"small-[0-9a-f]{8}", anchors[1])
    assert set(anchors) <= set(Page(pages(rows)["task/toy/toy-slow.html"]).all("section", "id"))


def test_smoke_tables_come_last_and_folded(two: Any) -> None:
    two.seeds("toy-slow", [0.1], profile="smoke")
    view = task.view(Content(two.board(), METHODS), "toy")
    assert [t["profile"] for t in view["tables"]] == ["small", "smoke"]
    assert "Show the smoke runs" in pages(two)["task/toy.html"]
