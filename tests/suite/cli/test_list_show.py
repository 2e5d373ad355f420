"""`suite list` and `suite show`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

FAMILIES = "family,tasks,methods\ntoy,1,8\n"
METHOD = """\
toy-good: a method of family toy
summary: Always right.
paper: A toy (2024), https://example.org/toy
version: 1
role: ceiling
deviations: None: there is no paper.
fields:
  field    type                  default  smoke  small  paper
  mode     one of fast, careful  fast     fast   fast   fast
  rate     float                 0.5      0.5    0.5    0.5
  rounds   int                   3        1      5      3
  verbose  true or false         false    false  false  false
needs:
  profile  minutes  memory_mb  download_mb
  small     0.1000        100            0
tasks: toy
runs:
  task  profile  runs  ok  wall_s  overhead_s   peak_mb
  toy   small       3   3  3.0000      0.2500  100.0000
"""


def test_families_are_counted(suite) -> None:
    assert suite("list", "families", "--family", "toy", "--format", "csv").stdout == FAMILIES


def test_tasks_show_their_primary_metric(suite) -> None:
    (row,) = json.loads(suite("list", "tasks", "--family", "toy", "--format", "json").stdout)
    assert row == {
        "task": "toy",
        "family": "toy",
        "primary": "accuracy",
        "paper": "A toy (2024)",
        "summary": "Tell even numbers from odd ones.",
    }


def test_methods_show_their_role(suite) -> None:
    rows = json.loads(suite("list", "methods", "--family", "toy", "--format", "json").stdout)
    assert {row["method"]: row["role"] for row in rows if row["role"] != "baseline"} == {
        "toy-bad": "null",
        "toy-good": "ceiling",
    }


def test_without_a_word_tasks_come_before_methods(suite) -> None:
    rows = json.loads(suite("list", "--family", "toy", "--format", "json").stdout)
    assert [row["kind"] for row in rows] == ["task", *["method"] * 8]


def test_an_unknown_family_is_suggested(suite) -> None:
    answer = suite("list", "--family", "toi")
    assert answer.exit_code == 2 and "did you mean 'toy'?" in answer.stderr


def test_a_method_is_shown_with_fields_presets_and_costs(suite, results: Path) -> None:
    answer = suite("show", "toy-good", "--results", results)
    assert (answer.exit_code, answer.stdout) == (0, METHOD)


def test_a_task_is_shown_with_its_metrics_nulls_and_ceiling(suite, results: Path) -> None:
    facts = json.loads(suite("show", "toy", "--results", results, "--format", "json").stdout)
    assert [(m["metric"], m["better"], m["primary"]) for m in facts["metrics"]] == [
        ("accuracy", "higher", True),
        ("errors", "lower", False),
    ]
    assert (facts["null competitors"], facts["ceiling"]) == (["toy-bad"], "toy-good")
    assert facts["fields"] == [
        {"field": "size", "type": "int", "default": 10, "smoke": 4, "small": 10, "paper": 10}
    ]


def test_a_task_says_its_noise_floor(suite, results: Path) -> None:
    facts = json.loads(suite("show", "toy", "--results", results, "--format", "json").stdout)
    (noise,) = facts["in the store"]
    # toy-coin: variance 0.01 with 2 degrees of freedom; toy-slow: 0.02 with 1; toy-good is a ceiling.
    assert noise["sd"] == pytest.approx(math.sqrt((2 * 0.01 + 0.02) / 3), abs=1e-12)
    # Three seeds and two: as many methods have either, and the larger number counts.
    assert (noise["methods"], noise["seeds"]) == (2, 3)


def test_the_noise_floor_has_the_power_it_claims(suite, results: Path) -> None:
    from scipy.stats import nct, t

    facts = json.loads(suite("show", "toy", "--results", results, "--format", "json").stdout)
    (noise,) = facts["in the store"]
    shift = noise["noise floor"] / noise["sd"] / math.sqrt(2 / noise["seeds"])
    freedom = 2 * noise["seeds"] - 2
    critical = t.ppf(0.975, freedom)
    power = nct.sf(critical, freedom, shift) + nct.cdf(-critical, freedom, shift)
    assert power == pytest.approx(0.8, abs=1e-6)


def test_a_family_is_shown_with_tasks_and_methods(suite) -> None:
    first, tasks, *_ = suite("show", "compositional").stdout.splitlines()
    assert first == "compositional: a family"
    assert {"cogs", "scan-jump"} < set(tasks.removeprefix("tasks: ").split(", "))


def test_without_results_nothing_is_said_of_runs(suite) -> None:
    assert "runs:" not in suite("show", "toy-good", "--results", "nowhere").stdout


def test_an_unknown_name_is_suggested(suite) -> None:
    answer = suite("show", "toy-god")
    assert answer.exit_code == 2
    assert (
        answer.stderr == "error: name 'toy-god' not found; did you mean 'toy-good'? `suite list` shows all\n"
    )


def test_a_method_that_cannot_be_imported_is_still_shown(suite, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "lost_plugin.py").write_text(
        "from suite.api import MethodSpec, Paper\n"
        "METHODS = [MethodSpec('lost', 'toy', 'Gone.', 'nowhere:Gone', Paper('P', 2024, ''), 'baseline')]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SUITE_PLUGINS", "toy_plugin,lost_plugin")
    answer = suite("show", "lost")
    assert answer.exit_code == 0 and "summary: Gone." in answer.stdout
    assert answer.stderr.startswith("warning: nowhere:Gone cannot be loaded")


COUNTING = """
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from suite.api import Context, Metric, Paper, Score, Task, TaskSpec

@dataclass(frozen=True)
class Counting(Task):
    size: int = 12000

    def run(self, method, ctx: Context) -> Iterator[Score]:
        raise AssertionError("nothing is run to show what the data is")

    def facts(self, ctx: Context) -> Mapping[str, float | int | str]:
        return {"lines": self.size, "share": 1 / 3, "profile": ctx.profile}

METRICS = (Metric("accuracy", "higher", "fraction", "share"),)
TASKS = [
    TaskSpec("counting", "toy", "Counts.", "counting_plugin:Counting", Paper("P", 2024, ""), METRICS,
             "accuracy", "None.", presets={"small": {"size": 30}})
]
"""


@pytest.fixture
def counting(tmp_path: Path, monkeypatch) -> None:
    """A task that says three things of its data, one of them by the preset of the profile."""
    (tmp_path / "counting_plugin.py").write_text(COUNTING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SUITE_PLUGINS", "toy_plugin,counting_plugin")


def test_a_task_says_what_its_data_is(suite, counting) -> None:
    answer = suite("show", "counting", "--data")
    assert (answer.exit_code, answer.stdout) == (
        0,
        "counting: data of profile small\nfact     value\nlines    30\nshare    0.3333\nprofile  small\n",
    )


def test_the_data_is_that_of_the_profile_with_every_digit_in_json(suite, counting) -> None:
    answer = suite("show", "counting", "--data", "--profile", "paper", "--format", "json")
    facts = {"lines": 12000, "share": 1 / 3, "profile": "paper"}
    assert json.loads(answer.stdout) == {
        "kind": "task",
        "name": "counting",
        "profile": "paper",
        "facts": facts,
    }


def test_a_task_may_have_nothing_to_say_of_its_data(suite) -> None:
    answer = suite("show", "toy", "--data")
    assert (answer.exit_code, answer.stdout) == (
        0,
        "toy: data of profile small: the task says nothing of it\n",
    )


@pytest.mark.parametrize("name", ["toy-good", "compositional"])
def test_only_a_task_has_data(suite, name: str) -> None:
    answer = suite("show", name, "--data")
    assert answer.exit_code == 2
    assert (
        answer.stderr
        == f"error: '{name}' is no task; --data goes with a task, `suite list tasks` shows all\n"
    )


def test_an_unknown_task_is_suggested_when_its_data_is_asked_for(suite) -> None:
    answer = suite("show", "scan-jmp", "--data")
    assert answer.exit_code == 2 and "did you mean 'scan-jump'?" in answer.stderr


def test_data_that_is_not_at_hand_is_one_line_and_exit_code_2(suite, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SUITE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "cache"))
    answer = suite("show", "scan-mcd1", "--data")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: scan/tasks.txt.gz is not in") and answer.stderr.count("\n") == 1


def test_a_profile_without_data_is_refused(suite) -> None:
    answer = suite("show", "toy", "--profile", "paper")
    assert answer.exit_code == 2
    assert answer.stderr == "error: --profile says whose sizes --data reads; without --data leave it out\n"
