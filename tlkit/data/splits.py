"""Which photos are trained on and which are held back: by seed and name, alike on every machine."""

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from tlkit.data.folders import Photo
from tlkit.errors import UsageError


def split(photos: Iterable[Photo], share: float, seed: int) -> tuple[tuple[Photo, ...], tuple[Photo, ...]]:
    """Train and validation photos, each in the given order; `share` (0–1) of every class for validation.

    A photo's rank is a hash of seed and path: the same on every machine, whatever order the photos
    come in. Byte-identical copies are one picture and stay on one side, even under two labels: a
    copy in validation would be an answer learnt by heart. A class's share is right to within one
    picture with its copies, and a class with two pictures of its own is on both sides.
    """
    if not 0 < share < 1:
        raise UsageError(f"A validation share of {share} leaves one side empty.", "Use one such as 0.2.")
    photos = tuple(photos)
    totals = Counter(photo.label for photo in photos)
    wanted = {label: min(max(round(share * count), 1), count - 1) for label, count in totals.items()}
    held_back = _held_back(_pictures(photos, seed), wanted)
    train = tuple(photo for photo in photos if photo.sha256 not in held_back)
    return train, tuple(photo for photo in photos if photo.sha256 in held_back)


def _pictures(photos: Sequence[Photo], seed: int) -> dict[str, Counter[int]]:
    """How many photos of each label each picture (by its hash) has, in the order of rank."""
    labels: dict[str, Counter[int]] = defaultdict(Counter)
    ranks: dict[str, bytes] = {}
    for photo in photos:
        name = unicodedata.normalize("NFC", photo.path)
        rank = hashlib.sha256(f"{seed}\n{name}".encode()).digest()
        labels[photo.sha256][photo.label] += 1
        ranks[photo.sha256] = min(rank, ranks.get(photo.sha256, rank))
    return {picture: labels[picture] for picture in sorted(labels, key=ranks.__getitem__)}


def _held_back(pictures: dict[str, Counter[int]], wanted: dict[int, int]) -> set[str]:
    """The pictures for validation: by rank, each that brings its classes nearer to the count `wanted`."""
    missing = dict(wanted)
    undecided = Counter(label for labels in pictures.values() for label in labels)
    in_train: Counter[int] = Counter()
    held_back = set()
    # A stable sort. Pictures under two labels first: the others can then even out what they upset.
    for picture, labels in sorted(pictures.items(), key=lambda item: len(item[1]) == 1):
        undecided.subtract(labels.keys())
        nearer = sum(abs(missing[label] - count) - abs(missing[label]) for label, count in labels.items())
        if nearer < 0 and all(undecided[label] or in_train[label] for label in labels):
            held_back.add(picture)
            for label, count in labels.items():
                missing[label] -= count
        else:
            in_train.update(labels.keys())
    # Every picture of the class has twice the copies that are wanted, or more: the smallest goes.
    for label in wanted:
        own = [picture for picture, labels in pictures.items() if labels.keys() == {label}]
        if missing[label] == wanted[label] and in_train[label] > 1 and own:
            held_back.add(min(own, key=lambda picture: pictures[picture][label]))
    return held_back
