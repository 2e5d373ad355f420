"""`suite data` and what `suite doctor` says of data."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

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


def test_list_says_sizes_and_what_nobody_compared_with_its_home(folders, register, lines) -> None:
    register(lines("https://example.org/lines.txt"), File("a.txt", "0" * 64, 10, "https://example.org/a"))
    (row,) = json.loads(call("list", "--format", "json").stdout)
    assert (row["bytes"], row["checked"]) == (48900, True)
    register(File("a.txt", "0" * 64, 10), File("b.txt", None, None))
    (row,) = json.loads(call("list", "--format", "json").stdout)
    assert row["bytes"] is None


def test_show_says_all_that_is_known(folders, register, lines, put, content: bytes) -> None:
    file = replace(lines("https://example.org/lines.txt"), rows=5000, columns=("x",), licence="CC0")
    register(file, File("made.jsonl", "1" * 64, 7, origin="https://example.org/other"))
    put(folders[0] / "small" / "lines.txt.gz", content)
    facts = json.loads(call("show", "small", "--format", "json").stdout)
    assert facts["data"] == "small" and facts["revision"] == "1" and facts["checked"] is True
    assert facts["bytes"] == 48897
    first, second = facts["files"]
    assert first == {
        "file": "small/lines.txt.gz",
        "bytes": 48890,
        "rows": 5000,
        "at_hand": True,
        "reader": "txt",
        "sha256": file.sha256,
        "from": "https://example.org/lines.txt",
        "columns": ["x"],
        "source": "",
        "licence": "CC0",
    }
    assert second["from"] == "SUITE_DATA_DIR alone" and second["source"] == "https://example.org/other"
    shown = call("show", "small").stdout
    for line in (
        "licence: none",
        "citation: nobody",
        "checked: yes",
        "size: 48,897 bytes in all, uncompressed; 1 of 2 files at hand",
        "small/lines.txt.gz: licence: CC0",
        "small/lines.txt.gz: columns: x",
        "small/made.jsonl: source: https://example.org/other",
    ):
        assert line in shown.splitlines(), line


def test_show_of_one_file_is_about_that_file(folders, register, lines) -> None:
    register(lines("https://example.org/lines.txt"), File("other", "1" * 64, 7))
    facts = json.loads(call("show", "small/other", "--format", "json").stdout)
    assert [row["file"] for row in facts["files"]] == ["small/other"]


def test_show_says_plainly_what_nobody_compared_with_its_home() -> None:
    shown = call("show", "glue").stdout.splitlines()
    assert "checked: no: hub id, splits and licence were not compared with their home" in shown
    assert "revision: none pinned" in shown and "licence: not looked up; see its home" in shown


def test_show_says_that_a_hub_id_without_files_was_not_compared() -> None:
    shown = call("show", "gsm8k").stdout.splitlines()
    assert "hub: openai/gsm8k (not compared with the hub; no file comes from it)" in shown
    assert "hub: nyu-mll/glue" in call("show", "glue").stdout.splitlines()


def test_show_reads_rows_of_what_is_at_hand_when_asked(folders, register, lines, put, content: bytes) -> None:
    register(lines("https://example.org/lines.txt"), File("gone.txt", "0" * 64, 1))
    put(folders[0] / "small" / "lines.txt.gz", content)
    (found,) = json.loads(call("show", "small", "--rows", "2", "--format", "json").stdout)["read"]
    assert found == {
        "file": "small/lines.txt.gz",
        "rows": 5000,
        "columns": {"text": "string"},
        "head": [{"text": "line 0"}, {"text": "line 1"}],
    }
    shown = call("show", "small", "--rows", "2").stdout
    assert "small/lines.txt.gz: 5,000 rows; columns text (string)\n  text: line 0\n  text: line 1\n" in shown


def test_show_counts_bytes_and_cuts_long_text(folders, register, put) -> None:
    register(File("a.jsonl", None, None))
    put(folders[0] / "small" / "a.jsonl", b'{"t": "' + b"x" * 300 + b'", "l": [1], "n": null}\n')
    (found,) = json.loads(call("show", "small", "--rows", "1", "--format", "json").stdout)["read"]
    assert found["head"] == [{"t": "x" * 200 + "... (300 characters)", "l": "[1]", "n": None}]


def test_show_of_a_damaged_file_is_one_line(folders, register, lines, put) -> None:
    register(lines("https://example.org/lines.txt"))
    put(folders[0] / "small" / "lines.txt.gz", b"other")
    assert call("show", "small").exit_code == 0
    answer = call("show", "small", "--rows", "1")
    assert answer.exit_code == 2 and answer.stderr.count("\n") == 1 and "another checksum" in answer.stderr


def test_list_show_and_check_load_no_heavy_library(folders) -> None:
    words = (
        ["list"],
        ["show", "cogs"],
        ["list", "images"],
        ["check", "gsm8k"],
        ["get", "scan/mcd/mcd3.json"],
    )
    script = (
        "import sys; from suite.cli import main; from click.testing import CliRunner\n"
        f"for words in {words!r}: assert CliRunner().invoke(main, ['data', *words]).output\n"
        "print(sorted({'pyarrow', 'datasets', 'torch', 'pandas', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


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


def test_get_leaves_out_what_no_address_gives_unless_that_is_all(folders, register, lines, server) -> None:
    register(lines(f"{server.address}/whole"), File("made.jsonl", "0" * 64, 5))
    answer = call("get", "small")
    assert answer.exit_code == 0 and answer.stderr.startswith("left out: small/made.jsonl cannot be downl")
    named = call("get", "small/made.jsonl")
    assert named.exit_code == 2 and named.stderr.count("\n") == 1
    assert "put it at small/made.jsonl in the folder SUITE_DATA_DIR" in named.stderr
    register(File("made.jsonl", "0" * 64, 5), File("also.jsonl", "0" * 64, 5))
    answer = call("get", "small")
    assert answer.exit_code == 2 and answer.stderr.count("\n") == 1


def test_get_takes_what_is_at_hand_although_no_address_gives_it(folders, register, put) -> None:
    register(File("made.jsonl", hashlib.sha256(b"{}\n").hexdigest(), 3))
    path = put(folders[0] / "small" / "made.jsonl", b"{}\n")
    assert call("get", "small").stdout == f"{path}\n"


def test_get_fails_with_one_line_and_exit_code_2(folders, register, lines, server) -> None:
    register(lines(f"{server.address}/missing"))
    answer = call("get", "small")
    assert (
        answer.exit_code == 2 and answer.stderr.startswith("error: http") and answer.stderr.count("\n") == 1
    )


@pytest.mark.parametrize(
    "words", [("get", "smal"), ("check", "smal"), ("path", "smal/x"), ("list", "smal"), ("show", "smal")]
)
def test_unknown_data_sets_are_suggested(folders, register, lines, words: tuple[str, ...]) -> None:
    register(lines("https://example.org/lines.txt"))
    answer = call(*words)
    assert answer.exit_code == 2 and "did you mean 'small'?" in answer.stderr
