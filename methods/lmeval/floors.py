"""Two floors: a model that prefers no token, and one that has learned nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suite.api import Context
from tasks.lmeval.contract import Adapter


@dataclass(frozen=True)
class UniformLogits(Adapter):
    """Gives every next token the same probability: a choice's likelihood then tells its length alone."""

    def adapt(self, model: Any, tokenizer: Any, ctx: Context) -> Any:
        """The model with its logits set to nought."""

        def level(module: Any, inputs: Any, output: Any) -> Any:
            output.logits = output.logits.new_zeros(output.logits.shape)
            return output

        model.register_forward_hook(level)
        return model


@dataclass(frozen=True)
class RandomWeights(Adapter):
    """The same architecture, its weights drawn by the cell's seed as before a training."""

    def adapt(self, model: Any, tokenizer: Any, ctx: Context) -> Any:
        """A new model of the same configuration, on the same device and in the same precision."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(ctx.seed_for("weights"))
            fresh = type(model)(model.config)
        return fresh.to(device=model.device, dtype=model.dtype).eval()
