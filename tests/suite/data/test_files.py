"""Finding and checking data files."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from suite.data import fingerprint, open_file, resolve
from suite.data.files import cache_dir, state
from suite.data.registry import File
from suite.errors import DataError, UsageError

NOWHERE = "http://127.0.0.1:9/lines.txt"


def test_the_given_folder_comes_before_the_cache(folders, register, lines, put, content: bytes) -> None:
    register(lines(NOWHERE))
    cached = put(folders[1] / "small" / "lines.txt.gz", content)
    assert open_file("small", "lines.txt.gz") == cached
    given = put(folders[0] / "small" / "lines.txt.gz", content)
    assert open_file("small", "lines.txt.gz") == given


def test_the_checksum_is_of_the_content_however_it_was_compressed(
    folders, register, lines, content: bytes
) -> None:
    register(lines(NOWHERE))
    path = folders[0] / "small" / "lines.txt.gz"
    path.parent.mkdir(parents=True)
    for level in (1, 9):
        path.write_bytes(gzip.compress(content, level))
        assert resolve("small/lines.txt.gz") == path


def test_another_content_is_refused_with_the_way_out(folders, register, lines, put) -> None:
    register(lines(NOWHERE))
    path = put(folders[0] / "small" / "lines.txt.gz", b"other\n")
    with pytest.raises(DataError, match=r"another checksum .* `suite data get small`") as caught:
        resolve("small/lines.txt.gz")
    assert str(path) in str(caught.value)


def test_a_file_that_changes_is_checked_again(folders, register, lines, put, content: bytes) -> None:
    register(lines(NOWHERE))
    path = put(folders[0] / "small" / "lines.txt.gz", content)
    resolve("small/lines.txt.gz")
    put(path, b"other\n")
    with pytest.raises(DataError, match="another checksum"):
        resolve("small/lines.txt.gz")


@pytest.mark.parametrize("damage", ["cut", "not-gzip", "bit"])
def test_a_damaged_gzip_file_is_one_data_error(
    folders, register, lines, put, content: bytes, damage: str
) -> None:
    register(lines(NOWHERE))
    path = put(folders[0] / "small" / "lines.txt.gz", content)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes({"cut": whole[: len(whole) // 2], "not-gzip": b"plain", "bit": whole}[damage])
    with pytest.raises(DataError, match="lines.txt.gz"):
        resolve("small/lines.txt.gz")


def test_a_missing_file_names_the_command(folders, register, lines) -> None:
    register(lines(NOWHERE))
    with pytest.raises(
        DataError, match=r"small/lines.txt.gz is not in .*given/small .*`suite data get small`"
    ):
        resolve("small/lines.txt.gz")


def test_without_a_folder_the_error_says_that_the_variable_is_not_set(
    register, lines, folders, monkeypatch
) -> None:
    register(lines(NOWHERE))
    monkeypatch.delenv("SUITE_DATA_DIR")
    with pytest.raises(DataError, match="SUITE_DATA_DIR is not set"):
        resolve("small/lines.txt.gz")


def test_unknown_names_are_suggested(register, lines) -> None:
    register(lines(NOWHERE))
    with pytest.raises(UsageError, match="did you mean 'small'"):
        resolve("smal/lines.txt.gz")
    with pytest.raises(UsageError, match="did you mean 'lines.txt.gz'"):
        resolve("small/line.txt.gz")


@pytest.mark.parametrize("name", ["small/../../etc/passwd", "small//etc/passwd", "../small/lines.txt.gz"])
def test_no_name_leads_out_of_the_folder(folders, register, lines, name: str) -> None:
    register(lines(NOWHERE))
    with pytest.raises(UsageError):
        resolve(name)


def test_a_data_set_alone_is_no_file(register, lines) -> None:
    register(lines(NOWHERE))
    with pytest.raises(DataError, match="name one of its files, as in small/lines.txt.gz"):
        resolve("small")


def test_the_fingerprint_is_made_of_checksums_without_a_file(folders, register) -> None:
    register(File("b", "2" * 64, 1, NOWHERE), File("a", "1" * 64, 1, NOWHERE))
    expected = hashlib.sha256(f"small/a={'1' * 64}\nsmall/b={'2' * 64}".encode()).hexdigest()
    assert fingerprint(["small"]) == fingerprint(["small/b", "small/a"]) == expected
    assert fingerprint(["small/a"]) != expected
    assert fingerprint([]) == ""


def test_a_file_without_a_checksum_is_known_by_its_content(folders, register, put) -> None:
    register(File("free.txt", None, None, NOWHERE))
    path = put(folders[0] / "small" / "free.txt", b"one")
    assert resolve("small/free.txt") == path
    expected = hashlib.sha256(f"small/free.txt={hashlib.sha256(b'one').hexdigest()}".encode()).hexdigest()
    assert fingerprint(["small/free.txt"]) == expected


def test_states_tell_ok_unchecked_missing_and_damaged_apart(
    folders, register, lines, put, content: bytes
) -> None:
    entry = register(
        lines(NOWHERE), File("free.txt", None, None, NOWHERE), File("gone", "0" * 64, 1, NOWHERE)
    )
    put(folders[0] / "small" / "lines.txt.gz", content)
    put(folders[0] / "small" / "free.txt", b"one")
    assert [state(entry, file)[0] for file in entry.files] == ["ok", "unchecked", "missing"]
    put(folders[0] / "small" / "lines.txt.gz", b"other")
    assert state(entry, entry.files[0])[0] == "damaged"


def test_the_cache_is_in_the_users_folder_by_default(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SUITE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir().parts[-2:] == ("touchstone", "data")
