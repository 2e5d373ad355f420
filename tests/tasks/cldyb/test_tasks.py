"""The tasks: what they teach, what they refuse, and what their scores are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from methods.cldyb.adversaries import Greedy
from methods.cldyb.er import ER
from methods.cldyb.ranpac import RanPAC
from methods.cldyb.simplecil import SimpleCIL
from methods.cldyb.slda import SLDA
from suite.api import Context
from suite.errors import DataError, Skip
from tasks.cldyb import registry
from tasks.cldyb.metrics import final_average
from tasks.cldyb.sequence import FoundSequence
from tasks.cldyb.stage import Stage
from tasks.cldyb.task import PoolTask, PublishedTask, SeparateTask, StaticTask, samples

SIZES: dict[str, Any] = {"size": 2, "horizon": 3, "pool": "digits"}
LEARNER = RanPAC(dim=20, ridge=1.0)


@pytest.fixture(autouse=True)
def colours(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every task is on the stage of colours, and no sequence is published but those of a test."""
    monkeypatch.setattr(PoolTask, "stage", lambda self, ctx: stage)
    monkeypatch.setattr(registry, "FOLDER", tmp_path)


def published(stage: Stage, path: Path, **changes: Any) -> FoundSequence:
    fields: dict[str, Any] = {
        "pool": "colours",
        "pool_sha256": stage.pool.hash,
        "tasks": ((0, 1), (2, 3), (4, 5)),
        "adversary": "by hand",
        "settings": {},
        "search_seed": 0,
        "training_seed": 0,
        "learners": {"ranpac": {}},
        "reward": {},
        "rewards": (0.1, 0.2, 0.1),
        "steps": (),
        "matrices": {"ranpac": ((1.0,), (1.0, 0.5), (1.0, 0.5, 0.5))},
        "names": {str(c): stage.pool.classes[c].name for c in range(9)},
        "trainings": 3,
        "simulations": 1,
        "seconds": 1.0,
    }
    found = FoundSequence(**{**fields, **changes})
    found.write(path)
    return found


def values(task: Any, method: Any, ctx: Context) -> dict[tuple[str, str], float]:
    return {(s.metric, s.slice): s.value for s in task.run(method, ctx)}


def test_static_sequences_are_of_one_domain_a_task_and_all_is_their_mean(stage: Stage) -> None:
    ctx = Context(seed=3)
    task = StaticTask(**SIZES, orders="1,2")
    wanted = task.wanted(LEARNER, stage, ctx).sequences
    assert list(wanted) == ["static-0", "static-1"]
    assert all(len({c % 2 for c in task}) == 1 for tasks in wanted.values() for task in tasks)
    got = values(task, LEARNER, ctx)
    seed = ctx.seed_for("training 0")
    finals = [final_average(stage.follow(LEARNER, tasks, seed).matrix) for tasks in wanted.values()]
    assert got["final_accuracy", "all"] == pytest.approx(np.mean(finals), abs=1e-15)
    assert got["trainings", "all"] == 6 and got["exemplars", "all"] == 0
    # Every test picture of both sequences is a sample; tasks are of equal size here.
    assert len(ctx.samples) == 2 * 6 * 10
    assert np.mean([s.correct for s in ctx.samples]) == pytest.approx(np.mean(finals))
    assert len({s.index for s in ctx.samples}) == len(ctx.samples)
    named = [s.input for s in ctx.samples if s.input]
    assert len(named) == 12 and named[0] == stage.pool.classes[wanted["static-0"][0][0]].name


def test_a_sample_is_numbered_by_its_picture(stage: Stage) -> None:
    """Ten test pictures a class: sequences of other tasks number the same picture alike."""
    marks = [[1] * 20, [0] * 20]
    one, other = (list(samples(stage, tasks, marks, 0)) for tasks in (((0, 5), (2, 3)), ((2, 7), (5, 6))))
    assert [s.index for s in one] == [*range(10), *range(50, 60), *range(20, 40)]
    assert {s.index for s in one} & {s.index for s in other} == {*range(50, 60), *range(20, 30)}
    assert [s.input for s in one if s.input] == [stage.pool.classes[c].name for c in (0, 5, 2, 3)]
    assert [s.index for s in samples(stage, ((0, 5), (2, 3)), marks, 2)] == [s.index + 240 for s in one]


def test_training_seeds_are_averaged_and_random_sequences_are_the_same_for_all(stage: Stage) -> None:
    method = ER(exemplars=10, replay=4, epochs=1, batch=8, lr=0.05)
    task = SeparateTask(**SIZES, simulations=4, training_seeds=2, train=8)
    got = values(task, method, Context(seed=0))
    assert list(task.others(stage)) == [f"random-{k}" for k in range(5)]
    assert task.others(stage) == SeparateTask(**SIZES).others(stage)
    randoms = [got["final_accuracy", f"random-{k}"] for k in range(5)]
    assert got["final_accuracy", "random"] == pytest.approx(np.mean(randoms))
    assert got["gap", "all"] == pytest.approx(np.mean(randoms) - got["final_accuracy", "found-0"])
    assert got["trainings", "all"] == 3 * (2 + 5) and got["simulations", "all"] == 12
    assert got["exemplars", "all"] == 10


def test_a_killed_cell_neither_searches_nor_teaches_again(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cell"
    folder.mkdir()
    task = SeparateTask(**SIZES, simulations=4)
    first = values(task, LEARNER, Context(seed=0, checkpoint=folder))
    monkeypatch.setattr(Stage, "follow", lambda *_: pytest.fail("taught again"))
    monkeypatch.setattr(Stage, "memo", lambda *_: pytest.fail("searched again"))
    again = Context(seed=0, checkpoint=folder)
    assert values(task, LEARNER, again) == first and len(again.samples) == 60


def test_joint_is_for_those_searched_against_and_transfer_for_the_others(
    stage: Stage, tmp_path: Path
) -> None:
    key = published(stage, tmp_path / "a.json").key
    joint, transfer, both = (
        PublishedTask(**SIZES, found=f"a@{key[:12]}", part=part) for part in ("joint", "transfer", "any")
    )
    ctx = Context(seed=0)
    got = values(joint, RanPAC(dim=10, ridge=1.0), ctx)
    assert ("final_accuracy", "found-0") in got and ("gap", "all") in got
    with pytest.raises(Skip, match="see cldyb-transfer"):
        list(joint.run(SLDA(), ctx))
    with pytest.raises(Skip, match="see cldyb-joint"):
        list(transfer.run(LEARNER, ctx))
    assert unclocked(transfer, SLDA()) == unclocked(both, SLDA())


def unclocked(task: Any, method: Any) -> dict[tuple[str, str], float]:
    return {k: v for k, v in values(task, method, Context(seed=0)).items() if k[0] != "train_s"}


def test_sequences_are_named_by_their_key(stage: Stage, tmp_path: Path) -> None:
    found = published(stage, tmp_path / "a.json")
    file = str(tmp_path / "a.json")
    assert registry.resolve(registry.named("a")) == registry.resolve(registry.named(file)) == found
    for wrong, said in (
        ("a", f"say which by its key, a@{found.key[:12]}"),
        ("a@000000000000", f"has the key {found.key[:12]}, not 000000000000"),
        (f"a@{found.key[:5]}", "has the key"),
        ("b@000000000000", "published are a"),
        ("b.json@000000000000", "no such file"),
    ):
        with pytest.raises(ValueError, match=said):
            PublishedTask(**SIZES, found=wrong)
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ValueError, match="broken.json"):
        PublishedTask(**SIZES, found="broken@000000000000")
    assert PublishedTask(**SIZES, found=f"a@{found.key[:12]}").shape() == (2, 3)
    longer = published(stage, tmp_path / "c.json", tasks=((0, 1, 2), (3, 4, 5), (6, 7, 8))).key
    with pytest.raises(ValueError, match="different shapes"):
        PublishedTask(**SIZES, found=f"a@{found.key[:12]},c@{longer[:12]}")
    with pytest.raises(ValueError, match="twice"):
        PublishedTask(**SIZES, found=f"a@{found.key[:12]},a@{found.key[:12]}")
    others = {"learners": {"er": {}}, "matrices": {"er": found.matrices["ranpac"]}}
    other = published(stage, tmp_path / "d.json", tasks=((0, 1), (2, 3), (4, 6)), **others).key
    both = f"a@{found.key[:12]},d@{other[:12]}"
    with pytest.raises(ValueError, match="different learners"):
        PublishedTask(**SIZES, found=both, part="joint")
    assert len(PublishedTask(**SIZES, found=both).listed) == 2


def test_a_sequence_of_another_pool_and_none_at_all(stage: Stage, tmp_path: Path) -> None:
    key = published(stage, tmp_path / "a.json", pool_sha256="0" * 64).key
    with pytest.raises(DataError, match="was found on pool"):
        list(PublishedTask(**SIZES, found=f"a@{key[:12]}").run(LEARNER, Context(seed=0)))
    with pytest.raises(Skip, match=r"tasks\.cldyb\.emit"):
        list(PublishedTask(**SIZES).run(LEARNER, Context(seed=0)))


def test_who_does_not_belong_is_told_where_to_go() -> None:
    with pytest.raises(Skip, match="see cldyb-search"):
        list(StaticTask(**SIZES).run(Greedy(), Context(seed=0)))  # type: ignore[arg-type]
    with pytest.raises(Skip, match="takes hours"):
        list(SeparateTask(**SIZES).run(ER(reads="images"), Context(seed=0)))


@pytest.mark.parametrize(
    ("cls", "wrong", "said"),
    [
        (StaticTask, {"pool": "cats"}, "digits or real"),
        (StaticTask, {"size": 0}, "size must be at least 1"),
        (StaticTask, {"most": -1}, "most must be at least 0"),
        (StaticTask, {"orders": "a"}, "whole numbers"),
        (StaticTask, {"training_seeds": 0}, "training_seeds"),
        (SeparateTask, {"random": 4}, "random must be at least 5"),
        (PublishedTask, {"part": "some"}, "joint, transfer or any"),
    ],
)
def test_bad_settings(cls: Any, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        cls(**wrong)


def test_pools_of_digits_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = StaticTask(pool="digits", sources="digits,digits-turned", px=8, train=5, val=3, test=4).made_pool()
    assert len(pool) == 20 and pool.px == 8
    assert {len(c.split(s)) for c in pool.classes for s in ("train",)} == {5}


def test_the_simplest_learner_by_hand(stage: Stage) -> None:
    """Class means of features, answers by cosine, counted by numpy."""
    tasks = ((0, 1), (2, 3))
    got = stage.follow(SimpleCIL(), tasks, 0)
    mean = [part.mean(0) for part in stage.features.train[:4]]
    unit = np.array([m / np.linalg.norm(m) for m in mean])
    for t in range(2):
        seen = [c for task in tasks[: t + 1] for c in task]
        for j in range(t + 1):
            right = [
                seen[int((unit[seen] @ x).argmax())] == c for c in tasks[j] for x in stage.features.test[c]
            ]
            assert got.matrix[t][j] == np.mean(right)
