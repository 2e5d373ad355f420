"""A search with real learners: what it counts, that it goes on after a kill, that it can be repeated."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from methods.cldyb.er import ER
from methods.cldyb.ranpac import RanPAC
from methods.cldyb.simplecil import SimpleCIL
from suite.errors import UsageError
from tasks.cldyb import hunt as hunting
from tasks.cldyb.actions import Reduction
from tasks.cldyb.contract import Learner, SearchSettings
from tasks.cldyb.hunt import Hunt, hunt
from tasks.cldyb.mdp import Reward
from tasks.cldyb.orders import random_order
from tasks.cldyb.sequence import FoundSequence
from tasks.cldyb.stage import Stage

LEARNERS: dict[str, Any] = {
    "ranpac": RanPAC(dim=20, ridge=1.0),
    "er": ER(exemplars=10, replay=4, epochs=1, batch=8, lr=0.05),
}
PLAN = Hunt(
    3, SearchSettings(simulations=8, depth=3), Reduction(2, 12, 4), Reward(), search_seed=1, training_seed=4
)


def same(a: FoundSequence, b: FoundSequence) -> bool:
    """All but the clock."""
    return replace(a, seconds=0.0) == replace(b, seconds=0.0)


def test_the_return_is_one_less_the_final_accuracy_and_replay_gives_the_matrices(stage: Stage) -> None:
    found = hunt(stage, LEARNERS, PLAN)
    finals = [np.mean(rows[-1]) for rows in found.matrices.values()]
    assert sum(found.rewards) == pytest.approx(1 - np.mean(finals), abs=1e-12)
    for name, method in LEARNERS.items():
        assert stage.follow(method, found.tasks, PLAN.training_seed, "val").matrix == found.matrices[name]
    assert len({c for task in found.tasks for c in task}) == 6
    assert same(found, hunt(stage, LEARNERS, PLAN))
    backbone = stage.backbone
    told = (found.settings["base_model"], found.settings["backbone"])
    assert told == (backbone.name, backbone.fingerprint)


@dataclass(frozen=True)
class Counting(SimpleCIL):
    """Counts what is learned, over all its learners."""

    log: tuple[list[int], ...] = ([],)

    def begin(self, backbone: Any, seed: int) -> Learner:
        learner = super().begin(backbone, seed)
        plain = learner.learn

        def learn(task: Any, seed: int) -> None:
            self.log[0].append(1)
            plain(task, seed)

        learner.learn = learn  # type: ignore[method-assign]
        return learner


def test_trainings_are_the_distinct_edges(stage: Stage) -> None:
    counted = Counting(log=([],))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hunting, "dump", lambda method: {})
        found = hunt(stage, {"ncm": counted}, PLAN)
    assert found.trainings == len(counted.log[0])
    assert found.trainings < found.simulations * PLAN.search.depth


class Killed(Exception):
    pass


def test_a_search_that_was_killed_goes_on_to_the_same_sequence(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hunting, "EVERY", 3)
    state = tmp_path / "search.json"

    def kill(label: str, done: int, total: int) -> None:
        if done == 1 and state.exists():
            raise Killed

    with pytest.raises(Killed):
        hunt(stage, LEARNERS, PLAN, state, kill)
    before = json.loads(state.read_text())
    assert 0 < before["search"]["simulations"] < 24
    resumed = hunt(stage, LEARNERS, PLAN, state)
    assert same(resumed, hunt(stage, LEARNERS, PLAN))
    other = replace(PLAN, search_seed=2)
    with pytest.raises(UsageError, match="another search"):
        hunt(stage, LEARNERS, other, state)
    state.write_text("{")
    with pytest.raises(UsageError, match="no search can be read"):
        hunt(stage, LEARNERS, PLAN, state)


def test_two_of_the_same_learner_are_as_good_as_one(stage: Stage) -> None:
    one = hunt(stage, {"er": LEARNERS["er"]}, PLAN)
    two = hunt(stage, {"er": LEARNERS["er"], "again": LEARNERS["er"]}, PLAN)
    assert one.tasks == two.tasks and two.trainings == 2 * one.trainings
    assert two.rewards == pytest.approx(one.rewards, abs=1e-12)
    turned = hunt(stage, dict(reversed(LEARNERS.items())), PLAN)
    assert turned.tasks == hunt(stage, LEARNERS, PLAN).tasks


def test_what_is_found_is_harder_than_random_sequences(stage: Stage) -> None:
    found = hunt(stage, LEARNERS, replace(PLAN, search=SearchSettings(simulations=24)))
    rng = np.random.default_rng(0)
    for name, method in LEARNERS.items():
        random = [
            np.mean(stage.follow(method, random_order(range(12), 2, 3, rng), 4, "val").matrix[-1])
            for _ in range(20)
        ]
        assert np.mean(found.matrices[name][-1]) < np.mean(random)


def test_a_limit_of_time_takes_a_step_after_one_simulation_at_least(stage: Stage) -> None:
    found = hunt(stage, LEARNERS, replace(PLAN, seconds=0.0))
    assert found.simulations == 3 and len(found.tasks) == 3


def test_learners_of_features_and_of_images_are_searched_together(stage: Stage) -> None:
    images = ER(reads="images", exemplars=6, replay=4, epochs=1, batch=8, lr=0.05)
    both = {**LEARNERS, "images": images}
    found = hunt(stage, both, PLAN)
    for name, method in both.items():
        alone = stage.follow(method, found.tasks, PLAN.training_seed, "val").matrix
        assert found.matrices[name] == alone
    # What is offered at the start, before any encoder has moved, is what learners of features are offered.
    first = hunt(stage, LEARNERS, PLAN).steps[0]
    assert {child.task for child in found.steps[0].children} == {child.task for child in first.children}


def test_a_trained_encoder_is_asked_what_classes_look_like_to_it(stage: Stage) -> None:
    method = ER(reads="images", exemplars=6, replay=4, epochs=1, batch=8, lr=0.05)
    memo = stage.memo({"er": method}, 0)
    problem = stage.problem(memo, Reduction(2, 12, 4), 3, {"er": "images"})
    frozen = stage.problem(
        stage.memo(LEARNERS, 0), Reduction(2, 12, 4), 3, dict.fromkeys(LEARNERS, "features")
    )
    stream = np.random.default_rng
    assert problem.actions((), stream(0)) == frozen.actions((), stream(0))
    first = problem.actions((), stream(0))[0]
    problem.reward((), first)
    fresh = stage.problem(stage.memo({"er": method}, 0), Reduction(2, 12, 4), 3, {"er": "images"})
    assert problem.actions((first,), stream(1)) == fresh.actions((first,), stream(1))
