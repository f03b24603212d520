"""Settings as Click options: one for each field of `Recipe`, and what stands after every command."""

import re
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import click
from click.shell_completion import CompletionItem

from tlkit import progress, shipped
from tlkit.backbones import INDEX
from tlkit.recipe import KNOBS, TYPES


class Knob(click.Option):
    """An option whose default stands in `Recipe`: shown here, filled in by `recipe.load`."""

    def get_help_extra(self, ctx: click.Context) -> Any:
        extra = super().get_help_extra(ctx)
        return {**extra, "default": self.show_default} if self.show_default else extra


def knobs(command: Callable) -> Callable:
    """Give `command` an option for each field of `Recipe`; None means that it was not given."""
    return some(*KNOBS)(command)


def some(*names: str) -> Callable:
    """As `knobs`, for these fields."""

    def add(command: Callable) -> Callable:
        for name in reversed(names):
            command = _knob(name)(command)
        return command

    return add


def _knob(name: str) -> Callable:
    limits, kind = KNOBS[name].metadata, TYPES[name]
    default: Any = KNOBS[name].default
    several = isinstance(default, tuple)
    shown = ", ".join(default) if several else default
    option = f"--{name.replace('_', '-')}"
    settings: dict[str, Any] = {"type": str, "metavar": limits.get("metavar")}
    if "choices" in limits:
        settings["type"] = click.Choice(limits["choices"])
    elif "parse" in limits:
        pass  # a text, which `recipe.load` makes a number of
    elif kind in (float, float | None, int, int | None):
        real = kind in (float, float | None)
        ranged, settings["metavar"] = (click.FloatRange, "X") if real else (click.IntRange, "N")
        settings["type"] = ranged(
            min=limits.get("lower", limits.get("above")),
            max=limits.get("upper", limits.get("below")),
            min_open="above" in limits,
            max_open="below" in limits,
        )
    elif kind is bool:
        option, shown, settings = f"{option}/--no-{name.replace('_', '-')}", "", {"is_flag": True}
    if name in COMPLETED:
        settings["shell_complete"] = COMPLETED[name]
    shown = None if default is None or shown == "" else str(shown)
    return click.option(
        option,
        name,
        cls=Knob,
        help=limits["help"],
        default=None,
        multiple=several,
        show_default=shown,
        **settings,
    )


class Count(click.ParamType):
    """A number as people write it: 4650000, 600k, 5M, 1.2G."""

    name = "count"
    UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
    # A comma only before three digits: to many people 1,2G is less than 2G.
    WRITTEN = re.compile(r"((?:\d{1,3}(?:[,_]\d{3})+|\d+)(?:\.\d+)?) ?([kmg]?)", re.ASCII)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = self.WRITTEN.fullmatch(str(value).strip().lower())
        # Not a float: 1.001M is 1,001,000 and no more.
        number = Fraction(re.sub("[,_]", "", found[1])) * self.UNITS[found[2]] if found else 0
        if number < 1 or number.denominator > 1:
            self.fail(f"{value!r} is no count: write it as 4650000, 600k, 5M or 1.2G.", param, ctx)
        return int(number)


def known_backbones(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in INDEX if name.startswith(incomplete)]


def published_backbones(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from tlkit.weights import catalogue

    return [name for name in catalogue.every() if name.startswith(incomplete)]


def known_sets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The sets of the backbones that stand before."""
    from tlkit.weights import catalogue

    # Click gives up at an option without its value, and leaves the arguments before it in `args`.
    named = [*ctx.args, *(ctx.params.get("backbones") or [ctx.params.get("backbone") or ""])]
    rows = [row.name for backbone in named for row in catalogue.entries(backbone)]
    return [name for name in dict.fromkeys([catalogue.DEFAULT, *rows]) if name.startswith(incomplete)]


def known_weights(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The sets of --backbone, and files in case it is one."""
    ctx.params["backbone"] = ctx.params.get("backbone") or KNOBS["backbone"].default
    names = [*known_sets(ctx, param, incomplete), *(["none"] if "none".startswith(incomplete) else [])]
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


def known_recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shipped recipes, and files in case it is one."""
    names = [CompletionItem(name) for name in shipped.names() if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="file")]


COMPLETED = {"backbone": known_backbones, "weights": known_weights}


def spoken(command: Callable) -> Callable:
    """What stands after every command: --json, --quiet and --debug."""

    def stderr(ctx: click.Context, param: click.Parameter, quiet: bool) -> progress.Silent:
        return progress.to(sys.stderr, quiet)

    for option in (
        click.option("--debug", is_flag=True, expose_value=False, help="Show the trace of what goes wrong."),
        click.option("--quiet", "told", is_flag=True, callback=stderr, help="Say nothing on the way."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object."),
    ):
        command = option(command)
    return command
