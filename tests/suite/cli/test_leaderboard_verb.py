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


def test_ctrl_c_ends_the_server_quietly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from http.server import ThreadingHTTPServer

    from suite.cli import main

    def interrupted(_: ThreadingHTTPServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", interrupted)
    (tmp_path / "index.html").write_text("")
    words = ["leaderboard", "open", "--out", str(tmp_path), "--port", "0", "--no-browser"]
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1:] == ["stopped"]


@pytest.mark.parametrize("verb", ["build", "tables"])
def test_a_folder_without_any_run_is_exit_code_3(suite, tmp_path: Path, verb: str) -> None:
    out = ["--out", tmp_path / "site"] if verb == "build" else []
    answer = suite("leaderboard", verb, "--results", tmp_path, *out)
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert answer.stderr.startswith(f"error: no run in {tmp_path}; ") and answer.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Title\n<!-- board: nosuch -->\n", "{}, line 2: '<!-- board: nosuch -->' opens no table"),
        ("no table\n", "{} has no mark of a table"),
        ("```\n<!-- board: front -->\n```\n", "{} has no mark of a table"),
        ("<!-- board: family none -->\n<!-- board: end -->\n", "{}, line 1: family 'none' has no results"),
    ],
)
def test_a_file_that_asks_for_no_table_is_wrong_use(
    suite, results: Path, tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "x.md"
    path.write_text(text)
    for check in ([], ["--check"]):
        answer = suite("leaderboard", "tables", path, *check, "--results", results)
        assert (answer.exit_code, answer.stdout) == (2, "")
        assert answer.stderr.startswith("error: " + said.format(path)) and answer.stderr.count("\n") == 1
    assert path.read_text() == text


def test_open_without_pages_is_wrong_use(tmp_path: Path) -> None:
    from suite.cli import main

    result = CliRunner().invoke(main, ["leaderboard", "open", "--out", str(tmp_path), "--no-browser"])
    assert result.exit_code == 2
    assert "suite leaderboard build" in result.output
