"""MET: mutually exclusive training against mutated inputs (Jiang, Zhou and Bansal 2022)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from methods.compositional.neural import Neural
from suite.api import Context
from tasks.compositional.contract import Problem

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.compositional.training import Batch, Loss
    from methods.compositional.vocabulary import Vocabulary

CLASSES = {"scan": (("walk", "look", "run", "jump"), ("left", "right"))}
TINY = 1e-7


@dataclass(frozen=True)
class Met(Neural):
    """L = NLL(x, y) + strength * mean_b[-log(1 - p(y | x'))], where x' is x with one token exchanged.

    The token is exchanged for another of its class (SCAN: verbs, directions), or for any other token
    where its class has no second member. `probability` is of the whole target ("sequence"), or the mean
    or the minimum over its tokens.
    """

    strength: float = 1.0
    probability: Literal["sequence", "mean", "min"] = "sequence"

    def loss(self, problem: Problem, vocabularies: tuple[Vocabulary, Vocabulary], ctx: Context) -> Loss:
        """Cross-entropy plus the exclusion of mutated inputs."""
        import torch

        from methods.compositional.training import batch_nll

        others = alternatives(vocabularies[0], CLASSES.get(problem.language, ()))
        seed = ctx.seed_for("mutations")

        def exclusive(model: nn.Module, batch: Batch, step: int) -> Tensor:
            rng = np.random.default_rng([seed, step])
            mutated = torch.from_numpy(mutate(batch.source.cpu().numpy(), others, rng)).to(
                batch.source.device
            )
            fit = batch_nll(model(batch.source, batch.target), batch.target)
            return fit + self.strength * exclusion(
                model(mutated, batch.target), batch.target, self.probability
            )

        return exclusive


def alternatives(vocabulary: Vocabulary, classes: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """For every token id the ids it may be exchanged for.

    Indexed tokens ("jump3", from Prim2PrimX) belong to the class of their stem.
    """
    from methods.compositional.vocabulary import SPECIAL

    words = range(len(SPECIAL), len(vocabulary))
    stems = [re.sub(r"\d+$", "", token) for token in vocabulary.tokens]
    kind = [next((k for k, c in enumerate(classes) if stem in c), None) for stem in stems]
    out: list[np.ndarray] = []
    for i in range(len(vocabulary)):
        same = [j for j in words if j != i and kind[j] is not None and kind[j] == kind[i]]
        out.append(np.array(same or [j for j in words if j != i], dtype=np.int64))
    return out


def mutate(source: np.ndarray, others: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """`source` (B, S; ids, EOS, padding) with one word of each row exchanged; empty rows stay."""
    from methods.compositional.vocabulary import EOS

    out = source.copy()
    for row in out:
        length = int(np.argmax(row == EOS))
        if length:
            place = rng.integers(length)
            choices = others[row[place]]
            if len(choices):
                row[place] = choices[rng.integers(len(choices))]
    return out


def exclusion(log_p: Tensor, target: Tensor, probability: str) -> Tensor:
    """mean_b[-log(1 - p_b)] of log-probabilities (B, T, V); 1 - p is kept above 1e-7."""
    from methods.compositional.vocabulary import PAD

    mask = target != PAD
    picked = log_p.gather(2, target[..., None])[..., 0]
    if probability == "sequence":
        p = (picked * mask).sum(1).exp()
    elif probability == "mean":
        p = (picked.exp() * mask).sum(1) / mask.sum(1)
    else:
        p = picked.exp().masked_fill(~mask, 2.0).min(1).values
    return -(1 - p).clamp(min=TINY).log().mean()
