"""Folders as they lie on disk: what is in them, litter apart, links followed and loops ended."""

import os
import unicodedata
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tlkit.printed import shown, why
from tlkit.sources.listed import Skipped

# What desktops and file servers leave behind; names with a leading dot go unseen as well.
LITTER = {"__macosx", "thumbs.db", "desktop.ini", "@eadir"}

Identity = tuple[int, int]  # device and inode: one real folder, whatever links lead to it


class Above(NamedTuple):
    """The real folders that a folder lies in, itself first, and those it was reached through."""

    own: frozenset[Identity]
    rest: "Above | None"


class Place(NamedTuple):
    path: str  # posix, below the root; "" is the root
    identity: Identity
    above: Above


class Listing(NamedTuple):
    """What lies directly in one folder, sorted as text."""

    folders: tuple[str, ...]
    files: tuple[str, ...]
    links: frozenset[str]  # those of `folders` that are links
    skipped: tuple[Skipped, ...]


def nfc(name: str) -> str:
    """One spelling of a name, however its accents are stored on disk; sorts as text: 1, 10, 2."""
    return unicodedata.normalize("NFC", name)


def start(root: str | Path) -> Place:
    """The root as a place; raises `OSError` if it is none."""
    facts = os.stat(root)
    return Place("", (facts.st_dev, facts.st_ino), Above(_real(str(root)), None))


def enter(root: str | Path, place: Place, name: str, *, link: bool = True) -> Place:
    """A folder in a place; `link` False spares the question where it really lies."""
    path = join(place.path, name)
    facts = os.stat(at(root, path))
    identity = (facts.st_dev, facts.st_ino)
    own = _real(at(root, path)) if link else frozenset((identity,))
    return Place(path, identity, Above(own, place.above))


def join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def at(root: str | Path, path: str) -> str:
    return f"{root}/{path}" if path else str(root)


def look_in(root: str | Path, place: Place) -> Listing:
    """What a folder holds; raises `OSError` if it cannot be listed."""
    folders: list[str] = []
    files: list[str] = []
    links: set[str] = set()
    skipped: list[Skipped] = []
    with os.scandir(at(root, place.path)) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(".") or name.casefold() in LITTER:
                continue
            if reason := _unfit(entry, place.above):
                path = os.fsencode(join(place.path, name))
                skipped.append(Skipped(path.decode("utf-8", "backslashreplace"), reason))
            elif entry.is_dir():
                folders.append(name)
                if entry.is_symlink():
                    links.add(name)
            else:
                files.append(name)
    for names in (folders, files):
        names.sort(key=lambda name: (nfc(name), name))
    return Listing(tuple(folders), tuple(files), frozenset(links), tuple(sorted(skipped)))


def walk(root: str | Path, place: Place, skipped: list[Skipped]) -> Iterator[tuple[str, Listing]]:
    """Every folder from a place down, the place first, each real folder once: where it lies, what it holds.

    Links come last, so that a folder goes by its own name and links that lead to one another cost no
    more than what they lead to. What cannot be read, or was read before, is added to `skipped`.
    A pile instead of recursion: folders nest deeper than calls may.
    """
    read: dict[Identity, str] = {}
    real, linked = [place], deque[Place]()
    while real or linked:
        here = real.pop() if real else linked.popleft()
        if here.identity in read:
            same = shown(read[here.identity])
            skipped.append(Skipped(here.path, f"the same folder as '{same}', which is read already"))
            continue
        read[here.identity] = here.path
        try:
            inside = look_in(root, here)
        except OSError as error:
            skipped.append(unreadable(here.path, error))
            continue
        skipped += inside.skipped
        yield here.path, inside
        for name in inside.folders:
            link = name in inside.links
            try:
                (linked if link else real).append(enter(root, here, name, link=link))
            except OSError as error:  # it vanished, or its path is too long to follow
                skipped.append(unreadable(join(here.path, name), error))


def unreadable(path: str, error: OSError) -> Skipped:
    return Skipped(path, f"the folder cannot be read: {why(error)}")


def _real(path: str) -> frozenset[Identity]:
    """The real folder behind a path and all that it lies in, up to the top of the file system."""
    folder = Path(os.path.realpath(path))
    stats = [os.stat(each) for each in (folder, *folder.parents)]
    return frozenset((facts.st_dev, facts.st_ino) for facts in stats)


def _unfit(entry: os.DirEntry[str], above: Above | None) -> str | None:
    """Why an entry is neither a folder to enter nor a file to read, or None."""
    try:
        entry.name.encode()
        if entry.is_dir():
            return "a link to a folder above it" if entry.is_symlink() and _loops(entry, above) else None
        if entry.is_file():
            return None
        return "a link that leads nowhere" if entry.is_symlink() else "not a regular file"
    except UnicodeEncodeError:
        return "its name is not valid text"
    except OSError as error:  # a link to itself
        return f"a link that leads nowhere: {why(error)}"


def _loops(entry: os.DirEntry[str], above: Above | None) -> bool:
    facts = entry.stat()
    while above:
        if (facts.st_dev, facts.st_ino) in above.own:
            return True
        above = above.rest
    return False
