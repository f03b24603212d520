"""Photos: a folder of them, read and split, and the pixels that a model sees."""

from tlkit.data.batches import batches
from tlkit.data.folders import Folder, Photo, scan
from tlkit.data.listed import Skipped
from tlkit.data.photos import Unreadable, read, stretch
from tlkit.data.splits import split

__all__ = ["Folder", "Photo", "Skipped", "Unreadable", "batches", "read", "scan", "split", "stretch"]
