"""Frozen features of a vision model: computed once, kept in a cache, read back as memory-mapped arrays.

A cache that serves the features of other weights or other pictures makes a wrong number, so that the key of
an array is everything it depends on. Rows are kept in parts while they are computed: after a kill only the
part in flight is computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor, nn

from suite.errors import DataError, UsageError
from suite.models.hooks import Read, hooked, residual
from suite.models.probe import linear_probe

__all__ = ["Cache", "Drawn", "Images", "Pool", "features", "linear_probe", "weights_fingerprint"]

Pool = Literal["cls", "mean", "cls+mean", "tokens"]
Array = np.ndarray[Any, np.dtype[Any]]
PART = 1024
"""Rows of a part, whatever the batch size."""
FINAL = -1
WHOLE = "all"
BLOCK = 1 << 20


class Images(Protocol):
    """Pictures that are ready for the model: a slice of them is an array or tensor (n, C, H, W)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


@dataclass(frozen=True)
class Drawn:
    """`n` pictures that are read as they are needed: `read(start, stop)` gives (stop - start, C, H, W)."""

    n: int
    read: Callable[[int, int], Any]

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, rows: slice) -> Any:
        start, stop, _ = rows.indices(self.n)
        return self.read(start, stop)


@dataclass(frozen=True)
class Cache:
    """Where features are kept, and what they are the features of.

    folder: made when needed. model: fingerprint of the weights (`Loaded.fingerprint`; of a modified model
    `weights_fingerprint`). data: fingerprint of the pictures and their order. preprocessing: in words or
    digits, all that stands between the pictures and the model (size, crop, mean, deviation).
    """

    folder: Path
    model: str
    data: str
    preprocessing: str

    def __post_init__(self) -> None:
        if not (self.model and self.data and self.preprocessing):
            raise UsageError("a feature cache needs fingerprints of model and data, and the preprocessing")

    def place(self, **parts: Any) -> Path:
        """The folder of one array."""
        key = asdict(self) | parts
        del key["folder"]
        return self.folder / hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]


def weights_fingerprint(model: nn.Module) -> str:
    """SHA-256 of class, configuration, and every parameter and buffer: for a model that a method changed."""
    config: Any = getattr(model, "config", None)
    told = config.to_json_string() if hasattr(config, "to_json_string") else ""
    total = hashlib.sha256(f"{type(model).__qualname__}\n{told}\n".encode())
    for name, value in sorted([*model.named_parameters(), *model.named_buffers()], key=lambda pair: pair[0]):
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()


def features(
    model: nn.Module,
    images: Images,
    *,
    layers: Sequence[int] = (FINAL,),
    pool: Pool = "cls",
    batch_size: int = 64,
    dtype: Literal["float32", "float16"] = "float32",
    cache: Cache | None = None,
) -> list[Array]:
    """One array a layer: (N, D), for "cls+mean" (N, 2 D), for "tokens" (N, T, D).

    layers: k is the residual stream after block k, -1 what the model gives after its last norm.
    pool: the class token, the mean over the patches (class and register tokens left out), both side by side,
    or every token. A model that gives one vector or one map (N, D, h, w) a picture has no tokens: a vector is
    taken as it is, a map averaged. dtype: of the arrays. cache: read where it has the rows, filled where not;
    the arrays are then memory-mapped and read-only. The model is run in evaluation mode, on its own device.
    Raises UsageError for what the model has not, DataError where the cache cannot be written.
    """
    if pool not in get_args(Pool):
        raise UsageError(f"pool '{pool}': there are {', '.join(get_args(Pool))}")
    if not layers or len(set(layers)) != len(layers):
        raise UsageError(f"layers {list(layers)}: name at least one, each once")
    if batch_size < 1 or not len(images):
        raise UsageError(
            f"features of {len(images)} pictures in batches of {batch_size}: both must be 1 or more"
        )
    run = _Run(model, images, tuple(layers), pool, batch_size, np.dtype(dtype))
    if cache is None:
        return [np.concatenate(parts) for parts in zip(*map(run.part, run.starts()), strict=True)]
    return _cached(run, cache)


@dataclass(frozen=True)
class _Run:
    """What to compute, a part at a time."""

    model: nn.Module
    images: Images
    layers: tuple[int, ...]
    pool: Pool
    batch_size: int
    dtype: np.dtype[Any]

    def starts(self) -> range:
        return range(0, len(self.images), PART)

    def part(self, start: int) -> list[Array]:
        """The rows of the part that begins at `start`, for each layer."""
        stop = min(start + PART, len(self.images))
        before = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                batches = [
                    self._batch(row, min(row + self.batch_size, stop))
                    for row in range(start, stop, self.batch_size)
                ]
        finally:
            self.model.train(before)
        return [np.concatenate(of_layer) for of_layer in zip(*batches, strict=True)]

    def _batch(self, start: int, stop: int) -> list[Array]:
        pixels = torch.as_tensor(self.images[start:stop])
        if pixels.ndim != 4 or len(pixels) != stop - start:
            raise UsageError(
                f"pictures {start} to {stop - 1} have the shape {tuple(pixels.shape)}, not (n, C, H, W)"
            )
        weight = next(self.model.parameters())
        body = _body(self.model)
        reads = {k: Read(residual(k)) for k in self.layers if k != FINAL}
        pixels = pixels.to(weight.device, weight.dtype)
        if not reads:
            output = body(pixels)
        else:
            with hooked(body, *reads.values()):
                output = body(pixels)
        found = [_final(output) if k == FINAL else reads[k].value for k in self.layers]
        return [_pooled(x, self.pool, self._prefix()).float().cpu().numpy().astype(self.dtype) for x in found]

    def _prefix(self) -> int:
        """Tokens before the patches: the class token, and registers where the model has some."""
        return 1 + int(getattr(getattr(self.model, "config", None), "num_register_tokens", 0) or 0)


def _body(model: Any) -> Any:
    """The part below a classification head, inside an adapter's wrapping; else the model itself."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return getattr(inner, "base_model", inner)


def _final(output: Any) -> Tensor:
    if isinstance(output, Tensor):
        return output
    if isinstance(getattr(output, "last_hidden_state", None), Tensor):
        hidden: Tensor = output.last_hidden_state
        return hidden
    raise UsageError(f"a model that gives {type(output).__name__} has no features to keep")


def _pooled(x: Tensor, pool: Pool, prefix: int) -> Tensor:
    if x.ndim == 2:
        return x
    if x.ndim == 4:
        return x.mean((2, 3))
    if pool == "tokens":
        return x
    cls, mean = x[:, 0], x[:, prefix:].mean(1)
    return {"cls": cls, "mean": mean, "cls+mean": torch.cat([cls, mean], 1)}[pool]


def _cached(run: _Run, cache: Cache) -> list[Array]:
    """Every array from the cache, after computing the parts that one of them lacks."""
    places = [
        cache.place(layer=k, pool=run.pool, dtype=run.dtype.name, n=len(run.images)) for k in run.layers
    ]
    lacking = [k for k, place in enumerate(places) if _load(place, WHOLE, len(run.images)) is None]
    if lacking:
        _fill(run, [places[k] for k in lacking], [run.layers[k] for k in lacking])
    return [_joined(place, run) for place in places]


def _fill(run: _Run, places: Sequence[Path], layers: Sequence[int]) -> None:
    """Computes the parts that some of the places lack, and keeps each as soon as it is there."""
    partial = _Run(run.model, run.images, tuple(layers), run.pool, run.batch_size, run.dtype)
    for start in run.starts():
        rows = min(PART, len(run.images) - start)
        lacking = [place for place in places if _load(place, _name(start), rows) is None]
        if lacking:
            for place, array in zip(places, partial.part(start), strict=True):
                if place in lacking:
                    _keep(place, _name(start), array)


def _name(start: int) -> str:
    return f"rows-{start:09d}"


def _joined(place: Path, run: _Run) -> Array:
    """The whole array, memory-mapped; its parts are joined and removed where that has not been done."""
    rows = len(run.images)
    found = _load(place, WHOLE, rows)
    while found is None:
        parts = [_load(place, _name(start), min(PART, rows - start)) for start in run.starts()]
        held = [part for part in parts if part is not None]
        if len(held) < len(parts):
            raise DataError(f"parts of {place} have gone while they were needed; run again")
        _keep(place, WHOLE, np.concatenate(held))
        found = _load(place, WHOLE, rows)
    for part in place.glob("rows-*.npy"):
        part.unlink(missing_ok=True)
    return found


def _keep(place: Path, name: str, array: Array) -> None:
    """Writes an array under a name that holds the checksum of its file, at once or not at all."""
    temporary = place / f".{name}.{os.getpid()}.part"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        temporary.replace(place / f"{name}.{_checksum(temporary):08x}.npy")
    except OSError as error:
        raise DataError(f"the feature cache {place} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _load(place: Path, name: str, rows: int) -> Array | None:
    """The array of that name, memory-mapped; None where there is none. A damaged file is removed."""
    for path in sorted(place.glob(f"{name}.*.npy")):
        try:
            if path.name == f"{name}.{_checksum(path):08x}.npy":
                array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
                if len(array) == rows:
                    return array
        except FileNotFoundError:
            continue
        except (ValueError, EOFError):
            pass
        print(f"warning: {path} is damaged; its features are computed again", file=sys.stderr)
        path.unlink(missing_ok=True)
    return None


def _checksum(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            total = zlib.crc32(block, total)
    return total
