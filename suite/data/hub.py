"""Takes a split from the hub of data sets and keeps it as a parquet file: the paper profile's data.

The library runs no code of a data set and unpickles nothing; what it prepares is removed once the file is
in place (downloads that the hub's own client keeps are in its cache). No checksum is registered for these
files: what was found identifies them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from suite.data.registry import Entry, File
from suite.errors import DataError


def parts(entry: Entry, file: File) -> tuple[str, str]:
    """(configuration, split) of a file: 'cola/train.parquet' names both, 'train.parquet' the split."""
    path = PurePosixPath(file.name)
    folder = str(path.parent) if path.parent != PurePosixPath(".") else entry.config
    return folder, path.stem


def load(entry: Entry, file: File, target: Path) -> Path:
    """Write what the hub gives for `file` to `target`, in one step. DataError says how the hub refused."""
    import datasets

    config, split = parts(entry, file)
    workshop = target.parent / f".hub-{target.stem}"
    temporary = workshop / target.name
    workshop.mkdir(parents=True, exist_ok=True)
    try:
        loaded = datasets.load_dataset(
            entry.hub,
            config or None,
            split=split,
            revision=entry.revision or None,
            data_files={split: entry.hub_files} if entry.hub_files else None,
            cache_dir=str(workshop),
        )
        _embedded(loaded, workshop).to_parquet(str(temporary))
        os.replace(temporary, target)
    except DataError:
        raise
    except OSError as error:
        if error.errno is not None and not isinstance(error, (ConnectionError, TimeoutError)):
            raise  # the disk, not the hub
        raise _refused(entry, config, split, error) from None
    except Exception as error:  # the library, the hub's client and the hub each have their own
        raise _refused(entry, config, split, error) from None
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return target


def _embedded(loaded: Any, workshop: Path) -> Any:
    """The same rows with every image as encoded bytes: folders and archives give the paths of files.

    Only what this download put on the disk is opened, wherever a path in a row points.
    """
    import datasets
    from huggingface_hub.constants import HF_HUB_CACHE

    names = [name for name, kind in loaded.features.items() if isinstance(kind, datasets.Image)]
    if not names:
        return loaded
    places = [workshop.resolve(), Path(HF_HUB_CACHE).resolve()]

    def whole(image: dict[str, Any] | None) -> dict[str, Any] | None:
        if image is None or image["bytes"] is not None:
            return image
        path = Path(image["path"] or "").resolve()
        if not any(path.is_relative_to(place) for place in places):
            raise DataError(f"a row names the file {path}, which is none of the download's")
        return {"bytes": path.read_bytes(), "path": path.name}

    rows = loaded
    for name in names:
        rows = rows.cast_column(name, datasets.Image(decode=False))
    return rows.map(
        lambda row: {name: whole(row[name]) for name in names},
        features=loaded.features,
        cache_file_name=str(workshop / "embedded.arrow"),
        new_fingerprint="embedded",
    )


def _refused(entry: Entry, config: str, split: str, error: Exception) -> DataError:
    why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    name = f"{entry.hub}, {config}" if config else entry.hub
    return DataError(
        f"the hub does not give {name}, {split} ({why}); is there a network, HF_HUB_OFFLINE not set, and its "
        f"terms accepted? See `suite data show {entry.name}`"
    )
