"""What a job returns: its numbers as JSON or as a text to read.

Fields are the keys of the JSON objects, which are only ever added to: fractions are 0–1, units
stand in the key, NaN is null, intervals are [low, high], paths are texts.
"""

import abc
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlkit import printed

SCHEMA = 1
MATRIX = 12  # classes up to which a confusion matrix is drawn
KEPT = {
    "head": "the head on the untouched backbone",
    "halfway": "the mean of the head alone and the fine-tuned network",
    "fine-tuned": "the fine-tuned network",
    "trained": "the network, trained from scratch",
}
FEW_PHOTOS = 20  # a class: below that, few are offered as a reason

Path = str | os.PathLike[str]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Report(abc.ABC):
    """A result that can be printed; `exit_code` is what the command ends with."""

    def json(self) -> str:
        """One JSON object, in ASCII: names that are not valid text survive too."""
        return dumps(self)

    @abc.abstractmethod
    def text(self) -> str:
        """Lines for a person."""

    @property
    def exit_code(self) -> int:
        return 0


@dataclass(frozen=True)
class Exported(Report):
    """A file for another place, and how it answered beside its model; null where it was not asked."""

    path: Path
    format: str  # tflite, savedmodel or keras
    quantize: str
    bytes: int
    sha256: str
    images: int  # photos it was asked
    reference_top1: float | None  # of the Keras model on the same photos
    top1: float | None
    agreement: float | None  # share of photos with the same first answer
    max_difference: float | None  # of any probability
    refused: bool = False
    differing: Sequence[Mapping[str, Any]] = ()  # path, model, file, gap: photos with another first answer
    notes: Sequence[str] = ()

    def text(self) -> str:
        kind = self.format if self.quantize == "none" else f"{self.format} {self.quantize}"
        lines = [
            f"{os.fspath(self.path)}  {kind}, {printed.size(self.bytes)}",
            *([f"  {self._checked()}"] if self.images else []),
        ]
        if self.refused:
            lines.insert(0, "Refused: the file answers worse than its model, and was not kept.")
        lines += printed.listed(
            self.differing,
            lambda row: (
                f"  differs: {row['path']}: {row['file']}, not {row['model']} "
                f"(the model's lead was {row['gap']:.4f})"
            ),
        )
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def _checked(self) -> str:
        same = round((self.agreement or 0) * self.images)
        return (
            f"top-1 {printed.percent(self.top1)} (model {printed.percent(self.reference_top1)}), "
            f"same answer for {same:,} of {printed.photos(self.images)}, "
            f"probabilities at most {self.max_difference:.4f} apart"
        )

    @property
    def exit_code(self) -> int:
        return 3 if self.refused else 0


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
    notes: Sequence[str] = ()
    folds: Mapping[str, Any] | None = None  # count, top1, top1_interval, per_fold; null without --folds
    suspects: Sequence[Any] = ()  # rows of path, label, suggested, probability (of the label)
    leaks: Sequence[Any] = ()  # rows of path, related: validation photos that training photos give away

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
            ("time", printed.duration(self.seconds)),
        ]
        if self.folds:
            facts.insert(2, (f"{self.folds['count']} folds", self._crossed(self.folds)))
        lines = self._leaking() + ([] if self.learned else self._warning())
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
                "from scratch a network needs more photos and epochs and a higher rate than fine-tuning: "
                "--epochs 20 --learning-rate 0.001 is a start, or weights that have learned before."
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
        return 3 if any(export.refused for export in self.exports) else 0


@dataclass(frozen=True)
class Evaluated(Report):
    """How a model answers for photos whose class is known."""

    images: int
    top1: float
    top1_interval: Interval
    top5: float | None  # null up to five classes
    per_class: Sequence[Any]  # rows of label, count, precision, recall, f1
    confusion: Sequence[Sequence[int]]  # [true][predicted], in the order of labels
    labels: Sequence[str]
    split: str | None  # the part of the photos that was used; null: all of them
    majority_top1: float
    notes: Sequence[str] = ()

    def text(self) -> str:
        facts = [
            ("photos", f"{self.images:,}" + (f", the split {self.split}" if self.split else "")),
            ("top-1", printed.top1(self.top1, self.images, self.top1_interval)),
            ("top-5", printed.percent(self.top5)),
            ("guessing", f"{printed.percent(self.majority_top1)} by always naming the largest class"),
        ]
        lines = printed.columns(
            [fact for fact in facts if fact[0] != "top-5" or self.top5 is not None], indent=""
        )
        rows = [printed.plain(row) for row in self.per_class]
        shares = ("precision", "recall", "f1")
        table = [("class", "photos", *shares)]
        table += [
            (r["label"], f"{r['count']:,}", *(printed.percent(r[share]) for share in shares)) for r in rows
        ]
        lines += ["", *printed.table(table), "", *self._confused()]
        return "\n".join([*lines, "", *self.notes]).rstrip()

    def _confused(self) -> list[str]:
        if len(self.labels) <= MATRIX:
            rows = zip(self.labels, self.confusion, strict=True)
            table = [("true \\ predicted", *self.labels), *((name, *map(str, row)) for name, row in rows)]
            return printed.table(table)
        wrong = [
            (count, true, predicted)
            for true, row in zip(self.labels, self.confusion, strict=True)
            for predicted, count in zip(self.labels, row, strict=True)
            if count and true != predicted
        ]
        wrong.sort(key=lambda row: -row[0])
        return ["most often confused:"] + printed.listed(
            wrong, lambda row: f"  {row[1]} taken for {row[2]}: {row[0]:,}"
        )


@dataclass(frozen=True)
class Answer:
    """A class and how likely the model finds it."""

    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one photo, or the reason why there are none."""

    path: Path
    top: Sequence[Answer] | None = None
    error: str | None = None

    def plain(self) -> dict[str, Any]:
        """`path` with `top`, or with `error`."""
        if self.error is not None:
            return {"path": os.fspath(self.path), "error": self.error}
        return {"path": os.fspath(self.path), "top": printed.plain(self.top)}


@dataclass(frozen=True)
class Predicted(Report):
    """The answers for some photos, in the order they were given."""

    predictions: Sequence[Prediction]
    notes: Sequence[str] = ()

    def text(self) -> str:
        rows = []
        for row in self.predictions:
            answers = ", ".join(f"{answer.probability:.0%} {answer.label}" for answer in row.top or ())
            rows.append((os.fspath(row.path), answers if row.error is None else f"unreadable: {row.error}"))
        return "\n".join([*printed.columns(rows, indent=""), *self.notes])

    def jsonl(self) -> str:
        """A JSON object a line, one for each photo."""
        return "\n".join(json.dumps(printed.plain(row)) for row in self.predictions)

    @property
    def exit_code(self) -> int:
        return 1 if any(row.error is not None for row in self.predictions) else 0


@dataclass(frozen=True)
class Recipes(Report):
    """The recipes that ship with tlkit."""

    recipes: Sequence[Mapping[str, Any]]  # name, summary, settings

    def text(self) -> str:
        return "\n".join(printed.columns([(row["name"], row["summary"]) for row in self.recipes], indent=""))


@dataclass(frozen=True)
class RecipeText(Report):
    """One recipe as it is written; `path` is where it was copied to."""

    name: str
    toml: str
    path: Path | None = None

    def text(self) -> str:
        return self.toml.rstrip("\n") if self.path is None else os.fspath(self.path)


def failure(kind: str, message: str, hint: str | None) -> str:
    """The JSON object of a command that failed."""
    return json.dumps({"schema": SCHEMA, "error": {"kind": kind, "message": message, "hint": hint}})


def dumps(report: Report) -> str:
    """`report` as a JSON object with its schema first."""
    return json.dumps({"schema": SCHEMA, **printed.plain(report)}, allow_nan=False)
