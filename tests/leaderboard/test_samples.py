"""Logged examples: read by run, in order, and pictures told from texts."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import numpy as np
import pytest
from logged_store import PNG, LoggedStore

from leaderboard import samples


def test_examples_come_by_run_in_order_with_their_texts(tmp_path: Path) -> None:
    rows = LoggedStore(tmp_path)
    first = rows.add(
        "toy-nan", 0, [1.0, 0.0, 0.5, math.nan], texts={2: ("in", None, "t"), 1: ("a", "b", "c")}
    )
    second = rows.add("toy-slow", 0, [0.0])
    silent = rows.add("toy-slow", 1, value=0.5)
    found = samples.of_runs(rows.store, "toy", [first, second, silent])
    assert set(found) == {first, second}
    assert found[first].index.tolist() == [0, 1, 2, 3]
    assert found[first].correct[:3].tolist() == [1.0, 0.0, 0.5] and math.isnan(found[first].correct[3])
    assert found[first].texts == [(1, 0.0, "a", "b", "c"), (2, 0.5, "in", None, "t")]
    assert (found[first].right, found[first].graded) == (1, True)
    assert (found[second].right, found[second].graded, list(found[second].texts)) == (0, False, [])


def test_the_runs_with_examples_are_known_without_reading_them(tmp_path: Path) -> None:
    rows = LoggedStore(tmp_path)
    assert samples.logged(rows.store) == frozenset()
    run = rows.add("toy-nan", 0, [1.0])
    rows.add("toy-nan", 1, value=1.0)
    other = rows.add("toy-nan", 0, [0.0, 1.0], task="toy-two")
    assert samples.logged(rows.store) == {run, other}
    rows.store.compact(prune=True)
    assert samples.logged(rows.store) == {run, other}


def test_a_run_of_another_task_and_no_runs_at_all_have_no_examples(tmp_path: Path) -> None:
    rows = LoggedStore(tmp_path)
    run = rows.add("toy-nan", 0, [1.0])
    assert samples.of_runs(rows.store, "toy-two", [run]) == {}
    assert samples.of_runs(rows.store, "toy", []) == {}


def encoded(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "a picture",
        PNG + '" onerror="alert(1)',
        PNG.replace("image/png", "image/svg+xml"),
        PNG.replace("data:", "https://example.org/"),
        " " + PNG,
        PNG[:-5],
        encoded(b"<svg onload=alert(1)>" + bytes(40)),
        encoded(samples.SIGNATURE),
        "data:image/png;base64,",
        "data:image/png;base64," + "A" * samples.LARGEST_PICTURE,
    ],
)
def test_only_a_whole_png_as_base64_is_a_picture(text: str | None) -> None:
    assert samples.picture(PNG)
    assert not samples.picture(text)


def test_bits_are_packed_eight_a_byte_lowest_first() -> None:
    flags = np.array([1, 0, 0, 0, 0, 0, 0, 1, 1], bool)
    assert base64.b64decode(samples.packed(flags)) == bytes([0b10000001, 0b00000001])
