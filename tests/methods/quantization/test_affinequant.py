"""AffineQuant: matrices that open from the diagonal, stay invertible, and fold where they can."""

from __future__ import annotations

from typing import Any

import block_lessons
import pytest
import tiny_lms
import torch

from methods.quantization.affinequant import AffineQuant
from methods.quantization.linear import quantized_maps
from methods.quantization.links import AffineLink
from methods.quantization.transforms import Dense
from tasks.quantization.contract import Precision


def noisy(link: AffineLink, size: float, seed: int) -> None:
    """Moves the matrix as a bad step would, and has the link put it back."""
    with torch.no_grad():
        random = torch.Generator().manual_seed(seed)
        link.matrix.add_(size * torch.randn(link.matrix.shape, generator=random))
    link.project()


@pytest.mark.parametrize("size", [0.01, 0.3, 5.0])
@pytest.mark.parametrize("heads", [None, 3])
def test_rows_stay_strictly_diagonally_dominant_whatever_a_step_does(size: float, heads: int | None) -> None:
    for seed in range(10):
        link = AffineLink(9, 0.1 if seed % 2 else 1.0, heads, "cpu")
        for epoch in range(4):
            link.begin(epoch, 4)
            noisy(link, size, 7 * seed + epoch)
            a = link.affine().detach()
            diagonal = a.diagonal(dim1=-2, dim2=-1).abs()
            beside = a.abs().sum(-1) - diagonal
            assert bool((beside < diagonal).all())


def test_the_band_opens_from_the_diagonal_to_the_corners() -> None:
    link = AffineLink(5, 0.5, None, "cpu")
    masks = []
    for epoch in range(3):
        link.begin(epoch, 3)
        masks.append(link.mask.clone())
    assert torch.equal(masks[0], torch.eye(5))
    # (5 - 1) / (3 - 1) diagonals more each epoch.
    distance = (torch.arange(5)[:, None] - torch.arange(5)).abs()
    half = torch.where(distance < 3, 0.5, 0.0)
    assert torch.equal(masks[1], torch.where(distance == 0, 1.0, half))
    assert torch.equal(masks[2], torch.where(distance == 0, 1.0, 0.5))
    link.begin(0, 1)
    assert torch.equal(link.mask, masks[2])


def test_what_is_closed_has_no_gradient() -> None:
    link = AffineLink(6, 0.1, None, "cpu")
    link.begin(1, 4)
    (gradient,) = torch.autograd.grad(link(torch.randn(3, 6)).square().sum(), [link.matrix])
    distance = (torch.arange(6)[:, None] - torch.arange(6)).abs()
    assert bool((gradient[distance > 1] == 0).all())
    assert bool((gradient[distance <= 1] != 0).any())


def test_both_sides_of_a_matrix_cancel() -> None:
    x, w = torch.randn(4, 8, dtype=torch.float64), torch.randn(3, 8, dtype=torch.float64)
    link = AffineLink(8, 1.0, None, "cpu").double()
    link.begin(1, 2)
    noisy(link, 0.3, 1)
    torch.testing.assert_close(link(x) @ link.weight(w).T, x @ w.T)


def test_a_matrix_a_head_is_taken_in_by_values_and_o() -> None:
    # Two heads of values, four of queries: head h of o reads head h // 2 of the values.
    values, out = torch.randn(6, 5, dtype=torch.float64), torch.randn(7, 12, dtype=torch.float64)
    link = AffineLink(3, 1.0, 2, "cpu").double()
    link.begin(1, 2)
    noisy(link, 0.3, 2)
    new_values, new_out = link.rows(values).detach(), link.weight(out).detach()
    for head in range(4):
        kv = head // 2
        inverse = torch.linalg.inv(link.affine()[kv].detach())
        rows, columns = slice(3 * kv, 3 * kv + 3), slice(3 * head, 3 * head + 3)
        torch.testing.assert_close(new_values[rows], inverse.T @ values[rows])
        torch.testing.assert_close(new_out[:, columns] @ new_values[rows], out[:, columns] @ values[rows])


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma3"])
@pytest.mark.parametrize("norms", ["full", "scale"])
def test_whatever_is_learned_leaves_the_float_model_alone(kind: str, norms: str, monkeypatch: Any) -> None:
    model, ids = tiny_lms.model(kind), block_lessons.ids()
    method = AffineQuant(norms=norms, share=0.5, epochs=1)
    found, _ = block_lessons.courses(monkeypatch, method, model, ids, block_lessons.EXACT)
    assert block_lessons.difference(found.model, model, ids) < 1e-4
    learned = block_lessons.unrounded(monkeypatch, method, model, ids, 0.05)
    assert block_lessons.difference(learned, model, ids) < 1e-4


@pytest.mark.parametrize(("precision", "matrices"), [(Precision(4, 4), 0), (Precision(4, 16), 2)])
def test_full_matrices_behind_norms_are_for_weights_alone_and_are_paid(
    precision: Precision, matrices: int, monkeypatch: Any
) -> None:
    model, ids = tiny_lms.model("llama"), block_lessons.ids(2, 8)
    found, _ = block_lessons.courses(monkeypatch, AffineQuant(epochs=1), model, ids, precision)
    sites = {id(m.inputs): m.inputs for _, m in quantized_maps(found.model)}
    dense = [t for inputs in sites.values() for t in inputs.transforms if isinstance(t, Dense)]
    assert len(dense) == 2 * matrices
    assert found.online_flops == 2 * matrices * 2 * 32 * 32


@pytest.mark.parametrize("norms", ["full", "scale"])
def test_training_lowers_the_error_of_blocks_of_a_real_model(norms: str, monkeypatch: Any) -> None:
    model, text = block_lessons.stories()
    method = AffineQuant(norms=norms, epochs=6, batch=2)
    found, courses = block_lessons.courses(monkeypatch, method, model, text)
    assert courses[0].after < courses[0].before
    assert all(course.after <= course.before for course in courses)
    if norms == "full":
        again, _ = block_lessons.courses(monkeypatch, method, model, text)
        assert block_lessons.difference(again.model, found.model, text) == 0


@pytest.mark.parametrize(
    ("fields", "line"), [({"norms": "all"}, "norms 'all'"), ({"share": 0.0}, "share is")]
)
def test_settings_that_make_no_sense(fields: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        AffineQuant(**fields)
