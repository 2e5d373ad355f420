"""Learned quantizers under test: what each block's training did, and their folding with rounding left out."""

from __future__ import annotations

import copy
from typing import Any

import tiny_lms
import torch
from torch import Tensor

from methods.quantization import learned
from methods.quantization.linear import InputRule
from suite.api import Context
from tasks.quantization.contract import Calibration, Precision, Quantized

FOUR = Precision(4, 4, 4)
EXACT = Precision(16, 16, 16)


def ids(windows: int = 4, length: int = 24, vocabulary: int = 320) -> Tensor:
    return torch.randint(2, vocabulary, (windows, length), generator=torch.Generator().manual_seed(5))


def calibration(windows: Tensor) -> Calibration:
    return Calibration(windows, tiny_lms.tokenizer())


def stories(windows: int = 8) -> tuple[Any, Tensor]:
    """A copy of the real model, cut to its first two blocks, and texts of its own."""
    model, _ = tiny_lms.stories()
    torch.manual_seed(0)
    start = torch.full((windows, 1), 1)
    text = model.generate(
        start,
        attention_mask=torch.ones_like(start),
        pad_token_id=0,
        do_sample=True,
        max_new_tokens=63,
        min_new_tokens=63,
    )
    model = copy.deepcopy(model)
    model.model.layers = model.model.layers[:2]
    model.config.num_hidden_layers = 2
    return model, text


def courses(
    monkeypatch: Any, method: Any, model: Any, windows: Tensor, precision: Precision = FOUR, seed: int = 0
) -> tuple[Quantized, list[Any]]:
    """A copy of the model quantized, and how the training of each block went."""
    found: list[Any] = []
    original = type(method).learn

    def learn(self: Any, *given: Any) -> Any:
        found.append(original(self, *given))
        return found[-1]

    with monkeypatch.context() as patch:
        patch.setattr(type(method), "learn", learn)
        result = method.quantize(copy.deepcopy(model), calibration(windows), precision, Context(seed=seed))
    return result, found


def unrounded(monkeypatch: Any, method: Any, model: Any, windows: Tensor, size: float) -> Any:
    """A copy with all that a method learns at random values, folded and put in place, and nothing rounded."""
    random = torch.Generator().manual_seed(9)

    def learn(self: Any, sites: Any, recipe: Any, lesson: Any) -> None:
        has = hasattr(self, "fitting")
        what = self.fitting(sites, recipe) if has else learned.fitting(sites, recipe, 1.0)
        for link in what.learned():
            link.begin(1, 2)
        for group, _ in what.rates:
            for parameter in group:
                noise = torch.randn(parameter.shape, generator=random)
                parameter.data.add_(size * noise)
        for link in what.learned():
            link.project()
        what.clips.clear()
        what.inputs = {name: InputRule() for name in sites}
        learned.settle(sites, what)

    with monkeypatch.context() as patch:
        patch.setattr(type(method), "learn", learn)
        found = method.quantize(copy.deepcopy(model), calibration(windows), FOUR, Context(seed=0)).model
    for block in found.model.layers:
        block.self_attn.cache_rule = None
    return found


def difference(found: Any, model: Any, windows: Tensor) -> float:
    """The largest difference of logits, as a share of the largest logit of `model`."""
    with torch.no_grad():
        wanted, logits = model(input_ids=windows).logits, found(input_ids=windows).logits
    return float((logits - wanted).abs().max() / wanted.abs().max())
