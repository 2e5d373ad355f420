"""The greedy rotation against a literal search, step by step over every entry; what a rotation keeps."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from methods.quantization import rotation
from methods.quantization.rotation import Peak

Quirk = Literal["row"] | None
RULES: list[tuple[Quirk, Peak]] = [(None, "abs"), (None, "range"), ("row", "range"), ("row", "abs")]


def activations(seed: int, rows: int = 300, size: int = 8, kind: str = "massive") -> Tensor:
    """Rows of blocks in float64: normal numbers, with a loud channel or a few loud entries."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, size))
    if kind == "loud":
        x[:, 2] *= 20
    if kind == "massive":
        x[rng.choice(rows, 3, replace=False), rng.choice(size, 3, replace=False)] += (300, -200, 100)
    return torch.from_numpy(x)


def starts(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.stack([rotation.start(size, np.random.default_rng([seed, i])) for i in range(count)])


def literal(
    x: Tensor, start: Tensor, steps: int, quirk: Quirk, peak: Peak
) -> tuple[Tensor, list[float], int, list[int]]:
    """(R, peaks, n, places): the released loop, with dense swaps, and the rules as arguments."""
    size, y = x.shape[1], x.clone()
    peaks: list[float] = []
    places: list[int] = []
    for _ in range(steps + 1):
        high, low = int(y.argmax()), int(y.argmin())
        top, bottom = float(y.flatten()[high]), float(y.flatten()[low])
        peaks.append(max(abs(top), abs(bottom)) if peak == "abs" else top - bottom)
        row, column = divmod(high if abs(top) > abs(bottom) else low, size)
        places.append(row % size if quirk == "row" else column)
        y = y @ swapped(start, places[-1])
    chosen = int(np.argmin(peaks))
    product = torch.eye(size, dtype=x.dtype)
    for place in places[:chosen]:
        product = product @ swapped(start, place)
    return product, peaks, chosen, places


def swapped(start: Tensor, place: int) -> Tensor:
    """E S E with E the exchange of 0 and `place`."""
    exchange = torch.eye(len(start), dtype=start.dtype)
    exchange[[0, place]] = exchange[[place, 0]]
    return exchange @ start @ exchange


@pytest.mark.parametrize("size", [1, 2, 4, 16, 32])
def test_the_base_is_the_chain_of_rotations_between_neighbours(size: int) -> None:
    chain = np.eye(size)
    for i in range(size - 1):
        cos, sin = 1 / np.sqrt(i + 2), np.sqrt(i + 1) / np.sqrt(i + 2)
        turn = np.eye(size)
        turn[i : i + 2, i : i + 2] = [[cos, -sin], [sin, cos]]
        chain = turn @ chain
    exchange = np.eye(size)
    exchange[[0, size - 1]] = exchange[[size - 1, 0]]
    found = rotation.base(size).numpy()
    assert np.allclose(found, exchange @ chain @ exchange, atol=1e-14)
    assert np.allclose(found[0], size**-0.5)
    assert np.linalg.det(found) == pytest.approx(1)


def test_a_start_mixes_all_but_the_first_column_of_the_base() -> None:
    base, one, other = rotation.base(16), *starts(2, 16)
    assert torch.allclose(one[:, 0], base[:, 0], atol=1e-15)
    assert torch.allclose(one.T @ one, torch.eye(16, dtype=torch.float64), atol=1e-12)
    mixing = base.T @ one  # diag(1, Q')
    assert torch.allclose(mixing[0], torch.eye(16, dtype=torch.float64)[0], atol=1e-14)
    assert not torch.allclose(one, other)
    assert torch.equal(starts(2, 16)[1], other)
    assert rotation.start(1, np.random.default_rng(0)).tolist() == [[1.0]]


@pytest.mark.parametrize(("quirk", "peak"), RULES)
@pytest.mark.parametrize("kind", ["plain", "loud", "massive"])
def test_the_search_is_the_literal_one(kind: str, quirk: Quirk, peak: Peak) -> None:
    for seed in range(3):
        x, begin = activations(seed, kind=kind), starts(1, 8, seed)[0]
        found = rotation.greedy(x[None], begin[None], 40, quirk=quirk, peak=peak)
        matrix, peaks, chosen, places = literal(x, begin, 40, quirk, peak)
        assert found.peaks[0].tolist() == pytest.approx(peaks, rel=1e-10)
        assert found.steps.tolist() == [chosen]
        assert torch.allclose(found.matrix[0], matrix, atol=1e-10)
        if quirk is None or kind == "plain":  # the row rule stays with the row of a lone giant
            assert len(set(places)) > 3  # a search that stays at one place would prove little


def test_the_row_rule_is_not_the_channel_rule() -> None:
    x, begin = activations(1), starts(1, 8)
    by_row = rotation.greedy(x[None], begin, 40, quirk="row").peaks
    assert not torch.allclose(by_row, rotation.greedy(x[None], begin, 40).peaks)


def test_of_equal_rows_the_first_names_the_row() -> None:
    """Rows that are the same, as the first token of every window is: all of them hold the peak."""
    x = activations(2, rows=200, kind="plain") / 10
    x[[150, 13, 77]] = torch.tensor([9.0, 1, -3, 2, 0, 0, 4, 1], dtype=torch.float64)
    begin = starts(1, 8)[0]
    found = rotation.greedy(x[None], begin[None], 1, quirk="row")
    first = swapped(begin, 13 % 8)
    assert float(found.peaks[0, 1]) == pytest.approx(float((x @ first).abs().max()))


@pytest.mark.parametrize("quirk", [None, "row"])
def test_problems_together_find_what_each_finds_alone(quirk: Quirk) -> None:
    kinds = ("massive", "plain", "loud", "massive")
    x = torch.stack([activations(i, kind=kind) for i, kind in enumerate(kinds)])
    begin = starts(4, 8)
    together = rotation.greedy(x, begin, 30, quirk=quirk)
    for i in range(4):
        alone = rotation.greedy(x[i : i + 1], begin[i : i + 1], 30, quirk=quirk)
        assert torch.allclose(together.peaks[i], alone.peaks[0], rtol=1e-10)
        assert together.steps[i] == alone.steps[0]
        assert torch.allclose(together.matrix[i], alone.matrix[0], atol=1e-10)


def test_rows_of_zeros_at_the_end_change_nothing() -> None:
    x, begin = activations(3)[None], starts(1, 8)
    filled = torch.cat([x, torch.zeros(1, 90, 8, dtype=x.dtype)], 1)
    for quirk, peak in RULES:
        one = rotation.greedy(x, begin, 20, quirk=quirk, peak=peak)
        other = rotation.greedy(filled, begin, 20, quirk=quirk, peak=peak)
        assert torch.allclose(one.peaks, other.peaks, rtol=1e-12)
        assert torch.allclose(one.matrix, other.matrix, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 8, 16]),
    st.sampled_from(["plain", "massive"]),
    st.sampled_from(RULES),
    st.sampled_from([(torch.float32, 1e-6), (torch.float64, 1e-12)]),
)
def test_rotations_are_orthogonal_and_never_raise_the_peak(
    seed: int, size: int, kind: str, rule: tuple[Quirk, Peak], precision: tuple[torch.dtype, float]
) -> None:
    quirk, peak = rule
    dtype, tolerance = precision
    x = activations(seed, rows=150, size=max(size, 3), kind=kind)[:, :size].to(dtype)
    found = rotation.greedy(x[None], starts(1, size, seed), 24, quirk=quirk, peak=peak)
    matrix = found.matrix[0]
    assert matrix.dtype == dtype
    eye = torch.eye(size, dtype=torch.float64)
    assert (matrix.double().T @ matrix.double() - eye).abs().max() < tolerance
    y = x @ matrix
    assert float(y.norm()) == pytest.approx(float(x.norm()), rel=10 * tolerance)
    before, after = ((t.abs().max() if peak == "abs" else t.max() - t.min()).item() for t in (x, y))
    assert found.peaks[0, 0] == before
    assert after <= before * (1 + tolerance)
    assert after == pytest.approx(float(found.peaks[0].min()), rel=10 * tolerance)
    # fewer steps are a beginning of more, so that more are never worse
    fewer = rotation.greedy(x[None], starts(1, size, seed), 10, quirk=quirk, peak=peak)
    assert torch.equal(fewer.peaks[0], found.peaks[0, :11])
    assert found.peaks.min() <= fewer.peaks.min()


def test_a_lone_spike_is_spread_evenly_by_the_first_step() -> None:
    x = torch.zeros(1, 5, 16, dtype=torch.float64)
    x[0, 3, 11] = -1400.0
    found = rotation.greedy(x, rotation.base(16)[None], 1)
    assert found.steps.tolist() == [1]
    spread = rotation.rotate(x, found.matrix[0])[0, 3]
    assert torch.allclose(spread.abs(), torch.full((16,), 350.0, dtype=torch.float64))


def test_where_no_step_helps_nothing_is_turned() -> None:
    x = torch.ones(1, 6, 8)  # as even as can be: every rotation gathers some of it
    x[0, ::2] *= -1
    found = rotation.greedy(x, starts(1, 8), 10)
    assert found.steps.tolist() == [0]
    assert torch.equal(found.matrix[0], torch.eye(8))
    assert torch.equal(rotation.greedy(x, starts(1, 8), 0).matrix[0], torch.eye(8))


def test_no_rotation_touches_its_input_and_the_same_start_gives_the_same() -> None:
    x, begin = activations(5)[None], starts(1, 8)
    kept = x.clone()
    one, other = rotation.greedy(x, begin, 20), rotation.greedy(x, begin, 20)
    assert torch.equal(x, kept)
    assert torch.equal(one.matrix, other.matrix)
    half = rotation.greedy(x.bfloat16(), begin, 20)
    assert torch.equal(half.matrix, rotation.greedy(x.bfloat16().float(), begin, 20).matrix)


def test_every_block_is_turned_by_the_same_matrix() -> None:
    x = torch.randn(2, 3, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix = rotation.start(4, np.random.default_rng(0))
    assert torch.allclose(rotation.rotate(x, matrix), x @ torch.block_diag(matrix, matrix, matrix))
    assert torch.equal(rotation.blocks(x, 4)[4], x[0, 1, 4:8])  # three blocks a row


def test_blocks_that_would_mix_tokens_are_refused() -> None:
    # 4 rows of 288 hold whole blocks of 128, but a block would span two rows
    with pytest.raises(ValueError, match="blocks of 128 do not divide 288 channels"):
        rotation.blocks(torch.ones(4, 288), 128)
    with pytest.raises(ValueError, match="must be"):
        rotation.greedy(torch.ones(4, 8), starts(1, 8))
    with pytest.raises(ValueError, match="finite"):
        rotation.greedy(torch.full((1, 4, 8), torch.nan), starts(1, 8))
    with pytest.raises(ValueError, match="at least one channel"):
        rotation.base(0)
