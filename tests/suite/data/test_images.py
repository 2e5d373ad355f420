"""Images from strangers: JPEG and PNG of a sane size are decoded, everything else is one DataError."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from suite.data.images import picture, pixels
from suite.errors import DataError

COLOURS = np.array([[(255, 0, 0), (0, 255, 0), (1, 2, 3)], [(0, 0, 255), (7, 8, 9), (4, 5, 6)]], np.uint8)


def encoded(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, format=kind)
    return out.getvalue()


def forged_png(width: int, height: int) -> bytes:
    """A PNG header that claims this size, and no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_png_gives_the_pixels_it_was_made_of() -> None:
    assert np.array_equal(pixels(encoded(Image.fromarray(COLOURS), "PNG")), COLOURS)
    grey = COLOURS[:, :, 0]
    assert np.array_equal(pixels(encoded(Image.fromarray(grey), "PNG")), grey)


def test_other_modes_become_colour() -> None:
    bits = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert pixels(encoded(bits, "PNG")).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_jpeg_is_near_what_it_was_made_of() -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    assert np.abs(pixels(encoded(Image.fromarray(flat), "JPEG")).astype(int) - flat).max() <= 3


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_no_other_format_is_decoded(kind: str) -> None:
    with pytest.raises(DataError, match="neither JPEG nor PNG"):
        picture(encoded(Image.fromarray(COLOURS), kind))


def test_a_claim_of_many_pixels_is_refused_before_decoding() -> None:
    with pytest.raises(DataError, match=r"an image has 10,000 x 6,000 pixels; more than 50,000,000 are not"):
        picture(forged_png(10_000, 6_000))
    with pytest.raises(DataError, match="an image has more pixels than Pillow opens"):
        picture(forged_png(60_000, 60_000))
    with pytest.raises(DataError, match="an image has 3 x 2 pixels; more than 5 are not decoded"):
        picture(encoded(Image.fromarray(COLOURS), "PNG"), max_pixels=5)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_cut_image_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = encoded(Image.fromarray(noise), kind)
    with pytest.raises(DataError, match=f"a {kind} image of [0-9,]+ bytes cannot be decoded") as caught:
        picture(whole[: len(whole) // 2])
    assert "\n" not in str(caught.value)


def test_damage_is_a_data_error_or_an_image() -> None:
    whole = encoded(Image.fromarray(COLOURS), "PNG")
    for at in range(8, len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        try:
            picture(bytes(damaged))
        except DataError as error:
            assert "\n" not in str(error)
