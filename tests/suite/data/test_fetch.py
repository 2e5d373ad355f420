"""Downloads from a server on this machine: resumed, checked, never half in place."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from suite.data.fetch import fetch
from suite.data.registry import File
from suite.errors import DataError


def leftovers(cache: Path) -> list[str]:
    """Files below the cache but the finished ones."""
    return [
        p.name
        for p in cache.rglob("*")
        if p.is_file() and (p.parent.name == "parts" or p.name.startswith("."))
    ]


def test_a_file_is_downloaded_checked_and_kept_compressed(
    folders, register, lines, server, content: bytes
) -> None:
    entry = register(lines(f"{server.address}/whole"))
    heard: list[tuple[int, int | None]] = []
    path = fetch(entry, entry.files[0], lambda done, total: heard.append((done, total)))
    assert path == folders[1] / "small" / "lines.txt.gz"
    assert gzip.decompress(path.read_bytes()) == content
    assert heard[-1] == (len(content), len(content))
    assert leftovers(folders[1]) == []


def test_what_is_at_hand_is_not_downloaded_again(folders, register, lines, server) -> None:
    entry = register(lines(f"{server.address}/whole"))
    assert fetch(entry, entry.files[0]) == fetch(entry, entry.files[0])
    assert len(server.asked) == 1


def test_two_who_want_the_same_file_download_it_once(folders, register, lines, server) -> None:
    entry = register(lines(f"{server.address}/whole"))
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetch(entry, entry.files[0]), range(4)))
    assert set(paths) == {folders[1] / "small" / "lines.txt.gz"} and len(server.asked) == 1
    assert leftovers(folders[1]) == []


def test_a_broken_download_goes_on_where_it_ended(folders, register, lines, server, content: bytes) -> None:
    entry = register(lines(f"{server.address}/breaks"))
    path = fetch(entry, entry.files[0])
    assert gzip.decompress(path.read_bytes()) == content
    assert server.asked == [("/breaks", None), ("/breaks", f"bytes={len(content) // 2}-")]


def test_a_server_without_ranges_starts_over(folders, register, lines, server, content: bytes) -> None:
    entry = register(lines(f"{server.address}/no-ranges"))
    assert gzip.decompress(fetch(entry, entry.files[0]).read_bytes()) == content


def test_a_download_that_keeps_breaking_is_kept_for_the_next_call(
    folders, register, lines, server, content
) -> None:
    entry = register(lines(f"{server.address}/always-breaks"))
    with pytest.raises(
        DataError, match="it ended after 24,445 of 48,890 bytes; run the command again to go on"
    ):
        fetch(entry, entry.files[0])
    assert not (folders[1] / "small" / "lines.txt.gz").exists()
    (part,) = (folders[1] / "parts").iterdir()
    assert part.stat().st_size == len(content) // 2
    assert [asked for asked, _ in server.asked] == ["/always-breaks"] * 3


def test_wrong_content_is_thrown_away(folders, register, lines, server) -> None:
    entry = register(replace(lines(f"{server.address}/whole"), sha256="0" * 64))
    with pytest.raises(DataError, match="gives another content than small/lines.txt.gz"):
        fetch(entry, entry.files[0])
    assert [p for p in folders[1].rglob("*") if p.is_file()] == []


def test_a_damaged_file_at_hand_is_not_replaced_in_silence(folders, register, lines, server, put) -> None:
    entry = register(lines(f"{server.address}/whole"))
    put(folders[0] / "small" / "lines.txt.gz", b"mine")
    with pytest.raises(DataError, match="another checksum"):
        fetch(entry, entry.files[0])
    assert server.asked == []


def test_a_redirect_is_followed(folders, register, lines, server) -> None:
    entry = register(lines(f"{server.address}/moved"))
    assert fetch(entry, entry.files[0]).exists()
    assert [path for path, _ in server.asked] == ["/moved", "/whole"]


def test_a_redirect_to_a_file_is_refused(folders, register, lines, server) -> None:
    entry = register(lines(f"{server.address}/moved-to-file"))
    with pytest.raises(DataError):
        fetch(entry, entry.files[0])
    assert [p for p in folders[1].rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/lines.txt", "data:text/plain,x"])
def test_only_the_web_is_downloaded_from(folders, register, lines, address: str) -> None:
    entry = register(lines(address))
    with pytest.raises(DataError, match="neither http nor https"):
        fetch(entry, entry.files[0])


def test_a_missing_page_is_said_with_its_code(folders, register, lines, server) -> None:
    entry = register(lines(f"{server.address}/missing"))
    with pytest.raises(DataError, match="answers 404"):
        fetch(entry, entry.files[0])
    assert len(server.asked) == 1


def test_without_a_network_the_error_names_the_folder(folders, register, lines, server) -> None:
    address = server.address
    server.server_close()
    entry = register(lines(f"{address}/whole"))
    with pytest.raises(DataError, match=r"cannot be downloaded: .* SUITE_DATA_DIR"):
        fetch(entry, entry.files[0])


def test_what_has_no_checksum_is_not_downloaded(folders, register, server) -> None:
    entry = register(File("free.txt", None, None, f"{server.address}/whole"))
    with pytest.raises(DataError, match="no checksum is known"):
        fetch(entry, entry.files[0])
    assert server.asked == []


def test_a_member_is_read_out_of_an_archive(folders, register, inside, server) -> None:
    entry = register(replace(inside, address=f"{server.address}/archive.tar.gz"))
    assert fetch(entry, entry.files[0]).read_bytes() == b'{"a": 1}'


def test_two_members_cost_one_download(folders, register, inside, server) -> None:
    address = f"{server.address}/archive.tar.gz"
    entry = register(replace(inside, address=address), replace(inside, name="again.json", address=address))
    for file in entry.files:
        fetch(entry, file)
    assert len(server.asked) == 1


@pytest.mark.parametrize("member", ["folder/other.json", "folder/link.json", "folder"])
def test_only_a_regular_member_of_the_archive_will_do(folders, register, inside, server, member: str) -> None:
    entry = register(replace(inside, address=f"{server.address}/archive.tar.gz", member=member))
    with pytest.raises(DataError, match="holds no readable"):
        fetch(entry, entry.files[0])


def test_what_is_no_archive_is_said_and_thrown_away(folders, register, inside, server) -> None:
    entry = register(replace(inside, address=f"{server.address}/whole"))
    with pytest.raises(DataError, match="holds no readable folder/inside.json"):
        fetch(entry, entry.files[0])
    assert leftovers(folders[1]) == []


def test_a_cache_that_cannot_be_made_is_one_data_error(
    folders, register, lines, server, monkeypatch, tmp_path
) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("SUITE_CACHE", str(tmp_path / "taken"))
    entry = register(lines(f"{server.address}/whole"))
    with pytest.raises(DataError, match="set SUITE_CACHE to a folder that can"):
        fetch(entry, entry.files[0])
