"""What a setting may be: its type, its limits, and how a wrong one is told."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any

from tlkit.errors import RecipeError

LONG = 160  # letters of a value in a message


def knob(default: Any, help: str, **limits: Any) -> Any:
    """A field with its help and its limits.

    `choices`; `lower` and `upper`, which are allowed; `above` and `below`, which are not;
    `pattern`, with `expected` to say it in words. `parse` makes a number of a text, or raises `ValueError`
    with what it should be. `metavar` stands for the value in help.
    """
    return field(default=default, metadata={"help": help, **limits})


def duration(text: str) -> float:
    """Seconds of a time.

    >>> duration("90s"), duration("10m"), duration("1.5h"), duration("600")
    (90.0, 600.0, 5400.0, 600.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|m|min|h)?", text.strip(), re.ASCII)
    if not found:
        raise ValueError("a time, such as 90s, 10m or 2h")
    return float(found[1]) * {"h": 3600, "m": 60, "min": 60}.get(found[2], 1)


def share(text: str) -> float:
    """A share of 1.

    >>> share("95%"), share("0.95")
    (0.95, 0.95)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(%?)", text.strip(), re.ASCII)
    if not found:
        raise ValueError("a share, such as 95% or 0.95")
    return float(found[1]) / (100 if found[2] else 1)


def typed(name: str, kind: Any, limits: Mapping[str, Any], value: Any) -> Any:
    """`value` in the type of its field, `kind`. A bool is no number, a number is no text."""
    if "parse" in limits and isinstance(value, str):
        try:
            return limits["parse"](value)
        except ValueError as error:
            raise RecipeError(f"{name} is {quoted(value)}; it has to be {error}.") from error
    if kind in (str, str | None) and isinstance(value, str | PathLike):
        return fspath(value)
    if kind is bool and isinstance(value, bool):
        return value
    if kind in (int, int | None) and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if kind in (float, float | None) and isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    if kind == tuple[str, ...]:
        several = [value] if isinstance(value, str) else value
        if isinstance(several, list | tuple) and all(isinstance(one, str) for one in several):
            return tuple(dict.fromkeys(several))
    words = {
        str: "a text",
        str | None: "a text",
        bool: "true or false",
        float: "a number",
        float | None: "a number",
        tuple[str, ...]: "a list of texts",
    }
    raise RecipeError(f"{name} is {quoted(value)}; it has to be {words.get(kind, 'a whole number')}.")


def within(name: str, limits: Mapping[str, Any], value: Any) -> None:
    """Raises `RecipeError` for a value that is no choice, does not fit the pattern or is out of bounds."""
    for one in value if isinstance(value, tuple) else (value,):
        if one not in limits.get("choices", (one,)):
            near = nearest(one, limits["choices"])
            raise RecipeError(
                f"{name} is {quoted(one)}; it has to be {_either(limits['choices'])}.", near.strip() or None
            )
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        raise RecipeError(f"{name} is {quoted(value)}; it has to be {limits['expected']}.")
    if isinstance(value, int | float) and not _bounded(value, limits):
        raise RecipeError(f"{name} is {value}; it has to be {bounds(limits)}.")


def _bounded(value: float, limits: Mapping[str, Any]) -> bool:
    """Also False for NaN, which no comparison holds for."""
    return (
        limits.get("lower", -math.inf) <= value <= limits.get("upper", math.inf)
        and (value > limits["above"] if "above" in limits else True)
        and (value < limits["below"] if "below" in limits else True)
    )


def bounds(limits: Mapping[str, Any]) -> str:
    """The limits of a number in words.

    >>> bounds({"above": 0, "upper": 10})
    'above 0 and at most 10'
    """
    words = {"lower": "at least", "above": "above", "upper": "at most", "below": "below"}
    return " and ".join(f"{word} {limits[key]}" for key, word in words.items() if key in limits)


def nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"Did you mean '{near[0]}'? " if near else ""


def _either(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"


def quoted(value: Any) -> str:
    """As it may stand in a sentence: a very long one loses its middle, as a path tells most at its ends."""
    written = str(value) if isinstance(value, str | PathLike) else repr(value)
    short = written if len(written) <= LONG else f"{written[: LONG // 2]}…{written[-LONG // 2 :]}"
    return f"'{short}'" if isinstance(value, str | PathLike) else short
