"""The blocks written out against the module's own: answers, gradients, and models that they do not fit."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from editing_bench import DEPTH, pictures, tiny
from torch import Tensor
from torch.func import functional_call, vmap

from tasks.vit_editing.classifier import Classifier

MODEL = tiny()
X = pictures(5, 3)


def truth(model: Classifier, weights: dict[str, Tensor] | None = None) -> Tensor:
    """By the whole module as transformers has it."""
    logits: Tensor = functional_call(model.module, weights or {}, (model.prepared(X),)).logits
    return logits


def changed(model: Classifier) -> dict[str, Tensor]:
    """Other values for a parameter of every kind."""
    kinds = ("layers.1", "layernorm", "classifier")
    named = [n for n, _ in model.module.named_parameters() if any(kind in n for kind in kinds)]
    draw = torch.Generator().manual_seed(4)
    return {
        n: model.parameter(n) + 0.1 * torch.randn(model.parameter(n).shape, generator=draw) for n in named
    }


@pytest.mark.parametrize("start", range(DEPTH + 1))
def test_logits_and_tokens_are_the_modules(start: int) -> None:
    assert MODEL.misfit == ""
    weights = changed(MODEL)
    h = MODEL.stream(X, start, weights)
    assert torch.allclose(MODEL.logits_from(h, start, weights), truth(MODEL, weights), atol=1e-5)
    assert torch.allclose(MODEL.logits_from(MODEL.kept(X, start), start), truth(MODEL), atol=1e-5)
    token = MODEL.tokens(MODEL.kept(X, start), start)
    seen = MODEL.module.vit(MODEL.prepared(X)).last_hidden_state[:, 0]
    assert torch.allclose(token, seen, atol=1e-5)
    assert torch.allclose(MODEL.by_module(h, start, weights), truth(MODEL, weights), atol=1e-5)


def test_gradients_are_the_modules() -> None:
    weights = {name: value.clone().requires_grad_() for name, value in changed(MODEL).items()}
    names = [name for name in weights if not name.endswith("k_proj.bias")]  # 0 but for rounding
    found = torch.autograd.grad(
        MODEL.logits(X, weights).square().sum(), [weights[n] for n in names], allow_unused=True
    )
    wanted = torch.autograd.grad(
        truth(MODEL, weights).square().sum(), [weights[n] for n in names], allow_unused=True
    )
    for name, one, other in zip(names, found, wanted, strict=True):
        assert one is not None and other is not None, name
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max())), name


def test_mapped_over_weights_it_is_one_by_one() -> None:
    weights = changed(MODEL)
    stacked = {name: torch.stack([value, 1.1 * value]) for name, value in weights.items()}
    h = MODEL.kept(X, 1)
    found = vmap(lambda own: MODEL.logits_from(h, 1, own, mapped=True))(stacked)
    for e in range(2):
        own = {name: value[e] for name, value in stacked.items()}
        assert torch.allclose(found[e], MODEL.logits_from(h, 1, own), atol=1e-5)


def test_a_stream_is_the_modules() -> None:
    h = MODEL.stream(X)
    for stop in range(DEPTH + 1):
        by_module = MODEL.through_modules(h, 0, stop)
        assert torch.allclose(MODEL.through(h, 0, stop), by_module, atol=1e-5)


def test_a_model_that_they_do_not_fit_is_asked_by_its_modules() -> None:
    module = copy.deepcopy(MODEL.module)
    module.config.hidden_act = "relu"  # what the blocks were not built with
    other = replace(MODEL, module=module)
    assert "off" in other.misfit
    assert torch.allclose(other.logits(X), truth(MODEL), atol=1e-5)
    assert torch.allclose(other.tokens(other.stream(X), 0), MODEL.tokens(MODEL.stream(X), 0), atol=1e-5)
    nameless = replace(MODEL, blocks=tuple(replace(block, attention=()) for block in MODEL.blocks))
    assert nameless.misfit and torch.allclose(nameless.logits(X), truth(MODEL), atol=1e-5)
