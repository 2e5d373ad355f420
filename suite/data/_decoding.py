"""Image columns of a `datasets.Dataset` that decode through the guards of `suite.data.images`."""

from __future__ import annotations

from typing import Any

import datasets
import pyarrow as pa

from suite.data.images import picture
from suite.errors import DataError

NAMES = ("image", "img")


class GuardedImage(datasets.Image):
    """`datasets.Image` for data from elsewhere: a path or an address in a row is never opened."""

    def decode_example(self, value: dict[str, Any], token_per_repo_id: Any = None) -> Any:
        """The picture in the bytes of `value`; DataError as `picture` says."""
        if not value.get("bytes"):
            raise DataError("an image row holds no bytes; paths in data files are not opened")
        return picture(value["bytes"])


def guarded(found: datasets.Dataset) -> datasets.Dataset:
    """The same rows, with every column of encoded images made one that decodes when it is looked at."""
    for field in found.data.schema:
        if _encoded(field):
            found = found.cast_column(field.name, GuardedImage())
    return found


def _encoded(field: pa.Field) -> bool:
    kind = field.type
    if pa.types.is_struct(kind):
        return {kind.field(k).name for k in range(kind.num_fields)} == {"bytes", "path"}
    return field.name in NAMES and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
