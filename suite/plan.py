"""From names to a cell that can run: specs, presets and `--set` become a frozen method and a frozen task."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from suite import catalog, settings
from suite.api import PROFILES, MethodSpec, Task, TaskSpec
from suite.cell import Cell, canonical
from suite.errors import UsageError, unknown
from suite.fingerprint import code_fingerprint, module_hashes
from suite.records import Run

TASK_PREFIX = "task."
BASE_MODEL = "base_model"
NOTHING: Mapping[str, Any] = MappingProxyType({})
HASH_DIGITS = 12
# The column of the store holds 32 bits.
LAST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Planned:
    """A cell with the objects that run it and the fingerprint of their code."""

    cell: Cell
    task_spec: TaskSpec
    method_spec: MethodSpec
    task_instance: Task
    method_instance: Any
    code: str

    @cached_property
    def modules(self) -> dict[str, str]:
        """Each project module behind `code` with the start of its hash, so that a change can be named."""
        hashes = module_hashes(_modules(self.task_spec, self.method_spec))
        return {name: digest[:HASH_DIGITS] for name, digest in sorted(hashes.items())}


def plan(
    task: str,
    method: str,
    profile: str = "small",
    seed: int = 0,
    sets: Mapping[str, str] = NOTHING,
    base_model: str = "",
) -> Planned:
    """The cell of these names; imports the classes of task and method, never torch.

    `sets` holds what the user set by hand as text: `field` of the method, `task.field` of the task.
    A task that works on a base model has a field `base_model`, which its presets fill; `base_model` here is
    another name for setting that field. UsageError names what is wrong: a name, the profile, the seed, a
    field or its value.
    """
    method_spec, task_spec = catalog.pair(method, task)
    if profile not in PROFILES:
        raise unknown("profile", profile, PROFILES, "suite run --help")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LAST_SEED:
        raise UsageError(f"seed {seed!r}: a seed is a whole number from 0 to {LAST_SEED:,}")
    of_task = {k.removeprefix(TASK_PREFIX): v for k, v in sets.items() if k.startswith(TASK_PREFIX)}
    of_method = {k: v for k, v in sets.items() if not k.startswith(TASK_PREFIX)}
    if base_model:
        of_task[BASE_MODEL] = _stated(base_model, task_spec, of_task)
    method_instance, method_set = _instance(method_spec, profile, of_method)
    task_instance, task_set = _instance(task_spec, profile, of_task)
    base_model = getattr(task_instance, BASE_MODEL, "")
    cell = Cell(
        task=task,
        method=method,
        profile=profile,
        seed=seed,
        family=task_spec.family,
        base_model=base_model,
        settings=canonical(settings.dump(method_instance)),
        task_settings=canonical(settings.dump(task_instance)),
        overrides=canonical(method_set | _prefixed(task_set)),
        task_version=task_spec.version,
        method_version=method_spec.version,
        data_fingerprint=_data_fingerprint(task_spec),
        model_fingerprint=_model_fingerprint(base_model),
    )
    code = _code(task_spec, method_spec)
    return Planned(cell, task_spec, method_spec, task_instance, method_instance, code)


def restore(cell: Cell) -> Planned:
    """The cell with exactly its own settings, whatever the presets say today, and with today's code."""
    method_spec, task_spec = catalog.pair(cell.method, cell.task)
    method_instance = settings.build(catalog.load(method_spec.where), cell.method, json.loads(cell.settings))
    task_instance = settings.build(catalog.load(task_spec.where), cell.task, json.loads(cell.task_settings))
    code = _code(task_spec, method_spec)
    return Planned(cell, task_spec, method_spec, task_instance, method_instance, code)


def today(cell: Cell) -> Cell:
    """The same cell with the versions, the data and the base model that the catalogue has today."""
    method_spec, task_spec = catalog.pair(cell.method, cell.task)
    return dataclasses.replace(
        cell,
        task_version=task_spec.version,
        method_version=method_spec.version,
        data_fingerprint=_data_fingerprint(task_spec),
        model_fingerprint=_model_fingerprint(cell.base_model),
    )


def cell_of(run: Run) -> Cell:
    """The cell that a stored run measured."""
    return Cell(**{f.name: getattr(run, f.name) for f in dataclasses.fields(Cell)})


def _instance(
    spec: TaskSpec | MethodSpec, profile: str, texts: Mapping[str, str]
) -> tuple[Any, dict[str, Any]]:
    """The object from the layers params, preset, `--set`; and the typed values of the last layer."""
    cls = catalog.load(spec.where)
    by_hand = settings.overrides(cls, texts, spec.name) if texts else {}
    return settings.build(cls, spec.name, spec.params, spec.presets.get(profile, NOTHING), by_hand), by_hand


def _stated(base_model: str, spec: TaskSpec, of_task: Mapping[str, str]) -> str:
    """The base model asked for, once it is clear that the task has one and is told of one alone."""
    if BASE_MODEL not in settings.fields_of(catalog.load(spec.where)):
        raise UsageError(f"--base-model {base_model}: task '{spec.name}' adapts no base model; leave it out")
    if (other := of_task.get(BASE_MODEL, base_model)) != base_model:
        raise UsageError(f"--base-model {base_model} and --set task.{BASE_MODEL}={other} disagree")
    return base_model


def _prefixed(task_set: Mapping[str, Any]) -> dict[str, Any]:
    """What was set of the task, as the command line names it; the base model has a column of its own."""
    return {TASK_PREFIX + name: value for name, value in task_set.items() if name != BASE_MODEL}


def _modules(*specs: TaskSpec | MethodSpec) -> tuple[str, ...]:
    return tuple(spec.where.partition(":")[0] for spec in specs)


def _code(task_spec: TaskSpec, method_spec: MethodSpec) -> str:
    return code_fingerprint(*_modules(task_spec, method_spec))


def _data_fingerprint(spec: TaskSpec) -> str:
    if not spec.data:
        return ""
    from suite.data import fingerprint

    return fingerprint(spec.data)


def _model_fingerprint(base_model: str) -> str:
    if not base_model:
        return ""
    from suite.models import fingerprint

    return fingerprint(base_model)
