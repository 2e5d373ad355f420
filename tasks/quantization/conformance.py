"""What `suite check` asks of a quantizer, beside what it asks of all."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

from suite.api import Context
from suite.conformance import Check
from suite.errors import MethodError, Skip, UsageError
from suite.models import load
from suite.plan import Planned
from tasks.quantization.contract import Calibration, Precision, Quantized

EXACT, LOW = Precision.parse("W16A16"), Precision.parse("W4A4KV4")
WEIGHTS = Precision.parse("W4A16")
TOLERANCE = 1e-4
WINDOWS, LENGTH = 4, 17
VOCABULARY = 100
"""Of the packaged lm-icl, whose tokenizer the tiny model has."""


def checks(planned: Planned) -> list[Check]:
    """The family's promises, on a Llama of a few thousand random weights."""
    trial = Trial(planned)
    return [
        Check("float", "at 16 bits the model computes what the float one does", trial.equivalence),
        Check("levels", "a weight has no more levels a row than its bits hold", trial.levels),
        Check("calibration", "calibration windows are left as they are", trial.calibration_kept),
        Check("outside", "embeddings and the map to the vocabulary are not rounded", trial.outside),
        Check("batches", "a window's logits do not depend on those beside it", trial.batches),
        Check("costs", "bits and operations are what a model can have", trial.costs),
        Check("seed", "the same seed gives the same model", trial.seed),
    ]


class Trial:
    """A tiny model, quantized once for each precision that a check needs."""

    def __init__(self, planned: Planned) -> None:
        self.planned = planned
        self.made: dict[str, Quantized | None] = {}
        self.touched = False

    @cached_property
    def model(self) -> Any:
        """A Llama with grouped heads and untied embeddings, weights drawn by a fixed seed."""
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            bos_token_id=1,
            eos_token_id=2,
            tie_word_embeddings=False,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made: Any = LlamaForCausalLM(config).eval()
            with torch.no_grad():
                for parameter in made.parameters():
                    if parameter.ndim == 2:
                        parameter.mul_(6.0)
        return made

    @cached_property
    def windows(self) -> Any:
        import torch

        draw = torch.Generator().manual_seed(0)
        return torch.randint(4, VOCABULARY, (WINDOWS, LENGTH), generator=draw)

    @cached_property
    def tokenizer(self) -> Any:
        return load("lm-icl").tokenizer

    def quantize(self, precision: Precision) -> Quantized | None:
        """The tiny model at a precision, from calibration of its own; None where the method skips it."""
        import torch

        calibration = Calibration(self.windows.clone(), self.tokenizer)
        try:
            method: Any = self.planned.method_instance
            made = method.quantize(copy.deepcopy(self.model), calibration, precision, Context(seed=0))
        except (Skip, UsageError):
            return None
        self.touched |= not torch.equal(calibration.windows, self.windows)
        if not isinstance(made, Quantized):
            raise MethodError(f"quantize gave {type(made).__name__}; it must give a Quantized")
        return made

    def at(self, precision: Precision) -> Quantized | None:
        """The same, made once for all checks."""
        if precision.name not in self.made:
            self.made[precision.name] = self.quantize(precision)
        return self.made[precision.name]

    @property
    def rounded(self) -> Quantized | None:
        """At the lowest precision that the method takes part in."""
        return self.at(LOW) or self.at(WEIGHTS)

    def logits(self, model: Any, rows: Any = None) -> Any:
        import torch

        with torch.no_grad():
            return model(input_ids=self.windows if rows is None else rows, use_cache=False).logits

    def equivalence(self) -> None:
        """Largest difference of logits over the largest logit."""
        made = self.at(EXACT)
        if made is None:
            return
        exact = self.logits(self.model)
        off = float((self.logits(made.model) - exact).abs().max() / exact.abs().max())
        if not off < TOLERANCE:
            raise MethodError(f"at W16A16 logits are off by {off:.2g} of the largest, not below {TOLERANCE}")

    def levels(self) -> None:
        """Of the maps that say on which grids their columns lie (`parts` with first, last and grid)."""
        made = self.rounded
        if made is None:
            return
        for name, module in made.model.named_modules():
            for part in getattr(module, "parts", ()):
                if getattr(part, "grid", None) is None:
                    continue
                columns = module.weight[:, part.first : part.last]
                width = getattr(part.grid, "group", None) or columns.shape[1]
                most = max(len(row.unique()) for rows in columns.split(width, 1) for row in rows)
                if most > 2**part.grid.bits:
                    raise MethodError(f"{name} has {most} levels in a row; {part.grid.bits} bits hold fewer")

    def calibration_kept(self) -> None:
        if self.rounded is not None and self.touched:
            raise MethodError("the calibration windows were changed in place; other precisions share them")

    def outside(self) -> None:
        """Embeddings may be rotated, but a rounded row has few levels."""
        made = self.rounded
        if made is None:
            return
        maps = {
            "embedding": made.model.get_input_embeddings(),
            "map to the vocabulary": made.model.get_output_embeddings(),
        }
        for name, module in maps.items():
            fewest = min(len(row.unique()) for row in module.weight.detach())
            if fewest <= 2**LOW.weights:
                raise MethodError(f"the {name} has a row of {fewest} levels: it is to stay float")

    def batches(self) -> None:
        """Rounding is by token, so that other windows must not matter beyond the order of float sums."""
        made = self.rounded
        if made is None:
            return
        import torch

        whole = self.logits(made.model)
        alone = torch.cat([self.logits(made.model, row[None]) for row in self.windows])
        off = float((whole - alone).abs().max() / whole.abs().max())
        # A sum in another order may move a number to the next level, which is why this is no float tolerance.
        if not off < 0.2:
            raise MethodError(f"logits differ by {off:.2g} of the largest when windows run one by one")

    def costs(self) -> None:
        made = self.rounded
        if made is None:
            return
        for name in ("weight_bits", "activation_bits"):
            value = getattr(made, name)
            if not 1 <= value <= 32:
                raise MethodError(f"{name} is {value}: bits of one number, scales included, are due")
        if not made.online_flops >= 0:
            raise MethodError(f"online_flops is {made.online_flops}: operations a token, 0 or more")

    def seed(self) -> None:
        import torch

        first, again = self.rounded, self.quantize(LOW) or self.quantize(WEIGHTS)
        if first is None or again is None:
            return
        if not torch.equal(self.logits(first.model), self.logits(again.model)):
            raise MethodError("the same seed gave another model; every choice comes from the context")
