"""Which photos are trained on and which are held back: by seed and name, alike on every machine."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tlkit.errors import UsageError
from tlkit.sources.listed import Photo
from tlkit.splits.placing import cells, place
from tlkit.splits.units import together, units

TRAIN = "train"
FREE = -1


def assign(photos: Iterable[Photo], shares: Mapping[str, float], seed: int) -> list[str | None]:
    """The split of each photo: `shares` (0–1) of every class, such as {"val": 0.2}; "train" has the rest.

    Photos of one group or one sha256 are a unit, and no unit is parted. A photo that has a split
    keeps it; the others of its unit follow, or get None where the unit has photos in two splits
    (`left_out` names them). The rest is placed by rank, a hash of seed and path: the same on every
    machine, whatever order the photos come in. Photos in a split that `shares` does not name count
    for no class.

    For a class whose units hold no other class and none that was placed before:

    - every split is right to within one unit: no photo more or less than the largest has;
    - with as many units as there are splits it is in every one; with fewer in train, then in the
      splits of the largest shares. Where one of three splits has its only unit for this reason,
      train may be off by up to two: three photos go to three splits.

    Units of several classes (patients, places) are placed as near as moving one at a time brings
    them; nothing better is promised, as nothing better need exist. In 300 random folders of 5–60
    patients with up to 4 of 2–8 classes, 99 % of the counts were right to within one patient, all to
    within two; 3 times in 1,000 a class with patients enough was missing in val or test, never in
    train (test_groups_of_several_classes_come_within_two_groups repeats 100 of them).

    Photos that were placed before count towards the shares. The others bring every class as near to
    them as moving one unit at a time can.

    Raises `UsageError` for shares that leave a split empty.
    """
    photos = tuple(photos)
    _check(shares)
    others = {photo.split for photo in photos} - {None, TRAIN, *shares}
    names = (TRAIN, *shares, *sorted(name for name in others if name is not None))
    numbers: dict[str | None, int] = {name: number for number, name in enumerate(names)}
    numbers[None] = FREE
    fixed = np.fromiter((numbers[photo.split] for photo in photos), np.int8, len(photos))
    sides = _sides(photos, fixed, np.array([*shares.values()]), seed)
    return [names[side] if side != FREE else None for side in sides.tolist()]


def split(photos: Iterable[Photo], share: float, seed: int) -> tuple[tuple[Photo, ...], tuple[Photo, ...]]:
    """Train and validation photos, each in the given order, whatever split they had: `assign` afresh."""
    photos = tuple(photos)
    _check({"val": share})
    held_back = _sides(photos, np.full(len(photos), FREE, np.int8), np.array([share]), seed).tolist()
    train = tuple(photo for photo, held in zip(photos, held_back, strict=True) if not held)
    return train, tuple(photo for photo, held in zip(photos, held_back, strict=True) if held)


def folds(photos: Iterable[Photo], count: int, seed: int) -> tuple[int, ...]:
    """The fold of each photo, 0 to `count` - 1, for cross-validation, whatever split they had.

    Units as in `assign`. A class whose units hold no other class is in no fold more often than in
    another by more than its largest unit; with `count` units or more it is in every fold.

    Raises `UsageError` for fewer than two folds, or more than there are units.
    """
    photos = tuple(photos)
    if count < 2:
        raise UsageError(f"{count} folds are no cross-validation.", "Use 2 or more.")
    if count > len(photos):
        raise UsageError(f"{count} folds are more than the {len(photos):,} photos.", "Use fewer.")
    of, label = units(photos, seed), _labels(photos)
    if count > (found := int(of.max()) + 1):
        raise UsageError(
            f"{count} folds are more than the {found:,} groups that the {len(photos):,} photos fall into.",
            "Use fewer: no group is parted.",
        )
    none = np.zeros((int(label.max()) + 1, count), np.int64)
    return tuple(place(cells(of, label), found, count, none, none, train=False)[of].tolist())


def left_out(photos: Sequence[Photo], sides: Sequence[str | None]) -> list[tuple[Photo, tuple[Photo, ...]]]:
    """Each photo that `assign` gave None, and what it would join: a photo of each split, in their order."""
    if None not in sides:
        return []
    of = together(photos).tolist()
    apart = {unit for unit, side in zip(of, sides, strict=True) if side is None}
    joined: dict[int, dict[str, Photo]] = {unit: {} for unit in apart}
    for photo, unit in zip(photos, of, strict=True):
        if photo.split is not None and unit in apart:
            joined[unit].setdefault(photo.split, photo)
    return [
        (photo, tuple(joined[unit].values()))
        for photo, unit, side in zip(photos, of, sides, strict=True)
        if side is None
    ]


def _check(shares: Mapping[str, float]) -> None:
    """Raises `UsageError` unless every split, train among them, has a share above zero."""
    names = {"val": "validation"}
    for name, share in shares.items():
        if not 0 < share < 1:
            raise UsageError(
                f"A {names.get(name, name)} share of {share} leaves one side empty.", "Use one such as 0.2."
            )
    if not math.fsum(shares.values()) < 1:
        given = " and ".join(f"{share} for {name}" for name, share in shares.items())
        raise UsageError(f"Shares of {given} leave no photo to train on.", "Their sum must be below 1.")


def _labels(photos: Sequence[Photo]) -> np.ndarray:
    return np.fromiter((photo.label for photo in photos), np.int64, len(photos))


def _sides(photos: Sequence[Photo], fixed: np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    """(photos,), int8: each photo's side: 0 train, 1 and on those of `shares`; `fixed`, or FREE."""
    if not photos:
        return fixed
    of, label = units(photos, seed), _labels(photos)
    found = int(of.max()) + 1
    sides = _follow(of, found, fixed)
    free = (sides == FREE) & ~_joined(of, found, fixed)
    classes, many = int(label.max()) + 1, 1 + len(shares)
    # What lies in a split without a share, or in none, is no part of what is shared out.
    shared = free | ((sides != FREE) & (sides < many))
    counts = np.bincount(label[shared], minlength=classes)
    held = np.bincount(cells(of[shared], label[shared]).label, minlength=classes)
    there = shared & ~free
    placed = np.bincount(label[there] * many + sides[there], minlength=classes * many)
    wanted = _wanted(counts, held, shares)
    side = place(cells(of[free], label[free]), found, many, wanted, placed.reshape(classes, many), train=True)
    return np.where(free, side[of].astype(np.int8), sides)


def _joined(of: np.ndarray, found: int, fixed: np.ndarray) -> np.ndarray:
    """(photos,), bool: those in a unit with a photo that has a side."""
    return np.bincount(of[fixed != FREE], minlength=found)[of] > 0


def _follow(of: np.ndarray, found: int, fixed: np.ndarray) -> np.ndarray:
    """`fixed`, with the side of its unit for each photo whose unit has photos on one side only."""
    has = fixed != FREE
    lowest, highest = np.full(found, 127, np.int8), np.full(found, FREE, np.int8)
    np.minimum.at(lowest, of[has], fixed[has])
    np.maximum.at(highest, of[has], fixed[has])
    follows = ~has & (lowest == highest)[of]
    return np.where(follows, highest[of], fixed)


def _wanted(counts: np.ndarray, held: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(classes, 1 + shares), int64: how many photos of each class each side should have.

    `counts` photos in `held` units. The nearest whole numbers, but at least one for train, then
    for each share from the largest on, as long as there are units; without a unit none.
    """
    wanted = np.rint(counts[:, None] * shares).astype(np.int64)
    for rank, side in enumerate(np.argsort(-shares, kind="stable")):
        wanted[:, side] = np.where(held < rank + 2, 0, np.maximum(wanted[:, side], 1))
    # Rounded up, they may leave nothing: the largest has one to spare.
    while (short := (wanted.sum(axis=1) >= counts) & (counts > 0)).any():
        wanted[short, wanted[short].argmax(axis=1)] -= 1
    return np.column_stack([counts - wanted.sum(axis=1), wanted])
