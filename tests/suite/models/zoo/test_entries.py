"""The packaged models are those that their entries pin, and their cards were made by the recipes of today."""

from __future__ import annotations

import hashlib
import re

import pytest

from suite.models import load
from suite.models.registry import Entry
from suite.models.sources import ZOO, locate
from suite.models.zoo.entries import ENTRIES
from suite.models.zoo.recipe import WEIGHTS
from suite.models.zoo.recipes import recipe, recipes

MIB = 1 << 20


def names(entry: Entry) -> str:
    return entry.name


def test_there_is_an_entry_for_every_recipe_and_a_recipe_for_every_entry() -> None:
    assert {entry.recipe for entry in ENTRIES} == set(recipes())
    assert all(entry.recipe == entry.name for entry in ENTRIES)


def test_weights_are_small_enough_to_be_packaged() -> None:
    sizes = [path.stat().st_size for path in ZOO.rglob(WEIGHTS)]
    assert max(sizes) < 12 * MIB
    assert sum(sizes) < 40 * MIB


@pytest.mark.parametrize("entry", ENTRIES, ids=names)
def test_every_packaged_file_is_pinned_and_is_as_pinned(entry: Entry) -> None:
    folder = ZOO / entry.name
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    found.pop("card.md")
    assert found == {file.name: file.sha256 for file in entry.files}
    assert {file.name: file.bytes for file in entry.files} == {n: (folder / n).stat().st_size for n in found}


@pytest.mark.parametrize("entry", ENTRIES, ids=names)
def test_the_card_is_of_these_weights_and_of_the_recipe_as_it_stands(entry: Entry) -> None:
    card = (ZOO / entry.name / "card.md").read_text()
    pinned = {file.name: file.sha256 for file in entry.files}
    assert pinned[WEIGHTS] in card
    assert f"`suite models train {entry.name}`" in card
    settings = dict(re.findall(r"^- (\w+): (.*)$", card.partition("## Settings")[2], re.MULTILINE))
    assert settings == {key: str(value) for key, value in recipe(entry.name).settings.items()}


@pytest.mark.parametrize("entry", ENTRIES, ids=names)
def test_it_loads_and_has_the_parameters_that_its_entry_says(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUITE_MODELS_DIR", raising=False)
    found = locate(entry)
    assert found is not None and found.origin == "zoo"
    model = load(entry.name).model
    assert sum(p.numel() for p in model.parameters()) == entry.parameters
    assert not model.training
