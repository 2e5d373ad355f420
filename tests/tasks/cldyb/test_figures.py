"""Pictures of matrices, domains and searches: what stands in them is what was given."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tasks.cldyb import figures, registry
from tasks.cldyb.nodes import Child, Step
from tasks.cldyb.sequence import FoundSequence

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("cold/a", "warm/b", "cold/<c>", "warm/d")


@pytest.fixture
def found() -> FoundSequence:
    first = Step((0, 1), 0.25, 3, (Child((0, 1), 0.25, 2, 0.5, 0.6), Child((1, 2), 0.125, 1, 0.4, 0.4)))
    return FoundSequence(
        pool="toy",
        pool_sha256="0" * 64,
        tasks=((0, 1), (2, 3)),
        adversary="mcts",
        settings={},
        search_seed=0,
        training_seed=0,
        learners={},
        reward={},
        rewards=(0.25, 0.5),
        steps=(first, Step((2, 3), 0.5, 1, (Child((2, 3), 0.5, 1, 0.5, 0.5),))),
        matrices={},
        names={str(c): name for c, name in enumerate(NAMES)},
        trainings=4,
        simulations=4,
        seconds=1.0,
    )


def test_a_matrix_has_a_square_for_each_accuracy_and_shows_it_in_per_cent() -> None:
    values = {
        ("accuracy", "found-0 step 1 task 1"): 0.75,
        ("accuracy", "found-0 step 2 task 1"): 0.254,
        ("accuracy", "found-0 step 2 task 2"): 1.0,
        ("accuracy", "random-1 step 1 task 1"): 0.5,
        ("final_accuracy", "found-0"): 0.6,
        ("accuracy", "all"): 0.1,
    }
    made = figures.of_run(values)
    assert [title for title, _ in made] == ["Accuracy matrix, found-0", "Accuracy matrix, random-1"]
    root = ElementTree.fromstring(made[0][1])
    squares = [(float(r.get("fill-opacity", "")), r.get("x"), r.get("y")) for r in root.iter(f"{SVG}rect")]
    assert [one[0] for one in squares] == [0.75, 0.254, 1.0]
    assert squares[0][1] == squares[1][1] != squares[2][1]
    assert squares[1][2] == squares[2][2] != squares[0][2]
    assert [t.text for t in root.iter(f"{SVG}text")][-3:] == ["75", "25", "100"]
    assert figures.of_run({("final_accuracy", "all"): 1.0}) == []


def test_domains_are_counted_task_by_task_and_in_all(found: FoundSequence) -> None:
    root = ElementTree.fromstring(figures.domains(found))
    texts = [t.text for t in root.iter(f"{SVG}text")]
    assert texts == ["task 1", "1", "1", "task 2", "1", "1", "cold, 2 classes", "warm, 2 classes"]
    widths = [float(r.get("width", "")) for r in root.iter(f"{SVG}rect")]
    assert widths[:4] == [figures.WIDE / 2 - 2] * 4
    uneven = replace(found, names={**found.names, "3": "cold/d"})
    parts = [t.text for t in ElementTree.fromstring(figures.domains(uneven)).iter(f"{SVG}text")]
    assert parts[3:5] == ["task 2", "2"] and "cold, 3 classes" in parts


def test_the_search_is_told_step_by_step_with_the_taken_task_marked(found: FoundSequence) -> None:
    root = ElementTree.fromstring(figures.explorer(found))
    steps = [one for one in root.iter("details")]
    assert [one.find("summary").text for one in steps] == [  # type: ignore[union-attr]
        "Step 1: cold/a, warm/b",
        "Step 2: cold/<c>, warm/d",
    ]
    rows = [
        ["".join(cell.itertext()).strip() for cell in row]
        for row in root.iter("tr")
        if row.find("td") is not None
    ]
    assert rows == [
        ["cold/a, warm/b taken", "2", "0.500", "0.600", "0.250"],
        ["warm/b, cold/<c>", "1", "0.400", "0.400", "0.125"],
        ["cold/<c>, warm/d taken", "1", "0.500", "0.500", "0.500"],
    ]
    assert "<c>" not in figures.explorer(found) and "<c>" not in figures.domains(found)


def test_a_task_shows_the_sequences_of_its_settings(
    found: FoundSequence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    found.write(tmp_path / "a.json")
    reference = registry.named("a")
    titles = [t for t, _ in figures.of_task({"found": f"{reference}, gone@000000000000"})]
    assert titles == ["Domains of the tasks, a", "The search, a"]
    assert figures.of_task({"size": 2}) == figures.of_task({"found": ""}) == []
    replace(found, steps=()).write(tmp_path / "a.json")
    assert [t for t, _ in figures.of_task({"found": reference})] == ["Domains of the tasks, a"]


def test_nothing_in_a_picture_runs(found: FoundSequence) -> None:
    evil = replace(found, names={str(c): f"x/<script>{c}" for c in range(4)})
    for text in (figures.explorer(evil), figures.domains(evil)):
        assert not re.search(r"<script|on\w+=|href", text)


def test_ranks_on_static_random_and_found_sequences() -> None:
    """Three learners are measured on all; one has no static row and one is Joint, found sequences of both
    tasks counting. Static and random rank alike (tau 1), found the other way round (tau -1).
    """

    def row(random: float, found: float) -> dict[tuple[str, str], float]:
        return {("final_accuracy", "random"): random, ("final_accuracy", "all"): found}

    tables = {
        "cl-static": {
            name: {("final_accuracy", "all"): v} for name, v in (("a", 0.9), ("b", 0.8), ("<c>", 0.7))
        },
        "cldyb-joint": {"a": row(0.6, 0.1), "elsewhere": row(0.1, 0.1)},
        "cldyb-transfer": {"b": row(0.5, 0.2), "<c>": row(0.4, 0.3), "a": {}},  # a was skipped here
    }
    ((title, markup),) = figures.of_board("cldyb-joint", lambda name: tables.get(name, {}))
    assert title == (
        "Ranking of 3 learners. Kendall's tau with static sequences: 1.00 on random ones, -1.00 on found ones"
    )
    root = ElementTree.fromstring(markup)
    lines = [line.get("points", "").split() for line in root.iter(f"{SVG}polyline")]
    heights = [[float(point.split(",")[1]) for point in line] for line in lines]
    assert [h[0] < h[2] for h in heights] == [False, True, False]  # names in order: <c>, a, b
    assert sorted(h[0] for h in heights) == sorted(h[2] for h in heights)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts[:3] == ["static", "random", "found"] and "a 90.0" in texts and "30.0 <c>" in texts
    assert figures.of_board("cl-static", lambda name: tables.get(name, {})) == []
    assert figures.of_board("cldyb-joint", lambda name: {}) == []
