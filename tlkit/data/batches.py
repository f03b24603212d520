"""Files to batches, decoded ahead of the model's need."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np

from tlkit.data.fits import see
from tlkit.data.photos import decoded, load
from tlkit.data.threads import ahead


def batches(
    paths: Sequence[str | Path],
    size: int,
    batch: int,
    workers: int = 0,
    view: Callable[[np.ndarray, int], np.ndarray] | None = None,
    fit: str = "stretch",
) -> Iterator[np.ndarray]:
    """The pictures of `paths`, in order, as (batch, size, size, 3), uint8, RGB; the last may be shorter.

    Each is seen through its fit, or through `view(pixels, index)` if given, `index` counting `paths`.
    `workers` threads (0: one a core) keep at most two batches ready, however slow the caller is.
    Raises `Unreadable`, naming the file, where one has broken since it was scanned.
    """

    def picture(item: tuple[int, str | Path]) -> np.ndarray:
        index, path = item
        with decoded(load(path), path) as found:
            return see(found.pixels, size, fit) if view is None else view(found.pixels, index)

    with closing(ahead(picture, enumerate(paths), workers=workers, depth=2 * batch)) as ready:
        while pictures := list(islice(ready, batch)):
            yield np.stack(pictures)
