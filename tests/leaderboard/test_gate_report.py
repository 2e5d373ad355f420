"""Reports of the gate: structure that a CI system reads, and names that try to break it."""

from __future__ import annotations

import re
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from leaderboard import report
from leaderboard.gate import Finding, Report

HOSTILE = (
    "<script>alert('x')</script>|\"&`*%0A::error::, a:b\r\n::warning::\x00\x1b]\u202e\u2028" + "y" * 10_000
)
COMMAND = re.compile(r"::(error|warning|notice) title=([^,:\r\n]*)::([^\r\n]*)")


def made(count: int = 1) -> Report:
    """`count` findings of each kind of which the cell, the metric and the note are hostile."""
    numbers = {"regression": (0.5, 0.4), "improvement": (0.4, 0.5), "changed": (1.0, float("inf"))}
    findings = [
        Finding(verdict, f"{HOSTILE}{k}", HOSTILE, *numbers.get(verdict, (None, None)), HOSTILE)
        for verdict in ("regression", "incomplete", "improvement", "changed", "new", "superseded")
        for k in range(count)
    ]
    return Report(findings, [f"{HOSTILE}{k}" for k in range(count)], count)


def consumed(xml: str) -> dict[str, int]:
    """A JUnit file as its readers take it: the tree they know, counts that agree, one result a case."""
    root = ET.fromstring(xml.encode())
    assert root.tag == "testsuites"
    seen = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in root:
        assert suite.tag == "testsuite" and suite.get("name")
        cases = suite.findall("testcase")
        assert [case.tag for case in suite] == ["testcase"] * len(cases)
        kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
        for case in cases:
            assert case.get("classname") and case.get("name") and float(case.get("time", "")) >= 0
            assert sum(child.tag in kinds.values() for child in case) <= 1
            assert {child.tag for child in case} <= {*kinds.values(), "system-out"}
            assert all(child.get("message") for child in case if child.tag in kinds.values())
        assert int(suite.get("tests", "")) == len(cases)
        seen["tests"] += len(cases)
        for count, kind in kinds.items():
            assert int(suite.get(count, "")) == len(suite.findall(f"testcase/{kind}"))
            seen[count] += int(suite.get(count, ""))
    return seen


def test_junit_is_what_its_readers_expect_whatever_the_names() -> None:
    assert consumed(report.junit(made(3))) == {"tests": 3, "failures": 3, "errors": 0, "skipped": 0}
    assert consumed(report.junit(Report([], ["a", "b"], 2))) == {
        "tests": 2,
        "failures": 0,
        "errors": 0,
        "skipped": 0,
    }


def test_junit_counts_each_kind_once() -> None:
    findings = [
        Finding("regression", "a", "m", 1.0, 0.5),
        Finding("incomplete", "a", note="gone"),
        Finding("incomplete", "b", note="gone"),
        Finding("superseded", "c", note="newer"),
        Finding("improvement", "d", "m", 0.5, 1.0),
    ]
    found = Report(findings, ["a", "d", "e"], 3)
    assert consumed(report.junit(found)) == {"tests": 5, "failures": 1, "errors": 1, "skipped": 1}


def test_markdown_is_one_row_a_finding_with_nothing_of_a_name_left_to_render() -> None:
    text = report.markdown(made())
    assert not set("<>`*\x00\x1b\u2028") & set(text.replace("**", ""))
    rows = [line for line in text.splitlines() if line.startswith("| &#60;script")]
    assert len(rows) == 6
    assert {line.count("|") for line in rows} == {7}
    assert max(map(len, text.splitlines())) < 10_000


def test_a_long_table_is_cut_and_says_so() -> None:
    found = Report([Finding("new", f"cell {k}") for k in range(250)], [], 0)
    text = report.markdown(found)
    assert "**New cells** (250)" in text
    assert sum(line.startswith("| cell ") for line in text.splitlines()) == 200 + 1
    assert "... and 50 more" in text


def test_annotations_are_one_command_a_line_whatever_the_names() -> None:
    lines = report.workflow_commands(made())
    parsed = [COMMAND.fullmatch(line) for line in lines]
    assert [match and match[1] for match in parsed] == ["error", "warning", "notice"]
    for match in parsed:
        assert match is not None
        assert unquote(match[2]).startswith(
            "<script>alert('x')</script>|\"&`*%0A::error::, a:b\r\n::warning::"
        )
        assert "%0A::error" not in match[3].replace("%250A::error", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("50 %", "50 %25"), ("a\r\nb", "a%0D%0Ab"), ("a: b, c", "a%3A b%2C c"), ("%0A", "%250A")],
)
def test_a_title_is_escaped_by_the_rules_of_workflow_commands(text: str, expected: str) -> None:
    (line,) = report.workflow_commands(
        Report([Finding("regression", text, "m", 1.0, 0.5, "n: 1, 5 %")], [], 1)
    )
    assert line == f"::error title={expected}::regression: m 1 -> 0.5 n: 1, 5 %25"


def test_no_more_annotations_of_a_kind_than_github_shows() -> None:
    lines = report.workflow_commands(Report([Finding("incomplete", f"c{k}") for k in range(25)], [], 0))
    assert len(lines) == 10
    assert lines[-1] == "::warning title=Could not be compared::16 more in the report of the gate"
    assert len(report.workflow_commands(Report([Finding("incomplete", "c")] * 10, [], 0))) == 10
