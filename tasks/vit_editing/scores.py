"""From measured edits to scores: means over edits and then over groups, fronts over the knob, intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from suite.api import Metric, Score
from suite.stats import t_quantile
from tasks.vit_editing.fronts import WANTED, Point, area, gr_at, hypervolume, mean_point

if TYPE_CHECKING:  # the family card reads the lists of metrics, and imports no torch
    from tasks.vit_editing.measure import Single
    from tasks.vit_editing.sequences import Row

ByGroup = Mapping[str, Sequence["Single"]]
Sweep = Mapping[float, ByGroup]
"""By value of the knob and by group: the edits that were made, the same failures in the same order."""
WORKING_LR = 0.9
LEVEL = 0.95

AT = {wanted: f"gr_at_{100 * wanted:.0f}" for wanted in WANTED}
FRONT = (
    Metric("front_area", "higher", "fraction", "area of the front of GR and LR beyond what needs no editing"),
    Metric("hypervolume", "higher", "fraction", "area that the points (GR, LR) of the knob dominate"),
    *(
        Metric(name, "higher", "fraction", f"GR to be had at an LR of {100 * wanted:.0f} % or more")
        for wanted, name in AT.items()
    ),
)
ENDS = tuple(
    Metric(f"{metric.name}_{end}", "neutral", "fraction", f"{word} end of its 95% interval over groups")
    for metric in FRONT
    for end, word in (("lo", "lower"), ("hi", "upper"))
)
OF_AN_EDIT = (
    Metric("sr", "higher", "fraction", "SR: edited pictures that are right"),
    Metric("gr", "higher", "fraction", "GR: other failures of the group that are right now"),
    Metric("gr_repo", "higher", "fraction", "GR as released: (right - 1) / all, the edited one among them"),
    Metric("lr", "higher", "fraction", "LR: locality pictures whose top-1 is the unedited model's"),
    Metric("drift", "lower", "fraction", "mean change of the probability of that top-1 on them"),
    Metric("accuracy_change", "higher", "fraction", "test accuracy after an edit less that before"),
    Metric("edit_s", "lower", "s", "wall clock of an edit, of those made together the share", exact=False),
    Metric("touched", "lower", "count", "parameters with another value"),
    Metric("added", "lower", "count", "parameters that are new"),
    Metric("distance", "lower", "L2 norm", "of the change of the weights"),
    Metric("steps", "neutral", "count", "gradient steps of an edit"),
)
ALWAYS = Metric("always_lr", "neutral", "fraction", "LR of answering every picture with the edit's class")
KNOB = Metric("knob", "neutral", "knob", "the value at which the slice all of GR, LR and the like is told")
MASKS = (
    Metric("mask_share", "neutral", "fraction", "of the structured units that a mask holds"),
    Metric("mask_iou_inside", "neutral", "fraction", "IoU of masks of two failures of one group"),
    Metric("mask_iou_across", "neutral", "fraction", "IoU of masks of failures of two groups"),
    Metric("mask_iou_chance", "neutral", "fraction", "IoU of random masks of that share, p / (2 - p)"),
)
IN_A_ROW = (
    Metric("row_sr", "higher", "fraction", "of all failures edited in a row, those that are right then"),
    Metric("row_gr", "higher", "fraction", "failures of these groups that were not edited, right then"),
    Metric("row_lr", "higher", "fraction", "LR after the row"),
    Metric("row_drift", "lower", "fraction", "change of confidence after the row"),
    Metric("row_accuracy_change", "higher", "fraction", "test accuracy after the row less that before"),
    Metric("row_distance", "lower", "L2 norm", "of the change of the weights after the row"),
    Metric("row_edit_s", "lower", "s", "wall clock of an edit of the row", exact=False),
    Metric("undo_back", "higher", "fraction", "edits taken back whose picture has its old answer again"),
    Metric("undo_kept", "higher", "fraction", "of the row's other right pictures those that stay so"),
)
SEVERAL = (
    Metric("several_area", "higher", "fraction", "front_area of edits with that many pictures"),
    Metric("several_gain", "higher", "fraction", "the same less that of the same edits with one picture"),
)
COST = (Metric("prepare_s", "lower", "s", "wall clock of what is learned before any edit", exact=False),)
EDITING = (*FRONT, *ENDS, *OF_AN_EDIT, ALWAYS, KNOB, *MASKS, *IN_A_ROW, *SEVERAL, *COST)

FIELDS: Mapping[str, str] = {"edit_s": "seconds"}
"""Fields of `Single` that a metric has another name for."""


class Estimate(NamedTuple):
    """A value with the ends of its interval; None with fewer than two groups."""

    value: float
    ends: tuple[float, float] | None


def named(knob: float) -> str:
    """The slice of a knob's value."""
    return f"knob {knob:.12g}"


def points_by_group(sweep: Sweep) -> list[list[Point]]:
    """For each group its mean point at every knob, knobs and groups in their order."""
    knobs = list(sweep)
    return [
        [mean_point([Point(e.gr, e.lr) for e in sweep[knob][group]]) for knob in knobs]
        for group in sweep[knobs[0]]
    ]


def over_groups(groups: Sequence[Sequence[Point]]) -> list[Point]:
    """At every knob the mean of the groups' points."""
    return [mean_point(points) for points in zip(*groups, strict=True)]


def estimate(groups: Sequence[Sequence[Point]], of: Callable[[list[Point]], float]) -> Estimate:
    """A number of the mean front with its 95 % interval over groups, in 0 to 1.

    Groups are the sample: Student's t with n - 1 degrees over the jackknife's pseudo-values,
    n f(all) - (n - 1) f(all but one), around f(all) (Tukey 1958).
    For a plain mean that is the t interval of the groups' values.
    """
    value, n = of(over_groups(groups)), len(groups)
    if n < 2:
        return Estimate(value, None)
    left_out = [of(over_groups([*groups[:g], *groups[g + 1 :]])) for g in range(n)]
    pseudo = [n * value - (n - 1) * without for without in left_out]
    centre = fmean(pseudo)
    error = math.sqrt(math.fsum((x - centre) ** 2 for x in pseudo) / (n - 1) / n)
    half = t_quantile((1 + LEVEL) / 2, n - 1) * error
    return Estimate(value, (max(0.0, value - half), min(1.0, value + half)))


def working(sweep: Sweep) -> float:
    """The knob at which an editor would be used: of those with a mean LR of 90 % at least the one with the
    highest mean GR, else the one with the highest LR. The first of equal ones.
    """
    points = dict(zip(sweep, over_groups(points_by_group(sweep)), strict=True))
    local = [knob for knob, point in points.items() if point.lr >= WORKING_LR]
    if local:
        return max(local, key=lambda knob: points[knob].gr)
    return max(points, key=lambda knob: (points[knob].lr, points[knob].gr))


def front_scores(sweep: Sweep, always: Mapping[str, float]) -> Iterator[Score]:
    """The front over all groups with its interval, and the area of each group's own.

    always: by group the LR of answering every picture with its class. Behind a group's points stands that
    one, and averages with them.
    """
    groups = [
        [*points, Point(1.0, always[name])]
        for name, points in zip(_group_names(sweep), points_by_group(sweep), strict=True)
    ]
    measures: dict[str, Callable[[list[Point]], float]] = {
        "front_area": lambda points: area(points[:-1], points[-1]),
        "hypervolume": lambda points: hypervolume(points[:-1]),
    }
    measures |= {name: _at(wanted) for wanted, name in AT.items()}
    yield Score(ALWAYS.name, over_groups(groups)[-1].lr, len(groups))
    for name, of in measures.items():
        found = estimate(groups, of)
        yield Score(name, found.value)
        if found.ends is not None:
            yield Score(f"{name}_lo", found.ends[0], len(groups))
            yield Score(f"{name}_hi", found.ends[1], len(groups))
    for group, points in zip(_group_names(sweep), groups, strict=True):
        yield Score("front_area", area(points[:-1], points[-1]), None, f"group {group}")


def edit_scores(sweep: Sweep) -> Iterator[Score]:
    """What edits do on average: at the working knob as "all" and by group, and at every knob."""
    knob = working(sweep)
    yield Score("knob", knob)
    yield from _means(sweep[knob], "all")
    for group, edits in sweep[knob].items():
        yield from _means({group: edits}, f"group {group}")
    for value, held in sweep.items():
        yield from _means(held, named(value))


def _means(held: ByGroup, part: str) -> Iterator[Score]:
    """Mean over edits, then over groups. Edits without the number (no test pictures asked, a distance that
    is none since the weights are none) count in neither; a metric that none has is left out.
    """
    for metric in OF_AN_EDIT:
        name = FIELDS.get(metric.name, metric.name)
        by_group = [
            [float(v) for e in edits if (v := getattr(e, name)) is not None and math.isfinite(v)]
            for edits in held.values()
        ]
        filled = [values for values in by_group if values]
        if filled:
            value = fmean(fmean(values) for values in filled)
            yield Score(metric.name, value, sum(map(len, filled)), part)


def mask_scores(sweep: Sweep) -> Iterator[Score]:
    """Overlap of masks at every knob, as "all" where they are sparsest; nothing for editors without masks."""
    from tasks.vit_editing import metrics

    found: dict[float, metrics.Overlap] = {}
    for knob, held in sweep.items():
        masks = {
            g: [metrics.unpacked(e.units) for e in edits if e.units is not None] for g, edits in held.items()
        }
        overlap = metrics.overlap(masks)
        if overlap is not None:
            found[knob] = overlap
    if not found:
        return
    sparsest = min(found, key=lambda knob: found[knob].share)
    for part, one in [("all", found[sparsest]), *((named(k), o) for k, o in found.items())]:
        values = (one.share, one.inside, one.across, one.chance)
        for metric, value in zip(MASKS, values, strict=True):
            if value is not None:
                yield Score(metric.name, value, None, part)


def row_scores(row: Row) -> Iterator[Score]:
    """After each number of edits in a row, the longest as "all"."""
    for one in row.milestones:
        parts = [f"after {one.edits}"] + ["all"] * (one is row.milestones[-1])
        for part in parts:
            for name in ("sr", "gr", "lr", "drift", "accuracy_change", "distance"):
                value = getattr(one, name)
                if value is not None and math.isfinite(value):
                    yield Score(f"row_{name}", value, one.edits if name == "sr" else None, part)
            yield Score("row_edit_s", one.seconds, one.edits, part)
    if row.undone is not None:
        yield Score("undo_back", row.undone.back, row.undone.edits)
        if row.undone.kept is not None:
            yield Score("undo_kept", row.undone.kept, row.undone.edits)


def several_scores(sweeps: Mapping[int, Sweep], always: Mapping[str, float]) -> Iterator[Score]:
    """By number of pictures: the area of the front, and its gain over one picture; "all" is of the most.

    Only the groups that were edited with every number of pictures count.
    """
    common = set.intersection(*(set(_group_names(sweep)) for sweep in sweeps.values())) if sweeps else set()
    if len(sweeps) < 2 or 1 not in sweeps or not common:
        return
    trivial = Point(1.0, fmean(always[group] for group in common))
    values: dict[int, float] = {}
    for pictures, sweep in sorted(sweeps.items()):
        held = {knob: {g: e for g, e in by.items() if g in common} for knob, by in sweep.items()}
        values[pictures] = area(over_groups(points_by_group(held)), trivial)
    most = max(values)
    for pictures, value in [*values.items(), (0, values[most])]:
        part = "all" if pictures == 0 else f"pictures {pictures}"
        yield Score("several_area", value, None, part)
        yield Score("several_gain", value - values[1], None, part)


def _at(wanted: float) -> Callable[[list[Point]], float]:
    return lambda points: gr_at(points[:-1], wanted)


def _group_names(sweep: Sweep) -> list[str]:
    return list(next(iter(sweep.values())))
