"""Photos that show the same: byte for byte."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tlkit.data.hamming import unions
from tlkit.data.listed import Photo


class Alike(NamedTuple):
    kind: str  # "duplicate", "near_duplicate" or "burst"
    photos: tuple[int, ...]  # places, ascending


def find(photos: Sequence[Photo], looks: np.ndarray) -> list[Alike]:
    """Byte-identical photos."""
    same: dict[bytes, list[int]] = defaultdict(list)
    for place, sha256 in enumerate(looks["sha256"]):
        same[sha256.tobytes()].append(place)
    return [Alike("duplicate", tuple(places)) for places in same.values() if len(places) > 1]


def components(count: int, alike: Sequence[Alike], groups: Sequence[str | None]) -> np.ndarray:
    """(count,) the smallest place of those that each photo must stay with."""
    pairs = [(one.photos[0], place) for one in alike for place in one.photos[1:]]
    first: dict[str, int] = {}
    pairs += [(first.setdefault(name, place), place) for place, name in enumerate(groups) if name is not None]
    ends = np.array(pairs, np.intp).reshape(-1, 2)
    return unions(count, ends[:, 0], ends[:, 1])
