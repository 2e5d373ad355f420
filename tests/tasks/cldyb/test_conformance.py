"""The family's checks pass for what keeps its promises and fail, by name, for what breaks one."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from methods.cldyb.adversaries import Greedy, NcmHard, TreeSearch
from methods.cldyb.er import ER
from methods.cldyb.floors import RandomGuess
from methods.cldyb.ranpac import RanPAC
from methods.cldyb.simplecil import SimpleCIL
from suite import catalog
from suite.errors import MethodError
from tasks.cldyb.conformance import checks, first_task
from tasks.cldyb.contract import Found

GOOD = [
    SimpleCIL(),
    RanPAC(dim=30),
    ER(exemplars=8, replay=4, epochs=2, batch=8),
    TreeSearch(simulations=6),
    NcmHard(),
]


def failing(method: Any, role: str = "baseline") -> set[str]:
    found = set()
    planned = SimpleNamespace(method_instance=method, method_spec=SimpleNamespace(role=role))
    for check in checks(planned):  # type: ignore[arg-type]
        try:
            check()
        except MethodError:
            found.add(check.name)
    return found


def test_a_null_may_guess_by_place_and_a_competitor_may_not() -> None:
    assert failing(RandomGuess(), "null") == set() and failing(RandomGuess()) == {"alone"}


@pytest.mark.parametrize("method", GOOD, ids=lambda one: type(one).__name__)
def test_promises_that_are_kept(method: Any) -> None:
    assert failing(method) == set()


def broken(**changes: Any) -> Any:
    """Class means with methods of the learner replaced: name to function of the plain learner."""

    @dataclass(frozen=True)
    class Broken(SimpleCIL):
        def begin(self, backbone: Any, seed: int) -> Any:
            learner = super().begin(backbone, seed)
            for name, change in changes.items():
                setattr(learner, name, change(learner, getattr(learner, name)))
            return learner

    return Broken()


def forgetful(learner: Any, restore: Any) -> Any:
    return lambda state, seen: restore({k: torch.zeros_like(v) for k, v in state.items()}, seen)


def hidden(learner: Any, logits: Any) -> Any:
    """Counts its lessons beside its state."""
    learner.lessons = 0
    plain = learner.learn

    def learn(task: Any, seed: int) -> None:
        plain(task, seed)
        learner.lessons += 1

    learner.learn = learn
    return lambda x: logits(x) * learner.lessons


def aliased(learner: Any, restore: Any) -> Any:
    """Takes the tensors that it is given for its own, and changes them when it learns."""
    plain, owned = learner.learn, {}

    def learn(task: Any, seed: int) -> None:
        plain(task, seed)
        for value in owned.values():
            value.add_(1)

    def put_back(state: Any, seen: Any) -> None:
        owned.update(state)
        restore({k: v.clone() for k, v in state.items()}, seen)

    learner.learn = learn
    return put_back


def by_company(learner: Any, logits: Any) -> Any:
    return lambda x: logits(x) - logits(x).mean(0)


def backwards(learner: Any, logits: Any) -> Any:
    return lambda x: logits(x)[:, 1:]


def lenient(learner: Any, learn: Any) -> Any:
    def again(task: Any, seed: int) -> None:
        try:
            learn(task, seed)
        except ValueError:
            return

    return again


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"restore": forgetful}, "resume"),
        ({"logits": hidden}, "resume"),
        ({"restore": aliased}, "copies"),
        ({"logits": by_company}, "alone"),
        ({"logits": backwards}, "columns"),
        ({"learn": lenient}, "repeats"),
    ],
)
def test_promises_that_are_broken(changes: dict[str, Any], named: str) -> None:
    assert failing(broken(**changes)) == {named}


@dataclass(frozen=True)
class Boasting(Greedy):
    def find(self, mdp: Any, seed: int) -> Found:
        plain = super().find(mdp, seed)
        return plain._replace(rewards=tuple(r + 1 for r in plain.rewards))


def test_an_adversary_that_boasts() -> None:
    assert failing(Boasting()) == {"return"}


def test_each_kind_has_its_task() -> None:
    assert first_task(catalog.method("mcts")) == "cldyb-search"
    assert first_task(catalog.method("ranpac")) == "cl-static"
