"""The gate: did a score get worse between a baseline and a candidate store?

Cells are matched by what the user asked for: task, method, profile, base model, overrides and seed; the
newest run of each counts. Every value of a metric that its task calls exact is compared, by one of two rules:

- exact: each seed on its own; a difference beyond the tolerance counts.
- noise: the mean over the shared seeds; a difference counts beyond the tolerance *and* beyond what the
  baseline's own spread over seeds lets that many seeds detect (80 % power, two-sided 5 %). Where there are
  fewer than three seeds, or the baseline's seeds do not differ, the exact rule holds.

For trained methods on another machine use the noise rule: rounding in another order moves a score like
another seed does. What cannot be compared (a missing or failed cell, a missing metric, a NaN) is never
passed over: it makes the verdict incomplete. docs/gate.md says the same for users.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from suite.api import TaskSpec
from suite.stats import detectable_difference

Row = Mapping[str, Any]
Verdict = Literal["regression", "incomplete", "improvement", "changed", "new", "superseded"]
Measure = tuple[str, str]  # metric and slice
Rule = Literal["exact", "noise"]
VERDICTS: tuple[Verdict, ...] = ("regression", "incomplete", "improvement", "changed", "new", "superseded")

NOUNS: Mapping[Verdict, str] = {
    "regression": "regression",
    "incomplete": "incomplete comparison",
    "improvement": "improvement",
    "changed": "neutral change",
    "new": "new cell",
    "superseded": "superseded cell",
}

CELL = ("task", "method", "profile", "base_model", "overrides", "seed")
VERSIONS = ("task_version", "method_version")
RUN_COLUMNS = ("run", *CELL, *VERSIONS, "status", "error", "reason", "started")
SCORE_COLUMNS = ("run", "metric", "slice", "value", "higher_is_better")
NOISE_SEEDS = 3
ROUNDING = 1e-12


class Results(NamedTuple):
    """One store: its runs, its scores, and what is wrong with files of it, a line each."""

    runs: Sequence[Row]
    scores: Iterable[Row]
    problems: Sequence[str] = ()


class Finding(NamedTuple):
    """One thing to report: a value that moved, or a cell that cannot be compared or is new."""

    verdict: Verdict
    cell: str
    metric: str = ""
    before: float | None = None
    after: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Report:
    """All findings, the cells looked at, and the number of values that were compared."""

    findings: Sequence[Finding]
    cells: Sequence[str]
    values: int

    def of(self, verdict: Verdict) -> list[Finding]:
        return [f for f in self.findings if f.verdict == verdict]

    @property
    def exit_code(self) -> int:
        """1 for a regression, else 3 where something could not be compared, else 0."""
        if self.of("regression"):
            return 1
        return 3 if self.of("incomplete") else 0

    @property
    def summary(self) -> str:
        """The verdict in one line."""
        counts = Counter(f.verdict for f in self.findings)
        told = ", ".join(_plural(NOUNS[v], counts[v]) for v in VERDICTS if counts[v])
        word = {0: "passed", 1: "failed", 3: "incomplete"}[self.exit_code]
        seen = f"{_plural('value', self.values)} of {_plural('cell', len(self.cells))} compared"
        return f"gate {word}: {told or 'no change'}; {seen}"


class Value(NamedTuple):
    """A value of one seed in both stores."""

    seed: int
    before: float
    after: float


def compare(
    baseline: Results,
    candidate: Results,
    tasks: Mapping[str, TaskSpec],
    rule: Rule = "exact",
    tolerance: float = 0.0,
) -> Report:
    """What the candidate changed; `tolerance` is absolute, in the metric's unit (0.01: a per cent point)."""
    before, after = _newest(baseline.runs), _newest(candidate.runs)
    findings = [
        Finding("incomplete", "results", note=line) for line in (*baseline.problems, *candidate.problems)
    ]
    findings += _unmatched(before, after)
    shared = [key for key in before if _comparable(before[key], after.get(key))]
    if not shared and not any(f.verdict == "incomplete" for f in findings):
        findings.append(Finding("incomplete", "results", note="the baseline holds no cell to compare with"))
    old = _scores(baseline.scores, {before[k]["run"] for k in shared})
    new = _scores(candidate.scores, {after[k]["run"] for k in shared})
    series: dict[tuple[Any, ...], list[Value]] = defaultdict(list)
    for key in shared:
        was, now = old.get(before[key]["run"], {}), new.get(after[key]["run"], {})
        findings += _gather(key, was, now, tasks.get(key[0]), series)
    for (*cell, measure, higher), values in series.items():
        findings += _judged(tuple(cell), measure, higher, values, rule, tolerance)
    findings.sort(key=lambda f: (VERDICTS.index(f.verdict), f.cell, f.metric))
    return Report(findings, sorted(map(_title, shared)), sum(map(len, series.values())))


def _gather(
    key: tuple[Any, ...],
    before: Mapping[Measure, Row],
    after: Mapping[Measure, Row],
    spec: TaskSpec | None,
    series: dict[tuple[Any, ...], list[Value]],
) -> Iterator[Finding]:
    """Add a cell's values to the series of its metrics over seeds; what cannot be compared is a finding."""
    if not before:
        yield Finding("incomplete", _title(key), note="the baseline's run has no scores")
    for measure, score in before.items():
        if not _exact(spec, measure[0]):
            continue
        if (why := _incomparable(score, after.get(measure))) is not None:
            yield Finding("incomplete", _title(key), _label(measure), note=why)
        else:
            value = Value(key[-1], score["value"], after[measure]["value"])
            series[(*key[:-1], measure, score["higher_is_better"])].append(value)


def _newest(runs: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
    """The newest run of each cell, in order of the cells."""
    found: dict[tuple[Any, ...], Row] = {}
    for run in sorted(runs, key=lambda r: (r["started"], r["run"])):
        found[tuple(run[c] for c in CELL)] = run
    return dict(sorted(found.items()))


def _unmatched(before: Mapping[Any, Row], after: Mapping[Any, Row]) -> Iterator[Finding]:
    """Cells without a score on one side, or of another version."""
    for key, run in before.items():
        other = after.get(key)
        if run["status"] != "ok":
            yield from _without_score(key, run["status"], other)
        elif other is None:
            yield Finding("incomplete", _title(key), note="missing in the candidate")
        elif other["status"] != "ok":
            yield Finding("incomplete", _title(key), note=_ending(other))
        elif any(run[c] != other[c] for c in VERSIONS):
            yield Finding(
                "superseded", _title(key), note="another version of the task or method: not compared"
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
            "new", _title(key), note=f"was {status_before}" if status_before else "not in the baseline"
        )
    elif run["status"] != "skipped":
        yield Finding("incomplete", _title(key), note=_ending(run))


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


def _incomparable(before: Row, after: Row | None) -> str | None:
    """Why two values cannot be compared, None where they can."""
    if after is None:
        return "the candidate lacks this metric"
    for who, row in (("baseline", before), ("candidate", after)):
        if row["value"] is None or not math.isfinite(row["value"]):
            return f"the value of the {who} is no finite number"
    if before["higher_is_better"] != after["higher_is_better"]:
        return "the direction of the metric changed without a new version of the task"
    return None


def _judged(
    cell: tuple[Any, ...],
    measure: Measure,
    higher: bool | None,
    values: list[Value],
    rule: Rule,
    tol: float,
) -> Iterator[Finding]:
    """The findings of one metric of one method: one a seed by the exact rule, one in all by the other."""
    sd = _sd([v.before for v in values]) if rule == "noise" and len(values) >= NOISE_SEEDS else 0.0
    if sd:
        n = len(values)
        before, after = math.fsum(v.before for v in values) / n, math.fsum(v.after for v in values) / n
        noise = detectable_difference(sd, n)
        if (verdict := _moved(before, after, higher, max(tol, noise))) is not None:
            title = _title((*cell, None), f"mean of {n} seeds")
            yield Finding(verdict, title, _label(measure), before, after, f"beyond {max(tol, noise):.4g}")
        return
    for value in values:
        if (verdict := _moved(value.before, value.after, higher, tol)) is not None:
            yield Finding(verdict, _title((*cell, value.seed)), _label(measure), value.before, value.after)


def _moved(before: float, after: float, higher: bool | None, allowed: float) -> Verdict | None:
    """The verdict on a change, None where it is allowed. Without a tolerance every last digit counts."""
    slack = ROUNDING * max(abs(before), abs(after)) if allowed else 0.0
    if abs(after - before) <= allowed + slack:
        return None
    if higher is None:
        return "changed"
    return "improvement" if (after > before) == higher else "regression"


def _sd(values: Sequence[float]) -> float:
    """Standard deviation over seeds (n - 1); exactly 0 for equal values."""
    if min(values) == max(values):
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _title(key: tuple[Any, ...], seeds: str = "") -> str:
    """A cell as a reader names it: 'compsub on scan-jump (small, seed 0)'."""
    task, method, profile, base_model, overrides, seed = key
    more = [base_model] if base_model else []
    more += [overrides] if overrides not in ("", "{}") else []
    return f"{method} on {task} ({', '.join([profile, *more, seeds or f'seed {seed}'])})"


def _label(measure: Measure) -> str:
    metric, part = measure
    return metric if part == "all" else f"{metric} [{part}]"


def _ending(run: Row) -> str:
    return f"{run['status']} in the candidate" + (
        f": {why}" if (why := run["error"] or run["reason"]) else ""
    )


def _plural(noun: str, count: int) -> str:
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"
