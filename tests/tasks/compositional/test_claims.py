"""The claims: what is computed, against counts worked out here, and figures that must add up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from suite import catalog
from suite.claims import Bound, Claim
from tasks.compositional import claim_checks, claims, claims_parsing, published
from tasks.compositional.contract import Example
from tasks.compositional.scan.grammar import commands
from tasks.compositional.scan.splits import Split

BY_ID = {claim.id: claim for claim in claims.CLAIMS}
FIGURE = {(p.method, p.task): p for p in published.PUBLISHED}


def points(method: str, task: str) -> float:
    """The published exact match in per cent."""
    return round(100 * FIGURE[method, task].value, 1)


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`split(train, test)` puts these commands in the place of every published split."""

    def put(train: tuple[str, ...], test: tuple[str, ...], dev: tuple[str, ...] = ()) -> None:
        made = Split(train, test, dev)
        monkeypatch.setattr(claim_checks.splits, "published", lambda *names, **more: made)

    return put


def test_the_grammar_has_as_many_commands_as_its_rules_make(monkeypatch: pytest.MonkeyPatch) -> None:
    verbs, directions = 4, 2
    phrases = 3 * (verbs + 3 * verbs * directions + 3 * directions)  # plain, twice, thrice
    assert phrases == 102 and phrases + 2 * phrases**2 == 20_910
    assert claim_checks.grammar_size() == (True, "20,910 different commands")
    monkeypatch.setattr(claim_checks, "commands", lambda: commands()[1:])
    assert claim_checks.grammar_size() == (False, "20,909 different commands")


def test_no_rule_made_split_shares_a_command_or_has_a_new_word() -> None:
    assert claim_checks.nothing_shared() == (True, "12 splits; test commands in train or dev: none")
    assert claim_checks.words_known() == (True, "12 splits; words of test that train lacks: none")


def test_neither_does_mcd() -> None:
    if not (Path(os.environ.get("SUITE_DATA_DIR") or ".") / "scan/mcd/mcd2.json").exists():
        pytest.skip("MCD needs scan/mcd in SUITE_DATA_DIR")
    assert claim_checks.nothing_shared_mcd() == (True, "2 splits; test commands in train or dev: none")
    assert claim_checks.words_known_mcd() == (True, "2 splits; words of test that train lacks: none")


def test_a_shared_command_and_a_new_word_are_found(split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_checks, "MCD", ("mcd1",))
    split(("walk", "walk left"), ("walk", "run left", "look"), dev=("look",))
    assert claim_checks.nothing_shared_mcd() == (False, "1 splits; test commands in train or dev: mcd1 2")
    assert claim_checks.words_known_mcd() == (
        False,
        "1 splits; words of test that train lacks: mcd1 look run",
    )


def test_around_right_leaves_out_what_turn_alone_fills(split) -> None:
    # 1,209 = commands with "turn around right" and no other verb before "around right": worked out by filter.
    around = [c for c in commands() if "around right" in c]
    by_turn = [c for c in around if "turn around right" in c]
    both = [
        c for c in by_turn if any(f"{verb} around right" in c for verb in ("walk", "look", "run", "jump"))
    ]
    assert len(by_turn) == 1_209 and both
    found = "1,209 commands in neither part, 1,209 of them with 'turn around right'"
    assert claim_checks.left_out() == (True, found)
    split(commands()[1:], ())
    holds, said = claim_checks.left_out()
    assert not holds and said.startswith("1 commands in neither part, 0 of them")


def test_one_substitution_makes_the_jump_test_set() -> None:
    # 7,706 of the 20,910 commands have "jump" and are not it: 20,910 - 13,203 without it - 1.
    assert sum("jump" in c for c in commands()) == 7_707
    holds, found = claim_checks.jump_closure()
    assert holds
    assert found == (
        "of 7,706 test commands 7,706 are in the closure with their right actions; it makes 0 other commands"
    )


def test_a_wrong_label_and_a_missing_command_count_against_it(split, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        def __init__(self, depth: int) -> None:
            assert depth == 1

        def augment(self, problem: Any, ctx: Any) -> list[Any]:
            pairs = (("jump left", "I_TURN_LEFT I_JUMP"), ("jump right", "I_JUMP"), ("walk", "I_WALK"))
            return [Example(x, y) for x, y in pairs]

    monkeypatch.setattr(catalog, "load", lambda where: Fake)
    split(("jump",), ("jump left", "jump right", "jump twice"))
    assert claim_checks.jump_closure() == (
        False,
        "of 3 test commands 1 are in the closure with their right actions; it makes 1 other commands",
    )


def test_every_row_of_cogs_is_what_the_grammar_makes_of_it() -> None:
    if not (Path(os.environ.get("SUITE_DATA_DIR") or ".") / "cogs/gen.tsv.gz").exists():
        pytest.skip("COGS needs its files in SUITE_DATA_DIR")
    # 24,155 + 3,000 + 3,000 + 21,000 rows.
    assert claim_checks.cogs_rows() == (True, "51,155 rows; 0 differ")


def test_no_template_of_the_query_split_is_known() -> None:
    if not (Path(os.environ.get("SUITE_DATA_DIR") or ".") / "geoquery").is_dir():
        pytest.skip("GeoQuery needs its files in SUITE_DATA_DIR")
    assert claim_checks.geoquery_templates() == (True, "110 templates in test, 0 of them in train")


def test_the_published_figures_are_those_of_the_poster() -> None:
    # Row by row as printed: jump, around right, MCD1, MCD2, MCD3.
    printed = {
        "lstm": "1.3±0.4 10.2±4.6 8.9±1.6 11.9±9.4 6.0±0.9",
        "geca": "95.2±8.0 84.3±6.3 23.4±9.1 25.5±8.8 10.9±4.6",
        "lexlearn": "91.2±11.9 95.3±1.6 12.5±2.0 19.3±1.9 11.6±0.9",
        "lexsym": "100.0±0.0 84.0±7.1 47.4±7.1 30.8±8.4 13.7±3.6",
        "prim2primx-met": "7.3±5.6 97.6±1.0 31.5±4.1 33.5±2.7 11.6±1.0",
        "compsub": "100.0±0.0 99.9±0.1 63.4±13.1 72.9±10.1 74.0±10.2",
        "compsub-lcs": "100.0±0.0 100.0±0.0 67.4±12.1 73.0±10.1 80.2±1.8",
    }
    rows: dict[str, list[str]] = {}
    for figure in published.PUBLISHED:
        if not figure.task.startswith("scan-"):
            continue
        assert figure.sd is not None
        rows.setdefault(figure.method, []).append(f"{100 * figure.value:.1f}±{100 * figure.sd:.1f}")
    assert {method: " ".join(row) for method, row in rows.items()} == printed


def test_the_published_figures_of_cogs_and_geoquery_are_those_of_the_poster() -> None:
    # Row by row as printed: COGS, Geo question, Geo query; a dash where the poster has none.
    printed = {
        "lstm": "55.4±4.2 75.2 58.6",
        "geca": "48.0±5.0 76.8 60.6",
        "lexlearn": "82.0±0.0 - -",
        "lexsym": "81.4±0.5 81.6 80.2",
        "prim2primx-met": "81.1±1.0 - -",
        "subs": "- 80.5 77.7",
        "compsub": "91.8±0.1 82.4 81.4",
        "compsub-lcs": "92.3±0.2 - -",
    }

    def shown(method: str, task: str) -> str:
        figure = FIGURE.get((method, task))
        if figure is None:
            return "-"
        return f"{100 * figure.value:.1f}" + ("" if figure.sd is None else f"±{100 * figure.sd:.1f}")

    tasks = ("cogs", "geoquery-iid", "geoquery-query")
    assert {m: " ".join(shown(m, t) for t in tasks) for m in printed} == printed
    elsewhere = [p for p in published.PUBLISHED if p.task in tasks and p.method not in printed]
    assert elsewhere == []


def test_the_margins_and_notes_on_parsing_follow_from_the_figures() -> None:
    assert round(points("compsub", "cogs") - points("lstm", "cogs"), 1) == 36.4
    best = max(points(method, "cogs") for method in claims_parsing.COGS_BASELINES)
    assert round(points("compsub-lcs", "cogs") - best, 1) == 10.3
    gains = [points("compsub", task) - points("lstm", task) for task in claims_parsing.GEO]
    assert [round(gain, 1) for gain in gains] == [7.2, 22.8]
    rivals = max(points(method, "geoquery-query") for method in claims_parsing.GEO_BASELINES)
    assert round(points("compsub", "geoquery-query") - rivals, 1) == 1.2


def test_the_margins_and_notes_follow_from_the_figures() -> None:
    gains = [points("compsub", task) - points("lstm", task) for task in claims.RUN_HERE]
    assert round(min(gains), 1) == 54.5 and "54.5" in BY_ID["compsub-lifts-lstm"].note
    best = max(points(method, "scan-mcd3") for method in claims.AUGMENTERS)
    assert round(points("compsub-lcs", "scan-mcd3") - best, 1) == 66.5
    assert round(points("compsub-lcs", "scan-mcd3") - 52.2, 1) == 28.0
    assert round(80.8 - points("compsub-lcs", "scan-mcd2"), 1) == 7.8
    assert max(points("lstm", task) for task in claims.RUN_HERE) == 10.2


def test_every_claim_from_the_table_is_true_of_the_table() -> None:
    for claim in claims.CLAIMS:
        if claim.where != published.TABLE:
            continue
        for task in claim.tasks:
            if isinstance(claim, Claim):
                own = points(claim.better, task)
                assert all(own - points(rival, task) > 100 * claim.margin for rival in claim.worse), claim.id
            elif isinstance(claim, Bound):
                assert claim.relation == "at most" and points(claim.method, task) <= 100 * claim.value
