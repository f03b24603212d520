"""What a source of photos lists, before any file is opened, and what a usable photo is."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tlkit.printed import shown


class Skipped(NamedTuple):
    path: str  # below the root; bytes that are no text as escapes
    reason: str


class Entry(NamedTuple):
    """One file that a source names."""

    path: str  # posix, below the root (a table may hold absolute ones), as on disk
    label: str  # the class's name
    split: str | None  # "train", "val" or "test"; None: still to be split
    group: str | None  # photos of one group are never parted; None: in no group


class Photo(NamedTuple):
    """One usable photo."""

    path: str  # posix, below the root
    label: int  # the class's place among the classes
    split: str | None  # "train", "val" or "test"; None: still to be split
    sha256: str
    group: int = -1  # photos with one number are never parted; -1: alone


class Fault(NamedTuple):
    """What makes training impossible: `tlkit check` tells it beside the rest, the others raise it."""

    message: str
    hint: str | None


class Listed(NamedTuple):
    root: Path
    kind: str  # "classes", "splits" or "table"
    classes: tuple[str, ...]  # names as written, sorted as text by their NFC spelling
    entries: list[Entry]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]  # whole sentences
    faults: tuple[Fault, ...] = ()


def named(names: Iterable[str], most: int = 10) -> str:
    """The first ten of some names, quoted: "'a', 'b' and 3 more"."""
    names = list(names)
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(f"'{shown(name)}'" for name in names[:most]) + rest
