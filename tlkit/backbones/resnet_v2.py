"""ResNet-50, -101 and -152, version 2: normalisation and ReLU before each convolution.

He et al., Identity Mappings in Deep Residual Networks, arXiv:1603.05027, figure 4e, in the depths of
arXiv:1512.03385, table 1. A block normalises its input, and nothing follows the addition, so that the
sums run through the network unchanged; one normalisation and ReLU more come after the last block.

Geometries: `keras`, that of keras.applications and TF-Slim: the last block of a group strides, and its
shortcut takes every other place; biases where no normalisation follows; zeros around the stem's max
pool, though its map may be negative. `timm`: resnetv2_50 and its like with batch normalisation: the
first block of a group strides, no biases, and nothing around the pool counts.

A stage is all blocks at one size, so in `keras` each stage after the first begins with the block that
keras.applications counts as the last of the group before. Stages end with a sum (the last one with the
final ReLU), since all later layers see no more of them than that: the same network can be cut there.
What detectors tap in keras.applications is the ReLU that follows, `stage2_block1_pre_relu` and so on.
"""

from typing import Literal, NamedTuple, Unpack

from keras import KerasTensor, Model, layers

from tlkit.backbones.conversion import Seen, Source
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import conv, conv_norm, drop_path, mark, max_pool, norm, signed_max_pool
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    depths: tuple[int, ...]  # blocks in each group
    width: int  # channels of the stem and of the first group's 3×3
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    image_size: int = 224
    geometries: tuple[str, ...] = ("keras", "timm")
    classes: int = 1000
    channels: int = 3
    dropout: float = 0.0
    least: int = 32  # five halvings
    year: int = 2016  # of the paper


class Geometry(NamedTuple):
    padding: Literal["torch", "tensorflow"]
    epsilon: float
    momentum: float
    bias: bool  # convolutions that a normalisation follows have one
    bias_before_sum: bool  # so have the others: stem, shortcut and last 1×1
    late_stride: bool  # the last block of a group strides, not the first
    zeros_in_pool: bool  # the stem's max pool sees zeros around its map, not nothing


class Block(NamedTuple):
    name: str  # stage and place in it
    stage: int
    group: int  # of one width, from 0 on
    place: int  # in its group, from 0 on
    width: int  # channels of its 3×3
    stride: int


# fmt: off
TIMM_FIRST = ("timm", "keras")  # the best weights of these two are timm's, which has none of the third
VARIANTS = {
    "resnet50_v2": Variant((3, 4, 6, 3), 64, 25_549_352, 25_594_792, 4_089_184_256, geometries=TIMM_FIRST),
    "resnet101_v2": Variant((3, 4, 23, 3), 64, 44_541_480, 44_639_144, 7_801_405_440,
                            geometries=TIMM_FIRST),
    "resnet152_v2": Variant((3, 8, 36, 3), 64, 60_236_904, 60_380_648, 10_906_697_728),
    # Every stage, in a blink; from no paper. Two blocks: the first projects, the last may stride.
    "resnet_v2_test": Variant((2, 2, 2, 2), 8, 479_800, 482_696, 3_520_512, image_size=64),
}
# fmt: on

GEOMETRIES = {
    "keras": Geometry("torch", 1.001e-5, 0.99, False, True, late_stride=True, zeros_in_pool=True),
    "timm": Geometry("torch", 1e-5, 0.9, False, False, late_stride=False, zeros_in_pool=False),
}


def plan(variant: Variant, geometry: Geometry) -> list[Block]:
    """The blocks in order. One that strides begins a stage."""
    blocks, stage, index = [], 1, 0
    for group, depth in enumerate(variant.depths):
        for place in range(depth):
            if geometry.late_stride:
                strides = place == depth - 1 and group < len(variant.depths) - 1
            else:
                strides = place == 0 and group > 0
            stage, index = (stage + 1, 1) if strides else (stage, index + 1)
            name = f"stage{stage}_block{index}"
            blocks.append(Block(name, stage, group, place, variant.width * 2**group, 1 + strides))
    return blocks


def block(x: KerasTensor, this: Block, geometry: Geometry, dropped: float) -> KerasTensor:
    """Bottleneck: normalised, 1×1 down to its width, 3×3, 1×1 up to four times that, plus the shortcut."""
    name, bias = this.name, geometry.bias_before_sum
    shortcut, x = x, norm(x, geometry=geometry, name=f"{name}_pre")
    if this.place == 0:
        # The only shortcut that starts after the normalisation.
        shortcut = conv(x, 4 * this.width, 1, this.stride, bias=bias, name=f"{name}_shortcut")
    elif this.stride > 1:
        shortcut = layers.MaxPooling2D(1, this.stride, name=f"{name}_shortcut")(shortcut)
    x = conv_norm(x, this.width, 1, geometry=geometry, name=f"{name}_reduce")
    x = conv_norm(x, this.width, 3, this.stride, geometry=geometry, name=f"{name}_spatial")
    x = conv(x, 4 * this.width, 1, bias=bias, name=f"{name}_expand")
    return layers.Add(name=f"{name}_add")([shortcut, drop_path(x, dropped, name)])


def stem(x: KerasTensor, variant: Variant, geometry: Geometry) -> KerasTensor:
    """A quarter of the size, without normalisation: the first block begins with one."""
    x = conv(
        x, variant.width, 7, 2, padding=geometry.padding, bias=geometry.bias_before_sum, name="stem_conv"
    )
    x = mark(x, "stem")
    if geometry.zeros_in_pool:
        return max_pool(x, 3, 2, name="stem_pool")
    return signed_max_pool(x, name="stem_pool")


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, 32·width)."""
    x = stem(x, variant, geometry)
    blocks = plan(variant, geometry)
    for number, (this, after) in enumerate(zip(blocks, [*blocks[1:], None], strict=True)):
        x = block(x, this, geometry, options["drop_path"] * number / (len(blocks) - 1))
        if after and after.stage > this.stage:
            x = mark(x, f"stage{this.stage}")
    return mark(norm(x, geometry=geometry, name="last"), f"stage{blocks[-1].stage}")


def names_keras(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as keras.applications calls them."""
    found: dict[str, Source] = {"stem_conv": "conv1_conv"}
    for this in plan(variant, geometry):
        theirs = f"conv{this.group + 2}_block{this.place + 1}"
        if this.place == 0:
            found[f"{this.name}_shortcut"] = f"{theirs}_0_conv"
        found[f"{this.name}_pre_norm"] = f"{theirs}_preact_bn"
        for number, part in enumerate(("reduce", "spatial", "expand"), start=1):
            found[f"{this.name}_{part}"] = f"{theirs}_{number}_conv"
            if part != "expand":
                found[f"{this.name}_{part}_norm"] = f"{theirs}_{number}_bn"
    return {**found, "last_norm": "post_bn", LOGITS: "predictions"}


def names_timm(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as timm calls them; its classifier is a 1×1 convolution."""
    found: dict[str, Source] = {"stem_conv": "stem.conv"}
    for this in plan(variant, geometry):
        theirs = f"stages.{this.group}.blocks.{this.place}"
        if this.place == 0:
            found[f"{this.name}_shortcut"] = f"{theirs}.downsample.conv"
        # Its norm1 comes before its conv1.
        for number, part in enumerate(("pre", "reduce", "spatial"), start=1):
            found[f"{this.name}_{part}_norm"] = f"{theirs}.norm{number}"
        for number, part in enumerate(("reduce", "spatial", "expand"), start=1):
            found[f"{this.name}_{part}"] = f"{theirs}.conv{number}"
    return {**found, "last_norm": "norm", LOGITS: Seen("head.fc", (32 * variant.width, 1, 1))}


FAMILY = Family(VARIANTS, GEOMETRIES, body, {"keras": names_keras, "timm": names_timm})


def ResNet50V2(**options: Unpack[Options]) -> Model:
    """ResNet-50 V2, arXiv:1603.05027: 25,549,352 parameters, published top-1 0.8041 at 224 pixels.

    He et al., 2016. What it introduced: residual blocks that normalise first and leave their sum alone,
    so that signal and gradient pass from any block to any other unchanged.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1; with include_top=False
             (batch, 7, 7, 2048), with pooling="avg" as well (batch, 2048).

    The published figures are those of the default weights.
    Other sizes from 32 pixels on: `input_shape`. All options: `options.Options`. geometry="keras" builds
    ResNet50V2 of keras.applications: 25,568,360 parameters, fewer multiply-adds.
    Stages for taps and freezing: `stem`, `stage1` … `stage4`, at strides 2, 4, 8, 16 and 32.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("resnet50_v2", FAMILY, options)


def ResNet101V2(**options: Unpack[Options]) -> Model:
    """ResNet-101 V2: 44,541,480 parameters, published top-1 0.82042 at 224 pixels.

    As `ResNet50V2`, with 23 blocks for 6 in the third group; in the keras geometry 44,577,896 parameters.
    """
    return assemble("resnet101_v2", FAMILY, options)


def ResNet152V2(**options: Unpack[Options]) -> Model:
    """ResNet-152 V2: 60,236,904 parameters, published top-1 0.78 at 224 pixels.

    As `ResNet50V2`, with 8 blocks for 4 in the second group and 36 for 6 in the third; in the keras geometry
    unless told otherwise, since nobody else has weights of it.
    """
    return assemble("resnet152_v2", FAMILY, options)


def ResNetV2Test(**options: Unpack[Options]) -> Model:
    """All stages of ResNet V2, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("resnet_v2_test", FAMILY, options)
