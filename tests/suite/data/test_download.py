"""Servers that stall, trickle, change, lie or never end: resumed where it is safe, else one clear line."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from suite.data import download as downloading
from suite.data.fetch import fetch
from suite.data.registry import Entry, File
from suite.errors import DataError


def got(entry: Entry) -> bytes:
    return gzip.decompress(fetch(entry, entry.files[0]).read_bytes())


def part_of(cache: Path, address: str) -> Path:
    return cache / "parts" / hashlib.sha256(address.encode()).hexdigest()


def kept(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


def refusal(entry: Entry, match: str) -> str:
    with pytest.raises(DataError, match=match) as caught:
        fetch(entry, entry.files[0])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_stalled_answer_is_given_up_and_resumed(
    folders, register, lines, server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "TIMEOUT_S", 0.2)
    assert got(register(lines(f"{server.address}/stalls"))) == content
    assert server.asked == [("/stalls", None), ("/stalls", f"bytes={len(content) // 2}-")]


def test_a_server_that_always_stalls_is_one_line_and_the_part_is_kept(
    folders, register, lines, server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "TIMEOUT_S", 0.1)
    entry = register(lines(f"{server.address}/always-stalls"))
    refusal(entry, r"cannot be downloaded: nothing came for 0.1 s; run the command again to go on")
    assert part_of(folders[1], entry.files[0].address).read_bytes() == content[: len(content) // 2]


def test_a_trickle_is_told_from_a_slow_line(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 29.0, 40.0, 70.0, 110.0])
    monkeypatch.setattr(downloading, "time", SimpleNamespace(monotonic=lambda: next(now)))
    pace = downloading._Pace()
    pace.heard(1)  # within the window nothing is judged
    pace.heard(3_999)  # 4,000 bytes in 40 s are 100 a second: slow, but going on
    pace.heard(3_000)  # 3,000 bytes in the next 30 s
    with pytest.raises(downloading._Broken, match="only 3,999 bytes came in 40 s"):
        pace.heard(3_999)


def test_a_server_that_trickles_is_one_line_and_what_came_is_kept(
    folders, register, lines, server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock: Iterator[float] = iter(range(0, 10**6, 1000))
    monkeypatch.setattr(downloading, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    entry = register(lines(f"{server.address}/trickles"))
    refusal(entry, r"cannot be downloaded: only 1,000 bytes came in 1000 s")
    assert [asked for _, asked in server.asked] == [None, "bytes=1000-", "bytes=2000-"]
    assert part_of(folders[1], entry.files[0].address).read_bytes() == content[:3000]


def test_a_source_that_changed_between_tries_is_downloaded_anew(
    folders, register, lines, server, content: bytes
) -> None:
    address = f"{server.address}/whole"
    part = part_of(folders[1], address)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"old" * 100)
    part.with_suffix(".etag").write_text('"old"')
    server.etags["/whole"] = '"new"'
    assert got(register(lines(address))) == content
    assert server.asked == [("/whole", "bytes=300-")]
    assert [path.name for path in kept(folders[1])] == ["lines.txt.gz"]


def test_a_resumed_download_of_an_unchanged_source_asks_for_the_rest_alone(
    folders, register, lines, server, content: bytes
) -> None:
    server.etags["/breaks"] = '"same"'
    assert got(register(lines(f"{server.address}/breaks"))) == content
    assert server.asked == [("/breaks", None), ("/breaks", f"bytes={len(content) // 2}-")]


@pytest.mark.parametrize(("etag", "noted"), [('"strong"', True), ('W/"weak"', False), ("", False)])
def test_only_a_strong_etag_tells_states_of_a_source_apart(
    folders, register, lines, server, etag: str, noted: bool
) -> None:
    server.etags["/always-breaks"] = etag
    entry = register(lines(f"{server.address}/always-breaks"))
    refusal(entry, "it ended after 24,445 of 48,890 bytes")
    note = part_of(folders[1], entry.files[0].address).with_suffix(".etag")
    assert (note.read_text() == etag) if noted else not note.exists()


def test_a_source_that_changed_unnoticed_is_caught_by_the_checksum_and_got_whole(
    folders, register, lines, server, content: bytes
) -> None:
    address = f"{server.address}/whole"
    part = part_of(folders[1], address)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"old" * 100)
    assert got(register(lines(address))) == content
    assert server.asked == [("/whole", "bytes=300-"), ("/whole", None)]


def test_wrong_content_twice_is_an_error_that_leaves_nothing(folders, register, lines, server) -> None:
    address = f"{server.address}/whole"
    part = part_of(folders[1], address)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"old" * 100)
    refusal(register(replace(lines(address), sha256="0" * 64)), "gives another content .* nothing was kept")
    assert len(server.asked) == 2 and kept(folders[1]) == []


def test_a_part_longer_than_the_source_starts_over(folders, register, lines, server, content: bytes) -> None:
    address = f"{server.address}/whole"
    part = part_of(folders[1], address)
    part.parent.mkdir(parents=True)
    part.write_bytes(content + b"more")
    assert got(register(lines(address))) == content
    assert [asked for _, asked in server.asked] == [f"bytes={len(content) + 4}-", None]


def test_an_answer_that_goes_on_elsewhere_is_not_appended(
    folders, register, lines, server, content: bytes
) -> None:
    assert got(register(lines(f"{server.address}/elsewhere"))) == content
    assert [asked for _, asked in server.asked] == [None, f"bytes={len(content) // 2}-", None]


def test_an_answer_that_announces_too_much_is_refused_unread(folders, register, lines, server) -> None:
    refusal(
        register(lines(f"{server.address}/bloated")), r"gives more than the 48,890 bytes that can be right"
    )
    assert kept(folders[1]) == []


def test_an_answer_without_end_is_cut_off(folders, register, lines, server) -> None:
    refusal(
        register(lines(f"{server.address}/endless")), r"gives more than the 48,890 bytes that can be right"
    )
    assert kept(folders[1]) == [] and len(server.asked) == 1


def test_redirects_in_a_circle_are_one_line(folders, register, lines, server) -> None:
    refusal(register(lines(f"{server.address}/moved-for-ever")), "answers 302")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_one_line(folders, register, lines, server) -> None:
    address = f"{server.address}/whole"
    part = part_of(folders[1], address)
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    refusal(register(lines(address)), "cannot be written: .*No space left.*set SUITE_CACHE to a folder")
    assert not (folders[1] / "small" / "lines.txt.gz").exists()


def test_a_file_that_no_address_gives_says_where_to_put_it(folders, register) -> None:
    entry = register(File("made.jsonl", "0" * 64, 5))
    refusal(
        entry,
        "small/made.jsonl cannot be downloaded: no public address gives these bytes; put it at "
        "small/made.jsonl in the folder SUITE_DATA_DIR, made as `suite data show small` describes",
    )
