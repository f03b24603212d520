"""What every report is: numbers as JSON or as a text to read."""

import abc
import json
import os
from dataclasses import dataclass

from tlkit import printed

SCHEMA = 1

Path = str | os.PathLike[str]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Report(abc.ABC):
    """A result that can be printed; `exit_code` is what the command ends with."""

    def json(self) -> str:
        """One JSON object, in ASCII: names that are not valid text survive too."""
        return dumps(self)

    @abc.abstractmethod
    def text(self) -> str:
        """Lines for a person."""

    @property
    def exit_code(self) -> int:
        return 0


def failure(kind: str, message: str, hint: str | None) -> str:
    """The JSON object of a command that failed."""
    return json.dumps({"schema": SCHEMA, "error": {"kind": kind, "message": message, "hint": hint}})


def dumps(report: Report) -> str:
    """`report` as a JSON object with its schema first."""
    return json.dumps({"schema": SCHEMA, **printed.plain(report)}, allow_nan=False)
