"""Archives and compressed files that expand, lead out of their folder, or hold something else."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from suite.data.fetch import fetch
from suite.data.registry import File
from suite.errors import DataError

PLAIN = b'{"a": 1}'
Members = dict[str, bytes]


def tar(members: Members, mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zip_(members: Members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


PACKERS = {"/a.tar.gz": tar, "/a.tar": lambda members: tar(members, "w"), "/a.zip": zip_}


def put(server, path: str, page: bytes, file: File) -> File:
    server.pages[path] = page
    return replace(file, address=f"{server.address}{path}")


def left(cache: Path) -> list[str]:
    return [str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()]


def refused(register, file: File, match: str) -> None:
    entry = register(file)
    with pytest.raises(DataError, match=match) as caught:
        fetch(entry, file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", PACKERS)
def test_a_member_is_read_out_of_every_kind_of_archive(folders, register, inside, server, path: str) -> None:
    members = {"folder/other.json": b"x", "folder/inside.json": PLAIN}
    file = put(server, path, PACKERS[path](members), inside)
    assert fetch(register(file), file).read_bytes() == PLAIN


@pytest.mark.parametrize("path", PACKERS)
@pytest.mark.parametrize("evil", ["../evil.json", "/tmp/evil.json", "folder/../../evil.json"])
def test_members_that_lead_out_of_the_folder_are_never_written(
    folders, register, inside, server, tmp_path: Path, path: str, evil: str
) -> None:
    file = put(server, path, PACKERS[path]({evil: b"evil", "folder/inside.json": PLAIN}), inside)
    fetch(register(file), file)
    assert [p for p in tmp_path.rglob("*evil*")] == [] and not Path("/tmp/evil.json").exists()
    assert sorted(p.parent.name for p in folders[1].rglob("*") if p.is_file() and p.suffix == ".json") == [
        "small"
    ]


@pytest.mark.parametrize("path", PACKERS)
def test_a_member_that_expands_beyond_its_registered_size_is_stopped(
    folders, register, inside, server, path: str
) -> None:
    file = put(server, path, PACKERS[path]({"folder/inside.json": bytes(3_000_000)}), inside)
    refused(register, file, "expands beyond the registered 8 bytes, so small/inside.json cannot be had")
    assert left(folders[1]) == []


def test_a_gzip_file_that_expands_beyond_its_registered_size_is_stopped(folders, register, server) -> None:
    wanted = File("a.txt.gz", hashlib.sha256(bytes(1000)).hexdigest(), 1000)
    file = put(server, "/a.txt.gz", gzip.compress(bytes(3_000_000)), wanted)
    refused(register, file, r"a.txt.gz expands beyond the registered 1,000 bytes")
    assert left(folders[1]) == []


def test_a_gzip_file_is_unpacked_to_the_registered_content(folders, register, server) -> None:
    wanted = File("a.txt", hashlib.sha256(b"text").hexdigest(), 4)
    file = put(server, "/a.txt.gz", gzip.compress(b"text"), wanted)
    assert fetch(register(file), file).read_bytes() == b"text"


@pytest.mark.parametrize("damage", ["cut", "no gzip", "bit"])
def test_a_damaged_gzip_file_is_one_line_and_leaves_nothing(folders, register, server, damage: str) -> None:
    content = bytes(range(256)) * 4
    whole = bytearray(gzip.compress(content))
    bit = bytes([*whole[:-6], whole[-6] ^ 1, *whole[-5:]])
    page = {"cut": bytes(whole[:-9]), "no gzip": b"plain text", "bit": bit}[damage]
    wanted = File("a.bin.gz", hashlib.sha256(content).hexdigest(), len(content))
    refused(register, put(server, "/a.bin.gz", page, wanted), "is no whole gzip file")
    assert left(folders[1]) == []


@pytest.mark.parametrize("path", PACKERS)
def test_a_cut_archive_is_one_line_and_leaves_nothing(folders, register, inside, server, path: str) -> None:
    whole = PACKERS[path]({"folder/inside.json": PLAIN})
    keep = 515 if path == "/a.tar" else len(whole) // 2
    refused(register, put(server, path, whole[:keep], inside), "the archive .* holds no readable folder/")
    assert left(folders[1]) == []


def test_a_link_in_a_zip_archive_is_no_member(folders, register, inside, server) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("folder/inside.json")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    refused(register, put(server, "/a.zip", out.getvalue(), inside), "holds no readable folder/inside.json")


def test_an_encrypted_member_is_one_line(folders, register, inside, server) -> None:
    whole = bytearray(zip_({"folder/inside.json": PLAIN}))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(header) + flags] |= 1
    refused(register, put(server, "/a.zip", bytes(whole), inside), "holds no readable folder/inside.json")


def test_a_member_whose_size_is_a_lie_is_one_line(folders, register, inside, server) -> None:
    whole = bytearray(zip_({"folder/inside.json": bytes(3_000_000)}))
    at = whole.index(b"PK\x01\x02") + 24
    whole[at : at + 4] = (8).to_bytes(4, "little")
    refused(register, put(server, "/a.zip", bytes(whole), inside), "holds no readable|another content")
    assert left(folders[1]) == []


def test_a_tar_header_that_claims_a_huge_name_is_one_line(folders, register, inside, server) -> None:
    out = io.BytesIO()
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    out.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    refused(register, put(server, "/a.tar", out.getvalue(), inside), "claims a header that is too long")
    assert left(folders[1]) == []


def test_the_member_is_told_from_another_of_the_same_content(folders, register, inside, server) -> None:
    members = {"inside.json": PLAIN, "folder/inside.json": b'{"b": 2}'}
    file = put(server, "/a.zip", zip_(members), inside)
    refused(register, file, "gives another content than small/inside.json should have")
    assert left(folders[1]) == []
