"""The file that holds a found sequence: written, read, checked, replayed."""

import json
from dataclasses import replace

import pytest

from suite.errors import DataError, UsageError
from tasks.cldyb.mdp import Reward
from tasks.cldyb.search_settings import SearchSettings
from tasks.cldyb.sequence import FoundSequence
from tasks.cldyb.tabular import trap
from tasks.cldyb.tree import Search


def sequence():
    search = Search(trap(), SearchSettings(simulations=60), 0)
    tasks = search.run()
    return FoundSequence(
        pool="toy",
        pool_sha256="ab" * 32,
        tasks=tasks,
        adversary="mcts",
        settings={"simulations": 60},
        search_seed=0,
        training_seed=3,
        learners={"ncm": {"metric": "cosine"}},
        reward={"alpha": 1.0, "beta": 1.0},
        rewards=tuple(step.reward for step in search.steps),
        steps=tuple(search.steps),
        matrices={"ncm": ((0.9,), (0.9, 0.8), (1 / 3, 0.1, 0.0))},
        names={str(c): f"toy/{c}" for c in range(5)},
        trainings=17,
        simulations=search.simulations,
        seconds=0.5,
    )


def test_a_file_gives_back_what_was_written_to_the_bit(tmp_path):
    one = sequence()
    one.write(tmp_path / "sequence.json")
    assert FoundSequence.read(tmp_path / "sequence.json") == one
    assert [path.name for path in tmp_path.iterdir()] == ["sequence.json"]
    row = json.loads((tmp_path / "sequence.json").read_text())
    assert row["tasks"] == [list(task) for task in one.tasks] and row["format"] == 1
    assert sum(visits for _, _, visits, _, _ in row["steps"][0]["children"]) == 60


def test_rewards_are_those_of_its_accuracies():
    rows = [[[0.9], [0.9, 0.8], [1 / 3, 0.1, 0.0]]]
    assert sum(Reward().of_matrices(rows)) == pytest.approx(1 - (1 / 3 + 0.1) / 3, abs=1e-12)


def test_the_key_is_of_pool_and_tasks_alone():
    one = sequence()
    assert replace(one, seconds=9.0, adversary="beam", steps=()).key == one.key
    assert replace(one, pool_sha256="cd" * 32).key != one.key
    assert replace(one, tasks=one.tasks[::-1], steps=()).key != one.key


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pool_sha256": "xyz"}, "64 hexadecimal"),
        ({"tasks": ((1,), (1,), (2,)), "steps": ()}, "used twice"),
        ({"tasks": ((1,), (2, 3), (4,)), "steps": ()}, "different sizes"),
        ({"tasks": ((1,), (-2,), (4,)), "steps": ()}, "at least 0"),
        ({"tasks": (), "steps": ()}, "no task"),
        ({"rewards": (0.1,)}, "1 rewards"),
        ({"rewards": (0.1, float("nan"), 0.2)}, "finite"),
        ({"tasks": ((0,), (1,), (2,))}, "do not take"),
        ({"names": {"0": "toy/0"}}, "has no name"),
        ({"matrices": {}}, "different learners"),
        ({"matrices": {"ncm": ((0.9,), (0.9,), (0.9,))}}, "triangular"),
    ],
)
def test_what_cannot_be_is_refused(fields, words):
    with pytest.raises(UsageError, match=words):
        replace(sequence(), **fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: row.pop("seconds"), "missing or unknown: seconds"),
        (lambda row: row.update(extra=1), "missing or unknown: extra"),
        (lambda row: row.update(format=2), "format 2"),
        (lambda row: row.update(tasks=[[4], [2], [3]], steps=[]), "key"),
        (lambda row: row.update(tasks=5), "shape"),
        (lambda row: row.update(steps=[{}]), "shape"),
        (lambda row: row.update(matrices=[]), "shape"),
    ],
)
def test_a_damaged_file_is_told_by_name(tmp_path, change, words):
    row = sequence().to_row()
    change(row)
    path = tmp_path / "sequence.json"
    path.write_text(json.dumps(row))
    with pytest.raises(DataError, match=words) as told:
        FoundSequence.read(path)
    assert str(path) in str(told.value)


def test_what_is_no_json_object_is_told(tmp_path):
    path = tmp_path / "sequence.json"
    for text in ("{", "[]"):
        path.write_text(text)
        with pytest.raises(DataError, match=r"sequence\.json"):
            FoundSequence.read(path)
    with pytest.raises(DataError, match="no sequence can be read"):
        FoundSequence.read(tmp_path / "absent.json")


def test_another_pool_is_refused():
    one = sequence()
    one.need_pool("ab" * 32, 5)
    with pytest.raises(DataError, match="not be comparable"):
        one.need_pool("cd" * 32, 5)
    with pytest.raises(DataError, match="only 4 classes"):
        one.need_pool("ab" * 32, 4)
