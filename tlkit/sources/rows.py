"""The rows of a table, wherever they lie: CSV, JSONL or Parquet, a DataFrame, or any rows from Python.

A row is (number, path, label, split, group), values as they are stored; `Broken` says why there is none.
"""

import csv
import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from tlkit.errors import DataError, MissingPackage, TlkitError, UsageError
from tlkit.printed import shown, why
from tlkit.sources.listed import named

COLUMNS = ("path", "label", "split", "group")
NEEDED = "A table has the columns path and label and, where wanted, split and group."
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
BATCH = 2**16  # rows of Parquet in memory at a time

Row = tuple[int, Any, Any, Any, Any]


class Broken(NamedTuple):
    number: int
    reason: str


class Table(NamedTuple):
    name: str  # how it begins a sentence
    root: Path  # what its paths are relative to
    unit: str  # what the numbers count: "line" or "row"
    rows: Iterator[Row | Broken]


def of(source: Any, group: str = "group") -> Table:
    """The table in a source, its groups from the column `group`; rows are read as they are asked for.

    Raises `UsageError` for what is no table, and `DataError`, also while rows are read, for a table
    that is not what it should be as a whole.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return Table(shown(path), path.parent, *_file(path, group))
    if hasattr(source, "columns") and hasattr(source, "__getitem__"):
        rows = _frame(source, group)
    elif isinstance(source, Iterable) and not isinstance(source, Mapping | bytes):
        rows = _loop(source, group)
    else:
        raise UsageError(
            f"A table cannot be made of {type(source).__name__}.",
            "Give a file, a DataFrame, or rows of (path, label) or of {'path': …, 'label': …}.",
        )
    return Table("The table", Path.cwd(), "row", rows)


def _file(path: Path, group: str) -> tuple[str, Iterator[Row | Broken]]:
    """The unit of a file's numbers and its rows."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{shown(path)} is no table that can be read.", f"It ends in {named(SUFFIXES)}.")
    if path.is_dir():
        raise UsageError(f"{shown(path)} is a folder.", "Give the file.")
    if suffix == ".parquet":
        return "row", _opened(path, _parquet(path, group))
    return "line", _opened(path, (_csv if suffix in (".csv", ".tsv") else _jsonl)(path, group))


def _opened(path: Path, rows: Iterator[Row | Broken]) -> Iterator[Row | Broken]:
    """A file's rows; what opening and decoding it raises in one line."""
    try:
        yield from rows
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"There is no file {shown(path)}.") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{shown(path)} is not UTF-8 (byte 0x{error.object[error.start]:02x}).",
            "Save it as UTF-8; Excel calls that 'CSV UTF-8'.",
        ) from error
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read ({why(error)}).") from error


def _csv(path: Path, group: str) -> Iterator[Row | Broken]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=_delimiter(file), strict=True)
        try:
            header = next(filter(None, reader), [])
        except csv.Error as error:
            raise DataError(f"The first line of {shown(path)} cannot be read: {error}.", NEEDED) from error
        if not header:
            raise DataError(f"{shown(path)} is empty.", NEEDED)
        places = _columns(header, shown(path), group)
        at = [len(header) if place is None else place for place in places]
        first, second, third, fourth = at
        while True:
            number = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                yield Broken(number, _lost(number, reader.line_num, error))
                continue
            if row is None:
                return
            if len(row) != len(header):
                if row:  # a blank line is no row
                    yield Broken(number, f"{_count(row, 'field')} where the header has {len(header)}")
                continue
            row.append("")  # what a column that is not there holds
            yield number, row[first], row[second], row[third], row[fourth]


def _delimiter(file: TextIO) -> str:
    """What parts the names in the first line that is not blank; the file is at its start again."""
    line = next((line for line in iter(lambda: file.readline(2**20), "") if not line.isspace()), "")
    file.seek(0)

    def names(delimiter: str) -> tuple[int, int]:
        try:
            found = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:
            return 0, 0
        return len({name.strip().casefold() for name in found} & {*COLUMNS}), len(found)

    return max((",", ";", "\t"), key=names)


def _lost(number: int, last: int, error: csv.Error) -> str:
    if "end of data" in str(error) or last > number:
        return f"a quote is opened and not closed: lines {number:,} to {last:,} are lost"
    return f"not CSV: {error}"


def _jsonl(path: Path, group: str) -> Iterator[Row | Broken]:
    with open(path, encoding="utf-8-sig") as file:
        yield from _mappings(_objects(file), shown(path), group)


def _objects(file: TextIO) -> Iterator[tuple[int, Any] | Broken]:
    for number, line in enumerate(file, 1):
        if line.isspace():
            continue
        try:
            yield number, json.loads(line)
        except RecursionError:
            yield Broken(number, "not JSON: nested too deeply")
        except ValueError as error:
            yield Broken(number, f"not JSON: {str(error).splitlines()[0]}")


def _parquet(path: Path, group: str) -> Iterator[Row | Broken]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingPackage(
            f"{shown(path)} needs the package pyarrow.", "pip install 'tlkit[parquet]'"
        ) from error
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            header = file.schema_arrow.names
            places = _columns(header, shown(path), group)
            wanted = [header[place] for place in places if place is not None]
            for batch in file.iter_batches(BATCH, columns=wanted):
                columns = [None if at is None else batch.column(header[at]).to_pylist() for at in places]
                for row in zip(*(column or [None] * len(batch) for column in columns), strict=True):
                    number += 1
                    yield number, *row
    except FileNotFoundError:
        raise
    except (ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["unknown"])[0]
        raise DataError(f"{shown(path)} cannot be read as Parquet ({reason}).") from error


def _frame(frame: Any, group: str) -> Iterator[Row | Broken]:
    """The rows of a pandas or polars DataFrame."""
    header = list(frame.columns)
    places = _columns([str(name) for name in header], "The table", group)
    columns = [[None] * len(frame) if place is None else frame[header[place]] for place in places]
    for number, row in enumerate(zip(*columns, strict=True), 1):
        yield number, *row


def _loop(source: Iterable[Any], group: str) -> Iterator[Row | Broken]:
    return _mappings(enumerate(source, 1), "The table", group)


def _mappings(items: Iterable[tuple[int, Any] | Broken], name: str, group: str) -> Iterator[Row | Broken]:
    """Rows that each name their own columns, or give them in order."""
    seen: dict[str, None] = {}
    wanted = [*COLUMNS[:3], group]
    for item in items:
        if isinstance(item, Broken):
            yield item
            continue
        number, row = item
        if isinstance(row, Mapping):
            keys = {str(key).strip(): value for key, value in row.items()}
            if len(seen) < 1000:
                seen |= dict.fromkeys(keys)
            folded = {key.casefold(): value for key, value in keys.items()}
            path, label, split, own = (keys.get(key, folded.get(key.casefold())) for key in wanted)
            yield number, path, label, split, own
        elif (row := _listed(row)) is not None:
            if 2 <= len(row) <= 4:
                path, label, split, own = (*row, None, None)[:4]
                yield number, path, label, split, own
            else:
                yield Broken(number, f"{_count(row, 'value')} where (path, label, split, group) was expected")
        else:
            yield Broken(number, f"{type(item[1]).__name__} where a row was expected")
    if group != "group" and group.casefold() not in {key.casefold() for key in seen}:
        raise _no_column(name, group, list(seen))


def _listed(row: Any) -> Sequence[Any] | None:
    if hasattr(row, "tolist"):  # a row of a NumPy array
        row = row.tolist()
    return row if isinstance(row, tuple | list) else None


def _count(row: Sequence[Any], what: str) -> str:
    return f"one {what}" if len(row) == 1 else f"{len(row)} {what}s"


def _columns(header: Sequence[str], name: str, group: str) -> tuple[int | None, ...]:
    """Where path, label, split and group stand in a header."""
    places = [_place(header, name, wanted) for wanted in (*COLUMNS[:3], group)]
    for wanted, place in zip(COLUMNS[:2], places[:2], strict=True):
        if place is None:
            raise _no_column(name, wanted, header)
    if places[3] is None and group != "group":
        raise _no_column(name, group, header)
    return tuple(places)


def _place(header: Sequence[str], name: str, wanted: str) -> int | None:
    for spelled in (lambda text: text, lambda text: text.strip().casefold()):
        places = [place for place, column in enumerate(header) if spelled(column) == spelled(wanted)]
        if len(places) > 1:
            raise DataError(f"{name} has the column '{shown(wanted)}' {len(places)} times.", "Keep one.")
        if places:
            return places[0]
    return None


def _no_column(name: str, wanted: str, header: Sequence[str]) -> TlkitError:
    near = difflib.get_close_matches(wanted, header, 1)
    hint = f"Did you mean '{shown(near[0])}'?" if near else NEEDED
    has = f"it has {named(header)}" if header else "its rows name no columns"
    return DataError(f"{name} has no column '{shown(wanted)}'; {has}.", hint)
