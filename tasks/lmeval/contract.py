"""What a competitor on lm-eval tasks implements: `adapt`, from a language model to a language model."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from suite.api import Context, Method


class Adapter(Method):
    """A competitor: changes a loaded model, or puts another in its place."""

    @abstractmethod
    def adapt(self, model: Any, tokenizer: Any, ctx: Context) -> Any:
        """The model to measure.

        model: a causal or sequence-to-sequence transformers model in evaluation mode, loaded for this run
        alone, so that it may be changed in place. tokenizer: its tokenizer, to be left as it is. What is
        returned is called with input_ids and gives `.logits` (B, T, vocabulary), generates, and has the
        tokenizer's vocabulary. Every random choice comes from `ctx`. Raises Skip for a model that the method
        cannot change.
        """
