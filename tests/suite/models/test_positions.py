"""Positions of tokens in padded batches and behind a cache, by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from suite.errors import UsageError
from suite.models.positions import chosen, columns, matches, spread, take

CPU = torch.device("cpu")
LEFT = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
RIGHT = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
X = torch.arange(2 * 4 * 3).reshape(2, 4, 3).float()


def where(mask: Any, at: Any, past: int = 0, width: int = 4) -> list[list[list[int]]]:
    """Row and column of each token meant, one list for each position asked for."""
    here = columns(2, width, mask, past, CPU)
    return [match.nonzero().tolist() for match in matches(at, here)]


@pytest.mark.parametrize(
    ("mask", "at", "expected"),
    [
        (None, "last", [[[0, 3], [1, 3]]]),
        (LEFT, "last", [[[0, 3], [1, 3]]]),
        (RIGHT, "last", [[[0, 1], [1, 3]]]),
        (LEFT, 0, [[[0, 2], [1, 0]]]),
        (RIGHT, 0, [[[0, 0], [1, 0]]]),
        (LEFT, -2, [[[0, 2], [1, 2]]]),
        (RIGHT, -2, [[[0, 0], [1, 2]]]),
        (LEFT, 2, [[[1, 2]]]),
        (LEFT, -3, [[[1, 1]]]),
        (LEFT, "all", [[[0, 2], [0, 3], [1, 0], [1, 1], [1, 2], [1, 3]]]),
        (RIGHT, [1, 0], [[[0, 1], [1, 1]], [[0, 0], [1, 0]]]),
        (LEFT, torch.tensor([[True, False, True, False], [True] + [False] * 3]), [[[0, 2], [1, 0]]]),
    ],
)
def test_positions_count_real_tokens(mask: Any, at: Any, expected: Any) -> None:
    assert where(mask, at) == expected


def test_behind_a_cache_positions_count_from_the_start_of_the_sequence() -> None:
    assert where(LEFT, "last", past=3, width=1) == [[[0, 0], [1, 0]]]
    assert where(LEFT, 1, past=3, width=1) == [[[0, 0]]]
    assert where(LEFT, 3, past=3, width=1) == [[[1, 0]]]
    assert where(LEFT, 0, past=3, width=1) == [[]]
    assert where(None, 4, past=4, width=2) == [[[0, 0], [1, 0]]]


def test_a_mask_of_positions_lies_over_the_whole_sequence() -> None:
    at = torch.tensor([[False, False, True, False], [False] * 3 + [True]])
    assert where(LEFT, at, past=2, width=2) == [[[0, 0], [1, 1]]]
    assert where(None, at, past=4, width=2) == [[]]


def test_what_is_taken_has_the_shape_of_what_was_asked() -> None:
    here = columns(2, 4, LEFT, 0, CPU)
    assert take(X, "all", here) is X
    torch.testing.assert_close(take(X, "last", here), X[:, 3])
    torch.testing.assert_close(take(X, 0, here), torch.stack([X[0, 2], X[1, 0]]))
    torch.testing.assert_close(take(X, [0, -1], here), torch.stack([X[[0, 1], [2, 0]], X[:, 3]], 1))
    mask = torch.tensor([[True] * 4, [False, True, False, False]])
    torch.testing.assert_close(take(X, mask, here), torch.stack([X[0, 2], X[0, 3], X[1, 1]]))
    assert take(X, 9, here) is None


@pytest.mark.parametrize(
    "at", ["last", 0, -2, [0, -1], [1], torch.tensor([[True] * 4, [False] * 3 + [True]])]
)
def test_putting_back_what_was_taken_changes_nothing_and_putting_another_changes_only_that(at: Any) -> None:
    here = columns(2, 4, LEFT, 0, CPU)
    found = matches(at, here)
    taken = take(X, at, here)
    assert taken is not None
    assert torch.equal(chosen(X, spread(taken, X, at, found, 1), found), X)
    moved = chosen(X, spread(taken + 100, X, at, found, 1), found)
    torch.testing.assert_close(take(moved, at, here), taken + 100)
    touched = (moved != X).any(-1)
    assert torch.equal(touched, torch.stack(found).any(0))


def test_one_activation_serves_every_position() -> None:
    here = columns(2, 4, LEFT, 0, CPU)
    found = matches([0, 1], here)
    out = chosen(X, spread(torch.tensor([1.0, 2.0, 3.0]), X, [0, 1], found, 1), found)
    assert out[0, 2].tolist() == out[1, 1].tolist() == [1.0, 2.0, 3.0]
    assert torch.equal(out[0, :2], X[0, :2])


@pytest.mark.parametrize(
    "at", ["first", True, [], ["last"], 1.5, torch.tensor([1, 2]), torch.ones(3, 4).bool()]
)
def test_what_is_no_position_is_refused(at: Any) -> None:
    with pytest.raises(UsageError, match="positions"):
        matches(at, columns(2, 4, LEFT, 0, CPU))


def test_a_position_that_some_rows_lack_cannot_be_read() -> None:
    with pytest.raises(UsageError, match=r"position 2 is not among the tokens .* row 0"):
        take(X, 2, columns(2, 4, LEFT, 0, CPU))


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (torch.zeros(4), "last"),
        (torch.zeros(3, 3), "last"),
        (torch.zeros(2, 3, 3), [0, 1]),
        (torch.zeros(5, 3), torch.ones(2, 4).bool()),
    ],
)
def test_a_value_of_another_shape_is_refused(value: torch.Tensor, at: Any) -> None:
    here = columns(2, 4, None, 0, CPU)
    with pytest.raises(UsageError, match="value"):
        spread(value, X, at, matches(at, here), 1)


def test_a_padding_mask_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="attention mask"):
        columns(3, 4, LEFT, 0, CPU)
