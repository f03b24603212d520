"""What a fine-tuning run is told: one frozen dataclass, read from and written to TOML.

A field of `Recipe` is a knob: an option of `tlkit finetune` under the same name, with the help
and the limits written here. Values are merged in `load` and nowhere else.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any, get_type_hints

from tlkit import backbones, settings, shipped
from tlkit.errors import RecipeError, TlkitError, UnknownBackbone, UsageError
from tlkit.settings import knob, quoted
from tlkit.weights import catalogue

SHOWN = 10  # findings that are told in full


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of a run, checked by `load`."""

    backbone: str = knob("efficientnet_lite0", "The network to start from; 'tlkit backbones' lists them.")
    weights: str = knob(
        "imagenet",
        "What it has learned before: imagenet, or another set ('tlkit weights ls'); none, to train it from "
        "scratch; an earlier run (its folder, or last); a file; or NAME=FILE, a file of that set's kind.",
        metavar="imagenet|none|NAME|RUN|FILE|NAME=FILE",
    )
    epochs: int | None = knob(
        None,
        "Fine-tuning epochs after the head is solved, or all of them from scratch; 0 trains the head alone. "
        "By the number of photos if not given.",
        lower=0,
        upper=10_000,
    )
    batch_size: int = knob(32, "Photos a training step.", lower=1, upper=4096)
    image_size: int | None = knob(
        None,
        "Pixels a side that the network sees. If not given, what shows a whole photo as large as the "
        "published evaluation did: 256 for one at 224.",
        lower=8,
        upper=2048,
    )
    learning_rate: float | None = knob(
        None,
        "Peak rate: of the last layers in fine-tuning, of all from scratch. 1e-4 and 1e-3 if not given, ten "
        "times that with sgd.",
        above=0,
        upper=10,
    )
    optimizer: str = knob("adamw", "What takes the steps.", choices=("adamw", "adam", "sgd"))
    momentum: float | None = knob(
        None, "Momentum of sgd, with Nesterov's step; 0.9 if not given.", lower=0, below=1
    )
    weight_decay: float | None = knob(
        None,
        "Share by which a step shrinks kernels, times the rate, apart from the gradient; 0.01 with adamw and "
        "0 with sgd if not given.",
        lower=0,
        upper=10,
    )
    clip_norm: float | None = knob(
        None, "Longest gradient, of all weights together; a longer one is shortened.", above=0, upper=1e6
    )
    layer_decay: float | None = knob(
        None,
        "Rate of a stage as a share of the next one's; 0.5 in fine-tuning and 1 from scratch if not given.",
        above=0,
        upper=1,
    )
    label_smoothing: float | None = knob(
        None,
        "Share of each label that is spread over all classes; 0.1 in fine-tuning and 0 from scratch if not "
        "given.",
        lower=0,
        below=1,
    )
    ema: float = knob(
        0.0,
        "Keep a running mean of the weights, of which each step replaces 1 minus this; 0 keeps the weights "
        "themselves.",
        lower=0,
        below=1,
    )
    unfreeze_from: str = knob(
        "auto",
        "First stage that training changes: none, a stage's name, or all; auto is stage4 or a smaller "
        "network's last one, and all with --weights none.",
        pattern=r"auto|none|all|stem|stage[1-9]",
        metavar="auto|none|STAGE|all",
        expected="auto, none, all, stem, or stage1 to stage9",
    )
    head: str = knob(
        "linear",
        "What turns features into classes; top is the network's own, from scratch only.",
        choices=("linear", "mlp", "top"),
    )
    dropout: float = knob(0.2, "Share of features left out before the head in training.", lower=0, below=1)
    drop_path: float = knob(
        0.0,
        "Share of residual branches left out in training, at the last block (stochastic depth).",
        lower=0,
        below=1,
    )
    batch_norm: str | None = knob(
        None,
        "Batch normalisation: inference keeps the published statistics; train takes each batch's own in "
        "unfrozen stages; recalibrate measures all anew on the training photos first. If not given, "
        "inference; from scratch it always trains.",
        choices=("inference", "train", "recalibrate"),
    )
    views: int | None = knob(
        None,
        "Views of each photo that the head is solved on; by the number of photos if not given.",
        lower=1,
        upper=100,
    )
    augment: str = knob(
        "default",
        "How training photos vary: crop, flip and colours; strong adds RandAugment, which needs keras-cv; "
        "shift moves them by up to a tenth, for digits and whatever else has a left and a right.",
        choices=("none", "default", "strong", "shift"),
    )
    mixup: float = knob(
        0.0,
        "Blend photos and their labels, with shares from a Beta distribution of this; needs keras-cv.",
        lower=0,
        upper=10,
    )
    cutmix: float = knob(
        0.0,
        "Paste parts of photos into others, and of labels alike, with shares as of mixup; needs keras-cv.",
        lower=0,
        upper=10,
    )
    erase: float = knob(
        0.0, "Blank out a rectangle of up to this share of each side; needs keras-cv.", lower=0, below=1
    )
    balance: str = knob(
        "auto",
        "Count rare classes as much as common ones: in the loss, or by drawing their photos more often; auto "
        "is loss where the largest class has three times the photos of the smallest.",
        choices=("auto", "none", "loss", "sample"),
    )
    budget: float | None = knob(
        None,
        "Most time that the run may take, export included: 90s, 10m, 2h.",
        parse=settings.duration,
        above=0,
        upper=1e7,
        metavar="TIME",
    )
    target: float | None = knob(
        None,
        "Stop as soon as so many photos are right, of training photos kept apart: 95% or 0.95. The exit code "
        "is 4 if the photos to validate miss it.",
        parse=settings.share,
        above=0,
        upper=1,
        metavar="SHARE",
    )
    reject: float = knob(
        0.05,
        "Share of known photos that the threshold for 'none of these' may cost; 0 sets none.",
        lower=0,
        below=1,
    )
    precision: str = knob(
        "auto", "Arithmetic of training.", choices=("auto", "float32", "bfloat16", "float16")
    )
    fit: str = knob(
        "stretch",
        "How a photo becomes the square that the network sees; crop and pad keep its shape.",
        choices=("stretch", "crop", "pad"),
    )
    subfolders: str = knob(
        "ignore",
        "Folders inside a class's folder: merge takes their photos into it, classes makes each a class.",
        choices=("ignore", "merge", "classes"),
    )
    group: str | None = knob(
        None,
        "Photos that are never parted: one match of a REGEX in their names, folder N of their path, "
        "or a table's column.",
        pattern=r"(?s)name:.+|folder:-?\d+|column:.+",
        metavar="name:REGEX|folder:N|column:NAME",
        expected="name:REGEX, folder:N or column:NAME",
    )
    val_share: float = knob(
        0.2, "Share of each class kept for validation, where nothing says which.", above=0, below=1
    )
    split: str | None = knob(
        None,
        "An earlier run (its folder, its split.csv, or last): photos in it keep their sides.",
        metavar="RUN|FILE|last",
    )
    folds: int = knob(0, "Cross-validate in so many folds first; 0 does not.", lower=0, upper=20)
    seed: int = knob(
        0, "Decides the split, the order of photos, their variation and the head.", lower=0, upper=2**31 - 1
    )
    workers: int = knob(0, "Threads that read photos; 0 is one a core.", lower=0, upper=256)
    device: str = knob("auto", "Where to compute.", choices=("auto", "cpu", "gpu"))
    strict: bool = knob(False, "Stop at photos that cannot be read, instead of leaving them out.")
    export: tuple[str, ...] = knob(
        ("tflite",),
        "What to write for other places; may be repeated.",
        choices=("tflite", "savedmodel", "none"),
    )
    quantize: str = knob(
        "float16", "Numbers in the tflite file.", choices=("none", "float16", "dynamic", "int8")
    )

    @property
    def scratch(self) -> bool:
        """Whether nothing of the network was learned before and all of it is trained now."""
        return self.weights == "none" and self.epochs != 0 and self.unfreeze_from in ("auto", "all")


KNOBS: dict[str, Field] = {knob.name: knob for knob in fields(Recipe)}
TYPES: dict[str, Any] = get_type_hints(Recipe)


def load(name: str | PathLike[str] | None = None, /, **given: Any) -> Recipe:
    """The settings of a run: defaults, changed by a recipe, changed by what is given (None is not given).

    `name` is a shipped recipe or a TOML file. All findings are told at once.

    Raises `RecipeError`; `UnknownBackbone` or `UsageError` if the only finding is a backbone that
    is not in INDEX, or a weights file that is not there.

    >>> load(epochs=1).epochs
    1
    """
    problems: list[TlkitError] = []
    merged: dict[str, Any] = {}
    if name is not None:
        merged |= _checked(shipped.parse(name), f"{shipped.label(name)}: ", problems)
    merged |= _checked({key: value for key, value in given.items() if value is not None}, "", problems)
    problems += [] if problems else _contradictions(merged)  # what was refused may be a part of one
    if len(problems) == 1:
        raise problems[0]
    if problems:
        more = f" And {len(problems) - SHOWN} more." if len(problems) > SHOWN else ""
        told = " ".join(str(problem) for problem in problems[:SHOWN])
        raise RecipeError(f"{len(problems)} settings are wrong. {told}{more}")
    return Recipe(**merged)


def dump(recipe: Recipe) -> str:
    """All settings as TOML that `load` reads back; what is None (left to the backbone) is left out."""
    import tomli_w

    return tomli_w.dumps({name: value for name, value in asdict(recipe).items() if value is not None})


def _checked(rows: Mapping[str, Any], where: str, problems: list[TlkitError]) -> dict[str, Any]:
    """The settings in their own types; what is wrong with the others is added to `problems`."""
    kept = {}
    for name, value in rows.items():
        if name not in KNOBS:
            near = settings.nearest(name, KNOBS)
            problems.append(
                RecipeError(
                    f"{where}{'n' if where else 'N'}o setting is called '{name}'.",
                    near.strip() or "'tlkit finetune --help' lists them.",
                )
            )
            continue
        try:
            kept[name] = _in_bounds(name, settings.typed(name, TYPES[name], KNOBS[name].metadata, value))
        except UnknownBackbone as error:
            problems.append(UnknownBackbone(where + error.message, error.hint))
        except TlkitError as error:
            problems.append(type(error)(where + error.message, error.hint))
    return kept


def _contradictions(merged: Mapping[str, Any]) -> list[TlkitError]:
    """What settings that are right by themselves get wrong together."""
    found: list[TlkitError] = []
    optimizer = merged.get("optimizer", KNOBS["optimizer"].default)
    if optimizer != "sgd" and "momentum" in merged:
        found.append(
            RecipeError(
                f"momentum is {merged['momentum']}, and {optimizer} takes none.",
                "Use --optimizer sgd, or leave momentum out.",
            )
        )
    if optimizer == "adam" and merged.get("weight_decay"):
        found.append(
            RecipeError(
                f"weight_decay is {merged['weight_decay']}, and adam has no decoupled weight decay.",
                "Use --optimizer adamw, or a weight_decay of 0.",
            )
        )
    return found


def _means_weights(value: str) -> bool:
    """Whether a text may mean weights of some backbone; of which, is not known here."""
    file = value.partition("=")[2] or value
    known = {
        "imagenet",
        "none",
        "last",
        *(entry.name for rows in catalogue.every().values() for entry in rows),
    }
    # Those of `os.path` raise nothing, neither for a name too long nor for a user whom there is not.
    return value in known or any(os.path.exists(os.path.expanduser(path)) for path in (value, file))


def _in_bounds(name: str, value: Any) -> Any:
    """`value`, if the limits of its field allow it."""
    if name == "backbone":
        backbones.family(value)
    if name == "weights" and not _means_weights(value):
        raise UsageError(
            f"weights is {quoted(value)}, and there is no such file, run or set of weights.",
            "Use imagenet, none, a name that 'tlkit weights ls BACKBONE' lists, a file, a run or NAME=FILE.",
        )
    if name == "split" and value != "last" and not Path(value).exists():
        raise UsageError(
            f"split is {quoted(value)}, and there is no such file.",
            "Use an earlier run's folder, its split.csv, or last.",
        )
    if name == "folds" and value == 1:
        raise RecipeError(
            "folds is 1; one fold leaves no photos to learn from.", "Use 2 or more, such as 5; 0 is none."
        )
    if name == "export" and (not value or ("none" in value and len(value) > 1)):
        raise RecipeError(
            f"export is {quoted(list(value))}; none stands alone, and is written out.", 'Use ["none"].'
        )
    settings.within(name, KNOBS[name].metadata, value)
    if name == "group" and value.startswith("name:"):
        try:
            re.compile(value.removeprefix("name:"))
        except re.error as error:
            raise RecipeError(
                f"group is {quoted(value)}, and its pattern cannot be read: {error}.",
                "Write a Python regular expression after name:, and quote it for the shell.",
            ) from error
    return value
