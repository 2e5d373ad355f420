"""The pages: complete, escaped, the same twice, and asking nobody else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import toy_plugin
from html_pages import HOSTILE, Page

from leaderboard import site
from leaderboard.board import Board
from leaderboard.content import Content
from suite.errors import UsageError

NOT_WRITTEN_HERE = ("compare/", "downloads.html", "run/")
METHODS = {spec.name: spec for spec in toy_plugin.METHODS}


def built(rows: Any) -> dict[str, str]:
    return dict(site.pages(Content(rows.board(), METHODS)))


def build(board: Board, out: Path) -> int:
    return site.build(Content(board, METHODS), out)


@pytest.fixture
def toy_board(rows: Any) -> Any:
    rows.seeds("toy-good", [1.0, 1.0, 1.0])
    rows.seeds("toy-slow", [0.8, 0.81, 0.79], scores={("accuracy", "even"): 0.9, "errors": 2})
    rows.seeds("toy-nan", [0.6, 0.62, 0.61])
    rows.seeds("toy-bad", [0.5, 0.5, 0.5])
    rows.add("toy-raise", 0, status="failed", error="ValueError: <b>broken</b>")
    rows.add("toy-coin", 0, 0.123, profile="smoke")
    return rows


def test_every_page_is_balanced_and_its_links_lead_to_pages_and_rows(toy_board: Any) -> None:
    pages = built(toy_board)
    found = {name: Page(text) for name, text in pages.items() if name.endswith(".html")}
    ids = {name: {attrs["id"] for _, attrs in page.tags if "id" in attrs} for name, page in found.items()}
    for name, page in found.items():
        for link in page.all("a", "href"):
            if link.startswith(("https://", "#")):
                continue
            target, _, anchor = link.partition("#")
            path = str((Path("/site") / name).parent.joinpath(target).resolve().relative_to("/site"))
            assert path in pages or path.startswith(NOT_WRITTEN_HERE)
            assert not anchor or anchor in ids[path]


def test_nothing_is_fetched_from_another_host(toy_board: Any, tmp_path: Path) -> None:
    build(toy_board.board(), tmp_path / "site")
    for name in [n for n in built(toy_board) if n.endswith(".html")]:
        page = Page((tmp_path / "site" / name).read_text(encoding="utf-8"))
        for address in [*page.all("link", "href"), *page.all("script", "src"), *page.all("img", "src")]:
            assert address == "data:," or (tmp_path / "site" / name).parent.joinpath(address).is_file()
    css = (tmp_path / "site" / "style.css").read_text(encoding="utf-8")
    assert "url(" not in css and "@import" not in css


def test_front_page_names_leader_floor_ceiling_and_counts(toy_board: Any) -> None:
    text = Page(built(toy_board)["index.html"]).text
    told = "toy-slow 80.0 77.5 to 82.5 accuracy, % ahead of every other 3 seeds, 2 methods 2.0 s 100 MiB –"
    assert told in text
    assert "1 tasks" not in text and "tasks 1" not in text


def test_smoke_scores_are_never_on_the_front_page(rows: Any) -> None:
    rows.seeds("toy-nan", [0.123, 0.123], profile="smoke")
    pages = built(rows)
    assert "12.3" not in pages["index.html"]
    assert "12.3" in pages["task/toy.html"]


def test_an_entry_of_one_seed_leads_only_where_nothing_else_is(rows: Any) -> None:
    rows.add("toy-nan", 0, 0.99)
    assert "toy-nan only competitor 99.0 accuracy, %" in Page(built(rows)["index.html"]).text
    rows.seeds("toy-slow", [0.5, 0.6])
    assert "toy-slow 55.0 0.0 to 100.0 accuracy, %" in Page(built(rows)["index.html"]).text


def test_a_shared_lead_is_said(rows: Any) -> None:
    rows.seeds("toy-slow", [0.8, 0.7])
    rows.seeds("toy-nan", [0.79, 0.7])
    assert "not told apart from 1 other " in Page(built(rows)["index.html"]).text


def test_task_page_has_protocol_ranks_problems_and_the_command(toy_board: Any) -> None:
    text = Page(built(toy_board)["task/toy.html"]).text
    assert "The numbers from 0 on, each once." in text
    assert "1 toy-slow" in text and "2 toy-nan" in text
    assert "– toy-good ceiling" in text and "– toy-bad floor" in text
    assert "1 failed" in text
    assert "suite run --method toy-slow --task toy --profile small --seeds 0-2" in text
    assert "accuracy by slice, %" in text and "toy-slow 90.0" in text
    assert "Other measurements" in text and "toy-slow 2 " in text


def test_a_missing_value_is_a_dash_and_never_zero(toy_board: Any) -> None:
    rows = re.findall(r"<tr.*?</tr>", built(toy_board)["task/toy.html"], re.DOTALL)
    failed = next(row for row in rows if "toy-raise" in row)
    values = [re.sub("<.*?>", "", cell) for cell in re.findall(r'<td class="num.*?</td>', failed)]
    assert values == ["–"] * 7
    assert 'data-value=""' in failed and 'data-value="0.0"' not in failed


def test_stale_and_incomparable_rows_are_marked(rows: Any) -> None:
    rows.add("toy-nan", 0, 0.5, code="old")
    rows.add("toy-nan", 1, 0.6)
    rows.add("toy-slow", 0, 0.9, task_settings='{"size":3}', overrides={"task.size": 3})
    text = Page(built(rows)["task/toy.html"]).text
    assert "1 run by older code" in text
    assert "other task settings or data: not ranked" in text


def test_method_page_has_each_run_with_its_error(toy_board: Any) -> None:
    page = built(toy_board)["task/toy/toy-raise.html"]
    assert "ValueError: &lt;b&gt;broken&lt;/b&gt;" in page
    assert "suite run --method toy-raise --task toy --profile small --seeds 0" in Page(page).text


def test_hostile_names_and_texts_are_shown_as_text(rows: Any, tmp_path: Path) -> None:
    for name in HOSTILE:
        rows.add(
            name,
            0,
            0.5,
            task=name,
            family=name,
            overrides={name: name},
            base_model=name,
            host=name,
            settings=name,
            scores={("accuracy", name or "none"): 0.5},
            git_commit=name,
            profile=name or "small",
        )
        rows.add(
            name,
            1,
            status="failed",
            error=name,
            task=name,
            family=name,
            overrides={name: name},
            base_model=name,
            profile=name or "small",
            settings=name,
        )
    count = build(rows.board(), tmp_path / "site")
    written = [p for p in tmp_path.rglob("*.html")]
    fixed = {"index.html", "claims.html", "papers.html"}
    # a family, a task, a method and its runs for each name
    assert len(written) == count == len(fixed) + 4 * len(HOSTILE)
    assert all(tmp_path / "site" in p.parents for p in written)
    for path in written:
        page = Page(path.read_text(encoding="utf-8"))
        sources = [a.get("src", "") for tag, a in page.tags if tag in ("script", "img")]
        assert {Path(s).name for s in sources} <= {"theme.js", "app.js", ""}
        types = {a.get("type", "") for tag, a in page.tags if tag == "script" and "src" not in a}
        assert types <= {"application/json"}
        assert not any(link.startswith("javascript:") for link in page.all("a", "href"))
        assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


def test_a_papers_address_is_a_link_only_if_it_is_of_the_web(rows: Any) -> None:
    from dataclasses import replace

    rows.add("toy-nan", 0, 0.5)
    paper = replace(toy_plugin.PAPER, link="javascript:alert(1)")
    pages = dict(site.pages(Content(rows.board(), {"toy-nan": replace(METHODS["toy-nan"], paper=paper)})))
    assert not any(
        "javascript:" in link
        for n, text in pages.items()
        if n.endswith(".html")
        for link in Page(text).all("a", "href")
    )


def test_the_same_rows_in_another_order_build_the_same_bytes(toy_board: Any, tmp_path: Path) -> None:
    build(toy_board.board(), tmp_path / "a")
    toy_board.runs.reverse()
    toy_board.scores.reverse()
    build(toy_board.board(), tmp_path / "b")
    first, second = (
        {p.relative_to(r): p.read_bytes() for p in r.rglob("*") if p.is_file()}
        for r in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second


def test_an_empty_board_says_how_to_fill_it(rows: Any) -> None:
    assert "There are no results to show yet" in built(rows)["index.html"]


def test_names_the_catalogue_lost_are_shown_without_a_spec(rows: Any) -> None:
    rows.add("gone-method", 0, 0.5, task="gone-task")
    pages = built(rows)
    assert "no longer has this task" in pages["task/gone-task.html"]
    assert "no longer has this method" in pages["task/gone-task/gone-method.html"]


def test_a_new_build_replaces_the_old_pages_and_nothing_else(
    toy_board: Any, new_rows: Any, tmp_path: Path
) -> None:
    out = tmp_path / "site"
    build(toy_board.board(), out)
    build(new_rows().board(), out)
    assert not (out / "task").exists()
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("keep me")
    with pytest.raises(UsageError, match="choose another folder"):
        build(toy_board.board(), foreign)
    assert (foreign / "thesis.txt").read_text() == "keep me"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "site"]


def test_a_folder_that_cannot_be_made_is_a_clear_error(rows: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        build(rows.board(), tmp_path / "file" / "site")
