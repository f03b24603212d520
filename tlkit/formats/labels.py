"""Labels as text: UTF-8, one a line, in the order of the outputs."""

from collections.abc import Sequence
from pathlib import Path

from tlkit.errors import ModelError

NAME = "labels.txt"


def join(labels: Sequence[str]) -> str:
    return "".join(f"{label}\n" for label in labels)


def split(content: bytes) -> tuple[str, ...]:
    """The labels in a file's bytes. Raises `ValueError` if they are not UTF-8."""
    # Not splitlines, which also splits at U+2028, form feeds and more that a class name may hold.
    lines = content.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    return tuple(lines[:-1] if lines[-1] == "" else lines)


def read(path: Path) -> tuple[str, ...] | None:
    """The labels in a file, None if it is not there.

    Raises `ModelError` if they are not UTF-8.
    """
    if not path.is_file():
        return None
    try:
        return split(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"{path} is not UTF-8 text: {error}.") from error
