"""Recipes, listed or printed."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlkit import printed
from tlkit.report.base import Path, Report


@dataclass(frozen=True)
class Recipes(Report):
    """The recipes that ship with tlkit."""

    recipes: Sequence[Mapping[str, Any]]  # name, summary, settings

    def text(self) -> str:
        return "\n".join(printed.columns([(row["name"], row["summary"]) for row in self.recipes], indent=""))


@dataclass(frozen=True)
class RecipeText(Report):
    """One recipe as it is written; `path` is where it was copied to."""

    name: str
    toml: str
    path: Path | None = None

    def text(self) -> str:
        return self.toml.rstrip("\n") if self.path is None else os.fspath(self.path)
