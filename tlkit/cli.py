"""The command line: parse, call, print. Keras loads inside the commands.

Click only here, in `cli_weights`, and in `commands` and `options`, which both are made of.
"""

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from tlkit import __version__, networks, progress, rates, recipe, report, shipped
from tlkit.cli_weights import weights
from tlkit.commands import Commands, job, show, write
from tlkit.options import Count, knobs, known_backbones, known_recipes, some, spoken
from tlkit.recipe import KNOBS
from tlkit.weights import catalogue

PHOTOS = click.Path(exists=True, path_type=Path)  # a folder, or a table of paths and labels
FILE = click.Path(exists=True, path_type=Path)
NEW = click.Path(path_type=Path)
QUANTIZE = click.Choice(KNOBS["quantize"].metadata["choices"])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tlkit")
def cli() -> None:
    """From a folder of photos to a checked phone model.

    \b
        tlkit finetune --help
    """


@cli.command()
@click.argument("images", type=PHOTOS)
@some("fit", "subfolders", "group", "workers")
@click.option("--strict", is_flag=True, help="End with exit code 1 when anything is found.")
@click.option(
    "--html", metavar="FILE", type=NEW, help="Write a page of its own that shows the photos of each finding."
)
@spoken
def check(
    images: Path, strict: bool, html: Path | None, as_json: bool, told: progress.Silent, **given: Any
) -> None:
    """Look for what would spoil training.

    Unreadable files, copies, leaks between splits, odd photos, classes too small: IMAGES is read
    once, never changed, and remembered until it changes.

    \b
        tlkit check data/textures
    """
    chosen = recipe.load(**given)
    wanted = {name: getattr(chosen, name) for name in given}
    show(job("check", keras=False)(images, **wanted, strict=strict, html=html, progress=told), as_json)


@cli.command()
@click.argument("images", type=PHOTOS)
@click.option(
    "--recipe",
    "name",
    metavar="NAME|FILE",
    shell_complete=known_recipes,
    help="A shipped recipe or a TOML file; other options override it.",
)
@knobs
@click.option(
    "--output",
    metavar="DIR",
    type=NEW,
    help="Where the run is written; new or empty. [default: runs/NNN-BACKBONE]",
)
@click.option(
    "--find-lr",
    is_flag=True,
    help="Look for a learning rate instead: show the loss while the rate climbs, and suggest one.",
)
@spoken
def finetune(
    images: Path,
    name: str | None,
    output: Path | None,
    find_lr: bool,
    as_json: bool,
    told: progress.Silent,
    **given: Any,
) -> None:
    """Fine-tune a backbone and export a phone model.

    IMAGES holds a folder for each class, or the folders train and val (and test) that do; or it is a
    table (.csv, .tsv, .jsonl, .parquet) with the columns path and label. It is never changed. The
    last line printed is the run's folder.

    \b
        tlkit finetune --recipe quick data/textures
    """
    settings = recipe.load(name, **{**given, "export": given["export"] or None})  # Click's "not given" is ()
    if find_lr:
        rates.refuse({**given, "output": output}, settings.epochs)
    catalogue.check(settings.backbone, settings.weights)  # before Keras loads, which takes seconds
    if find_lr:
        result = job("find_rate")(images, settings, progress=told)
    else:
        result = job("finetune")(images, settings, output=output, progress=told)
    show(result, as_json)


@cli.command()
@click.argument("model", type=click.Path())
@click.argument("images", type=PHOTOS, required=False)
@spoken
def evaluate(model: str, images: Path | None, as_json: bool, told: progress.Silent) -> None:
    """Measure a model on photos whose class is known.

    MODEL is a run folder, last (the newest finished run), a .keras, a .tflite or a SavedModel.
    Without IMAGES the photos are those that the run kept for validation. Of IMAGES (a folder or a
    table) with train, val and test, test is used if there, otherwise val.

    \b
        tlkit evaluate last
    """
    show(job("evaluate", keras=not model.endswith(".tflite"))(model, images, progress=told), as_json)


@cli.command()
@click.argument("first", metavar="RUN", type=click.Path())
@click.argument("second", metavar="RUN", type=click.Path())
@spoken
def compare(first: str, second: str, as_json: bool, told: progress.Silent) -> None:
    """Tell which of two runs is better, if their photos can tell.

    A RUN is a run folder or last (the newest finished run). They are compared photo by photo, on those
    that both were validated on and neither trained on: better is what McNemar's exact test finds better
    at p < 0.05, and nothing else.

    \b
        tlkit compare runs/001-efficientnet_lite0 runs/002-efficientnet_lite0
    """
    show(job("compare_runs", keras=False)(first, second), as_json)


@cli.command()
@click.argument("model", type=click.Path())
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=FILE)
@click.option(
    "--top",
    metavar="K",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Classes to name for each photo.",
)
@click.option("--jsonl", is_flag=True, help="Print a JSON object a line, one for each photo.")
@spoken
def predict(
    model: str, paths: Sequence[Path], top: int, jsonl: bool, as_json: bool, told: progress.Silent
) -> None:
    """Name what is on photos.

    Those that cannot be read are reported, and the rest is done.

    \b
        tlkit predict last data/textures/val/*/*
    """
    if jsonl and as_json:
        raise click.UsageError("--json prints one object, --jsonl one a photo: give one of them.")
    result = job("predict", keras=not model.endswith(".tflite"))(model, paths, top=top, progress=told)
    if jsonl:
        write(result.jsonl())
        click.get_current_context().exit(result.exit_code)
    show(result, as_json)


@cli.command()
@click.argument("model", type=click.Path())
@click.option(
    "--format",
    type=click.Choice(("tflite", "savedmodel", "keras")),
    default="tflite",
    show_default=True,
    help="What to write.",
)
@click.option("--quantize", type=QUANTIZE, help="Numbers in the tflite file. [default: float16]")
@click.option(
    "--images",
    metavar="DIR|TABLE",
    type=PHOTOS,
    help="Photos to check on, and to calibrate int8, for a model outside its run.",
)
@click.option(
    "--output",
    metavar="PATH",
    type=NEW,
    help="What to write it to. [default: in the run, or beside the model]",
)
@spoken
def export(
    model: str,
    format: str,
    quantize: str | None,
    images: Path | None,
    output: Path | None,
    as_json: bool,
    told: progress.Silent,
) -> None:
    """Write a model for a phone or a server.

    What was written is run on photos. A file that answers worse than its model is refused, with exit code 3.

    \b
        tlkit export last --quantize int8
    """
    result = job("export")(
        model, format=format, quantize=quantize, images=images, output=output, progress=told
    )
    show(result, as_json)


@cli.command()
@click.argument("name", required=False, shell_complete=known_backbones)
@click.option(
    "--layers", is_flag=True, help="Tell NAME layer by layer: shapes, costs, receptive fields, taps."
)
@click.option(
    "--compare",
    nargs=2,
    metavar="A B",
    shell_complete=known_backbones,
    help="Hold two side by side: costs, depth, receptive field, by stride as well.",
)
@click.option("--max-params", metavar="N", type=Count(), help="List those of at most N parameters: 5M.")
@click.option("--max-macs", metavar="N", type=Count(), help="List those of at most N multiply-adds: 600M.")
@click.option(
    "--sort",
    type=click.Choice(tuple(networks.ORDERS)),
    help="Best, smallest or first in the alphabet first. [default: by year and family]",
)
@click.option(
    "--recommend",
    type=click.Choice(tuple(networks.RECOMMENDED)),
    help="Say which to take, and why.",
)
@spoken
def backbones(
    name: str | None,
    layers: bool,
    compare: tuple[str, str] | None,
    recommend: str | None,
    as_json: bool,
    told: progress.Silent,
    **listed: Any,
) -> None:
    """List the backbones.

    By year and family, with parameters, MACs (multiply-adds), pixels a side, published top-1 and the
    licence of the weights (–: none are published).

    \b
        tlkit backbones --max-params 6M --sort top1
    """
    given = [f"--{option.replace('_', '-')}" for option, value in listed.items() if value is not None]
    rest = [*(["NAME"] if name else []), *(["--layers"] if layers else []), *given]
    if recommend and (rest or compare):
        rest += ["--compare"] if compare else []
        raise click.UsageError(f"--recommend stands alone: leave out {' and '.join(rest)}.")
    if compare and rest:
        raise click.UsageError(
            f"--compare takes its two names and nothing else: leave out {' and '.join(rest)}."
        )
    if layers and not name:
        raise click.UsageError("--layers tells of one backbone: tlkit backbones NAME --layers.")
    if name and given:
        raise click.UsageError(
            f"{' and '.join(given)} would do nothing to one backbone: leave out NAME or that."
        )
    if recommend:
        show(job("recommend")(recommend), as_json)
    elif compare:
        show(job("compare")(*compare), as_json)
    elif layers:
        show(job("layers")(name), as_json)
    else:
        show(job("backbones")(name, **listed), as_json)


@cli.group(cls=Commands)
def recipes() -> None:
    """List, print and copy the recipes that ship with tlkit.

    \b
        tlkit recipes ls
    """


@recipes.command()
@spoken
def ls(as_json: bool, told: progress.Silent) -> None:
    """List the recipes.

    \b
        tlkit recipes ls
    """
    show(report.Recipes(shipped.listing()), as_json)


@recipes.command()
@click.argument("name", shell_complete=known_recipes)
@spoken
def cat(name: str, as_json: bool, told: progress.Silent) -> None:
    """Print the recipe NAME.

    \b
        tlkit recipes cat mobile-int8
    """
    show(report.RecipeText(name, shipped.text(name)), as_json)


@recipes.command()
@click.argument("name", shell_complete=known_recipes)
@click.argument("file", type=NEW)
@spoken
def cp(name: str, file: Path, as_json: bool, told: progress.Silent) -> None:
    """Copy the recipe NAME to FILE, to be edited and used with --recipe FILE.

    \b
        tlkit recipes cp mobile-int8 mine.toml
    """
    show(report.RecipeText(name, shipped.text(name), shipped.copy(name, file)), as_json)


cli.add_command(weights)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    # Looked up by hand: it must be known also when the options cannot be parsed.
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json, debug = "--json" in options, "--debug" in options
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no valid text
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with warnings.catch_warnings():
        if not debug and not sys.warnoptions:
            warnings.simplefilter("ignore")
        try:
            return cli.main(arguments, prog_name="tlkit", standalone_mode=False, obj=debug) or 0
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            return error.exit_code
        except click.ClickException as error:
            kind, hint = getattr(error, "kind", "usage_error"), getattr(error, "hint", None) or _usage(error)
            return _failed(kind, error.format_message(), hint, error.exit_code, as_json, debug)
        except click.Abort:
            return _failed("interrupted", "Interrupted.", None, 130, as_json, debug)
        except Exception as error:
            message = f"tlkit failed: {type(error).__name__}: {error}"
            hint = "This is a mistake of tlkit's own; run it again with --debug to see the trace."
            return _failed("internal_error", message, hint, 1, as_json, debug)


def _usage(error: click.ClickException) -> str | None:
    """Where to read on after an error of Click's own."""
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        return None
    option = getattr(error, "option_name", None)
    if option in ("--json", "--quiet", "--debug"):
        return f"{option} stands after the command."
    return f"'{ctx.command_path} --help' tells more."


def _failed(kind: str, message: str, hint: str | None, code: int, as_json: bool, debug: bool) -> int:
    """One line on stderr, or one object on stdout; the trace before it under --debug."""
    message, hint = (" ".join((text or "").splitlines()).strip() for text in (message, hint))
    with suppress(BrokenPipeError):
        if debug:
            traceback.print_exc()
        if not as_json:
            click.echo(f"Error: {message} {hint}".rstrip(), err=True)
    if as_json:
        write(report.failure(kind, message, hint or None))
    return code
