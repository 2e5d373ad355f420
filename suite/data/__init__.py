"""Data sets by name: checked files from SUITE_DATA_DIR or the cache; `suite data get` fills the cache."""

from suite.data.files import fingerprint, open_file, resolve
from suite.data.readers import dataset, read
from suite.data.registry import entry

__all__ = ["dataset", "entry", "fingerprint", "open_file", "read", "resolve"]
