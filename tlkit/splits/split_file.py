"""The split file: which photo is in which split, written by every run and read for the next.

CSV, UTF-8, every field quoted, a line a photo:

    path      below the folder of the photos, as on disk
    label     the class's name
    split     train, val or test
    sha256    of the file

A file from elsewhere needs path and split; its columns may be in any order, and more than these.
"""

import csv
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tlkit.errors import DataError, UsageError
from tlkit.printed import shown, why
from tlkit.sources.layout import SPLITS, nfc
from tlkit.sources.listed import Photo, named

NAME = "split.csv"
COLUMNS = ("path", "label", "split", "sha256")
ORDER = ("train", "val", "test")


class Row(NamedTuple):
    path: str
    label: str  # "": the file does not say
    split: str  # "train", "val" or "test"
    sha256: str  # "": the file does not say


class Earlier(NamedTuple):
    file: Path
    rows: tuple[Row, ...]  # one for each path


def write(rows: Iterable[tuple[str, str, str | None, str]]) -> str:
    """The text of a split file, from path, label, split and sha256; a photo without a split is left out."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)  # a name may hold any character
    lines.writerow(COLUMNS)
    lines.writerows(row for row in rows if row[2] is not None)
    return text.getvalue()


def read(file: str | Path) -> Earlier:
    """A split file, or the one in a run folder.

    Raises `UsageError` if there is none, `DataError` naming the line that cannot be read.
    """
    given = Path(file)
    file = given / NAME if given.is_dir() else given
    rows: dict[str, Row] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            for line, row in _rows(file, text):
                before = rows.setdefault(row.path, row)
                if before.split != row.split:
                    raise _damaged(
                        file, line, f"'{shown(row.path)}' is in {row.split}, and further up in {before.split}"
                    )
    except FileNotFoundError as error:
        inside = f" in {shown(given)}" if given.is_dir() else ""
        raise UsageError(
            f"There is no split file {shown(NAME if inside else file)}{inside}.",
            "Name the split.csv of an earlier run, or its run folder.",
        ) from error
    except OSError as error:
        raise UsageError(f"{shown(file)} cannot be read: {why(error)}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{shown(file)} is not text in UTF-8.", "Save it as CSV in UTF-8.") from error
    if not rows:
        raise DataError(f"{shown(file)} names no photo.", "Name the split.csv of an earlier run.")
    return Earlier(file, tuple(rows.values()))


def _rows(file: Path, text: Iterable[str]) -> Iterator[tuple[int, Row]]:
    """Each row with the line on which it begins."""
    lines = csv.reader(text, strict=True)
    line = 1
    try:
        header = [name.strip().casefold() for name in next(lines, [])]
        if missing := [name for name in ("path", "split") if name not in header]:
            raise _damaged(file, line, f"there is no column {named(missing)} among {named(header) or 'none'}")
        places = [header.index(name) if name in header else None for name in COLUMNS]
        line = lines.line_num + 1
        for fields in lines:
            if fields:
                if len(fields) < len(header):
                    raise _damaged(file, line, f"there are {len(fields)} fields, not {len(header)}")
                path, label, word, sha256 = ("" if place is None else fields[place] for place in places)
                if not path:
                    raise _damaged(file, line, "the path is empty")
                if (split := SPLITS.get(word.strip().casefold())) is None:
                    raise _damaged(file, line, f"'{shown(word)}' is no split: train, val or test")
                # A million rows share a thousand labels.
                yield line, Row(path, sys.intern(label), split, sha256.strip().lower())
            line = lines.line_num + 1
    except csv.Error as error:
        raise _damaged(file, line, str(error)) from error


def _damaged(file: Path, line: int, what: str) -> DataError:
    return DataError(
        f"{shown(file)}, line {line:,}: {what}.", "Repair it, or name the split.csv of an earlier run."
    )


def against(
    photos: Sequence[Photo], classes: Sequence[str], earlier: Earlier
) -> tuple[tuple[Photo, ...], tuple[str, ...]]:
    """The photos, each that `earlier` knows with its split of then, and what to tell about it.

    A photo is known by its path (in any spelling of its accents), else by its content: a file that
    was renamed or moved stays where it was, and so does one whose content changed. Where another
    photo has its name now, as after numbering anew, that one's content tells. Content that `earlier`
    has in two splits tells nothing. The others have no split yet: `splits.assign`.

    Raises `UsageError` if photos have splits already, `DataError` if `earlier` knows none of them.
    """
    if any(photo.split is not None for photo in photos):
        raise UsageError(
            f"The photos come with their splits already; {shown(earlier.file)} may not give them others.",
            "Leave --split away.",
        )
    found, moved = _found(photos, earlier.rows)
    if not any(found):
        first = f", such as {named([photos[0].path])}" if photos else ""
        raise DataError(
            f"{shown(earlier.file)} knows none of the {len(photos):,} photos{first}; "
            f"it names {named([earlier.rows[0].path])}.",
            "Name the split file that belongs to these photos.",
        )
    placed = tuple(
        photo if row is None else photo._replace(split=row.split)
        for photo, row in zip(photos, found, strict=True)
    )
    return placed, tuple(_notes(photos, classes, earlier, found, moved))


def _found(photos: Sequence[Photo], rows: Sequence[Row]) -> tuple[list[Row | None], list[int]]:
    """The row of each photo, and the places of the photos that were found by content."""
    exact = {row.path: row for row in rows}
    found = [exact.get(photo.path) for photo in photos]
    known = {row.path for row in found if row}
    # Two files whose names differ by their accents' spelling alone are two: such a name says nothing.
    spelt: dict[str, Row | None] = {}
    for row in rows:
        if row.path not in known:
            name = nfc(row.path)
            spelt[name] = None if name in spelt else row
    left = [place for place, row in enumerate(found) if row is None]
    names = Counter(nfc(photos[place].path) for place in left)
    for place in left:
        name = nfc(photos[place].path)
        found[place] = spelt.get(name) if names[name] == 1 else None
    moved = [place for place in left if found[place] is None and photos[place].sha256]
    # A known name with other content may be another known photo's: files swapped or numbered anew.
    moved += [place for place, row in enumerate(found) if row and not _same(photos[place], row)]
    gone = _gone_content({photos[place].sha256 for place in moved}, rows, photos, found)
    moved = sorted(place for place in moved if photos[place].sha256 in gone)
    for place in moved:
        found[place] = gone[photos[place].sha256]
    return found, moved


def _gone_content(
    wanted: set[str], rows: Sequence[Row], photos: Sequence[Photo], found: Sequence[Row | None]
) -> dict[str, Row]:
    """The content, of that in `wanted`, that is no longer where it was and was in one split only.

    Only that can have been moved: a copy beside its original is a new photo.
    """
    there = {row.path for photo, row in zip(photos, found, strict=True) if row and _same(photo, row)}
    rows = [row for row in rows if row.sha256 in wanted]
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row.sha256, set()).add(row.split)
    return {row.sha256: row for row in rows if row.path not in there and len(splits[row.sha256]) == 1}


def _same(photo: Photo, row: Row) -> bool:
    return row.sha256 in ("", photo.sha256) or not photo.sha256


def _notes(
    photos: Sequence[Photo],
    classes: Sequence[str],
    earlier: Earlier,
    found: Sequence[Row | None],
    moved: Sequence[int],
) -> Iterator[str]:
    counts = Counter(row.split for row in found if row)
    parts = ", ".join(f"{split} {counts[split]:,}" for split in ORDER if counts[split])
    stay, new = counts.total(), len(photos) - counts.total()
    yield f"{shown(earlier.file)}: {stay:,} photos stay where they were ({parts}), {new:,} are new."
    if moved:
        pairs = (f"{row.path} → {photos[place].path}" for place in moved if (row := found[place]))
        yield f"Known by their content, as renamed or moved: {len(moved):,}: {named(pairs)}."
    both = [(photo, row) for photo, row in zip(photos, found, strict=True) if row]
    if changed := [photo.path for photo, row in both if not _same(photo, row)]:
        yield f"Changed since, and where they were all the same: {len(changed):,}: {named(changed)}."
    relabelled = [
        f"{photo.path}: {row.label} → {classes[photo.label]}"
        for photo, row in both
        if row.label and nfc(row.label) != nfc(classes[photo.label])
    ]
    if relabelled:
        yield f"Under another label now, which is used: {len(relabelled):,}: {named(relabelled)}."
    if gone := _gone(photos, earlier.rows, found, moved):
        yield f"In {shown(earlier.file)} and not among the photos: {len(gone):,}: {named(gone)}."


def _gone(
    photos: Sequence[Photo], rows: Sequence[Row], found: Sequence[Row | None], moved: Sequence[int]
) -> list[str]:
    """The paths of the rows without a photo; a photo found by content stands for one of its rows."""
    elsewhere = Counter(photos[place].sha256 for place in moved)
    apart = set(moved)
    by_path = {row.path for place, row in enumerate(found) if row and place not in apart}
    gone = []
    for row in rows:
        if row.path in by_path:
            continue
        if elsewhere[row.sha256] > 0:
            elsewhere[row.sha256] -= 1
        else:
            gone.append(row.path)
    return gone
