"""Rectangles and pieces of pseudo failures."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.vit_editing.cutmix import boxes, crops, mixtures, paste, sides
from tests.methods.vit_editing.mask_vits import pictures


def test_sides_are_the_papers_on_its_grid_and_the_same_share_of_others() -> None:
    assert [sides(grid) for grid in (14, 8, 7, 4, 3)] == [(3, 8), (2, 4), (2, 4), (1, 2), (1, 1)]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_rectangles_of_the_paper(seed: int) -> None:
    """Sides 3 to 8, so 9 to 64 of 196 patches, and never the last row or column of patches."""
    top, left, height, width = boxes(64, 14, torch.Generator().manual_seed(seed)).unbind(1)
    assert bool(((height >= 3) & (height <= 8) & (width >= 3) & (width <= 8)).all())
    area = height * width
    assert int(area.min()) >= 9 and int(area.max()) <= 64
    assert int(torch.minimum(top, left).min()) >= 0
    assert bool(((top + height <= 13) & (left + width <= 13)).all())


def test_every_side_and_corner_is_drawn() -> None:
    top, _, height, width = boxes(6000, 14, torch.Generator().manual_seed(0)).unbind(1)
    assert set(height.tolist()) == set(width.tolist()) == set(range(3, 9))
    assert {h: set(top[height == h].tolist()) for h in (3, 8)} == {3: set(range(11)), 8: set(range(6))}


def test_pixels_outside_the_rectangle_stay_and_those_inside_are_the_others() -> None:
    base, other = pictures(6, seed=1, size=32), pictures(6, seed=2, size=32)
    kept = base.clone()
    places = boxes(6, 8, torch.Generator().manual_seed(5))
    mixed = paste(base, other, places, 4)
    for i, (top, left, height, width) in enumerate(places.tolist()):
        inside = torch.zeros((32, 32), dtype=torch.bool)
        inside[4 * top : 4 * (top + height), 4 * left : 4 * (left + width)] = True
        assert torch.equal(mixed[i][inside], other[i][inside])
        assert torch.equal(mixed[i][~inside], base[i][~inside])
    assert torch.equal(base, kept)


def test_pieces_are_of_a_plain_picture_plain_and_stay_in_range() -> None:
    plain = torch.full((3, 20, 16, 3), 77, dtype=torch.uint8)
    found = crops(plain, 12, torch.Generator().manual_seed(0))
    assert found.shape == (3, 12, 12, 3) and torch.allclose(found, torch.tensor(77.0))
    noise = crops(pictures(4, size=20), 12, torch.Generator().manual_seed(0))
    assert float(noise.min()) >= 0 and float(noise.max()) <= 255


def test_a_piece_has_a_quarter_to_all_of_the_area() -> None:
    """Read off a picture whose values are its columns: a piece of w columns spans about w - 1 of them."""
    ramp = torch.arange(100).expand(1, 100, 100)[..., None].expand(-1, -1, -1, 3).to(torch.uint8)
    generator = torch.Generator().manual_seed(0)
    spans = [crops(ramp, 100, generator) for _ in range(40)]
    widths = [float(one.max() - one.min()) + 1 for one in spans]
    assert min(widths) >= (0.25 * 0.75) ** 0.5 * 100 - 3 and max(widths) <= 100
    assert max(widths) - min(widths) > 20


def test_mixtures_are_pairs_of_the_same_draw() -> None:
    base, mixed = mixtures(pictures(9, size=16), 4, 4, 16, torch.Generator().manual_seed(1))
    again = mixtures(pictures(9, size=16), 4, 4, 16, torch.Generator().manual_seed(1))
    assert torch.equal(base, again[0]) and torch.equal(mixed, again[1])
    changed = (base != mixed).any(-1).float().mean((1, 2))
    assert bool(((changed > 0) & (changed <= 4 / 16)).all())
    few = mixtures(pictures(3, size=16), 4, 4, 16, torch.Generator().manual_seed(1))
    assert few[0].shape == (4, 16, 16, 3)
