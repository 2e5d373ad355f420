"""How any quantizer is measured: what the tasks of the family share, and the task of perplexity."""

from __future__ import annotations

import copy
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from suite.api import Context, Score, Task
from suite.errors import MethodError, Skip, UsageError
from suite.models import load
from tasks.quantization.contract import Calibration, Precision, Quantized, Quantizer
from tasks.quantization.kept import Found, Kept
from tasks.quantization.scores import cost_scores, finite_exp, mean, perplexity_scores, sliced
from tasks.quantization.sources import Part, files_of

if TYPE_CHECKING:
    from torch import Tensor

PRECISIONS = "W4A4KV4,W6A6KV6,W8A8,W4A16,W3A16"
OUTLIER_SEED = 0
"""Of the basis and the columns of outliers. Their directions come from the calibration windows, so from the
cell's seed; what the float model computes is the same for every one."""
SKIPPED = "skipped"


class Trial(NamedTuple):
    """A float model with what is to be done to it. windows: those to measure on, where there are any."""

    model: Any
    tokenizer: Any
    calibration: Calibration
    windows: Tensor | None


@dataclass(frozen=True, kw_only=True)
class QuantizationTask(Task):
    """What the tasks of the family share.

    base_model: what `suite models list` shows, a folder or a hub id; dtype: in which its arithmetic is
    simulated. precisions: separated by commas; the first is the headline. calibration_text: of
    `texts.SOURCES`, or "own" for text sampled from the model; calibration_windows of calibration_length
    tokens are drawn by the cell's seed. bos: every window begins with BOS. outliers: put into the model
    without changing what it computes (`outliers.with_outliers`), with `channels`, `magnitude` and
    `outlier_layers` as there. batch: windows that run together. content: identity of the files that texts
    come from, found when it is left out.
    """

    base_model: str = "smollm2-135m-instruct"
    dtype: str = "float32"
    precisions: str = PRECISIONS
    calibration_text: str = "wikitext2"
    calibration_windows: int = 128
    calibration_length: int = 2048
    bos: bool = False
    outliers: Literal["none", "normal", "massive"] = "none"
    channels: int = 4
    magnitude: float = 1400.0
    outlier_layers: str = "1"
    batch: int = 8
    content: str = ""

    def __post_init__(self) -> None:
        at_least(1, calibration_windows=self.calibration_windows, batch=self.batch, channels=self.channels)
        at_least(3, calibration_length=self.calibration_length)
        if self.outliers not in ("none", "normal", "massive"):
            raise ValueError(f"outliers '{self.outliers}': none, normal or massive")
        if self.magnitude <= 0:
            raise ValueError(f"magnitude {self.magnitude}: above 0")
        if not all(part.strip().isdigit() for part in self.outlier_layers.split(",")):
            raise ValueError(f"outlier_layers '{self.outlier_layers}': numbers of layers, like 1 or 1,3")
        names = [precision.name for precision in self.listed]
        if len(set(names)) < len(names):
            raise ValueError(f"precisions '{self.precisions}': each once")
        self._identify()

    def _identify(self) -> None:
        """Fills `content`, or compares it with the files of today. What texts are is checked on the way."""
        from suite.data import fingerprint

        found = fingerprint(sorted(self.files))
        if self.content not in ("", found):
            raise ValueError(f"the files of its texts are no longer those of content {self.content[:12]}...")
        object.__setattr__(self, "content", found)

    @property
    def texts(self) -> Mapping[Part, str]:
        """Text of each part that the task reads."""
        return {"calibration": self.calibration_text}

    @property
    def files(self) -> set[str]:
        """The registered files that it reads."""
        return set(files_of(self.texts))

    @property
    def listed(self) -> list[Precision]:
        """The precisions in their order; ValueError for a name that is none."""
        return [Precision.parse(name.strip()) for name in self.precisions.split(",")]

    def windows_of(self, model: Any, tokenizer: Any) -> Tensor | None:
        """The windows that are measured on, from the float model before outliers are put into it."""
        return None

    @abstractmethod
    def measured(self, quantized: Quantized, trial: Trial, ctx: Context) -> Found:
        """What is found of the model at one precision: what JSON can hold."""

    def prepared(self, ctx: Context) -> Trial:
        """The float model, its calibration and its windows. UsageError for no language model."""
        from tasks.quantization import texts
        from tasks.quantization.outliers import with_outliers

        loaded = load(ctx.base_model or self.base_model, device=ctx.device, dtype=self.dtype)
        model, tokenizer = loaded.model, loaded.tokenizer
        if tokenizer is None or not hasattr(model, "generate"):
            raise UsageError(f"{loaded.name} is no language model; quantization tasks need one")
        ids = texts.calibration(
            self.calibration_text,
            model,
            tokenizer,
            self.calibration_length,
            self.calibration_windows,
            ctx.seed_for("calibration"),
            self.bos,
        )
        windows = self.windows_of(model, tokenizer)
        if self.outliers != "none":
            try:
                model = with_outliers(
                    model,
                    self.outliers,
                    ids,
                    OUTLIER_SEED,
                    channels=self.channels,
                    magnitude=self.magnitude,
                    layers=[int(part) for part in self.outlier_layers.split(",")],
                )
            except ValueError as error:
                raise UsageError(f"outliers {self.outliers}: {error}") from None
        self._check_groups(model)
        return Trial(model, tokenizer, Calibration(ids, tokenizer), windows)

    def _check_groups(self, model: Any) -> None:
        """UsageError for a precision whose groups do not divide the inputs of every linear map."""
        from tasks.quantization.statistics import linears

        for precision in self.listed:
            if precision.group is None:
                continue
            for name, linear in linears(model).items():
                if int(linear.in_features) % precision.group:  # type: ignore[arg-type]
                    raise UsageError(
                        f"precision {precision.name}: groups of {precision.group} do not divide the "
                        f"{linear.in_features} inputs of {name}"
                    )

    def by_precision(self, method: Quantizer, trial: Trial, kept: Kept, ctx: Context) -> dict[str, Found]:
        """What is found at each precision, costs among it, in order; one that was found before is not redone.

        A precision that the method skips is left out. Skip where that is the headline: no other precision may
        stand in its place.
        """
        found: dict[str, Found] = {}
        for precision in ctx.track(self.listed, "precisions", len(self.listed)):

            def measure(precision: Precision = precision) -> Found:
                try:
                    made, seconds = quantized(method, trial, precision, ctx)
                except Skip as skip:
                    return {SKIPPED: str(skip)}
                return costs(made, trial.model, seconds) | self.measured(made, trial, ctx)

            one = kept.once(precision.name, measure)
            if SKIPPED in one and not found:
                raise Skip(f"not at the headline {precision.name}: {one[SKIPPED]}")
            if SKIPPED not in one:
                found[precision.name] = one
        return found


@dataclass(frozen=True, kw_only=True)
class PerplexityTask(QuantizationTask):
    """Perplexity at several precisions.

    text, recipe: what is measured on, see `texts`. length: tokens of a window; windows: at most so many.
    """

    text: str = "wikitext2"
    recipe: Literal["joined", "c4-old", "c4-new"] = "joined"
    length: int = 2048
    windows: int | None = None

    def __post_init__(self) -> None:
        if self.recipe not in ("joined", "c4-old", "c4-new"):
            raise ValueError(f"recipe '{self.recipe}': joined, c4-old or c4-new")
        at_least(3, length=self.length)
        if self.windows is not None:
            at_least(1, windows=self.windows)
        super().__post_init__()

    @property
    def texts(self) -> Mapping[Part, str]:
        return {"calibration": self.calibration_text, "evaluation": self.text}

    def windows_of(self, model: Any, tokenizer: Any) -> Tensor:
        from tasks.quantization import texts

        return texts.evaluation(self.text, self.recipe, model, tokenizer, self.length, self.windows, self.bos)

    def measured(self, quantized: Quantized, trial: Trial, ctx: Context) -> Found:
        """Nats a token of each window."""
        from tasks.quantization.perplexity import perplexity

        assert trial.windows is not None
        return {"nlls": list(perplexity(quantized.model, trial.windows, self.batch).nlls)}

    def run(self, method: Quantizer, ctx: Context) -> Iterator[Score]:
        """See `metrics.PERPLEXITY`; the slice is the precision, and "all" is the first."""
        trial, kept = self.prepared(ctx), Kept.at(ctx.checkpoint)
        as_float = Quantized(trial.model, 16.0, 16.0, 0.0)
        reference = kept.once("float", lambda: self.measured(as_float, trial, ctx))["nlls"]
        found = self.by_precision(method, trial, kept, ctx)
        yield Score("fp_perplexity", finite_exp(mean(reference), "the float model"), len(reference))
        for name, one in sliced(found):
            precision = next(iter(found)) if name == "all" else name
            yield from perplexity_scores(one["nlls"], reference, name, f"{_of(method)} at {precision}")
            yield from cost_scores(one, name)


def quantized(method: Quantizer, trial: Trial, precision: Precision, ctx: Context) -> tuple[Quantized, float]:
    """A copy of the float model at a precision, and how long that took; MethodError for no Quantized."""
    model = copy.deepcopy(trial.model)
    started = time.perf_counter()
    made = method.quantize(model, trial.calibration, precision, ctx)
    seconds = time.perf_counter() - started
    if not isinstance(made, Quantized):
        raise MethodError(f"{_of(method)}.quantize gave {type(made).__name__}; it must give a Quantized")
    return made, seconds


def costs(made: Quantized, model: Any, seconds: float) -> Found:
    """What a quantized model costs, by the names of `metrics.COSTS`; model: the float one."""
    return {
        "weight_bits": float(made.weight_bits),
        "activation_bits": float(made.activation_bits),
        "online_flops": float(made.online_flops),
        "online_share": float(made.online_flops) / own_flops(model),
        "quantize_s": seconds,
    }


def own_flops(model: Any) -> float:
    """Operations a token of a float model's linear maps, that to the vocabulary included."""
    from tasks.quantization.statistics import linears

    maps: list[Any] = [*linears(model).values(), model.get_output_embeddings()]
    return 2.0 * sum(linear.weight.numel() for linear in maps)


def at_least(least: int, **sizes: int) -> None:
    """ValueError for a number below `least`, by its name."""
    for name, size in sizes.items():
        if size < least:
            raise ValueError(f"{name} is {size}; give {least} or more")


def _of(method: Quantizer) -> str:
    return type(method).__name__
