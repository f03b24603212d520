"""Photos that show the same: byte-identical copies, near duplicates and bursts; what must not be parted.

A near duplicate differs from another in at most 7 of the 64 lowest frequencies of the perceptual hash
and in at most 36 of its 256 bits. Pictures below 32 pixels or with hardly any contrast have no part in it:
their hash is noise. Measured on 396 photos of ants and bees, with `looks.look`'s hash: found are all
copies as JPEG of quality 20 to 95, WebP, grey, blurred, at ×0.25 to ×2 and as a square; 99.5 % of those
brightened by a fifth, 99.7 % cropped by 1 % a side or with a line of text, 97 % turned by 1°, 86 % with a
frame of 1 %; 68 % cropped by 2 %, 13 % by 3 %. Of their 78,210 pairs of different photos none is nearer
than 88 bits, of 4,560 pairs of texture patches none than 76. Of 10,000 MNIST digits, enlarged so that they
take part, at most 0.8 in 100,000 pairs are joined, the largest cluster has 37 or fewer. Mirrored and
quarter-turned copies are not found; colour is not looked at, so that what differs in colour alone is
called a near duplicate.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tlkit.data import bursts, hamming

if TYPE_CHECKING:
    from tlkit.sources.listed import Photo

# Bits of word 0, bits in all: the rule, and what a cluster is searched again with when it grows past
# LARGE: silhouettes and symbols form chains there.
NEAR = ((7, 36), (3, 18), (1, 8))
LARGE = 100, 0.005  # photos, share of all photos: the larger of both
SMALLEST = 32  # pixels of the shorter side
FLATTEST = 2.0  # standard deviation of luma; at 1.6 7 % of JPEG copies are lost; solid colours hash alike


class Alike(NamedTuple):
    kind: str  # "duplicate", "near_duplicate" or "burst"
    photos: tuple[int, ...]  # indices, ascending, at least two


def find(photos: Sequence["Photo"], looks: np.ndarray) -> list[Alike]:
    """Which photos show the same; no photo is twice within a kind.

    duplicate       files with the same bytes
    near_duplicate  files with other bytes and a close hash, the first of each set of duplicates for all;
                    clusters are joined by pairs, so that the ends of a cluster can be further apart
    burst           neighbours by time or number that look alike, `bursts`, unless near duplicates tell it

    Ordered by the first index.
    """
    same = _copies(looks["sha256"])
    hashes = np.ascontiguousarray(looks["hash"])
    telling = np.minimum(looks["width"], looks["height"]) >= SMALLEST
    telling &= looks["contrast"] >= FLATTEST
    near = _near(hashes, np.flatnonzero(telling & (same == np.arange(len(same)))), len(looks))
    near = near[same]
    found = [Alike("duplicate", cluster) for cluster in _clusters(same)]
    firsts = np.flatnonzero(same == np.arange(len(same)))
    found += [Alike("near_duplicate", tuple(firsts[list(c)].tolist())) for c in _clusters(near[firsts])]
    found += [Alike("burst", cluster) for cluster in _bursts(photos, looks, hashes, telling, same, near)]
    return sorted(found, key=lambda alike: alike.photos[0])


def components(count: int, alike: Sequence[Alike], groups: Sequence[str | None]) -> np.ndarray:
    """For each of `count` photos the smallest index of those it must stay with, (count,).

    Those are the ones it is `Alike` with or shares a group with, and theirs; no group, None, is no bond.
    """
    ends = np.fromiter((index for one in alike for index in one.photos), np.intp)
    firsts = np.repeat(
        [one.photos[0] for one in alike] or np.empty(0, np.intp), [len(o.photos) for o in alike]
    )
    heads: dict[str, int] = {}
    chief = np.arange(count)
    for index, group in enumerate(groups):
        if group is not None:
            chief[index] = heads.setdefault(group, index)
    del heads
    bound = np.flatnonzero(chief != np.arange(count))
    return hamming.unions(count, np.r_[firsts, chief[bound]].astype(np.intp), np.r_[ends, bound])


def _copies(sha256: np.ndarray) -> np.ndarray:
    """For each photo the smallest index of those with its hash."""
    words = np.ascontiguousarray(sha256).view(np.uint64).reshape(-1, 4)
    return _first_of_equal(words)


def _first_of_equal(words: np.ndarray) -> np.ndarray:
    order = np.lexsort(words.T[::-1])  # stable: equal ones in their own order
    changes = np.ones(len(order), bool)
    changes[1:] = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    result = np.empty(len(order), np.intp)
    result[order] = order[changes][np.cumsum(changes) - 1]
    return result


def _near(hashes: np.ndarray, among: np.ndarray, count: int) -> np.ndarray:
    """For each photo the smallest index of its cluster, near ones `among` the given indices joined."""
    result = np.arange(len(hashes))
    if len(among):
        equal = _first_of_equal(hashes[among])
        first, which, sizes = np.unique(equal, return_inverse=True, return_counts=True)
        unique = hashes[among[first]]
        order = np.lexsort(unique.T[::-1])
        cluster = np.empty(len(order), np.intp)
        cluster[order] = order[_tightened(unique[order], sizes[order], max(LARGE[0], LARGE[1] * count))]
        # A cluster is told by its smallest photo, not by the hash that comes first.
        smallest = np.full(len(order), len(hashes))
        np.minimum.at(smallest, cluster, among[first])
        result[among] = smallest[cluster[which]]
    return result


def _tightened(hashes: np.ndarray, sizes: np.ndarray, large: float) -> np.ndarray:
    """The first hash of each one's cluster; those of more than `large` photos are cut at closer limits."""
    of = hamming.joined(hashes, *NEAR[0])
    for low, whole in NEAR[1:]:
        photos = np.bincount(of, sizes, len(of))
        for root in np.flatnonzero(photos > large):
            members = np.flatnonzero(of == root)
            of[members] = members[hamming.joined(hashes[members], low, whole)]
    return of


def _bursts(photos, looks, hashes, telling, same, near) -> Iterator[tuple[int, ...]]:
    where = np.flatnonzero(telling)
    paths = [photos[index].path for index in where]
    labels = np.array([photos[index].label for index in where], np.intp)
    first, second = bursts.neighbours(paths, labels, looks["taken"][where], hashes[where])
    first, second = where[first], where[second]
    other = same[first] != same[second]
    for cluster in _clusters(hamming.unions(len(same), first[other], second[other])):
        if len({int(near[index]) for index in cluster}) > 1:
            yield cluster


def _clusters(of: np.ndarray) -> Iterator[tuple[int, ...]]:
    """The indices of each cluster of two or more, given each one's first."""
    order = np.argsort(of, kind="stable")
    starts = np.flatnonzero(np.r_[True, of[order[1:]] != of[order[:-1]]]) if len(of) else np.empty(0, np.intp)
    lengths = np.diff(np.r_[starts, len(of)])
    for start, length in zip(starts[lengths > 1], lengths[lengths > 1], strict=True):
        yield tuple(order[start : start + length].tolist())
