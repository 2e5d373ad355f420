"""FlatQuant: Kronecker products with exact inverses, learned clips, and what they cost online."""

from __future__ import annotations

from typing import Any

import block_lessons
import numpy as np
import pytest
import tiny_lms
import torch

from methods.quantization.flatquant import FlatQuant
from methods.quantization.linear import InputRule, quantized_maps
from methods.quantization.links import KroneckerLink, nearest_factors
from methods.quantization.transforms import Kronecker

SHORT = FlatQuant(epochs=4, batch=2)


def link(sizes: tuple[int, int], noise: float = 0.5) -> KroneckerLink:
    found = KroneckerLink(sizes, np.random.default_rng(0), "cpu").double()
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(noise * torch.randn(parameter.shape, generator=random, dtype=torch.float64))
    found.project()
    return found


@pytest.mark.parametrize(("width", "sizes"), [(64, (8, 8)), (172, (4, 43)), (576, (24, 24)), (7, (1, 7))])
def test_sizes_are_as_near_as_can_be(width: int, sizes: tuple[int, int]) -> None:
    assert nearest_factors(width) == sizes
    brute = min((abs(a - width // a), a) for a in range(1, width + 1) if width % a == 0)
    assert abs(sizes[0] - sizes[1]) == brute[0]


def test_the_start_is_orthogonal() -> None:
    found = KroneckerLink((3, 4), np.random.default_rng(1), "cpu")
    for name in ("left", "right"):
        p = found.factor(name).detach()
        torch.testing.assert_close(p.T @ p, torch.eye(len(p)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["left", "right"])
def test_the_inverse_of_a_factor_is_exact(name: str) -> None:
    found = link((3, 4))
    p, inverse = found.factor(name).detach(), found.factor(name, True).detach()
    # U and V start as float32, orthogonal to its rounding.
    torch.testing.assert_close(inverse.T, torch.linalg.inv(p), atol=1e-6, rtol=1e-6)


def test_it_is_the_kronecker_product_on_both_sides() -> None:
    found = link((3, 4))
    x, w = torch.randn(5, 12, dtype=torch.float64), torch.randn(2, 12, dtype=torch.float64)
    whole = torch.kron(found.factor("left"), found.factor("right")).detach()
    torch.testing.assert_close(found(x).detach(), x @ whole)
    torch.testing.assert_close(found.weight(w).detach(), w @ torch.linalg.inv(whole).T, atol=1e-5, rtol=1e-5)
    settled = Kronecker(found.factor("left").detach(), found.factor("right").detach())
    torch.testing.assert_close(settled(x) @ settled.weight(w).T, x @ w.T, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma3"])
def test_whatever_is_learned_leaves_the_float_model_alone(kind: str, monkeypatch: Any) -> None:
    model, ids = tiny_lms.model(kind), block_lessons.ids()
    found, _ = block_lessons.courses(monkeypatch, SHORT, model, ids, block_lessons.EXACT)
    assert block_lessons.difference(found.model, model, ids) < 1e-4
    learned = block_lessons.unrounded(monkeypatch, SHORT, model, ids, 0.1)
    assert block_lessons.difference(learned, model, ids) < 1e-4


@pytest.mark.parametrize("inputs", ["exact", "rounded"])
def test_training_lowers_the_error_of_blocks_of_a_real_model(inputs: str, monkeypatch: Any) -> None:
    model, text = block_lessons.stories()
    method = FlatQuant(epochs=8, batch=2, inputs=inputs)
    _, courses = block_lessons.courses(monkeypatch, method, model, text)
    assert courses[0].after < courses[0].before
    assert all(course.after <= course.before for course in courses)


def test_only_another_seed_gives_another_model(monkeypatch: Any) -> None:
    model, ids = tiny_lms.model("llama"), block_lessons.ids(2, 8)
    method = FlatQuant(epochs=1, batch=1)
    found, again, other = (
        block_lessons.courses(monkeypatch, method, model, ids, seed=seed)[0].model for seed in (0, 0, 1)
    )
    assert block_lessons.difference(again, found, ids) == 0
    assert block_lessons.difference(other, found, ids) > 0


def test_each_site_has_its_sizes_clips_and_cost(monkeypatch: Any) -> None:
    model, ids = tiny_lms.model("llama"), block_lessons.ids(2, 8)
    found, _ = block_lessons.courses(monkeypatch, FlatQuant(epochs=1, batch=1), model, ids)
    sites = {id(m.inputs): m.inputs for _, m in quantized_maps(found.model)}.values()
    sizes = []
    for inputs in sites:
        (product,) = inputs.transforms
        assert isinstance(product, Kronecker)
        assert isinstance(inputs.rule, InputRule)
        assert inputs.rule.clip_low is not None
        assert 0.9 < inputs.rule.clip < 1
        sizes.append((len(product.left), len(product.right)))
    # qkv, out (4 heads of 8), ffn and down (48 neurons) of two layers; queries and keys: Hadamard of 8.
    assert sizes == [(4, 8), (4, 8), (4, 8), (6, 8)] * 2
    cache = (4 + 2) * 8 * 3
    assert found.online_flops == 2 * (3 * 2 * 32 * 12 + 2 * 48 * 14 + cache)


@pytest.mark.parametrize(
    ("fields", "line"), [({"inputs": "float"}, "inputs 'float'"), ({"lr": 0.0}, "lr is 0")]
)
def test_settings_that_make_no_sense(fields: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        FlatQuant(**fields)
