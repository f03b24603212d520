"""What stays together when photos are split, and in which order units take their place."""

import hashlib
import unicodedata
from collections.abc import Sequence

import numpy as np

from tlkit.sources.listed import Photo


def units(photos: Sequence[Photo], seed: int) -> np.ndarray:
    """(photos,), int64: the number of each photo's unit, 0, 1, … in the order of rank.

    A unit is what `together` joins. A photo's rank is the sha256 of seed and NFC path, a unit's the
    smallest of its photos': the same on every machine, whatever order the photos come in and
    however groups are numbered.
    """
    order = _order(photos, seed)
    _, first, inverse = np.unique(together(photos)[order], return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    found = np.empty(len(photos), np.int64)
    found[order] = numbers[inverse]
    return found


def together(photos: Sequence[Photo]) -> np.ndarray:
    """(photos,), int64: photos that are never parted have one number, the place of one of them.

    Photos with one `group` (-1: none) or one sha256 ("": not known), and what these join in turn.
    """
    above = list(range(len(photos)))

    def top(place: int) -> int:
        while above[place] != place:
            above[place] = place = above[above[place]]
        return place

    # One dictionary at a time: each takes as much memory as all the arrays.
    for field, none in (("sha256", ""), ("group", -1)):
        first: dict[str | int, int] = {}
        for place, photo in enumerate(photos):
            key = getattr(photo, field)
            if key != none and (other := first.setdefault(key, place)) != place:
                above[top(place)] = top(other)
    return np.fromiter((top(place) for place in range(len(photos))), np.int64, len(photos))


def _order(photos: Sequence[Photo], seed: int) -> np.ndarray:
    """The photos' places in the order of rank."""
    ranks = np.fromiter((_rank(photo.path, seed) for photo in photos), np.uint64, len(photos))
    order = np.argsort(ranks, kind="stable")
    # Two spellings of one name have one rank: what is on disk decides between them.
    ties = np.flatnonzero(np.diff(ranks[order]) == 0)
    for start in ties[np.diff(ties, prepend=-2) > 1]:
        stop = start + 1
        while stop < len(order) and ranks[order[stop]] == ranks[order[start]]:
            stop += 1
        order[start:stop] = sorted(order[start:stop], key=lambda place: photos[place].path)
    return order


def _rank(path: str, seed: int) -> int:
    name = unicodedata.normalize("NFC", path)
    digest = hashlib.sha256(f"{seed}\n{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")  # 64 of 256 bits: a million photos tie once in 10⁷ seeds
