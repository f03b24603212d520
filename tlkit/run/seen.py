"""Photos exactly as the network sees them: on one sheet to look at, and what is odd about their pixels."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit import data
from tlkit.data import Photo
from tlkit.data.fits import BACKGROUND
from tlkit.progress import Silent
from tlkit.run import gate

MOST = 16
ACROSS = 4  # photos in a row
GAP = 8  # white pixels between two
SCALED = (
    "Most of these photos hold pixels of 0 and 1 only, of 255, and are all but black: scaled to 0 to 1 "
    "before they were saved? The network takes 0 to 255; multiply by 255 and save them again."
)


def some(root: Path, photos: Sequence[Photo], size: int, fit: str) -> np.ndarray:
    """At most 16 of the photos through a fit, spread over the classes: (n, size, size, 3), uint8.

    At least one is needed. Raises `Unreadable` for one that has broken.
    """
    paths = [root / photo.path for photo in gate.spread(photos, MOST)]
    return np.concatenate([*data.batches(paths, size, MOST, fit=fit)])


def sheet(pictures: np.ndarray) -> bytes:
    """A JPEG of a few pictures (n, size, size, 3), uint8; none is scaled again."""
    size, across = pictures.shape[1], min(ACROSS, len(pictures))
    step = size + GAP
    canvas = np.full((-(-len(pictures) // across) * step - GAP, across * step - GAP, 3), 255, np.uint8)
    for place, pixels in enumerate(pictures):
        top, left = place // across * step, place % across * step
        canvas[top : top + size, left : left + size] = pixels
    content = io.BytesIO()
    # Full colour resolution: what is looked for may be a few pixels wide.
    Image.fromarray(canvas).save(content, "JPEG", quality=92, subsampling=0)
    return content.getvalue()


def odd(pictures: np.ndarray) -> tuple[str, ...]:
    """What is to be told of pictures (n, size, size, 3), uint8, before a network is asked about them."""
    # Of a photo that is padded the grey is none of its pixels.
    brightest = np.where(pictures == BACKGROUND, 0, pictures).max(axis=(1, 2, 3), initial=0)
    return (SCALED,) if (brightest == 1).sum() > len(pictures) / 2 else ()


class Eyes:
    """A model that is asked for the first time: looks at the pixels, tells what is odd and notes it."""

    def __init__(self, model: Callable[[np.ndarray], np.ndarray], progress: Silent):
        self.model, self.progress = model, progress
        self.notes: tuple[str, ...] | None = None

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        if self.notes is None and len(pixels):
            self.notes = odd(pixels)
            for note in self.notes:
                self.progress.note(note)
        return self.model(pixels)
