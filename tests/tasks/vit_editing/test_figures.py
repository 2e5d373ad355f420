"""Pictures of fronts and rows: what stands in them is what was given."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from tasks.vit_editing import figures
from tasks.vit_editing.figures import HIGH, LEFT, TOP, WIDE

SVG = "{http://www.w3.org/2000/svg}"
RUN = {
    ("gr", "knob 0.5"): 0.4,
    ("lr", "knob 0.5"): 0.6,
    ("gr", "knob 0.05"): 0.2,
    ("lr", "knob 0.05"): 0.9,
    ("gr", "knob 10"): 0.1,
    ("lr", "knob 10"): 0.8,
    ("gr", "all"): 0.2,
    ("lr", "all"): 0.9,
    ("gr", "group a"): 0.3,
    ("front_area", "all"): 0.3,
}
STEPS = {
    ("row_sr", "after 10"): 0.9,
    ("row_lr", "after 10"): 0.8,
    ("row_sr", "after 100"): 0.5,
    ("row_lr", "after 100"): 0.4,
    ("row_sr", "all"): 0.5,
    ("row_gr", "after 10"): 0.7,
}


def shapes(text: str, kind: str) -> list[Any]:
    return list(ElementTree.fromstring(text).iter(f"{SVG}{kind}"))


def test_a_point_stands_for_every_knob_where_its_rates_are() -> None:
    ((title, text),) = figures.of_run(RUN)
    assert title.startswith("Generalization against locality")
    circles = shapes(text, "circle")
    assert [c.find(f"{SVG}title").text for c in circles] == [
        "knob 0.05: GR 20.0 %, LR 90.0 %",
        "knob 0.5: GR 40.0 %, LR 60.0 %",
        "knob 10: GR 10.0 %, LR 80.0 %",
    ]
    # Across from 60 to 100 % LR, upwards from 0 to 40 % GR.
    where = [(float(c.get("cx")), float(c.get("cy"))) for c in circles]
    assert where == [
        (pytest.approx(LEFT + WIDE * x), pytest.approx(TOP + HIGH * (1 - y)))
        for x, y in ((0.75, 0.5), (0.0, 1.0), (0.5, 0.25))
    ]
    assert [c.get("fill") for c in circles] == [figures.FRONT, figures.FRONT, "none"]
    (line,) = shapes(text, "polyline")
    ends = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
    assert ends == [(LEFT + WIDE, TOP + HIGH), *where[:2]]


def test_a_run_with_a_row_has_a_second_picture() -> None:
    titles = [title for title, _ in figures.of_run({**RUN, **STEPS})]
    assert len(titles) == 2 and titles[1] == "After so many edits in a row"
    assert figures.of_run({("accuracy", "all"): 1.0}) == []
    one = {key: value for key, value in STEPS.items() if key[1] != "after 100"}
    assert figures.of_run(one) == []
    text = figures.of_run(STEPS)[0][1]
    assert [t.text for t in shapes(text, "title")] == [
        "SR 90.0 %",
        "SR 50.0 %",
        "GR 70.0 %",
        "LR 80.0 %",
        "LR 40.0 %",
    ]
    xs = [float(c.get("cx")) for c in shapes(text, "circle")]
    assert xs == [LEFT, LEFT + WIDE, LEFT, LEFT, LEFT + WIDE]


def test_a_board_has_the_fronts_of_all_editors_the_best_first() -> None:
    means = {
        "plain": {("gr", "knob 0"): 0.9, ("lr", "knob 0"): 0.2, ("front_area", "all"): 0.18},
        "masked": RUN,
        "broken": {("front_area", "all"): 0.0},
    }
    asked = []

    def of(task: str) -> Any:
        asked.append(task)
        return means

    ((title, text),) = figures.of_board("vit-edit-natural", of)
    assert title.startswith("Fronts of 2 editors") and set(asked) == {"vit-edit-natural"}
    names = [t.text for t in shapes(text, "text") if t.text.startswith(("masked", "plain", "broken"))]
    assert names == ["masked 30.0", "plain 18.0"]
    lines = shapes(text, "polyline")
    assert [len(line.get("points").split()) for line in lines] == [2, 1]
    assert "always saying the class" not in text
    ((_, text),) = figures.of_board("t", lambda _: {**means, "masked": {**RUN, ("always_lr", "all"): 0.1}})
    (dotted,) = (p for p in shapes(text, "path") if p.find(f"{SVG}title") is not None)
    # From (1, 0) to the left end of the frame, LR 0.2, where the line to (0.1, 1) is at 8/9.
    ends = [tuple(map(float, pair.split())) for pair in dotted.get("d")[1:].split("L")]
    assert ends[0] == (LEFT + WIDE, TOP + HIGH)
    assert ends[1] == (LEFT, pytest.approx(TOP + HIGH * (1 - (8 / 9) / 0.9), abs=0.1))
    assert len({line.get("stroke") for line in lines}) == 2
    assert figures.of_board("vit-edit-natural", lambda task: {"masked": RUN}) == []


def test_as_many_editors_as_there_are_can_be_told_apart() -> None:
    editors = [(f"e{k}", 0.1, [figures.Point(0.1, 0.9)]) for k in range(40)]
    lines = shapes(figures.fronts(editors), "polyline")
    assert len({(line.get("stroke"), line.get("stroke-dasharray")) for line in lines}) == 40


def test_nothing_in_a_picture_runs() -> None:
    evil = "<script>alert(1)</script>"
    text = figures.fronts([(evil, 0.1, [figures.Point(0.1, 0.9)])]) + figures.front(
        {evil: figures.Point(0.1, 0.9)}
    )
    assert not re.search(r"<script|on\w+=|href", text) and "&lt;script&gt;" in text
