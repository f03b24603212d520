"""Xception: an Inception whose every branch is one channel.

Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, arXiv:1610.02357 (2016), figure 5:
separable convolutions throughout, one 3×3 kernel a channel and then a 1×1, with shortcuts around two or
three of them.

Geometries: `keras`, that of keras.applications, written by the paper's author, whose pools reach beyond a
map of even size at its end alone; `timm`, its legacy_xception, whose pools do on both sides, with a smaller
epsilon.

A stage begins with the block that strides and ends with a sum (the last one with the ReLU of the final
convolution), since all later layers see no more of them than that: the same network can be cut there.
"""

from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, initializers, layers

from tlkit.backbones.conversion import Source, Stored
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import (
    TORCH,
    Geometry,
    conv,
    conv_norm,
    depthwise,
    drop_path,
    mark,
    norm,
    signed_max_pool,
)
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    middle: int  # blocks that keep size and channels: figure 5's middle flow
    width: float  # channels, over those of the paper's network
    image_size: int
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...] = ("keras", "timm")
    dropout: float = 0.5  # the paper's, section 4.3; keras.applications has none
    classes: int = 1000
    channels: int = 3
    least: int = 37  # that leave 16 places after a stem without zeros around, for four halvings
    year: int = 2016  # of the paper


class Block(NamedTuple):
    name: str  # stage and place in it
    stage: int
    widths: tuple[int, ...]  # channels of its separable convolutions
    stride: int


# fmt: off
VARIANTS = {
    # timm's weights were measured at 0.79058, those of keras.applications are said to reach 0.790.
    "xception": Variant(8, 1.0, 299, 22_855_952, 22_910_480, 8_357_403_496, geometries=("timm", "keras")),
    # Every stage and kind of block, in a blink; from no paper.
    "xception_test": Variant(1, 1 / 8, 64, 415_933, 418_927, 3_579_652),
}
# fmt: on

GEOMETRIES = {"keras": Geometry("tensorflow", 1e-3, 0.99), "timm": TORCH}


def plan(variant: Variant) -> list[Block]:
    """The blocks in order. One that strides begins a stage."""
    halving = [Block(f"stage{n}_block1", n, (w, w), 2) for n, w in enumerate((128, 256, 728), start=1)]
    middle = [Block(f"stage3_block{n + 2}", 3, (728, 728, 728), 1) for n in range(variant.middle)]
    return [*halving, *middle, Block("stage4_block1", 4, (728, 1024), 2)]


LAST = Block("stage4_block2", 4, (1536, 2048), 1)  # without a shortcut


# A variance of 1 over what one place takes in, about keras.applications'. With He et al.'s 2 each sum doubles
# it, and a network that has not been trained would answer 0 and 1 to any photo. (Keras counts all channels
# among the incoming connections of a depthwise kernel, though each takes in one.)
DEPTHWISE_START = initializers.VarianceScaling(1.0, mode="fan_out", distribution="uniform")
POINTWISE_START = initializers.LecunUniform()


def scaled(channels: int, variant: Variant) -> int:
    return round(channels * variant.width)


def separable(
    x: KerasTensor, channels: int, geometry: Geometry, name: str, number: int, act: str | None = None
) -> KerasTensor:
    """One 3×3 kernel a channel, nothing between, a 1×1, normalisation."""
    x = depthwise(
        x,
        3,
        padding=geometry.padding,
        bias=geometry.bias,
        initial=DEPTHWISE_START,
        name=f"{name}_depthwise{number}",
    )
    return conv_norm(
        x,
        channels,
        1,
        geometry=geometry,
        act=act,
        initial=POINTWISE_START,
        name=f"{name}_pointwise{number}",
    )


def block(x: KerasTensor, this: Block, variant: Variant, geometry: Geometry, dropped: float) -> KerasTensor:
    """Separable convolutions, each after a ReLU, a pool where it strides, plus the shortcut."""
    shortcut, name = x, this.name
    if this.stride > 1:
        channels = scaled(this.widths[-1], variant)
        shortcut = conv_norm(
            x, channels, 1, this.stride, geometry=geometry, act=None, name=f"{name}_shortcut"
        )
    for number, width in enumerate(this.widths, start=1):
        if this.stage > 1 or number > 1:  # the stem has ended with one
            x = layers.ReLU(name=f"{name}_relu{number}")(x)
        x = separable(x, scaled(width, variant), geometry, name, number)
    if this.stride > 1:
        x = pool(x, geometry, f"{name}_pool")
    return layers.Add(name=f"{name}_add")([drop_path(x, dropped, name), shortcut])


def pool(x: KerasTensor, geometry: Geometry, name: str) -> KerasTensor:
    """Maximum over 3×3 at stride 2, of the places within a map that goes below zero."""
    if geometry.padding == "torch":
        return signed_max_pool(x, name=name)
    return layers.MaxPooling2D(3, 2, "same", name=name)(x)


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, 2048·width), less what is not padded."""
    for number, (width, stride) in enumerate(((32, 2), (64, 1)), start=1):
        name = f"stem_conv{number}"
        x = conv(x, scaled(width, variant), 3, stride, padding="valid", bias=geometry.bias, name=name)
        x = norm(x, geometry=geometry, name=name)
    x = mark(x, "stem")
    blocks = plan(variant)
    for number, (this, after) in enumerate(zip(blocks, [*blocks[1:], LAST], strict=True)):
        x = block(x, this, variant, geometry, options["drop_path"] * number / (len(blocks) - 1))
        if after.stage > this.stage:
            x = mark(x, f"stage{this.stage}")
    for number, width in enumerate(LAST.widths, start=1):
        x = separable(x, scaled(width, variant), geometry, LAST.name, number, act="relu")
    return mark(x, f"stage{LAST.stage}")


def names_keras(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as keras.applications calls them in a fresh process: it numbers shortcuts as they are made.

    A separable convolution is one layer there.
    """
    found: dict[str, Source] = {}
    for number in (1, 2):
        found |= {f"stem_conv{number}": f"block1_conv{number}"}
        found |= {f"stem_conv{number}_norm": f"block1_conv{number}_bn"}
    coming, strided = scaled(64, variant), 0
    for count, this in enumerate((*plan(variant), LAST), start=2):
        if this.stride > 1:
            suffix = f"_{strided}" if strided else ""
            found[f"{this.name}_shortcut"] = f"conv2d{suffix}"
            found[f"{this.name}_shortcut_norm"] = f"batch_normalization{suffix}"
            strided += 1
        for number, width in enumerate(this.widths, start=1):
            theirs, channels = f"block{count}_sepconv{number}", scaled(width, variant)
            found[f"{this.name}_depthwise{number}"] = Stored(theirs, "depthwise_kernel", (3, 3, coming, 1))
            found[f"{this.name}_pointwise{number}"] = Stored(
                theirs, "pointwise_kernel", (1, 1, coming, channels)
            )
            found[f"{this.name}_pointwise{number}_norm"] = f"{theirs}_bn"
            coming = channels
    return {**found, LOGITS: "predictions"}


def names_timm(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as timm calls them."""
    found: dict[str, Source] = {}
    for number in (1, 2):
        found |= {f"stem_conv{number}": f"conv{number}", f"stem_conv{number}_norm": f"bn{number}"}
    for count, this in enumerate(plan(variant), start=1):
        if this.stride > 1:
            found[f"{this.name}_shortcut"] = f"block{count}.skip"
            found[f"{this.name}_shortcut_norm"] = f"block{count}.skipbn"
        for number in range(len(this.widths)):
            # A ReLU, the convolution, its normalisation: three places each in a list; the first has no ReLU.
            place = 3 * number + (count > 1)
            theirs = f"block{count}.rep"
            found |= _separable(this.name, number + 1, f"{theirs}.{place}", f"{theirs}.{place + 1}")
    for number in range(len(LAST.widths)):
        found |= _separable(LAST.name, number + 1, f"conv{number + 3}", f"bn{number + 3}")
    return {**found, LOGITS: "fc"}


def _separable(name: str, number: int, theirs: str, norm: str) -> dict[str, Source]:
    """Our three layers, and timm's."""
    return {
        f"{name}_depthwise{number}": f"{theirs}.conv1",
        f"{name}_pointwise{number}": f"{theirs}.pointwise",
        f"{name}_pointwise{number}_norm": norm,
    }


FAMILY = Family(VARIANTS, GEOMETRIES, body, {"keras": names_keras, "timm": names_timm})


def Xception(**options: Unpack[Options]) -> Model:
    """Xception, arXiv:1610.02357: 22,855,952 parameters, published top-1 0.79058 at 299 pixels.

    Chollet (2016) took the branches of an Inception to their end, one a channel: each kernel sees one
    channel, and a 1×1 after it mixes them. With shortcuts around every two or three such convolutions it
    is better than Inception-v3 at about its size.

    Takes    (batch, 299, 299, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1; with include_top=False
             (batch, 10, 10, 2048), with pooling="avg" as well (batch, 2048).

    The published figures are those of the default weights.
    Other sizes from 37 pixels on: `input_shape`. All options: `options.Options`.
    Stages for taps and freezing: `stem` (stride 2), `stage1` (4), `stage2` (8), `stage3` (16),
    `stage4` (32). Geometries: that of timm's legacy_xception, `timm`, or `keras`.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("xception", FAMILY, options)


def XceptionTest(**options: Unpack[Options]) -> Model:
    """All stages of Xception, an eighth as wide, for tests: random weights, 64 pixels."""
    return assemble("xception_test", FAMILY, options)
