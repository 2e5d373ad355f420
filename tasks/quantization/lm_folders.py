"""Folders of lm-eval tasks, written at run time: local question answering, and the papers' sets.

The papers' sets come from registered files of the hub, with the prompts of lm-eval's own YAML files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from suite.errors import UsageError
from tasks.quantization import choices

LOCAL = "qa_t0/t0_tasks.jsonl.gz"
MMLU = {"mmlu": 0, "mmlu_5shot": 5}
"""Groups of a task for each subject, with the questions that are shown before."""
METRICS = [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in ("acc", "acc_norm")]


class Set(NamedTuple):
    """One of the papers' sets. yaml: lm-eval's own file; files: the registered file of each split.

    more: what differs from lm-eval's file.
    """

    yaml: str
    files: Mapping[str, str]
    more: Mapping[str, Any] = {}


def _splits(name: str, *splits: str) -> dict[str, str]:
    return {split: f"{name}/{split}.parquet" for split in splits}


PAPER: Mapping[str, Set] = {
    "arc_easy": Set("arc/arc_easy.yaml", _splits("arc/ARC-Easy", "train", "validation", "test")),
    "arc_challenge": Set("arc/arc_easy.yaml", _splits("arc/ARC-Challenge", "train", "validation", "test")),
    "hellaswag": Set("hellaswag/hellaswag.yaml", _splits("hellaswag", "train", "validation")),
    "winogrande": Set("winogrande/default.yaml", _splits("winogrande", "train", "validation")),
    # lm-eval takes it from SuperGLUE, where the answer is a number.
    "boolq": Set(
        "super_glue/boolq/default.yaml",
        _splits("boolq", "train", "validation"),
        {"doc_to_target": "{{answer|int}}"},
    ),
    "piqa": Set("piqa/piqa.yaml", _splits("piqa", "train", "validation")),
}


def files(suite: str, names: Sequence[str]) -> set[str]:
    """The registered files that sets come from; UsageError for a set that nobody knows."""
    if suite == "local":
        _known(names, choices.FORMS)
        return {LOCAL}
    if suite == "paper":
        _known(names, [*PAPER, *MMLU])
        found = {file for name in names if name in PAPER for file in PAPER[name].files.values()}
        return found | {f"mmlu/{split}.parquet" for split in ("dev", "test") if set(names) & set(MMLU)}
    return set()


def local(folder: Path, names: Sequence[str], limit: int | None) -> int:
    """Local sets by the names of `choices.FORMS`, `limit` documents each; how many rows were dropped."""
    from suite.data import read

    _known(names, choices.FORMS)
    found, dropped = choices.documents(read(LOCAL).to_pylist())
    for name in names:
        rows = [row._asdict() for row in choices.thinned(found[name], limit)]
        _rows(folder / f"{name}.jsonl", rows)
        config = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{text}}",
            "doc_to_choice": "choices",
            "doc_to_target": "label",
            "metric_list": METRICS,
        }
        _yaml(folder / f"{name}.yaml", config)
    return sum(dropped[name] for name in names)


def paper(folder: Path, names: Sequence[str]) -> None:
    """The papers' sets by lm-eval's names, MMLU's groups among them. DataError for a missing file."""
    _known(names, [*PAPER, *MMLU])
    for name in names:
        if name in MMLU:
            _mmlu(folder, name, MMLU[name])
        else:
            _copied(folder / name, name, PAPER[name])


def _copied(folder: Path, name: str, found: Set) -> None:
    """lm-eval's own file and its Python beside one that says where the data are."""
    import lm_eval.tasks

    from suite.data import resolve

    own = Path(next(iter(lm_eval.tasks.__path__))) / found.yaml
    folder.mkdir()
    for path in own.parent.glob("*.py"):
        shutil.copy(path, folder / path.name)
    # Under a name that lm-eval takes for no task of its own.
    shutil.copy(own, folder / "original")
    for split, file in found.files.items():
        shutil.copy(resolve(file), folder / f"{split}.parquet")
    where = {
        "include": "original",
        "task": name,
        "dataset_path": "parquet",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {split: f"{split}.parquet" for split in found.files}},
    }
    _yaml(folder / f"{name}.yaml", {**where, **found.more})


def _mmlu(folder: Path, group: str, shots: int) -> None:
    """A task for each subject, as lm-eval has them, examples from the subject's dev split."""
    from suite.data import read

    parts = {split: read(f"mmlu/{split}.parquet").to_pylist() for split in ("dev", "test")}
    for subject in sorted({row["subject"] for row in parts["test"]}):
        name = f"{group}_{subject}"
        for split, rows in parts.items():
            _rows(folder / f"{name}.{split}.jsonl", [row for row in rows if row["subject"] == subject])
        about = subject.replace("_", " ")
        config = {
            "task": name,
            "tag": group,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {split: f"{name}.{split}.jsonl" for split in parts}},
            "test_split": "test",
            "fewshot_split": "dev",
            "fewshot_config": {"sampler": "first_n"},
            "num_fewshot": shots,
            "output_type": "multiple_choice",
            "description": f"The following are multiple choice questions (with answers) about {about}.\n\n",
            "doc_to_text": "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\n"
            "D. {{choices[3]}}\nAnswer:",
            "doc_to_choice": ["A", "B", "C", "D"],
            "doc_to_target": "answer",
            "metric_list": METRICS[:1],
        }
        _yaml(folder / f"{name}.yaml", config)


def _known(names: Sequence[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise UsageError(f"names: no set '{name}'; there are {', '.join(known)}")


def _rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _yaml(path: Path, config: Mapping[str, Any]) -> None:
    """JSON is YAML."""
    path.write_text(json.dumps(config), encoding="utf-8")
