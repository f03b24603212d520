"""Photos: a folder of them, read and split, and the pixels that a model sees."""

from tlkit.data.batches import batches
from tlkit.data.fits import FITS, see, stretch
from tlkit.data.folders import Folder, scan
from tlkit.data.photos import Unreadable, pixels, read
from tlkit.sources.listed import Photo, Skipped
from tlkit.splits import split

__all__ = [
    "FITS",
    "Folder",
    "Photo",
    "Skipped",
    "Unreadable",
    "batches",
    "pixels",
    "read",
    "scan",
    "see",
    "split",
    "stretch",
]
