"""What a data set is to the suite: its files, their sources and checksums, and its licence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from suite.errors import DataError, unknown


@dataclass(frozen=True)
class File:
    """One file of a data set.

    name: its path below the folder of the data set; a name ending in .gz is kept compressed.
    sha256, bytes: of the content, uncompressed, so that they hold however it was compressed; None where
    nobody has published a file to take them from.
    address: where the content is downloaded from, uncompressed unless it ends in .gz or `member` says where
    in a tar or zip archive; "" where no public address gives these bytes (the entry says how they are made).
    rows: of the table that the reader gives. reader: its name where the file's own does not tell (see
    `suite.data.readers`). columns: their names where the file does not hold them. origin, licence: its own
    source and terms where they are not those of the data set.
    """

    name: str
    sha256: str | None
    bytes: int | None
    address: str = ""
    member: str = ""
    rows: int | None = None
    reader: str = ""
    columns: tuple[str, ...] = ()
    origin: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        path = PurePosixPath(self.name)
        if path.is_absolute() or ".." in path.parts or "\\" in self.name:
            raise ValueError(f"data file name '{self.name}' leads out of the folder of its data set")

    @property
    def format(self) -> str:
        """Its reader: the registered one, or the one that its name tells."""
        return self.reader or PurePosixPath(self.name.removesuffix(".gz")).suffix.removeprefix(".")


@dataclass(frozen=True)
class Entry:
    """A data set: its folder below the data folder is its name.

    source: the public home of the files; revision: the state of it that the checksums belong to, "" where
    none is pinned. hub: the id by which the hub of data sets knows it, where it does; not compared with the
    hub. reading: how a file is read. derived: how the files without an address were made from the source.
    papers: the benchmarks that use it.

    from_hub: the files are what the hub gives, one parquet file a split: 'split.parquet' of the
    configuration `config`, or 'config/split.parquet'; hub_files narrows a set too large to load whole.
    checked: False where hub id, splits and licence were not compared with their home.
    """

    name: str
    summary: str
    files: tuple[File, ...]
    licence: str
    citation: str
    source: str
    revision: str
    reading: str
    hub: str = ""
    derived: str = ""
    papers: tuple[str, ...] = ()
    from_hub: bool = False
    config: str = ""
    hub_files: str = ""
    checked: bool = True

    @property
    def bytes(self) -> int | None:
        """Size of all files together, uncompressed; None where that of one is not known."""
        sizes = [file.bytes for file in self.files]
        return None if None in sizes or not sizes else sum(size for size in sizes if size is not None)

    def file(self, name: str) -> File:
        """The file of that name; UsageError with the nearest one otherwise."""
        for file in self.files:
            if file.name == name:
                return file
        raise unknown(
            f"file of data set {self.name}",
            name,
            [f.name for f in self.files],
            f"suite data list {self.name}",
        )


@cache
def entries() -> dict[str, Entry]:
    """Every registered data set by name."""
    from suite.data.entries import ENTRIES

    return {entry.name: entry for entry in ENTRIES}


def entry(name: str) -> Entry:
    """The data set of that name; UsageError with the nearest one otherwise."""
    if name not in entries():
        raise unknown("data set", name, entries(), "suite data list")
    return entries()[name]


def select(name: str) -> list[tuple[Entry, File]]:
    """What a name stands for: 'scan' all files of a data set, 'scan/mcd/mcd1.json' one of them."""
    head, slash, rest = name.partition("/")
    owner = entry(head)
    return [(owner, owner.file(rest))] if slash else [(owner, file) for file in owner.files]


def digest(pairs: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over sorted 'file=checksum' lines."""
    lines = sorted(f"{name}={sha256}" for name, sha256 in pairs)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def no_checksum(owner: Entry, file: File) -> DataError:
    """The refusal to download what cannot be checked."""
    return DataError(
        f"{owner.name}/{file.name}: no checksum is known for it, so a download cannot be checked; take the "
        f"file from {file.address or owner.source} yourself and put it at {owner.name}/{file.name} in the "
        "folder SUITE_DATA_DIR"
    )


def by_hand(owner: Entry, file: File) -> DataError:
    """The refusal to download what no public address gives as it is needed."""
    return DataError(
        f"{owner.name}/{file.name} cannot be downloaded: no public address gives these bytes; put it at "
        f"{owner.name}/{file.name} in the folder SUITE_DATA_DIR, made as `suite data show {owner.name}` "
        "describes"
    )
