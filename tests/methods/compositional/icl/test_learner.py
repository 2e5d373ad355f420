"""The competitor with the probe: what it may not see, and what it promises."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from methods.compositional.icl.learner import FittedInContext, InContext, Selection, pooled
from methods.compositional.icl.prompt import INSTRUCTION, read_prompt
from suite.api import Context
from suite.errors import Skip
from tasks.compositional.conformance import checks
from tasks.compositional.contract import Example, Problem
from tasks.compositional.metrics import augmentation_scores
from tasks.compositional.scan.grammar import commands, interpret
from tasks.compositional.task import Parts, measure

SELECTIONS = get_args(Selection)
COMMANDS = sorted(commands())
WITHOUT = [x for x in COMMANDS if "jump" not in x][::60][:200]
TRAIN = [Example(x, interpret(x)) for x in [*WITHOUT, "jump", "jump"]]
QUERIES = [x for x in COMMANDS if "jump" in x][5::700][:8]


def refuse(command: str) -> str:
    raise AssertionError(f"the interpreter was asked for '{command}'")


def problem(train: list[Example] = TRAIN, **changes: Any) -> Problem:
    fields: dict[str, Any] = {"language": "scan", "train": train, "dev": (), "held_out": frozenset(QUERIES)}
    return Problem(**fields | {"interpret": refuse, "max_output": 60} | changes)


def fitted(selection: str, train: list[Example] = TRAIN, seed: int = 0, **fields: Any) -> FittedInContext:
    method = InContext(selection=selection, reader="probe", seeds=16, **fields)  # type: ignore[arg-type]
    return method.fit(problem(train), Context(seed=seed))


@cache
def standing(selection: str) -> FittedInContext:
    """Fitted once for tests that only ask."""
    return fitted(selection)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_gold_outputs_of_dev_and_test_change_no_byte_of_a_prompt(selection: str) -> None:
    """Fitted and asked as the task does it, once with the right outputs and once with others."""
    seen: list[list[str]] = []

    class Spy(InContext):
        def fit(self, problem: Problem, ctx: Context) -> FittedInContext:
            found = super().fit(problem, ctx)
            seen.append(found.prompts([*QUERIES, *(e.x for e in problem.dev)]))
            return found

    scores = []
    for gold in (interpret, lambda x: "I_WRONG " * (len(x) % 7 + 1)):
        test = [Example(x, gold(x).strip()) for x in QUERIES]
        dev = [Example(x, gold(x).strip()) for x in WITHOUT[:3]]
        posed = problem(dev=dev, held_out=frozenset(e.x for e in [*dev, *test]), interpret=interpret)
        parts = Parts(train=TRAIN, dev=dev, test=test, slices=[()] * len(test), longest=48)
        method = Spy(selection=selection, reader="probe", seeds=16)  # type: ignore[arg-type]
        scores.append(dict(s[:2] for s in measure(method, posed, parts, Context(seed=0))))
    assert [text.encode() for text in seen[0]] == [text.encode() for text in seen[1]]
    assert scores[1]["exact_match"] == 0
    assert scores[0]["demos"] == scores[1]["demos"] == 8


@pytest.mark.parametrize("selection", SELECTIONS)
def test_neither_the_interpreter_nor_the_held_out_inputs_are_used(selection: str) -> None:
    method = InContext(selection=selection, reader="probe", seeds=16)  # type: ignore[arg-type]
    alone = method.fit(problem(held_out=frozenset(), interpret=None), Context(seed=0))
    assert standing(selection).prompts(QUERIES) == alone.prompts(QUERIES)
    assert standing(selection).predict(QUERIES) == alone.predict(QUERIES)


def test_it_keeps_the_promises_of_the_family() -> None:
    """With the selection that has all stages; `suite check` asks every registered one."""
    method = InContext(selection="lcs", reader="probe", seeds=4, shots=2, considered=4)
    spec = SimpleNamespace(role="paper", where="methods.compositional.icl.learner:InContext")
    for check in checks(SimpleNamespace(method_instance=method, method_spec=spec)):  # type: ignore[arg-type]
        check()


@pytest.mark.parametrize("selection", SELECTIONS)
def test_demonstrations_are_distinct_right_and_in_the_order_of_their_worth(selection: str) -> None:
    found = standing(selection)
    for query in QUERIES:
        shown = found.demonstrations(query)
        assert len({d.x for d in shown}) == 8
        assert all(d.y == interpret(d.x) for d in shown)
        assert [d.example for d in shown] == read_prompt(found.prompts([query])[0])[0]
    if selection == "lcs":
        hard = found.reader.difficulty([d.example for d in shown])
        assert hard == sorted(hard)


@pytest.mark.parametrize("selection", ["coverage", "compsub", "lcs"])
def test_every_word_of_the_query_that_training_has_is_demonstrated(selection: str) -> None:
    found = standing(selection)
    for query in QUERIES:
        assert set(query.split()) <= {w for d in found.demonstrations(query) for w in d.x.split()}


def test_the_best_one_stands_next_to_the_query() -> None:
    texts = ["walk left and look", "run thrice", "run left and look twice"]
    train = [Example(x, interpret(x)) for x in texts]
    lines = [
        [d.line for d in fitted(selection, train, shots=3).demonstrations("walk left and look twice")]
        for selection in ("knn", "bm25", "coverage")
    ]
    # One edit to line 2 and to line 0, all five words to line 1. Of the two equal ones line 0 is the earlier,
    # is shorter (BM25), and has more of the bigrams (coverage).
    assert lines == [[1, 2, 0]] * 3


def test_components_solve_jump_where_retrieval_cannot() -> None:
    hosts = [Example(x, interpret(x)) for x in (q.replace("jump", "walk") for q in QUERIES)]

    def right(selection: str) -> int:
        answers = fitted(selection, [*TRAIN, *hosts]).predict(QUERIES)
        return sum(a == interpret(q) for a, q in zip(answers, QUERIES, strict=True))

    assert right("random") == right("knn") == 0
    assert right("compsub") > len(QUERIES) / 2


def test_facts_are_of_the_last_queries() -> None:
    train = [Example("walk", "W"), Example("run twice", "R R")]
    found = fitted("bm25", train, shots=2)
    found.predict(["walk twice now", "walk", "walk", "walk twice now"])
    # Each prompt shows both lines. "now" is in neither; "walk" is a demonstration itself.
    words = len(INSTRUCTION.split()) + 2 * 2 + 1 + 1 + 2 + 2
    assert found.facts == {
        "demos": 2,
        "demo_coverage": pytest.approx((2 / 3 + 1) / 2),
        "demo_dropped": 0,
        "demo_query": 0.5,
        "prompt_tokens": pytest.approx(words + 2 + (3 + 1) / 2),
    }
    found.predict(["walk"])
    assert found.facts["demo_coverage"] == found.facts["demo_query"] == 1
    assert fitted("bm25", train).facts == {}


def test_made_demonstrations_are_told_for_the_audit() -> None:
    found = fitted("compsub")
    found.predict(QUERIES)
    shown: dict[str, tuple[str, int, str]] = {}
    for made in (d for query in QUERIES for d in found.demonstrations(query) if d.how):
        shown.setdefault(made.x, (made.y, made.line, made.how))
    assert {a.x: (a.y, a.host, a.how) for a in found.augmented} == shown
    scores = dict(s[:2] for s in augmentation_scores(found.augmented, interpret, train=[e.x for e in TRAIN]))
    assert (scores["aug_consistency"], scores["aug_overlap_train"]) == (1, 0)
    strict = fitted("compsub", strict=True)
    strict.predict(QUERIES)
    assert strict.facts["demo_query"] == 0


def test_random_and_lcs_follow_the_seed_and_the_query_alone() -> None:
    for selection in ("random", "lcs"):
        one, other = standing(selection).prompts(QUERIES), fitted(selection, seed=1).prompts(QUERIES)
        assert one != other
        assert standing(selection).prompts(QUERIES[3:4]) == one[3:4]


def test_of_a_repeated_line_the_first_output_counts() -> None:
    found = fitted("bm25", [Example("a", "A"), Example("b", "B"), Example("a", "C")])
    assert found.kept.lines == [Example("a", "A"), Example("b", "B")]


def test_a_pool_keeps_every_word_and_the_order_of_the_lines() -> None:
    lines = [Example(f"w{i % 3} x", "y") for i in range(3)] + [Example("rare", "r")]
    lines += [Example("w0 w1", str(i)) for i in range(30)]
    for seed in range(5):
        kept = pooled(lines, 6, Context(seed=seed).rng("pool"))
        assert [e for e in lines if e in kept] == kept
        assert len(kept) == 6
        assert {w for e in kept for w in e.x.split()} == {"w0", "w1", "w2", "x", "rare"}
    assert len(fitted("bm25", pool=50).kept.lines) == 50
    assert len(standing("bm25").kept.lines) == len(WITHOUT) + 1


def test_loaded_from_its_file_it_shows_the_same(tmp_path: Path) -> None:
    found = fitted("lcs", seed=3, pool=100)
    found.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["in_context.json"]
    loaded = found.method.load(tmp_path)
    assert loaded.prompts(QUERIES) == found.prompts(QUERIES)
    assert loaded.predict(QUERIES) == found.predict(QUERIES)


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(Skip, match="nothing to demonstrate"):
        fitted("bm25", [])
    with pytest.raises(Skip, match="no components"):
        InContext(selection="lcs", reader="probe").fit(problem(language="toy"), Context(seed=0))


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"selection": "best"}, "selection is one of random, bm25"),
        ({"reader": "llm"}, "reader is one of lm, probe"),
        ({"shots": 0}, "shots must be at least 1"),
        ({"pool": 0}, "pool must be at least 1"),
        ({"considered": 4}, r"considered \(4\) must be at least shots \(8\)"),
        ({"tau": 0.0}, "tau must be positive"),
    ],
)
def test_senseless_settings_are_refused(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        InContext(**fields)
