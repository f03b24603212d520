"""What `tlkit backbones` returns: the list, a recommendation, a network layer by layer, two side by side."""

import itertools
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tlkit import printed
from tlkit.report import Report


@dataclass(frozen=True)
class Backbone:
    """A network that tlkit can build; null where no weights are published for it.

    Where some are, the figures are of those that "imagenet" means, or, where none may be used
    commercially, of the best that can be named.
    """

    name: str
    family: str
    year: int | None  # of the paper; null: made for teaching, from no paper
    parameters: int  # trainable, with its published classes, as papers count
    total_parameters: int
    multiply_adds: int  # of convolutions and dense layers, for one photograph of image_size
    image_size: int  # pixels a side
    top1: float | None  # published, on ImageNet's validation photos
    licence: str | None  # of the weights


@dataclass(frozen=True)
class Backbones(Report):
    """The networks that tlkit can build."""

    backbones: Sequence[Backbone]

    def text(self) -> str:
        if not self.backbones:
            return "No backbone is that small."
        table, before = [HEADINGS], None
        for row in self.backbones:
            counts = (printed.count(row.parameters), printed.count(row.multiply_adds), str(row.image_size))
            group = (row.year, row.family)
            year = "" if group == before else str(row.year or "–")
            table.append((year, row.name, *counts, printed.percent(row.top1), row.licence or "–"))
            before = group
        return "\n".join(_abreast(printed.table(table, left=(0, 1, 6))))


HEADINGS = ("year", "name", "params", "MACs", "px", "top-1", "licence")


def _abreast(lines: Sequence[str]) -> list[str]:
    """A table in as many blocks as find room beside each other on this terminal, each with the head."""
    head, *rows = lines
    wide = max(map(len, lines))
    blocks = max(1, min((shutil.get_terminal_size().columns + 3) // (wide + 3), len(rows)))
    length = -(-len(rows) // blocks)
    parts = [[head, *rows[start : start + length]] for start in range(0, len(rows), length)]
    return [
        " │ ".join(line.ljust(wide) for line in beside).rstrip(" │")
        for beside in itertools.zip_longest(*parts, fillvalue="")
    ]


def _natural(row: Backbone) -> list[Any]:
    """resnet18 before resnet101."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", row.name)]


# What the list can be sorted by: best first, smallest first, or as in a dictionary.
ORDERS: Mapping[str, Callable[[Backbone], Any]] = {
    "top1": lambda row: (row.top1 is None, -(row.top1 or 0)),
    "params": lambda row: row.parameters,
    "macs": lambda row: row.multiply_adds,
    "name": _natural,
}


class Choice(NamedTuple):
    """What to take for a purpose, and why."""

    names: Sequence[str]  # the first is the choice, the others do as well
    reason: str
    example: str  # what to type or to write next; {name}: of the choice


RECOMMENDED: Mapping[str, Choice] = {
    "teaching": Choice(
        ("small_cnn",),
        "Two convolutions that learn digits in minutes without a GPU, small enough to follow by hand.",
        "tlkit finetune digits --recipe from-scratch-mnist",
    ),
    "small-data": Choice(
        ("resnet18",),
        "Up to some hundred photos a class: pretrained features do the work, and few weights overfit less.",
        "tlkit finetune photos --backbone {name}",
    ),
    "medium-data": Choice(
        ("resnet50",),
        "Thousands of photos a class have a use for its capacity, and every tool, chip and paper knows it.",
        "tlkit finetune photos --backbone {name}",
    ),
    "mobile": Choice(
        ("efficientnet_lite0", "mobilenet_v3_large", "mobilenet_v3_small"),
        "Made for phones: few multiply-adds, and without gates and swish int8 costs Lite0 only 0.7 points.",
        "tlkit finetune photos --backbone {name} --quantize int8",
    ),
    "max-accuracy": Choice(
        ("convnext_large", "efficientnet_b7"),
        "Above 86 % of ImageNet's photos right; they want a GPU, and B7 wants 600 pixels a side.",
        "tlkit finetune photos --backbone {name}",
    ),
    "detection": Choice(
        ("resnet50", "resnext50_32x4d"),
        "Maps at strides 8, 16 and 32 that detectors are tuned to; a feature pyramid (FPN) goes on top.",
        "tlkit.backbones.fpn(tlkit.backbones.ResNet50(include_top=False))",
    ),
}


@dataclass(frozen=True)
class Recommendation(Report):
    """Which network to take for a purpose."""

    purpose: str
    backbones: Sequence[Backbone]  # the first is the choice, the others do as well
    reason: str
    example: str  # what to type or to write next
    instead: str | None  # the nearest whose weights are on this machine, where the choice's are not
    bytes: int | None  # of the choice's weights; null: it needs none

    def text(self) -> str:
        choice, *others = self.backbones
        facts = [f"{printed.count(choice.parameters)} parameters"]
        facts += [f"{printed.count(choice.multiply_adds)} multiply-adds at {choice.image_size} pixels"]
        facts += [] if choice.top1 is None else [f"top-1 {printed.percent(choice.top1)}"]
        lines = [f"{choice.name}: {', '.join(facts)}", self.reason]
        lines += [f"Or take {', '.join(row.name for row in others)}."] if others else []
        if self.instead:
            lines.append(
                f"Its weights ({printed.size(self.bytes or 0)}, {choice.licence}) are fetched at first use; "
                f"those of {self.instead} are here."
            )
        return "\n".join([*lines, f"Next: {self.example}"])


@dataclass(frozen=True)
class Layers(Report):
    """A network as a textbook prints it, from the built model."""

    name: str
    family: str
    input_shape: Sequence[int]  # height, width, channels
    # Rows of layer, kind, output_shape, parameters (trainable), total_parameters, multiply_adds,
    # receptive_field_pixels (a side; null: the whole photograph), holds: the names of all layers in it.
    layers: Sequence[Any]
    taps: Sequence[Mapping[str, Any]]  # rows of name, stride, channels, receptive_field_pixels
    parameters: int
    total_parameters: int
    multiply_adds: int
    depth: int  # convolutions and dense layers on the longest way
    between: Sequence[str]  # operations that are no layers and have no row: sqrt, pad, …

    def text(self) -> str:
        table = [("layer", "kind", "output", "parameters", "multiply-adds", "receptive field")]
        for row in map(printed.plain, self.layers):
            costs = (_or_blank(row["parameters"]), _or_blank(row["multiply_adds"]))
            shape = "×".join(map(str, row["output_shape"]))
            table.append((row["layer"], row["kind"], shape, *costs, _seen(row["receptive_field_pixels"])))
        table.append(("total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", ""))
        taps = [("tap", "stride", "channels", "receptive field")]
        for tap in self.taps:
            field = _seen(tap["receptive_field_pixels"])
            taps.append((tap["name"], str(tap["stride"]), f"{tap['channels']:,}", field))
        lines = [*printed.table(table, left=(0, 1)), "", *self._told(), "", *printed.table(taps)]
        return "\n".join(lines)

    def _told(self) -> list[str]:
        still = self.total_parameters - self.parameters
        return [
            *(
                [f"{self.total_parameters:,} parameters with the {still:,} that are not trained."]
                if still
                else []
            ),
            f"{self.depth} convolutions and dense layers on the longest way.",
            *([f"Between the layers, without weights: {', '.join(self.between)}."] if self.between else []),
            "Receptive fields in pixels a side; all: the whole photograph, whatever its size.",
        ]


@dataclass(frozen=True)
class Compared:
    """What one network costs, and what it gives."""

    name: str
    family: str
    parameters: int  # trainable
    parameters_without_top: int
    total_parameters: int
    multiply_adds: int  # for one photograph of image_size
    multiply_adds_without_top: int
    image_size: int
    top1: float | None  # published, on ImageNet's validation photos
    depth: int  # convolutions and dense layers on the longest way
    receptive_field_pixels: int | None  # of the last map's places, a side; null: the whole photograph
    feature_channels: int  # of the last map
    bytes: int  # of all weights in float32
    stages: Sequence[Any]  # rows of stride, channels, parameters, multiply_adds; stride null: the top


@dataclass(frozen=True)
class Comparison(Report):
    """Two networks side by side, and the second over the first."""

    backbones: Sequence[Compared]  # two
    ratio: Mapping[str, float | None]  # by the keys of the two that are amounts
    top1_difference: float | None  # second − first, 0–1

    def text(self) -> str:
        table: list[tuple[str, ...]] = [("", *(row.name for row in self.backbones), "ratio")]
        for label, key, shown in FACTS:
            ratio = _times(self.ratio[key]) if key in self.ratio else ""
            if key == "top1" and self.top1_difference is not None:
                ratio = f"{self.top1_difference:+.1%}".replace("%", " points")
            table.append((label, *(shown(getattr(row, key)) for row in self.backbones), ratio))
        for label, key, shown in SHARES:
            table += [("", "", "", ""), (label, "", "", ""), *self._by_stride(key, shown)]
        return "\n".join(printed.table(table))

    def _by_stride(self, key: str, shown: Callable[[Any], str]) -> list[tuple[str, ...]]:
        first, second = (
            {row["stride"]: row[key] for row in map(printed.plain, side.stages)} for side in self.backbones
        )
        strides = sorted({*first, *second}, key=lambda stride: (stride is None, stride or 0))
        return [
            (
                "  top" if stride is None else f"  stride {stride}",
                *(shown(side[stride]) if stride in side else "" for side in (first, second)),
                _times(ratio(first.get(stride), second.get(stride))),
            )
            for stride in strides
        ]


def ratio(first: int | None, second: int | None) -> float | None:
    """The second over the first; None where there is nothing to divide.

    >>> ratio(4, 6), ratio(0, 6), ratio(4, None)
    (1.5, None, None)
    """
    return second / first if first and second is not None else None


def _times(ratio: float | None) -> str:
    if not ratio:
        return ""
    return f"×{ratio:.2f}" if ratio >= 0.1 else f"1/{1 / ratio:,.0f}"


def _seen(pixels: int | None) -> str:
    return "all" if pixels is None else str(pixels)


def _or_blank(number: int) -> str:
    return f"{number:,}" if number else ""


def _whole(number: int) -> str:
    return f"{number:,}"


FACTS: Sequence[tuple[str, str, Callable[[Any], str]]] = (
    ("parameters", "parameters", _whole),
    ("  without the top", "parameters_without_top", _whole),
    ("multiply-adds", "multiply_adds", printed.count),
    ("  without the top", "multiply_adds_without_top", printed.count),
    ("image size, pixels", "image_size", _whole),
    ("top-1, published", "top1", printed.percent),
    ("depth", "depth", _whole),
    ("receptive field, pixels", "receptive_field_pixels", _seen),
    ("feature width", "feature_channels", _whole),
    ("float32 weights", "bytes", printed.size),
)
SHARES: Sequence[tuple[str, str, Callable[[Any], str]]] = (
    ("parameters by stride", "parameters", _whole),
    ("multiply-adds by stride", "multiply_adds", printed.count),
    ("channels by stride", "channels", _whole),
)
