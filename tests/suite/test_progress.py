from __future__ import annotations

import io
import sys

import pytest

from suite.plan import plan
from suite.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, jobs: int = 1, quiet: bool = False) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    planned = plan("toy", "toy-good")
    with Progress(2, jobs, quiet) as progress:
        progress.watch(planned, "training", 30, 200)
        progress.finished("ok: one")
    return stream.getvalue()


def test_a_terminal_shows_the_cells_and_what_the_running_one_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, Terminal())
    assert "toy-good on toy (small, seed 0): training" in text
    assert "/200" in text
    assert "1/2" in text
    assert "ok: one\n" in text


def test_several_workers_share_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "1/2" in shown(monkeypatch, Terminal(), jobs=2)


def test_elsewhere_only_finished_cells_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO()) == "ok: one\n"


def test_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, Terminal(), quiet=True) == ""
