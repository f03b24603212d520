"""Files of keras.applications, in the only order that they are known by.

Their layers are named as the Keras that wrote them did, which is not always as today's: Keras itself goes by
the order of layers and of weights within one, and so do we, with the order taken from its own network.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import Model, layers

from tlkit.errors import WeightsError
from tlkit.weights.contents import Stored
from tlkit.weights.keras_applications import NETWORKS

NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?")  # what Keras names by itself


class Layer(NamedTuple):
    """A layer of theirs that has weights."""

    name: str
    tensors: tuple[tuple[str, tuple[int, ...]], ...]  # as `conversion.KERAS` has them, and shapes
    statistics: bool  # of pixels, which the entry has; they are no tensors of ours


def ordered(backbone: str, stored: Stored, path: Path) -> dict[str, np.ndarray]:
    """The file's tensors by the names of layer and weight in keras.applications' network.

    Raises `WeightsError` if they are another network's. The top may be missing, or have other classes.
    """
    theirs = order(backbone)
    if len(stored.layers) > len(theirs):
        raise WeightsError(
            f"{path} has {len(stored.layers)} layers with weights; {backbone} of keras.applications has "
            f"{len(theirs)}."
        )
    tensors: dict[str, np.ndarray] = {}
    for layer, (name, arrays) in zip(theirs, stored.layers, strict=False):
        shapes = [shape for _, shape in layer.tensors]
        found = [array.shape for array in arrays]
        if shapes != found and (layer is not theirs[-1] or len(shapes) != len(found)):
            raise WeightsError(
                f"{path}: layer '{name}' holds {_told(found)}; "
                f"in {backbone} '{layer.name}' holds {_told(shapes)}."
            )
        if not layer.statistics:
            tensors.update(zip((tensor for tensor, _ in layer.tensors), arrays, strict=True))
    return tensors


@cache
def order(backbone: str) -> tuple[Layer, ...]:
    """The layers with weights of the network of keras.applications that a backbone is, with its top."""
    network = twin(backbone)
    renamed = fresh([leaf.name for leaf in leaves(network)])
    return tuple(
        Layer(
            layer.name,
            tuple(
                (f"{renamed[leaf.name]}/{called(leaf, weight)}", tuple(weight.shape))
                for leaf in leaves(layer)
                for weight in legacy(leaf)
            ),
            isinstance(layer, layers.Normalization),
        )
        for layer in network.layers
        if layer.weights
    )


def _told(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join("×".join(map(str, shape)) or "a number" for shape in shapes)


def twin(backbone: str) -> Model:
    """The network itself, with random weights."""
    function, settings = NETWORKS[backbone]
    return getattr(keras.applications, function)(weights=None, **settings)


def leaves(network: Any) -> Iterator[layers.Layer]:
    """All layers, those of a model within a model in its place."""
    if not isinstance(network, Model):
        yield network
        return
    for layer in network.layers:
        yield from leaves(layer)


def legacy(layer: layers.Layer) -> list[Any]:
    """A layer's weights in the order of a `.h5`: those that are trained first, no state of a dropout."""
    held = {id(weight) for weight in layer.weights}
    both = [*layer.trainable_weights, *layer.non_trainable_weights]
    return [weight for weight in both if id(weight) in held]


def called(layer: layers.Layer, weight: Any) -> str:
    """A weight's name as `conversion.KERAS` has it.

    Keras numbers what was given none, process-wide: then it is the attribute's.
    """
    if weight.name.startswith("variable"):
        return next(attribute for attribute, value in vars(layer).items() if value is weight)
    depthwise = isinstance(layer, layers.DepthwiseConv2D) and weight.name == "kernel"
    return f"depthwise_{weight.name}" if depthwise else weight.name


def fresh(names: list[str]) -> dict[str, str]:
    """What layers would be called in a fresh process: Keras counts on through all that a process builds.

    >>> fresh(["conv2d_7", "conv2d_9", "stem"])
    {'conv2d_7': 'conv2d', 'conv2d_9': 'conv2d_1', 'stem': 'stem'}
    """
    found = {name: name for name in names}
    numbered: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if match := NUMBERED.fullmatch(name):
            numbered.setdefault(match[1], []).append((int(match[2] or 0), name))
    for kind, members in numbered.items():
        for place, (_, name) in enumerate(sorted(members)):
            found[name] = f"{kind}_{place}" if place else kind
    return found
