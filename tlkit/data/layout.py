"""How a folder of photos is laid out: which folders are classes, which are splits, and what is neither."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tlkit.data.listed import Skipped
from tlkit.data.photos import shown, why
from tlkit.errors import DataError, UsageError

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
# What desktops and file servers leave behind; names with a leading dot go unseen as well.
LITTER = {"__macosx", "thumbs.db", "desktop.ini", "@eadir"}


class ClassFolder(NamedTuple):
    split: str | None  # "train", "val" or "test"; None: still to be split
    name: str  # as on disk
    path: str  # posix, below the folder that was scanned
    folders: tuple[str, ...]  # names of what lies in it, sorted as text
    files: tuple[str, ...]


class Layout(NamedTuple):
    kind: str  # "classes" or "splits"
    folders: tuple[ClassFolder, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]


class Listing(NamedTuple):
    """What lies directly in one folder, litter apart, sorted as text."""

    folders: tuple[str, ...]
    files: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def survey(images: Path) -> Layout:
    """Find the class folders in `images`, or in its folders train, val and test; no photo is opened.

    Raises `UsageError` if there is no such folder, `DataError` if it does not hold two classes.
    """
    try:
        top = _listing(images, images)
        splits = _splits(images, top)
        shelves = [_shelf(images, name, split) for name, split in (splits or {"": None}).items()]
    except FileNotFoundError as error:
        raise UsageError(f"There is no folder {shown(images)}.") from error
    except NotADirectoryError as error:
        hint = "Give the folder that holds the class folders."
        raise UsageError(f"{shown(images)} is a file.", hint) from error
    except OSError as error:
        raise DataError(f"{shown(error.filename)} cannot be read ({why(error)}).") from error
    for shelf in shelves:
        _check_names(images, shelf.folders)
    _check_alike(images, {name: shelf.folders for name, shelf in zip(splits, shelves, strict=False)})
    _check_two(images, shelves[0].folders)
    if splits:
        others = [name for name in (*top.folders, *top.files) if name not in splits]
        shelves.insert(0, Layout("splits", (), top.skipped, _aside("the split folders", images, others)))
    return Layout(
        "splits" if splits else "classes",
        tuple(folder for shelf in shelves for folder in shelf.folders),
        tuple(row for shelf in shelves for row in shelf.skipped),
        tuple(note for shelf in shelves for note in shelf.notes),
    )


def nfc(name: str) -> str:
    """One spelling of a name, however its accents are stored on disk; sorts as text: 1, 10, 2."""
    return unicodedata.normalize("NFC", name)


def named(names: Iterable[str], most: int = 10) -> str:
    """The first ten of some names, quoted: "'a', 'b' and 3 more"."""
    quoted = [f"'{shown(name)}'" for name in names]
    rest = f" and {len(quoted) - most:,} more" if len(quoted) > most else ""
    return ", ".join(quoted[:most]) + rest


def _listing(folder: Path, images: Path) -> Listing:
    folders: list[str] = []
    files: list[str] = []
    skipped: list[Skipped] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.casefold() in LITTER:
                continue
            if reason := _unfit(entry, folder):
                path = os.fsencode(Path(entry.path).relative_to(images))
                skipped.append(Skipped(path.decode("utf-8", "backslashreplace"), reason))
            else:
                (folders if entry.is_dir() else files).append(entry.name)
    for names in (folders, files):
        names.sort(key=lambda name: (nfc(name), name))
    return Listing(tuple(folders), tuple(files), tuple(sorted(skipped)))


def _unfit(entry: os.DirEntry[str], folder: Path) -> str | None:
    """Why an entry is neither a folder to enter nor a file to read, or None."""
    try:
        entry.name.encode()
        if entry.is_dir():
            above = (folder.resolve(), *folder.resolve().parents)
            loops = entry.is_symlink() and Path(entry.path).resolve() in above
            return "a link to a folder above it" if loops else None
        if entry.is_file():
            return None
        return "a link that leads nowhere" if entry.is_symlink() else "not a regular file"
    except UnicodeEncodeError:
        return "its name is not valid text"
    except OSError as error:  # a link to itself
        return f"a link that leads nowhere: {why(error)}"


def _splits(images: Path, top: Listing) -> dict[str, str | None]:
    """The split folders' names and meanings, train first; empty if the folders are classes."""
    given = {name: SPLITS[name.casefold()] for name in top.folders if name.casefold() in SPLITS}
    # A class may be called "train" (vehicles) or "test": alone among others it is one.
    if len(given) < len(top.folders) and not ("train" in given.values() and len(given) > 1):
        return {}
    for split in set(given.values()):
        twins = [name for name in given if given[name] == split]
        if len(twins) > 1:
            raise DataError(
                f"{shown(images)} holds {named(twins)}, which mean the same.", "Keep one of them."
            )
    pool = "train" in given.values() and "val" not in given.values()
    ranks = ("train", "val", "test")
    return {
        name: None if pool and split == "train" else split
        for name, split in sorted(given.items(), key=lambda item: ranks.index(item[1]))
    }


def _shelf(images: Path, shelf: str, split: str | None) -> Layout:
    """The class folders in one folder: in `images` itself if `shelf` is ""."""
    here = _listing(images / shelf, images)
    notes = list(_aside("the class folders", images / shelf, here.files))
    folders, skipped = [], list(here.skipped)
    for name in here.folders:
        path = f"{shelf}/{name}" if shelf else name
        try:
            inside = _listing(images / path, images)
        except OSError as error:
            skipped.append(Skipped(path, f"the folder cannot be read: {why(error)}"))
            continue
        skipped += inside.skipped
        if not any(inside):
            notes.append(f"'{shown(path)}' is empty, so it is no class.")
            continue
        folders.append(ClassFolder(split, name, path, inside.folders, inside.files))
        if inside.folders:
            notes.append(f"Folders inside '{shown(path)}' are left out: {named(inside.folders)}.")
    if not folders:
        raise _no_classes(images / shelf, len(here.files))
    return Layout("classes", tuple(folders), tuple(skipped), tuple(notes))


def _aside(beside: str, folder: Path, names: Sequence[str]) -> tuple[str, ...]:
    return (f"Beside {beside} in {shown(folder)}, left out: {named(names)}.",) if names else ()


def _no_classes(shelf: Path, files: int) -> DataError:
    above = shelf.parent if shelf.name else shelf.resolve().parent
    pattern = f"A classifier needs at least two class folders: {shown(shelf)}/<class>/<photo>.jpg."
    if not files:
        return DataError(f"{shown(shelf)} holds no class folder with anything in it.", pattern)
    hint = f"Did you mean the folder above it, {shown(above)}?" if _fits(above) else pattern
    what = "one file" if files == 1 else f"{files:,} files"
    return DataError(f"{shown(shelf)} holds {what} and no class folders.", hint)


def _fits(folder: Path) -> bool:
    """Whether a folder holds two folders with something in them, so that it could be given instead."""
    try:
        return sum(any(_listing(folder / name, folder)) for name in _listing(folder, folder).folders) > 1
    except OSError:
        return False


def _check_names(images: Path, folders: Sequence[ClassFolder]) -> None:
    broken = [folder.path for folder in folders if folder.name.splitlines() != [folder.name]]
    if broken:
        raise DataError(
            f"In {shown(images)}, a class name has a line break: {named(broken)}.", "Rename the folder."
        )
    spellings: dict[str, str] = {}
    for folder in folders:
        twin = spellings.setdefault(nfc(folder.name), folder.path)
        if twin != folder.path:
            both = f"{ascii(twin)} and {ascii(folder.path)}"
            raise DataError(
                f"In {shown(images)}, {both} are one name, its accents stored in two ways.", "Merge them."
            )


def _check_alike(images: Path, splits: dict[str, tuple[ClassFolder, ...]]) -> None:
    """Every split holds the same classes."""
    classes = {split: {nfc(folder.name) for folder in folders} for split, folders in splits.items()}
    every = set().union(*classes.values())
    lacking = [
        f"'{shown(split)}' lacks {named(sorted(every - own))}"
        for split, own in classes.items()
        if every - own
    ]
    if lacking:
        raise DataError(
            f"The splits of {shown(images)} hold different classes: {'; '.join(lacking)}.",
            "Give each split a folder with photos for every class, or none.",
        )


def _check_two(images: Path, folders: Sequence[ClassFolder]) -> None:
    if len(folders) > 1:
        return
    only = images / folders[0].path
    above = shown(only.parent)
    raise DataError(
        f"{above} holds one class folder, '{shown(only.name)}'; a classifier needs at least two: "
        f"{above}/<class>/<photo>.jpg.",
        f"Did you mean {shown(only)}?" if folders[0].folders and _fits(only) else None,
    )
