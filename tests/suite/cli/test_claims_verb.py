"""`suite claims`, against numbers worked out by hand.

toy-good has 1, 1, 1 and toy-coin 0.4, 0.5, 0.6: a difference of 0.5 with standard error 0.1 / sqrt(3) and two
degrees of freedom, so half = 4.3026527 * 0.0577350 = 0.2484138. toy-slow has 0.7, 0.9; it and toy-coin differ
by 0.3 with variances 0.02 / 2 and 0.01 / 3, standard error 0.1154701, 1.68 degrees of freedom rounded down to
1: half = 12.7062047 * 0.1154701 = 1.4671861.
"""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest

from suite.api import Paper

BOOK = """\
from suite.api import Paper
from suite.claims import Audit, Bound, Check, Claim, Published
from toy_plugin import METHODS, PAPER, TASKS

OTHER = Paper("Second thoughts", 2025, "")
PLACE = {"tasks": ("toy",), "metric": "accuracy"}
CLAIMS = [
    Claim(id="good-wins", paper=PAPER, where="Table 1", statement="Good wins.", better="toy-good",
          worse=("toy-coin",), margin=0.2, note="By twenty points.", **PLACE),
    Claim(id="coin-wins", paper=PAPER, where="Table 1", statement="Coin wins.", better="toy-coin",
          worse=("toy-good",), **PLACE),
    Claim(id="slow-wins", paper=OTHER, where="Figure 2", statement="Slow wins.", better="toy-slow",
          worse=("toy-coin", "toy-oom"), **PLACE),
    Bound(id="coin-fails", paper=OTHER, where="abstract", statement="A coin fails.", method="toy-coin",
          relation="at most", value=0.6, **PLACE),
    Check(id="adds-up", paper=PAPER, where="appendix", statement="It adds up.",
          where_code="toy_book:adds_up"),
]
PUBLISHED = [Published(paper=PAPER, where="Table 1", method="toy-coin", value=0.55, sd=0.01, setting="large",
                       source="page 3", differs="Ours is small.", task="toy", metric="accuracy")]
AUDITS = [Audit(paper=PAPER, text="Coins are biased.", source="page 4", by="read", about="good-wins")]


def adds_up():
    return True, "1 + 1 = 2"
"""
TEXT = """\
id          verdict       difference  interval            statement      paper
good-wins   supported         50.0 %  [25.2 %, 74.8 %]    Good wins.     A toy (2024)
coin-wins   contradicted     -50.0 %  [-74.8 %, -25.2 %]  Coin wins.     A toy (2024)
slow-wins   not run                                       Slow wins.     Second thoughts (2025)
coin-fails  undecided         10.0 %  [-14.8 %, 34.8 %]   A coin fails.  Second thoughts (2025)
adds-up     supported                                     It adds up.    A toy (2024)
"""
EXPLAINED = """\
good-wins: supported
claim: Good wins.
paper: A toy (2024), https://example.org/toy
where: Table 1
test: accuracy: toy-good is better by more than 0.2, against each of toy-coin, on toy, profile small
note: By twenty points.
why: its one comparison supports it
comparisons:
  task  metric    method    against   verdict    margin  difference     low    high       p  holm_p  paired_p  effect  seeds
  toy   accuracy  toy-good  toy-coin  supported  20.0 %      50.0 %  25.2 %  74.8 %  0.0351  0.0351    0.2500  3.0000      3
values:
  task  method       mean      sd  by seed                         marks
  toy   toy-good  100.0 %   0.0 %  0: 100.0 %, 1: 100.0 %, 2: 100.0 %  MARKS
  toy   toy-coin   50.0 %  10.0 %  0: 40.0 %, 1: 50.0 %, 2: 60.0 %     MARKS
published figures:
  task  method    published     sd    ours  profile  seeds  where
  toy   toy-coin     55.0 %  1.0 %  50.0 %  small        3  Table 1
  source: page 3
  ours may differ: Ours is small.
audit: Coins are biased. (read; page 4)
"""  # noqa: E501


@pytest.fixture(autouse=True)
def toy_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "toy_book.py").write_text(BOOK)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("SUITE_PLUGINS", "toy_book")


@pytest.fixture
def claims(suite, results: Path):
    return lambda *words: suite("claims", *words, "--results", results)


def test_every_claim_is_a_line_with_its_verdict(claims) -> None:
    answer = claims("--family", "toy")
    assert (answer.exit_code, answer.stdout) == (0, TEXT)
    assert answer.stderr == "5 claims: 2 supported, 1 contradicted, 1 undecided, 1 not run\n"


def test_machines_get_every_digit(claims) -> None:
    rows = {row["id"]: row for row in json.loads(claims("--family", "toy", "--format", "json").stdout)}
    good = rows["good-wins"]
    half = 4.3026527297 * 0.1 / math.sqrt(3)
    assert (good["family"], good["paper"], good["verdict"]) == ("toy", "a-toy-2024", "supported")
    assert (good["margin"], good["difference"], good["seeds"]) == (0.2, pytest.approx(0.5), 3)
    assert (good["low"], good["high"]) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-9)
    assert rows["slow-wins"]["difference"] is None and rows["adds-up"]["low"] is None
    assert rows["adds-up"]["summary"] == "1 + 1 = 2"


def test_markdown_and_csv_have_the_same_lines(claims) -> None:
    assert "| good-wins | supported | 50.0 % |" in claims("--family", "toy", "--format", "markdown").stdout
    lines = claims("--family", "toy", "--format", "csv").stdout.splitlines()
    assert lines[0].startswith("id,family,paper,where,statement,verdict,") and len(lines) == 6


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--paper", "second"), ["slow-wins", "coin-fails"]),
        (("--paper", "a-toy-2024"), ["good-wins", "coin-wins", "adds-up"]),
        (("--family", "toy", "--verdict", "supported"), ["good-wins", "adds-up"]),
        (("--family", "toy", "--verdict", "not-run"), ["slow-wins"]),
        (("--family", "lmeval"), []),
    ],
    ids=str,
)
def test_claims_are_filtered(claims, words: tuple[str, ...], expected: list[str]) -> None:
    answer = claims(*words, "--format", "json")
    assert answer.exit_code == 0 and [row["id"] for row in json.loads(answer.stdout)] == expected


def test_explain_prints_all_that_the_verdict_rests_on(claims) -> None:
    answer = claims("--explain", "good-wins")
    told = [_spaced(line) for line in answer.stdout.splitlines()]
    assert answer.exit_code == 0
    assert told == [_spaced(line) for line in EXPLAINED.splitlines()]


def _spaced(line: str) -> list[str]:
    """The cells of a line, with the marks left out: they depend on the checkout's code."""
    return line.replace("MARKS", "").replace("3 runs by older code", "").split()


def test_explain_as_a_table_keeps_the_statement_and_the_verdict(claims) -> None:
    first, second = csv.DictReader(io.StringIO(claims("--explain", "slow-wins", "--format", "csv").stdout))
    assert {(row["id"], row["statement"], row["verdict"]) for row in (first, second)} == {
        ("slow-wins", "Slow wins.", "not run")
    }
    assert (first["verdict here"], second["verdict here"]) == ("undecided", "not run")
    (check,) = csv.DictReader(io.StringIO(claims("--explain", "adds-up", "--format", "csv").stdout))
    assert check == {
        "id": "adds-up",
        "statement": "It adds up.",
        "verdict": "supported",
        "summary": "1 + 1 = 2",
    }
    shown = claims("--explain", "good-wins", "--format", "markdown").stdout.splitlines()
    assert shown[2].startswith("| good-wins | Good wins. | supported |")


def test_explain_says_what_to_run(claims) -> None:
    told = claims("--explain", "slow-wins").stdout
    assert "why: toy-oom on toy: not run" in told
    assert "run: suite run --method toy-oom --task toy --profile small --seeds 0-4\n" in told


def test_a_pair_of_a_claim_that_is_not_run_still_has_its_own_verdict(claims) -> None:
    known = json.loads(claims("--explain", "slow-wins", "--format", "json").stdout)
    first, second = known["comparisons"]
    half = 12.7062047362 * math.sqrt(0.01 + 0.01 / 3)
    assert (known["verdict"], first["verdict"], second["verdict"]) == ("not run", "undecided", "not run")
    assert (first["low"], first["high"]) == pytest.approx((0.3 - half, 0.3 + half), abs=1e-8)
    assert known["values"][0]["seeds"] == {"0": 0.7, "1": 0.9}


def test_a_check_is_explained_without_comparisons(claims) -> None:
    told = claims("--explain", "adds-up").stdout
    assert "why: 1 + 1 = 2" in told and "test: toy_book:adds_up, about 1 s" in told
    assert "comparisons" not in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--explain", "good-win"), "claim 'good-win' not found; did you mean 'good-wins'?"),
        (("--paper", "second toughts"), "paper 'second toughts' not found"),
        (("--family", "tyo"), "family 'tyo' not found; did you mean 'toy'?"),
        (("--verdict", "maybe"), "'maybe' is not one of"),
        (("--explain", "good-wins", "--family", "toy"), "--explain prints one claim"),
    ],
    ids=str,
)
def test_a_wrong_name_is_one_line_and_exit_code_2(claims, words: tuple[str, ...], message: str) -> None:
    answer = claims(*words)
    assert answer.exit_code == 2 and answer.stdout == ""
    assert message in answer.stderr and answer.stderr.count("\n") == 1


def test_without_results_nothing_is_judged(suite, tmp_path: Path) -> None:
    answer = suite("claims", "--results", tmp_path / "nowhere")
    assert answer.exit_code == 3 and answer.stderr.startswith("error: no results in")
    for words in ((), ("--explain", "good-wins")):
        answer = suite("claims", "--results", tmp_path, *words)
        assert (answer.exit_code, answer.stdout) == (3, "")
        assert answer.stderr.startswith(f"error: no run in {tmp_path}; ") and answer.stderr.count("\n") == 1


def test_long_titles_are_cut_for_the_eye() -> None:
    from suite.cli.claims import LONGEST_TITLE, _short

    title = str(Paper("A very long title " * 5, 2024, "").title) + "(2024)"
    short = _short({"title": title})["paper"]
    assert len(short) <= LONGEST_TITLE and short.endswith("… (2024)")
