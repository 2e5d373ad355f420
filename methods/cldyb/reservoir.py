"""A buffer in which every example of a stream is equally likely to be: reservoir sampling (Vitter, 1985)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


class Reservoir:
    """At most `capacity` of the examples offered so far; each is a row of several tensors by name.

    It changes in place: `tensors` gives it away, and one made from tensors works on copies.
    """

    def __init__(self, capacity: int, tensors: Mapping[str, Tensor] | None = None) -> None:
        kept = dict(tensors or {})
        self.capacity = capacity
        self.offered = int(kept.pop("offered", torch.tensor(0)))
        self.rows = {name: value.clone() for name, value in kept.items()}

    def __len__(self) -> int:
        return min(self.offered, self.capacity)

    def tensors(self) -> dict[str, Tensor]:
        """The rows by name, and `offered` (): how many examples came by."""
        return {"offered": torch.tensor(self.offered), **self.rows}

    def offer(self, rng: np.random.Generator, **examples: Tensor) -> None:
        """Lets n examples come by, one after the other.

        Example number k (from 0) takes place k while there is room; then place j drawn from 0 .. k, if
        j < capacity.
        """
        n = len(next(iter(examples.values())))
        if not self.rows:
            self.rows = {k: v.new_zeros((self.capacity, *v.shape[1:])) for k, v in examples.items()}
        numbers = self.offered + np.arange(n)
        places = np.where(numbers < self.capacity, numbers, rng.integers(0, numbers + 1))
        # Of two examples that take one place the later one stays.
        winners = {place: row for row, place in enumerate(places.tolist()) if place < self.capacity}
        if winners:
            to, source = list(winners), list(winners.values())
            for name, value in examples.items():
                self.rows[name][to] = value[source].detach()
        self.offered += n

    def draw(self, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        """`size` different rows at random, or all where there are fewer."""
        chosen = rng.choice(len(self), size=min(size, len(self)), replace=False)
        return {name: value[chosen] for name, value in self.rows.items()}
