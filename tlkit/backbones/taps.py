"""The stages of a model by their marks, in a plain backbone and in what was built on it, loaded or not."""

import re
from typing import Any, NamedTuple

from keras import KerasTensor, Model, layers

from tlkit.errors import UsageError


class Tap(NamedTuple):
    """The last feature map of its size."""

    name: str  # of the layer: stem, stage1, …
    stride: int  # pixels of the photograph from one place of the map to the next
    channels: int
    tensor: KerasTensor  # (batch, height / stride, width / stride, channels)


def stages(model: Model) -> list[str]:
    """The stage marks of a model, from the photo to the head: `stem`, `stage1`, …"""
    return [layer.name for layer in model.layers if _is_mark(layer)]


def pyramid(model: Model) -> tuple[Tap, ...]:
    """The feature maps of a model from the largest on, one for each stride: what a detector builds on.

    Takes any flat model that holds a backbone of tlkit's: plain, fine-tuned, loaded from a .keras file.
    Of a model that begins at a tap, strides count from there.

    Raises `UsageError` if the model has no stage marks, or hides them in a model within it.

    >>> from tlkit.backbones import build
    >>> model = build("efficientnet_test", weights=None, include_top=False)
    >>> [(tap.name, tap.stride, tap.channels) for tap in pyramid(model)]
    [('stage1', 2, 8), ('stage2', 4, 8), ('stage3', 8, 8), ('stage4', 16, 16), ('stage5', 32, 32)]
    """
    strides: dict[int, int] = {}  # by the identity of a tensor
    found: dict[int, Tap] = {}
    for operation in getattr(model, "operations", ()):
        inputs = _flat(operation.input)
        stride = max((strides.get(id(tensor), 1) for tensor in inputs), default=1) * _stride(operation)
        strides |= {id(tensor): stride for tensor in _flat(operation.output)}
        if _is_mark(operation):
            found[stride] = Tap(operation.name, stride, operation.output.shape[-1], operation.output)
    if not found:
        raise UsageError(
            f"{getattr(model, 'name', repr(model))} has no stages of its own that could be tapped.",
            "Give the backbone itself, or a flat model on backbone.input.",
        )
    return tuple(found[stride] for stride in sorted(found))


def _is_mark(layer: Any) -> bool:
    return isinstance(layer, layers.Identity) and re.fullmatch(r"stem|stage\d+", layer.name) is not None


def _stride(operation: Any) -> int:
    """Pixels a step: what convolutions and pools have, and nothing else."""
    strides = getattr(operation, "strides", 1)
    return strides if isinstance(strides, int) else strides[0]


def _flat(tensors: Any) -> list[Any]:
    return list(tensors) if isinstance(tensors, list | tuple) else [tensors]
