"""Where every file of a source went: used, or left out for a reason. None is opened."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tlkit.data.folders import Folder
from tlkit.data.photos import SUFFIXES
from tlkit.printed import shown
from tlkit.sources.tree import LITTER

PICTURES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
HIDDEN = "hidden, or left behind by a desktop"
DETAIL = re.compile(r": | \(")  # where a reason goes on about the one file
OUTSIDE = "not directly in a class folder"


class Account(NamedTuple):
    """`found` is what is used and all of `reasons`."""

    found: int  # files
    reasons: dict[str, int]  # why files are left out, the commonest first
    by_extension: tuple[tuple[str, int, int], ...]  # extension in lower case, used, left out
    stray: tuple[str, ...]  # pictures by their extension that lie in no class folder


def account(folder: Folder) -> Account:
    """Count the files below a scanned folder anew, by walking it, and hold them against its photos.

    Hidden files are counted too. A table names its files itself: there is nothing else to walk.
    """
    used = {photo.path for photo in folder.photos}
    named = {shown(path) for path in used} if folder.layout == "table" else set()
    # Of a table's rows about one photo some may be left out: the photo is used.
    left = {row.path: DETAIL.split(row.reason)[0] for row in folder.skipped if row.path not in named}
    stray = []
    if folder.layout != "table":
        folders = set()
        for path, is_folder in _below(folder.root):
            if is_folder:
                folders.add(shown(path))
            elif path not in used and shown(path) not in left:
                left[shown(path)] = HIDDEN if _hidden(path) else OUTSIDE
                if not _hidden(path) and _extension(path) in PICTURES:
                    stray.append(path)
        left = {path: reason for path, reason in left.items() if path not in folders}
    kept, out = (Counter(map(_extension, paths)) for paths in (used, left))
    rows = [(extension, kept[extension], out[extension]) for extension in kept.keys() | out.keys()]
    rows.sort(key=lambda row: (-row[1] - row[2], row[0]))
    reasons = dict(Counter(left.values()).most_common())
    return Account(len(used) + len(left), reasons, tuple(rows), tuple(sorted(stray)))


def _below(root: Path) -> Iterator[tuple[str, bool]]:
    """Path and whether it is a folder, of all that lies below; a link to a folder counts as a folder."""
    pile = [""]
    while pile:
        above = pile.pop()
        try:
            with os.scandir(root / above) as entries:
                for entry in entries:
                    path = f"{above}{entry.name}"
                    is_folder = _is_folder(entry)
                    # As `skipped` writes a name that is not valid text.
                    yield os.fsencode(path).decode("utf-8", "backslashreplace"), is_folder
                    # A link is followed when photos are listed; here it would be counted twice.
                    if is_folder and not entry.is_symlink():
                        pile.append(f"{path}/")
        except OSError:  # told by `skipped` as a folder that cannot be read
            continue


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _hidden(path: str) -> bool:
    return any(part.startswith(".") or part.casefold() in LITTER for part in path.split("/"))


def _extension(path: str) -> str:
    return os.path.splitext(path)[1].lower()
