"""Who reads a prompt: a frozen causal language model, or the deterministic probe."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from methods.compositional.icl.probe import probe
from methods.compositional.icl.prompt import STOP, answer, prompt
from methods.compositional.icl.weighting import BigramAlignment
from suite.errors import Skip
from tasks.compositional.contract import Example

if TYPE_CHECKING:
    from suite.models.loading import Loaded


LONGEST = 200
"""So many of the longest training outputs are tokenised to see how many tokens a word takes."""


class Reader(ABC):
    """Answers prompts, and says how hard an example is for it."""

    @abstractmethod
    def fitting(self, demonstrations: Sequence[Example], query: str) -> list[Example]:
        """Those that the prompt has room for: the first ones, farthest from the query, go first."""

    @abstractmethod
    def answers(self, prompts: Sequence[str]) -> list[str]:
        """The first line of what follows each prompt, in order, independent of each other."""

    @abstractmethod
    def difficulty(self, examples: Sequence[Example]) -> list[float]:
        """Mean negative log-likelihood of each example's output, in nats a token."""

    @abstractmethod
    def tokens(self, text: str) -> int:
        """The length of a prompt."""


class ProbeReader(Reader):
    """`probe.probe`, whose difficulty is that of counts of the training lines; tokens are words."""

    def __init__(self, train: Sequence[Example]) -> None:
        self._train = train

    @cached_property
    def _proxy(self) -> BigramAlignment:
        return BigramAlignment(self._train)

    def fitting(self, demonstrations: Sequence[Example], query: str) -> list[Example]:
        """All of them."""
        return list(demonstrations)

    def answers(self, prompts: Sequence[str]) -> list[str]:
        """What the probe says to each prompt."""
        return [probe(text) for text in prompts]

    def difficulty(self, examples: Sequence[Example]) -> list[float]:
        """By the bigrams and alignments of the training lines."""
        return self._proxy.difficulty(examples)

    def tokens(self, text: str) -> int:
        """Words of the prompt."""
        return len(text.split())


@dataclass(frozen=True)
class Limits:
    """batch: rows computed together. max_new_tokens: the longest answer, in the model's tokens; where None it
    is what max_output words take, each as many tokens as a word takes in the worst of `outputs`."""

    batch: int
    max_new_tokens: int | None = None
    max_output: int = 0
    outputs: Sequence[str] = ()

    def tokens(self, tokenizer: Any) -> int:
        """The longest answer in the tokens of a tokenizer, at least 1 and the end of its line."""
        if self.max_new_tokens is not None:
            return self.max_new_tokens
        from suite.models._calls import encode

        longest = sorted(set(self.outputs), key=len)[-LONGEST:]
        most = max(
            (len(encode(tokenizer, f" {y}")) / len(y.split()) for y in longest if y.split()), default=1
        )
        return math.ceil(most * self.max_output) + 1


class LanguageModelReader(Reader):
    """A causal language model in evaluation mode, decoding greedily up to the end of the line.

    Its prompts leave room for the longest answer in its context. In float32 answers do not depend on the
    batch; difficulties move with it in their last bits (in bfloat16 by some 0.0005 nats), so that only a draw
    as close as that could turn out another.
    A model served elsewhere (vLLM and its kin) is another `Reader`; none is included.
    """

    def __init__(self, loaded: Loaded, limits: Limits) -> None:
        from suite.models._calls import context_length

        self._model, self._tokenizer, self._limits = loaded.model, loaded.tokenizer, limits
        self._context = context_length(loaded.model)
        self._answer = limits.tokens(loaded.tokenizer)

    def fitting(self, demonstrations: Sequence[Example], query: str) -> list[Example]:
        """The last ones, as many as leave room for the answer; none where the query leaves too little."""
        kept = list(demonstrations)
        if self._context is None:
            return kept
        room = self._context - self._answer
        while kept and self.tokens(prompt(kept, query)) > room:
            del kept[0]
        return kept

    def answers(self, prompts: Sequence[str]) -> list[str]:
        """Greedy texts; UsageError for a prompt that fills the model's context."""
        from suite.models.generation import generate

        made = generate(
            self._model,
            self._tokenizer,
            list(prompts),
            max_new_tokens=self._answer,
            stop=[STOP],
            batch_size=self._limits.batch,
        )
        return [answer(one.text) for one in made]

    def difficulty(self, examples: Sequence[Example]) -> list[float]:
        """Of the output behind a prompt without demonstrations."""
        from suite.models.likelihood import log_likelihoods

        pairs = [(prompt((), x), f" {y}") for x, y in examples]
        found = log_likelihoods(self._model, self._tokenizer, pairs, batch_size=self._limits.batch)
        return [-one.mean for one in found]

    def tokens(self, text: str) -> int:
        """In the model's own tokens, its special ones included."""
        from suite.models._calls import encode

        return len(encode(self._tokenizer, text))


def language_model(name: str, *, device: str, dtype: str, limits: Limits) -> LanguageModelReader:
    """The reader of a base model by name, folder or hub id; Skip without one or for another kind of model."""
    from suite.models import load

    if not name:
        raise Skip("the reader 'lm' needs a base model: run the task with --base-model")
    loaded = load(name, device=device, dtype=dtype)
    causal = hasattr(loaded.model, "generate") and not loaded.model.config.is_encoder_decoder
    if loaded.tokenizer is None or not causal:
        raise Skip(f"the reader 'lm' needs a causal language model, and {name} is none")
    return LanguageModelReader(loaded, limits)
