"""Reads the family's data files: gzipped text, line by line, columns between tabs."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from suite.api import Context
from suite.errors import DataError


def opened(ctx: Context, name: str) -> Path:
    """The path of a registered file; DataError where the context has no data to open."""
    if ctx.data is None:
        raise DataError(f"{name} is needed; get it with `suite data get {name.partition('/')[0]}`")
    return ctx.data(name)


def rows(path: Path, columns: int) -> list[list[str]]:
    """The lines of a gzipped file as lists of so many columns; DataError names what is wrong where."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            found = [line.rstrip("\n").split("\t") for line in file]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); remove it and get it again") from None
    for number, row in enumerate(found, 1):
        if len(row) != columns:
            raise DataError(f"{path}, line {number}: {len(row)} columns instead of {columns}")
    return found
