"""Data sets by name: checked files from SUITE_DATA_DIR or the cache; `suite data get` fills the cache."""

from suite.data.registry import entries, entry
from suite.data.resolve import fingerprint, open_file, resolve

__all__ = ["entries", "entry", "fingerprint", "open_file", "resolve"]
