"""Two runs on the same photos."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tlkit import printed
from tlkit.report.base import Interval, Path, Report


@dataclass(frozen=True)
class Compared:
    """One of two runs, on the photos that both are compared on."""

    run: Path
    backbone: str
    top1: float
    top1_interval: Interval
    balanced_accuracy: float
    balanced_accuracy_interval: Interval
    val_images: int  # all of its validation photos, compared on or not


@dataclass(frozen=True)
class LeftOut:
    """Validation photos that say nothing about which run is better."""

    trained_on: int  # by one of the runs, or copies of such
    relabelled: int  # of another class in the other run
    first_alone: int  # not among those of the other run
    second_alone: int
    copies: int  # of photos that are compared on


@dataclass(frozen=True)
class Differing:
    """A photo that the runs name differently."""

    path: str  # in the first run
    second_path: str
    label: str
    first: str  # what it is named
    second: str
    right: str | None  # "first", "second" or null: neither


@dataclass(frozen=True)
class ComparedRuns(Report):
    """Which of two runs is better, as far as the photos can tell."""

    first: Compared
    second: Compared
    photos: int
    both_right: int
    only_first: int
    only_second: int
    neither: int
    p: float  # McNemar's test, exact, two-sided
    difference: float  # the first's top-1 less the second's
    difference_interval: Interval  # Tango's score interval
    needed: int | None  # photos of lead that would have told them apart; null: none would, too few differ
    better: str | None  # "first", "second", or null: no difference can be told
    left_out: LeftOut
    differing: Sequence[Differing]

    def text(self) -> str:
        facts = [
            (name, f"{printed.top1(run.top1, self.photos, run.top1_interval)}, {_named(run)}")
            for name, run in (("first", self.first), ("second", self.second))
        ]
        low, high = self.difference_interval
        facts += [
            (
                "balanced",
                f"{printed.percent(self.first.balanced_accuracy)} and "
                f"{printed.percent(self.second.balanced_accuracy)} with each class counting alike",
            ),
            (
                "right",
                f"both on {self.both_right:,}, only the first on {self.only_first:,}, "
                f"only the second on {self.only_second:,}, neither on {self.neither:,}",
            ),
            (
                "difference",
                f"{_signed(self.difference)} (95% interval {_signed(low)} to {_signed(high)}; "
                f"p = {self.p:.2g}, McNemar's exact test)",
            ),
        ]
        lines = [*self._shared(), *printed.columns(facts), self.verdict()]
        lines += printed.listed(self.differing, self._line)
        return "\n".join(lines)

    def verdict(self) -> str:
        """One sentence or two: which is better, or that the photos cannot tell."""
        if self.better is not None:
            run, rest = (self.first, self.second) if self.better == "first" else (self.second, self.first)
            return f"The {self.better} is better: {_named(run)}, beyond chance, than {_named(rest)}."
        told = f"No difference can be told from these {printed.photos(self.photos)}"
        low, high = self.difference_interval
        if low > 0 or high < 0:
            told += " (the interval leaves out 0, but the exact test is the stricter one)"
        count = self.only_first + self.only_second
        if self.needed is None:
            return f"{told}: {count:,} of them {'tells' if count == 1 else 'tell'} the two apart; it takes 6."
        share = printed.percent(self.needed / self.photos)
        return (
            f"{told}: {count:,} of them tell the two apart, and a lead of {self.needed:,} ({share}) would do."
        )

    def _shared(self) -> list[str]:
        both, alone = self.photos, (self.first.val_images, self.second.val_images)
        of = f"{alone[0]:,}" if alone[0] == alone[1] else f"{alone[0]:,} and {alone[1]:,}"
        lines = [f"{both:,} of {of} photos are in both."]
        if self.left_out.trained_on:
            lines.append(f"Left out: {printed.photos(self.left_out.trained_on)} that a run trained on.")
        if self.left_out.relabelled:
            lines.append(
                f"Left out: {printed.photos(self.left_out.relabelled)} of another class in the other run."
            )
        if self.left_out.copies:
            lines.append(f"Left out: {printed.photos(self.left_out.copies)} that copy another one.")
        return lines

    def _line(self, row: Differing) -> str:
        right = "neither is right" if row.right is None else f"the {row.right} is right"
        return f"  {printed.shown(row.path)}: {row.first} or {row.second}? It is {row.label}, {right}."


def _named(run: Compared) -> str:
    return f"{os.fspath(run.run)} ({run.backbone})"


def _signed(share: float) -> str:
    """
    >>> _signed(0.0417), _signed(-0.021)
    ('+4.2%', '-2.1%')
    """
    return f"{share:+.1%}"
