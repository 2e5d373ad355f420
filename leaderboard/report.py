"""A gate's report: JUnit XML for a CI system, Markdown for a pull request, annotations for GitHub Actions."""

from __future__ import annotations

import re
from collections import defaultdict
from xml.etree import ElementTree as ET

from leaderboard.gate import VERDICTS, Finding, Report, Verdict

COLUMNS = ("verdict", "cell", "metric", "before", "after", "change", "note")
HEADINGS: dict[Verdict, str] = {
    "regression": "Regressions",
    "incomplete": "Could not be compared",
    "improvement": "Improvements",
    "changed": "Changed, neither better nor worse",
    "new": "New cells",
    "superseded": "Superseded by a new version",
}
OUTCOMES = (("failure", "regression"), ("error", "incomplete"), ("skipped", "superseded"))
CONTROL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MARKUP = re.compile(r"[&<>|`*_\[\]\\~#@]")
LONGEST = 500
LONGEST_TABLE = 200
# GitHub shows ten annotations of a kind for a step and drops the rest without a word.
ANNOTATIONS = 10
COMMANDS: tuple[tuple[Verdict, str], ...] = (
    ("regression", "error"),
    ("incomplete", "warning"),
    ("improvement", "notice"),
)


def rows(report: Report) -> list[dict[str, object]]:
    """The findings as rows of a table."""
    return [_row(finding) for finding in report.findings]


def _row(f: Finding) -> dict[str, object]:
    change = None if f.before is None or f.after is None else f.after - f.before
    values = (f.verdict, f.cell, f.metric, f.before, f.after, change, f.note)
    return dict(zip(COLUMNS, values, strict=True))


def junit(report: Report) -> str:
    """One test case a cell: a regression is its failure, what could not be compared its error."""
    by_cell: dict[str, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        by_cell[finding.cell].append(finding)
    cells = sorted({*report.cells, *by_cell})
    suite = ET.Element("testsuite", name="suite gate", tests=str(len(cells)), time="0")
    for cell in cells:
        case = ET.SubElement(suite, "testcase", classname="suite.gate", name=_xml(cell), time="0")
        _outcome(case, by_cell[cell])
    for count, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(len(suite.findall(f"testcase/{kind}"))))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _outcome(case: ET.Element, findings: list[Finding]) -> None:
    """The findings of a cell as the one child that JUnit allows for its result, and a log of the rest."""
    there = {f.verdict for f in findings}
    kind, verdict = next(((k, v) for k, v in OUTCOMES if v in there), ("", ""))
    if kind:
        lines = [_line(f) for f in findings if f.verdict == verdict]
        ET.SubElement(case, kind, message=_xml(lines[0])).text = _xml("\n".join(lines))
    rest = [_line(f) for f in findings if f.verdict != verdict]
    if rest:
        ET.SubElement(case, "system-out").text = _xml("\n".join(rest))


def _line(f: Finding) -> str:
    values = "" if f.before is None or f.after is None else f"{f.before:.6g} -> {f.after:.6g}"
    return " ".join(part for part in (f"{f.verdict}:", f.metric, values, f.note) if part)


def markdown(report: Report) -> str:
    """The verdict, then a table for each kind of finding that there is."""
    lines = [f"### {_md(report.summary)}", ""]
    for verdict in VERDICTS:
        if found := report.of(verdict):
            lines += [f"**{HEADINGS[verdict]}** ({len(found)})", "", *_table(found), ""]
    return "\n".join(lines)


def _table(findings: list[Finding]) -> list[str]:
    lines = ["| cell | metric | before | after | change | note |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for f in findings[:LONGEST_TABLE]:
        numbers = ["", "", ""]
        if f.before is not None and f.after is not None:
            numbers = [f"{f.before:.6g}", f"{f.after:.6g}", f"{f.after - f.before:+.4g}"]
        lines.append(f"| {' | '.join([_md(f.cell), _md(f.metric), *numbers, _md(f.note)])} |")
    if len(findings) > LONGEST_TABLE:
        lines += ["", f"... and {len(findings) - LONGEST_TABLE:,} more"]
    return lines


def workflow_commands(report: Report) -> list[str]:
    """Workflow commands: an error for a regression, a warning for what is incomplete, a notice for a gain."""
    lines = []
    for verdict, command in COMMANDS:
        found = report.of(verdict)
        shown = found if len(found) <= ANNOTATIONS else found[: ANNOTATIONS - 1]
        lines += [f"::{command} title={_property(f.cell)}::{_data(_line(f))}" for f in shown]
        if len(found) > len(shown):
            more = f"{len(found) - len(shown):,} more in the report of the gate"
            lines.append(f"::{command} title={_property(HEADINGS[verdict])}::{more}")
    return lines


def _data(text: str) -> str:
    """The text of a workflow command: one line, nothing in it that ends it or starts another."""
    shown = CONTROL.sub("\ufffd", text)
    shown = shown if len(shown) <= LONGEST else shown[:LONGEST] + "…"
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """A property of a workflow command, which a colon or a comma would end."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 has no way to write; the writer escapes the rest."""
    return CONTROL.sub("\ufffd", text)


def _md(text: str) -> str:
    """One line that a Markdown reader shows as it is."""
    line = " ".join(CONTROL.sub("\ufffd", text).split())
    short = line if len(line) <= LONGEST else line[:LONGEST] + "…"
    return MARKUP.sub(lambda m: f"&#{ord(m[0])};", short)
