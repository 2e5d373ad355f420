"""Who reads a prompt: a frozen causal language model, or the deterministic probe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from methods.compositional.icl.probe import probe
from methods.compositional.icl.prompt import STOP, answer, prompt
from methods.compositional.icl.weighting import BigramAlignment
from suite.errors import Skip
from tasks.compositional.contract import Example

if TYPE_CHECKING:
    from suite.models.loading import Loaded


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
    """batch: rows computed together. max_new_tokens: the longest answer, in the model's tokens."""

    batch: int
    max_new_tokens: int


class LanguageModelReader(Reader):
    """A causal language model in evaluation mode, decoding greedily up to the end of the line.

    Its prompts leave room for `max_new_tokens` in its context. In float32 answers do not depend on the
    batch; difficulties move with it in their last bits, so that only a draw as close as that could turn out
    another.
    A model served elsewhere (vLLM and its kin) is another `Reader`; none is included.
    """

    def __init__(self, loaded: Loaded, limits: Limits) -> None:
        from suite.models._calls import context_length

        self._model, self._tokenizer, self._limits = loaded.model, loaded.tokenizer, limits
        self._context = context_length(loaded.model)

    def fitting(self, demonstrations: Sequence[Example], query: str) -> list[Example]:
        """The last ones, as many as leave room for the answer; none where the query leaves too little."""
        kept = list(demonstrations)
        if self._context is None:
            return kept
        room = self._context - self._limits.max_new_tokens
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
            max_new_tokens=self._limits.max_new_tokens,
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
    if loaded.tokenizer is None or not hasattr(loaded.model, "generate"):
        raise Skip(f"the reader 'lm' needs a causal language model, and {name} is none")
    return LanguageModelReader(loaded, limits)
