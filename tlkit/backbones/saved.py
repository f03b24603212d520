"""Models that tlkit built and Keras saved (`.keras`): tensors, pixels and geometry, read in safe mode."""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import Model, layers

from tlkit import backbones
from tlkit.backbones.conversion import LOGITS, TLKIT, TOP
from tlkit.backbones.keras_order import leaves
from tlkit.errors import ModelError, WeightsError
from tlkit.weights import contents, keras_config
from tlkit.weights.entries import Pixels

DEEPEST = 10_000  # Keras follows a model by recursion; ResNet-1202 needs more than Python's 1,000
HEADS = ("logits", "head_hidden")  # of tlkit's own classifiers
# Of a layer's configuration, what leaves its numbers as they are.
IRRELEVANT = ("name", "dtype", "trainable", "seed", "rate", "noise_shape", "batch_shape", "synchronized")
OPEN = ("initializer", "regularizer", "constraint")


class Saved(NamedTuple):
    """What is known of a saved model."""

    name: str
    layers: Mapping[str, layers.Layer]
    tensors: Mapping[str, np.ndarray]  # of all but its head, as `conversion.TLKIT` has it
    pixels: Pixels | None
    classes: int | None  # of its head; None: it has none
    shape: tuple[int | None, ...]  # of a photo: height, width, channels


def load(path: Path) -> Model:
    """The model in a `.keras` file, without its training state; no code in the file is run.

    Raises `ModelError` if the file cannot be read or needs layers that Keras does not have.
    """
    with _opening(path):
        return keras.saving.load_model(path, compile=False, safe_mode=True)


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, DEEPEST))
    try:
        yield
    except Exception as error:  # a damaged file can fail anywhere in zipfile, json, h5py and Keras
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(
            f"{path} cannot be read as a Keras model: {reason}",
            "It is damaged, holds code or layers of somebody's own, or was saved by a newer Keras.",
        ) from error
    finally:
        sys.setrecursionlimit(before)


def _check_size(path: Path) -> None:
    """Raise `WeightsError` for a file that describes a larger network than it has numbers for."""
    config, described = keras_config.read(path)
    # Keras keeps what it plans in a scope for each thread: nothing of this one stays behind.
    with _opening(path), ThreadPoolExecutor(1) as thread:
        built, numbers = thread.submit(_planned, config).result()
    if built != described:
        raise WeightsError(f"{path} describes layers that its network does not have.")
    if numbers > max(contents.SMALL, path.stat().st_size):
        raise WeightsError(f"{path} describes a network of {numbers:,} weights, and does not hold them.")


def _planned(config: dict[str, Any]) -> tuple[int, int]:
    """How many layers a model would have, and numbers in their weights. No memory is taken for these."""
    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        found = {id(leaf): leaf for leaf in leaves(model)}
        described = [
            leaf
            for leaf in found.values()
            if isinstance(leaf, layers.Layer) and not isinstance(leaf, layers.InputLayer)
        ]
        numbers = sum(math.prod(weight.shape) for leaf in described for weight in leaf.weights)
    return len(described), numbers


def read(path: Path) -> Saved:
    """A saved model's layers, also those of a backbone that is a layer in it.

    Raises `ModelError` if it cannot be read, `WeightsError` if it holds other layers than tlkit's.
    """
    _check_size(path)
    model = load(path)
    found = {layer.name: layer for layer in leaves(model)}
    tensors: dict[str, np.ndarray] = {}
    classes = None
    for layer in found.values():
        if not layer.weights:
            continue
        if type(layer) not in TLKIT.parts:
            kind = type(layer).__name__
            raise WeightsError(f"{path} holds a layer that no backbone has: '{layer.name}', {kind}.")
        if layer.name in (LOGITS, HEADS[0]):
            classes = layer.units
        for part in TLKIT.parts[type(layer)]:
            variable = getattr(layer, part.attribute)
            if variable is not None and layer.name not in HEADS:
                array = keras.ops.convert_to_numpy(variable)
                tensors[f"{layer.name}/{part.suffix}"] = array.astype("float32")
    shape = tuple(model.input_shape[1:]) if isinstance(model.input_shape, tuple) else ()
    return Saved(model.name, found, tensors, _pixels(found.get("normalise")), classes, shape)


def by_name(held: Sequence[tuple[str, tuple[np.ndarray, ...]]]) -> dict[str, np.ndarray]:
    """The tensors of a `.h5` of a model that tlkit built: layers by name, their weights in order."""
    tensors: dict[str, np.ndarray] = {}
    for name, arrays in held:
        kernel = arrays[0].ndim > 1
        parts = ("kernel", "bias") if kernel else ("gamma", "beta", "moving_mean", "moving_variance")
        if name not in HEADS:
            tensors |= {f"{name}/{part}": array for part, array in zip(parts, arrays, strict=False)}
    return tensors


def _pixels(layer: Any) -> Pixels | None:
    if not isinstance(layer, layers.Rescaling):
        return None
    scale, offset = np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
    mean, spread = (-offset / scale).round(9), (1 / scale).round(9)
    if scale.ndim == 0:
        return Pixels(float(mean), float(spread))
    if len(scale) < 3:
        return Pixels(float(mean[0]), float(spread[0]))
    return Pixels(tuple(mean[:3].tolist()), tuple(spread[:3].tolist()))  # type: ignore[arg-type]


def fits(found: Saved, backbone: str, geometry: str) -> bool:
    """Whether the saved model is `backbone`, built in that geometry."""
    return _difference(found, backbone, geometry) is None


def difference(found: Saved, backbone: str) -> str:
    """The first layer that is another one than in `backbone`, in words."""
    own = backbones.variant(backbone).geometries[0]
    return _difference(found, backbone, own) or "nothing"


def _difference(found: Saved, backbone: str, geometry: str) -> str | None:
    if len(found.shape) != 3:
        return f"it takes {found.shape}, not one photo"
    # Its own size: some pad by it.
    shape = (found.shape[0], found.shape[1], backbones.variant(backbone).channels)
    trunk = backbones.build(backbone, weights=None, include_top=False, geometry=geometry, input_shape=shape)
    first = next(layer for layer in trunk.layers if layer.weights)
    for layer in trunk.layers:
        if isinstance(layer, layers.InputLayer) or layer.name in ("normalise", "grey"):
            continue
        theirs = found.layers.get(layer.name)
        if theirs is None:
            return f"it has no layer '{layer.name}'"
        ours, other = _config(layer), _config(theirs)
        if type(theirs) is not type(layer) or ours != other:
            return f"its layer '{layer.name}' is another one"
        for one, two in zip(layer.weights, theirs.weights, strict=True):
            if tuple(one.shape) != tuple(two.shape) and not (layer is first and _in_colour(one, two)):
                return f"its layer '{layer.name}' holds {tuple(two.shape)}, not {tuple(one.shape)}"
    more = [
        name
        for name, layer in found.layers.items()
        if layer.weights and name not in HEADS and not name.startswith(TOP)
    ]
    built = {layer.name for layer in trunk.layers}
    beyond = [name for name in more if name not in built]
    return f"it has a layer '{beyond[0]}' as well" if beyond else None


def _in_colour(one: Any, two: Any) -> bool:
    """Whether two kernels differ in the photo's channels alone."""
    return len(one.shape) == 4 and (*one.shape[:2], one.shape[3]) == (*two.shape[:2], two.shape[3])


def _config(layer: layers.Layer) -> dict[str, Any]:
    return {
        key: value
        for key, value in layer.get_config().items()
        if key not in IRRELEVANT and not key.endswith(OPEN)
    }
