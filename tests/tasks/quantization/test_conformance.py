"""The checks of the family: good quantizers pass them, and each broken promise is caught by its check."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from suite.api import Context
from suite.errors import MethodError, Skip
from suite.plan import plan
from tasks.quantization.conformance import EXACT, checks
from tasks.quantization.contract import Calibration, Precision, Quantized, Quantizer

OWN = ("fp", "rtn", "smoothquant", "gptq", "duquant", "massdiff")


@pytest.mark.parametrize("method", OWN)
def test_the_projects_quantizers_keep_their_promises(method: str) -> None:
    for check in checks(plan("ppl-stories", method, "smoke")):
        check()


class Made(Quantizer):
    """A quantizer out of a function."""

    def __init__(self, change: Callable[..., Any]) -> None:
        self.change = change

    def quantize(self, model: Any, calibration: Calibration, precision: Precision, ctx: Context) -> Quantized:
        found = self.change(model, calibration, precision, ctx)
        return found if isinstance(found, Quantized) else Quantized(model, 4.0, 4.0, 0.0)


@torch.no_grad()
def off_at_16(model: Any, calibration: Any, precision: Any, ctx: Any) -> None:
    model.model.layers[0].mlp.down_proj.weight.mul_(1.01)


@torch.no_grad()
def too_many(model: Any, calibration: Any, precision: Any, ctx: Any) -> None:
    down = model.model.layers[0].mlp.down_proj
    down.parts = [SimpleNamespace(first=0, last=64, grid=SimpleNamespace(bits=4, group=None))]


def touched(model: Any, calibration: Calibration, precision: Any, ctx: Any) -> None:
    calibration.windows[0, 0] = 5


@torch.no_grad()
def head_too(model: Any, calibration: Any, precision: Precision, ctx: Any) -> None:
    if precision != EXACT:
        head = model.lm_head.weight
        head.copy_(torch.where(head > 0, 1.0, -1.0))


def by_batch(model: Any, calibration: Any, precision: Precision, ctx: Any) -> None:
    def level(_: Any, args: Any, output: Any) -> Any:
        output.logits = output.logits - output.logits.mean((0, 1), keepdim=True) * len(output.logits)
        return output

    if precision != EXACT:
        model.register_forward_hook(level)


def no_bits(model: Any, calibration: Any, precision: Any, ctx: Any) -> Quantized:
    return Quantized(model, 4e6, 4.0, 0.0)


def no_operations(model: Any, calibration: Any, precision: Any, ctx: Any) -> Quantized:
    return Quantized(model, 4.0, 4.0, float("nan"))


DRAWN = iter(range(10**6))


@torch.no_grad()
def drawn(model: Any, calibration: Any, precision: Precision, ctx: Any) -> None:
    if precision != EXACT:
        model.model.layers[0].mlp.down_proj.weight.mul_(1 + next(DRAWN))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("float", off_at_16, "at W16A16 logits are off"),
        ("levels", too_many, "64 levels in a row; 4 bits hold fewer"),
        ("calibration", touched, "changed in place"),
        ("outside", head_too, "map to the vocabulary has a row of 2 levels"),
        ("batches", by_batch, "when windows run one by one"),
        ("costs", no_bits, "weight_bits is 4000000.0"),
        ("costs", no_operations, "online_flops is nan"),
        ("seed", drawn, "the same seed gave another model"),
    ],
)
def test_a_broken_promise_is_caught(name: str, change: Any, message: str) -> None:
    planned: Any = SimpleNamespace(method_instance=Made(change))
    (check,) = [check for check in checks(planned) if check.name == name]
    with pytest.raises(MethodError, match=message):
        check()


def test_a_method_that_skips_keeps_the_promises_trivially() -> None:
    def skip(*args: Any) -> None:
        raise Skip("weights alone")

    for check in checks(copy.copy(SimpleNamespace(method_instance=Made(skip)))):  # type: ignore[arg-type]
        check()
