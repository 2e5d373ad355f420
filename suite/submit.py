"""Results made elsewhere: packed into a bundle by who made them, checked and taken over by the project.

A bundle is a folder in the layout of the store, parquet files only, one file a run, every run of origin
`claimed`. Checking opens each file as a stranger's (suite/_submit_files.py), asks whether its cell is one
that this checkout plans (suite/_submit_identity.py) and whether its scores can be true
(suite/_submit_scores.py), and runs a sample of the cells again. docs/submit.md describes the way of a row
from claimed to confirmed.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from suite._submit_files import Claimed, Fault, clean, read_bundle
from suite._submit_identity import code_note, identity_errors, planned_of, row_errors, spec_of
from suite._submit_machine import machine_reason
from suite._submit_pack import Packed, outcomes, pack
from suite._submit_scores import doubts, group_doubts, grouped, known, score_errors, seed_doubts
from suite.defaults import completed
from suite.devices import refuse_device
from suite.errors import SuiteError, UsageError
from suite.records import Outcome
from suite.store import Store

if TYPE_CHECKING:
    from suite.engines.local import Options, Watch
    from suite.verify import Comparison

__all__ = ["Accepted", "CellReport", "Finding", "Packed", "Report", "accept", "check", "pack", "rerun"]

Verdict = Literal["confirmed", "differs", "not re-run", "refused"]
Kind = Literal["error", "differs", "doubt", "not run", "note"]
NO_VERDICT = ("timeout", "out-of-memory")
TOLERANCE = 1e-6
SAMPLE = 3


class Finding(NamedTuple):
    """Something about a file, a run or a group of runs, named by `where`."""

    kind: Kind
    where: str
    what: str


@dataclass
class CellReport:
    """A claimed run with its verdict, what was found about it, and the scores beside ours if it was run."""

    claimed: Claimed
    verdict: Verdict = "not re-run"
    findings: list[Finding] = field(default_factory=list)
    comparisons: Sequence[Comparison] = ()

    @property
    def title(self) -> str:
        run = self.claimed.run
        return f"{clean(run.method)} on {clean(run.task)} ({clean(run.profile)}, seed {run.seed})"

    @property
    def in_doubt(self) -> bool:
        """Whether there is a doubt that no re-run has settled."""
        return self.verdict == "not re-run" and any(f.kind in ("doubt", "not run") for f in self.findings)


@dataclass
class Report:
    """The whole bundle: cell by cell, and what concerns files or groups of cells."""

    cells: list[CellReport]
    findings: list[Finding] = field(default_factory=list)

    @property
    def all_findings(self) -> list[Finding]:
        return [*self.findings, *(f for cell in self.cells for f in cell.findings)]

    @property
    def counts(self) -> Counter[str]:
        """Number of cells by verdict."""
        return Counter(cell.verdict for cell in self.cells)

    @property
    def exit_code(self) -> int:
        """0 nothing is wrong; 1 something is, or differs; 3 a doubt is open, or a chosen cell did not run."""
        if any(f.kind in ("error", "differs") for f in self.all_findings):
            return 1
        open_doubt = any(f.kind in ("doubt", "not run") for f in self.findings)
        return 3 if open_doubt or any(cell.in_doubt for cell in self.cells) else 0


Ended = Callable[[CellReport], None]


def _silent(cell: CellReport) -> None:
    """Nobody wants to hear of it."""


def check(
    bundle: Path,
    own: Store | None = None,
    *,
    sample: int = SAMPLE,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    options: Options | None = None,
    watch: Watch | None = None,
    ended: Ended = _silent,
) -> Report:
    """Look at every file and row of a bundle, then run `sample` of its cells again and compare.

    `own` are the project's results, from which the ceiling and the nulls are known. Cells in doubt are run
    first, the others by chance from `seed`. `tolerance` is absolute, in the unit of each metric; `ended`
    hears of each cell that was run. Raises UsageError for what is no bundle or too large to be read, for a
    tolerance that is no number from 0 on, and for a device that this machine lacks.
    """
    if not 0 <= tolerance < math.inf:
        raise UsageError(f"tolerance {tolerance}: it is a number from 0 on")
    if sample and options is not None:
        refuse_device(options.device)
    claims, faults = read_bundle(bundle)
    report = Report([CellReport(claimed) for claimed in sorted(claims, key=_order)])
    if not claims and not faults:
        raise UsageError(f"bundle {bundle} holds no run")
    _note_faults(report, faults)
    _check_rows(report, own)
    for cell in report.cells:
        if any(f.kind == "error" for f in cell.findings):
            cell.verdict = "refused"
    # A bundle with files that do not belong is wrong already, and nothing is started beside them.
    if not any(f.kind == "error" for f in report.findings):
        rerun(_sampled(report.cells, sample, seed), tolerance, options, watch, ended)
    return report


def _order(claimed: Claimed) -> tuple[str, str, str, int, str]:
    run = claimed.run
    return run.task, run.method, run.profile, run.seed, run.run


def _note_faults(report: Report, faults: Iterable[Fault]) -> None:
    """A fault of a run's own file refuses the run; any other stands for itself."""
    cells = {cell.claimed.run.run: cell for cell in report.cells}
    for fault in faults:
        cell = cells.get(fault.run)
        found = Finding("error", clean(fault.path), fault.what)
        (report if cell is None else cell).findings.append(found)


def _check_rows(report: Report, own: Store | None) -> None:
    cells = {id(cell.claimed): cell for cell in report.cells}
    facts = known(own, (cell.claimed.run.task for cell in report.cells))
    copies = Counter(cell.claimed.run.cell for cell in report.cells)

    def note(claimed: Claimed, kind: Kind, what: str) -> None:
        cells[id(claimed)].findings.append(Finding(kind, claimed.run.run, what))

    for cell in report.cells:
        claimed, run = cell.claimed, cell.claimed.run
        errors = [*row_errors(run), *identity_errors(run)]
        if copies[run.cell] > 1:
            errors.append("is not the only run of its cell in the bundle")
        spec = spec_of(run)
        protocol = facts[run.task, completed(spec, run.task_settings), run.data_fingerprint]
        if spec is not None:
            errors += score_errors(claimed, spec, protocol)
            for what in doubts(claimed, spec, protocol):
                note(claimed, "doubt", what)
        for what in errors:
            note(claimed, "error", what)
        if not errors and (remark := code_note(run, planned_of(run))) is not None:
            note(claimed, "note", remark)
    for group, members in grouped(cell.claimed for cell in report.cells).items():
        spec = spec_of(members[0].run)
        for claimed, what in group_doubts(members, spec) if spec else ():
            note(claimed, "doubt", what)
        report.findings += [Finding("doubt", group.title, what) for what in seed_doubts(members)]


def _sampled(cells: Sequence[CellReport], n: int, seed: int) -> list[CellReport]:
    """At most n of the cells that are not refused: those in doubt first, then by chance."""
    able = sorted((c for c in cells if c.verdict != "refused"), key=lambda c: c.claimed.run.run)
    random.Random(seed).shuffle(able)
    return sorted(able, key=lambda c: not c.in_doubt)[:n]


def rerun(
    cells: Sequence[CellReport],
    tolerance: float,
    options: Options | None,
    watch: Watch | None = None,
    ended: Ended = _silent,
) -> None:
    """Run these cells again by this checkout's code and set their verdicts."""
    from suite.engines import local
    from suite.verify import again

    waiting = {}
    for cell in cells:
        try:
            planned = again(cell.claimed.run)
            waiting[planned.cell.id] = cell, planned
        except SuiteError as error:
            cell.findings.append(Finding("not run", cell.claimed.run.run, clean(error, 300)))
    if not waiting:
        return
    running = local.run([p for _, p in waiting.values()], options or local.Options(), watch)
    try:
        for planned, answer in running:
            cell = waiting[planned.cell.id][0]
            _judge(cell, planned, answer, tolerance)
            ended(cell)
    finally:
        running.close()


def _judge(cell: CellReport, planned: Any, answer: Outcome | SuiteError, tolerance: float) -> None:
    from suite.verify import AGREEING, compare

    run = cell.claimed.run
    if isinstance(answer, SuiteError):
        cell.findings.append(Finding("not run", run.run, clean(answer, 300)))
        return
    ended = answer.run.status
    if ended in NO_VERDICT and ended != run.status:
        cell.findings.append(Finding("not run", run.run, f"ended {ended} here: no scores to compare"))
        return
    if (reason := machine_reason(run, answer.run)) is not None:
        cell.findings.append(Finding("not run", run.run, clean(reason, 300)))
        return
    cell.comparisons = compare(planned, cell.claimed.scores, answer.scores, tolerance)
    apart = [c for c in cell.comparisons if c.verdict not in AGREEING]
    if ended == run.status and not apart:
        cell.verdict = "confirmed"
        return
    cell.verdict = "differs"
    what = f"claimed {run.status}, here it ended {ended}"
    if ended == run.status:
        first = apart[0]
        name = clean(first.metric if first.slice == "all" else f"{first.metric} of slice {first.slice}")
        what = f"{name}: claimed {_value(first.stored)}, here {_value(first.again)}"
        what += f", and {len(apart) - 1} more" if len(apart) > 1 else ""
    cell.findings.append(Finding("differs", run.run, what))


def _value(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.6g}"


class Accepted(NamedTuple):
    """How many runs of a bundle were new to the store, and how many it held already."""

    added: int
    held: int


def accept(bundle: Path, store: Store) -> Accepted:
    """Add the runs of a bundle to a store, as claimed.

    Every check but the re-run is made first; UsageError where it finds an error. Runs that the store holds
    are left alone.
    """
    report = check(bundle, store, sample=0)
    wrong = [f for f in report.all_findings if f.kind == "error"]
    if wrong:
        raise UsageError(
            f"bundle {bundle} is not sound: {wrong[0].where}: {wrong[0].what}; `suite submit check`"
        )
    held = set(store.runs().column("run").to_pylist())
    new = [cell.claimed.run for cell in report.cells if cell.claimed.run.run not in held]
    for outcome in outcomes(Store(bundle), new, samples=True):
        store.append(outcome)
    return Accepted(len(new), len(report.cells) - len(new))
