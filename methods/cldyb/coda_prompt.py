"""CODA-Prompt: prefixes in the first blocks that are sums of all components, weighted by attention.

    p = sum_i cos(q * a_i, k_i) p_i,   q the class token of the encoder without a prompt

p_i (length, width), k_i and a_i (width) belong to one block; the first half of p goes before its keys, the
second before its values. A task adds components, orthogonal to those before it and to each other, and trains
them alone; the sum has all of them. L = CE over the classes of the task + ortho times the mean squared
distance of P P^T, K K^T and A A^T from the identity, in every block.

Source: Smith et al. (2023), "CODA-Prompt", equations 3 to 6, and LAMDA-PILOT (models/coda_prompt.py,
backbone/prompt.py, settings of exps/coda_prompt.json: 100 components in 10 tasks, rate lr cos(0.495 pi e /
(epochs - 1)) in epoch e). There the number of tasks is told beforehand and shares out the 100; here every
task adds `components`, however many come. There a new component loses its projections on the older ones one
by one, which is orthogonal only as long as those are so among themselves; here it loses that on their span.
When as many vectors are there as dimensions, a new one is a random unit vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.cldyb.gradient import Lesson, at_least
from methods.cldyb.prompt_training import Prompting, PromptLearner
from suite.errors import UsageError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from methods.cldyb.network import Network
    from methods.cldyb.prompt_network import Adam
    from methods.cldyb.prompted import Prefixes
    from suite.models.training import Streams

NAMES = ("prompt", "key", "attention")


def orthogonal(old: Tensor, rows: int, generator: Generator) -> Tensor:
    """(rows, d) unit vectors, orthogonal to the rows of `old` (n, d) and to each other while there is
    room.
    """
    import torch

    d = old.shape[1]
    basis = torch.linalg.svd(old.double(), full_matrices=False)
    span = [basis.Vh[1e-6 * basis.S.max() < basis.S]] if len(old) else []
    found = []
    for _ in range(rows):
        v = torch.randn(d, generator=generator, dtype=torch.float64)
        held = sum(len(part) for part in span)
        # Twice, as what the first pass leaves of rounding would grow with the norm.
        for part in (span * 2) if held < d else []:
            v = v - part.T @ (part @ v)
        v = v / v.norm()
        found.append(v)
        if held < d:
            span.append(v[None])
    return torch.stack(found).to(old.dtype)


def weights(query: Tensor, key: Tensor, attention: Tensor) -> Tensor:
    """(n, m) cosines of query * attention and key, for queries (n, d), keys and attentions (m, d)."""
    import torch
    from torch.nn import functional as F

    attended = F.normalize(query[:, None] * attention, dim=2)
    return torch.einsum("nmd,md->nm", attended, F.normalize(key, dim=1))


def apartness(rows: Tensor) -> Tensor:
    """Mean squared distance of the entries of R R^T from the identity's; rows (m, d)."""
    import torch

    return (rows @ rows.T - torch.eye(len(rows), device=rows.device)).square().mean()


class CODAPromptLearner(PromptLearner):
    """prompts: prompt (layers, m, length, width), key and attention (layers, m, width); m grows with
    the tasks.
    """

    descent: Adam
    frozen: int

    def check(self) -> None:
        self.encoder.needs(self.method.layers, "layers")

    def initial(self, streams: Streams) -> dict[str, Tensor]:
        import torch

        m, width = self.method, self.encoder.width
        plain = torch.zeros(m.layers, 0, width)
        return {"prompt": torch.zeros(m.layers, 0, m.length, width), "key": plain, "attention": plain.clone()}

    def start(self, lesson: Lesson) -> None:
        """Adds the components of the task."""
        import torch

        super().start(lesson)
        self.frozen = self.prompts["key"].shape[1]
        for name in NAMES:
            old, generator = self.prompts[name].detach(), lesson.streams.torch(f"{name}s")
            new = torch.stack([orthogonal(o.flatten(1), self.method.components, generator) for o in old])
            self.network.put(name, torch.cat([old, new.unflatten(2, old.shape[2:])], dim=1))

    def optimizer(self, network: Network) -> Adam:
        self.descent = super().optimizer(network)
        return self.descent

    def epoch(self, lesson: Lesson, number: int) -> None:
        last = max(self.method.epochs - 1, 1)
        self.descent.lr = self.method.lr * math.cos(0.495 * math.pi * number / last)

    def finish(self, lesson: Lesson) -> None:
        super().finish(lesson)
        del self.descent

    def prefixes(self, queries: Tensor, parts: dict[str, Tensor]) -> Prefixes:
        """By block, for queries (n, width)."""
        import torch

        found: dict[int, tuple[Tensor, Tensor]] = {}
        for number in range(self.method.layers):
            w = weights(queries, parts["key"][number], parts["attention"][number])
            keys, values = torch.einsum("nm,mld->nld", w, parts["prompt"][number]).chunk(2, dim=1)
            found[number] = (keys, values)
        return found

    def studied(self, lesson: Lesson, tokens: Tensor, queries: Tensor) -> tuple[Tensor, Tensor | float]:
        import torch

        parts = {}
        for name in NAMES:
            whole = self.prompts[name]
            parts[name] = torch.cat([whole[:, : self.frozen].detach(), whole[:, self.frozen :]], dim=1)
        more: Tensor | float = 0.0
        if self.method.ortho:
            more = torch.stack([apartness(r.flatten(1)) for part in parts.values() for r in part]).sum()
        out = self.encoder.outputs(tokens, prefixes=self.prefixes(queries, parts))
        return out[:, 0], self.method.ortho * more

    def read(self, tokens: Tensor, queries: Tensor) -> Tensor:
        parts = {name: self.prompts[name] for name in NAMES}
        prefixes = self.prefixes(queries, parts) if parts["key"].shape[1] else None
        return self.encoder.outputs(tokens, prefixes=prefixes)[:, 0]


@dataclass(frozen=True)
class CODAPrompt(Prompting):
    """components: that a task adds. length: tokens of a component, half for keys and half for values.
    layers: with prefixes, from the first. ortho: weight of the penalty.
    """

    makes: ClassVar[type[PromptLearner]] = CODAPromptLearner

    epochs: int = 20
    batch: int = 128
    lr: float = 0.001
    components: int = 10
    length: int = 8
    layers: int = 5
    ortho: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "components", "layers")
        at_least(self, 0, "ortho")
        if self.length < 2 or self.length % 2:
            raise UsageError(f"length must be even and at least 2, half for keys, not {self.length}")
