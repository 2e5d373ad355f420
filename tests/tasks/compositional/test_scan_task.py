"""What the task measures, on problems small enough to count by hand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from suite.api import Context, Score
from suite.catalog import load
from suite.errors import DataError, MethodError, Skip, UsageError
from suite.settings import build
from tasks.compositional import TASKS
from tasks.compositional.contract import Augmented, Example, Fitted, Learner, Problem
from tasks.compositional.in_context import InContextScan
from tasks.compositional.metrics import FACTS, METRICS, matches
from tasks.compositional.scan.grammar import interpret
from tasks.compositional.scan.patterns import patterns
from tasks.compositional.scan.splits import SPLITS
from tasks.compositional.task import Parts, ScanTask, measure


class Answers(Fitted):
    """Predicts by a function of the input."""

    def __init__(self, answer: Callable[[str], Any], **kept: Any) -> None:
        super().__init__(**kept)
        self.answer = answer

    def predict(self, inputs: Sequence[str]) -> list[str]:
        return [self.answer(x) for x in inputs]

    def save(self, folder: Path) -> None:
        """Nothing to keep."""


@dataclass(frozen=True)
class Scripted(Learner):
    """A competitor whose fit gives `fitted`, and that remembers the problem it saw."""

    fitted: Any
    seen: list[Problem] = field(default_factory=list)

    def fit(self, problem: Problem, ctx: Context) -> Fitted:
        self.seen.append(problem)
        return self.fitted

    def load(self, folder: Path) -> Fitted:
        return self.fitted


def double(x: str) -> str:
    """The toy language: every word twice; only lower-case words are in it."""
    if not x.islower():
        raise ValueError(x)
    return f"{x} {x}"


def toy(**changes: Any) -> Problem:
    train = [Example(x, double(x)) for x in ("a", "b", "b")]
    parts: dict[str, Any] = {
        "language": "toy",
        "train": train,
        "dev": [Example("c", "c c"), Example("d", "d d")],
        "held_out": frozenset("cdefgh"),
        "interpret": double,
        "max_output": 2,
    }
    return Problem(**(parts | changes))


TEST = [Example(x, double(x)) for x in "efgh"]


def slices(x: str, y: str) -> list[str]:
    return ["kind=vowel" if x in "aeiou" else "kind=consonant", *(["late"] if x >= "g" else [])]


def scores(fitted: Any, ctx: Context | None = None, samples: int = 0) -> dict[tuple[str, str], Score]:
    problem = toy()
    parts = Parts(problem.train, problem.dev, TEST, [slices(*e) for e in TEST], 2, [Example("g", "g g")])
    found = measure(
        Scripted(fitted),
        problem,
        parts,
        ctx or Context(0),
        samples=samples,
        executes=lambda p, y: p[-1] == y[0],
    )
    return {(s.metric, s.slice): s for s in found}


def three_of_four(x: str) -> str:
    return "h" if x == "h" else double(x)


def test_exact_match_and_slices_are_shares_of_their_examples() -> None:
    found = scores(Answers(three_of_four))
    assert found["exact_match", "all"] == Score("exact_match", 0.75, 4)
    assert found["exact_match", "kind=vowel"] == Score("exact_match", 1.0, 1, "kind=vowel")
    assert found["exact_match", "kind=consonant"] == Score("exact_match", 2 / 3, 3, "kind=consonant")
    assert found["exact_match", "late"] == Score("exact_match", 0.5, 2, "late")
    assert found["dev_exact_match", "all"] == Score("dev_exact_match", 1.0, 2)
    assert found["iid_exact_match", "all"] == Score("iid_exact_match", 1.0, 1)
    assert found["execution", "all"] == Score("execution", 1.0, 4)


def test_interval_is_the_binomial_one() -> None:
    # Binomial(4, 3/4): P(0) = .004, P(<= 1) = .051, P(4) = .316, so the 2.5 and 97.5 percentiles are 1 and 4.
    found = scores(Answers(three_of_four))
    assert found["exact_match_lo", "all"].value == pytest.approx(0.25)
    assert found["exact_match_hi", "all"].value == pytest.approx(1.0)


def test_blanks_between_tokens_do_not_count_but_order_does() -> None:
    assert matches([" a  b ", "b a", "a"], ["a b", "a b", "a b"]) == [True, False, False]


def test_augmentation_is_counted_checked_and_compared_with_every_part() -> None:
    added = [
        Augmented("b", "b b", 0, "known input"),
        Augmented("c", "c c", 0, "dev input"),
        Augmented("e", "e", 0, "test input, wrong output"),
        Augmented("e", "e", 1, "the same pair again"),
        Augmented("X", "X X", 1, "a word of the method's own"),
        Augmented("c b", "c b", 1, "known words that mean nothing together"),
    ]
    found = scores(Answers(double, augmented=added))
    assert found["aug_n", "all"] == Score("aug_n", 5)
    assert found["aug_consistency", "all"] == Score("aug_consistency", 0.5, 4)
    assert found["aug_overlap_train", "all"] == Score("aug_overlap_train", 0.5, 2)
    assert found["aug_overlap_dev", "all"] == Score("aug_overlap_dev", 0.5, 2)
    assert found["aug_overlap_test", "all"] == Score("aug_overlap_test", 0.25, 4)


def test_without_augmentation_only_its_number_is_given() -> None:
    metrics = [metric for metric, _ in scores(Answers(double)) if metric.startswith("aug")]
    assert metrics == ["aug_n"]


def test_facts_of_the_fit_become_scores_and_others_do_not() -> None:
    found = scores(Answers(double, facts={"steps": 7, "parameters": 12, "mood": 1.0}))
    assert found["steps", "all"].value == 7
    assert found["parameters", "all"].value == 12
    assert ("examples_seen", "all") not in found
    assert ("mood", "all") not in found


def test_every_score_is_a_declared_metric() -> None:
    facts = dict.fromkeys(FACTS, 1.0)
    added = [Augmented("e", "e e", 0, "")]
    given = {metric for metric, _ in scores(Answers(double, augmented=added, facts=facts))}
    assert given == {m.name for m in METRICS}


def test_only_clock_readings_are_inexact() -> None:
    assert {m.name for m in METRICS if not m.exact} == {"fit_s", "predict_s"}


def test_all_items_are_logged_and_some_with_texts() -> None:
    ctx = Context(0)
    scores(Answers(three_of_four), ctx, samples=2)
    assert [(s.index, s.correct) for s in ctx.samples] == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.0)]
    told = [s for s in ctx.samples if s.input is not None]
    assert len(told) == 2
    assert all(s.output == three_of_four(s.input or "") and s.target == double(s.input or "") for s in told)


def short(inputs: Sequence[str]) -> list[str]:
    return [""]


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (short, "gave 1 outputs for 4 test inputs"),
        (lambda inputs: [None] * len(inputs), "gave NoneType on test; every output must be a string"),
        (lambda inputs: "e f g h", "gave str on test; it must give a list of strings"),
    ],
)
def test_wrong_predictions_are_the_methods_error(predict: Callable[..., Any], message: str) -> None:
    fitted = Answers(double)
    fitted.predict = predict  # type: ignore[method-assign]
    with pytest.raises(MethodError, match=message):
        scores(fitted)


def test_a_fit_that_gives_no_fitted_is_the_methods_error() -> None:
    with pytest.raises(MethodError, match=r"Scripted.fit gave NoneType; it must give a Fitted"):
        scores(None)


def run(
    task: ScanTask, fitted: Fitted | None = None, ctx: Context | None = None
) -> tuple[Problem, list[Score]]:
    method = Scripted(fitted or Answers(interpret))
    found = list(task.run(method, ctx or Context(0)))
    return method.seen[0], found


def test_the_method_meets_no_test_example() -> None:
    problem, found = run(ScanTask("addprim_jump"))
    inputs = {e.x for e in (*problem.train, *problem.dev)}
    assert len(problem.train) == 14_030
    assert len(problem.dev) == 640
    assert inputs & problem.held_out <= {e.x for e in problem.dev}
    assert not any("jump" in x for x in inputs - {"jump"})
    assert sum("jump" in x for x in problem.held_out - {"jump"}) == 7_706
    assert found[0] == Score("exact_match", 1.0, 7_706)


def test_decoding_is_capped_above_the_longest_output_of_the_language() -> None:
    # 1.1 times the 48 actions of "walk around left thrice and walk around left thrice".
    assert run(ScanTask("length", n_test=2))[0].max_output == 53


def test_sizes_are_drawn_by_the_split_seed_and_not_by_the_cells() -> None:
    task = ScanTask("right", n_train=50, n_test=20)
    first, found = run(task, ctx=Context(0))
    assert (len(first.train), len(first.dev)) == (50, 20)
    assert found[0].n == 20
    assert run(task, ctx=Context(1))[0].train == first.train
    assert run(ScanTask("right", split_seed=1, n_train=50, n_test=20))[0].train != first.train


def test_the_budget_reaches_the_competitor() -> None:
    assert run(ScanTask("length", n_test=2))[0].budget == 1
    assert run(ScanTask("length", n_test=2, budget=0.25))[0].budget == 0.25


def test_slices_of_a_command() -> None:
    x = "walk around left twice and jump opposite right thrice"
    assert patterns(x, interpret(x)) == [
        *("conj=and", "mod=opposite", "mod=around", "quant=twice", "quant=thrice", "len=25-32")
    ]
    assert patterns("run", "I_RUN") == ["conj=single", "mod=none", "quant=none", "len=1-8"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "jmp"}, "no split 'jmp'"),
        ({"n_train": 0}, "n_train must be at least 1"),
        ({"n_test": -1}, "n_test must be at least 1"),
        ({"samples": -1}, "samples must not be negative"),
        ({"budget": 0.0}, "budget must be above 0 and at most 1"),
        ({"budget": 1.5}, "budget must be above 0 and at most 1"),
    ],
)
def test_wrong_fields_are_usage_errors(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(ScanTask, "scan-jump", {"split": "simple"}, change)


def test_a_competitor_in_another_setting_is_skipped() -> None:
    with pytest.raises(Skip, match="Scripted competes in training tasks; this one is in-context"):
        run(InContextScan("length", n_test=2))


def test_mcd_without_data_is_a_data_error() -> None:
    with pytest.raises(DataError, match="scan split mcd1 needs"):
        run(ScanTask("mcd1"))


def test_the_card_has_a_task_for_every_split() -> None:
    scan = [t for t in TASKS if t.name.startswith("scan-")]
    assert {t.params["split"] for t in scan} == set(SPLITS)
    assert len(scan) == 15
    assert len({t.name for t in TASKS}) == len(TASKS)
    for spec in TASKS:
        for preset in spec.presets.values():
            build(load(spec.where), spec.name, spec.params, preset)
        assert spec.metric(spec.primary) is not None


def test_the_card_imports_no_numbers_library() -> None:
    code = "import sys, tasks.compositional; print(sorted({'numpy', 'torch', 'pandas'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
