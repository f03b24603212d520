"""Values as a person reads them, and as JSON does."""

import dataclasses
import math
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

SHOWN = 10  # rows of a list that are told in full


def percent(share: float | None) -> str:
    """
    >>> percent(0.9412), percent(None)
    ('94.1%', '–')
    """
    return "–" if share is None or math.isnan(share) else f"{share:.1%}"


def top1(share: float, images: int, interval: tuple[float, float]) -> str:
    right = "0" if math.isnan(share) else f"{round(share * images):,}"
    low, high = interval
    return f"{percent(share)} ({right} of {images:,}; 95% interval {percent(low)} to {percent(high)})"


def balanced(share: float, interval: tuple[float, float]) -> str:
    """Balanced accuracy, which few know by name."""
    low, high = interval
    return f"{percent(share)} with each class counting alike (95% interval {percent(low)} to {percent(high)})"


def photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"


def size(count: int) -> str:
    """
    >>> size(6_512_345), size(840)
    ('6.5 MB', '1 kB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{max(1, round(count / 1e3))} kB"


def count(number: int) -> str:
    """
    >>> count(4_652_008), count(385_187_552), count(61_706), count(999_999), count(840)
    ('4.65 M', '385 M', '61.7 k', '1.00 M', '840')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        scaled = number / size
        if scaled >= 0.9995:
            return f"{scaled:.{2 if scaled < 9.995 else 1 if scaled < 99.95 else 0}f} {unit}"
    return str(number)


def duration(seconds: float) -> str:
    """
    >>> duration(8.25), duration(754)
    ('8.2 s', '12 min 34 s')
    """
    whole = round(seconds)
    return f"{seconds:.1f} s" if seconds < 60 else f"{whole // 60} min {whole % 60} s"


def span(seconds: float) -> str:
    """A time that somebody chose, or that is about so long.

    >>> span(50), span(600), span(630), span(7200)
    ('50 s', '10 min', '10 min 30 s', '2 h')
    """
    parts = zip(divmod(round(seconds), 60), ("min", "s"), strict=True)
    if seconds >= 3600:
        parts = zip(divmod(round(seconds / 60), 60), ("h", "min"), strict=True)
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def names(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def listed(rows: Sequence[Any], line: Callable[[Any], str]) -> list[str]:
    """A line for each of the first rows, then how many more there are."""
    more = [f"  and {len(rows) - SHOWN:,} more"] if len(rows) > SHOWN else []
    return [*(line(row) for row in rows[:SHOWN]), *more]


def shown(path: Any) -> str:
    """A file's name on one line: line breaks and bytes that are no text as escapes.

    >>> shown("a\\nb.jpg")
    'a\\\\nb.jpg'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(path))


def why(error: OSError) -> str:
    """The system's reason in lower case: "permission denied"."""
    return (error.strerror or str(error)).lower()


def columns(rows: Sequence[tuple[str, str]], indent: str = "  ") -> list[str]:
    """Two columns, both from the left."""
    return [indent + line for line in table(rows, left=(0, 1))]


def table(rows: Sequence[Sequence[str]], left: Iterable[int] = (0,)) -> list[str]:
    """Aligned columns, two blanks apart; numbers to the right, the columns in `left` from the left."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        blanks = [" " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)]
        pairs = enumerate(zip(row, blanks, strict=True))
        cells = (cell + blank if index in left else blank + cell for index, (cell, blank) in pairs)
        lines.append("  ".join(cells).rstrip())
    return lines


def width(text: str) -> int:
    """Places on a terminal: Chinese letters take two, accents that stand alone none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def plain(value: Any) -> Any:
    """In JSON's own types: NaN to None, paths to texts, rows of any kind to dicts."""
    if hasattr(value, "plain"):  # knows better
        return value.plain()
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):  # a NamedTuple
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
