"""The recipes that ship with tlkit, and any other TOML file: listed, read, copied."""

import tomllib
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from tlkit.errors import OutputError, RecipeError, UsageError
from tlkit.settings import nearest, quoted


def names() -> tuple[str, ...]:
    """The names of the recipes that come with tlkit."""
    files = resources.files("tlkit.recipes").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def text(name: str | PathLike[str]) -> str:
    """A recipe as it is written, comments and all: a shipped one by its name, or a TOML file.

    Raises `RecipeError` if there is none of that name, or it cannot be read.
    """
    source = resources.files("tlkit.recipes") / f"{name}.toml" if name in names() else Path(name)
    if not source.is_file():
        near = nearest(str(name), names())
        raise RecipeError(
            f"There is no recipe {quoted(name)}.",
            f"{near}'tlkit recipes ls' lists those that ship with tlkit.",
        )
    try:
        return source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"The recipe {name} cannot be read: {error}.", "It has to be a text file in UTF-8."
        ) from error


def listing() -> tuple[dict[str, Any], ...]:
    """Name, summary and settings of each shipped recipe."""
    return tuple(
        {"name": name, "summary": text(name).partition("\n")[0].lstrip("# "), "settings": parse(name)}
        for name in names()
    )


def copy(name: str | PathLike[str], target: Path) -> Path:
    """Write a recipe to a new file, or under its own name into a folder; nothing is written over.

    Raises `UsageError` if the file is already there, `OutputError` if it cannot be written.
    """
    target = target / f"{Path(name).name.removesuffix('.toml')}.toml" if target.is_dir() else target
    content = text(name)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError as error:
        raise UsageError(
            f"{target} is already there, and nothing is written over.", "Name another file."
        ) from error
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}.") from error
    return target


def parse(name: str | PathLike[str]) -> dict[str, Any]:
    """The settings that a recipe writes down, not yet checked."""
    try:
        return tomllib.loads(text(name))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(
            f"{label(name)} is not valid TOML: {error}.", 'Texts stand in quotes: head = "mlp".'
        ) from error


def label(name: str | PathLike[str]) -> str:
    return f"recipe {name}" if name in names() else str(name)
