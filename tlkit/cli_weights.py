"""`tlkit weights`: list published weights, get them, verify those on this machine. Keras never loads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tlkit import progress
from tlkit.commands import Commands, job, show
from tlkit.options import known_backbones, known_sets, published_backbones, spoken

LICENCE = click.option(
    "--licence",
    metavar="TEXT",
    help="Only sets whose licence holds TEXT: MIT, or commercial for all that permit that.",
)
SET = click.option(
    "--weights",
    metavar="NAME",
    shell_complete=known_sets,
    help="One of the sets that 'tlkit weights ls BACKBONE' lists. [default: imagenet]",
)


@click.group(cls=Commands)
def weights() -> None:
    """List, get and verify published weights.

    \b
        tlkit weights ls
    """


@weights.command()
@click.argument("backbone", required=False, shell_complete=known_backbones)
@click.option("--all", "every", is_flag=True, help="All sets, not only the first of each backbone.")
@LICENCE
@click.option("--here", is_flag=True, help="Only sets whose file is on this machine; none is read.")
@spoken
def ls(
    backbone: str | None,
    every: bool,
    licence: str | None,
    here: bool,
    as_json: bool,
    told: progress.Silent,
) -> None:
    """List published weights.

    The first set of each backbone, or all of BACKBONE, with top-1 on ImageNet, its pixels a side, size
    and licence, and whether the file is here or comes with a package.

    \b
        tlkit weights ls resnet50
    """
    listed = job("list_weights", keras=False)(backbone, every=every, licence=licence, here=here)
    show(listed, as_json)


@weights.command()
@click.argument("backbones", metavar="[BACKBONE]...", nargs=-1, shell_complete=published_backbones)
@SET
@click.option("--all", "every", is_flag=True, help="All sets of each BACKBONE, or of every backbone.")
@LICENCE
@click.option(
    "--to",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Have the files in DIR, to serve as a mirror: TLKIT_WEIGHTS_MIRROR=DIR.",
)
@spoken
def get(
    backbones: Sequence[str],
    weights: str | None,
    every: bool,
    licence: str | None,
    to: Path | None,
    as_json: bool,
    told: progress.Silent,
) -> None:
    """Fetch weights to this machine, and check them.

    What is here already is checked and not fetched again. A file that cannot be had does not stop the
    others; the exit code is then 1.

    \b
        tlkit weights get efficientnet_lite0
    """
    if not backbones and not every:
        raise click.UsageError("Name a backbone, or all sets of all by --all.")
    if every and weights:
        raise click.UsageError("--all means every set: leave out --weights or that.")
    if licence and not every:
        raise click.UsageError("--licence chooses among the sets of --all.")
    given: dict[str, Any] = {"weights": weights} if weights else {}
    result = job("get_weights", keras=False)(
        backbones, **given, every=every, licence=licence, to=to, progress=told
    )
    show(result, as_json)


@weights.command()
@spoken
def verify(as_json: bool, told: progress.Silent) -> None:
    """Compare the weights on this machine with what was published.

    Every file is read, in tlkit's folder, in packages, and where keras, torch and huggingface_hub keep
    theirs; nothing is removed. The exit code is 1 if one is damaged.

    \b
        tlkit weights verify
    """
    show(job("verify_weights", keras=False)(progress=told), as_json)


@weights.command()
@click.argument("backbone", shell_complete=published_backbones)
@SET
@spoken
def path(backbone: str, weights: str | None, as_json: bool, told: progress.Silent) -> None:
    """Print where the weights of BACKBONE lie on this machine.

    The file is checked; nothing is fetched. If it is not here, the exit code is 1.

    \b
        tlkit weights path efficientnet_lite0
    """
    given: dict[str, Any] = {"weights": weights} if weights else {}
    show(job("find_weights", keras=False)(backbone, **given, progress=told), as_json)
