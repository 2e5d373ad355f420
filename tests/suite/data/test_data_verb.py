"""`suite data` and what `suite doctor` says of data."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from suite.cli import main
from suite.data.registry import File


def call(*words: str) -> Result:
    return CliRunner().invoke(main, ["data", *words])


def test_list_counts_what_is_at_hand(folders, register, lines, put, content: bytes) -> None:
    register(lines("https://example.org/lines.txt"), File("gone", "0" * 64, 1, "https://example.org/gone"))
    put(folders[0] / "small" / "lines.txt.gz", content)
    (row,) = json.loads(call("list", "--format", "json").stdout)
    assert (row["data"], row["files"], row["at_hand"], row["licence"]) == ("small", 2, 1, "none")


def test_list_of_one_data_set_says_what_is_known_of_it(folders, register, lines) -> None:
    register(lines("https://example.org/lines.txt"))
    shown = call("list", "small").stdout
    assert "citation: nobody\n" in shown and "reading: by line\n" in shown
    (row,) = json.loads(call("list", "small", "--format", "json").stdout)
    assert row["bytes"] == 48890 and row["at_hand"] is False


def test_check_exits_1_for_a_damaged_file_only(folders, register, lines, put, content: bytes) -> None:
    register(lines("https://example.org/lines.txt"))
    answer = call("check", "small", "--format", "csv")
    assert (answer.exit_code, answer.stdout) == (0, "file,state,path\nsmall/lines.txt.gz,missing,\n")
    path = put(folders[0] / "small" / "lines.txt.gz", b"other")
    answer = call("check", "--format", "csv")
    assert (answer.exit_code, answer.stdout) == (1, f"file,state,path\nsmall/lines.txt.gz,damaged,{path}\n")


def test_path_prints_a_checked_path_or_exits_2(folders, register, lines, put, content: bytes) -> None:
    register(lines("https://example.org/lines.txt"))
    assert call("path", "small/lines.txt.gz").exit_code == 2
    path = put(folders[0] / "small" / "lines.txt.gz", content)
    assert call("path", "small/lines.txt.gz").stdout == f"{path}\n"


def test_get_prints_where_a_file_is_and_quietly_nothing(folders, register, lines, server) -> None:
    register(lines(f"{server.address}/whole"))
    assert call("get", "small").stdout == f"{folders[1] / 'small' / 'lines.txt.gz'}\n"
    assert call("get", "small", "--quiet").output == ""


def test_get_leaves_out_what_has_no_checksum_unless_it_is_named(folders, register, lines, server) -> None:
    register(lines(f"{server.address}/whole"), File("free.txt", None, None, f"{server.address}/whole"))
    answer = call("get", "small")
    assert answer.exit_code == 0
    assert (
        answer.stderr == "left out: small/free.txt: no checksum is known, so a download cannot be checked\n"
    )
    named = call("get", "small/free.txt")
    assert named.exit_code == 2 and named.stderr.startswith("error: small/free.txt: no checksum is known")


def test_get_fails_with_one_line_and_exit_code_2(folders, register, lines, server) -> None:
    register(lines(f"{server.address}/missing"))
    answer = call("get", "small")
    assert (
        answer.exit_code == 2 and answer.stderr.startswith("error: http") and answer.stderr.count("\n") == 1
    )


@pytest.mark.parametrize("words", [("get", "smal"), ("check", "smal"), ("path", "smal/x"), ("list", "smal")])
def test_unknown_data_sets_are_suggested(folders, register, lines, words: tuple[str, ...]) -> None:
    register(lines("https://example.org/lines.txt"))
    answer = call(*words)
    assert answer.exit_code == 2 and "did you mean 'small'?" in answer.stderr
