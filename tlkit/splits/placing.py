"""Units of photos onto sides, so that every side has of each class as nearly what it should as it can.

A side lacks what it should have of a class less what it has (below zero: it has too many). Moving
`size` photos of a class from side `here` to side `there` lowers the sum of squared lacks by twice
size · (lack[there] - lack[here] - size). Every unit starts on side 0; in the order of rank each moves to
the side that lowers the sum most, if any does, until none does. For a class whose units hold no other
class it follows that no two sides' lacks differ by more than the smallest unit that can leave: every side
is right to within one unit.

Numbers are whole, so that all machines decide alike.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ROUNDS = 10  # over units that hold several classes; the last ones change next to nothing
WEIGHT = 2**24


class Cells(NamedTuple):
    """How many photos of a class a unit holds: arrays of one length, by unit, then by class."""

    unit: np.ndarray
    label: np.ndarray
    size: np.ndarray


def cells(unit: np.ndarray, label: np.ndarray) -> Cells:
    """From each photo's unit and class."""
    labels = int(label.max(initial=0)) + 1
    keys, size = np.unique(unit * labels + label, return_counts=True)
    return Cells(keys // labels, keys % labels, size)


def place(
    free: Cells, units: int, sides: int, wanted: np.ndarray, placed: np.ndarray, *, train: bool
) -> np.ndarray:
    """(units,), uint8: the side of each unit that is in `free`; 0 for the others.

    `wanted` and `placed` are (classes, sides): the photos that each side should have of each class,
    and those that it has and keeps. With `train`, side 0 never loses the last photo of a class, and
    a side that should have photos of a class gets one unit where another can spare it. Without, all
    sides are alike (folds), and a class with enough units is on each.
    """
    board = _Board(free, units, sides, wanted, placed, train)
    for _ in range(ROUNDS):
        moved = board.place_mixed()
        moved = board.place_own() or moved
        if not (board.fill_empty() or moved):
            break
    board.place_own()
    return np.frombuffer(board.side, np.uint8)


class _Board:
    """Where each unit is, and what each side lacks; flat lists, label · sides + side."""

    def __init__(
        self, free: Cells, units: int, sides: int, wanted: np.ndarray, placed: np.ndarray, train: bool
    ):
        self.side = bytearray(units)
        self.sides, self.train = sides, train
        placed = placed.astype(np.int64)
        np.add.at(placed[:, 0], free.label, free.size)
        lack = wanted.astype(np.int64) - placed
        self.wanted: list[int] = wanted.ravel().tolist()
        self.placed: list[int] = placed.ravel().tolist()
        self.lack: list[int] = lack.ravel().tolist()
        # Only for folds: among splits, what one class gets must not depend on the others.
        self.lack_in_all: list[int] = [0] * sides if train else lack.sum(axis=0).tolist()
        # A photo too many matters more in a rare class. Classes of their own do not see the weight.
        self.weight: list[int] = np.maximum(WEIGHT // np.maximum(placed.sum(axis=1), 1), 1).tolist()
        starts = np.flatnonzero(np.diff(free.unit, prepend=-1))
        lone = np.diff(starts, append=len(free.unit)) == 1
        own = starts[lone]
        own = own[np.argsort(free.label[own], kind="stable")]
        self.own = Cells(*(column[own] for column in free))
        self.first_own = np.searchsorted(self.own.label, np.arange(len(self.weight) + 1)).tolist()
        mixed = np.repeat(~lone, np.diff(starts, append=len(free.unit)))
        self.mixed_cells = Cells(*(column[mixed] for column in free))
        self.mixed: list[int] = free.unit[starts[~lone]].tolist()
        begins = np.flatnonzero(np.diff(self.mixed_cells.unit, prepend=-1)).tolist()
        self.begins: list[int] = [*begins, len(self.mixed_cells.unit)]
        self.cell: list[int] = (self.mixed_cells.label * sides).tolist()
        self.size: list[int] = self.mixed_cells.size.tolist()

    def place_own(self) -> bool:
        """Units of one class, a class at a time, until no move brings it nearer."""
        moved = False
        for label, (start, stop) in enumerate(zip(self.first_own, self.first_own[1:], strict=False)):
            if start < stop:
                units, sizes = self.own.unit[start:stop].tolist(), self.own.size[start:stop].tolist()
                while self._place_own(label, units, sizes):
                    moved = True
        return moved

    def _place_own(self, label: int, units: Sequence[int], sizes: Sequence[int]) -> bool:
        at = label * self.sides
        lack = self.lack[at : at + self.sides]
        in_all, smallest = self.lack_in_all, min(sizes)
        moved = False
        there = max(range(self.sides), key=lambda side: (lack[side], in_all[side]))
        if lack[there] - min(lack) < smallest:
            return False
        for unit, size in zip(units, sizes, strict=True):
            here = self.side[unit]
            nearer = lack[there] - lack[here] - size
            # Where it is all the same to the class, the fold with the fewest photos in all gets it.
            if nearer < 0 or here == there or (nearer == 0 and in_all[there] - in_all[here] <= size):
                continue
            if not self._may_leave(at, size, here, there):
                continue
            self._move(unit, at, size, here, there)
            moved = True
            lack[here] += size
            lack[there] -= size
            there = max(range(self.sides), key=lambda side: (lack[side], in_all[side]))
            if lack[there] - min(lack) < smallest:
                break
        return moved

    def place_mixed(self) -> bool:
        """Units of several classes, once each: to the side that brings all of them nearest together."""
        lack, size, cell, sides, in_all = self.lack, self.size, self.cell, self.sides, self.lack_in_all
        weight = [self.weight[at // sides] * count for at, count in zip(cell, size, strict=True)]
        moved = False
        for place, unit in enumerate(self.mixed):
            rows = range(self.begins[place], self.begins[place + 1])
            here = self.side[unit]
            best, to = 0, here
            for there in range(sides):
                if there == here:
                    continue
                nearer = 0
                for row in rows:
                    at = cell[row]
                    nearer += weight[row] * (lack[at + there] - lack[at + here] - size[row])
                if nearer < best or (nearer == best and to != here):
                    continue
                if nearer == 0 and in_all[there] - in_all[here] <= sum(size[row] for row in rows):
                    continue
                if all(self._may_leave(cell[row], size[row], here, there) for row in rows):
                    best, to = nearer, there
            if to != here:
                moved = True
                for row in rows:
                    self._move(unit, cell[row], size[row], here, to)
        return moved

    def fill_empty(self) -> bool:
        """Have each class on each side that should have it, by the unit that upsets the least."""
        moved = False
        for label in range(len(self.weight)):
            at = label * self.sides
            empty = [side for side in range(self.sides) if not self.placed[at + side]]
            if self.train:
                empty = [side for side in empty if self.wanted[at + side]]
                empty.sort(key=lambda side: -self.wanted[at + side])
            for there in empty:
                moved = self._fill(label, there) or moved
        return moved

    def _fill(self, label: int, there: int) -> bool:
        at, best = label * self.sides, None
        for unit, rows in self._holding(label):
            here = self.side[unit]
            # Not from a side that would then be without: the class would only change places.
            if any(cell == at and self.placed[at + here] == size for cell, size in rows):
                continue
            if not all(self._may_leave(cell, size, here, there) for cell, size in rows):
                continue
            nearer = sum(
                self.weight[cell // self.sides]
                * size
                * (self.lack[cell + there] - self.lack[cell + here] - size)
                for cell, size in rows
            )
            if best is None or (nearer, -unit) > best[0]:
                best = (nearer, -unit), unit, rows
        if best is None:
            return False
        _, unit, rows = best
        here = self.side[unit]
        for cell, size in rows:
            self._move(unit, cell, size, here, there)
        return True

    def _holding(self, label: int) -> list[tuple[int, list[tuple[int, int]]]]:
        """The free units that hold a class, each with its cells; those of no other class if they suffice."""
        start, stop = self.first_own[label : label + 2]
        if start < stop:
            own = zip(self.own.unit[start:stop].tolist(), self.own.size[start:stop].tolist(), strict=True)
            found = [(unit, [(label * self.sides, size)]) for unit, size in own]
            # Enough to leave one on every side: the others are not needed.
            if len(found) >= self.sides:
                return found
        else:
            found = []
        rows = np.flatnonzero(self.mixed_cells.label == label)
        for place in np.searchsorted(self.begins, rows, side="right").tolist():
            begin, end = self.begins[place - 1], self.begins[place]
            cells = list(zip(self.cell[begin:end], self.size[begin:end], strict=True))
            found.append((self.mixed[place - 1], cells))
        return found

    def _may_leave(self, at: int, size: int, here: int, there: int) -> bool:
        """No side loses its last photo of a class to one that has some; train never does."""
        if self.placed[at + here] > size:
            return True
        return not self.placed[at + there] and not (self.train and here == 0)

    def _move(self, unit: int, at: int, size: int, here: int, there: int) -> None:
        self.side[unit] = there
        for numbers, change in ((self.placed, size), (self.lack, -size)):
            numbers[at + here] -= change
            numbers[at + there] += change
        if not self.train:
            self.lack_in_all[here] += size
            self.lack_in_all[there] -= size
