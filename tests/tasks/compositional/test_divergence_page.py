"""docs/divergence.md says what the code computes: three rows in full, the sizes of every SCAN row."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from suite import catalog
from suite.api import Context
from suite.settings import build
from tasks.compositional.compounds import anatomy
from tasks.compositional.divergence import divergence, weighted
from tasks.compositional.scan.splits import published, with_dev

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "divergence.md").read_text(encoding="utf-8")
ROWS = {name: rest for name, rest in re.findall(r"^\| `([\w-]+)` \| (.+) \|$", PAGE, flags=re.MULTILINE)}
WITHOUT = {"scan-mcd3", "geoquery-sql-question", "geoquery-sql-query"}


def data(name: str) -> Path:
    """A file of SUITE_DATA_DIR; skips the test where there is none."""
    path = Path(os.environ.get("SUITE_DATA_DIR", "")) / name
    if not os.environ.get("SUITE_DATA_DIR") or not path.is_file():
        pytest.skip(f"{name} is not in SUITE_DATA_DIR")
    return path


@cache
def facts(name: str) -> Mapping[str, float]:
    """What `suite show NAME --data --profile paper` says."""
    spec = catalog.task(name)
    task = build(catalog.load(spec.where), name, spec.params, spec.presets.get("paper", {}))
    return task.facts(Context(seed=0, profile="paper", data=data))


def row(said: Mapping[str, float]) -> str:
    """The facts as the page's table has them, after the name of the task."""
    cells = [f"{said[f'{part}_lines']:,}" for part in ("train", "test")]
    cells += [f"{said[f'{part}_mean_input']:.1f}" for part in ("train", "test")]
    cells += [f"{said[f'{part}_mean_output']:.1f}" for part in ("train", "test")]
    cells += [f"{said[f'{part}_longest_output']}" for part in ("train", "test")]
    cells += [f"{said['test_words_unknown']}", f"{100 * said['test_outputs_seen']:.1f}"]
    for kind in ("atom", "compound"):
        cells += [f"{said[f'{kind}_divergence{suffix}']:.3f}" for suffix in ("", "_random")]
    return " | ".join(cells)


@pytest.mark.parametrize("name", ["geoquery-iid", "geoquery-query", "scan-mcd1"])
def test_the_row_is_what_the_command_says(name: str) -> None:
    assert ROWS[name] == row(facts(name))


def test_the_shares_of_geoquery_are_those_counted_in_the_published_files() -> None:
    """Counted for issue 5: of the 256 questions by question, 82 programs and 184 templates are in train; of
    the 253 by query none."""
    iid, query = facts("geoquery-iid"), facts("geoquery-query")
    assert (iid["test_outputs_seen"], iid["test_templates_seen"]) == (82 / 256, 184 / 256)
    assert (query["test_outputs_seen"], query["test_templates_seen"]) == (0, 0)
    assert f"{100 * 184 / 256:.1f} %" in PAGE


def test_mcd_diverges_by_compounds_and_not_by_atoms() -> None:
    """Keysers et al. 2020, section 2.1: at most 0.02 by atoms."""
    said = facts("scan-mcd1")
    assert said["atom_divergence"] <= 0.02
    assert said["compound_divergence"] > 0.5 > 0.05 > said["compound_divergence_random"]


def test_the_categories_of_cogs_are_as_far_from_training_as_the_page_says() -> None:
    spec = catalog.task("cogs-ql")
    parts = build(catalog.load(spec.where), spec.name, spec.params).parts(Context(seed=0, data=data))
    found = [anatomy("cogs-ql", e).compounds for e in (*parts.train, *parts.test)]
    weights = weighted(found)
    train, test = weights[: len(parts.train)], weights[len(parts.train) :]
    categories = {names[0] for names in parts.slices}
    of = {
        name: [w for w, names in zip(test, parts.slices, strict=True) if name in names] for name in categories
    }
    by_category = {name: divergence(train, rows, 0.1) for name, rows in of.items()}
    least = sorted(by_category, key=by_category.__getitem__)[:2]
    assert least == ["obj_pp_to_subj_pp", "cp_recursion"]
    for name in ("active_to_passive", *least):
        assert re.search(rf"`{name}`[^`]*\b{by_category[name]:.2f}\b", PAGE), name
    assert f" {divergence(train, test, 0.1):.3f} |" in f"| {ROWS['cogs-ql']} |"


def test_every_task_that_reads_its_own_split_has_a_row() -> None:
    family = {s.name for s in catalog.tasks().values() if s.family == "compositional"}
    assert set(ROWS) == {n for n in family if not n.startswith("icl-") and n != "cogs-mini"} - WITHOUT


def test_the_rows_of_scan_have_the_lines_of_their_splits() -> None:
    for name, rest in ROWS.items():
        if name.startswith("scan-") and "mcd" not in name:
            split = with_dev(published(str(catalog.task(name).params["split"])))
            assert rest.split(" | ")[:2] == [f"{len(split.train):,}", f"{len(split.test):,}"], name


def test_no_cell_is_outside_of_its_bounds() -> None:
    for rest in ROWS.values():
        *_, seen, atoms, by_chance, compounds, chance = (float(c.replace(",", "")) for c in rest.split(" | "))
        assert 0 <= seen <= 100 and all(0 <= d <= 1 for d in (atoms, by_chance, compounds, chance))
