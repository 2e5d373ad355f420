"""The data behind a compare page, as script files: a page opened from disk may not fetch anything else.

data/compare/<task>.js          scores over seeds and slices, and the statistics of every pair
data/samples/<task>/texts.js    inputs and targets that were logged
data/samples/<task>/<p>-<i>.js  which examples side i of profile p got right, and its outputs
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from leaderboard import figures
from leaderboard.board import Entry, Table
from leaderboard.comparepages import ROLES, Compared, Side
from leaderboard.comparetext import escaped
from leaderboard.runpages import page as run_page
from leaderboard.samples import Logged, packed
from suite.stats import Interval

LONGEST = 2_000
SAME_AS_TARGET = -1
NOT_LOGGED = -2
GRADES = 255
Data = dict[str, Any]


def files(task: str, compared: Sequence[Compared]) -> Iterator[tuple[str, str]]:
    """(path, text) of every data file of a task."""
    slug = figures.slug(task)
    texts: dict[tuple[str | None, str | None], int] = {}
    for p, profile in enumerate(compared):
        for i, side in enumerate(profile.sides):
            if side.samples:
                text = _script(f"samples[{escaped(f'{p}-{i}')}]", _samples(side, texts))
                yield f"data/samples/{slug}/{p}-{i}.js", text
    if texts:
        yield f"data/samples/{slug}/texts.js", _script("texts", [list(pair) for pair in texts])
    data = {
        "task": task,
        "samples": f"../data/samples/{slug}/",
        "texts": bool(texts),
        "profiles": [_profile(p, c) for p, c in enumerate(compared)],
    }
    yield f"data/compare/{slug}.js", _script("compare", data)


def _script(name: str, value: Any) -> str:
    return (
        "window.touchstone = window.touchstone || {samples: {}};\n"
        f"touchstone.{name} = {escaped(value)};\n"
    )


def _profile(p: int, compared: Compared) -> Data:
    table = compared.table
    others = [m for m in table.metrics if not m.startswith(table.primary)]
    return {
        "profile": table.profile,
        "metric": table.primary,
        "unit": compared.unit,
        "higher": table.higher,
        "slices": (slices := sorted(table.slices, key=figures.natural)),
        "seeds": (seeds := sorted({seed for side in compared.sides for seed in side.entry.per_seed()})),
        "others": [[name, _unit(table, name)] for name in others],
        "sides": [
            _side(side, table, (seeds, slices, others), f"{p}-{i}") for i, side in enumerate(compared.sides)
        ],
        "pairs": [_pair(compared, i, j) for i, j in compared.pairs],
    }


def _unit(table: Table, name: str) -> str:
    known = table.spec.metric(name) if table.spec else None
    return known.unit if known else ""


def _side(side: Side, table: Table, parts: tuple[Sequence[Any], ...], samples: str) -> Data:
    """One method; values stand in the order of the profile's seeds, slices and other metrics."""
    entry, (seeds, slices, others) = side.entry, parts
    values = entry.per_seed()
    return {
        "label": side.label,
        "method": entry.method,
        "role": ROLES.get(entry.role, ""),
        "page": f"../task/{figures.slug(table.task)}/{figures.slug(entry.method)}.html",
        "values": [rounded(values.get(seed)) for seed in seeds],
        "all": _told(entry.mean(), side.interval),
        "slices": [_mean(entry, None, part) for part in slices],
        "others": [_mean(entry, name, "all") for name in others],
        "runs": {str(seed): f"../{run_page(run)}" for seed, run in side.runs.items()},
        "samples": samples if side.samples else None,
    }


def _mean(entry: Entry, metric: str | None, part: str) -> list[float | None] | None:
    return _told(entry.mean(metric, part), entry.interval(metric, part))


def _told(mean: float | None, interval: Interval | None) -> list[float | None] | None:
    """[mean, low, high], None without a mean."""
    if mean is None:
        return None
    return [rounded(mean), *([rounded(end) for end in interval] if interval else [None, None])]


def _pair(compared: Compared, i: int, j: int) -> list[Any]:
    pair, won, over = compared.pairs[i, j], compared.wins.get((i, j)), compared.examples.get((i, j))
    numbers = (pair.difference, pair.low, pair.high, pair.p, pair.adjusted)
    # JSON has no infinity: an effect without spread is told by its sign alone.
    size = pair.effect
    effect = None if size is None else rounded(size) if math.isfinite(size) else math.copysign(1e9, size)
    return [i, j, *map(rounded, numbers), effect, pair.seeds, list(won) if won else None, rounded(over)]


def rounded(value: float | None) -> float | None:
    """Six digits, which is more than a page shows; None for what is no number."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def _samples(side: Side, texts: dict[tuple[str | None, str | None], int]) -> Data:
    """By seed how right each example was, and what was logged in full; `texts` numbers the shared ones."""
    outputs: dict[str, int] = {}
    seeds = {}
    for seed, logged in sorted(side.samples.items()):
        seeds[str(seed)] = _verdicts(logged) | {
            "texts": [_text(text, texts, outputs) for text in logged.texts]
        }
    return {"seeds": seeds, "outputs": list(outputs)}


def _text(
    text: Any, texts: dict[tuple[str | None, str | None], int], outputs: dict[str, int]
) -> tuple[int, int, int]:
    known = texts.setdefault((_short(text.input), _short(text.target)), len(texts))
    if text.output is None:
        said = NOT_LOGGED
    elif text.output == text.target:
        said = SAME_AS_TARGET
    else:
        said = outputs.setdefault(_short(text.output) or "", len(outputs))
    return text.index, known, said


def _short(text: str | None) -> str | None:
    """What a page shows of a text: a picture whole, else its beginning."""
    if text is None or text.startswith("data:image/png;base64,"):
        return text
    told = figures.clean(text)
    return told if len(told) <= LONGEST else f"{told[:LONGEST]}… ({len(told):,} characters)"


def _verdicts(logged: Logged) -> Mapping[str, Any]:
    """Bits where each example is right or wrong, else a degree in 255ths; -1 where nobody said."""
    import numpy as np

    index, correct = logged.index, logged.correct
    made: Data = {"n": len(index)}
    if not np.array_equal(index, np.arange(len(index))):
        made["index"] = index.tolist()
    if np.isin(correct, (0.0, 1.0)).all():
        return made | {"bits": packed(correct == 1)}
    grades = np.where(np.isnan(correct), -1, np.clip(correct, 0, 1) * GRADES)
    return made | {"grades": grades.round().astype(int).tolist()}
