"""Which folder was meant, where the given one lies a level too high or too low."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tlkit.printed import shown
from tlkit.sources.listed import Fault, Skipped, named
from tlkit.sources.tree import at, enter, look_in, start, walk

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
NESTED = (
    "--subfolders merge gives a class all photos below its folder; "
    "--subfolders classes makes a class of each folder that holds photos."
)
MOST = 2000  # folders that are looked through for a suggestion: a whole home may have been given


class ClassFolder(NamedTuple):
    name: str  # the class, as on disk
    path: str  # posix, below the folder that was scanned
    folders: tuple[str, ...]  # names of the folders in it that are left out
    files: Sequence[str]  # posix, below it, sorted as text
    skipped: tuple[Skipped, ...]  # what in it is neither


class Shelf(NamedTuple):
    """One folder of class folders: the one that was scanned, or one split of it."""

    path: str
    split: str | None
    folders: tuple[ClassFolder, ...]
    beside: tuple[str, ...]  # files beside the class folders
    empty: tuple[str, ...]
    parted: tuple[str, ...]  # folders at or below a class folder that hold split folders, and are read
    skipped: tuple[Skipped, ...]


def splits(folders: Iterable[str]) -> dict[str, str]:
    """Which folders are splits and what they mean; none if they are classes."""
    names = list(folders)
    given = {name: SPLITS[name.casefold()] for name in names if name.casefold() in SPLITS}
    # A class may be called "train" (vehicles) or "test": alone among others it is one.
    alone = len(given) < len(names) and not ("train" in given.values() and len(given) > 1)
    return {} if alone else given


def no_classes(images: Path, shelf: Shelf, split: bool) -> Fault:
    """What to say of a folder in which no folder holds a file, and which one was probably meant."""
    folder = Path(at(images, shelf.path))
    pattern = f"{shown(folder)}/<class>/<photo>.jpg"
    need = f"A classifier needs at least two class folders: {pattern}."
    if split:
        need = f"A split folder holds the class folders: {pattern}."
    if not shelf.folders and not shelf.beside:
        return Fault(f"{shown(folder)} holds no class folder with anything in it.", need)
    if not shelf.folders:
        above = _above(folder)
        meant = need if split or not fits(above) else f"Did you mean the folder above it, {shown(above)}?"
        return Fault(f"{shown(folder)} holds {counted(shelf.beside)} and no class folders.", meant)
    suggested, deeper = below(folder)
    hint = f"Did you mean {shown(suggested)}?" if suggested else NESTED if deeper else need
    hint = need if split else hint
    if len(shelf.folders) == 1 and not shelf.folders[0].skipped:
        only = named([shelf.folders[0].name])
        message = (
            f"{shown(folder)} holds one class folder, {only}; a classifier needs at least two: {pattern}."
        )
        return Fault(message, hint)
    if deeper:
        more = f"{len(shelf.folders)} folders with no file directly in them: "
        names = named(folder.name for folder in shelf.folders)
        return Fault(f"{shown(folder)} holds {more}{names}; deeper lie {counted(deeper)}.", hint)
    return Fault(f"{shown(folder)} holds no class folder with a usable photo{passed(shelf.folders)}.", need)


def passed(folders: Sequence[ClassFolder]) -> str:
    """Why nothing in some class folders can be used: ": cat/1.jpg (a link that leads nowhere), …"."""
    reasons = [f"{shown(row.path)} ({row.reason})" for folder in folders for row in folder.skipped]
    reasons += [f"{shown(folder.path)} holds only folders" for folder in folders if not folder.skipped]
    more = f" and {len(reasons) - 10:,} more" if len(reasons) > 10 else ""
    return f": {', '.join(reasons[:10])}{more}" if reasons else ""


def single(images: Path, shelf: Shelf) -> Fault:
    """What to say of a folder with one class."""
    only = next(folder for folder in shelf.folders if folder.files)
    folder, inside = Path(at(images, shelf.path)), images / only.path
    hint = None
    if fits(inside):
        hint = f"Did you mean {shown(inside)}?"
    elif shelf.beside and fits(_above(folder)):
        hint = f"Did you mean the folder above it, {shown(_above(folder))}?"
    return Fault(
        f"{shown(folder)} holds one class folder, '{shown(only.name)}'; a classifier needs at least two: "
        f"{shown(folder)}/<class>/<photo>.jpg.",
        hint,
    )


def parted(images: Path, shelves: Sequence[Shelf]) -> list[Fault]:
    """What to say of split folders that would become classes."""
    paths = [path for shelf in shelves for path in shelf.parted]
    if not paths:
        return []
    first = images / paths[0]
    hint = f"Split folders lie above the class folders: {shown(images)}/train/<class>/<photo>.jpg."
    if fits(first):
        hint = f"Did you mean {shown(first)}?"
    return [Fault(f"In {shown(images)}, split folders would become classes: those in {named(paths)}.", hint)]


def beside(images: Path) -> str | None:
    """A note where one split was given and its counterpart lies beside it."""
    real = Path(os.path.realpath(images))
    own = SPLITS.get(real.name.casefold())
    if not own:
        return None
    try:
        names = splits(sorted(entry.name for entry in os.scandir(real.parent) if entry.is_dir()))
    except OSError:
        return None
    others = [name for name, split in names.items() if split != own]
    if not others:
        return None
    lie = "lies" if len(others) == 1 else "lie"
    above = shown(_above(images))
    return f"{named(others)} {lie} beside {shown(images)}: did you mean the folder above it, {above}?"


def fits(folder: Path) -> bool:
    """Whether two folders in a folder, or in its first split folder, hold files."""
    found = 0
    try:
        place = start(folder)
        inside = look_in(folder, place)
        if parts := splits(inside.folders):
            place = enter(folder, place, _first(parts))
            inside = look_in(folder, place)
        for name in inside.folders[:MOST]:
            found += bool(look_in(folder, enter(folder, place, name)).files)
            if found == 2:
                return True
    except OSError:
        return False
    return False


def below(folder: Path) -> tuple[Path | None, list[str]]:
    """The one folder below that could be given instead, and the files that lie below."""
    tree = _tree(folder)
    good = [path for path in tree if path and _fitting(tree, path)]
    depth = min((path.count("/") for path in good), default=0)
    good = [path for path in good if path.count("/") == depth]
    files = [name for _, names in tree.values() for name in names]
    split = [path for path in good if splits(tree[path][0])]
    meant = good if len(good) == 1 else split[:1]
    return (folder / meant[0] if meant else None), files


def counted(files: Sequence[str]) -> str:
    """What files there are: "12 files (.heic 10, .mov 2)"."""
    suffixes = Counter(os.path.splitext(name)[1].lower() for name in files)
    most = sorted(suffixes.items(), key=lambda item: (-item[1], not item[0], item[0]))
    kinds = [f"{shown(suffix) or 'no extension'} {count:,}" for suffix, count in most]
    kinds[5:] = [f"{len(kinds) - 5} other kinds"] if len(kinds) > 6 else kinds[5:]
    return f"{'one file' if len(files) == 1 else f'{len(files):,} files'} ({', '.join(kinds)})"


def _first(parts: dict[str, str]) -> str:
    return min(parts, key=lambda name: ("train", "val", "test").index(parts[name]))


def _above(folder: Path) -> Path:
    return folder.parent if folder.name not in ("", "..") else folder.resolve().parent


Tree = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]


def _tree(folder: Path) -> Tree:
    """The folders and files of the first folders below one, by path."""
    tree: Tree = {}
    try:
        for path, inside in walk(folder, start(folder), []):
            tree[path] = inside.folders, inside.files
            if len(tree) == MOST:
                break
    except OSError:
        return tree
    return tree


def _fitting(tree: Tree, path: str) -> bool:
    if path not in tree:
        return False
    folders = tree[path][0]
    parts = splits(folders)
    if parts:
        first = _first(parts)
        path = f"{path}/{first}" if path else first
        folders = tree[path][0] if path in tree else ()
    inner = (f"{path}/{name}" if path else name for name in folders)
    return sum(bool(tree[each][1]) for each in inner if each in tree) > 1
