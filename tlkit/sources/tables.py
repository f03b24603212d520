"""A table of paths and labels as a source of photos: a file of rows, a DataFrame, or any rows from Python."""

import os
import re
import sys
from array import array
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tlkit.errors import DataError
from tlkit.printed import shown
from tlkit.sources import rows
from tlkit.sources.layout import SPLITS
from tlkit.sources.listed import Entry, Fault, Listed, Skipped, named
from tlkit.sources.tree import nfc

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


class Wrong(ValueError):
    """Why a value cannot be used."""


def read(source: Any, *, group: str = "group") -> Listed:
    """Name every photo that a table lists, with its label and, where given, its split and group; open none.

    source  a path to .csv, .tsv, .jsonl, .ndjson or .parquet, a DataFrame, or any iterable of
            (path, label[, split[, group]]) or of mappings with these keys.
    group   the column that holds the groups.

    Paths are relative to the table's own folder, or to the current one where it has none. `skipped`
    holds each row that cannot be used, with its number; rows of one path agree or are left out.
    Raises `UsageError` for what is no table, `DataError` for one without a usable row, without a
    column, or with a split that is none.
    """
    table = rows.of(source, group)
    gathered = _Gathered(table)
    for row in table.rows:
        if type(row) is tuple:
            gathered.add(*row)
        else:
            gathered.skip(f"{table.unit} {row[0]}", row[1])
    return gathered.listed()


class _Gathered:
    """The rows of a table so far: a million of them take some 250 MB, so nothing is kept of them twice."""

    def __init__(self, table: rows.Table):
        self.table = table
        self.entries: list[Entry | None] = []
        self.numbers = array("q")  # where each entry stood in the table
        self.places: dict[str, int] = {}  # of each path among the entries
        self.skipped: list[Skipped] = []
        self.repeated: list[str] = []
        self.clashing: dict[int, list[tuple[int, Entry]]] = defaultdict(list)  # later rows of an entry's path
        self.labels: dict[str, str] = {}
        self.groups: dict[str, str | None] = {}
        self.splits: dict[str, str | None] = {"": None, **SPLITS}
        self.unknown: dict[str, list[int]] = defaultdict(list)  # words that are no split, and their rows
        self.slashed = 0

    def skip(self, path: str, reason: str) -> None:
        self.skipped.append(Skipped(path.encode("utf-8", "backslashreplace").decode(), reason))

    def add(self, number: int, path: Any, label: Any, split: Any, group: Any) -> None:
        try:
            path = _path(path)
        except Wrong as error:
            return self.skip(f"{self.table.unit} {number}", str(error))
        try:
            label = self._label(label)
            entry = Entry(path, label, self._split(split, number), self._group(group))
        except Wrong as error:
            return self.skip(path, f"{error} ({self.table.unit} {number})")
        place = self.places.setdefault(path, len(self.entries))
        if place == len(self.entries):
            self.entries.append(entry)
            self.numbers.append(number)
            self.slashed += "\\" in path
        else:
            self.clashing[place].append((number, entry))
        return None

    def _label(self, value: Any) -> str:
        found = self.labels.get(value) if type(value) is str else None
        if found is None:
            found = _text(value, "label")
            if found is None or not found.strip():
                raise Wrong("no label")
            if found.splitlines() != [found] or "\0" in found:
                raise Wrong(f"a line break in its label, '{shown(found)}'")
            found = self.labels[found] = sys.intern(found)
        return found

    def _split(self, value: Any, number: int) -> str | None:
        if value is None or (type(value) is str and value in self.splits):
            return self.splits[value or ""]
        word = (_text(value, "split") or "").strip()
        if word.casefold() not in self.splits:
            self.unknown[word].append(number)
            return None
        split = self.splits[word] = self.splits[word.casefold()]
        return split

    def _group(self, value: Any) -> str | None:
        if value is None or (type(value) is str and value in self.groups):
            return self.groups[value] if value else None
        text = _text(value, "group")
        if text is None or not text.strip():
            return None
        return self.groups.setdefault(text, sys.intern(text))

    def listed(self) -> Listed:
        name, unit = self.table.name, self.table.unit
        if self.unknown:
            words = [
                f"'{shown(word)}' ({unit} {numbers[0]:,}{_more(numbers)})"
                for word, numbers in self.unknown.items()
            ]
            known = named(SPLITS)
            what = f"{name} has splits that are none: {', '.join(words[:10])}{_more(words, 10)}."
            raise DataError(what, f"A split is one of {known}, or blank: still to be split.")
        notes = self._agree()
        self.places.clear()
        entries = [entry for entry in self.entries if entry]
        self.entries.clear()
        if not entries:
            reasons = [f"{shown(row.path)} ({row.reason})" for row in self.skipped]
            why = f": {', '.join(reasons[:10])}{_more(reasons, 10)}" if reasons else ""
            raise DataError(f"{name} holds no row that can be used{why}.", rows.NEEDED)
        if 2 * self.slashed > len(entries):
            notes.append(
                f"{self.slashed:,} paths hold '\\', which is part of a name here: write '/' between folders."
            )
        classes = _classes(entries, notes)
        faults = _single(name, classes) + _unlike(name, _pool(entries))
        return Listed(
            self.table.root, "table", classes, entries, tuple(self.skipped), tuple(notes), tuple(faults)
        )

    def _agree(self) -> list[str]:
        """Leave out paths whose rows contradict each other; say which are listed more than once."""
        unit, repeated = self.table.unit, []
        for place, later in self.clashing.items():
            first = self.entries[place]
            assert first
            every = [(self.numbers[place], first), *later]
            for what in ("label", "split", "group"):
                said: dict[str | None, int] = {}
                for number, entry in every:
                    said.setdefault(getattr(entry, what), number)
                if len(said) > 1:
                    told = [f"'{shown(value or '')}' in {unit} {number}" for value, number in said.items()]
                    self.skip(first.path, f"listed with more than one {what}: {', '.join(told)}")
                    self.entries[place] = None
                    break
            else:
                repeated.append(first.path)
        if not repeated:
            return []
        return [f"Listed more than once, taken once: {len(repeated):,}: {named(repeated)}."]


def _classes(entries: list[Entry], notes: list[str]) -> tuple[str, ...]:
    """The classes; each entry goes by the first spelling of its own."""
    used = dict.fromkeys(entry.label for entry in entries)
    names: dict[str, str] = {}
    for label in used:
        names.setdefault(nfc(label), label)
    twins = {label: names[nfc(label)] for label in used if names[nfc(label)] != label}
    if twins:
        both = ", ".join(f"{ascii(twin)} and {ascii(label)}" for label, twin in twins.items())
        notes.append(f"One class, its accents stored in two ways: {both}.")
        for place, entry in enumerate(entries):
            if entry.label in twins:
                entries[place] = entry._replace(label=twins[entry.label])
    loose: dict[str, list[str]] = defaultdict(list)
    for name in names.values():
        loose[name.strip().casefold()].append(name)
    alike = [named(found) for found in loose.values() if len(found) > 1]
    if alike:
        notes.append(f"Labels that differ in blanks or capitals only are told apart: {'; '.join(alike)}.")
    return tuple(names[key] for key in sorted(names))


def _path(value: Any) -> str:
    """A path with one '/' between its parts, otherwise as written."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if type(text) is not str:
        text = _text(text, "path") or ""
        if text and not isinstance(value, str | os.PathLike):
            raise Wrong(f"its path is no text: {shown(text)}")
    if not text:
        raise Wrong("no path")
    if "\0" in text:
        raise Wrong("a NUL in its path")
    if "//" in text and ADDRESS.match(text):
        raise Wrong(f"an address, not a file: {shown(text)}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Wrong(f"its path is not valid text: {ascii(text)}") from error
    if "./" in text or "//" in text or text[-1] in "/.":
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if not parts:
            raise Wrong("no path")
        text = "/" * text.startswith("/") + "/".join(parts)
    return text


def _text(value: Any, what: str) -> str | None:
    """A value of any library as text; None where it is missing."""
    if not isinstance(value, str):
        # pandas.NA and NaT are told by name: comparing them raises or is never true.
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            return None
        if hasattr(value, "item") and not getattr(value, "shape", ()):  # a NumPy scalar
            value = value.item()
        if isinstance(value, float):
            if value != value:
                return None
            value = int(value) if value.is_integer() else value
        if isinstance(value, bytes | list | tuple | dict | set) or hasattr(value, "shape"):
            raise Wrong(f"its {what} is no text: {shown(repr(value))[:60]}")
    value = str(value)  # NumPy's own text included
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Wrong(f"its {what} is not valid text: {ascii(value)}") from error
    return value or None


def _pool(entries: list[Entry]) -> dict[str, set[str]]:
    """Train is still to be split where nothing is val or blank; returns the classes of each given split."""
    given: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        given[entry.split or ""].add(entry.label)
    if "val" not in given and "train" in given and "" not in given:
        for place, entry in enumerate(entries):  # in place: a second list of a million would be felt
            if entry.split == "train":
                entries[place] = Entry(entry.path, entry.label, None, entry.group)
    # Photos still to be split may bring any class anywhere.
    return {} if "" in given else given


def _single(name: str, classes: tuple[str, ...]) -> list[Fault]:
    if len(classes) > 1:
        return []
    only = f"{name} holds one class, '{shown(classes[0])}'; a classifier needs at least two."
    return [Fault(only, "Each row names its photo's class in the column label.")]


def _unlike(name: str, given: dict[str, set[str]]) -> list[Fault]:
    every = {nfc(label) for labels in given.values() for label in labels}
    lacking = [
        f"'{split}' lacks {named(sorted(every - {nfc(label) for label in given[split]}))}"
        for split in ("train", "val", "test")
        if split in given and len(given[split]) < len(every)
    ]
    if not lacking:
        return []
    what = f"{name}: its splits hold different classes: {'; '.join(lacking)}."
    return [Fault(what, "Give each split photos of every class, or leave split blank.")]


def _more(things: Iterable[Any], most: int = 1) -> str:
    rest = len(list(things)) - most
    return f" and {rest:,} more" if rest > 0 else ""
