"""The gate: did a score get worse between a baseline and a candidate store?

Cells are matched by what the user asked for: task, method, profile, base model, overrides and seed; the
newest run of each that the project made counts. Every value of a metric that its task calls exact is held.

- exact rule: each seed on its own; a difference beyond the tolerance counts.
- noise rule: the mean over the shared seeds; a difference counts beyond the tolerance, beyond what the
  baseline's own spread detects, and where a test that is corrected for the number of tests tells it from
  chance. With one or two seeds the logged examples take the place of the seeds, where there are any.
- auto: the exact rule for what must come out the same (the same code on the same machine, a metric whose
  seeds do not differ in the baseline) and where nothing tells the noise; the noise rule otherwise.

What cannot be compared (a missing or failed cell, a missing metric, a NaN) is never passed over: it makes
the verdict incomplete. docs/gate.md says the same for users.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from leaderboard._findings import VERDICTS as VERDICTS
from leaderboard._findings import Finding as Finding
from leaderboard._findings import Report as Report
from leaderboard._findings import Verdict as Verdict
from leaderboard._findings import label, title
from leaderboard._judge import Measure, Samples, Series, Value, judge
from leaderboard._judge import Rule as Rule
from suite.api import TaskSpec

Row = Mapping[str, Any]

CELL = ("task", "method", "profile", "base_model", "overrides", "seed")
VERSIONS = ("task_version", "method_version")
MACHINE = ("host", "packages", "device", "threads")
MADE_BY = ("code", "settings", "task_settings", "data_fingerprint", "model_fingerprint")
RUN_COLUMNS = ("run", *CELL, *VERSIONS, *MACHINE, *MADE_BY, "status", "error", "reason", "started", "origin")
SCORE_COLUMNS = ("run", "metric", "slice", "value", "n", "higher_is_better")
CLAIMED = "claimed"


class Results(NamedTuple):
    """One store: its runs, its scores, and what is wrong with files of it, a line each.

    `samples` gives the logged examples of runs by their ids, and is asked only where they can decide.
    """

    runs: Sequence[Row]
    scores: Iterable[Row]
    problems: Sequence[str] = ()
    samples: Samples | None = None


def compare(
    baseline: Results,
    candidate: Results,
    tasks: Mapping[str, TaskSpec],
    rule: Rule = "auto",
    tolerance: float = 0.0,
) -> Report:
    """What the candidate changed; `tolerance` is absolute, in the metric's unit (0.01: a per cent point)."""
    before, after = newest(baseline.runs), newest(candidate.runs)
    findings = [
        Finding("incomplete", "results", note=line) for line in (*baseline.problems, *candidate.problems)
    ]
    findings += _unmatched(before, after)
    shared = [key for key in before if _comparable(before[key], after.get(key))]
    if not shared and not any(f.verdict == "incomplete" for f in findings):
        findings.append(Finding("incomplete", "results", note="the baseline holds no cell to compare with"))
    old = _scores(baseline.scores, {before[k]["run"] for k in shared})
    new = _scores(candidate.scores, {after[k]["run"] for k in shared})
    series: dict[Any, Series] = {}
    for key in shared:
        was, now = before[key], after[key]
        scores = (old.get(was["run"], {}), new.get(now["run"], {}))
        findings += _gather(key, (was, now), scores, tasks.get(key[0]), series)
    judged, within = judge([*series.values()], rule, tolerance, baseline.samples, candidate.samples)
    findings = sorted(findings + judged, key=lambda f: (VERDICTS.index(f.verdict), f.cell, f.metric))
    values = sum(len(s.values) for s in series.values())
    return Report(findings, sorted(map(title, shared)), values, within)


def _gather(
    key: tuple[Any, ...],
    runs: tuple[Row, Row],
    scores: tuple[Mapping[Measure, Row], Mapping[Measure, Row]],
    spec: TaskSpec | None,
    series: dict[Any, Series],
) -> Iterator[Finding]:
    """Add a cell's values to the series of its metrics over seeds; what cannot be compared is a finding."""
    (was, now), (before, after) = runs, scores
    if not before:
        yield Finding("incomplete", title(key), note="the baseline's run has no scores")
    machine, code = ([was.get(c) for c in cs] == [now.get(c) for c in cs] for cs in (MACHINE, MADE_BY))
    for measure, score in before.items():
        if not _exact(spec, measure[0]):
            continue
        other = after.get(measure)
        if other is None or (why := _incomparable(score, other)) is not None:
            why = "the candidate lacks this metric" if other is None else why
            yield Finding("incomplete", title(key), label(measure), note=why)
            continue
        higher = score["higher_is_better"]
        primary = spec.primary if spec else ""
        one = series.setdefault(
            (*key[:-1], measure, higher), Series(tuple(key[:-1]), measure, higher, primary)
        )
        one.same_machine &= machine
        one.same_code &= code
        n = score["n"] if score["n"] == other["n"] else None
        one.values.append(Value(key[-1], score["value"], other["value"], n, was["run"], now["run"]))


def newest(runs: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
    """The project's newest run of each cell, in order of the cells; a claimed one is nobody's baseline."""
    found: dict[tuple[Any, ...], Row] = {}
    for run in sorted(runs, key=lambda r: (r["started"], r["run"])):
        if run.get("origin") != CLAIMED:
            found[tuple(run[c] for c in CELL)] = run
    return dict(sorted(found.items()))


def _unmatched(before: Mapping[Any, Row], after: Mapping[Any, Row]) -> Iterator[Finding]:
    """Cells without a score on one side, or of another version."""
    for key, run in before.items():
        other = after.get(key)
        if run["status"] != "ok":
            yield from _without_score(key, run["status"], other)
        elif other is None:
            yield Finding("incomplete", title(key), note="missing in the candidate")
        elif other["status"] != "ok":
            yield Finding("incomplete", title(key), note=_ending(other))
        elif any(run[c] != other[c] for c in VERSIONS):
            yield Finding(
                "superseded", title(key), note="another version of the task or method: not compared"
            )
    for key in after:
        if key not in before:
            yield from _without_score(key, "", after[key])


def _without_score(key: tuple[Any, ...], status_before: str, run: Row | None) -> Iterator[Finding]:
    """A cell for which the baseline has no score; a failure that is not new is no finding."""
    if run is None or run["status"] == status_before:
        return
    if run["status"] == "ok":
        yield Finding(
            "new", title(key), note=f"was {status_before}" if status_before else "not in the baseline"
        )
    elif run["status"] != "skipped":
        yield Finding("incomplete", title(key), note=_ending(run))


def _comparable(before: Row, after: Row | None) -> bool:
    if after is None or (before["status"], after["status"]) != ("ok", "ok"):
        return False
    return all(before[c] == after[c] for c in VERSIONS)


def _scores(scores: Iterable[Row], runs: set[str]) -> dict[str, dict[Measure, Row]]:
    """Run to (metric, slice) to score, of these runs."""
    found: dict[str, dict[Measure, Row]] = defaultdict(dict)
    for score in scores:
        if score["run"] in runs:
            found[score["run"]][score["metric"], score["slice"]] = score
    return found


def _exact(spec: TaskSpec | None, metric: str) -> bool:
    """Whether a metric is held; one that the catalogue does not know is."""
    known = spec.metric(metric) if spec else None
    return known.exact if known else True


def _incomparable(before: Row, after: Row) -> str | None:
    """Why two values cannot be compared, None where they can."""
    for who, row in (("baseline", before), ("candidate", after)):
        if row["value"] is None or not math.isfinite(row["value"]):
            return f"the value of the {who} is no finite number"
    if before["higher_is_better"] != after["higher_is_better"]:
        return "the direction of the metric changed without a new version of the task"
    return None


def _ending(run: Row) -> str:
    return f"{run['status']} in the candidate" + (
        f": {why}" if (why := run["error"] or run["reason"]) else ""
    )
