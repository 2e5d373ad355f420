"""The one training loop of the family: every parser, augmenter and regulariser goes through it.

Adam, learning rate warmed up over the first tenth of the steps and then falling along a half cosine to
nothing, gradients clipped by norm. A batch mixes the training lines with the augmented examples. The
loop writes a checkpoint every few seconds and continues from it bit for bit after a kill.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from methods.compositional.vocabulary import PAD, Vocabulary, pad
from suite.api import Context
from tasks.compositional.contract import Example

CHECKPOINT_EVERY_S = 10.0
POOL = 16  # batches that are drawn together and sorted by length, so that a batch has little padding


@dataclass(frozen=True)
class Batch:
    """Ids with EOS, padded on the right: source (B, S), target (B, T)."""

    source: Tensor
    target: Tensor


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train."""

    steps: int
    batch: int
    lr: float
    clip: float
    aug_ratio: float
    dtype: str

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up over a tenth, then a half cosine."""
        warm = max(1, self.steps // 10)
        if step < warm:
            return self.lr * (step + 1) / warm
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm)))


def encode_pairs(
    pairs: Sequence[Example], vocabularies: tuple[Vocabulary, Vocabulary]
) -> list[tuple[list[int], list[int]]]:
    """Source and target ids of every pair."""
    source, target = vocabularies
    return [(source.encode(x), target.encode(y)) for x, y in pairs]


def collate(rows: Sequence[tuple[list[int], list[int]]], device: str) -> Batch:
    """Padded tensors of encoded pairs."""
    sides = (torch.from_numpy(pad([row[side] for row in rows])).to(device) for side in (0, 1))
    return Batch(*sides)


def schedule(
    sizes: tuple[int, int], recipe: Recipe, lengths: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Which example each place of each batch holds: (steps, batch) indices into train followed by augmented.

    A place holds an augmented example with probability `aug_ratio` (none if there are none). Drawn as a
    whole at the start, so that a resumed run sees the same batches. Within a group of POOL batches the
    places are sorted by target length and the batches then shuffled.
    """
    n_train, n_augmented = sizes
    shape = (recipe.steps, recipe.batch)
    drawn = _passes(n_train, shape, rng)
    if n_augmented:
        swapped = rng.random(shape) < recipe.aug_ratio
        drawn = np.where(swapped, n_train + _passes(n_augmented, shape, rng), drawn)
    for start in range(0, recipe.steps, POOL):
        group = drawn[start : start + POOL].ravel()
        group = group[np.argsort(lengths[group], kind="stable")].reshape(-1, recipe.batch)
        drawn[start : start + POOL] = group[rng.permutation(len(group))]
    return drawn


def _passes(n: int, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Shuffled passes over range(n), cut to `shape`: every example is seen equally often."""
    total = shape[0] * shape[1]
    passes = [rng.permutation(n) for _ in range(-(-total // n))]
    return np.concatenate(passes)[:total].reshape(shape)


def token_nll(log_p: Tensor, target: Tensor) -> Tensor:
    """Mean negative log-likelihood of each row's real tokens, (B,); padding counts nothing."""
    mask = target != PAD
    picked = log_p.gather(2, target[..., None])[..., 0]
    return -(picked * mask).sum(1) / mask.sum(1)


def batch_nll(log_p: Tensor, target: Tensor) -> Tensor:
    """Mean negative log-likelihood over all real tokens of the batch."""
    mask = target != PAD
    return -(log_p.gather(2, target[..., None])[..., 0] * mask).sum() / mask.sum()


def autocast(device: str, dtype: str) -> torch.autocast:
    """bfloat16 matrix products where asked for; losses stay in float32."""
    return torch.autocast(device.partition(":")[0], dtype=torch.bfloat16, enabled=dtype == "bfloat16")


Loss = Callable[[nn.Module, Batch, int], Tensor]


def plain_loss(model: nn.Module, batch: Batch, step: int) -> Tensor:
    """Cross-entropy of the target."""
    return batch_nll(model(batch.source, batch.target), batch.target)


@dataclass
class Progress:
    """Where a training stands, kept in a checkpoint folder (None: nothing is kept)."""

    folder: Path | None
    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    saved: float = 0.0

    def save(self, step: int) -> None:
        """Write everything the next step depends on; the rename makes it whole or absent."""
        if self.folder is None:
            return
        tensors = {"rng": torch.get_rng_state()}
        if torch.cuda.is_initialized():
            tensors["cuda_rng"] = torch.cuda.get_rng_state()
        for name, module in self.modules.items():
            tensors |= {f"{name}/{k}": v for k, v in module.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            for i, state in optimizer.state_dict()["state"].items():
                tensors |= {f"{name}#{i}/{k}": torch.as_tensor(v) for k, v in state.items()}
        part = self.folder / ".training.part"
        save_file({k: v.contiguous() for k, v in tensors.items()}, part, {"step": json.dumps(step)})
        part.replace(self.folder / "training.safetensors")
        self.saved = time.monotonic()

    def maybe_save(self, step: int) -> None:
        if time.monotonic() - self.saved > CHECKPOINT_EVERY_S:
            self.save(step)

    def restore(self) -> int:
        """Load the newest checkpoint; the step to continue with, 0 where there is none."""
        self.saved = time.monotonic()
        path = None if self.folder is None else self.folder / "training.safetensors"
        if path is None or not path.is_file():
            return 0
        tensors = load_file(path)
        for name, module in self.modules.items():
            module.load_state_dict(_under(tensors, f"{name}/"))
        for name, optimizer in self.optimizers.items():
            state = optimizer.state_dict()
            for i in range(len(state["param_groups"][0]["params"])):
                found = _under(tensors, f"{name}#{i}/")
                if found:
                    state["state"][i] = found
            optimizer.load_state_dict(state)
        torch.set_rng_state(tensors["rng"])
        if "cuda_rng" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["cuda_rng"])
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            return int(json.loads(file.metadata()["step"]))


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}


def steps(recipe: Recipe, progress: Progress, ctx: Context) -> Iterator[int]:
    """The step numbers still to do, with progress reports, learning rates and checkpoints."""
    first = progress.restore()
    for step in range(first, recipe.steps):
        for optimizer in progress.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(step)
        ctx.report("training", step, recipe.steps)
        yield step
        progress.maybe_save(step + 1)
    ctx.report("training", recipe.steps, recipe.steps)


def train(
    model: nn.Module, batches: Callable[[int], Batch], recipe: Recipe, ctx: Context, loss: Loss
) -> None:
    """Train `model` in place on `batches(step)` by `loss`; the model ends in evaluation mode."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=recipe.lr)
    progress = Progress(ctx.checkpoint, {"model": model}, {"adam": optimizer})
    model.train()
    for step in steps(recipe, progress, ctx):
        with autocast(ctx.device, recipe.dtype):
            value = loss(model, batches(step), step)
        update(optimizer, parameters, value, recipe.clip)
    model.eval()


def update(optimizer: Any, parameters: list[nn.Parameter], loss: Tensor, clip: float) -> None:
    """One optimiser step along the clipped gradient of `loss`."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()
