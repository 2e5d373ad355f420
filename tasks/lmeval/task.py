"""The task: lm-eval tasks of a folder on a base model that a method may change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from suite.api import Context, Score, Task
from suite.errors import MethodError, UsageError
from suite.models import load
from suite.models.lmeval import Result, evaluate
from tasks.lmeval.contract import Adapter
from tasks.lmeval.metrics import METRICS

MINI = Path(__file__).parent / "mini"
BLOCK = 1 << 20


@dataclass(frozen=True)
class LmEval(Task):
    """lm-eval tasks of a folder, measured by lm-eval.

    include: the folder of YAML files with their data; "" for the packaged plumbing check. names: tasks,
    groups or tags of it, separated by commas; "" for all tasks. limit: the first so many documents of each.
    base_model: what `suite models list` shows, a folder or a hub id. content: SHA-256 of the folder's files,
    found when it is left out; with it a stored cell says which state of the folder it measured.
    """

    include: str = ""
    names: str = ""
    limit: int | None = None
    base_model: str = "lm-icl"
    batch_size: int = 16
    content: str = ""

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1, or none for all documents; not {self.limit}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {self.batch_size}")
        found = content(self.folder)
        if self.content not in ("", found):
            raise ValueError(
                f"the files in {self.folder} are no longer those of content {self.content[:12]}..."
            )
        object.__setattr__(self, "content", found)

    @property
    def folder(self) -> Path:
        return Path(self.include).expanduser() if self.include else MINI

    def run(self, method: Adapter, ctx: Context) -> Iterator[Score]:
        """Load the base model, let the method adapt it, and hand it to lm-eval; see the card for metrics."""
        loaded = load(ctx.base_model or self.base_model, device=ctx.device)
        if loaded.tokenizer is None or not hasattr(loaded.model, "generate"):
            raise UsageError(f"{loaded.name} is no language model; lm-eval tasks need one")
        model = method.adapt(loaded.model, loaded.tokenizer, ctx)
        if not callable(model) or not hasattr(model, "config"):
            raise MethodError(
                f"{type(method).__name__}.adapt gave {type(model).__name__}; it must give a model"
            )
        names = [name.strip() for name in self.names.split(",") if name.strip()]
        found = evaluate(
            model,
            loaded.tokenizer,
            names,
            include=self.folder,
            limit=self.limit,
            batch_size=self.batch_size,
        )
        ctx.log_samples(found.samples)
        yield from scores(found)


def scores(found: Result) -> Iterator[Score]:
    """`accuracy` over all and of each task, then every metric as lm-eval gives it.

    Raises UsageError for a task that says of no document whether it is right, and for an undeclared metric.
    """
    undecided = [task for task in found.tasks if task not in found.right]
    if undecided:
        raise UsageError(
            f"lm-eval task '{undecided[0]}' has neither acc nor exact_match, so that accuracy would leave it "
            "out; measure it with suite.models.lmeval.evaluate"
        )
    known = {metric.name for metric in METRICS}
    for score in found.scores:
        if score.metric not in known:
            raise UsageError(
                f"lm-eval task '{score.slice}' gives the metric '{score.metric}', which the task lm-eval "
                f"does not declare; it has {', '.join(sorted(known))}"
            )
    n = sum(score.n or 0 for score in found.right.values())
    right = sum(score.value * (score.n or 0) for score in found.right.values())
    yield Score("accuracy", right / n, n)
    yield from (Score("accuracy", score.value, score.n, task) for task, score in found.right.items())
    yield from found.scores


def content(folder: Path) -> str:
    """SHA-256 of the names and contents of a folder's files; ValueError where it cannot be read."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder of lm-eval tasks")
    total = hashlib.sha256()
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(folder).as_posix()} {_digest(path)}\n".encode())
    except OSError as error:
        raise ValueError(f"{error.filename} cannot be read: {error.strerror}") from None
    return total.hexdigest()


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            total.update(block)
    return total.hexdigest()
