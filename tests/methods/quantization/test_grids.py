"""Grids: levels worked out by hand, by numpy and by torch's fake quantization; what rounding keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from methods.quantization import grids

BITS = st.integers(2, 8)


@st.composite
def rows(draw: st.DrawFn, width: int | None = None) -> Tensor:
    """A few rows of doubles, of widely different sizes and offsets."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.integers(1, 3)), width or draw(st.integers(1, 9))
    size = draw(st.sampled_from([1e-3, 1.0, 300.0]))
    offset = draw(st.sampled_from([0.0, 0.0, 2.5, -4.0]))
    return torch.from_numpy((rng.standard_normal(shape) + offset) * size)


def by_numpy(x: np.ndarray, bits: int, clip: float, symmetric: bool) -> tuple[list[int], list[float]]:
    """Codes and values of one row, number by number."""
    lo, hi = clip * x.min(), clip * x.max()
    if symmetric:
        top = 2 ** (bits - 1) - 1
        scale, zero = min(max(max(abs(lo), abs(hi)) / top, 1e-5), 1e4), top
    else:
        scale = min(max((hi - lo) / (2**bits - 1), 1e-5), 1e4)
        zero = round(min(max(-lo / scale, -1e4), 1e4))
    found = [min(max(round(v / scale) + zero, 0), 2**bits - 1) for v in x]
    return found, [(code - zero) * scale for code in found]


def test_four_levels_by_hand() -> None:
    x = torch.tensor([[-1.0, 0.0, 0.5, 1.5, 2.0]])
    grid = grids.fit(x, 2)
    assert (grid.scale.item(), grid.zero.item()) == (1.0, 1.0)
    # 0.5 and 1.5 lie between two levels: both go to the even one
    assert grids.codes(x, grid).tolist() == [[0, 1, 1, 3, 3]]
    assert grids.fake(x, grid).tolist() == [[-1.0, 0.0, 0.0, 2.0, 2.0]]


def test_a_clip_moves_both_ends() -> None:
    x = torch.tensor([[-1.0, 0.0, 0.5, 2.0]])
    grid = grids.fit(x, 2, clip=0.5)
    assert (grid.scale.item(), grid.zero.item()) == (0.5, 1.0)
    assert grids.fake(x, grid).tolist() == [[-0.5, 0.0, 0.5, 1.0]]


def test_a_symmetric_grid_has_zero_in_the_middle_and_one_level_more_above() -> None:
    x = torch.tensor([[-6.0, 1.0, 2.0, 6.0]])
    assert grids.codes(x / 2, grids.fit(x / 2, 3, symmetric=True)).tolist() == [[0, 3, 4, 6]]
    clipped = grids.fit(x, 3, clip=0.5, symmetric=True)
    assert (clipped.scale.item(), clipped.zero.item()) == (1.0, 3.0)
    assert grids.fake(x, clipped).tolist() == [[-3.0, 1.0, 2.0, 4.0]]


def test_a_row_of_one_sign_keeps_all_its_levels() -> None:
    x = torch.tensor([[10.0, 11.0, 12.0, 13.0]])
    grid = grids.fit(x, 2)
    assert grid.zero.item() == -10
    assert grids.codes(x, grid).tolist() == [[0, 1, 2, 3]]
    assert torch.equal(grids.fake(x, grid), x)


def test_constant_and_zero_rows_are_finite() -> None:
    x = torch.tensor([[5.0, 5.0], [0.0, 0.0], [-3.0, -3.0]], dtype=torch.float64)
    grid = grids.fit(x, 4)
    # the scale's floor and the zero's ends: 5 is (15 + 10^4) 10^-5, -3 is (0 - 10^4) 10^-5
    assert grid.scale[:, 0].tolist() == [1e-5] * 3
    assert grid.zero[:, 0].tolist() == [-1e4, 0, 1e4]
    found = grids.fake(x, grid)[:, 0].tolist()
    assert found == pytest.approx([0.10015, 0.0, -0.1], rel=1e-12)
    symmetric = grids.fake(x, grids.fit(x, 4, symmetric=True))
    assert symmetric[:, 0].tolist() == pytest.approx([5, 0, -3])


@settings(max_examples=60, deadline=None)
@given(rows(), BITS, st.sampled_from([1.0, 0.9, 0.8]), st.booleans())
def test_codes_and_values_are_those_of_numpy(x: Tensor, bits: int, clip: float, symmetric: bool) -> None:
    grid = grids.fit(x, bits, clip, symmetric)
    code = grids.codes(x, grid)
    for row, got, value in zip(x.numpy(), code.tolist(), grids.fake(x, grid).tolist(), strict=True):
        assert (got, value) == by_numpy(row, bits, clip, symmetric)
    assert torch.equal(grids.values(code, grid), grids.fake(x, grid))


def test_it_is_torchs_fake_quantization() -> None:
    x = torch.randn(20, 64, generator=torch.Generator().manual_seed(0))
    grid = grids.fit(x, 4, 0.9)
    zero = grid.zero[:, 0].to(torch.int32)
    expected = torch.fake_quantize_per_channel_affine(x, grid.scale[:, 0], zero, 0, 0, 15)
    assert torch.allclose(grids.fake(x, grid), expected, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(rows(width=8), BITS, st.sampled_from([1.0, 0.8]), st.booleans(), st.sampled_from([None, 4, 8]))
def test_what_rounding_keeps(x: Tensor, bits: int, clip: float, symmetric: bool, group: int | None) -> None:
    grid = grids.fit(x, bits, clip, symmetric, group)
    once = grids.fake(x, grid)
    assert torch.equal(grids.fake(once, grid), once)
    assert all(len(row.unique()) <= 2**bits * (8 // (group or 8)) for row in once)
    scale, zero = grid.columns(8)
    lowest, highest = (0 - zero) * scale, (2**bits - 1 - zero) * scale
    error, slack = (once - x).abs(), 1 + 1e-9
    reached = (x >= lowest) & (x <= highest)
    assert (error <= scale / 2 * slack)[reached].all()
    # between the clipped ends of the row the zero's rounding may cost another half
    ends = x.view(len(x), -1, group or 8)
    lo, hi = (t.expand_as(ends).reshape(x.shape) * clip for t in (ends.amin(2, True), ends.amax(2, True)))
    inside = (x >= lo) & (x <= hi) & (zero.abs() < 1e4) & (scale > 1e-5)
    assert (error <= scale * slack)[inside].all()


def test_groups_are_rows_of_their_own() -> None:
    x = torch.randn(3, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    grid = grids.fit(x, 3, 0.9, group=4)
    assert grid.scale.shape == (3, 3, 1)
    alone = [grids.fake(part, grids.fit(part, 3, 0.9)) for part in x.split(4, 1)]
    assert torch.equal(grids.fake(x, grid), torch.cat(alone, 1))
    assert torch.equal(grids.values(grids.codes(x, grid), grid), torch.cat(alone, 1))
    with pytest.raises(ValueError, match="groups of 5 do not divide rows of 12"):
        grids.fit(x, 3, group=5)


def test_from_sixteen_bits_on_nothing_changes() -> None:
    x = torch.tensor([[0.1, -0.0, 1e-30, 3e38]], dtype=torch.bfloat16)
    for bits in (16, 32):
        assert grids.fake(x, grids.fit(x, bits, clip=0.8)) is x
    with pytest.raises(ValueError, match="no codes"):
        grids.codes(x, grids.fit(x, 16))
    with pytest.raises(ValueError, match="at least 2 bits"):
        grids.fit(x, 1)


def test_more_bits_err_less_and_a_clip_sets_a_floor() -> None:
    x = torch.randn(64, 256, generator=torch.Generator().manual_seed(2))
    error = {
        clip: [float((grids.fake(x, grids.fit(x, b, clip)) - x).square().mean()) for b in (2, 3, 4, 6, 8)]
        for clip in (1.0, 0.8)
    }
    assert error[1.0] == sorted(error[1.0], reverse=True)
    # a grid of s = range / 255 errs by s^2 / 12 on average
    spread = (x.amax(1) - x.amin(1)) / 255
    assert error[1.0][-1] == pytest.approx(float(spread.square().mean()) / 12, rel=0.05)
    assert error[0.8][-1] > 20 * error[1.0][-1]


def test_half_precision_keeps_its_dtype_and_rounds_once() -> None:
    x = torch.randn(4, 32, generator=torch.Generator().manual_seed(3)).bfloat16()
    got = grids.fake(x, grids.fit(x, 4))
    assert got.dtype == torch.bfloat16
    assert torch.equal(got, grids.fake(x.float(), grids.fit(x.float(), 4)).bfloat16())


def test_the_gradient_passes_inside_and_stops_at_the_ends() -> None:
    x = torch.tensor([[-1.0, 0.3, 0.5, 2.0]], requires_grad=True)
    grid = grids.fit(x.detach(), 2, clip=0.5)
    got = grids.fake(x, grid)
    assert torch.equal(got.detach(), grids.fake(x.detach(), grid))
    got.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0, 1, 1, 0]]


def test_learned_ends_get_a_gradient() -> None:
    """The topmost value follows the upper end one to one, through the scale and through the rounded zero."""
    hi = torch.tensor([[2.0]], requires_grad=True)
    grid = grids.between(torch.tensor([[-1.0]]), hi, 2)
    grids.fake(torch.tensor([[5.0]]), grid).sum().backward()
    # value = (3 - zero) s, zero = 1 / s: 3 s - 1 with s = (hi + 1) / 3
    assert hi.grad is not None
    assert hi.grad.item() == pytest.approx(1.0)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_clip_search_finds_the_least_error(symmetric: bool) -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((3, 12)) * np.where(np.arange(12) == 5, 6, 1)
    ratios = [1 - i / 100 for i in range(80)]
    best = []
    for row in x.reshape(6, 6):
        errors = [np.sum(np.abs(by_numpy(row, 3, r, symmetric)[1] - row) ** 2.4) for r in ratios]
        best.append(ratios[int(np.argmin(errors))])
    found = grids.mse_clip(torch.from_numpy(x), 3, symmetric, group=6)
    assert found.flatten().tolist() == best
    assert len(set(best)) > 1
    fitted = grids.fit(torch.from_numpy(x), 3, found, symmetric, group=6)
    assert fitted.scale.shape == found.shape == (3, 2, 1)
