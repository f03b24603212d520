"""What a builder may be told, and what is refused before anything is built."""

import difflib
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol, TypedDict

import keras
import numpy as np

from tlkit.backbones.loading import Loaded
from tlkit.errors import UsageError
from tlkit.weights import catalogue


class Options(TypedDict, total=False):
    """What every builder takes, by keyword. One that would be ignored is refused.

    With published weights, input_shape may end in 1, 3 or 4 channels: one grey channel is repeated
    to R = G = B, so that it scores as its RGB copy; a fourth channel starts with a kernel of zeros,
    so that the network begins as the RGB one and learns what to make of it. With random weights the
    first kernel has as many channels as come in. Where the size is left open, a smaller picture than the
    network allows is TensorFlow's error, not tlkit's.
    """

    # "imagenet", the default where one is published that may be used commercially; another entry of the
    # catalogue by name ("tv_v1"); a file or a run's folder; "tv_v1=FILE", a file of that entry's kind; None:
    # random. README has the catalogue and what files are read.
    weights: str | os.PathLike[str] | Loaded | None
    include_top: bool  # True: the published classifier; False: the last feature map, or its pooling
    classes: int  # of a top without weights; default the variant's
    input_shape: tuple[int | None, int | None, int]  # default the variant's; None: any size
    pooling: Literal["avg", "max"] | None  # without a top: (batch, width) instead of a feature map
    dropout: float  # share that the top leaves out in training; default the variant's
    drop_path: float  # share of residual branches that training leaves out, at the last block; default 0
    classifier_activation: str | None  # of the top; default "softmax", None: logits
    include_preprocessing: bool  # True: pixels 0–255 come in; False: normalised ones, always red first
    geometry: str  # a row of the family's GEOMETRIES; default the weights' or the variant's own
    name: str  # of the model; default the variant's
    seed: int | None  # of random weights; default: Keras's global generator


class Choice(NamedTuple):
    """An option of a family's own."""

    default: Any
    allowed: Callable[[Any], bool]
    expected: str  # in words, for the message
    fresh: bool = False  # it means something to random weights only
    top: bool = False  # it is the top's


def _is_factor(value: object) -> bool:
    return value is None or type(value) in (int, float) and 0 < value < float("inf")  # type: ignore[operator]


class WidthOptions(Options, total=False):
    """What the builders of MobileNets take."""

    # Channels of the layers over those of the paper's network, as keras.applications calls it. Default the
    # variant's: MobileNetV2(weights=None, alpha=0.5) is built as MobileNetV2_050 is.
    alpha: float | None


ALPHA = Choice(None, _is_factor, "a number above 0, or None", fresh=True)


class Row(Protocol):
    """What the frame needs of a family's variants."""

    @property
    def image_size(self) -> int: ...  # pixels a side, of the published figures
    @property
    def channels(self) -> int: ...  # of the photograph: 3, or 1 where the paper's was grey
    @property
    def least(self) -> int: ...  # pixels a side below which nothing would be left to see
    @property
    def classes(self) -> int: ...
    @property
    def dropout(self) -> float: ...
    @property
    def geometries(self) -> tuple[str, ...]: ...  # that it can be built in; the first is its own
    @property
    def year(self) -> int | None: ...  # of the paper; None: it is from none
    @property
    def parameters(self) -> int: ...  # trainable, in its own geometry, as papers count
    @property
    def total_parameters(self) -> int: ...  # with the moving statistics, as Keras counts
    @property
    def multiply_adds(self) -> int: ...  # of convolutions and dense layers, for one photograph


class Rules(NamedTuple):
    """What of a family the options are checked against."""

    own: Mapping[str, Choice]
    unused: Mapping[str, str]  # common options that would do nothing, and why
    flattens: bool  # the top takes the feature map's places one by one: its size is part of the weights


def settle(backbone: str, variant: Row, rules: Rules, options: Options) -> Options:
    """All options with their values; `geometry` is None where only the weights can tell.

    Raises `UsageError` for options that do not exist, do not fit or would be ignored.
    """
    options = Options(**{key: _plain(value) for key, value in options.items()})  # type: ignore[typeddict-item]
    given = _filled_in(backbone, variant, rules, options)
    _check_layout(backbone)
    _check_keys(backbone, rules, options)
    _check_values(backbone, rules, given)
    _check_shape(backbone, variant, given["input_shape"])
    _check_ignored(backbone, rules, options, given)
    if given["weights"] is not None:
        _check_beside_weights(backbone, variant, rules, options, given)
    if given["include_top"] and rules.flattens:
        _check_flat(backbone, variant, given)
    return given


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's: `labels.max() + 1` is one, and a saved configuration takes none."""
    if isinstance(value, np.generic):
        return value.item()
    return type(value)(map(_plain, value)) if type(value) in (tuple, list) else value


def _filled_in(backbone: str, variant: Row, rules: Rules, options: Options) -> Options:
    weights = options.get("weights", catalogue.DEFAULT if catalogue.default(backbone) else None)
    side = image_size(backbone, variant, weights)
    defaults: dict[str, Any] = {
        "weights": weights,
        "include_top": True,
        "classes": variant.classes,
        "input_shape": (side, side, variant.channels),
        "pooling": None,
        "dropout": variant.dropout,
        "drop_path": 0.0,
        "classifier_activation": "softmax",
        "include_preprocessing": True,
        "geometry": None,
        "name": backbone,
        "seed": None,
        **{name: choice.default for name, choice in rules.own.items()},
    }
    return Options(**{**defaults, **options})  # type: ignore[typeddict-item]


def image_size(backbone: str, variant: Row, weights: Any) -> int:
    """Pixels a side unless others are asked for: those that the weights' published figure is of."""
    if isinstance(weights, Loaded):
        return weights.image_size or variant.image_size
    entry = catalogue.find(backbone, weights.partition("=")[0]) if isinstance(weights, str) else None
    return entry.image_size if entry else variant.image_size


def _check_layout(backbone: str) -> None:
    # Layers take it from there one by one, and some networks would build, and convolve over the wrong axes.
    if keras.config.image_data_format() != "channels_last":
        raise UsageError(
            f"{backbone} takes channels last, and Keras is set to channels_first.",
            "Use keras.config.set_image_data_format('channels_last').",
        )


def _check_keys(backbone: str, rules: Rules, options: Options) -> None:
    known = [*Options.__annotations__, *rules.own]
    wrong = [key for key in options if key not in known]
    if not wrong:
        return
    near = [match for key in wrong for match in difflib.get_close_matches(key, known, n=1)]
    guess = f"Did you mean {' and '.join(repr(key) for key in near)}? " if near else ""
    raise UsageError(
        f"{backbone} has no option called {' or '.join(repr(key) for key in wrong)}.",
        f"{guess}The options are {', '.join(known)}.",
    )


def _check_values(backbone: str, rules: Rules, given: Options) -> None:
    seed, classes = given["seed"], given["classes"]
    share = "a share from 0 to below 1"
    wrong = {
        "weights": isinstance(given["weights"], str | os.PathLike | Loaded | None)
        or "a name, a path or None",
        "include_top": isinstance(given["include_top"], bool) or "True or False",
        "include_preprocessing": isinstance(given["include_preprocessing"], bool) or "True or False",
        "classes": type(classes) is int and classes >= 1 or "a whole number from 1 on",
        "pooling": given["pooling"] in (None, "avg", "max") or "'avg', 'max' or None",
        "dropout": _is_share(given["dropout"]) or share,
        "drop_path": _is_share(given["drop_path"]) or share,
        "classifier_activation": _is_activation(given["classifier_activation"])
        or "the name of a Keras activation or None",
        "geometry": isinstance(given["geometry"], str | None) or "a text",
        "name": _is_name(given["name"])
        or "letters of a to z, digits, '.', '_' and '-', a letter or digit first, as TensorFlow wants it",
        "seed": seed is None or type(seed) is int and seed >= 0 or "a whole number from 0 on",
    }
    values = dict(given)
    wrong |= {name: choice.allowed(values[name]) or choice.expected for name, choice in rules.own.items()}
    findings = [f"{key}={values[key]!r} must be {rule}" for key, rule in wrong.items() if rule is not True]
    if findings:
        raise UsageError(f"{backbone}: {'; '.join(findings)}.")


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1


def _is_name(name: object) -> bool:
    """Whether TensorFlow takes it for a scope: another one fails when the model is asked or trained."""
    return isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) is not None


def _is_activation(name: object) -> bool:
    if name is not None and not isinstance(name, str):
        return False
    try:
        keras.activations.get(name)
    except ValueError:
        return False
    return True


def _check_shape(backbone: str, variant: Row, shape: object) -> None:
    whole = isinstance(shape, tuple | list) and all(n is None or type(n) is int for n in shape)
    formed = isinstance(shape, tuple | list) and whole and len(shape) == 3 and (shape[2] or 0) >= 1
    if not isinstance(shape, tuple | list) or not formed or (shape[0] or 9) <= 4 < shape[2]:
        raise UsageError(
            f"{backbone}: input_shape={shape!r} must be (height, width, channels), channels last."
        )
    if any(side is not None and side < variant.least for side in shape[:2]):
        raise UsageError(
            f"{backbone}: input_shape={shape!r} is too small: nothing would be left for its last stage.",
            f"Use {variant.least} or more pixels a side.",
        )


def _check_ignored(backbone: str, rules: Rules, options: Options, given: Options) -> None:
    for name, reason in rules.unused.items():
        if dict(given)[name]:
            raise UsageError(f"{backbone}: {name} would do nothing: {reason}.", "Leave it out.")
    if given["include_top"]:
        ignored = {"pooling"} if given["pooling"] is not None else set()
    else:
        own = {
            name for name, choice in rules.own.items() if choice.top and dict(given)[name] != choice.default
        }
        ignored = {"classes", "dropout", "classifier_activation"} & options.keys() | own
    if ignored:
        state = "with" if given["include_top"] else "without"
        raise UsageError(
            f"{backbone}: {', '.join(sorted(ignored))} would do nothing {state} the top.",
            f"Leave it out, or use include_top={not given['include_top']}.",
        )


def _check_beside_weights(
    backbone: str, variant: Row, rules: Rules, options: Options, given: Options
) -> None:
    for name in ("seed", *(name for name, choice in rules.own.items() if choice.fresh)):
        value = dict(given)[name]
        if name in options and value is not None and value is not False:  # 0 is a seed
            raise UsageError(
                f"{backbone}: {name} would do nothing beside weights.", "Leave it out, or use weights=None."
            )
    if given["include_top"] and given["classes"] != variant.classes:
        raise UsageError(
            f"{backbone}: the published top has {variant.classes} classes, not {given['classes']}.",
            "Use include_top=False and put your own head on it, or weights=None.",
        )
    if variant.channels == 3 and given["input_shape"][2] not in (1, 3, 4):
        raise UsageError(
            f"{backbone}: published weights take 1, 3 or 4 channels, not {given['input_shape'][2]}.",
            "Use one of these, or weights=None.",
        )


def _check_flat(backbone: str, variant: Row, given: Options) -> None:
    sides, own = tuple(given["input_shape"][:2]), (variant.image_size, variant.image_size)
    if None in sides:
        raise UsageError(
            f"{backbone}: input_shape={given['input_shape']!r} leaves the size open, and its top has a "
            "weight for each place of the feature map.",
            "Give a height and a width, or use include_top=False.",
        )
    if given["weights"] is not None and sides != own:
        raise UsageError(
            f"{backbone}: the published top takes {own[0]}×{own[1]} pixels, not {sides[0]}×{sides[1]}: "
            "it has a weight for each place of the feature map.",
            f"Use input_shape=({own[0]}, {own[1]}, 3), include_top=False, or weights=None.",
        )
