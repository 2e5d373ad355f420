"""Shifts made by code: each against a slow literal loop, and the same pictures on every machine."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.errors import UsageError
from tasks.vit_editing import shifts
from tasks.vit_editing.shifts import CHUNK, SHIFTS, draws, kuwahara, posterised, shifted

FIXED = {
    "oil": "87d1881a372d51e837d55bb3639087492930cfe3604d13d61ee60ec47e044359",
    "light": "11e15511fa66b8120a6785641f1934d356d3a3c020045ac3f54b5febed3f1c49",
    "rotation": "89d107feb59b06f61f53f8a041305cdff9febdaafa3f105258c3e113c7e4a541",
    "thick": "88fdc90b9f5ceae835602be5043235bbc032780e0ccc3755b95c117b85a54689",
}
"""SHA-256 of each shift of `generated(3, 16, 20)` with seed 0."""


def generated(n: int, height: int, width: int) -> np.ndarray:
    """Pictures by arithmetic alone: gradients with a few edges, no generator of random numbers."""
    k, y, x, c = np.indices((n, height, width, 3))
    values = 37 * k + 9 * y + 5 * x + 61 * c + 90 * ((x + y + k) % 5 == 0) + (x * y * (c + 1)) % 23
    pictures: np.ndarray = (values % 256).astype(np.uint8)
    return pictures


def slow_kuwahara(picture: np.ndarray, radius: int) -> np.ndarray:
    """Pixel by pixel, square by square, with exact fractions of whole numbers."""
    height, width, _ = picture.shape
    out = np.empty_like(picture)
    for y in range(height):
        for x in range(width):
            best, colour = None, None
            for up, left in ((1, 1), (1, 0), (0, 1), (0, 0)):
                cells = [
                    [int(v) for v in picture[min(max(y + i, 0), height - 1), min(max(x + j, 0), width - 1)]]
                    for i in (range(-radius, 1) if up else range(radius + 1))
                    for j in (range(-radius, 1) if left else range(radius + 1))
                ]
                grey = [77 * r + 150 * g + 29 * b for r, g, b in cells]
                spread = len(grey) * sum(v * v for v in grey) - sum(grey) ** 2
                if best is None or spread < best:
                    best, colour = (
                        spread,
                        [math.floor(sum(v) / len(cells) + 0.5) for v in zip(*cells, strict=True)],
                    )
            out[y, x] = colour
    return out


@pytest.mark.parametrize("radius", [1, 2])
def test_kuwahara_is_that_of_a_literal_loop(radius: int) -> None:
    pictures = np.concatenate([generated(1, 8, 9), np.random.default_rng(0).integers(0, 256, (1, 8, 9, 3))])
    pictures = pictures.astype(np.uint8)
    found = kuwahara(pictures, radius)
    for picture, filtered in zip(pictures, found, strict=True):
        assert np.array_equal(filtered, slow_kuwahara(picture, radius))


def test_kuwahara_leaves_an_edge_between_two_flats_where_it_is() -> None:
    picture = np.full((1, 9, 9, 3), 40, np.uint8)
    picture[:, :, 5:] = 200
    assert np.array_equal(kuwahara(picture, 2), picture)


def test_posterised_has_its_levels_with_both_ends() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    assert np.unique(posterised(ramp, 6)).tolist() == [0, 51, 102, 153, 204, 255]
    assert np.unique(posterised(ramp, 2)).tolist() == [0, 255]


def test_light_is_that_of_a_literal_loop() -> None:
    pictures = generated(2, 12, 10)
    drawn = draws("light", pictures, 3)
    found = shifted("light", pictures, 3)
    for k in range(2):
        d = [int(v) for v in drawn[k]]
        cy, cx = 12 // 4 + d[0] * 6 // 256, 10 // 4 + d[1] * 5 // 256
        radius = (30 + d[2] % 26) * 10 / 100
        colour = shifts.COLOURS[d[3] % len(shifts.COLOURS)]
        for y in range(12):
            for x in range(10):
                away = ((y - cy) ** 2 + (x - cx) ** 2) / radius**2
                lit = min(256, max(0, 256 - math.floor(round(256 * away, 9))))
                for c in range(3):
                    share = lit * colour[c] / 65536
                    value = int(pictures[k, y, x, c]) * (shifts.DARK + (shifts.BRIGHT - shifts.DARK) * share)
                    expected = min(255, math.floor(value / 256) + math.floor(shifts.GLOW * share))
                    assert found[k, y, x, c] == expected


def test_far_from_the_spotlight_all_is_dark() -> None:
    white = np.full((1, 40, 40, 3), 255, np.uint8)
    found = shifted("light", white)
    corners = found[0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 255 * shifts.DARK // 256).any()
    assert found.max() == 255


def test_a_turn_by_a_right_angle_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shifts, "DEGREES", (90, 90))
    pictures = generated(4, 10, 10)
    drawn = draws("rotation", pictures, 0)
    for picture, turned, draw in zip(pictures, shifts.rotation(pictures, drawn), drawn, strict=True):
        assert np.array_equal(turned, np.rot90(picture, 1 if draw[1] % 2 else -1))


def test_a_turn_is_between_the_neighbours_in_floating_point() -> None:
    pictures = generated(1, 9, 12)
    drawn = draws("rotation", pictures, 5)
    degrees = 25 + int(drawn[0, 0]) % 36
    angle = math.radians(degrees if drawn[0, 1] % 2 else -degrees)
    found = shifted("rotation", pictures, 5)[0].astype(float)
    for y in range(9):
        for x in range(12):
            down, right = y - 4, x - 5.5
            sy = min(max(4 + math.cos(angle) * down + math.sin(angle) * right, 0), 8)
            sx = min(max(5.5 + math.cos(angle) * right - math.sin(angle) * down, 0), 11)
            top, left = int(sy), int(sx)
            far, low = sx - left, sy - top
            p = pictures[0].astype(float)
            rows = [p[i, left] * (1 - far) + p[i, min(left + 1, 11)] * far for i in (top, min(top + 1, 8))]
            assert np.abs(found[y, x] - (rows[0] * (1 - low) + rows[1] * low)).max() < 0.6


def test_a_stroke_grows_by_its_radius_to_a_square_or_a_cross() -> None:
    pictures = np.zeros((8, 16, 16, 3), np.uint8)
    pictures[:, 7, 9] = 200
    pictures[:, 0, 0] = np.arange(8)[:, None]  # other contents, other draws
    found = shifted("thick", pictures)
    shapes = {(one[4:11, 6:13, 0] == 200).astype(int).tobytes() for one in found}
    square, cross = np.zeros((2, 7, 7), int)
    square[2:5, 2:5] = 1
    cross[3, 2:5] = cross[2:5, 3] = 1
    assert shapes == {square.tobytes(), cross.tobytes()}


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(sorted(SHIFTS)), st.integers(1, 5), st.integers(3, 20), st.integers(3, 20), st.data())
def test_a_picture_is_shifted_by_itself(
    name: str, n: int, height: int, width: int, data: st.DataObject
) -> None:
    seed = data.draw(st.integers(0, 3))
    pictures = np.random.default_rng(n).integers(0, 256, (n, height, width, 3), dtype=np.uint8)
    kept = pictures.copy()
    found = shifted(name, pictures, seed)
    assert found.shape == pictures.shape and found.dtype == np.uint8
    assert np.array_equal(pictures, kept)
    order = data.draw(st.permutations(range(n)))
    assert np.array_equal(shifted(name, pictures[order], seed), found[order])
    assert np.array_equal(shifted(name, pictures[:1], seed)[0], found[0])


def test_chunks_change_nothing() -> None:
    pictures = generated(CHUNK + 2, 4, 4)
    found = shifted("oil", pictures)
    assert np.array_equal(found[CHUNK:], shifted("oil", pictures[CHUNK:]))


@pytest.mark.parametrize("name", ["oil", "light", "rotation"])
def test_another_seed_is_another_picture(name: str) -> None:
    pictures = generated(2, 16, 16)
    assert not np.array_equal(shifted(name, pictures, 0), shifted(name, pictures, 1))


@pytest.mark.parametrize("name", sorted(SHIFTS))
def test_the_pictures_are_the_same_on_every_machine(name: str) -> None:
    assert hashlib.sha256(shifted(name, generated(3, 16, 20)).tobytes()).hexdigest() == FIXED[name]


def test_no_pictures_stay_none_and_other_things_are_refused() -> None:
    assert shifted("oil", np.zeros((0, 4, 4, 3), np.uint8)).shape == (0, 4, 4, 3)
    with pytest.raises(UsageError, match="shift 'oils' not found; did you mean 'oil'"):
        shifted("oils", generated(1, 4, 4))
    with pytest.raises(UsageError, match="takes uint8"):
        shifted("oil", np.zeros((1, 4, 4, 3)))
