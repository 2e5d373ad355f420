"""Bugs planted in methods that really run: the gate names the cell. No change, no alarm."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from suite import catalog
from suite.plan import plan
from suite.runner import execute
from suite.store import Store

# Says "even" by the slope of a least-squares fit to noisy examples; `SIGN` is the bug's place.
PLUGIN = '''
from collections.abc import Sequence
from dataclasses import dataclass

from suite.api import Context, MethodSpec
from toy_plugin import PAPER, ToyMethod


@dataclass(frozen=True)
class Slope(ToyMethod):
    """Learns which of two values is the even one from thirty noisy examples."""

    def answer(self, numbers: Sequence[int], ctx: Context) -> list[float]:
        rng = ctx.rng("slope")
        x = rng.integers(0, 2, 30)
        y = (1 - x) + rng.normal(0, 0.3, 30)
        slope = SIGN ((x - x.mean()) * (y - y.mean())).sum()
        noise = rng.normal(0, 2.5, len(numbers))
        return [float((k % 2 - 0.5) * slope + e > 0) for k, e in zip(numbers, noise)]


METHODS = [MethodSpec("toy-slope", "toy", "Learns.", f"{__name__}:Slope", PAPER, "paper")]
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """`plugin(name, sign)` puts the method with this sign of its formula into the catalogue."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def register(name: str, sign: str) -> None:
        (tmp_path / f"{name}.py").write_text(PLUGIN.replace("SIGN", sign), encoding="utf-8")
        monkeypatch.setenv("SUITE_PLUGINS", f"toy_plugin,{name}")
        catalog.tasks.cache_clear()
        catalog.methods.cache_clear()
        made.append(name)

    yield register
    for name in made:
        sys.modules.pop(name, None)


def ran(
    folder: Path, task: str, methods: tuple[str, ...], seeds: int, profile: str = "small", **sets: str
) -> Path:
    """A results folder with cells that the real runner made."""
    store = Store(folder)
    for method in methods:
        for seed in range(seeds):
            store.append(execute(plan(task, method, profile, seed, sets)))
    return folder


def gate(baseline: Path, candidate: Path, *options: str) -> Result:
    from suite.cli import main

    words = ["gate", "--baseline", str(baseline), "--candidate", str(candidate), *options]
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize("seeds", [1, 5])
def test_a_sign_turned_round_in_a_formula_is_a_regression(
    tmp_path: Path, plugin: Callable[[str, str], None], seeds: int
) -> None:
    """With five seeds other code is judged by their noise, with one seed exactly."""
    plugin("sound", "+1 *")
    before = ran(tmp_path / "before", "toy", ("toy-slope", "toy-good"), seeds)
    plugin("turned", "-1 *")
    after = ran(tmp_path / "after", "toy", ("toy-slope", "toy-good"), seeds)
    result = gate(before, after)
    assert result.exit_code == 1, result.output
    whose = "mean of 5 seeds" if seeds == 5 else "seed 0"
    caught = [line for line in result.stdout.splitlines() if line.startswith("regression")]
    assert any(f"toy-slope on toy (small, {whose})" in line and "accuracy" in line for line in caught)
    assert "toy-good on toy" not in result.stdout
    assert not any(line.startswith("improvement  toy-slope") for line in result.stdout.splitlines())


def test_a_rename_that_changes_no_score_passes(tmp_path: Path, plugin: Callable[[str, str], None]) -> None:
    plugin("sound_too", "-1 *")
    before = ran(tmp_path / "before", "toy", ("toy-slope",), 3)
    plugin("renamed", "- 1 *")
    result = gate(before, ran(tmp_path / "after", "toy", ("toy-slope",), 3))
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        ["gate passed: no change; 9 values of 3 cells compared"],
    )


def test_twenty_reruns_without_a_change_raise_no_alarm(tmp_path: Path) -> None:
    """The guessing method differs from seed to seed, and not from run to run."""
    methods = ("toy-coin", "toy-good")
    before = ran(tmp_path / "before", "toy", methods, 2)
    assert len({s["value"] for s in Store(before).scores({"method": ["toy-coin"]}).to_pylist()}) >= 2
    said = [gate(before, ran(tmp_path / str(k), "toy", methods, 2)) for k in range(20)]
    assert [result.exit_code for result in said] == [0] * 20
    assert {result.stdout for result in said} == {"gate passed: no change; 12 values of 4 cells compared\n"}


@pytest.mark.slow
def test_a_turned_sign_in_a_loss_is_caught_at_smoke_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parser of the compositional family trained for 200 steps climbs its negated log-likelihood."""
    from methods.compositional import training

    size = {"steps": "200", "task.n_test": "100"}
    before = ran(tmp_path / "before", "scan-length", ("lstm",), 1, "smoke", **size)
    true = training.batch_nll
    monkeypatch.setattr(training, "batch_nll", lambda log_p, target: -true(log_p, target))
    result = gate(before, ran(tmp_path / "after", "scan-length", ("lstm",), 1, "smoke", **size))
    assert result.exit_code == 1, result.output
    caught = [line for line in result.stdout.splitlines() if line.startswith("regression")]
    assert any("lstm on scan-length" in line and "dev_exact_match" in line for line in caught)
