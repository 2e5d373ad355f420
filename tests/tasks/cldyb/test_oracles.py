"""Frozen oracles, and what is said of adversaries on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from methods.cldyb.adversaries import Greedy, NcmHard, RandomTasks, TreeSearch
from methods.cldyb.ranpac import RanPAC
from methods.cldyb.sequence_adversaries import BruteForce
from suite.api import Context
from suite.errors import DataError, MethodError, Skip, UsageError
from tasks.cldyb.contract import Found
from tasks.cldyb.mdp import MDP, Reward, rewards
from tasks.cldyb.memo import LearnersMDP
from tasks.cldyb.oracles import DRAWN, Range, drawn, read, recorded, recordings, returns, span, write
from tasks.cldyb.search_task import SearchTask
from tasks.cldyb.stage import Stage
from tasks.cldyb.tabular import Tabular, histories, singles

SMALL = SearchTask(recorded="digits", drawn="trap", repeats=4, budgets="8,40", headline=40)


def test_the_span_of_a_table_by_hand() -> None:
    table = {((0,),): 0.5, ((1,),): 0.1, ((0,), (1,)): 0.1, ((1,), (0,)): 0.9}
    oracle = Tabular(singles(2), 2, table)
    assert sorted(returns(oracle)) == pytest.approx([0.6, 1.0])
    known = span(oracle)
    assert known == pytest.approx((1.0, 0.8, 0.6))
    assert known.closeness(1.0) == 1 and known.closeness(0.8) == pytest.approx(0)
    assert known.closeness(0.6) == pytest.approx(-1) and Range(1, 1, 1).closeness(1) == 1


@pytest.mark.parametrize(("name", "leaves"), [("trap", 60), ("independent", 360), ("overlapping", 90)])
def test_drawn_oracles_have_so_many_sequences_and_differ_by_draw(name: str, leaves: int) -> None:
    one, other = (drawn(name, np.random.default_rng(seed)) for seed in (0, 1))
    assert len(returns(one)) == leaves and one.table != other.table
    assert span(one).best == pytest.approx(BruteForce().find(one, 0).total)


def test_a_recording_says_what_the_learners_did(stage: Stage, tmp_path: Path) -> None:
    methods = {"ranpac": RanPAC(dim=20, ridge=1.0), "other": RanPAC(dim=5, ridge=1.0)}
    tasks = [(0, 1), (2, 3), (1, 4)]

    def easy(history: object, action: tuple[int, ...]) -> float:
        return action[0] / 10

    problem = LearnersMDP(stage.memo(methods, 3), lambda h, r: tuple(tasks), 2, Reward(), easy)
    whole = list(histories(tasks, 2))
    path = tmp_path / "one.json"
    examined = {task: 12 for task in tasks}
    write(path, problem, tasks, examined, {one: problem.memo.rows(one) for one in whole}, {"pool": "colours"})
    oracle = read(path)
    assert oracle.horizon == 2 and len(returns(oracle)) == 4
    for one in whole:
        assert oracle.table[one] == pytest.approx(problem.reward(one[:-1], one[-1]), abs=1e-12)
        assert oracle.easiness(one[:-1], one[-1]) == easy((), one[-1])
    path.write_text('{"format": 2}')
    with pytest.raises(DataError, match="no recorded oracle"):
        read(path)


@pytest.mark.parametrize("name", recordings())
def test_packaged_recordings_have_every_history_and_real_rewards(name: str) -> None:
    oracle = recorded(name)
    whole = [one for one in histories(oracle.tasks, oracle.horizon) if len(one) == oracle.horizon]
    assert whole and all(0 <= sum(rewards(oracle, one)) <= 1 for one in whole)
    known = span(oracle)
    assert known.worst < known.mean < known.best


def test_brute_force_is_the_best_and_the_mean_is_nought() -> None:
    got = {(s.metric, s.slice): s.value for s in SMALL.run(BruteForce(), Context(seed=0))}
    assert {v for (m, _), v in got.items() if m in ("closeness", "hit")} == {1.0}
    many = SearchTask(recorded="digits", drawn="independent", repeats=300, budgets="1", headline=1)
    chance = {(s.metric, s.slice): s.value for s in many.run(RandomTasks(), Context(seed=0))}
    assert chance["closeness", "independent"] == pytest.approx(0, abs=0.08)
    assert chance["simulations", "all"] == 1


def test_budgets_are_kept_and_all_is_the_recorded_oracle_at_the_headline() -> None:
    got = {(s.metric, s.slice): s.value for s in SMALL.run(TreeSearch(), Context(seed=0))}
    for oracle in ("digits", "trap"):
        assert got["simulations", f"{oracle} at 8"] == 8 and got["simulations", f"{oracle} at 40"] == 40
        assert got["edges", f"{oracle} at 8"] < got["edges", f"{oracle} at 40"]
    for metric in ("closeness", "hit", "edges", "simulations"):
        assert got[metric, "all"] == got[metric, "digits"] == got[metric, "digits at 40"]
    greedy = {(s.metric, s.slice): s.value for s in SMALL.run(Greedy(), Context(seed=0))}
    assert greedy["hit", "trap"] == 0


@dataclass(frozen=True)
class Boasting(Greedy):
    """Tells larger rewards than its tasks earn. short: leaves out the last task."""

    short: bool = False

    def find(self, mdp: MDP, seed: int) -> Found:
        plain = super().find(mdp, seed)
        tasks = plain.tasks[:-1] if self.short else plain.tasks
        return Found(tasks, tuple(r + 1 for r in plain.rewards), plain.simulations)


def test_returns_are_those_of_the_oracle_whatever_an_adversary_says() -> None:
    told, plain = (
        {(s.metric, s.value, s.slice) for s in SMALL.run(m, Context(seed=0))} for m in (Boasting(), Greedy())
    )
    assert told == plain
    with pytest.raises(MethodError, match="no sequence of"):
        list(SMALL.run(Boasting(short=True), Context(seed=0)))


def test_an_adversary_that_needs_a_hint_is_left_out_where_there_is_none() -> None:
    parts = {s.slice for s in SMALL.run(NcmHard(), Context(seed=0))}
    assert parts == {"all", "digits", "digits at 8", "digits at 40"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"repeats": 0}, "repeats"),
        ({"headline": 7}, "not among the budgets"),
        ({"budgets": "a"}, "whole numbers above 0"),
        ({"drawn": "cats"}, f"one of {', '.join(DRAWN)}"),
    ],
)
def test_bad_settings(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SearchTask(**wrong)  # type: ignore[arg-type]


def test_what_is_no_oracle_and_no_adversary() -> None:
    with pytest.raises(UsageError, match="oracle 'cats'"):
        recorded("cats")
    with pytest.raises(Skip, match="see cl-static"):
        list(SMALL.run(RanPAC(), Context(seed=0)))  # type: ignore[arg-type]
