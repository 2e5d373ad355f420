"""The lm-eval task: what it yields, its packaged documents, and how a folder becomes part of the cell."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tasks.lmeval.task as module
from suite.api import Context, Score
from suite.errors import MethodError, UsageError
from suite.models.lmeval import Result
from suite.plan import plan, restore
from tasks.lmeval import TASKS, mini_set
from tasks.lmeval.contract import Adapter
from tasks.lmeval.metrics import METRICS
from tasks.lmeval.task import MINI, LmEval, content, scores

CHOICES, WORDS = Score("acc", 0.25, 60, "choices"), Score("exact_match", 0.75, 20, "words:first")
NORMED = Score("acc_norm", 0.5, 60, "choices")


def result(scores: Any, right: Any, tasks: tuple[str, ...] = ("choices", "words")) -> Result:
    return Result(tuple(scores), right, (), {task: () for task in tasks})


def test_accuracy_weighs_each_task_by_its_documents() -> None:
    found = list(scores(result([CHOICES, NORMED, WORDS], {"choices": CHOICES, "words": WORDS})))
    # 15 of 60 and 15 of 20 documents
    assert found[0] == Score("accuracy", 30 / 80, 80, "all")
    assert Score("accuracy", 0.25, 60, "choices") in found and Score("accuracy", 0.75, 20, "words") in found
    assert found[3:] == [CHOICES, NORMED, WORDS]
    assert [s.metric for s in found if s.slice == "all"] == ["accuracy"]


def test_a_task_without_right_and_wrong_is_not_left_out_silently() -> None:
    perplexity = Score("word_perplexity", 20.0, 5, "words")
    with pytest.raises(UsageError, match="'words' has neither acc nor exact_match"):
        list(scores(result([CHOICES, perplexity], {"choices": CHOICES})))


def test_an_undeclared_metric_is_one_line() -> None:
    odd = Score("sharpness", 1.0, 60, "choices")
    with pytest.raises(UsageError, match="'choices' gives the metric 'sharpness'"):
        list(scores(result([CHOICES, odd], {"choices": CHOICES}, ("choices",))))


def test_the_packaged_documents_are_those_that_the_code_makes(tmp_path: Path) -> None:
    mini_set.write(tmp_path)
    for name in mini_set.documents():
        assert (MINI / name).read_text() == (tmp_path / name).read_text()


def test_the_answers_of_the_packaged_documents_follow_from_their_texts() -> None:
    asked = []
    for line in (MINI / "choice.jsonl").read_text().splitlines():
        document = json.loads(line)
        word = document["text"].removeprefix("reverse: ").removesuffix(">")
        assert document["choices"][document["label"]] == "".join(reversed(word))
        assert word in document["choices"] and len(set(document["choices"])) == 4
        assert {"".join(sorted(choice)) for choice in document["choices"]} == {"".join(sorted(word))}
        asked.append(word)
    for line in (MINI / "reverse.jsonl").read_text().splitlines():
        document = json.loads(line)
        word = document["text"].removeprefix("reverse: ").removesuffix(">")
        assert document["answer"] == "".join(reversed(word)) != word
        asked.append(word)
    assert len(asked) == len(set(asked)) == 96
    assert all(zlib.crc32(word.encode()) % 5 == 0 for word in asked)  # the test split of lm-icl


def test_every_metric_is_declared_once_and_the_null_methods_exist() -> None:
    from suite import catalog

    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert TASKS[0].metric(TASKS[0].primary) is not None
    assert all(catalog.method(name).family == "lmeval" for name in TASKS[0].nulls)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MINI, tmp_path / "set"))


def test_the_content_of_the_folder_is_part_of_the_cell(folder: Path) -> None:
    sets = {"task.include": str(folder)}
    before = plan("lm-eval", "unmodified", "smoke", sets=sets).cell
    assert plan("lm-eval", "unmodified", "smoke", sets=sets).cell.id == before.id
    with (folder / "reverse.jsonl").open("a") as file:
        file.write("\n")
    assert plan("lm-eval", "unmodified", "smoke", sets=sets).cell.id != before.id
    with pytest.raises(UsageError, match="no longer those"):
        restore(before)


def test_a_name_alone_changes_the_content_too(folder: Path) -> None:
    before = content(folder)
    assert before == content(MINI)
    (folder / "reverse.jsonl").rename(folder / "turned.jsonl")
    assert content(folder) != before


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"task.include": "/no/such/folder"}, "no folder of lm-eval tasks"),
        ({"task.limit": "0"}, "limit must be at least 1"),
        ({"task.batch_size": "0"}, "batch_size must be at least 1"),
    ],
)
def test_wrong_fields_are_one_line_before_anything_runs(fields: Any, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        plan("lm-eval", "unmodified", "smoke", sets=fields)


def test_the_base_model_is_the_one_of_the_command_line() -> None:
    planned = plan("lm-eval", "unmodified", "smoke", base_model="smollm2-135m-instruct")
    assert planned.task_instance.base_model == planned.cell.base_model == "smollm2-135m-instruct"


@dataclasses.dataclass(frozen=True)
class Returning(Adapter):
    """Gives something else."""

    what: Any = None

    def adapt(self, model: Any, tokenizer: Any, ctx: Context) -> Any:
        return self.what


def test_what_is_no_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = SimpleNamespace(name="m", model=SimpleNamespace(generate=print), tokenizer=object())
    monkeypatch.setattr(module, "load", lambda name, device: loaded)
    with pytest.raises(MethodError, match="Returning.adapt gave NoneType"):
        list(LmEval().run(Returning(), Context(0)))
    monkeypatch.setattr(
        module, "load", lambda name, device: SimpleNamespace(**vars(loaded) | {"tokenizer": None})
    )
    with pytest.raises(UsageError, match="m is no language model"):
        list(LmEval().run(Returning(), Context(0)))
