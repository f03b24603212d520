"""What a built model is made of, layer by layer: what each costs and how much of the photograph it sees."""

import math
from collections import Counter
from typing import Any, NamedTuple

import keras
from keras import KerasTensor, Layer, Model, layers, tree

from tlkit.backbones.conversion import TOP
from tlkit.backbones.taps import pyramid

CONVOLUTIONS = layers.Conv2D | layers.DepthwiseConv2D | layers.SeparableConv2D
WINDOWS = CONVOLUTIONS | layers.MaxPooling2D | layers.AveragePooling2D
GLOBAL = layers.GlobalAveragePooling2D | layers.GlobalMaxPooling2D
NORMS = layers.BatchNormalization | layers.LayerNormalization | layers.GroupNormalization
ROUNDABOUT = layers.ZeroPadding2D | layers.Cropping2D

WORDS = (  # of the kinds of layers a reader is told of; the others go by their classes
    (layers.InputLayer, "input"),
    (layers.DepthwiseConv2D, "depthwise"),
    (layers.SeparableConv2D, "separable"),
    (layers.Conv2D, "conv"),
    (layers.MaxPooling2D, "max pool"),
    (layers.AveragePooling2D, "average pool"),
    (layers.GlobalAveragePooling2D, "global average pool"),
    (layers.GlobalMaxPooling2D, "global max pool"),
    (NORMS, "norm"),
)
UNSPOKEN = layers.Identity | layers.Rescaling | ROUNDABOUT  # marks, pixel statistics, zeros around


def multiply_adds(model: Model) -> int:
    """Multiply-adds of a model's convolutions and dense layers for one photograph of its input shape.

    As papers count: without biases, normalisation, activations, pools and what only scales each channel.
    The input shape has to be known.
    """
    return sum(cost(layer) for layer in model.layers)


def cost(layer: Layer) -> int:
    """The multiply-adds of one layer: each weight of its kernel once for each place of its output."""
    if isinstance(layer, layers.SeparableConv2D):
        kernels = [layer.depthwise_kernel, layer.pointwise_kernel]
    elif isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.Dense) and not _scales(layer):
        kernels = [layer.kernel]
    else:
        return 0
    places = layer.output.shape[1:-1]
    return sum(math.prod(kernel.shape) for kernel in kernels) * math.prod(places)


def _scales(layer: Layer) -> bool:
    """Whether it multiplies each channel by a number, as normalisation does: a depthwise 1×1."""
    return isinstance(layer, layers.DepthwiseConv2D) and _pair(layer.kernel_size) == (1, 1)


def depth(model: Model) -> int:
    """Convolutions and dense layers on the longest way from the photograph to the answer.

    What networks are named by: 50 for ResNet-50, whose shortcuts' convolutions are not on that way, and
    for SE-ResNet-50, whose gates only scale what goes on.
    """
    deepest: dict[int, int] = {}  # by the identity of a tensor
    for operation in model.operations:
        before = [deepest[id(tensor)] for tensor in _inputs(operation)] or [0]
        gate = isinstance(operation, layers.Multiply)
        after = (min(before) if gate else max(before)) + bool(cost(operation))
        deepest |= {id(tensor): after for tensor in tree.flatten(operation.output)}
    return max(deepest[id(tensor)] for tensor in model.outputs)


class Share(NamedTuple):
    """What the layers of one stride have of a whole model; those after the last mark count to its stride."""

    stride: int | None  # of the feature map that they lead to; None: the top
    channels: int  # of that map; classes
    parameters: int  # trainable
    multiply_adds: int


def shares(model: Model) -> tuple[Share, ...]:
    """A backbone's parameters and multiply-adds by stride, from the photograph on, then those of its top."""
    taps, found = pyramid(model), []
    held: list[Layer] = []
    for layer in model.layers:
        if layer.name.startswith(TOP):
            continue
        held.append(layer)
        if layer.name in [tap.name for tap in taps[:-1]]:
            found.append(held)
            held = []
    found.append(held)
    rows = [_share(tap.stride, tap.channels, group) for tap, group in zip(taps, found, strict=True)]
    top = [layer for layer in model.layers if layer.name.startswith(TOP)]
    return (*rows, *([_share(None, model.output_shape[-1], top)] if top else []))


def _share(stride: int | None, channels: int, held: list[Layer]) -> Share:
    return Share(stride, channels, sum(map(trainable, held)), sum(map(cost, held)))


def trainable(layer: Layer) -> int:
    """The numbers in a layer that training changes."""
    return sum(math.prod(weight.shape) for weight in layer.trainable_weights)


def last_map(model: Model) -> Any:
    """The operation that the last feature map comes out of: what the top goes on with."""
    maps = [one for one in model.operations if len(_output(one).shape) == 4]
    return next(one for one in reversed(maps) if not one.name.startswith(TOP))


class Span(NamedTuple):
    """Along one side: which pixels the places of a map see; place n sees those of place 0, n·step further."""

    step: int  # pixels from one place to the next
    first: int  # that place 0 sees; below zero where it reaches beyond the photograph
    last: int


Field = tuple[Span, Span] | None  # down and across; None: all of the photograph, whatever its size


def pixels(field: Field) -> int | None:
    """The longer side of a receptive field in pixels; None: the whole photograph.

    >>> pixels((Span(2, -3, 3), Span(2, -1, 1)))
    7
    """
    return field and max(span.last - span.first + 1 for span in field)


def fields(model: Model) -> dict[str, Field]:
    """The receptive field of each operation's output, by the operation's name.

    Where branches meet it is what they see together. The input shape has to be known: "same" padding
    puts its zeros by it.
    """
    found: dict[int, Field] = {}  # by the identity of a tensor
    for operation in model.operations:
        field = _beyond(operation, [found[id(tensor)] for tensor in _inputs(operation)])
        found |= {id(tensor): field for tensor in tree.flatten(operation.output)}
    return {operation.name: found[id(_output(operation))] for operation in model.operations}


def _beyond(operation: Any, met: list[Field]) -> Field:
    """The field of what comes out of an operation, from the fields of what goes in."""
    if not met:
        return Span(1, 0, 0), Span(1, 0, 0)
    if None in met or isinstance(operation, GLOBAL):
        return None
    down, across = (_together(spans) for spans in zip(*(field for field in met if field), strict=True))
    if isinstance(operation, WINDOWS):
        sizes = _inputs(operation)[0].shape[1:3]
        return _looking(operation, 0, down, sizes[0]), _looking(operation, 1, across, sizes[1])
    if (before := _zeros_before(operation)) is not None:
        return _shifted(down, -before[0]), _shifted(across, -before[1])
    sides, larger = _output(operation).shape[1:3], _inputs(operation)[0].shape[1:3]
    if getattr(operation, "keepdims", False) and sides != larger:
        return None  # a sum over places, or a mean
    if len(_output(operation).shape) >= 4 and len(larger) == 2:
        return _thinned(down, larger[0], sides[0]), _thinned(across, larger[1], sides[1])
    return None if max(larger) > 1 else (down, across)  # flattened, or averaged over its places


def _together(spans: tuple[Span, ...]) -> Span:
    return Span(max(s.step for s in spans), min(s.first for s in spans), max(s.last for s in spans))


def _looking(layer: Any, axis: int, span: Span, size: int) -> Span:
    """Through the window of a convolution or a pool, on a map of `size` places."""
    kernel, stride, dilation = (part[axis] for part in _window(layer))
    reach, before = (kernel - 1) * dilation, 0
    if layer.padding == "same":
        before = max((math.ceil(size / stride) - 1) * stride + reach + 1 - size, 0) // 2
    first, last = span.first - before * span.step, span.last + (reach - before) * span.step
    return Span(span.step * stride, first, last)


def _shifted(span: Span, places: int) -> Span:
    return Span(span.step, span.first + places * span.step, span.last + places * span.step)


def _thinned(span: Span, before: int, after: int) -> Span:
    """Every second place, as a slice with a step leaves them; the same span where none is left out."""
    return Span(span.step * max(1, round(before / after)), span.first, span.last)


def _zeros_before(operation: Any) -> tuple[int, int] | None:
    """Places put before a map, above and on the left; below zero: cut off. None: not what it does."""
    if isinstance(operation, layers.ZeroPadding2D):
        return operation.padding[0][0], operation.padding[1][0]
    if isinstance(operation, layers.Cropping2D):
        return -operation.cropping[0][0], -operation.cropping[1][0]
    if hasattr(operation, "pad_width"):  # keras.ops.pad
        return operation.pad_width[1][0], operation.pad_width[2][0]
    return None


def _window(layer: Any) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Kernel, stride and dilation, each down and across."""
    sides = layer.kernel_size if isinstance(layer, CONVOLUTIONS) else layer.pool_size
    strides, dilation = layer.strides, getattr(layer, "dilation_rate", 1)
    return _pair(sides), _pair(strides), _pair(dilation)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


class Part(NamedTuple):
    """A row of the textbook table: a layer with what belongs to it, its normalisation and activation."""

    layer: str  # the name of the one that gives it its kind
    kind: str
    output_shape: tuple[int | None, ...]  # height, width, channels; or features
    parameters: int  # trainable
    total_parameters: int  # with moving statistics
    multiply_adds: int
    receptive_field_pixels: int | None  # of a side; None: the whole photograph
    holds: tuple[str, ...]  # the names of all its layers


def parts(model: Model) -> tuple[Part, ...]:
    """A model as a textbook prints it: every layer in one of the rows, in the order of the graph.

    Zeros around belong to the layer that they are for; normalisation, activation and dropout to the
    layer before, unless its output is used elsewhere too. Operations that are no layers have no row.
    """
    uses = Counter(id(tensor) for operation in model.operations for tensor in _inputs(operation))
    rows: list[list[Layer]] = []
    row_of: dict[int, int] = {}  # by the identity of a tensor: the last row that led to it
    waiting: dict[int, list[Layer]] = {}  # zeros around, for the first that uses them
    for operation in model.operations:
        inputs = _inputs(operation)
        row = max((row_of[id(tensor)] for tensor in inputs), default=-1)
        early = [layer for tensor in inputs for layer in waiting.pop(id(tensor), ())]
        if isinstance(operation, ROUNDABOUT):
            waiting[id(operation.output)] = [*early, operation]
        elif isinstance(operation, Layer):
            if row < 0 or _begins(operation, uses[id(inputs[0])]):
                rows.append([])
                row = len(rows) - 1
            rows[row] += [*early, operation]
        row_of |= {id(tensor): row for tensor in tree.flatten(operation.output)}
    seen = fields(model)
    return tuple(_part(row, seen) for row in rows)


def between(model: Model) -> tuple[str, ...]:
    """What is computed between the layers, by operations that are none, such as `sqrt`: each kind once."""
    kinds = {type(one).__name__ for one in model.operations if not isinstance(one, Layer)}
    words = ("".join(f" {c.lower()}" if c.isupper() else c for c in kind).strip() for kind in kinds)
    return tuple(sorted(words))


def _begins(layer: Layer, uses: int) -> bool:
    """Whether a reader expects a row: for what has a size of its own, joins branches or stands on one."""
    if isinstance(layer, UNSPOKEN):
        return False
    own = isinstance(layer, WINDOWS | GLOBAL | layers.Dense | layers.Flatten | layers.Reshape)
    return own or len(_inputs(layer)) > 1 or uses > 1


def _part(held: list[Layer], seen: dict[str, Field]) -> Part:
    return Part(
        layer=next(layer.name for layer in held if not isinstance(layer, ROUNDABOUT)),
        kind=", ".join(word for word in map(_words, held) if word),
        output_shape=tuple(held[-1].output.shape[1:]),
        parameters=sum(map(trainable, held)),
        total_parameters=sum(math.prod(weight.shape) for layer in held for weight in layer.weights),
        multiply_adds=sum(map(cost, held)),
        receptive_field_pixels=pixels(seen[held[-1].name]),
        holds=tuple(layer.name for layer in held),
    )


def _words(layer: Layer) -> str:
    """`conv 3×3 /2`: what a layer is, in a few words; none for what only helps another."""
    if isinstance(layer, UNSPOKEN):
        return ""
    if _scales(layer):
        return "scale"
    if isinstance(layer, layers.ReLU):
        return "relu" if layer.max_value is None else f"relu{layer.max_value:g}"
    if isinstance(layer, layers.Activation):
        return layer.activation.__name__
    if isinstance(layer, layers.Dropout):
        return f"dropout {layer.rate:g}" if layer.rate else ""
    plain = "".join(f" {c.lower()}" if c.isupper() else c for c in type(layer).__name__).strip()
    name = next((word for kind, word in WORDS if isinstance(layer, kind)), plain)
    function = getattr(layer, "activation", keras.activations.linear)  # of its own, not a layer after it
    own = "" if function is keras.activations.linear else f", {function.__name__}"
    return f"{name}{_looks(layer) if isinstance(layer, WINDOWS) else ''}{own}"


def _looks(layer: Any) -> str:
    """A window's size, its step and what is unusual about it."""
    (height, width), strides, dilation = _window(layer)
    groups = getattr(layer, "groups", 1)
    return "".join(
        (
            f" {height}×{width}",
            f" /{max(strides)}" if max(strides) > 1 else "",
            f" dilated {max(dilation)}" if max(dilation) > 1 else "",
            f" in {groups} groups" if groups > 1 else "",
        )
    )


def _inputs(operation: Any) -> list[KerasTensor]:
    """What goes in; nothing for the photograph itself, which Keras calls its own input."""
    return [] if isinstance(operation, layers.InputLayer) else tree.flatten(operation.input)


def _output(operation: Any) -> KerasTensor:
    return tree.flatten(operation.output)[0]
