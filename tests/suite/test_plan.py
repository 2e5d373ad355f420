from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest

from suite.errors import UsageError
from suite.fingerprint import code_fingerprint
from suite.plan import cell_of, plan, restore
from suite.runner import run_of

ENVIRONMENT = {"git_commit": "", "git_dirty": False, "packages": "{}", "host": "{}"}


def test_a_cell_holds_every_setting_after_defaults_preset_and_set() -> None:
    planned = plan("toy", "toy-good", "small", 3, {"rate": "0.7", "task.size": "6"})
    assert json.loads(planned.cell.settings) == {"mode": "fast", "rate": 0.7, "rounds": 5, "verbose": False}
    assert json.loads(planned.cell.task_settings) == {"size": 6}
    assert json.loads(planned.cell.overrides) == {"rate": 0.7, "task.size": 6}
    assert (planned.cell.seed, planned.cell.profile, planned.cell.family) == (3, "small", "toy")
    assert (planned.method_instance.rate, planned.task_instance.size) == (0.7, 6)


def test_set_wins_over_the_preset_and_the_preset_over_the_default() -> None:
    assert plan("toy", "toy-good", "paper").method_instance.rounds == 3
    assert plan("toy", "toy-good", "smoke").method_instance.rounds == 1
    assert plan("toy", "toy-good", "smoke", sets={"rounds": "2"}).method_instance.rounds == 2


def test_setting_what_is_the_default_is_the_same_cell() -> None:
    assert plan("toy", "toy-good", sets={"rate": "0.5"}).cell.id == plan("toy", "toy-good").cell.id


def test_the_code_is_that_of_the_modules_of_task_and_method() -> None:
    planned = plan("toy", "toy-good")
    assert planned.code == code_fingerprint("toy_plugin")
    assert {"toy_plugin", "suite.api", "suite.errors"} <= set(planned.modules)
    assert {len(digest) for digest in planned.modules.values()} == {12}


@pytest.mark.parametrize("seed", [-1, 2**31, 1.5, "0", True])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises(UsageError, match="a seed is a whole number from 0 to 2,147,483,647"):
        plan("toy", "toy-good", seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("toy", "toy-godo"), "method 'toy-godo' not found; did you mean 'toy-good'?"),
        (("toi", "toy-good"), "task 'toi' not found; did you mean 'toy'?"),
        (("toy", "toy-good", "smal"), "profile 'smal' not found; did you mean 'small'?"),
        (("toy", "toy-good", "small", 0, {"task.siz": "1"}), "toy has no field 'siz'; did you mean 'size'?"),
        (("toy", "toy-good", "small", 0, {"size": "1"}), "toy-good has no field 'size'"),
    ],
)
def test_a_wrong_name_is_wrong_use(arguments: tuple[object, ...], says: str) -> None:
    with pytest.raises(UsageError) as error:
        plan(*arguments)  # type: ignore[arg-type]
    assert says in str(error.value)


def test_a_stored_run_gives_back_its_cell_with_its_own_settings() -> None:
    planned = plan("toy", "toy-good", "smoke", 2, {"mode": "careful", "task.size": "6"})
    cost = {"started": 0.0, "wall_s": 0.0, "cpu_s": 0.0, "overhead_s": 0.0, "peak_mb": 0.0}
    run = run_of(planned, "ok", "", ENVIRONMENT, device="cpu", threads=1, **cost)
    again = restore(cell_of(run))
    assert again.cell == planned.cell
    assert again.method_instance == planned.method_instance
    assert again.task_instance == planned.task_instance


def test_a_stored_cell_keeps_its_settings_when_the_preset_has_changed() -> None:
    cell = dataclasses.replace(plan("toy", "toy-good").cell, settings='{"rounds":77}')
    assert restore(cell).method_instance.rounds == 77


def test_planning_imports_neither_torch_nor_pandas() -> None:
    code = (
        "import sys; from suite.plan import plan; plan('toy', 'toy-good');"
        "print(sorted({'torch', 'transformers', 'datasets', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
