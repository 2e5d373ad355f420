"""A search with real learners, from the first simulation to `sequence.json`; it goes on where it was killed.

Used by the task in which every learner has an adversary of its own, and by `tasks.cldyb.emit`, which makes
the sequences that are published.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from suite.api import Report
from suite.errors import UsageError
from suite.settings import dump
from tasks.cldyb.actions import Reduction
from tasks.cldyb.contract import ContinualLearner, Search, SearchSettings
from tasks.cldyb.mdp import Reward
from tasks.cldyb.memo import Memo
from tasks.cldyb.sequence import FoundSequence
from tasks.cldyb.stage import Stage

EVERY = 25
"""Moves of the search between two writings of its state."""


@dataclass(frozen=True)
class Hunt:
    """What is searched for and how. seconds: of the whole search, shared out evenly over its steps, after
    which a step is taken even if simulations are left; None for no limit. With a limit the outcome depends on
    the machine.
    """

    horizon: int
    search: SearchSettings
    reduction: Reduction
    reward: Reward
    search_seed: int
    training_seed: int
    seconds: float | None = None


def hunt(
    stage: Stage,
    learners: Mapping[str, ContinualLearner],
    plan: Hunt,
    kept: Path | None = None,
    report: Report | None = None,
) -> FoundSequence:
    """The sequence that the tree search finds against these learners.

    kept: a file for the state of the search, read where it is there, written while it goes on and left in
    place at the end. UsageError where it is of another search.
    """
    memo = stage.memo(learners, plan.training_seed)
    reads = {name: method.reads for name, method in learners.items()}
    problem = stage.problem(memo, plan.reduction, plan.horizon, reads, plan.reward)
    identity = _identity(stage, learners, plan)
    search, before = _resumed(problem, plan, memo, kept, identity)
    started = time.perf_counter()
    turn, moves = started, 0
    while not search.done:
        if (
            plan.seconds is not None
            and search.spent
            and time.perf_counter() - turn >= plan.seconds / plan.horizon
        ):
            search.take()
        else:
            search.advance()
        if not search.spent:
            turn = time.perf_counter()
        moves += 1
        if kept is not None and (moves % EVERY == 0 or search.done):
            spent = before + time.perf_counter() - started
            _write(kept, {"of": identity, "seconds": spent, "search": search.state(), "memo": memo.state()})
        if report is not None:
            report("tasks found", len(search.history), plan.horizon)
    return FoundSequence(
        pool=stage.pool.name,
        pool_sha256=stage.pool.hash,
        tasks=search.history,
        adversary="mcts",
        settings={
            **asdict(plan.search),
            "reduction": asdict(plan.reduction),
            "seconds": plan.seconds,
            "base_model": stage.backbone.name,
            "backbone": stage.backbone.fingerprint,
        },
        search_seed=plan.search_seed,
        training_seed=plan.training_seed,
        learners={name: dump(method) for name, method in learners.items()},
        reward=asdict(plan.reward),
        rewards=tuple(step.reward for step in search.steps),
        steps=tuple(search.steps),
        matrices={name: tuple(memo.matrix(name, search.history)) for name in memo.names},
        names=_names(stage, search),
        trainings=memo.trainings,
        simulations=search.simulations,
        seconds=round(before + time.perf_counter() - started, 3),
    )


def _names(stage: Stage, search: Search) -> dict[str, str]:
    """Of the classes that were taken or on offer at a real step."""
    tasks = [*search.history, *(child.task for step in search.steps for child in step.children)]
    return {str(c): stage.pool.classes[c].name for c in sorted({c for task in tasks for c in task})}


def _identity(stage: Stage, learners: Mapping[str, ContinualLearner], plan: Hunt) -> Any:
    """All that the outcome depends on, as JSON gives it back."""
    of = {
        "pool": stage.pool.hash,
        "backbone": stage.backbone.fingerprint,
        "learners": {name: [type(method).__qualname__, dump(method)] for name, method in learners.items()},
        "plan": asdict(plan),
    }
    return json.loads(json.dumps(of))


def _resumed(problem: Any, plan: Hunt, memo: Memo, kept: Path | None, identity: Any) -> tuple[Search, float]:
    """The search where it was left, or a new one, and the seconds that went into it before."""
    if kept is None or not kept.exists():
        return Search(problem, plan.search, plan.search_seed), 0.0
    try:
        state = json.loads(kept.read_text(encoding="utf-8"))
        same = state["of"] == identity
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{kept}: the state of no search can be read ({error}); remove the file") from error
    if not same:
        raise UsageError(f"{kept} is the state of another search; remove it, or give another file")
    memo.resume(state["memo"])
    return Search.resume(problem, state["search"]), float(state["seconds"])


def _write(path: Path, state: Mapping[str, Any]) -> None:
    """In one move, so that a kill leaves the state before or the state after."""
    draft = path.with_name(path.name + ".tmp")
    draft.write_text(json.dumps(state), encoding="utf-8")
    os.replace(draft, path)
