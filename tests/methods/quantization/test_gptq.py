"""GPTQ: the same as quantizing column by column with the inverse of what is left of the Hessian."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from methods.quantization import grids
from methods.quantization.grids import Grid


def layer(seed: int, out: int = 5, width: int = 12) -> tuple[Tensor, Tensor]:
    """A weight (out, width) and the Hessian of correlated inputs."""
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(out, width, generator=random, dtype=torch.float64)
    mixing = torch.randn(width, width, generator=random, dtype=torch.float64)
    x = torch.randn(200, width, generator=random, dtype=torch.float64) @ mixing
    return weight, x.T @ x


def naive(weight: Tensor, hessian: Tensor, grid: Grid, damp: float, order: list[int]) -> Tensor:
    """Optimal brain quantization in a given order: the weights left take the step that costs least.

    With F the columns left and H_F their Hessian, fixing column j at an error e moves them by
    -e [H_F^-1]_:j / [H_F^-1]_jj; the inverse is taken anew each time.
    """
    w = weight.clone()
    h = hessian + damp * hessian.diagonal().mean() * torch.eye(len(hessian), dtype=torch.float64)
    for place, j in enumerate(order):
        left = order[place:]
        inverse = torch.linalg.inv(h[left][:, left])
        rounded = grids.fake(w, grid)[:, j]
        w[:, left] -= ((w[:, j] - rounded) / inverse[0, 0])[:, None] * inverse[0]
        w[:, j] = rounded
    return w


def cost(weight: Tensor, rounded: Tensor, hessian: Tensor) -> float:
    """trace(D H D^T): the squared error of the layer's outputs."""
    error = weight - rounded
    return float(((error @ hessian) * error).sum())


@pytest.mark.parametrize("group", [None, 4])
@pytest.mark.parametrize("act_order", [False, True])
@pytest.mark.parametrize("block", [1, 5, 128])
def test_it_is_column_by_column_with_the_inverse_of_what_is_left(
    block: int, act_order: bool, group: int | None
) -> None:
    for seed in range(3):
        weight, hessian = layer(seed)
        grid = grids.fit(weight, 3, 0.9, group=group)
        order = list(range(12))
        if act_order:
            order.sort(key=lambda j: -float(hessian[j, j]))
        expected = naive(weight, hessian, grid, 0.01, order)
        got = grids.gptq(weight, hessian, grid, block=block, act_order=act_order)
        assert torch.equal(grids.codes(got, grid), grids.codes(expected, grid))
        assert torch.equal(grids.fake(got, grid), got)


def test_columns_that_do_not_go_together_are_rounded_alone() -> None:
    weight, hessian = layer(0)
    grid = grids.fit(weight, 4)
    assert torch.equal(grids.gptq(weight, hessian.diagonal().diag(), grid), grids.fake(weight, grid))


def test_it_errs_less_than_rounding_and_the_inputs_are_left_alone() -> None:
    for seed in range(5):
        weight, hessian = layer(seed, out=16, width=32)
        before = weight.clone(), hessian.clone()
        grid = grids.fit(weight, 4, symmetric=True)
        found = grids.gptq(weight, hessian, grid, damp=1e-4)
        assert cost(weight, found, hessian) < 0.7 * cost(weight, grids.fake(weight, grid), hessian)
        assert torch.equal(weight, before[0])
        assert torch.equal(hessian, before[1])


def test_the_second_column_makes_up_for_the_first() -> None:
    """By hand: q_1 rounds w_1 + (w_0 - q_0) h_01 / h_11."""
    weight = torch.tensor([[0.4, 1.0, -3.0, 4.0]], dtype=torch.float64)
    hessian = torch.eye(4, dtype=torch.float64) * 2
    hessian[0, 1] = hessian[1, 0] = 1.6
    grid = grids.fit(weight, 3)
    assert (grid.scale.item(), grid.zero.item()) == (1.0, 3.0)
    # 0.4 goes to 0; the second becomes 1 + 0.4 * 0.8 = 1.32 and goes to 1
    assert grids.gptq(weight, hessian, grid, damp=0.0).tolist() == [[0, 1, -3, 4]]
    weight[0, 1] = 1.2
    # 1.2 alone would be 1; with 0.32 owed it is 1.52 and goes to 2
    assert grids.gptq(weight, hessian, grid, damp=0.0).tolist() == [[0, 2, -3, 4]]


def test_a_channel_never_used_is_rounded_as_it_is() -> None:
    weight, hessian = layer(1)
    hessian[3, :] = hessian[:, 3] = 0
    grid = grids.fit(weight, 4)
    got = grids.gptq(weight, hessian, grid)
    assert torch.equal(got[:, 3], grids.fake(weight, grid)[:, 3])
    assert got.isfinite().all()


def test_exact_grids_half_weights_and_bad_hessians() -> None:
    weight, hessian = layer(2)
    assert grids.gptq(weight, hessian, grids.fit(weight, 16)) is weight
    half = weight.bfloat16()
    assert grids.gptq(half, hessian, grids.fit(half, 4)).dtype == torch.bfloat16
    with pytest.raises(ValueError, match="raise damp"):
        grids.gptq(weight, -hessian, grids.fit(weight, 4))
