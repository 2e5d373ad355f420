"""`suite leaderboard build` and `open`."""

from __future__ import annotations

import re
import threading
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from leaderboard import site
from leaderboard.board import Board
from leaderboard.content import Content
from suite.errors import UsageError


def test_the_verb_builds_pages_from_a_results_folder(tmp_path: Path) -> None:
    from suite.cli import main
    from suite.plan import plan
    from suite.runner import execute
    from suite.store import Store

    for seed in (0, 1):
        Store(tmp_path / "results").append(execute(plan("toy", "toy-coin", "small", seed)))
    options = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / "site")]
    result = CliRunner().invoke(main, ["leaderboard", "build", *options])
    site_folder = tmp_path / "site"
    found = re.fullmatch(
        r"(\d+) pages in (\S+), with (?:plain|interactive) charts[^;]*; open (\S+)\n", result.output
    )
    assert result.exit_code == 0 and found is not None, result.output
    assert found[2] == str(site_folder) and found[3] == str(site_folder / "index.html")
    assert int(found[1]) == len(list(site_folder.rglob("*.html")))
    assert "toy-coin" in (tmp_path / "site" / "task" / "toy.html").read_text(encoding="utf-8")


def test_pages_are_served_to_this_machine_only(tmp_path: Path) -> None:
    from suite.cli.leaderboard import server

    site.build(Content(Board(), {}), tmp_path / "site")
    with server(tmp_path / "site", 0) as running:
        assert running.server_address[0] == "127.0.0.1"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://127.0.0.1:{running.server_address[1]}/index.html"
        ) as answer:
            body = answer.read()
        with pytest.raises(UsageError, match="choose another with --port"):
            server(tmp_path / "site", running.server_address[1])
        running.shutdown()
        thread.join()
    assert body == (tmp_path / "site" / "index.html").read_bytes()


def test_open_without_pages_is_wrong_use(tmp_path: Path) -> None:
    from suite.cli import main

    result = CliRunner().invoke(main, ["leaderboard", "open", "--out", str(tmp_path), "--no-browser"])
    assert result.exit_code == 2
    assert "suite leaderboard build" in result.output
