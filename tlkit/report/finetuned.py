"""A run."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlkit import printed
from tlkit.report import calibrated
from tlkit.report.base import Interval, Path, Report
from tlkit.report.calibrated import Refused
from tlkit.report.exported import Exported

KEPT = {
    "head": "the head on the untouched backbone",
    "halfway": "the mean of the head alone and the fine-tuned network",
    "fine-tuned": "the fine-tuned network",
    "trained": "the network, trained from scratch",
}
CHANCE = 0.05  # p from which on two models cannot be told apart
FEW_PHOTOS = 20  # a class: below that, few are offered as a reason


@dataclass(frozen=True)
class Finetuned(Report):
    """A run: what was learned, from how many photos, and what was written."""

    run: Path
    backbone: str
    classes: Sequence[str]
    train_images: int
    val_images: int
    skipped: Sequence[Any]  # rows of path, reason
    val_top1: float
    val_top1_interval: Interval
    majority_top1: float  # of always answering with the largest class
    selected_on_val: bool
    seconds: float
    exports: Sequence[Exported]
    kept: str  # "head", "halfway", "fine-tuned" or "trained" (from scratch)
    learned: bool  # better than the largest class beyond chance
    val_balanced_accuracy: float  # the mean recall of the classes that have validation photos
    val_balanced_accuracy_interval: Interval
    per_class: Sequence[Any]  # rows of the validation photos, as those of Evaluated
    confusion: Sequence[Sequence[int]]  # [true][predicted], in the order of classes
    notes: Sequence[str] = ()
    folds: Mapping[str, Any] | None = None  # count, top1, top1_interval, per_fold; null without --folds
    suspects: Sequence[Any] = ()  # rows of path, label, suggested, probability (of the label)
    leaks: Sequence[Any] = ()  # rows of path, related: validation photos that training photos give away
    head_top1: float | None = None  # of the head alone on the same photos; null where nothing else is kept
    head_p: float | None = None  # of McNemar's exact test of the two, two-sided
    kept_because: str | None = None  # null where there was nothing to choose
    budget_seconds: float | None = None
    cut: Sequence[str] = ()  # what was left out to keep to the budget
    target: float | None = None  # share of photos right
    target_reached: bool | None = None  # by val_top1
    temperature: float = 1.0  # that probabilities were calibrated with; 1: not at all
    calibration_error: float | None = None  # expected calibration error on the validation photos
    calibration_error_before: float | None = None  # without the temperature
    calibration_error_by_chance: float | None = None  # what exact probabilities show on so many photos
    threshold: float | None = None  # where all classes are less likely: none of these; null: none is set
    refused: Refused | None = None  # share, interval, count of validation photos below it

    def text(self) -> str:
        skipped = [printed.plain(row) for row in self.skipped]
        facts = [
            (
                "photos",
                f"{self.train_images:,} to train on, {self.val_images:,} to check, {len(skipped):,} left out",
            ),
            ("top-1", printed.top1(self.val_top1, self.val_images, self.val_top1_interval)),
            ("guessing", f"{printed.percent(self.majority_top1)} by always naming the largest class"),
            ("kept", KEPT[self.kept]),
            *self._head(),
            *self._target(),
            *calibrated.facts(self, self.val_images),
            ("time", printed.duration(self.seconds)),
            *self._budget(),
        ]
        if len({sum(row) for row in self.confusion}) > 1:  # else it is the top-1 once more
            balanced = printed.balanced(self.val_balanced_accuracy, self.val_balanced_accuracy_interval)
            facts.insert(2, ("balanced", balanced))
        if self.folds:
            facts.insert(2, (f"{self.folds['count']} folds", self._crossed(self.folds)))
        lines = self._leaking() + ([] if self.learned else self._warning()) + self._worse()
        lines.append(f"{self.backbone}, {len(self.classes)} classes: {printed.names(self.classes)}")
        lines += printed.columns(facts)
        if self.selected_on_val:
            lines.append("  These figures flatter: choices were made on the validation photos themselves.")
        lines += printed.listed(
            skipped, lambda row: f"  left out: {printed.shown(row['path'])} ({row['reason']})"
        )
        lines += [f"  {note}" for note in self.notes]
        lines += self._doubts()
        lines += [export.text() for export in self.exports]
        return "\n".join([*lines, os.fspath(self.run)])

    def _crossed(self, folds: Mapping[str, Any]) -> str:
        shares = [row["top1"] for row in printed.plain(folds["per_fold"])]
        low, high = folds["top1_interval"]
        return (
            f"{printed.percent(folds['top1'])} on average (95% interval {printed.percent(low)} to "
            f"{printed.percent(high)}), each {printed.percent(min(shares))} to {printed.percent(max(shares))}"
        )

    def _head(self) -> list[tuple[str, str]]:
        """The head alone beside what is kept, where that is another."""
        if self.head_top1 is None or self.head_p is None:
            return []
        if self.head_p >= CHANCE:
            told = "no difference that can be told"
        else:
            told = f"what is kept is {'better' if self.val_top1 > self.head_top1 else 'worse'}"
        return [
            (
                "head alone",
                f"{printed.percent(self.head_top1)} on the same photos: {told} (p = {self.head_p:.2g})",
            )
        ]

    def _target(self) -> list[tuple[str, str]]:
        if self.target is None:
            return []
        top1 = printed.top1(self.val_top1, self.val_images, self.val_top1_interval)
        return [
            ("target", f"{100 * self.target:.4g}%: {'reached' if self.target_reached else 'missed'}, {top1}")
        ]

    def _budget(self) -> list[tuple[str, str]]:
        if self.budget_seconds is None:
            return []
        cut = f"{', '.join(self.cut)}; another run may differ" if self.cut else "nothing was left out"
        return [("budget", f"{printed.span(self.budget_seconds)}: {cut}")]

    def _worse(self) -> list[str]:
        if self.head_top1 is None or self.head_p is None or self.head_p >= CHANCE:
            return []
        if self.val_top1 > self.head_top1:
            return []
        return [
            f"The head alone would have been better: {printed.percent(self.head_top1)} right, and "
            f"{printed.percent(self.val_top1)} by what is kept, which did better on the training photos "
            "kept apart. --epochs 0 keeps the head."
        ]

    def _leaking(self) -> list[str]:
        if not self.leaks:
            return []
        first = printed.plain(self.leaks[0])
        are = "is" if len(self.leaks) == 1 else "are"
        return [
            f"{len(self.leaks):,} of {printed.photos(self.val_images)} of val {are} (nearly) in train, "
            "or of a group that is: the figures flatter. "
            f"The first: {printed.shown(first['path'])}, as {printed.shown(first['related'][0])}."
        ]

    def _doubts(self) -> list[str]:
        rows = [printed.plain(row) for row in self.suspects]
        if not rows:
            return []
        return [
            "  Labels to look at (a model that did not train on them believes another):"
        ] + printed.listed(
            rows,
            lambda row: (
                f"    {printed.shown(row['path'])}: {row['suggested']}, not {row['label']} "
                f"(which it finds {printed.percent(row['probability'])} likely)"
            ),
        )

    def _warning(self) -> list[str]:
        return [
            f"Nothing was learned that can be told from chance: {printed.percent(self.val_top1)} right, "
            f"and always naming the largest class gives {printed.percent(self.majority_top1)}.",
            *(f"  Perhaps: {reason}" for reason in self.reasons()),
        ]

    def reasons(self) -> list[str]:
        """What in these numbers may keep a model from learning, or from showing it."""
        photos = self.train_images / max(1, len(self.classes))
        found = []
        if self.kept == "trained":
            found.append(
                "from scratch a network needs more photos and epochs than fine-tuning: --epochs 20 is a "
                "start, or weights that have learned before."
            )
        if photos < FEW_PHOTOS:
            found.append(f"{photos:.0f} training photos a class are few; {FEW_PHOTOS} or more are a start.")
        if self.val_images < FEW_PHOTOS:
            found.append(
                f"{printed.photos(self.val_images)} to validate are too few to tell a good model from luck."
            )
        if self.majority_top1 >= 0.8:
            share = printed.percent(self.majority_top1)
            found.append(f"one class has {share} of the photos, so that naming it is hard to beat.")
        if len(self.skipped) > self.train_images / 10:
            found.append(f"{printed.photos(len(self.skipped))} could not be used.")
        return [
            *found,
            "folders whose photos do not show what their name says; predictions.csv has each answer.",
        ]

    @property
    def exit_code(self) -> int:
        if any(export.refused for export in self.exports):
            return 3
        return 4 if self.target_reached is False else 0
