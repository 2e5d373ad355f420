"""Run pages: what a run answered, where it comes from, and how to make it again."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from logged_store import PNG, LoggedStore

from leaderboard import runpages
from leaderboard.render import render
from leaderboard.samples import Logged
from suite.records import ScoreRow


@pytest.fixture
def rows(tmp_path: Path) -> LoggedStore:
    return LoggedStore(tmp_path / "results")


def built(rows: LoggedStore) -> dict[str, str]:
    return dict(runpages.pages(rows.board(), rows.store, render, runpages.logged(rows.store)))


class Reader(HTMLParser):
    """The visible words, the images and the rows of examples of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.marked: list[str] = []
        self._mark = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))
        self._mark = tag == "mark"

    def handle_endtag(self, tag: str) -> None:
        self._mark = False

    def handle_data(self, data: str) -> None:
        self.words += data.split()
        if self._mark:
            self.marked.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_only_shown_runs_that_logged_examples_have_a_page(rows: LoggedStore) -> None:
    superseded = rows.add("toy-nan", 0, [0.0, 0.0])
    shown = rows.add("toy-nan", 0, [1.0, 0.0])
    rows.add("toy-nan", 1, value=0.5)
    pages = built(rows)
    assert set(pages) == {f"run/{shown}.html"}
    assert runpages.page(shown) in pages and runpages.page(superseded) not in pages


def test_a_page_has_scores_provenance_settings_and_commands(rows: LoggedStore) -> None:
    run = rows.add(
        "toy-nan",
        3,
        [1.0, 0.0, 1.0, 1.0],
        scores=[ScoreRow("accuracy", "even", 0.25, 2, True), ScoreRow("errors", "all", 1, 4, False)],
        settings='{"rate":0.5}',
        git_commit="f" * 40,
        git_dirty=True,
    )
    text = Reader(built(rows)[f"run/{run}.html"]).text
    assert "accuracy ranks the table whole test set 75.0 % 4" in text
    assert "accuracy even 25.0 % 2" in text
    assert re.search(r"errors 1 4", text)
    assert "suite run --method toy-nan --task toy --profile small --seeds 3" in text
    assert f"suite verify {run}" in text
    assert "rate 0.5" in text and "f" * 40 in text and "differed from that commit" in text
    assert "4 logged 3 right 1 wrong" in text
    assert "none of their texts" in text


def test_neighbouring_seeds_are_linked(rows: LoggedStore) -> None:
    runs = [rows.add("toy-nan", seed, [1.0]) for seed in (0, 1, 4)]
    pages = built(rows)
    middle = pages[f"run/{runs[1]}.html"]
    assert f'rel="prev" href="../run/{runs[0]}.html">← seed 0<' in middle
    assert f'rel="next" href="../run/{runs[2]}.html">seed 4 →<' in middle
    assert 'rel="prev"' not in pages[f"run/{runs[0]}.html"]
    assert 'rel="next"' not in pages[f"run/{runs[2]}.html"]


def test_texts_are_shown_and_pictures_are_images_only_where_they_are_pictures(rows: LoggedStore) -> None:
    texts = {
        0: (PNG, "a cat", "a cat"),
        1: ('data:image/png;base64,AAAA" onerror="alert(1)', "<script>x</script>", None),
        2: ("plain", None, "words"),
    }
    run = rows.add("toy-nan", 0, [1.0, 0.0, 0.0], texts=texts)
    page = built(rows)[f"run/{run}.html"]
    reader = Reader(page)
    assert [image["src"] for image in reader.images] == [PNG]
    assert reader.images[0]["alt"] == "logged picture"
    assert "<script>x" not in page and "&lt;script&gt;x" in page
    assert "0 right a cat a cat" in reader.text
    assert "2 wrong plain – words" in reader.text
    assert len(re.findall(r'<tr class="right" id="example-', page)) == 1
    assert len(re.findall(r'<tr class="wrong" id="example-', page)) == 2


def test_a_cap_is_said(rows: LoggedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runpages, "TEXTS", 2)
    run = rows.add("toy-nan", 0, [1.0] * 3, texts={i: (f"in{i}", "o", "o") for i in range(3)})
    reader = Reader(built(rows)[f"run/{run}.html"])
    assert "3 of the examples were logged in full; the first 2 are shown" in reader.text
    assert "in1" in reader.text and "in2" not in reader.text


def test_degrees_and_missing_verdicts_are_told_apart(rows: LoggedStore) -> None:
    run = rows.add("toy-nan", 0, [1.0, 0.25, math.nan], texts={1: ("i", "o", "t")}, value=0.5)
    text = Reader(built(rows)[f"run/{run}.html"]).text
    assert "3 logged 1 right 1 not wholly right 1 without a verdict" in text
    assert "1 25 % i o t" in text


def test_a_failed_run_with_examples_says_why(rows: LoggedStore) -> None:
    rows.add("toy-nan", 1, [1.0])
    run = rows.add("toy-nan", 0, [1.0], status="failed", error="ValueError: <b>no</b>")
    page = built(rows)[f"run/{run}.html"]
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in page and "<b>no</b>" not in page


@pytest.mark.parametrize(
    ("output", "target", "marked"),
    [
        ("a b c", "a x c", "b"),
        ("a b b b c", "a b c", "b b"),
        ("a c", "a b c", "…"),
        ("walk", "walk jump", "…"),
        ("xyz", "xaz", "y"),
        ("<i>", "<b>", "i"),
        ("", "a", "…"),
    ],
)
def test_the_stretch_that_differs_is_marked(output: str, target: str, marked: str) -> None:
    assert Reader(str(runpages.differing(output, target))).marked == [marked]


def test_the_words_around_a_marked_stretch_are_kept() -> None:
    assert Reader(str(runpages.differing("a b c d", "a x y d"))).text == "a b c d"
    assert "<i>" not in str(runpages.differing("<i> x", "<i> y"))


def test_the_strip_shows_the_share_of_each_stretch() -> None:
    # one bar an example: the first and the last are right
    chart = str(runpages._strip(Logged(np.arange(4), np.array([1.0, 0, 0, 1]), ())))
    assert chart.count("v-48.0h240.0") == 2 and "M0.0 48" in chart and "M720.0 48" in chart
    assert "50.0 % in all" in chart
    # 480 examples in 240 stretches of two: every second is right, so each stretch is half filled
    many = str(runpages._strip(Logged(np.arange(480), np.tile([1.0, 0.0], 240), ())))
    assert many.count("v-24.0h4.0") == 240
    assert str(runpages._strip(Logged(np.arange(1), np.array([math.nan]), ()))) == ""


def test_a_long_text_is_cut_and_says_how_long_it_is() -> None:
    told = str(runpages.shown("x" * 10_000))
    assert "(10,000 characters)" in told and len(told) < 2_100
