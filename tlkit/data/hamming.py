"""Hashes of 256 bits that differ in few bits, joined without looking at every pair.

Two words of 64 bits that differ in at most d bits agree in at least m − d of any m bands. So for
each choice of m − d bands the hashes are sorted by what stands there, and only those that agree are
compared: no pair is missed. It is joined that is wanted, not listed: what is one component already is
not compared again, and a million hashes in one heap cost little more than a million apart.

scikit-learn's BallTree took 2.6 s for word 0 of 10,000 random hashes on one core, this 0.02 s; faiss's
binary indexes list every pair, which for many copies of one picture is every pair there is.
"""

from itertools import combinations
from math import comb

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# What one search may cost, in comparisons of word 0 and of the whole; reached only where very many hashes
# are alike in word 0 and differ elsewhere. Some 20 s in all.
BRIEF = 2**31
FULL = 2**27
CHOICES = 500
BUFFER = 2**16  # pairs compared at a time


def unions(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The smallest index of each one's component, (count,), where pairs of indices are joined."""
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    parts, of = connected_components(graph, directed=False)
    smallest = np.empty(parts, np.intp)
    smallest[of[::-1]] = np.arange(count - 1, -1, -1)  # the last one written is the smallest
    return smallest[of]


def close(one: np.ndarray, other: np.ndarray, low: int, whole: int) -> np.ndarray:
    """Which rows of two (n, 4) tables differ in at most `low` bits of word 0 and `whole` bits in all."""
    bits = np.bitwise_count(one ^ other)
    return (bits[:, 0] <= low) & (bits.sum(axis=1, dtype=np.uint16) <= whole)


def joined(hashes: np.ndarray, low: int, whole: int) -> np.ndarray:
    """The smallest index of each one's component, (n,), where `close` hashes, (n, 4) uint64, are joined.

    Exact as long as the pairs that agree in the bands and are not joined yet stay below `BRIEF`, and
    those of them with a close word 0 below `FULL`. Beyond, each choice of bands has its share, spent on
    hashes that are next to each other by value: what is joined is close, but some pairs may be missed.
    `hashes` must be different, sorted by their words as
    `np.unique` leaves them, and fewer than 2**32.
    """
    found = _Components(hashes)
    if len(hashes) > 1:
        _neighbours(found, hashes[:, 0], low, whole)
        bands = _bands(len(hashes), low)
        word = _interleaved(hashes[:, 0], len(bands))
        choices = list(combinations(bands, len(bands) - low))
        for done, chosen in enumerate(choices):
            _compare(found, word, bands, chosen, low, whole, len(choices) - done)
            found.join()
    return found.of


class _Components:
    """A growing union of pairs, and what may still be spent on finding them; `of` is right after `join`."""

    def __init__(self, hashes: np.ndarray):
        self.rest = [hashes[:, word].copy() for word in (1, 2, 3)]
        self.of = np.arange(len(hashes))
        self.brief, self.full = BRIEF, FULL
        self._pairs: list[np.ndarray] = []
        self.waiting = 0

    def compare(self, first: np.ndarray, second: np.ndarray, differ: np.ndarray, whole: int) -> None:
        """Take the pairs that differ in at most `whole` bits, given in how many their words 0 do."""
        self.full -= len(first)
        for start in range(0, len(first), BUFFER):
            one, other = first[start : start + BUFFER], second[start : start + BUFFER]
            bits = differ[start : start + BUFFER].copy()
            for word in self.rest:
                bits += np.bitwise_count(word[one] ^ word[other])
            right = bits <= whole
            if right.any():
                self._pairs.append(np.stack([self.of[one[right]], self.of[other[right]]]))
                self.waiting += self._pairs[-1].shape[1]

    def join(self) -> None:
        if not self._pairs:
            return
        # Only the roots that are named, so that a small union among many hashes is a small union.
        roots, ends = np.unique(np.concatenate(self._pairs, axis=1), return_inverse=True)
        self._pairs.clear()
        self.waiting = 0
        first, second = ends.reshape(2, -1)
        self.of[roots] = roots[unions(len(roots), first, second)]
        self.of = self.of[self.of]  # for those whose root is none any more


def _bands(count: int, low: int) -> list[tuple[int, int]]:
    """(first bit, width) of each band of a 64-bit word, for the least work: sorts or comparisons."""

    def work(bands: int) -> float:
        kept = 64 * (bands - low) / bands * 0.75  # bits of photos' hashes are neither fair nor independent
        return comb(bands, low) * (2 * count + count**2 / 2 / 2**kept)

    numbers = [bands for bands in range(low + 1, 65) if comb(bands, low) <= CHOICES] or [low + 1]
    best = min(numbers, key=work)
    edges = [64 * edge // best for edge in range(best + 1)]
    return [(start, end - start) for start, end in zip(edges[:-1], edges[1:], strict=True)]


def _interleaved(words: np.ndarray, bands: int) -> np.ndarray:
    """The words with their bits in another order, neighbours in different bands: they say much the same."""
    order = sorted(range(64), key=lambda bit: bit % bands)
    result = np.zeros_like(words)
    for place, bit in enumerate(order):
        result |= ((words >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
    return result


def _neighbours(found: _Components, word: np.ndarray, low: int, whole: int) -> None:
    """Join what is next to each other by any of the other words: most of a heap, before it costs anything."""
    for other in found.rest:
        order = np.argsort(other)
        for step in (1, 2, 3, 4):
            first, second = order[:-step], order[step:]
            bits = np.bitwise_count(word[first] ^ word[second])
            near = np.flatnonzero(bits <= low)
            found.compare(first[near], second[near], bits[near], whole)
        found.join()


def _compare(
    found: _Components,
    word: np.ndarray,
    bands: list[tuple[int, int]],
    chosen: tuple[tuple[int, int], ...],
    low: int,
    whole: int,
    left: int,
) -> None:
    """Find the close pairs among the hashes whose first bands to agree are those chosen."""
    brief, full = found.brief - found.brief // left, found.full - found.full // left
    earlier = [_bits(band) for band in bands if band < chosen[-1] and band not in chosen]
    places = np.uint64(len(word).bit_length())
    rows = np.zeros_like(word)
    for start, width in chosen:
        rows <<= np.uint64(width)
        rows |= (word >> np.uint64(start)) & np.uint64(2**width - 1)
    rows <<= places  # a key too long for 64 bits loses some of them: more is compared, nothing is missed
    rows |= np.arange(len(word), dtype=np.uint64)
    rows.sort()  # one array of keys and indices together sorts many times quicker than argsort
    keys = rows >> places
    rows &= np.uint64(2 ** int(places) - 1)
    order = rows.view(np.int64)
    words = word[order]
    at = np.flatnonzero(keys[1:] == keys[:-1])
    step = 1
    while len(at) and found.brief > brief and found.full > full:
        found.brief -= len(at)
        differ = words[at] ^ words[at + step]
        bits = np.bitwise_count(differ)
        near = np.flatnonzero(bits <= low)
        for band in earlier:  # so that no pair is compared for more than one choice
            near = near[differ[near] & band != 0]
        first, second = order[at[near]], order[at[near] + step]
        apart = found.of[first] != found.of[second]
        found.compare(first[apart], second[apart], bits[near[apart]], whole)
        if step & (step - 1) == 0 and step > 1 or found.waiting > 2**18:
            found.join()
            at = at[_unfinished(keys, found.of[order])[at]]
        step += 1
        at = at[at + step < len(keys)]
        at = at[keys[at] == keys[at + step]]


def _bits(band: tuple[int, int]) -> np.uint64:
    return np.uint64((2 ** band[1] - 1) << band[0])


def _unfinished(keys: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Which ones stand among equal keys of more than one component."""
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    several = np.minimum.reduceat(of, starts) != np.maximum.reduceat(of, starts)
    return np.repeat(several, np.diff(np.r_[starts, len(keys)]))
