"""What a source of photos lists before any file is opened: folders and tables come down to this."""

from pathlib import Path
from typing import NamedTuple


class Skipped(NamedTuple):
    path: str  # below the root; bytes that are no text as escapes
    reason: str


class Entry(NamedTuple):
    """One file that a source names."""

    path: str  # posix, below the root (a table may hold absolute ones), as on disk
    label: str  # the class's name
    split: str | None  # "train", "val" or "test"; None: still to be split
    group: str | None  # photos of one group are never parted; None: in no group


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
