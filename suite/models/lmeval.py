"""The bridge to lm-eval: any model in memory, modified or not, on tasks that lie as YAML files in a folder.

Only that folder is looked at, not the 13,879 built-in files; data come from files in it, so that nothing is
asked of a hub. lm-eval builds the requests and computes the metrics; what it would change on the way (padding
token, tied weights, log levels, bars) stays as it was.
"""

from __future__ import annotations

import copy
import logging
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from suite.api import Sample, Score
from suite.errors import MethodError, UsageError
from suite.models._lmeval_tasks import build, index, leaves, line

RIGHT = ("acc", "exact_match")
"""Metrics of lm-eval that say of each document whether it was right, the one to take first."""
FEWSHOT_SEED = 1234
"""lm-eval's own default."""


@dataclass(frozen=True)
class Result:
    """What lm-eval measured.

    scores: every metric of every task, as lm-eval names and aggregates it; the slice is the task's name, with
    the filter's after a colon where there is one. right: for each task that says which documents were right,
    the share of them. samples: the documents of those tasks, counted through in order. logged: what lm-eval
    keeps of each document of a task, log-likelihoods and outputs among it ("filtered_resps").
    """

    scores: tuple[Score, ...]
    right: Mapping[str, Score]
    samples: tuple[Sample, ...]
    logged: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self.logged)


def evaluate(
    model: Any,
    tokenizer: Any,
    tasks: Sequence[str] = (),
    *,
    include: Path,
    limit: int | None = None,
    batch_size: int = 16,
    max_length: int | None = None,
    samples: int = 20,
    fewshot_seed: int = FEWSHOT_SEED,
) -> Result:
    """Run lm-eval tasks of the folder `include` on `model`, as it is; all of the folder where none is named.

    model: called with input_ids, and with `generate` where a task generates. limit: the first so many
    documents of each task. samples: with texts are so many of each task, the first. fewshot_seed: draws the
    examples of a task that shows some.
    Raises UsageError for an unknown task, a YAML file that says something wrong, a task that needs a data set
    or metric of a hub; MethodError where the model fails.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit {limit}: at least one document, or none for all")
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size}: at least 1")
    with _as_before():
        built = build(Path(include), tasks)
        for task in built.values():
            task.set_fewshot_seed(fewshot_seed)
        found = _run(model, tokenizer, built, limit, batch_size, max_length)
    return _result(found, list(built), samples)


def task_names(include: Path) -> list[str]:
    """The tasks of a folder, sorted."""
    with _as_before():
        return leaves(index(Path(include)), (), Path(include))


def _run(
    model: Any, tokenizer: Any, tasks: Mapping[str, Any], limit: int | None, size: int, longest: int | None
) -> Mapping[str, Any]:
    from lm_eval.evaluator import evaluate as measure
    from lm_eval.models.huggingface import HFLM

    training = bool(getattr(model, "training", False))
    if training:
        model.eval()
    try:
        # A copy of the tokenizer, since HFLM gives it a padding token.
        lm: Any = HFLM(
            pretrained=_AsItIs(model), tokenizer=copy.deepcopy(tokenizer), batch_size=size, max_length=longest
        )
        for name in ("loglikelihood", "loglikelihood_rolling", "generate_until"):
            setattr(lm, name, partial(getattr(lm, name), disable_tqdm=True))
        found: Mapping[str, Any] = measure(lm, {"tasks": dict(tasks)}, limit=limit, bootstrap_iters=0)
    except (UsageError, MethodError, MemoryError):
        raise
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":
            raise
        raise MethodError(f"lm-eval on {', '.join(tasks)}: {line(error)}") from error
    finally:
        if training:
            model.train()
    return found


class _AsItIs:
    """A model that lm-eval may call but not set up: HFLM would tie the weights of a module again, and so undo
    what a method did to one of the two.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    @property
    def device(self) -> Any:
        return next(self._model.parameters()).device

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._model(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def _result(found: Mapping[str, Any], tasks: Sequence[str], texts: int) -> Result:
    scores: list[Score] = []
    right: dict[str, Score] = {}
    samples: list[Sample] = []
    for task in tasks:
        n = int(found["n-samples"][task]["effective"])
        of_task = list(_scores(found["results"][task], task, n))
        scores += of_task
        best = min(
            (s for s in of_task if s.metric in RIGHT), key=lambda s: RIGHT.index(s.metric), default=None
        )
        if best is not None:
            right[task] = best
            part = best.slice.partition(":")[2] or "none"
            logged = [s for s in found["samples"][task] if s["filter"] == part]
            logged.sort(key=lambda s: int(s["doc_id"]))
            samples += [
                _sample(len(samples) + k, one, best.metric, texts=k < texts) for k, one in enumerate(logged)
            ]
    logged_of = {task: found["samples"][task] for task in tasks}
    return Result(tuple(scores), right, tuple(samples), logged_of)


def _scores(values: Mapping[str, Any], task: str, n: int) -> Iterator[Score]:
    """Keys are "metric,filter"; "none" is the filter of a task that has none."""
    for key, value in values.items():
        metric, comma, part = key.rpartition(",")
        if comma and not metric.endswith("_stderr"):
            yield Score(metric, float(value), n, task if part == "none" else f"{task}:{part}")


def _sample(index: int, logged: Mapping[str, Any], metric: str, *, texts: bool) -> Sample:
    """One document; of a choice the texts are the continuations chosen and asked for."""
    correct = float(logged[metric])
    if not texts:
        return Sample(index, correct)
    arguments, target = logged["arguments"], logged["target"]
    answers = logged["filtered_resps"]
    output = str(answers[0])
    if len(arguments) > 1 and all(isinstance(answer, (tuple, list)) for answer in answers):
        likely = max(range(len(answers)), key=lambda k: float(answers[k][0]))
        output = str(arguments[likely][1])
        if isinstance(target, int) and 0 <= target < len(arguments):
            target = arguments[target][1]
    return Sample(index, correct, str(arguments[0][0]), output, str(target))


@contextmanager
def _as_before() -> Iterator[None]:
    """Environment, generators and log levels are afterwards as they were; lm-eval is quiet inside."""
    import numpy as np
    import torch

    environment = dict(os.environ)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    loggers = [logging.getLogger(name) for name in (None, "lm_eval", "datasets", "transformers")]
    levels = [logger.level for logger in loggers]
    try:
        with _no_bars():
            for logger in loggers[1:]:
                logger.setLevel(logging.CRITICAL)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        os.environ.clear()
        os.environ.update(environment)


@contextmanager
def _no_bars() -> Iterator[None]:
    """lm-eval draws a bar while it builds requests and has no switch for it."""
    from lm_eval.api import task as module

    bar = module.tqdm
    module.tqdm = partial(bar, disable=True)
    try:
        yield
    finally:
        module.tqdm = bar
