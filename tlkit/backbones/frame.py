"""Every builder alike: photographs → normalise → body → top, and the same options."""

import difflib
import os
import zlib
from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TypedDict, TypeVar

import keras
import numpy as np
from keras import KerasTensor, Model, initializers, layers

from tlkit.backbones import weights
from tlkit.errors import UsageError

LEAST = 32  # five stages halve the photograph; below 32 pixels the last has nothing left to see
CLASSES = 1000  # of the published tops
TOP = "top_logits"  # the layer that include_top=False leaves out


class Options(TypedDict, total=False):
    """What every builder takes, by keyword. One that would be ignored is refused."""

    weights: (
        str | os.PathLike[str] | None
    )  # "imagenet" (default if published), None: random, or a .pth of ours
    include_top: bool  # True: the published classifier; False: the last feature map, or its pooling
    classes: int  # of a top without weights; default 1000
    input_shape: tuple[int | None, int | None, int]  # default (image_size, image_size, 3); None: any size
    pooling: Literal["avg", "max"] | None  # without a top: (batch, width) instead of a feature map
    dropout: float  # share before the top's logits; default the variant's
    classifier_activation: str | None  # of the top; default "softmax", None: logits
    include_preprocessing: bool  # True: pixels 0–255 come in; False: they come in normalised
    name: str  # of the model; default the variant's
    seed: int | None  # of random weights; default: Keras's global generator


class Row(Protocol):
    """What `frame` needs of a family's variants."""

    @property
    def image_size(self) -> int: ...
    @property
    def dropout(self) -> float: ...
    @property
    def parameters(self) -> int: ...
    @property
    def total_parameters(self) -> int: ...
    @property
    def weights(self) -> tuple[weights.Weights, ...]: ...


V = TypeVar("V", bound=Row)


def assemble(
    backbone: str,
    variants: Mapping[str, V],
    body: Callable[[KerasTensor, V], KerasTensor],
    options: Options,
    names: Callable[[V], Mapping[str, str]],
) -> Model:
    """The variant `backbone` as one flat model.

    `names` gives the publisher's name of each layer that has weights (`weights.fill`).

    Raises `UsageError` for options that do not exist, do not fit or would be ignored, and
    `WeightsError` if the weights cannot be had.
    """
    variant = variants[backbone]
    given = _filled_in(backbone, variant, options)
    _check(backbone, options, given)
    entry: weights.Weights | None = None
    tensors: dict[str, np.ndarray] = {}
    if given["weights"] is not None:
        rows = {name: row.weights for name, row in variants.items()}
        entry, tensors = weights.choose(backbone, rows, given["weights"])

    photo = keras.Input(tuple(given["input_shape"]), dtype="float32", name="photo")
    x = photo
    if given["include_preprocessing"]:
        entry = entry or next(iter(variant.weights), None)
        mean, spread = entry.pixels if entry else weights.CENTRED
        # float32 under every policy: half precision has no room for 256 levels and a fraction.
        x = layers.Rescaling(1 / spread, -mean / spread, dtype="float32", name="normalise")(x)
    x = body(x, variant)
    x = _top(x, given) if given["include_top"] else _pooled(x, given["pooling"])
    model = Model(photo, x, name=given["name"])

    if tensors:
        published = names(variant)
        weights.fill(model, tensors, published, () if given["include_top"] else (published[TOP],))
    elif given["seed"] is not None:
        _draw(model, given["seed"])
    return model


def _top(x: KerasTensor, given: Options) -> KerasTensor:
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(given["dropout"], name="top_dropout")(x)
    # Uniform, 1/3 over outgoing connections: dense_kernel_initializer of the official EfficientNet.
    initial = initializers.VarianceScaling(1 / 3, mode="fan_out", distribution="uniform")
    # float32 under every policy: half precision would round close classes together.
    x = layers.Dense(given["classes"], kernel_initializer=initial, dtype="float32", name=TOP)(x)
    if given["classifier_activation"] is None:
        return x
    return layers.Activation(given["classifier_activation"], dtype="float32", name="top_probabilities")(x)


def _pooled(x: KerasTensor, pooling: str | None) -> KerasTensor:
    if pooling is None:
        return x
    pool = layers.GlobalAveragePooling2D if pooling == "avg" else layers.GlobalMaxPooling2D
    return pool(name="pool")(x)


def _draw(model: Model, seed: int) -> None:
    """Draw the kernels anew, each from a stream of its name; all other weights start as constants."""
    for layer in model.layers:
        initial = getattr(layer, "depthwise_initializer", None) or getattr(layer, "kernel_initializer", None)
        if initial is not None:
            seeded = type(initial).from_config(
                {**initial.get_config(), "seed": zlib.crc32(f"{seed} {layer.name}".encode())}
            )
            layer.kernel.assign(seeded(layer.kernel.shape, layer.kernel.dtype))


def _filled_in(backbone: str, variant: Row, options: Options) -> Options:
    side = variant.image_size
    defaults: Options = {
        "weights": variant.weights[0].name if variant.weights else None,
        "include_top": True,
        "classes": CLASSES,
        "input_shape": (side, side, 3),
        "pooling": None,
        "dropout": variant.dropout,
        "classifier_activation": "softmax",
        "include_preprocessing": True,
        "name": backbone,
        "seed": None,
    }
    return {**defaults, **options}


def _check(backbone: str, options: Options, given: Options) -> None:
    _check_keys(backbone, options)
    _check_values(backbone, given)
    _check_shape(backbone, given["input_shape"])
    if given["include_top"]:
        ignored = {"pooling"} if given["pooling"] is not None else set()
    else:
        ignored = {"classes", "dropout", "classifier_activation"} & options.keys()
    if ignored:
        state = "with" if given["include_top"] else "without"
        raise UsageError(
            f"{backbone}: {', '.join(sorted(ignored))} would do nothing {state} the top.",
            f"Leave it out, or use include_top={not given['include_top']}.",
        )
    if given["weights"] is not None and given["seed"] is not None:
        raise UsageError(
            f"{backbone}: seed would do nothing beside weights.", "Leave it out, or use weights=None."
        )
    if given["weights"] is not None and given["include_top"] and given["classes"] != CLASSES:
        raise UsageError(
            f"{backbone}: the published top has {CLASSES} classes, not {given['classes']}.",
            "Use include_top=False and put your own head on it, or weights=None.",
        )


def _check_keys(backbone: str, options: Options) -> None:
    known = list(Options.__annotations__)
    wrong = [key for key in options if key not in known]
    if not wrong:
        return
    near = [match for key in wrong for match in difflib.get_close_matches(key, known, n=1)]
    guess = f"Did you mean {' and '.join(repr(key) for key in near)}? " if near else ""
    raise UsageError(
        f"{backbone} has no option called {' or '.join(repr(key) for key in wrong)}.",
        f"{guess}The options are {', '.join(known)}.",
    )


def _check_values(backbone: str, given: Options) -> None:
    seed, classes, dropout = given["seed"], given["classes"], given["dropout"]
    activation = given["classifier_activation"]
    wrong = {
        "weights": isinstance(given["weights"], str | os.PathLike | None) or "a name, a path or None",
        "include_top": isinstance(given["include_top"], bool) or "True or False",
        "include_preprocessing": isinstance(given["include_preprocessing"], bool) or "True or False",
        "classes": type(classes) is int and classes >= 1 or "a whole number from 1 on",
        "pooling": given["pooling"] in (None, "avg", "max") or "'avg', 'max' or None",
        "dropout": isinstance(dropout, int | float) and 0 <= dropout < 1 or "a share from 0 to below 1",
        "classifier_activation": _is_activation(activation) or "the name of a Keras activation or None",
        "name": isinstance(given["name"], str) or "a text",
        "seed": seed is None or type(seed) is int and seed >= 0 or "a whole number from 0 on",
    }
    values = dict(given)
    findings = [f"{key}={values[key]!r} must be {rule}" for key, rule in wrong.items() if rule is not True]
    if findings:
        raise UsageError(f"{backbone}: {'; '.join(findings)}.")


def _is_activation(name: object) -> bool:
    if name is not None and not isinstance(name, str):
        return False
    try:
        keras.activations.get(name)
    except ValueError:
        return False
    return True


def _check_shape(backbone: str, shape: object) -> None:
    whole = isinstance(shape, tuple | list) and all(n is None or type(n) is int for n in shape)
    if not isinstance(shape, tuple | list) or not whole or len(shape) != 3 or shape[2] != 3:
        raise UsageError(f"{backbone}: input_shape={shape!r} must be (height, width, 3), channels last.")
    if min(side for side in (*shape[:2], LEAST) if side is not None) < LEAST:
        raise UsageError(
            f"{backbone}: input_shape={shape!r} is too small: five stages halve it to nothing.",
            f"Use {LEAST} or more pixels a side.",
        )
