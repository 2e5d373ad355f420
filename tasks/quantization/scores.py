"""From what was found at each precision to scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from suite.api import Score
from suite.bootstrap import bootstrap_interval
from suite.errors import MethodError
from tasks.quantization.metrics import COSTS


def sliced(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The headline as "all", then every precision under its name."""
    yield "all", next(iter(found.values()))
    yield from found.items()


def cost_scores(one: Mapping[str, Any], name: str) -> Iterator[Score]:
    """The costs among what was found, in a slice."""
    yield from (Score(metric.name, one[metric.name], None, name) for metric in COSTS)


def perplexity_scores(
    nlls: Sequence[float], reference: Sequence[float], name: str, what: str
) -> Iterator[Score]:
    """Perplexity and its ratio to that of the float model, from the nats a token of the same windows.

    The ratio's interval is over windows, each with its own difference. MethodError where there is no finite
    perplexity; `what` says of what.
    """
    more = [a - b for a, b in zip(nlls, reference, strict=True)]
    yield Score("perplexity", finite_exp(mean(nlls), what), len(nlls), name)
    yield Score("ratio", finite_exp(mean(more), what), len(nlls), name)
    interval = bootstrap_interval(more)
    if interval is not None:
        yield Score("ratio_lo", finite_exp(interval.low, what), len(nlls), name)
        yield Score("ratio_hi", finite_exp(interval.high, what), len(nlls), name)


def mean(values: Sequence[float]) -> float:
    """The mean, free of the order of its terms."""
    return math.fsum(values) / len(values)


def finite_exp(x: float, what: str) -> float:
    """exp(x); MethodError where it is no finite number."""
    value = math.exp(x) if x < 700 else math.inf
    if not math.isfinite(value):
        raise MethodError(f"{what} gives no finite perplexity ({x:.4g} nats a token)")
    return value
