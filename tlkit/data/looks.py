"""One look at a file: its hash, its full decoding and what its pixels are like, from one reading.

The perceptual hash is imagehash's `phash` at 16×16: signs of the lowest frequencies of a cosine
transform of 64×64 grey. The rest are plain means over the picture at about 256 pixels or less.
"""

import hashlib
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from tlkit.data import photos

FORMS = tuple(photos.SUFFIXES)
LOOK = np.dtype(
    [
        ("sha256", "V32"),
        ("form", "u1"),  # index in FORMS
        ("width", "u4"),  # upright, pixels
        ("height", "u4"),
        ("turned", "?"),  # by its EXIF orientation
        ("animated", "?"),  # only the first frame is used
        ("bytes", "u8"),
        ("hash", "u8", (4,)),  # perceptual; word 0 is the 8×8 lowest frequencies, row by row
        ("brightness", "f4"),  # mean luma, 0–255
        ("contrast", "f4"),  # standard deviation of luma
        ("sharpness", "f4"),  # variance of the Laplacian of luma
        ("colour", "f4"),  # mean of largest minus smallest of red, green and blue; grey is 0
        ("taken", "i8"),  # by EXIF, milliseconds since 1970 on the camera's clock; 0: unknown
    ]
)
SIDE = 256  # pixels, about; a larger picture is reduced to this before it is measured
VERSION = 1  # of what is measured; a change makes remembered looks void


def look(content: bytes, path: str | Path) -> np.void:
    """What the bytes of a file show, as one `LOOK`; raises `Unreadable`."""
    rows = np.zeros(1, LOOK)
    with photos.decoded(content, path) as found:
        _measure(found, rows[0])
    rows["sha256"] = np.void(hashlib.sha256(content).digest())
    rows["bytes"] = len(content)
    return rows[0]


def _measure(found: photos.Decoded, row: np.void) -> None:
    row["height"], row["width"] = found.pixels.shape[:2]
    row["form"] = FORMS.index(found.form)
    row["turned"], row["animated"], row["taken"] = found.turned, found.animated, found.taken
    small = _small(Image.fromarray(found.pixels))
    grey = small.convert("L")
    row["hash"] = _words(imagehash.phash(grey, 16).hash)
    luma = np.asarray(grey, np.int16)
    row["brightness"], row["contrast"] = luma.mean(), luma.std()
    row["sharpness"] = _laplacian(luma).var() if min(luma.shape) > 2 else 0
    red, green, blue = np.moveaxis(np.asarray(small), 2, 0)
    most = np.maximum(np.maximum(red, green), blue)
    row["colour"] = (most - np.minimum(np.minimum(red, green), blue)).mean()


def _small(image: Image.Image) -> Image.Image:
    """About SIDE pixels on the longer side, by averaging whole blocks, which is quick."""
    block = max(1, round(max(image.size) / SIDE))
    return image.reduce((min(block, image.width), min(block, image.height)))


def _words(bits: np.ndarray) -> np.ndarray:
    """16×16 bits as four words, those of the lowest frequencies in the first."""
    low = np.zeros((16, 16), bool)
    low[:8, :8] = True
    return np.packbits(np.concatenate([bits[low], bits[~low]])).view(">u8").astype(np.uint64)


def _laplacian(luma: np.ndarray) -> np.ndarray:
    inner = luma[1:-1, 1:-1]
    return luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
