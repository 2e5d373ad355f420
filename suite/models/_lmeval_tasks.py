"""lm-eval tasks out of a folder: which there are, and task objects whose data come from files of the folder.

What a task would fetch from a hub is refused; so is what lies outside the folder, since the folder's content
is what is known of a result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.errors import UsageError

FORMATS = ("json", "csv", "parquet")


def line(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def index(include: Path) -> Mapping[str, Any]:
    """What lm-eval finds in the folder, by name."""
    from lm_eval.tasks import TaskManager

    if not include.is_dir():
        raise UsageError(f"{include} is no folder of lm-eval tasks")
    found: Mapping[str, Any] = TaskManager(include_defaults=False, include_path=str(include)).task_index
    return found


def leaves(known: Mapping[str, Any], names: Sequence[str], include: Path) -> list[str]:
    """The tasks that the names mean, groups and tags resolved, each once, in order."""
    if not names:
        names = sorted(name for name, entry in known.items() if entry.kind.name in ("TASK", "PY_TASK"))
        if not names:
            raise UsageError(f"{include} holds no lm-eval task{_unreadable(include)}")
    found: list[str] = []
    for name in names:
        if name not in known:
            others = ", ".join(sorted(known)[:10]) or "none"
            raise UsageError(f"lm-eval task '{name}' is not in {include} ({others}){_unreadable(include)}")
        found += [name] if known[name].kind.name in ("TASK", "PY_TASK") else _members(known, name, include)
    return list(dict.fromkeys(found))


def _members(known: Mapping[str, Any], name: str, include: Path) -> list[str]:
    entry = known[name]
    members = sorted(entry.tags) if entry.kind.name == "TAG" else (entry.cfg or {}).get("task")
    if not isinstance(members, list) or not all(isinstance(m, str) and m != name for m in members):
        raise UsageError(
            f"lm-eval group '{name}' in {include} has members with settings; name its tasks instead"
        )
    return leaves(known, members, include) if members else []


def _unreadable(include: Path) -> str:
    """Words on the first YAML file that lm-eval passed over."""
    from lm_eval.tasks._yaml_loader import load_yaml

    for path in sorted(include.glob("**/*.yaml")):
        try:
            load_yaml(path, resolve_func=False)
        except Exception as error:
            return f"; {path} cannot be read: {line(error)}"
    return ""


def build(include: Path, names: Sequence[str]) -> dict[str, Any]:
    """lm-eval's task objects by name, in order; all tasks of the folder where none is named."""
    known = index(include)
    try:
        wanted = leaves(known, names, include)
    except RecursionError:
        raise UsageError(f"lm-eval groups in {include} name each other in a circle") from None
    return {name: _built(name, known[name].yaml_path, include) for name in wanted}


def _built(name: str, path: Path, include: Path) -> Any:
    """lm-eval's task object, its data read from files beside the YAML file."""
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    try:
        _check_includes(path, include)
        config = load_yaml(path)
        _check(config)
        for key in ("tag", "group", "task_list"):
            config.pop(key, None)
        if not callable(config.get("custom_dataset")):
            config["custom_dataset"] = _data(config, path.parent, include)
        return ConfigurableTask(config=config)
    except Exception as error:
        reason = str(error) if isinstance(error, UsageError) else line(error)
        raise UsageError(f"lm-eval task '{name}' in {path}: {reason}") from None


def _check_includes(path: Path, include: Path) -> None:
    """UsageError for a YAML file that builds on one outside the folder, whose content is what is known."""
    from lm_eval.tasks._yaml_loader import load_yaml

    named = load_yaml(path, resolve_func=False, recursive=False).get("include") or []
    for name in named if isinstance(named, list) else [named]:
        other = (path.parent / str(name)).resolve()
        if not other.is_relative_to(include.resolve()):
            raise UsageError(f"included file {name} is outside the folder of tasks")
        if other != path.resolve():
            _check_includes(other, include)


def _check(config: Mapping[str, Any]) -> None:
    """UsageError for what needs more than the folder."""
    from lm_eval.api import metrics  # noqa: F401 - fills the registry
    from lm_eval.api.registry import metric_registry

    if "class" in config:
        raise UsageError("a task written as a Python class is not taken; write it as YAML")
    for metric in config.get("metric_list") or ():
        name = metric.get("metric")
        if metric.get("hf_evaluate"):
            raise UsageError(f"metric '{name}' would be fetched from a hub (hf_evaluate)")
        if (
            isinstance(name, str)
            and name not in metric_registry
            and not callable(config.get("process_results"))
        ):
            raise UsageError(f"metric '{name}' is none of lm-eval's own and would be looked for on a hub")


def _data(config: dict[str, Any], folder: Path, include: Path) -> Callable[..., Any]:
    """What gives the data set: split name to `datasets.Dataset`; the keys that name it leave the config."""
    source, options = config.pop("dataset_path", None), dict(config.pop("dataset_kwargs", None) or {})
    name = config.pop("dataset_name", None)
    if source not in FORMATS:
        raise UsageError(
            f"data set '{source}' would come from a hub; say dataset_path: {' or '.join(FORMATS)} and "
            "dataset_kwargs: data_files with files beside the YAML file"
        )
    files = options.pop("data_files", None)
    if not isinstance(files, dict) or not files or options or name:
        raise UsageError("dataset_kwargs must hold data_files alone, a file for each split")
    paths = {split: _beside(folder, file, include) for split, file in files.items()}

    def read(**settings: Any) -> dict[str, Any]:
        return {split: _read(path, source) for split, path in paths.items()}

    return read


def _beside(folder: Path, file: Any, include: Path) -> Path:
    path = (folder / str(file)).resolve()
    if not path.is_relative_to(include.resolve()):
        raise UsageError(
            f"data file {file} is outside the folder of tasks, whose content is what is known of it"
        )
    if not path.is_file():
        raise UsageError(f"data file {path} is missing")
    return path


def _read(path: Path, source: str) -> Any:
    """The rows of a file as a `datasets.Dataset` in memory."""
    import datasets

    if source == "json":
        return datasets.Dataset.from_list(_objects(path))
    if source == "csv":
        from pyarrow import csv

        return datasets.Dataset(csv.read_csv(path))
    from pyarrow import parquet

    return datasets.Dataset(parquet.read_table(path))


def _objects(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON file: one a line, or all in one list."""
    import json

    text = path.read_text(encoding="utf-8")
    try:
        rows = json.loads(text) if text.lstrip().startswith("[") else None
        if rows is None:
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}") from None
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{path} must hold JSON objects, one a line, and at least one")
    return rows
