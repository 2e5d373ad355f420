"""A new baseline: what is copied, what the history says, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import store_rows

from leaderboard import history
from leaderboard.gate import Report
from leaderboard.report import Finding
from suite.api import Sample
from suite.errors import StoreError, UsageError
from suite.records import ScoreRow
from suite.store import Store

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
MOVED = Finding("regression", "compsub on scan-jump (small, seed 0)", "exact-match", 0.75, 0.5, "why")
user = history._user


@pytest.fixture(autouse=True)
def name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_user", lambda: "A. Maintainer")


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, Store]:
    """A baseline with cell 0; a candidate with cells 0 and 1 run later, and cell 2, which failed."""
    baseline, candidate = Store(tmp_path / "baseline"), Store(tmp_path / "candidate")
    baseline.append(store_rows.outcome(0, name="old"))
    better = (ScoreRow("exact-match", "all", 0.5, 100, True), ScoreRow("seconds", "all", 1.0, None, False))
    samples = (Sample(0, 1.0, "jump", "I_JUMP", "I_JUMP"), Sample(1, 0.0))
    candidate.append(store_rows.outcome(0, better, samples, "new0", started=1_800_000_000.0))
    candidate.append(store_rows.outcome(1, better, (), "new1", started=1_800_000_000.0))
    candidate.append(store_rows.outcome(2, (), (), "new2", status="failed", error="it broke"))
    return baseline, candidate


def accept(stores: tuple[Store, Store], **options: Any) -> history.Entry:
    report = Report([MOVED], [MOVED.cell], 3)
    return history.accept(*stores, report, " a sharper parser ", profile=None, now=NOW, **options)


def test_the_candidates_runs_become_the_baseline_and_old_rows_stay(stores: tuple[Store, Store]) -> None:
    entry = accept(stores)
    baseline, candidate = stores
    assert set(entry.runs) == {"new0", "new1"}
    assert set(baseline.runs().column("run").to_pylist()) == {"old", "new0", "new1"}
    for read in ("scores", "runs"):
        where = {"run": ["new0", "new1"]}
        assert getattr(baseline, read)(where).equals(getattr(candidate, read)(where))
    assert baseline.samples(["new0"]).equals(candidate.samples(["new0"]))
    assert baseline.check() == []


def test_the_history_says_when_who_why_and_what_moved(stores: tuple[Store, Store]) -> None:
    accept(stores)
    (line,) = (stores[0].root / "history.jsonl").read_text(encoding="utf-8").splitlines()
    said = json.loads(line)
    assert (said["when"], said["who"], said["reason"]) == (
        "2026-05-04T03:02:01+00:00",
        "A. Maintainer",
        "a sharper parser",
    )
    assert said["moved"] == [MOVED._asdict()]
    entries, problems = history.read(stores[0].root / "history.jsonl")
    assert (entries[0].moved, problems) == ((MOVED,), [])


def test_accepting_again_copies_nothing_and_adds_no_line(stores: tuple[Store, Store]) -> None:
    accept(stores)
    assert accept(stores).runs == ()
    assert len(stores[0].runs()) == 3
    assert len(history.read(stores[0].root / "history.jsonl")[0]) == 1


def test_after_a_kill_between_line_and_copies_accepting_again_copies_the_rest(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(history, "copy", killed)
        accept(stores)
    assert len(history.read(stores[0].root / "history.jsonl")[0]) == 1
    assert set(accept(stores).runs) == {"new0", "new1"}


def test_a_run_older_than_the_baselines_is_refused(stores: tuple[Store, Store]) -> None:
    stores[0].append(store_rows.outcome(1, name="newest", started=1_900_000_000.0))
    with pytest.raises(UsageError, match=r"compsub on scan-jump \(small, seed 1\) is older"):
        accept(stores)
    assert not (stores[0].root / "history.jsonl").exists()
    assert len(stores[0].runs()) == 2


def test_a_torn_line_is_told_and_never_swallows_the_next(stores: tuple[Store, Store]) -> None:
    path = stores[0].root / "history.jsonl"
    path.write_text('{"when": "2026', encoding="utf-8")
    accept(stores)
    entries, problems = history.read(path)
    assert len(entries) == 1
    assert problems == [f"{path}: line 1 is no entry of a history"]


def test_hostile_texts_come_back_as_they_were(tmp_path: Path) -> None:
    finding = Finding("incomplete", "<b>\n\u2028\u202e", "m", float("nan"), float("inf"), "x" * 10_000)
    entry = history.Entry("now", None, 'a\n"b"\u2028', "smoke", ("r",), (finding,))
    history.append(tmp_path / "h", entry)
    history.append(tmp_path / "h", entry)
    entries, problems = history.read(tmp_path / "h")
    assert problems == []
    assert entries == [entry._replace(moved=(finding._replace(before=None, after=None),))] * 2


def test_a_history_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "h").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        history.append(tmp_path / "h", history.Entry("now", None, "why", None, (), ()))


def test_a_row_a_moved_value_and_one_where_none_moved(tmp_path: Path) -> None:
    quiet = history.Entry("now", None, "why", None, ("a", "b"), ())
    loud = quiet._replace(moved=(MOVED, MOVED))
    made = history.rows([quiet, loud])
    assert [row["verdict"] for row in made] == ["no change", "regression", "regression"]
    assert made[0]["note"] == "2 runs"
    assert all(set(row) <= set(history.COLUMNS) for row in made)
    assert [row.get("reason") for row in made] == ["why", "why", "why"]
    assert [row.get("reason") for row in history.rows([quiet, loud], once=True)] == ["why", "why", None]


def test_who_is_the_name_that_git_has_or_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Ada Lovelace\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert user() == "Ada Lovelace"
    config.write_text("", encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    assert user() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert user() is None
