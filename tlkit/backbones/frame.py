"""Every builder alike: photographs → normalise → body → top, and the same options."""

import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import keras
import numpy as np
from keras import KerasTensor, Model, initializers, layers

from tlkit.backbones import loading
from tlkit.backbones.conversion import LOGITS, Source
from tlkit.backbones.loading import Loaded
from tlkit.backbones.options import Choice, Options, Row, Rules, settle
from tlkit.errors import UsageError, WeightsError
from tlkit.weights.entries import CENTRED, Pixels

V = TypeVar("V", bound=Row)
G = TypeVar("G")
Maps: TypeAlias = KerasTensor | list[KerasTensor]
Logits: TypeAlias = KerasTensor | dict[str, KerasTensor]


def pooled(x: KerasTensor, variant: Any, geometry: Any, options: Options) -> KerasTensor:
    """The usual top: global average pooling, dropout, one dense layer."""
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(options["dropout"], name="top_dropout")(x)
    return logits(x, options)


def logits(x: KerasTensor, options: Options, name: str = LOGITS) -> KerasTensor:
    """The last dense layer of a top, or `name`, of a head beside it."""
    # Uniform, 1/3 over outgoing connections: dense_kernel_initializer of the official EfficientNet.
    initial = initializers.VarianceScaling(1 / 3, mode="fan_out", distribution="uniform")
    # float32 under every policy: half precision would round close classes together.
    return layers.Dense(options["classes"], kernel_initializer=initial, dtype="float32", name=name)(x)


class Family(NamedTuple, Generic[V, G]):
    """What a family's file adds to the frame.

    `body(x, variant, geometry, options)` leads from normalised pixels to the last feature map,
    `top`, with the same arguments, from there to the logits; options are settled, all keys present. A model
    of several answers: `body` returns a list of maps, the last of the network first, which `top` is given,
    and `top` the logits by what their layers' names begin with, those of "top" first.
    `names[publisher](variant, geometry)` says which of the publisher's tensors fill which of our layers
    (`conversion.fill`); `renamed[publisher]` is what its older files call otherwise, a pattern and what
    stands in its place today.
    """

    variants: Mapping[str, V]
    geometries: Mapping[str, G]
    body: Callable[[KerasTensor, V, G, Options], Maps]
    names: Mapping[str, Callable[[V, G], Mapping[str, Source]]]
    top: Callable[[Any, V, G, Options], Logits] = pooled
    auxiliary: float | None = None  # weight of each auxiliary loss; it takes the option of that name
    own: Mapping[str, Choice] = {}
    unused: Mapping[str, str] = {}
    flattens: bool = False
    renamed: Mapping[str, tuple[re.Pattern[str], str]] = {}

    @property
    def rules(self) -> Rules:
        return Rules(self.own, self.unused, self.flattens)


def assemble(backbone: str, family: Family, options: Options) -> Model:
    """The variant `backbone` of a family as one flat model.

    Raises `UsageError` for options that do not exist, do not fit or would be ignored, and
    `WeightsError` if the weights cannot be had.
    """
    variant = family.variants[backbone]
    given = settle(backbone, variant, family.rules, options)
    loaded = None
    if given["weights"] is not None:
        loaded = loading.choose(backbone, family, given["weights"])
        if given["include_top"]:
            _check_top(backbone, loaded, given["classes"])
    given["geometry"] = _geometry(backbone, variant, loaded, given)
    geometry = family.geometries[given["geometry"]]

    photo = keras.Input(tuple(given["input_shape"]), dtype="float32", name="photo")
    x = photo
    if loaded and variant.channels == 3 and photo.shape[-1] == 1:
        x = layers.Concatenate(name="grey")([x, x, x])
    if given["include_preprocessing"]:
        x = _normalise(x, loaded.pixels if loaded else CENTRED)
    x = family.body(x, variant, geometry, given)
    if given["include_top"]:
        x = _answered(family.top(x, variant, geometry, given), given["classifier_activation"])
    else:
        x = _pooled(x, given["pooling"])
    model = Model(photo, x, name=given["name"])

    if loaded:
        loading.give(model, loaded, family, variant, top=given["include_top"])
    elif given["seed"] is not None:
        _draw(model, given["seed"])
    return model


def _check_top(backbone: str, loaded: Loaded, classes: int) -> None:
    if loaded.entry is not None and loaded.tensors is None:
        return  # Keras will see
    if loaded.classes != classes:
        top = f"a top of {loaded.classes:,} classes" if loaded.classes else "no top"
        raise WeightsError(
            f"{loaded.path} holds {top}; the published one of {backbone} has {classes:,}.",
            "Use include_top=False and put your own head on it.",
        )


def _geometry(backbone: str, variant: Row, loaded: Loaded | None, given: Options) -> str:
    asked, known = given["geometry"], variant.geometries
    if asked is not None and asked not in known:
        rows = " or ".join(f"'{name}'" for name in known)
        raise UsageError(f"{backbone} has no geometry called '{asked}'.", f"Use {rows}.")
    if loaded is None:
        return asked or known[0]
    if asked not in (None, loaded.geometry):
        raise UsageError(
            f"{backbone}: the weights '{loaded.called}' fit the geometry '{loaded.geometry}', not '{asked}'.",
            "Leave geometry out, or use weights=None.",
        )
    return loaded.geometry


def _normalise(x: KerasTensor, pixels: Pixels) -> KerasTensor:
    mean, spread, _ = pixels
    scale: Any
    offset: Any
    if isinstance(mean, tuple) or isinstance(spread, tuple):
        by_channel = _by_channel(spread, x.shape[-1])
        scale, offset = (1 / by_channel).tolist(), (-_by_channel(mean, x.shape[-1]) / by_channel).tolist()
    else:
        scale, offset = 1 / spread, -mean / spread
    # float32 under every policy: half precision has no room for 256 levels and a fraction.
    return layers.Rescaling(scale, offset, dtype="float32", name="normalise")(x)


def _by_channel(values: float | tuple[float, float, float], channels: int) -> np.ndarray:
    """Statistics of R, G and B for any count of channels: grey, and each after the third, has their mean."""
    rgb = np.broadcast_to(np.asarray(values, np.float64), 3)
    return np.array([*(rgb if channels >= 3 else ()), *[rgb.mean()] * channels])[:channels]


def _answered(found: Logits, activation: str | None) -> Maps:
    if isinstance(found, dict):
        return [_activated(x, activation, name) for name, x in found.items()]
    return _activated(found, activation, "top")


def _activated(x: KerasTensor, activation: str | None, name: str) -> KerasTensor:
    if activation is None:
        return x
    return layers.Activation(activation, dtype="float32", name=f"{name}_probabilities")(x)


def _pooled(x: KerasTensor, pooling: str | None) -> KerasTensor:
    if pooling is None:
        return x
    pool = layers.GlobalAveragePooling2D if pooling == "avg" else layers.GlobalMaxPooling2D
    return pool(name="pool")(x)


def _draw(model: Model, seed: int) -> None:
    """Draw the kernels anew, each from a stream of its name; all other weights start as constants."""
    for layer in model.layers:
        initial = getattr(layer, "depthwise_initializer", None) or getattr(layer, "kernel_initializer", None)
        # A constant, which scales are to start from, takes no seed and stays what it is.
        if initial is not None and "seed" in initial.get_config():
            seeded = type(initial).from_config(
                {**initial.get_config(), "seed": zlib.crc32(f"{seed} {layer.name}".encode())}
            )
            layer.kernel.assign(seeded(layer.kernel.shape, layer.kernel.dtype))
