"""The task of layers: what each loses to rounding, and how outliers look before and after each transform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from suite.api import Context, Score
from tasks.quantization.contract import Quantized, Quantizer
from tasks.quantization.kept import Found, Kept
from tasks.quantization.scores import cost_scores, mean, sliced
from tasks.quantization.task import PerplexityTask, Trial

HALVES = ("attention", "ffn")
MEASURES = ("max_median", "kurtosis", "block_variance")


@dataclass(frozen=True, kw_only=True)
class LayerError(PerplexityTask):
    """Errors by layer and outliers by site, on the windows that perplexity would be measured on."""

    precisions: str = "W4A4KV4"

    def measured(self, quantized: Quantized, trial: Trial, ctx: Context) -> Found:
        """Errors of each layer, and the outlier measures of each layer's sites at each stage."""
        from tasks.quantization.layers import errors
        from tasks.quantization.stages import measures

        assert trial.windows is not None
        found = errors(trial.model, quantized.model, trial.windows, self.batch)
        return {
            "attention": list(found.attention),
            "ffn": list(found.ffn),
            "stream": list(found.stream),
            "kl": found.kl,
            "tokens": trial.windows.numel(),
            "stages": measures(trial.model, quantized.model, trial.windows, self.batch),
        }

    def run(self, method: Quantizer, ctx: Context) -> Iterator[Score]:
        """See `metrics.LAYER_ERROR`; slices below another precision have its name and a slash."""
        trial, kept = self.prepared(ctx), Kept.at(ctx.checkpoint)
        found = self.by_precision(method, trial, kept, ctx)
        for name, one in sliced(found):
            yield from layer_scores(one, name)
            yield from cost_scores(one, name)


def layer_scores(one: Mapping[str, Any], name: str) -> Iterator[Score]:
    """From what was found at a precision to the scores of a slice and those below it.

    A measure that is not finite in a layer, as where a whole site is zero, is left out of the mean over
    layers; n says how many are in it.
    """
    below = "" if name == "all" else f"{name}/"
    yield Score("error", mean([*one["attention"], *one["ffn"]]), one["tokens"], name)
    yield Score("stream_error", one["stream"][-1], one["tokens"], name)
    yield Score("kl", one["kl"], one["tokens"], name)
    for half in HALVES:
        yield Score("error", mean(one[half]), one["tokens"], f"{below}{half}")
        for layer, error in enumerate(one[half]):
            yield Score("error", error, one["tokens"], f"{below}{layer}.{half}")
    for layer, error in enumerate(one["stream"]):
        yield Score("stream_error", error, one["tokens"], f"{below}{layer}")
    for stage, layers in one["stages"].items():
        for measure in MEASURES:
            told = [layer[measure] for layer in layers if layer[measure] is not None]
            if told:
                yield Score(measure, mean(told), len(told), f"{below}{stage}")
