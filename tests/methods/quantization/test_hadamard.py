"""Hadamard transforms against scipy's matrices and the definition; what sizes are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import hadamard as by_scipy

from methods.quantization import hadamard

SIZES = [1, 2, 4, 32, 64, 128, 512]


@pytest.mark.parametrize("size", SIZES)
def test_the_matrix_is_scipys_and_its_own_inverse(size: int) -> None:
    found = hadamard.matrix(size).numpy()
    assert np.allclose(found, by_scipy(size) / np.sqrt(size), atol=1e-15)
    assert np.allclose(found @ found, np.eye(size), atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_the_transform_is_the_product_with_the_matrix(size: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 3 * size))
    expected = (x.reshape(-1, size) @ by_scipy(size) / np.sqrt(size)).reshape(x.shape)
    got = hadamard.transform(torch.from_numpy(x), size)
    assert np.allclose(got.numpy(), expected, atol=1e-12)
    assert np.allclose(hadamard.transform(got, size).numpy(), x, atol=1e-12)


def test_the_whole_axis_is_one_block_unless_said() -> None:
    x = torch.zeros(1, 8)
    x[0, 0] = 8**0.5
    assert torch.allclose(hadamard.transform(x), torch.ones(1, 8))
    assert torch.allclose(hadamard.transform(x, 2), torch.tensor([[2.0, 2.0, 0, 0, 0, 0, 0, 0]]))


def test_half_precision_is_rounded_once() -> None:
    x = torch.randn(5, 256, generator=torch.Generator().manual_seed(0)).bfloat16()
    got = hadamard.transform(x)
    assert got.dtype == torch.bfloat16
    assert torch.equal(got, hadamard.transform(x.float()).bfloat16())


@pytest.mark.parametrize(
    ("width", "expected"),
    [(288, 32), (576, 64), (768, 128), (896, 128), (11008, 128), (14336, 128), (1376, 32), (7, 1), (64, 64)],
)
def test_the_block_size_is_the_largest_power_of_two_that_divides(width: int, expected: int) -> None:
    assert hadamard.block_size(width) == expected


def test_sizes_without_a_matrix_are_refused() -> None:
    with pytest.raises(ValueError, match="size 48: sizes are powers of two; the largest .* is 16"):
        hadamard.transform(torch.ones(2, 48))
    with pytest.raises(ValueError, match="blocks of 32 do not divide 48 channels; 16 does"):
        hadamard.transform(torch.ones(2, 48), 32)
    for size in (0, -4, 12):
        with pytest.raises(ValueError, match="powers of two"):
            hadamard.matrix(size)
    with pytest.raises(ValueError, match="powers of two"):
        hadamard.block_size(576, cap=100)
    with pytest.raises(ValueError, match="at least 1"):
        hadamard.block_size(0)


def test_signs_come_from_the_seed_and_go_before_the_transform() -> None:
    sign = hadamard.signs(64, np.random.default_rng(5))
    assert torch.equal(sign, hadamard.signs(64, np.random.default_rng(5)))
    assert not torch.equal(sign, hadamard.signs(64, np.random.default_rng(6)))
    assert set(sign.tolist()) == {-1, 1}
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = x.numpy() @ np.diag(sign.numpy()) @ by_scipy(64) / 8
    got = hadamard.randomized(x, sign)
    assert np.allclose(got.numpy(), expected, atol=1e-12)
    assert torch.allclose(hadamard.restored(got, sign), x, atol=1e-12)


@pytest.mark.parametrize(("head", "block"), [(64, None), (128, None), (48, 16)])
def test_queries_and_keys_keep_their_products(head: int, block: int | None) -> None:
    random = torch.Generator().manual_seed(head)
    q, k = (torch.randn(2, 4, 7, head, generator=random, dtype=torch.float64) for _ in range(2))
    turned = hadamard.transform(q, block) @ hadamard.transform(k, block).transpose(-1, -2)
    assert torch.allclose(turned, q @ k.transpose(-1, -2), atol=1e-11)
