"""How the next token is chosen from one row's logits, and whether rounding could have chosen another one.

Sampling is the Gumbel-max rule: the largest of logit / temperature + noise, with noise of its own for every
token of the vocabulary. It draws from softmax(logits / temperature) exactly, and like the greedy choice it
is a largest value, so that "two candidates are closer than rounding can tell" has one meaning for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.errors import UsageError

# The most candidates that are sorted before the whole vocabulary is: sorting dominates otherwise.
FIRST = 512


@dataclass(frozen=True)
class Rule:
    """temperature 0 takes the most likely token; above 0 it samples from the top_k most likely tokens (0:
    all) and, after that, from the fewest of them whose probabilities reach top_p together (1: all).
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise UsageError(f"temperature is {self.temperature}; give 0 (greedy) or more")
        if self.top_k < 0:
            raise UsageError(f"top_k is {self.top_k}; give 0 (all tokens) or more")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p is {self.top_p}; give a number above 0 and at most 1")

    def choose(self, logits: Tensor, noise: Tensor | None, slack: float) -> tuple[Tensor, Tensor]:
        """Tokens (B,), and whether each would be the same if every logit were off by less than slack / 2.

        logits: (B, V); noise: (B, V) of `gumbel`, or None when greedy. A row that is not sure has to be
        decided on logits that do not depend on its batch.
        """
        if noise is None:
            return _largest(logits.float(), slack)
        scores = logits.double() / self.temperature
        slack /= self.temperature
        certain, possible = self.allowed(scores, slack)
        token, sure = _largest((scores + noise).masked_fill(~possible, -torch.inf), slack)
        return token, sure & (slack == 0 or certain.gather(-1, token[:, None])[:, 0])

    def allowed(self, scores: Tensor, slack: float = 0.0) -> tuple[Tensor, Tensor]:
        """The tokens that pass the filters whatever the rounding, and those that may, as masks (B, V).

        scores: logits / temperature, (B, V). With slack 0 the second is the filters' own set; tokens as
        likely as the last one that passes a filter pass it as well.
        """
        certain = possible = torch.ones_like(scores, dtype=torch.bool)
        if 0 < self.top_k < scores.shape[-1]:
            top = scores.topk(self.top_k + 1).values
            certain, possible = scores > top[:, -1:] + slack, scores >= top[:, -2:-1] - slack
        if self.top_p < 1:
            kept = scores.masked_fill(~possible, -torch.inf) if self.top_k else scores
            sure_p, possible_p = self._nucleus(kept, slack)
            # Another token among the top_k changes what all others add up to.
            clear = (certain == possible).all(-1, keepdim=True)
            certain, possible = certain & sure_p & clear, possible & possible_p
        return certain, possible

    def _nucleus(self, scores: Tensor, slack: float) -> tuple[Tensor, Tensor]:
        """The same for top_p alone: a token passes while those before it add up to less than top_p."""
        total = scores.logsumexp(-1, keepdim=True)
        for size in (min(FIRST, scores.shape[-1]), scores.shape[-1]):
            top = scores.topk(size).values
            before = (top - total).exp().cumsum(-1).roll(1, -1)
            before[:, 0] = 0.0
            if bool((before[:, -1] > self.top_p + slack).all()):
                break
        top = torch.cat([top, torch.full_like(top[:, :1], -torch.inf)], -1)
        count = [(before < limit).sum(-1, keepdim=True).clamp(min=1) for limit in self._limits(slack)]
        return scores > top.gather(-1, count[0]) + slack, scores >= top.gather(-1, count[1] - 1) - slack

    def _limits(self, slack: float) -> tuple[float, float]:
        return self.top_p - slack, self.top_p + slack


def _largest(scores: Tensor, slack: float) -> tuple[Tensor, Tensor]:
    """The place of each row's largest value (the first of equals), and whether it leads by `slack`."""
    best, place = scores.max(-1)
    if slack == 0:
        return place, torch.ones_like(place, dtype=torch.bool)
    second = scores.scatter(-1, place[:, None], -torch.inf).amax(-1)
    return place, best - second > slack


def gumbel(generator: torch.Generator, size: int) -> Tensor:
    """One row of standard Gumbel noise (V,), float64: minus the logarithm of an exponential variable."""
    return -torch.empty(size, dtype=torch.float64).exponential_(generator=generator).log()
