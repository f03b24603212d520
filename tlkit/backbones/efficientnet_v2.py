"""EfficientNetV2-B0 to -B3, -S, -M and -L: EfficientNet for faster training.

Tan and Le, EfficientNetV2: Smaller Models and Faster Training, arXiv:2104.00298, table 4, and the tables of
efficientnetv2/effnetv2_configs.py of github.com/google/automl: B0 to B3 scaled from one by the rule of
EfficientNet, S, M and L each from its own. The large maps of the first three groups go through ordinary 3×3
convolutions, which processors are quicker at than at one kernel a channel ("fused"), without
squeeze-and-excite.

Geometries: `tensorflow`, the official one (keras.applications, timm's tf_efficientnetv2_*): "same" padding
puts its zeros after the image at stride 2 and an even size. `torch`: torchvision's efficientnet_v2_s, _m and
_l, zeros on both sides alike. Both have epsilon 1e-3 and momentum 0.9.

The dropout before the logits is the official one: 0.2, for larger networks 0.3 and 0.4, as in torchvision;
keras.applications has 0.2 for all.
"""

import math
from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, layers

from tlkit.backbones.conversion import Source
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import Geometry, conv_norm, drop_path, inverted, mark
from tlkit.backbones.options import Options


class Group(NamedTuple):
    fused: bool  # one 3×3 for the 1×1 up and the kernel a channel; the others have squeeze-and-excite
    expansion: int
    channels: int
    blocks: int
    stride: int  # of the first block


class Variant(NamedTuple):
    groups: tuple[Group, ...]
    width: float  # channels of the blocks, over those of `groups`
    depth: float  # blocks in a group, over those of `groups`
    stem: int  # channels of the first convolution
    last: int  # channels of the last one
    image_size: int  # pixels a side it was evaluated at; it was trained on smaller ones
    dropout: float  # before the top's logits
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...] = ("tensorflow",)
    classes: int = 1000
    channels: int = 3
    least: int = 32  # five halvings
    year: int = 2021  # of the paper


# fmt: off
BASE = (
    Group(True, 1, 16, 1, 1), Group(True, 4, 32, 2, 2), Group(True, 4, 48, 2, 2), Group(False, 4, 96, 3, 2),
    Group(False, 6, 112, 5, 1), Group(False, 6, 192, 8, 2),
)
SMALL = (
    Group(True, 1, 24, 2, 1), Group(True, 4, 48, 4, 2), Group(True, 4, 64, 4, 2), Group(False, 4, 128, 6, 2),
    Group(False, 6, 160, 9, 1), Group(False, 6, 256, 15, 2),
)
MEDIUM = (
    Group(True, 1, 24, 3, 1), Group(True, 4, 48, 5, 2), Group(True, 4, 80, 5, 2), Group(False, 4, 160, 7, 2),
    Group(False, 6, 176, 14, 1), Group(False, 6, 304, 18, 2), Group(False, 6, 512, 5, 1),
)
LARGE = (
    Group(True, 1, 32, 4, 1), Group(True, 4, 64, 7, 2), Group(True, 4, 96, 7, 2), Group(False, 4, 192, 10, 2),
    Group(False, 6, 224, 19, 1), Group(False, 6, 384, 25, 2), Group(False, 6, 640, 7, 1),
)
TEST = (
    Group(True, 1, 8, 1, 1), Group(True, 4, 8, 2, 2), Group(True, 4, 16, 1, 2), Group(False, 4, 16, 1, 2),
    Group(False, 6, 16, 1, 1), Group(False, 6, 32, 1, 2),
)
BOTH = ("tensorflow", "torch")

VARIANTS = {
    "efficientnet_v2_b0": Variant(BASE, 1.0, 1.0, 32, 1280, 224, 0.2, 7_139_704, 7_200_312,
                                  718_086_176),
    "efficientnet_v2_b1": Variant(BASE, 1.0, 1.1, 32, 1280, 240, 0.2, 8_141_052, 8_212_124,
                                  1_196_819_360),
    "efficientnet_v2_b2": Variant(BASE, 1.1, 1.2, 32, 1408, 260, 0.3, 10_096_086, 10_178_374,
                                  1_697_542_832),
    "efficientnet_v2_b3": Variant(BASE, 1.2, 1.4, 40, 1536, 300, 0.3, 14_358_406, 14_467_622,
                                  3_011_458_816),
    "efficientnet_v2_s": Variant(SMALL, 1.0, 1.0, 24, 1280, 384, 0.2, 21_458_488, 21_612_360,
                                 8_365_617_152, BOTH),
    "efficientnet_v2_m": Variant(MEDIUM, 1.0, 1.0, 24, 1280, 480, 0.3, 54_139_356, 54_431_388,
                                 24_582_460_384, BOTH),
    "efficientnet_v2_l": Variant(LARGE, 1.0, 1.0, 32, 1280, 480, 0.4, 118_515_272, 119_027_848,
                                 56_079_699_008, BOTH),
    # Every stage, in a blink; from no paper.
    "efficientnet_v2_test": Variant(TEST, 1.0, 1.0, 8, 64, 64, 0.2, 91_692, 93_260, 2_570_624, BOTH),
}
# fmt: on

GEOMETRIES = {"tensorflow": Geometry("tensorflow", 1e-3, 0.9), "torch": Geometry("torch", 1e-3, 0.9)}


class Block(NamedTuple):
    group: int  # of the variant's, and the place in it, from 0 on
    place: int
    stage: int
    name: str
    fused: bool
    expansion: int
    channels: int
    stride: int


def plan(variant: Variant) -> list[Block]:
    """The blocks in order. A stage is all blocks at one size, so it takes one group or two."""
    blocks, stage, index = [], 1, 0
    for number, group in enumerate(variant.groups):
        if group.stride == 2:
            stage, index = stage + 1, 0
        for place in range(math.ceil(group.blocks * variant.depth)):
            index += 1
            stride = group.stride if place == 0 else 1
            name, channels = f"stage{stage}_block{index}", rounded(group.channels * variant.width)
            blocks.append(Block(number, place, stage, name, group.fused, group.expansion, channels, stride))
    return blocks


def rounded(channels: float) -> int:
    """To the nearest multiple of eight, however far below: of 19.2 channels B3 has 16, EfficientNet-B3 24."""
    return max(8, int(channels + 4) // 8 * 8)


def fused(x: KerasTensor, this: Block, geometry: Geometry, dropped: float) -> KerasTensor:
    """3×3 up, 1×1 down without activation, plus the shortcut; what does not widen is one 3×3."""
    shortcut, name = x, this.name
    channels = this.expansion * x.shape[-1] if this.expansion > 1 else this.channels
    x = conv_norm(x, channels, 3, this.stride, geometry=geometry, act="silu", name=f"{name}_fused")
    if this.expansion > 1:
        x = conv_norm(x, this.channels, 1, geometry=geometry, act=None, name=f"{name}_project")
    if this.stride > 1 or shortcut.shape[-1] != this.channels:
        return x
    return layers.Add(name=f"{name}_add")([drop_path(x, dropped, name), shortcut])


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, last)."""
    x = mark(conv_norm(x, variant.stem, 3, 2, geometry=geometry, act="silu", name="stem_conv"), "stem")
    blocks = plan(variant)
    for number, (this, after) in enumerate(zip(blocks, [*blocks[1:], None], strict=True)):
        # Officially it grows from 0 at the first block and would reach the full share after the last.
        dropped = options["drop_path"] * number / len(blocks)
        if this.fused:
            x = fused(x, this, geometry, dropped)
        else:
            x = inverted(
                x,
                this.expansion * x.shape[-1],
                this.channels,
                3,
                this.stride,
                geometry=geometry,
                name=this.name,
                act="silu",
                squeeze=x.shape[-1] // 4,
                squeeze_act="silu",
                dropped=dropped,
            )
        if after is None or after.stage > this.stage:
            x = mark(x, f"stage{this.stage}")
    return conv_norm(x, variant.last, 1, geometry=geometry, act="silu", name="last_conv")


def parts(this: Block) -> tuple[str, ...]:
    """What a block has a normalised convolution for."""
    if not this.fused:
        return ("expand", "depthwise", "project")
    return ("fused", "project") if this.expansion > 1 else ("fused",)


def names_timm(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as timm calls them in tf_efficientnetv2_*."""
    convs = {1: ("conv",), 2: ("conv_exp", "conv_pwl"), 3: ("conv_pw", "conv_dw", "conv_pwl")}
    found: dict[str, Source] = {"stem_conv": "conv_stem", "stem_conv_norm": "bn1"}
    for this in plan(variant):
        ours, theirs = this.name, f"blocks.{this.group}.{this.place}"
        for number, part in enumerate(parts(this)):
            found[f"{ours}_{part}"] = f"{theirs}.{convs[len(parts(this))][number]}"
            found[f"{ours}_{part}_norm"] = f"{theirs}.bn{number + 1}"
        if not this.fused:
            found[f"{ours}_squeeze_conv"] = f"{theirs}.se.conv_reduce"
            found[f"{ours}_excite_conv"] = f"{theirs}.se.conv_expand"
    return {**found, "last_conv": "conv_head", "last_conv_norm": "bn2", LOGITS: "classifier"}


def names_torchvision(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as torchvision calls them; it has S, M and L."""
    last = f"features.{len(variant.groups) + 1}"
    found: dict[str, Source] = {"stem_conv": "features.0.0", "stem_conv_norm": "features.0.1"}
    for this in plan(variant):
        ours, theirs = this.name, f"features.{this.group + 1}.{this.place}.block"
        for number, part in enumerate(parts(this)):
            place = number + (number == 2)  # squeeze-and-excite comes before the third
            found[f"{ours}_{part}"] = f"{theirs}.{place}.0"
            found[f"{ours}_{part}_norm"] = f"{theirs}.{place}.1"
        if not this.fused:
            found[f"{ours}_squeeze_conv"] = f"{theirs}.2.fc1"
            found[f"{ours}_excite_conv"] = f"{theirs}.2.fc2"
    return {**found, "last_conv": f"{last}.0", "last_conv_norm": f"{last}.1", LOGITS: "classifier.1"}


def names_keras(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as keras.applications calls them."""
    found: dict[str, Source] = {"stem_conv": "stem_conv", "stem_conv_norm": "stem_bn"}
    for this in plan(variant):
        ours, theirs = this.name, f"block{this.group + 1}{chr(ord('a') + this.place)}"
        # A fused block that does not widen is its projection there, with the larger kernel.
        expand = ("expand_conv", "expand_bn") if this.expansion > 1 else ("project_conv", "project_bn")
        convs = {"fused": expand, "expand": expand}
        convs |= {"depthwise": ("dwconv2", "bn"), "project": ("project_conv", "project_bn")}
        for part in parts(this):
            found[f"{ours}_{part}"], found[f"{ours}_{part}_norm"] = (f"{theirs}_{at}" for at in convs[part])
        if not this.fused:
            found[f"{ours}_squeeze_conv"] = f"{theirs}_se_reduce"
            found[f"{ours}_excite_conv"] = f"{theirs}_se_expand"
    return {**found, "last_conv": "top_conv", "last_conv_norm": "top_bn", LOGITS: "predictions"}


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"timm": names_timm, "torchvision": names_torchvision, "keras": names_keras},
)


def EfficientNetV2B0(**options: Unpack[Options]) -> Model:
    """EfficientNetV2-B0, arXiv:2104.00298: 7,139,704 parameters, published top-1 0.787 at 224 pixels.

    Tan and Le (2021) searched once more, for networks that train fast: ordinary 3×3 convolutions instead
    of one kernel a channel where maps are large, less expansion, and training that begins on small
    photographs. B0 to B3 are scaled as EfficientNet is. The published figures are those of the
    default weights.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 7, 7, 1280), with pooling="avg" as well (batch, 1280).

    Other sizes from 32 pixels on: `input_shape`. All options: `options.Options`. Stages for taps and
    freezing: `stem` and `stage1` (stride 2), `stage2` (4), `stage3` (8), `stage4` (16), `stage5` (32).
    Geometry: `tensorflow`.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("efficientnet_v2_b0", FAMILY, options)


def EfficientNetV2B1(**options: Unpack[Options]) -> Model:
    """EfficientNetV2-B1: 8,141,052 parameters, published top-1 0.798 at 240 pixels.

    As `EfficientNetV2B0`, a tenth deeper, rounded up in each group of blocks; without the top
    (batch, 8, 8, 1280).
    """
    return assemble("efficientnet_v2_b1", FAMILY, options)


def EfficientNetV2B2(**options: Unpack[Options]) -> Model:
    """EfficientNetV2-B2: 10,096,086 parameters, published top-1 0.805 at 260 pixels.

    As `EfficientNetV2B0`, a tenth wider and a fifth deeper; without the top (batch, 9, 9, 1408).
    """
    return assemble("efficientnet_v2_b2", FAMILY, options)


def EfficientNetV2B3(**options: Unpack[Options]) -> Model:
    """EfficientNetV2-B3: 14,358,406 parameters, published top-1 0.82634 at 300 pixels.

    As `EfficientNetV2B0`, 1.2 times as wide and 1.4 times as deep; without the top (batch, 10, 10, 1536).
    """
    return assemble("efficientnet_v2_b3", FAMILY, options)


def EfficientNetV2S(**options: Unpack[Options]) -> Model:
    """EfficientNetV2-S: 21,458,488 parameters, published top-1 0.84332 at 384 pixels.

    As `EfficientNetV2B0`, from a table of its own, the paper's: about 1.4 times as wide and 1.8 times as
    deep; without the top (batch, 12, 12, 1280). Geometry: `tensorflow`, or `torch`.
    """
    return assemble("efficientnet_v2_s", FAMILY, options)


def EfficientNetV2M(**options: Unpack[Options]) -> Model:
    """EfficientNetV2-M: 54,139,356 parameters, published top-1 0.86014 at 480 pixels.

    As `EfficientNetV2S`, about 1.6 times as wide and 2.2 times as deep as B0, with a seventh group of
    blocks at the smallest size; without the top (batch, 15, 15, 1280).
    """
    return assemble("efficientnet_v2_m", FAMILY, options)


def EfficientNetV2L(**options: Unpack[Options]) -> Model:
    """EfficientNetV2-L: 118,515,272 parameters, published top-1 0.86802 at 480 pixels.

    As `EfficientNetV2M`, about twice as wide and 3.1 times as deep as B0; without the top
    (batch, 15, 15, 1280).
    """
    return assemble("efficientnet_v2_l", FAMILY, options)


def EfficientNetV2Test(**options: Unpack[Options]) -> Model:
    """All stages of EfficientNetV2, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("efficientnet_v2_test", FAMILY, options)
