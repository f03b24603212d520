"""What `tlkit weights` returns: published sets, those that were fetched, the files on this machine."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlkit import printed
from tlkit.report import Path, Report

HEADINGS = ("backbone", "set", "top-1", "pixels", "MB", "here", "licence")
UNSOLD = "not for commercial use"


@dataclass(frozen=True)
class Set:
    """Weights that somebody published for a backbone, and where they are on this machine."""

    backbone: str
    name: str  # what --weights calls it
    imagenet: bool  # whether "imagenet", the default, means it
    top1: float  # published, on ImageNet's validation photos, at image_size
    image_size: int  # pixels a side
    bytes: int  # of the file; rounded where its publisher rounds
    licence: str  # SPDX
    commercial: bool  # whether the licence permits commercial use
    training_data: str
    source: str  # who trained it: an address
    address: str  # of the file
    path: Path | None  # on this machine; null: not here
    kept_by: str | None  # "package", "tlkit", "mirror", "keras", "torch" or "huggingface_hub"; null: not here


@dataclass(frozen=True)
class Sets(Report):
    """Published sets: the first of each backbone, or all."""

    sets: Sequence[Set]
    more: int = 0  # sets of the same backbones that are not listed
    without: Sequence[str] = ()  # backbones of which nothing is published

    def text(self) -> str:
        lines = []
        if self.sets:
            table: list[tuple[str, ...]] = [HEADINGS]
            before = ""
            for row in self.sets:
                table.append(("" if row.backbone == before else row.backbone, *self._cells(row)))
                before = row.backbone
            lines += printed.table(table, left=(0, 1, 5, 6))
        elif not self.without:
            lines.append("No published weights are like that: 'tlkit weights ls --all' lists them all.")
        if any(row.imagenet for row in self.sets):
            lines.append("*: what 'imagenet' means, the default.")
        if not all(row.commercial for row in self.sets):
            lines.append(f"!: {UNSOLD}.")
        if self.more:
            lines.append(f"{self.more:,} more by name: --all lists them.")
        if len(self.without) == 1:
            lines.append(
                f"{self.without[0]} has no published weights: --weights none trains it from scratch."
            )
        elif self.without:
            lines.append(
                f"No weights are published of {printed.names(self.without)}: --weights none trains them from "
                "scratch."
            )
        return "\n".join(lines)

    def _cells(self, row: Set) -> tuple[str, ...]:
        name = f"{row.name} *" if row.imagenet else row.name
        figures = (printed.percent(row.top1), str(row.image_size), f"{row.bytes / 1e6:,.1f}")
        licence = row.licence if row.commercial else f"{row.licence} !"
        here = {None: "–", "package": "packaged"}.get(row.kept_by, "yes")
        return (name, *figures, here, licence)


@dataclass(frozen=True)
class Fetched(Set):
    """A set whose file was asked for: `path` is the checked file, null where there is an error."""

    sha256: str | None  # null where neither a publisher nor this machine has recorded it whole
    error: Mapping[str, Any] | None  # kind, message and hint, as of a command that failed; null: it is here

    def text(self, hint: bool = True) -> str:
        lines = [
            f"{self.backbone} {self.name}: {self.licence}, trained on {self.training_data}, "
            f"published by {self.source}"
        ]
        if self.error:
            what_to_do = (self.error["hint"] or "") if hint else ""
            return "\n".join([*lines, f"  Error: {self.error['message']} {what_to_do}".rstrip()])
        lines += [] if self.commercial else [f"  {self.licence}: {UNSOLD}."]
        return "\n".join([*lines, f"  {printed.size(self.bytes)}, {printed.shown(self.path)}"])


@dataclass(frozen=True)
class Fetching(Report):
    """What came of asking for some sets; one that fails does not stop the others."""

    sets: Sequence[Fetched]
    folder: Path | None = None  # that now serves as a mirror; null: none was asked for

    def text(self) -> str:
        lines, failed = [], 0
        for row in self.sets:
            lines.append(row.text(hint=failed < printed.SHOWN))  # without a network it is the same for all
            failed += row.error is not None
        if failed and len(self.sets) > 1:
            lines.append(f"{failed:,} of {len(self.sets):,} could not be had.")
        if self.folder is not None and failed < len(self.sets):
            lines.append(f"As a mirror: TLKIT_WEIGHTS_MIRROR={printed.shown(self.folder)}")
        return "\n".join(lines)

    @property
    def exit_code(self) -> int:
        return 1 if any(row.error for row in self.sets) else 0


@dataclass(frozen=True)
class File:
    """A weights file on this machine, read whole."""

    path: Path
    state: str  # "ok"; "damaged": not what was published; "partial": a download to go on with; "unknown"
    kept_by: str  # as of a `Set`
    bytes: int
    sha256: str | None  # null of those that are damaged or partial
    sets: Sequence[Mapping[str, str]]  # rows of backbone, name: what it is published as
    said: str | None  # what is wrong, and what to do; null: nothing

    @property
    def called(self) -> str:
        return ", ".join(f"{row['backbone']} {row['name']}" for row in self.sets) or "–"


@dataclass(frozen=True)
class Verified(Report):
    """Every weights file on this machine; none was changed."""

    files: Sequence[File]

    def text(self) -> str:
        if not self.files:
            return "No weights are on this machine."
        rows = [
            (row.state, printed.size(row.bytes), row.kept_by, row.called, printed.shown(row.path))
            for row in self.files
        ]
        lines = printed.table(rows, left=(0, 2, 3, 4))
        for row in self.files:
            path = printed.shown(row.path)
            said = row.said or ""
            lines += [f"{row.state}: {said if path in said else f'{path}: {said}'}"] if said else []
        damaged = sum(row.state == "damaged" for row in self.files)
        lines += [f"{damaged:,} of {len(self.files):,} damaged; nothing was removed."] if damaged else []
        return "\n".join(lines)

    @property
    def exit_code(self) -> int:
        return 1 if any(row.state == "damaged" for row in self.files) else 0


@dataclass(frozen=True)
class Found(Report):
    """Where the file of a set is on this machine, checked."""

    backbone: str
    name: str
    path: Path
    kept_by: str  # as of a `Set`
    bytes: int

    def text(self) -> str:
        return os.fspath(self.path)
