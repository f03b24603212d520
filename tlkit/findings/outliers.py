"""Photos that look unlike the rest: by size, shape, light, sharpness and colour, from their looks alone.

A bound is absolute and relative at once: night scenes are no finding in a folder of night scenes.
Sizes and shapes that many photos share are told once, of the folder, and not of each photo.

Measured on 396 photos of ants and bees (../shared/data/hymenoptera): 2 are named as they are, which are
grey; of copies blurred by a Gaussian of radius 4 at 256 pixels a side and saved as JPEG, 100 % are
(radius 3: 100 %, 2: 93 %, 1: 7 %). The least sharp good photo has 89, the sharpest blurred one 8.

cleanvision finds some of this too, but it opens every file again (once for these, once for its hashes),
neither turns a photo by its EXIF orientation nor reads 16 bits as training does, knows no labels and no
splits, and brings pandas, matplotlib and fsspec along.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

COMMON = 0.2  # share of the photos from which on a look is the folder's own
SEVERAL = 10  # photos that are named each, however small the folder
TINY = 32  # pixels; the shorter side
SMALL = 112  # half of what most networks see; below it, a photo may be far smaller than the rest
ODD = 4  # longer to shorter side
GREY = 2  # colour; the grey of a JPEG is 0, of a scan about 1
FLAT = 2  # contrast
DARK, BRIGHT = 32, 223  # brightness
PALE = 32  # contrast; an insect on white paper, a digit on black are well lit
LIGHT = 0.35  # of the usual distance from black (or white)
SOFT = 25  # sharpness
SOFTER = 1 / 20  # of the upper quarter's sharpness: holds where half of the photos are blurred


class Outlier(NamedTuple):
    photos: tuple[int, ...]  # indices: one photo, or the oddest of many
    kind: str
    detail: str


def outliers(looks: np.ndarray) -> Iterator[Outlier]:
    """Every odd one among `looks` (dtype `looks.LOOK`), the oddest of a kind first."""
    if len(looks):
        yield from _sizes(looks["width"].astype(np.int64), looks["height"].astype(np.int64))
        yield from _light(looks)
        yield from _grey(looks["colour"])


def _sizes(width: np.ndarray, height: np.ndarray) -> Iterator[Outlier]:
    shorter, longer = np.minimum(width, height), np.maximum(width, height)
    usual = float(np.median(shorter))

    def size(i: int) -> str:
        return f"{width[i]} × {height[i]} pixels; the usual shorter side is {usual:.0f}."

    def shape(i: int) -> str:
        return f"{width[i]} × {height[i]} pixels, {longer[i] / shorter[i]:.1f} to 1."

    tiny = (shorter < TINY) | (shorter < min(SMALL, usual / 4))
    for kind, found, rank, detail in (
        ("tiny", tiny, shorter, size),
        ("odd_shape", longer > ODD * shorter, -longer / shorter, shape),
    ):
        several = list(_each(kind, found, rank, detail))
        if len(several) <= max(COMMON * len(found), SEVERAL):
            yield from several
            continue
        share = f"{len(several):,} photos, {len(several) / len(found):.0%} of all; such as "
        oddest = tuple(row.photos[0] for row in several[:SEVERAL])
        yield Outlier(oddest, kind, share + several[0].detail)


def _light(looks: np.ndarray) -> Iterator[Outlier]:
    """Blank photos; of the others the dark, the bright and the blurred."""
    brightness, contrast, sharpness = (
        looks[name].astype(np.float64) for name in ("brightness", "contrast", "sharpness")
    )
    usual = float(np.median(brightness))
    # A picture of few pixels holds no detail to be missed.
    large = np.minimum(looks["width"], looks["height"]) >= TINY
    sharp = float(np.percentile(sharpness[large], 75)) if large.any() else 0.0

    def flat(i: int) -> str:
        return f"Nothing to see: its contrast is {contrast[i]:.1f} of 255."

    def light(i: int) -> str:
        return f"Its mean brightness is {brightness[i]:.0f} of 255; the usual photo has {usual:.0f}."

    def soft(i: int) -> str:
        return f"Its sharpness is {sharpness[i]:.1f}; sharp photos here have {sharp:,.0f} or more."

    blank = (contrast < FLAT) & (contrast < np.median(contrast) / 4)
    pale = ~blank & (contrast < PALE)
    dark = pale & (brightness < DARK) & (brightness < LIGHT * usual)
    bright = pale & (brightness > BRIGHT) & (255 - brightness < LIGHT * (255 - usual))
    blurred = ~blank & large & (sharpness < SOFT) & (sharpness < SOFTER * sharp)
    yield from _each("blank", blank, contrast, flat)
    yield from _each("dark", dark, brightness, light)
    yield from _each("bright", bright, -brightness, light)
    yield from _each("blurred", blurred, sharpness, soft)


def _grey(colour: np.ndarray) -> Iterator[Outlier]:
    """Grey photos among colour ones, or the reverse; a folder of both is meant to be one."""
    grey = colour < GREY
    if grey.mean() < COMMON:
        yield from _each("grey", grey, colour, lambda i: "Grey, among photos in colour.")
    elif (~grey).mean() < COMMON:
        yield from _each("grey", ~grey, -colour, lambda i: "In colour, among grey photos.")


def _each(kind: str, found: np.ndarray, rank: np.ndarray, detail: Callable[[int], str]) -> Iterator[Outlier]:
    chosen = np.flatnonzero(found)
    for index in chosen[np.argsort(rank[chosen], kind="stable")].tolist():
        yield Outlier((index,), kind, detail(index))
