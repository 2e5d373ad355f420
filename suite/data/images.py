"""Decodes images that come from elsewhere: JPEG and PNG alone, of a sane size, or one DataError."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from suite.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_PIXELS = 50_000_000
FORMATS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}


def picture(encoded: bytes, *, max_pixels: int = MAX_PIXELS) -> Any:
    """The decoded `PIL.Image.Image` of JPEG or PNG bytes.

    DataError for another format, a cut or damaged image, and one of more than `max_pixels`, which is not
    decoded.
    """
    from PIL import Image

    kind = next((kind for magic, kind in FORMATS.items() if encoded.startswith(magic)), None)
    if kind is None:
        raise DataError(f"an image is neither JPEG nor PNG (it begins {encoded[:8]!r})")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(encoded), formats=(kind,))
        if image.width * image.height > max_pixels:
            raise DataError(_too_large(f"{image.width:,} x {image.height:,} pixels", max_pixels))
        image.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DataError(_too_large("more pixels than Pillow opens", max_pixels)) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"a {kind} image of {len(encoded):,} bytes cannot be decoded ({reason})") from None
    return image


def _too_large(found: str, max_pixels: int) -> str:
    return f"an image has {found}; more than {max_pixels:,} are not decoded"


def pixels(encoded: bytes, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """The decoded image as [height, width, 3] (colour), or [height, width] (grey)."""
    import numpy as np

    image = picture(encoded, max_pixels=max_pixels)
    return np.array(image if image.mode in ("RGB", "L") else image.convert("RGB"))
