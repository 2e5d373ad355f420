"""Pictures of a family's own: found beside its tasks, shown on the page as they are."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from markupsafe import Markup

from leaderboard import pictures
from suite import catalog


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A task of a package that has pictures of runs alone."""
    package, module = ModuleType("drawing"), ModuleType("drawing.figures")
    package.__path__ = []
    module.of_run = lambda values: [("one", f"<svg>{len(values)}</svg>")]  # type: ignore[attr-defined]
    module.__spec__ = sys.__spec__
    monkeypatch.setitem(sys.modules, "drawing", package)
    monkeypatch.setitem(sys.modules, "drawing.figures", module)
    pictures._module.cache_clear()
    yield replace(next(iter(catalog.tasks().values())), where="drawing.task:Task")
    pictures._module.cache_clear()


def test_a_family_draws_its_runs_and_the_markup_is_kept(spec: Any) -> None:
    made = pictures.of_run(spec, {("a", "all"): 1.0, ("b", "all"): 2.0})
    assert made == [("one", Markup("<svg>2</svg>"))] and isinstance(made[0][1], Markup)
    assert pictures.of_task(spec, {}) == [] and pictures.shown(spec) == frozenset()


def test_a_family_without_pictures_and_a_task_that_is_gone() -> None:
    plain = catalog.task("scan-jump")
    assert pictures.of_run(plain, {("a", "all"): 1.0}) == pictures.of_task(plain, {}) == []
    assert pictures.of_run(None, {}) == [] and pictures.shown(None) == frozenset()
    assert pictures.shown(catalog.task("cl-static")) == {"accuracy"}
    assert pictures.of_run(replace(plain, where="no.such.place:Task"), {}) == []


def test_a_family_draws_what_stands_in_tables(spec: Any) -> None:
    seen = []

    def of_board(task: str, means: Any) -> list[tuple[str, str]]:
        seen.append((task, means("other")))
        return [("board", "<svg/>")]

    sys.modules["drawing.figures"].of_board = of_board  # type: ignore[attr-defined]
    assert pictures.of_board(spec, lambda name: {name: {}}) == [("board", Markup("<svg/>"))]
    assert seen == [(spec.name, {"other": {}})]
    assert pictures.of_board(None, lambda name: {}) == []
