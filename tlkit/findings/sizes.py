"""How large the photos are, which shapes they have, and what a fit makes of those."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tlkit.data import fits

# Longer to shorter side; cameras, screens and phones make little else.
RATIOS = {"1:1": 1.0, "5:4": 5 / 4, "4:3": 4 / 3, "3:2": 3 / 2, "16:10": 1.6, "16:9": 16 / 9, "2:1": 2.0}
OTHERS = 2 * len(RATIOS)  # twice each one's place, one more if upright; this is none of them
NEAR = 0.02  # 500 × 333 is 3:2
MUCH = {"stretch": 0.4, "crop": 0.3, "pad": 0.4}  # share lost; what is cropped away is gone for good


@dataclass(frozen=True)
class Shape:
    name: str  # width to height, or "others", which come last
    count: int
    share: float
    lost: float  # by the fit, of the median photo: `fits.lost`


class Sizes(NamedTuple):
    """Pixels, upright. `usual` is the median of each side; `smallest` and `largest` are indices."""

    usual: tuple[int, int]
    smallest: int
    largest: int


def sizes(looks: np.ndarray) -> Sizes:
    """Of at least one photo."""
    area = looks["width"].astype(np.int64) * looks["height"]
    usual = tuple(int(np.median(looks[side])) for side in ("width", "height"))
    return Sizes((usual[0], usual[1]), int(area.argmin()), int(area.argmax()))


def lost(looks: np.ndarray, fit: str) -> np.ndarray:
    """What a fit costs each photo, as a share."""
    sides = looks["width"].astype(np.int64) << 32 | looks["height"]
    kinds, which = np.unique(sides, return_inverse=True)
    return np.array([fits.lost(side >> 32, side & 0xFFFFFFFF, fit) for side in kinds.tolist()])[which]


def shapes(looks: np.ndarray, fit: str) -> list[Shape]:
    """The shapes there are, the commonest first."""
    if not len(looks):
        return []
    width, height = looks["width"].astype(float), looks["height"].astype(float)
    ratio = np.maximum(width, height) / np.minimum(width, height)
    away = np.abs(ratio[:, None] / np.array(list(RATIOS.values())) - 1)
    key = away.argmin(axis=1) * 2 + (height > width)
    key[away.min(axis=1) > NEAR] = OTHERS
    costs = lost(looks, fit)
    found = {}
    for value in np.unique(key).tolist():
        chosen = key == value
        count = int(chosen.sum())
        found[value] = Shape(_name(value), count, count / len(looks), float(np.median(costs[chosen])))
    order = sorted(found, key=lambda value: (value == OTHERS, -found[value].count))
    return [found[value] for value in order]


def _name(key: int) -> str:
    """
    >>> _name(4), _name(5), _name(OTHERS)
    ('4:3', '3:4', 'others')
    """
    if key == OTHERS:
        return "others"
    longer, shorter = list(RATIOS)[key // 2].split(":")
    return f"{shorter}:{longer}" if key % 2 else f"{longer}:{shorter}"
