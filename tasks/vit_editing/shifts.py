"""Sub-populations made by code: pictures as if painted in oil, lit on a stage, turned, or drawn with a thick
stroke.

They stand in for the paper's AI-generated subsets (oil painting, stage light), which are photographs made by
models; these are filters, and say nothing about those. All arithmetic is of whole numbers, so that the same
pictures come out on every machine. What is random in a picture is drawn from SHA-256 of the shift's name, the
seed and the picture's own content: it depends neither on the other pictures nor on their order.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np

from suite.errors import UsageError, unknown

CHUNK = 256
"""Pictures at a time, for the memory."""

LEVELS = 6
"""Of each colour channel in an oil painting: how many values."""

COLOURS = ((256, 90, 90), (90, 256, 110), (100, 120, 256), (256, 220, 80), (256, 90, 240), (90, 240, 256))
"""Of the spotlight: red, green, blue, amber, magenta, cyan; each channel in 256ths."""

DARK = 36
"""What is left of the brightness far from the spotlight, in 256ths."""

BRIGHT = 300
"""Brightness in the middle of the spotlight, in 256ths of what it was, of a channel that the colour has
whole.
"""

GLOW = 40
"""What the spotlight adds to black in its middle."""

DEGREES = (25, 60)
"""Least and most turn, to either side."""

ONE = 1 << 14
"""Of fixed-point numbers in the rotation."""

Draws = np.ndarray
"""(n, 32) uint8: the digest of each picture, from which everything random in it is taken."""


def shifted(name: str, pictures: np.ndarray, seed: int = 0) -> np.ndarray:
    """Pictures (n, H, W, 3) uint8 under the shift of that name, again (n, H, W, 3) uint8."""
    if name not in SHIFTS:
        raise unknown("shift", name, SHIFTS, "tasks/vit_editing/shifts.py")
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
        raise UsageError(f"pictures of {pictures.dtype} {pictures.shape}: a shift takes uint8 (n, H, W, 3)")
    parts = [pictures[start : start + CHUNK] for start in range(0, len(pictures), CHUNK)]
    out = [SHIFTS[name](part, draws(name, part, seed)) for part in parts]
    return np.concatenate(out) if out else pictures.copy()


def draws(name: str, pictures: np.ndarray, seed: int) -> Draws:
    """The digest of each picture, (n, 32) uint8."""
    head = f"{name}/{seed}/".encode()
    told = b"".join(hashlib.sha256(head + one.tobytes()).digest() for one in np.ascontiguousarray(pictures))
    return np.frombuffer(told, np.uint8).reshape(len(pictures), 32)


def oil(pictures: np.ndarray, drawn: Draws) -> np.ndarray:
    """Strokes (Kuwahara filter), few colours, and the weave of a canvas with its grain."""
    n, height, width, _ = pictures.shape
    painted = posterised(kuwahara(pictures, max(1, min(height, width) // 16))).astype(np.int64)
    down, right = drawn[:, 0] % 4, drawn[:, 1] % 4
    rows = (np.arange(height)[None] + down[:, None]) // 2
    columns = (np.arange(width)[None] + right[:, None]) // 2
    weave = ((rows[:, :, None] + columns[:, None, :]) % 2) * 16 - 8
    grain = noise(drawn, height, width) % 17 - 8
    return np.clip(painted + (weave + grain)[..., None], 0, 255).astype(np.uint8)


def kuwahara(pictures: np.ndarray, radius: int) -> np.ndarray:
    """Each pixel becomes the mean colour of that one of the four squares of side radius + 1 with a corner at
    it whose brightness varies least, the upper left, upper right, lower left or lower right, the first of
    equal ones. Borders are repeated. Kuwahara et al. 1976.
    """
    n, height, width, _ = pictures.shape
    side = radius + 1
    edge = ((0, 0), (radius, radius), (radius, radius), (0, 0))
    values = np.pad(pictures, edge, mode="edge").astype(np.int64)
    grey = values @ np.array([77, 150, 29])
    sums = _box(values, side)
    spread = side * side * _box((grey * grey)[..., None], side) - _box(grey[..., None], side) ** 2
    corners = [(0, 0), (0, radius), (radius, 0), (radius, radius)]
    at = [(slice(None), slice(y, y + height), slice(x, x + width)) for y, x in corners]
    best = np.argmin(np.stack([spread[where][..., 0] for where in at]), 0)
    total = np.choose(best[..., None], [sums[where] for where in at])
    cells = side * side
    return ((2 * total + cells) // (2 * cells)).astype(np.uint8)


def _box(values: np.ndarray, side: int) -> np.ndarray:
    """Sums over side x side windows of (n, H, W, C), by the place of their upper left pixel."""
    for axis in (1, 2):
        pad = [(0, 0)] * 4
        pad[axis] = (1, 0)
        total = np.pad(np.cumsum(values, axis), pad)
        n = total.shape[axis]
        values = np.take(total, range(side, n), axis) - np.take(total, range(n - side), axis)
    return values


def posterised(pictures: np.ndarray, levels: int = LEVELS) -> np.ndarray:
    """Each channel in so many equally wide steps, from 0 to 255."""
    steps = pictures.astype(np.int64) * levels // 256
    return (steps * 255 // (levels - 1)).astype(np.uint8)


def noise(drawn: Draws, height: int, width: int) -> np.ndarray:
    """(n, height, width) of whole numbers below 2^31 that look random: the finaliser of splitmix64 over the
    place and the picture's draw.
    """
    keys = np.ascontiguousarray(drawn[:, 24:32]).view("<u8")[:, 0].astype(np.uint64)
    places = np.arange(height * width, dtype=np.uint64).reshape(height, width)
    z = keys[:, None, None] + (places + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(33)).astype(np.int64)


def light(pictures: np.ndarray, drawn: Draws) -> np.ndarray:
    """A coloured spotlight around a place in the middle half; beyond its radius (30 to 55 % of the shorter
    side) all is dark. Brightness falls with the square of the distance.
    """
    _, height, width, _ = pictures.shape
    y, x = (
        side // 4 + drawn[:, k].astype(np.int64) * (side // 2) // 256
        for k, side in enumerate((height, width))
    )
    radius = (30 + drawn[:, 2].astype(np.int64) % 26) * min(height, width)
    away = (np.arange(height)[None, :, None] - y[:, None, None]) ** 2
    away = away + (np.arange(width)[None, None] - x[:, None, None]) ** 2
    # The radius is in 100ths of a pixel.
    lit = np.clip(256 - 256 * 10_000 * away // (radius**2)[:, None, None], 0, 256)
    colour = np.array(COLOURS, np.int64)[drawn[:, 3] % len(COLOURS)]
    tinted = lit[..., None] * colour[:, None, None]
    gain = (DARK << 16) + (BRIGHT - DARK) * tinted
    return np.clip((pictures * gain >> 24) + (GLOW * tinted >> 16), 0, 255).astype(np.uint8)


def rotation(pictures: np.ndarray, drawn: Draws) -> np.ndarray:
    """Turned about the middle by 25 to 60 whole degrees to one side, between pixels mixed linearly; what
    comes in from outside is the border repeated.
    """
    n, height, width, _ = pictures.shape
    least, most = DEGREES
    degrees = least + drawn[:, 0].astype(np.int64) % (most - least + 1)
    degrees = np.where(drawn[:, 1] % 2 == 1, degrees, -degrees)
    sine, cosine = (
        np.array([round(ONE * wave(math.radians(d))) for d in degrees.tolist()])[:, None, None]
        for wave in (math.sin, math.cos)
    )
    # Twice the distance from the middle, so that it is whole for even sides too.
    down = (2 * np.arange(height) - (height - 1))[None, :, None]
    right = (2 * np.arange(width) - (width - 1))[None, None]
    y = (cosine * down + sine * right + (height - 1) * ONE) // 2
    x = (cosine * right - sine * down + (width - 1) * ONE) // 2
    y, x = np.clip(y, 0, (height - 1) * ONE), np.clip(x, 0, (width - 1) * ONE)
    top, left = y // ONE, x // ONE
    low, far = (y % ONE)[..., None], (x % ONE)[..., None]
    below, beside = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    which = np.arange(n)[:, None, None]
    values = pictures.astype(np.int64)
    upper = values[which, top, left] * (ONE - far) + values[which, top, beside] * far
    lower = values[which, below, left] * (ONE - far) + values[which, below, beside] * far
    mixed = upper * (ONE - low) + lower * low
    return ((mixed + ONE * ONE // 2) // (ONE * ONE)).astype(np.uint8)


def thick(pictures: np.ndarray, drawn: Draws) -> np.ndarray:
    """Bright strokes grown by a sixteenth of the shorter side, in a square or a cross around each pixel."""
    radius = max(1, min(pictures.shape[1:3]) // 16)
    along = [_grown(pictures, radius, axis) for axis in (1, 2)]
    cross, square = np.maximum(*along), _grown(along[0], radius, 2)
    return np.where((drawn[:, 0] % 2 == 1)[:, None, None, None], square, cross)


def _grown(pictures: np.ndarray, radius: int, axis: int) -> np.ndarray:
    """The largest value within `radius` along an axis."""
    pad = [(0, 0)] * 4
    pad[axis] = (radius, radius)
    padded = np.pad(pictures, pad)
    parts = [np.take(padded, range(k, k + pictures.shape[axis]), axis) for k in range(2 * radius + 1)]
    return np.maximum.reduce(parts)


SHIFTS: dict[str, Callable[[np.ndarray, Draws], np.ndarray]] = {
    "oil": oil,
    "light": light,
    "rotation": rotation,
    "thick": thick,
}
"""By the name of the subset."""
