"""Compare pages: statistics complete without scripts, and data files that a page from disk can load."""

from __future__ import annotations

import base64
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from logged_store import PNG, LoggedStore

from leaderboard import comparepages
from leaderboard.comparetext import effect, ends, escaped, p_value, signed, turn, verdict
from leaderboard.pairs import Pair
from leaderboard.render import render
from suite.records import ScoreRow

GOOD = {0: [1, 1, 1, 0], 1: [1, 1, 0, 1], 2: [1, 1, 1, 1]}
POOR = {0: [1, 0, 0, 0], 1: [0, 0, 1, 0], 2: [0, 1, 0, 0]}


@pytest.fixture
def rows(tmp_path: Path) -> LoggedStore:
    return LoggedStore(tmp_path / "results")


@pytest.fixture
def two(rows: LoggedStore) -> LoggedStore:
    """toy-slow has accuracies 0.75, 0.75, 1 and toy-nan 0.25 each."""
    for seed, correct in GOOD.items():
        rows.add("toy-slow", seed, correct, texts={0: ("q<0>", "yes", "yes")})
    for seed, correct in POOR.items():
        rows.add("toy-nan", seed, correct, texts={0: ("q<0>", "no", "yes")})
    return rows


def built(rows: LoggedStore) -> dict[str, str]:
    return dict(comparepages.pages(rows.board(), rows.store, render))


def data(script: str) -> Any:
    """The value that a data file gives to the page."""
    return json.loads(script.partition("touchstone.")[2].partition(" = ")[2].removesuffix(";\n"))


class Tables(HTMLParser):
    """The tables of a page as lists of rows of texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.inside = True

    def handle_data(self, data: str) -> None:
        if self.inside and data.strip():
            self.tables[-1][-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.inside = False


def test_the_leader_stands_against_the_others_with_all_statistics(two: LoggedStore) -> None:
    page = built(two)["compare/toy.html"]
    (table,) = Tables(page).tables
    # differences 0.5, 0.5, 0.75: mean 58.3 points, sd 14.43, half 4.302653 * 14.43 / sqrt(3) = 35.9
    # examples: 2 + 3 + 3 won, 0 + 1 + 0 lost; all signs equal: p = 2 / 2^3; effect 58.33 / 14.43
    row = table[1]
    assert row[:8] == [
        "toy-nan",
        "25.0 (same for all seeds)",
        "+58.3",
        "+22.5 to +94.2",
        "0.25",
        "0.25",
        "+4.04",
        "3",
    ]
    assert row[8:10] == ["8", "1"]
    assert "toy-slow" in page.partition("against every other method")[0].rpartition("<h3>")[2]


def test_won_and_lost_are_counted_as_by_hand(two: LoggedStore) -> None:
    won = sum(g > p for s in GOOD for g, p in zip(GOOD[s], POOR[s], strict=True))
    lost = sum(g < p for s in GOOD for g, p in zip(GOOD[s], POOR[s], strict=True))
    side = data(built(two)["data/compare/toy.js"])["profiles"][0]
    (pair,) = side["pairs"]
    assert pair[9] == [won, lost, 12 - won - lost]


def test_every_pair_is_in_the_matrix_and_the_list_turned_as_it_is_read(two: LoggedStore) -> None:
    for seed in GOOD:
        two.add("toy-raise", seed, [1, 0, 1, 0])
    tables = Tables(built(two)["compare/toy.html"]).tables
    against, matrix, pairs = tables
    assert [row[0] for row in matrix[1:]] == ["toy-slow", "toy-raise", "toy-nan"] == matrix[0][1:]
    assert matrix[1][1] == "·" and matrix[1][3].startswith("+58.3") and matrix[3][1].startswith("−58.3")
    assert len(pairs) == 1 + 3 and len(against) == 1 + 2
    # Holm over two equal p values of 0.25: toy-raise and toy-nan have one value each, so nothing to test
    assert [row[3:6] for row in pairs[1:] if row[:2] == ["toy-raise", "toy-nan"]] == [
        ["same for all seeds", "–", "–"]
    ]
    assert sorted(row[5] for row in pairs[1:]) == ["0.50", "0.50", "–"]


def test_floors_and_ceilings_can_be_picked_and_count_in_no_correction(two: LoggedStore) -> None:
    for seed in GOOD:
        two.add("toy-bad", seed, [1, 0, 1, seed % 2])
    page = built(two)
    assert "toy-bad" not in page["compare/toy.html"]
    profile = data(page["data/compare/toy.js"])["profiles"][0]
    assert [(s["label"], s["role"]) for s in profile["sides"] if s["role"]] == [("toy-bad", "floor")]
    at = [s["label"] for s in profile["sides"]].index("toy-bad")
    with_floor = [pair for pair in profile["pairs"] if at in pair[:2]]
    assert len(with_floor) == 2 and all(pair[6] is None and pair[5] is not None for pair in with_floor)
    own = [pair for pair in profile["pairs"] if at not in pair[:2]]
    assert [pair[6] for pair in own] == [pair[5] for pair in own]


def test_one_shared_seed_gives_a_difference_and_no_statistics(rows: LoggedStore) -> None:
    rows.add("toy-slow", 0, value=0.9)
    rows.add("toy-slow", 1, value=0.7)
    rows.add("toy-nan", 1, value=0.4)
    rows.add("toy-nan", 2, value=0.6)
    (table,) = Tables(built(rows)["compare/toy.html"]).tables
    assert table[1][2:] == ["+30.0", "–", "–", "–", "–", "1"]


def test_a_lower_is_better_metric_tints_the_better_side() -> None:
    low = Pair(-2.0, -3.0, -1.0)
    assert (verdict(low, True), verdict(low, False), verdict(low, None)) == ("worse", "better", "even")
    assert verdict(Pair(1.0, -1.0, 3.0), True) == verdict(Pair(1.0), True) == "even"


def test_a_leader_below_a_method_of_one_seed_is_compared_with_all(two: LoggedStore) -> None:
    """toy-raise has the highest mean, of one seed, which gives no interval to lead with."""
    two.add("toy-raise", 0, [1, 1, 1, 1])
    board = two.board()
    (table,) = board.tables
    assert table.leader is not None and table.leader.method == "toy-slow"
    against, matrix, _ = Tables(next(t for n, t in built(two).items() if n.endswith(".html"))).tables
    names = [row[0] for row in matrix[1:]]
    assert names == matrix[0][1:] and names[0] == "toy-slow"
    for i in range(1, 4):
        for j in range(1, 4):
            gap, back = matrix[i][j], matrix[j][i]
            assert (gap == "·") if i == j else (gap[0] in "+−" and gap[0] != back[0])


def test_more_methods_than_a_matrix_holds_are_compared_with_the_leader_alone(
    rows: LoggedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparepages, "MATRIX_UP_TO", 2)
    for place, method in enumerate(("toy-slow", "toy-nan", "toy-raise")):
        for seed in range(3):
            rows.add(method, seed, value=0.9 - place / 10 + seed / 100)
    pages = built(rows)
    assert len(Tables(pages["compare/toy.html"]).tables) == 1
    assert [pair[:2] for pair in data(pages["data/compare/toy.js"])["profiles"][0]["pairs"]] == [
        [0, 1],
        [0, 2],
    ]
    assert "suite compare A B --task toy --profile small" in pages["compare/toy.html"]


def test_entries_of_one_method_get_names_that_tell_them_apart(rows: LoggedStore) -> None:
    for seed in (0, 1):
        rows.add("toy-slow", seed, value=0.9)
        rows.add("toy-slow", seed, value=0.8, overrides={"rate": 2})
        rows.add("toy-nan", seed, value=0.7)
    (table,) = rows.board().tables
    assert comparepages.labels(table.entries) == ["toy-slow", "toy-slow (rate=2)", "toy-nan"]
    link = comparepages.href(table, table.entries[1], table.entries[2])
    assert link == "compare/toy.html?profile=small&a=toy-slow+%28rate%3D2%29&b=toy-nan"
    assert comparepages.hrefs(table) == [comparepages.href(table, entry) for entry in table.entries]
    assert comparepages.hrefs(table)[0].endswith("a=toy-slow&b=toy-slow+%28rate%3D2%29")


def test_rows_that_cannot_be_compared_are_not_offered(rows: LoggedStore) -> None:
    for seed in (0, 1):
        rows.add("toy-slow", seed, value=0.9)
        rows.add("toy-nan", seed, value=0.8, origin="claimed")
        rows.add("toy-raise", seed, status="failed")
    rows.add("toy-slow", 0, value=0.7, overrides={"task.size": 3}, task_settings='{"size":3}')
    (table,) = rows.board().tables
    assert [entry.method for entry in comparepages.pickable(table)] == ["toy-slow"]
    assert [bool(link) for link in comparepages.hrefs(table)].count(True) == 1
    assert "Fewer than two ranked methods" in built(rows)["compare/toy.html"]


def test_data_hold_seeds_slices_and_links_to_runs(rows: LoggedStore) -> None:
    even = [ScoreRow("accuracy", "even", 0.5, 2, True), ScoreRow("errors", "all", 3, 4, False)]
    run = rows.add("toy-slow", 0, [1, 0, 1, 0], scores=even)
    rows.add("toy-slow", 1, value=0.123456789, scores=even)
    profile = data(built(rows)["data/compare/toy.js"])["profiles"][0]
    assert (profile["metric"], profile["unit"], profile["higher"]) == ("accuracy", "fraction", True)
    assert profile["slices"] == ["even"] and [name for name, _ in profile["others"]] == ["errors"]
    (side,) = profile["sides"]
    assert profile["seeds"] == [0, 1] and side["values"] == [0.5, 0.123457]
    assert side["slices"] == [[0.5, None, None]] and side["others"] == [[3, None, None]]
    assert side["runs"] == {"0": f"../run/{run}.html"}
    assert side["samples"] == "0-0"


def test_verdicts_are_bits_and_texts_are_shared(two: LoggedStore) -> None:
    pages = built(two)
    slow = data(pages["data/samples/toy/0-0.js"])
    assert base64.b64decode(slow["seeds"]["0"]["bits"]) == bytes([0b0111])
    assert slow["seeds"]["0"]["n"] == 4 and "index" not in slow["seeds"]["0"]
    assert data(pages["data/samples/toy/texts.js"]) == [["q<0>", "yes"]]
    # -1: the output is the target
    assert slow["seeds"]["0"]["texts"] == [[0, 0, -1]] and slow["outputs"] == []
    nan = data(pages["data/samples/toy/0-1.js"])
    assert nan["seeds"]["2"]["texts"] == [[0, 0, 0]] and nan["outputs"] == ["no"]


def test_degrees_are_255ths_and_a_missing_verdict_is_minus_one(rows: LoggedStore) -> None:
    rows.add("toy-slow", 0, [1.0, 0.2, math.nan], value=0.5)
    seed = data(built(rows)["data/samples/toy/0-0.js"])["seeds"]["0"]
    assert seed["grades"] == [255, 51, -1] and "bits" not in seed


def test_a_picture_is_kept_whole_and_a_long_text_is_cut(rows: LoggedStore) -> None:
    rows.add("toy-slow", 0, [1.0, 0.0], texts={0: (PNG, None, "x" * 9_000)})
    pages = built(rows)
    ((picture, target),) = data(pages["data/samples/toy/texts.js"])
    assert picture == PNG and target.endswith("(9,000 characters)") and len(target) < 2_100
    assert data(pages["data/samples/toy/0-0.js"])["seeds"]["0"]["texts"] == [[0, 0, -2]]


HOSTILE = ["</script><script>alert(1)</script>", "'\"&<b>", "\u2028\u202eright", "nul\x00", "x" * 10_000]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_data(rows: LoggedStore, name: str) -> None:
    for seed in (0, 1):
        rows.add(name, seed, [1.0, 0.0], texts={0: (name, name + "!", name)}, task=name[:60], profile=name)
        rows.add(name + "2", seed, [0.0, 0.0], task=name[:60], profile=name)
    pages = built(rows)
    for path, text in pages.items():
        assert re.fullmatch(r"[A-Za-z0-9_.~/-]+", path) and ".." not in path and len(path) < 200
        if path.endswith(".js"):
            assert text.isascii() and "<" not in text and "\x00" not in text
            data(text)
        else:
            assert "<b>" not in re.sub(r"<b>[+−\d.]", "", text)
            assert text.count("<script") == len(re.findall(r'<script src="[^"<>]*"( defer)?></script>', text))


def test_the_same_rows_give_the_same_bytes(two: LoggedStore) -> None:
    assert built(two) == built(two)
    before = built(two)
    two.store.compact(prune=True)
    assert built(two) == before


def test_numbers_read_as_people_write_them() -> None:
    assert signed(0.1234, "fraction") == "+12.3" and signed(-0.1234, "fraction") == "−12.3"
    assert signed(0.0001, "fraction") == "0.0" and signed(None, "fraction") == "–"
    assert ends(Pair(0.0, -0.5, 0.25), "fraction") == "−50.0 to +25.0"
    assert ends(Pair(0.0), "fraction") == "–"
    assert [p_value(p) for p in (None, 0.0001, 0.0123, 0.5)] == ["–", "&lt; 0.001", "0.012", "0.50"]
    assert [effect(x) for x in (None, math.inf, -math.inf, -1.5)] == ["–", "∞", "−∞", "−1.50"]
    assert turn(Pair(1.0, 0.5, 2.0, 0.1, 0.2, 3.0, 4)) == Pair(-1.0, -2.0, -0.5, 0.1, 0.2, -3.0, 4)
    assert turn(Pair(None)) == Pair(None)
    assert escaped(["</script>", "\u2028", "&"]) == '["\\u003c/script\\u003e","\\u2028","\\u0026"]'
