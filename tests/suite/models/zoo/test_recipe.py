"""Recipes: what a training leaves behind, and the card that tells of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from suite.errors import UsageError
from suite.models.zoo import recipes
from suite.models.zoo.recipe import WEIGHTS, Made, Recipe, Table, Workshop, train


@dataclass(frozen=True)
class Halves(Recipe):
    """Writes a tensor of halves."""

    size: int = 3

    @property
    def data(self) -> tuple[str, ...]:
        return ()

    def make(self, workshop: Workshop) -> Made:
        workshop.report("halving", self.size, self.size)
        save: Callable[[Path], None] = lambda folder: save_file(  # noqa: E731
            {"w": torch.full((self.size,), 0.5)}, folder / WEIGHTS
        )
        table = Table("Halves", ("what", "value"), (("half", 0.5),), "By hand.")
        return Made(save, {"architecture": "none"}, [table])


def test_the_card_tells_scores_settings_and_the_checksum(tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    workshop = Workshop(tmp_path / "work", tmp_path / "shared", lambda *what: heard.append(what))
    folder = train(Halves("halves", "A tensor of halves."), tmp_path / "made", workshop)
    card = (folder / "card.md").read_text()
    content = (folder / WEIGHTS).read_bytes()
    assert card.startswith("# halves\n\nA tensor of halves.\n")
    assert f"{len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}" in card
    assert "### Halves\n\n| what | value |\n|---|---|\n| half | 0.5 |\n\nBy hand." in card
    assert "- seed: 0\n- size: 3" in card
    assert "`suite models train halves`" in card
    assert heard == [("halving", 3, 3)]


def test_other_settings_are_another_training() -> None:
    first, second = Halves("a", "x"), Halves("b", "y")
    assert first.identity == second.identity
    assert first.identity != Halves("a", "x", size=4).identity
    assert first.identity != Halves("a", "x", seed=1).identity


def test_every_recipe_has_its_name_and_a_place_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path))
    places = {recipes.workshop_of(recipe, print).checkpoint for recipe in recipes.recipes().values()}
    assert len(places) == len(recipes.recipes())
    assert all(name == recipe.name for name, recipe in recipes.recipes().items())


def test_an_unknown_recipe_is_said_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="recipe 'vit-32-cleen' not found; did you mean 'vit-32-clean'"):
        recipes.recipe("vit-32-cleen")
