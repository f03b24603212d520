"""Photos exactly as the network sees them, on one sheet to look at."""

import io
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit import data
from tlkit.data import Photo
from tlkit.run import gate

MOST = 16
ACROSS = 4  # photos in a row
GAP = 8  # white pixels between two


def sheet(root: Path, photos: Sequence[Photo], size: int, fit: str) -> bytes:
    """A JPEG of at most 16 of the photos through a fit, spread over the classes; at least one is needed.

    Each is `size` pixels a side: nothing is scaled again. Raises `Unreadable` for one that has broken.
    """
    chosen = gate.spread(photos, MOST)
    paths = [root / photo.path for photo in chosen]
    seen = chain.from_iterable(data.batches(paths, size, MOST, fit=fit))
    across = min(ACROSS, len(chosen))
    step = size + GAP
    canvas = np.full((-(-len(chosen) // across) * step - GAP, across * step - GAP, 3), 255, np.uint8)
    for place, pixels in enumerate(seen):
        top, left = place // across * step, place % across * step
        canvas[top : top + size, left : left + size] = pixels
    content = io.BytesIO()
    # Full colour resolution: what is looked for may be a few pixels wide.
    Image.fromarray(canvas).save(content, "JPEG", quality=92, subsampling=0)
    return content.getvalue()
