"""Each transform is the matrix it says, on activations and weights; its costs, and how it is rebuilt."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from methods.quantization import hadamard
from methods.quantization.transforms import (
    KINDS,
    Dense,
    Gather,
    Hadamard,
    Kronecker,
    Rotate,
    Scale,
    Transform,
    on_hessian,
    on_weight,
    rebuilt,
)

WIDTH = 12


def transforms(seed: int = 0) -> dict[str, Transform]:
    """One of every kind over WIDTH channels, in float64."""
    rng = np.random.default_rng(seed)

    def gaussian(*shape: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal(shape))

    return {
        "scale": Scale(gaussian(WIDTH).abs() + 0.1),
        "gather": Gather(torch.from_numpy(rng.permutation(WIDTH))),
        "rotate": Rotate(torch.linalg.qr(gaussian(4, 4)).Q),
        "hadamard": Hadamard(4),
        "signs": Hadamard(4, hadamard.signs(WIDTH, rng)),
        "kronecker": Kronecker(gaussian(3, 3), gaussian(4, 4)),
        "dense": Dense(gaussian(WIDTH, WIDTH)),
    }


def matrix(name: str, transform: Transform) -> Tensor:
    """A (d, d), written out from the definition and not by applying the transform."""
    if isinstance(transform, Scale):
        return torch.diag(1 / transform.factors)
    if isinstance(transform, Gather):
        found = torch.zeros(WIDTH, WIDTH, dtype=torch.float64)
        for new, old in enumerate(transform.order.tolist()):
            found[old, new] = 1
        return found
    if isinstance(transform, Rotate):
        return torch.block_diag(*[transform.matrix] * (WIDTH // len(transform.matrix)))
    if isinstance(transform, Hadamard):
        two = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64) / 2**0.5
        blocks = torch.block_diag(*[torch.kron(two, two)] * (WIDTH // 4))
        return blocks if transform.sign is None else torch.diag(transform.sign.double()) @ blocks
    if isinstance(transform, Kronecker):
        return torch.kron(transform.left, transform.right)
    assert isinstance(transform, Dense)
    return transform.matrix


@pytest.mark.parametrize("name", transforms())
def test_a_transform_is_its_matrix_on_activations_and_the_inverse_transposed_on_weights(name: str) -> None:
    transform = transforms()[name]
    a = matrix(name, transform)
    x, w = torch.randn(2, 3, WIDTH, dtype=torch.float64), torch.randn(5, WIDTH, dtype=torch.float64)
    assert torch.allclose(transform(x), x @ a, atol=1e-12)
    assert torch.allclose(transform.weight(w), w @ torch.linalg.inv(a).T, atol=1e-10)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(sorted(transforms())), max_size=4), st.integers(0, 99))
def test_a_chain_changes_no_output(names: list[str], seed: int) -> None:
    chain = [transforms(seed + i)[name] for i, name in enumerate(names)]
    x, w = torch.randn(7, WIDTH, dtype=torch.float64), torch.randn(5, WIDTH, dtype=torch.float64)
    y = x
    for transform in chain:
        y = transform(y)
    expected = x @ w.T
    size = float(y.norm() * on_weight(chain, w).norm()) + 1
    assert float((y @ on_weight(chain, w).T - expected).abs().max()) < 1e-11 * size


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(sorted(transforms())), max_size=3), st.integers(0, 99))
def test_the_hessian_behind_a_chain_is_that_of_the_transformed_activation(
    names: list[str], seed: int
) -> None:
    chain = [transforms(seed + i)[name] for i, name in enumerate(names)]
    x = torch.randn(7, WIDTH, dtype=torch.float64)
    y = x
    for transform in chain:
        y = transform(y)
    expected = y.T @ y
    assert torch.allclose(on_hessian(chain, x.T @ x), expected, atol=1e-11 * float(expected.abs().max() + 1))


def test_a_rotation_rounded_to_float32_still_cancels_in_float64() -> None:
    rotate = Rotate(transforms()["rotate"].matrix.float())
    x, w = torch.randn(7, WIDTH, dtype=torch.float64), torch.randn(5, WIDTH, dtype=torch.float64)
    assert torch.allclose(rotate(x) @ on_weight([rotate], w).T, x @ w.T, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", transforms())
def test_results_have_the_type_of_what_came_in(name: str, dtype: torch.dtype) -> None:
    transform = transforms()[name]
    assert transform(torch.randn(3, WIDTH).to(dtype)).dtype == dtype
    assert on_weight([transform], torch.randn(3, WIDTH).to(dtype)).dtype == dtype


def test_operations_a_token() -> None:
    found = {name: transform.flops(WIDTH) for name, transform in transforms().items()}
    assert found == {
        "scale": 12,
        "gather": 0,
        "rotate": 2 * 12 * 4,
        "hadamard": 12 * 2,
        "signs": 12 * 2 + 12,
        "kronecker": 2 * 12 * (3 + 4),
        "dense": 2 * 12 * 12,
    }


@pytest.mark.parametrize("name", transforms())
def test_kind_options_and_tensors_rebuild_a_transform(name: str) -> None:
    transform = transforms()[name]
    again = rebuilt(transform.kind, transform.options(), transform.state_dict())
    x = torch.randn(3, WIDTH)
    assert type(again) is type(transform) and torch.equal(again(x), transform(x))


def test_every_kind_is_tried_here_and_another_one_is_refused() -> None:
    assert {t.kind for t in transforms().values()} <= set(KINDS)
    with pytest.raises(ValueError, match="transform 'shear' is none of scale"):
        rebuilt("shear", {}, {})
