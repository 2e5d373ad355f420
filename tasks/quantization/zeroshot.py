"""The task of multiple choice: a quantized model handed to lm-eval as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from suite.api import Context, Sample, Score
from tasks.quantization import lm_folders
from tasks.quantization.contract import Quantized, Quantizer
from tasks.quantization.kept import Found, Kept
from tasks.quantization.scores import cost_scores, mean, sliced
from tasks.quantization.task import QuantizationTask, Trial, at_least

MINI = Path(__file__).parents[1] / "lmeval" / "mini"
NAMES = {
    "mini": "mini_choice",
    "local": "commonsense_qa,social_i_qa,sciq_closed,qasc",
    "paper": "arc_easy,arc_challenge,hellaswag,winogrande,boolq,piqa",
}
"""What is measured where nobody names sets."""
TEXTS = 10
"""Documents of each set whose texts are logged."""
COUNTED = ("acc", "acc_norm")


class Folder(NamedTuple):
    """A folder of lm-eval tasks, and how many rows of its data were dropped."""

    path: Path
    dropped: int


@dataclass(frozen=True, kw_only=True)
class ZeroShot(QuantizationTask):
    """Accuracy on multiple choice through lm-eval.

    suite: "local" sets out of question answering with prompts, the "paper"'s, or the "mini" set of the task
    lm-eval. names: its sets, separated by commas; NAMES where "". limit: at most so many documents of each,
    evenly over it where it is local, else the first.
    """

    precisions: str = "W4A4KV4"
    suite: Literal["local", "paper", "mini"] = "local"
    names: str = ""
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.suite not in NAMES:
            raise ValueError(f"suite '{self.suite}': one of {', '.join(NAMES)}")
        if self.limit is not None:
            at_least(1, limit=self.limit)
        super().__post_init__()

    @property
    def chosen(self) -> list[str]:
        """The names of the sets."""
        return [name.strip() for name in (self.names or NAMES[self.suite]).split(",")]

    @property
    def files(self) -> set[str]:
        return super().files | lm_folders.files(self.suite, self.chosen)

    @contextmanager
    def folder(self) -> Iterator[Folder]:
        """The lm-eval tasks, in a folder that is gone afterwards where it was written for this run."""
        if self.suite == "mini":
            yield Folder(MINI, 0)
            return
        with tempfile.TemporaryDirectory() as name:
            dropped = 0
            if self.suite == "local":
                dropped = lm_folders.local(Path(name), self.chosen, self.limit)
            else:
                lm_folders.paper(Path(name), self.chosen)
            yield Folder(Path(name), dropped)

    def measured(self, quantized: Quantized, trial: Trial, ctx: Context) -> Found:
        """Every metric of every set, and how each document went."""
        from suite.models.lmeval import evaluate

        with self.folder() as folder:
            result = evaluate(
                quantized.model,
                trial.tokenizer,
                self.chosen,
                include=folder.path,
                limit=self.limit,
                batch_size=self.batch,
                samples=TEXTS,
            )
        return {
            "scores": [list(score) for score in result.scores if score.metric in COUNTED],
            "samples": [list(sample) for sample in result.samples],
            "dropped": folder.dropped,
        }

    def run(self, method: Quantizer, ctx: Context) -> Iterator[Score]:
        """See `metrics.ZERO_SHOT`; slices are sets at the headline, precisions, and both with a slash."""
        trial, kept = self.prepared(ctx), Kept.at(ctx.checkpoint)
        found = self.by_precision(method, trial, kept, ctx)
        for name, one in sliced(found):
            yield from choice_scores([Score(*score) for score in one["scores"]], name)
            yield from cost_scores(one, name)
        headline = next(iter(found.values()))
        yield Score("dropped", headline["dropped"])
        ctx.log_samples(Sample(*sample) for sample in headline["samples"])


def choice_scores(scores: Sequence[Score], name: str) -> Iterator[Score]:
    """From lm-eval's scores by set to those of a slice: documents right, means over sets, and each set's."""
    by_metric: dict[str, list[Score]] = {}
    for score in scores:
        by_metric.setdefault(score.metric, []).append(score)
    n = sum(score.n or 0 for score in by_metric["acc"])
    yield Score("accuracy", sum(s.value * (s.n or 0) for s in by_metric["acc"]) / n, n, name)
    for metric, of_sets in by_metric.items():
        yield Score(metric, mean([score.value for score in of_sets]), sum(s.n or 0 for s in of_sets), name)
        for score in of_sets:
            yield score._replace(slice=score.slice if name == "all" else f"{name}/{score.slice}")
