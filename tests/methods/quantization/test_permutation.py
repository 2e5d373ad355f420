"""Permutations: dealt by hand and by a literal dealer; the bounds of the zigzag under fuzzing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from methods.quantization import permutation


@st.composite
def scores(draw: st.DrawFn, even: bool = False) -> tuple[Tensor, int]:
    """Channel scores, with ties now and then, and a block size that divides them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, size = draw(st.integers(1, 7)), draw(st.integers(1, 6)) * (2 if even else 1)
    found = np.exp(draw(st.sampled_from([0.1, 1.0, 3.0])) * rng.standard_normal(count * size))
    if draw(st.booleans()):
        found = np.ceil(found)
    return torch.from_numpy(found), size


def dealt(values: list[float], size: int) -> list[int]:
    """The zigzag as a dealer does it: to the last block, which gets two in a row, and back."""
    order = sorted(range(len(values)), key=lambda i: -values[i])
    hands: list[list[int]] = [[] for _ in range(len(values) // size)]
    at, step = 0, 1
    for card in order:
        hands[at].append(card)
        if not 0 <= at + step < len(hands):
            step = -step
        else:
            at += step
    return [card for hand in hands for card in hand]


def test_three_hands_of_four() -> None:
    # scores 12, 11, .. 1 of channels 0, 1, .. 11: rounds 0 1 2 | 5 4 3 | 6 7 8 | 11 10 9
    found = permutation.zigzag(torch.arange(12, 0, -1), 4)
    assert found.tolist() == [0, 5, 6, 11, 1, 4, 7, 10, 2, 3, 8, 9]


@settings(max_examples=60, deadline=None)
@given(scores())
def test_the_zigzag_is_the_dealers(case: tuple[Tensor, int]) -> None:
    values, size = case
    found = permutation.zigzag(values, size)
    assert found.tolist() == dealt(values.tolist(), size)
    assert all((block.diff() <= 0).all() for block in values[found].view(-1, size))


@settings(max_examples=150, deadline=None)
@given(scores(even=True))
def test_the_zigzag_keeps_both_bounds(case: tuple[Tensor, int]) -> None:
    values, size = case
    means = permutation.block_means(values, permutation.zigzag(values, size), size)
    bounds = permutation.bounds(values, size)
    slack = 1e-12 * float(values.max())
    assert float(means.max() - means.min()) <= bounds.spread + slack
    assert float(means.var(correction=0)) <= bounds.variance + slack**2


def test_the_variance_bound_is_nearly_reached() -> None:
    """Steps that all fall after a block is dealt leave the blocks as far apart as the bound says."""
    # K = 2, B = 2, scores 1 0 0 0: blocks (1, 0) and (0, 0), variance 1/16 and bound 3/48
    values = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64)
    means = permutation.block_means(values, permutation.zigzag(values, 2), 2)
    assert float(means.var(correction=0)) == permutation.bounds(values, 2).variance == 1 / 16
    assert float(means.max() - means.min()) == permutation.bounds(values, 2).spread == 0.5


def test_one_block_is_sorted_and_equal_channels_keep_their_order() -> None:
    values = torch.tensor([1.0, 3.0, 1.0, 2.0, 3.0])
    assert permutation.zigzag(values, 5).tolist() == [1, 4, 3, 0, 2]
    assert permutation.absmax(values).tolist() == [1, 4, 3, 0, 2]


def by_tokens(x: np.ndarray, size: int) -> list[int]:
    """MassDiff on the activations themselves: every block's mean L1 norm, were the channel to join it."""
    count = x.shape[1] // size
    order = sorted(range(x.shape[1]), key=lambda j: -np.abs(x[:, j]).mean())
    members = [[j] for j in order[:count]]
    for j in order[count:]:
        norms = [
            np.abs(x[:, [*block, j]]).sum(1).mean() if len(block) < size else np.inf for block in members
        ]
        members[int(np.argmin(norms))].append(j)
    return [j for block in members for j in block]


@pytest.mark.parametrize(("width", "size"), [(12, 3), (20, 5), (6, 6), (5, 1)])
def test_massdiff_is_that_of_the_tokens(width: int, size: int) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((9, width)) * np.exp(rng.standard_normal(width))
        found = permutation.massdiff(torch.from_numpy(np.abs(x).mean(0)), size)
        assert found.tolist() == by_tokens(x, size)


def test_massdiff_balances_mass_and_absmax_gathers_it() -> None:
    rng = np.random.default_rng(3)
    mass = torch.from_numpy(np.exp(0.3 * rng.standard_normal(64)))
    spread = {
        name: float(permutation.block_means(mass, perm, 8).var())
        for name, perm in {
            "massdiff": permutation.massdiff(mass, 8),
            "shuffled": permutation.shuffled(64, rng),
            "absmax": permutation.absmax(mass),
        }.items()
    }
    assert spread["massdiff"] < 0.1 * spread["shuffled"] < 0.1 * spread["absmax"]


@settings(max_examples=40, deadline=None)
@given(scores(), st.sampled_from(["zigzag", "massdiff", "absmax", "shuffled"]))
def test_every_order_is_a_permutation_that_can_be_undone(case: tuple[Tensor, int], name: str) -> None:
    values, size = case
    perm = {
        "zigzag": lambda: permutation.zigzag(values, size),
        "massdiff": lambda: permutation.massdiff(values, size),
        "absmax": lambda: permutation.absmax(values),
        "shuffled": lambda: permutation.shuffled(len(values), np.random.default_rng(size)),
    }[name]()
    assert sorted(perm.tolist()) == list(range(len(values)))
    x = torch.randn(3, len(values), generator=torch.Generator().manual_seed(0))
    assert torch.equal(x[:, perm][:, permutation.inverse(perm)], x)
    assert torch.equal(x[:, permutation.inverse(perm)][:, perm], x)
    assert sorted(values[perm].tolist()) == sorted(values.tolist())


def test_shuffles_come_from_their_generator() -> None:
    one, same, other = (permutation.shuffled(50, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_what_cannot_be_shared_out_is_refused() -> None:
    values = torch.arange(12.0)
    for share in (permutation.zigzag, permutation.massdiff, permutation.bounds):
        with pytest.raises(ValueError, match="blocks of 8 do not divide 12 channels"):
            share(values, 8)
        with pytest.raises(ValueError, match="one score a channel"):
            share(values.view(3, 4), 2)
    with pytest.raises(ValueError, match="even block sizes"):
        permutation.bounds(values, 3)
