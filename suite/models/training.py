"""The training loop that families share: AdamW, a schedule, clipping, and a resume that is exact to the bit.

Randomness is counted, not carried: every draw comes from a stream named by its purpose and numbered by the
step, so that a resumed run, another batch size of the evaluation or one more use of chance elsewhere changes
nothing.
"""

from __future__ import annotations

import json
import math
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from suite.errors import DataError, UsageError

CHECKPOINT = "training.safetensors"
CHECKPOINT_EVERY_S = 20.0
Report = Callable[[str, int, int], None]
Loss = Callable[[int], Tensor]


@dataclass(frozen=True)
class Streams:
    """Independent random streams of one seed, told apart by purpose and by number (of a step, a row, an
    epoch).
    """

    seed: int

    def key(self, purpose: str, number: int = 0) -> list[int]:
        """What seeds the stream: seed, CRC-32 of the purpose, number."""
        return [self.seed, zlib.crc32(purpose.encode()), number]

    def numpy(self, purpose: str, number: int = 0) -> np.random.Generator:
        """A numpy generator at the start of the stream."""
        return np.random.default_rng(self.key(purpose, number))

    def torch(self, purpose: str, number: int = 0, device: str = "cpu") -> torch.Generator:
        """A torch generator at the start of the stream."""
        state = np.random.SeedSequence(self.key(purpose, number)).generate_state(1, np.uint64)[0]
        return torch.Generator(device).manual_seed(int(state) & (2**63 - 1))

    def seed_global(self, purpose: str, number: int = 0) -> None:
        """Seed torch's own generator, from which dropout layers draw."""
        torch.manual_seed(self.torch(purpose, number).initial_seed())


@dataclass(frozen=True)
class Schedule:
    """The learning rate over the steps: linear warm-up, then constant, linear or cosine down to `floor` *
    lr.
    """

    steps: int
    lr: float
    warmup: int = 0
    shape: Literal["constant", "linear", "cosine"] = "cosine"
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.lr <= 0 or not 0 <= self.warmup <= self.steps or not 0 <= self.floor <= 1:
            raise UsageError(
                f"a schedule needs steps >= 1, lr > 0, 0 <= warmup <= steps and 0 <= floor <= 1, not {self}"
            )

    def rate(self, step: int) -> float:
        """The learning rate of step 0 ..
        steps - 1; the last step stands at `floor` * lr only in the limit.
        """
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        left = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[
            self.shape
        ]
        return self.lr * (self.floor + (1 - self.floor) * left)


@dataclass(frozen=True)
class AdamW:
    """Decoupled weight decay (Loshchilov and Hutter, 2019), on matrices alone; gradients clipped by their
    norm.
    """

    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    clip: float | None = 1.0

    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.AdamW:
        """The optimiser; vectors (biases, norms) and scalars are not decayed."""
        trained = [p for p in parameters if p.requires_grad]
        if not trained:
            raise UsageError("nothing to train: no parameter asks for a gradient")
        groups = [
            {"params": [p for p in trained if p.ndim >= 2], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ]
        some = [group for group in groups if group["params"]]
        return torch.optim.AdamW(some, lr=lr, betas=self.betas, eps=self.eps, fused=True)


def autocast(device: str, dtype: str) -> torch.autocast:
    """bfloat16 matrix products where asked for; losses and the optimiser stay in float32."""
    return torch.autocast(device.partition(":")[0], dtype=torch.bfloat16, enabled=dtype == "bfloat16")


@dataclass
class Loop:
    """One training: what it changes, how fast, and where its checkpoint lies.

    modules: everything that is trained or carries state, by name. streams seed torch's own generator before
    every step (purpose "step"), so dropout resumes exactly. checkpoint: a folder, or None to keep nothing.
    identity: what the checkpoint must belong to; one of another identity is not resumed from.
    """

    modules: Mapping[str, nn.Module]
    schedule: Schedule
    streams: Streams
    optimizer: AdamW = field(default_factory=AdamW)
    checkpoint: Path | None = None
    identity: str = ""
    every_s: float = CHECKPOINT_EVERY_S
    report: Report = lambda label, done, total: None

    def run(self, loss: Loss) -> list[float]:
        """Do every step that is left: `loss(step)` gives a scalar; returns the losses of all steps, resumed
        ones too.

        DataError where a loss is not finite: weights past that point would be worthless.
        """
        parameters = list(
            dict.fromkeys(p for m in self.modules.values() for p in m.parameters() if p.requires_grad)
        )
        optimizer = self.optimizer.build(parameters, self.schedule.lr)
        losses = self._restore(optimizer)
        saved = time.monotonic()
        for step in range(len(losses), self.schedule.steps):
            self.report("training", step, self.schedule.steps)
            for group in optimizer.param_groups:
                group["lr"] = self.schedule.rate(step)
            self.streams.seed_global("step", step)
            losses.append(self._step(loss(step), parameters, optimizer, step))
            if self.checkpoint and time.monotonic() - saved > self.every_s:
                self._save(optimizer, losses)
                saved = time.monotonic()
        self.report("training", self.schedule.steps, self.schedule.steps)
        if self.checkpoint:
            self._save(optimizer, losses)
        return losses

    def _step(
        self, value: Tensor, parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer, step: int
    ) -> float:
        if not bool(torch.isfinite(value)):
            raise DataError(
                f"the loss of step {step} is {value.item()}; lower the learning rate or look at the data"
            )
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        if self.optimizer.clip is not None:
            nn.utils.clip_grad_norm_(parameters, self.optimizer.clip)
        optimizer.step()
        return float(value.detach())

    def _save(self, optimizer: torch.optim.Optimizer, losses: list[float]) -> None:
        """Write all that the next step depends on; the rename makes it whole or absent."""
        assert self.checkpoint is not None
        tensors: dict[str, Tensor] = {}
        for name, module in self.modules.items():
            tensors |= {f"module/{name}/{key}": value.clone() for key, value in module.state_dict().items()}
        for i, state in optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer/{i}/{key}": torch.as_tensor(value).clone() for key, value in state.items()
            }
        about = {"identity": self.identity, "losses": json.dumps(losses), "seed": str(self.streams.seed)}
        self.checkpoint.mkdir(parents=True, exist_ok=True)
        part = self.checkpoint / f".{CHECKPOINT}.part"
        save_file({key: value.contiguous() for key, value in tensors.items()}, part, about)
        part.replace(self.checkpoint / CHECKPOINT)

    def _restore(self, optimizer: torch.optim.Optimizer) -> list[float]:
        """Load the checkpoint where there is one of this identity; the losses of the steps done."""
        path = None if self.checkpoint is None else self.checkpoint / CHECKPOINT
        if path is None or not path.is_file():
            return []
        try:
            with safe_open(path, "pt") as file:
                about = file.metadata() or {}
                if about.get("identity") != self.identity or about.get("seed") != str(self.streams.seed):
                    return []
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
        except SafetensorError as error:
            raise DataError(f"{path} is damaged ({error}); remove it to train from the start") from None
        for name, module in self.modules.items():
            module.load_state_dict(_under(tensors, f"module/{name}/"))
        state = optimizer.state_dict()
        for i in range(sum(len(group["params"]) for group in state["param_groups"])):
            if found := _under(tensors, f"optimizer/{i}/"):
                state["state"][i] = found
        optimizer.load_state_dict(state)
        return [float(value) for value in json.loads(about["losses"])]


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}


def batches(n: int, size: int, steps: int, streams: Streams) -> np.ndarray:
    """Which examples each step sees, (steps, size): shuffled passes over range(n), each example equally
    often.
    """
    if n < 1:
        raise UsageError("no example to train on")
    total = steps * size
    passes = [streams.numpy("batches", i).permutation(n) for i in range(-(-total // n))]
    return np.concatenate(passes)[:total].reshape(steps, size)
