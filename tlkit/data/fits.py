"""Pixels of any shape to the square that a model sees: the fit, which is a property of the model.

    stretch   the whole picture, squeezed: what MediaPipe does by itself
    crop      the square in the middle, as wide as the picture's shorter side
    pad       the whole picture in the middle of a square as wide as its longer side, the rest grey

Each is resampled by `stretch`, so that the app only has to cut or pad, and MediaPipe does the rest.
"""

import functools
from typing import NamedTuple

import numpy as np

FITS = ("stretch", "crop", "pad")
# Middle grey, which the default backbone normalises to 0: (127 − 127) / 128.
BACKGROUND = 127


class Taps(NamedTuple):
    """Two neighbours of each of a row of points, and how far it is past the first, 0 to 1."""

    first: np.ndarray
    second: np.ndarray
    way: np.ndarray


def see(pixels: np.ndarray, size: int, fit: str = "stretch") -> np.ndarray:
    """A picture (height, width, 3), uint8, through a fit, as (size, size, 3), uint8."""
    if fit == "pad":
        return _pad(pixels, size)
    return stretch(centre(pixels) if fit == "crop" else pixels, size)


def stretch(pixels: np.ndarray, size: int) -> np.ndarray:
    """The whole picture on (size, size, 3), uint8, byte for byte as MediaPipe 1.2.2 Tasks resize it on a CPU.

    Bilinear at source coordinate i·length/size: no half-pixel shift, no low-pass filter. As in
    OpenCV's warp, which MediaPipe calls, coordinates are rounded to 1/32 pixel and halves of the
    result go up; up to 6 away from `tf.compat.v1.image.resize_bilinear`. Where `size` is a multiple
    of 64, coordinates can lie halfway, and there OpenCV's choice hangs on the last bit of a matrix:
    rounding to even is nearest to it, 1/32 pixel off where it misses.
    """
    return _bilinear(pixels, _taps(pixels.shape[0], size), _taps(pixels.shape[1], size))


def centre(pixels: np.ndarray) -> np.ndarray:
    """The square in the middle; an odd pixel that is left over is cut away at the right or the bottom."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def window(height: int, width: int, size: int) -> tuple[slice, slice]:
    """Rows and columns of a padded square that see anything of the picture; of a thread, maybe none."""
    side = max(height, width)
    return _within(height, side, size)[0], _within(width, side, size)[0]


def lost(width: int, height: int, fit: str) -> float:
    """What a fit costs a picture of this shape, as a share.

    stretch   how much shorter the longer side is drawn, measured by the shorter one
    crop      the share of its pixels that is cut away
    pad       the share of the square that is background

    All three come to 1 − shorter/longer: the coin differs, not the price.
    """
    shorter, longer = sorted((width, height))
    if fit == "stretch":
        return 1 - shorter / longer
    seen, whole = (shorter**2, width * height) if fit == "crop" else (width * height, longer**2)
    return 1 - seen / whole


def _pad(pixels: np.ndarray, size: int) -> np.ndarray:
    """What `stretch` makes of the padded square, which is never laid out: of 60,000×3 it would be 10 GB."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    rows, down = _within(height, side, size)
    columns, across = _within(width, side, size)
    result = np.full((size, size, 3), BACKGROUND, np.uint8)
    if rows.start < rows.stop and columns.start < columns.stop:
        result[rows, columns] = _bilinear(pixels, down, across)
    return result


def _bilinear(pixels: np.ndarray, down: Taps, across: Taps) -> np.ndarray:
    """The picture at these points; what lies outside of it is background."""
    height, width = pixels.shape[:2]
    # One item a pixel: taking items of three bytes is several times quicker than taking along two axes.
    source = np.ascontiguousarray(pixels).view("V3")[:, :, 0]

    def line(rows: np.ndarray) -> np.ndarray:
        part = source.take(rows, axis=0, mode="clip")
        ends = []
        for columns in (across.first, across.second):
            end = part.take(columns, axis=1, mode="clip").view(np.uint8)
            if rows[0] < 0 or rows[-1] >= height:
                end[(rows < 0) | (rows >= height)] = BACKGROUND
            if columns[0] < 0 or columns[-1] >= width:
                end[:, np.repeat((columns < 0) | (columns >= width), 3)] = BACKGROUND
            ends.append(end)
        # Values of 8 bits times fractions of 5, twice: float32 holds each result exactly, on any machine.
        values = np.subtract(ends[1], ends[0], dtype=np.float32)
        values *= np.repeat(across.way, 3)
        values += ends[0]
        return values

    upper, result = line(down.first), line(down.second)
    result -= upper
    result *= down.way[:, None]
    result += upper
    result += np.float32(0.5)
    return result.astype(np.uint8).reshape(len(down.first), len(across.first), 3)


@functools.lru_cache(maxsize=4096)
def _taps(length: int, size: int) -> Taps:
    """The neighbours of each of `size` points on `length` pixels."""
    at = np.rint(np.arange(size) * (length / size) * 32).astype(np.intp)
    first = np.minimum(at // 32, length - 1)
    return Taps(first, np.minimum(first + 1, length - 1), (at % 32 / 32).astype(np.float32))


@functools.lru_cache(maxsize=4096)
def _within(length: int, side: int, size: int) -> tuple[slice, Taps]:
    """Which of `size` points on `side` pixels see the `length` in the middle, and their neighbours in it.

    A neighbour just outside is −1 or `length`. An odd pixel of background is at the right or the bottom.
    """
    before = (side - length) // 2
    first, second, way = _taps(side, size)
    seen = slice(int(np.searchsorted(second, before)), int(np.searchsorted(first, before + length)))
    return seen, Taps(first[seen] - before, second[seen] - before, way[seen])
