"""A publisher's tensors to our layers: each is used once, each weight gets one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from keras import Model, layers

from tlkit.errors import WeightsError

TOP = "top_"  # what the names of a top's layers begin with; include_top=False leaves them out
LOGITS = "top_logits"  # its last layer with weights
TOLD = 3  # differences in a message

Shape: TypeAlias = tuple[int, ...]


class Part(NamedTuple):
    """One weight of a layer: our attribute, the last part of the publisher's name, its axes in our order."""

    attribute: str
    suffix: str
    axes: Shape


class Layout(NamedTuple):
    """How a publisher names and orders what a layer holds."""

    separator: str  # between a layer's name and the last part
    parts: Mapping[type[layers.Layer], tuple[Part, ...]]
    flat: bool  # a flattened map lies channel by channel in it, not place by place as in ours


def _norms(*suffixes: str) -> tuple[Part, ...]:
    ours = ("gamma", "beta", "moving_mean", "moving_variance")[: len(suffixes)]
    return tuple(Part(attribute, suffix, (0,)) for attribute, suffix in zip(ours, suffixes, strict=True))


BIAS = Part("bias", "bias", (0,))
TORCH = Layout(
    ".",
    {
        layers.Conv2D: (Part("kernel", "weight", (2, 3, 1, 0)), BIAS),
        layers.DepthwiseConv2D: (Part("kernel", "weight", (2, 3, 0, 1)), BIAS),
        layers.Dense: (Part("kernel", "weight", (1, 0)), BIAS),
        layers.BatchNormalization: _norms("weight", "bias", "running_mean", "running_var"),
        layers.LayerNormalization: _norms("weight", "bias"),
    },
    flat=True,
)
KERAS = Layout(
    "/",
    {
        layers.Conv2D: (Part("kernel", "kernel", (0, 1, 2, 3)), BIAS),
        layers.DepthwiseConv2D: (Part("kernel", "depthwise_kernel", (0, 1, 2, 3)), BIAS),
        layers.Dense: (Part("kernel", "kernel", (0, 1)), BIAS),
        layers.BatchNormalization: _norms("gamma", "beta", "moving_mean", "moving_variance"),
        layers.LayerNormalization: _norms("gamma", "beta"),
    },
    flat=False,
)


# As today's Keras calls what our own layers hold.
DEPTHWISE = {layers.DepthwiseConv2D: (Part("kernel", "kernel", (0, 1, 2, 3)), BIAS)}
TLKIT = KERAS._replace(parts={**KERAS.parts, **DEPTHWISE})


def layout(publisher: str) -> Layout:
    """In which order a publisher's tensors have their axes."""
    return {"keras": KERAS, "tlkit": TLKIT}.get(publisher, TORCH)


@dataclass(frozen=True)
class Same:
    """A layer that its publisher stores as we do, but for the order of axes."""

    name: str  # the publisher's, without its last part

    def take(self, left: dict[str, np.ndarray], part: Part, variable: Any, layout: Layout) -> np.ndarray:
        """The tensor for one weight of ours, out of those that are left, in our order of axes.

        Raises `WeightsError` that says what is there instead.
        """
        name, ours = f"{self.name}{layout.separator}{self.last(part)}", tuple(variable.shape)
        if name not in left:
            raise WeightsError(f"the file has no tensor '{name}' for the weight '{variable.path}'")
        tensor = left.pop(name)
        expected = self.published(part, ours, layout, tensor.ndim)
        if tensor.shape != expected or tensor.dtype != np.float32:
            raise WeightsError(
                f"tensor '{name}' is {tensor.dtype} {tensor.shape}; "
                f"the weight '{variable.path}' takes float32 {expected}"
            )
        return self.arranged(tensor, part, ours, layout)

    def last(self, part: Part) -> str:
        """The last part of the publisher's name of a weight."""
        return part.suffix

    def published(self, part: Part, ours: Shape, layout: Layout, dimensions: int) -> Shape:
        """The shape that the publisher's tensor of so many dimensions has to have."""
        return tuple(ours[part.axes.index(axis)] for axis in range(len(part.axes)))

    def arranged(self, tensor: np.ndarray, part: Part, ours: Shape, layout: Layout) -> np.ndarray:
        return tensor.transpose(part.axes)


@dataclass(frozen=True)
class Seen(Same):
    """A layer whose kernel its publisher stores in another form than ours does.

    Its axes after the first are seen as `shape`: a dense layer's inputs as (channels, height, width) of the
    map that was flattened, or as (channels, 1, 1) for a convolution of ours. A convolution's have that shape
    already, and become the inputs of a dense layer of ours. In Keras's own files a flattened map lies as in
    ours: there it is only between a dense layer and a 1×1 convolution, (channels, 1, 1).
    """

    shape: tuple[int, int, int]

    def published(self, part: Part, ours: Shape, layout: Layout, dimensions: int) -> Shape:
        if part.attribute != "kernel":
            return super().published(part, ours, layout, dimensions)
        if not layout.flat:
            return (1, 1, *ours) if len(ours) == 2 else ours[2:]
        return (ours[-1], *self.shape) if dimensions > 2 else (ours[-1], math.prod(self.shape))

    def arranged(self, tensor: np.ndarray, part: Part, ours: Shape, layout: Layout) -> np.ndarray:
        if part.attribute != "kernel":
            return super().arranged(tensor, part, ours, layout)
        if not layout.flat:
            return tensor.reshape(ours)
        return tensor.reshape(-1, *self.shape).transpose(2, 3, 1, 0).reshape(ours)


@dataclass(frozen=True)
class Stored(Same):
    """A kernel whose numbers lie in the order of ours, under another last name or in another shape.

    What ConvNeXt multiplies each channel by is a vector of its publisher's; with us, the kernel of a 1×1.
    A separable convolution of Keras's has both the kernels of our depthwise one and of our 1×1.
    """

    kernel: str  # the last part of the kernel's name; others keep theirs
    shape: Shape  # the publisher's

    def last(self, part: Part) -> str:
        return self.kernel if part.attribute == "kernel" else super().last(part)

    def published(self, part: Part, ours: Shape, layout: Layout, dimensions: int) -> Shape:
        return self.shape if part.attribute == "kernel" else super().published(part, ours, layout, dimensions)

    def arranged(self, tensor: np.ndarray, part: Part, ours: Shape, layout: Layout) -> np.ndarray:
        kernel = part.attribute == "kernel"
        return tensor.reshape(ours) if kernel else super().arranged(tensor, part, ours, layout)


@dataclass(frozen=True)
class Unscaled(Same):
    """A batch normalisation that its publisher built without gamma: the file has none, and ours is 1."""

    def take(self, left: dict[str, np.ndarray], part: Part, variable: Any, layout: Layout) -> np.ndarray:
        if part.attribute == "gamma":
            return np.ones(variable.shape, "float32")
        return super().take(left, part, variable, layout)


# Where a layer's weights come from; a text is short for `Same`.
Source = str | Same


def of(source: Source) -> Same:
    return Same(source) if isinstance(source, str) else source


def fill(
    model: Model,
    tensors: Mapping[str, np.ndarray],
    names: Mapping[str, Source],
    dropped: tuple[str, ...] = (),
    layout: Layout = TORCH,
) -> None:
    """Give every weight of `model` its tensor; `names` leads from our layers to the publisher's.

    Each tensor is used once, with its exact shape; left over may be `dropped`, the publisher's
    layers that were asked to be left out, and torch's counters of batches (`num_batches_tracked`).

    Raises `WeightsError` that names the first weights and tensors without a counterpart; the model
    is then as it was.
    """
    left, pairs, wrong = dict(tensors), [], []
    for layer in model.layers:
        if not layer.weights:
            continue
        if layer.name not in names:
            wrong.append(f"no tensor is meant for the layer '{layer.name}'")
            continue
        source = of(names[layer.name])
        for part in layout.parts[type(layer)]:
            variable = getattr(layer, part.attribute)
            try:
                if variable is not None:
                    pairs.append((variable, source.take(left, part, variable, layout)))
            except WeightsError as error:
                wrong.append(error.message)
        if isinstance(layer, layers.BatchNormalization):
            left.pop(f"{source.name}.num_batches_tracked", None)
    over = [name for name in left if name.rpartition(layout.separator)[0] not in dropped]
    if over:
        wrong.append(f"nothing takes the tensor '{over[0]}' ({len(over)} left over)")
    elif not wrong and {id(variable) for variable, _ in pairs} != {id(weight) for weight in model.weights}:
        wrong.append("not every weight has a tensor")
    if wrong:
        more = f"; and {len(wrong) - TOLD:,} more differences" if len(wrong) > TOLD else ""
        raise WeightsError(f"{model.name}: {'; '.join(wrong[:TOLD])}{more}.")
    for variable, tensor in pairs:
        variable.assign(tensor)


def give(
    model: Model,
    tensors: Mapping[str, np.ndarray],
    names: Mapping[str, Source],
    publisher: str,
    *,
    top: bool = True,
    bgr: bool = False,
) -> None:
    """Give a backbone a publisher's tensors: all of them, or all but the top's.

    What `names` has of a top beside the model's own, such as auxiliary heads that were not asked for, is
    left out as well. A model of four channels takes tensors for three: the fourth starts at zero. `bgr`:
    the tensors' first kernel takes blue first, and ours red.

    Raises `WeightsError`, as `fill` does.
    """
    ordering = layout(publisher)
    built = {layer.name for layer in model.layers} | ({LOGITS} if top else set())
    dropped = tuple(of(names[ours]).name for ours in names if ours.startswith(TOP) and ours not in built)
    first = next((layer.name for layer in model.layers if layer.weights and layer.name in names), None)
    if first and bgr:
        tensors = turned(tensors, names[first], ordering)
    if first and model.input_shape[-1] == 4:
        tensors = widened(tensors, names[first], ordering)
    fill(model, tensors, names, dropped, ordering)


def first_kernel(first: Source, layout: Layout) -> tuple[str, int]:
    """The name of the `first` layer's kernel, and which of its axes the photo's channels are."""
    part = layout.parts[layers.Conv2D][0]
    return f"{of(first).name}{layout.separator}{part.suffix}", part.axes[2]


def widened(tensors: Mapping[str, np.ndarray], first: Source, layout: Layout) -> dict[str, np.ndarray]:
    """The tensors with a fourth channel of zeros in the kernel of the `first` layer."""
    name, axis = first_kernel(first, layout)
    if name not in tensors:  # `fill` says what is missing
        return dict(tensors)
    wider = [(0, 0)] * 4
    wider[axis] = (0, 1)
    return {**tensors, name: np.pad(tensors[name], wider)}


def turned(tensors: Mapping[str, np.ndarray], first: Source, layout: Layout) -> dict[str, np.ndarray]:
    """The tensors with red and blue exchanged in the kernel of the `first` layer."""
    name, axis = first_kernel(first, layout)
    if name not in tensors or tensors[name].ndim != 4:
        return dict(tensors)
    return {**tensors, name: np.flip(tensors[name], axis)}
