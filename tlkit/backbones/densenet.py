"""DenseNet-121, -161, -169 and -201: every block sees the maps of all blocks before it.

Huang et al., Densely Connected Convolutional Networks, arXiv:1608.06993 (2016), table 1, in the form that
the paper calls DenseNet-BC: 1×1 convolutions within blocks, and between stages to half the channels.

Geometries: `torch`, torchvision's and timm's; `keras`, that of keras.applications, which differs in the
epsilon and the momentum of its normalisations alone.

A stage ends with a normalisation and a ReLU over all that its blocks have made, which is what detectors tap
in keras.applications (pool2_relu … pool4_relu, relu). The 1×1 convolution and the pool that the paper
counts to the transition after it begin the next stage.
"""

import re
from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, layers

from tlkit.backbones.conversion import Source
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import HE_INCOMING, TORCH, Geometry, conv, conv_norm, mark, max_pool, norm
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    depths: tuple[int, ...]  # blocks in each stage
    growth: int  # channels that each block adds
    stem: int  # channels
    image_size: int
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...] = ("torch", "keras")
    dropout: float = 0.0  # the paper has none on ImageNet
    classes: int = 1000
    channels: int = 3
    least: int = 32  # five halvings
    year: int = 2016  # of the paper


# fmt: off
KERAS_FIRST = ("keras", "torch")  # of these two the best weights are those of keras.applications
VARIANTS = {
    "densenet121": Variant((6, 12, 24, 16), 32, 64, 224, 7_978_856, 8_062_504,
                           2_834_161_664),
    "densenet161": Variant((6, 12, 36, 24), 48, 96, 224, 28_681_000, 28_900_936,
                           7_727_907_072, geometries=("torch",)),
    "densenet169": Variant((6, 12, 32, 32), 32, 64, 224, 14_149_480, 14_307_880,
                           3_359_843_328, KERAS_FIRST),
    "densenet201": Variant((6, 12, 48, 32), 32, 64, 224, 20_013_928, 20_242_984,
                           4_291_365_888, KERAS_FIRST),
    # Every stage, in a blink; from no paper. Two blocks: the second sees what the first has made.
    "densenet_test": Variant((2, 2, 2, 2), 8, 16, 64, 61_560, 62_680, 4_614_400),
}
# fmt: on

GEOMETRIES = {"torch": TORCH, "keras": Geometry("torch", 1.001e-5, 0.99)}


# torchvision's. Blocks take in many times what they give: over outgoing connections the maps of a network
# that has not been trained grow to millions, and its answers are 0 and 1 for any photo.
START = HE_INCOMING


def block(x: KerasTensor, growth: int, geometry: Geometry, name: str) -> KerasTensor:
    """What comes in, and beside it `growth` channels more: 1×1 to four times as many, then 3×3."""
    new = norm(x, geometry=geometry, name=f"{name}_pre")
    new = conv_norm(new, 4 * growth, 1, geometry=geometry, initial=START, name=f"{name}_reduce")
    new = conv(new, growth, 3, bias=geometry.bias, initial=START, name=f"{name}_spatial")
    return layers.Concatenate(name=f"{name}_concat")([x, new])


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, channels)."""
    x = conv_norm(x, variant.stem, 7, 2, geometry=geometry, initial=START, name="stem_conv")
    x = max_pool(mark(x, "stem"), 3, 2, name="stage1_pool")
    for stage, depth in enumerate(variant.depths, start=1):
        if stage > 1:
            x = conv(x, x.shape[-1] // 2, 1, bias=geometry.bias, initial=START, name=f"stage{stage}_halve")
            x = layers.AveragePooling2D(2, name=f"stage{stage}_pool")(x)
        for index in range(1, depth + 1):
            x = block(x, variant.growth, geometry, f"stage{stage}_block{index}")
        x = mark(norm(x, geometry=geometry, name=f"stage{stage}"), f"stage{stage}")
    return x


def names_torch(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as torchvision and timm call them."""
    found: dict[str, Source] = {"stem_conv": "features.conv0", "stem_conv_norm": "features.norm0"}
    for stage, depth in enumerate(variant.depths, start=1):
        for index in range(1, depth + 1):
            ours, theirs = f"stage{stage}_block{index}", f"features.denseblock{stage}.denselayer{index}"
            found[f"{ours}_pre_norm"] = f"{theirs}.norm1"
            found[f"{ours}_reduce"] = f"{theirs}.conv1"
            found[f"{ours}_reduce_norm"] = f"{theirs}.norm2"
            found[f"{ours}_spatial"] = f"{theirs}.conv2"
        if stage < len(variant.depths):
            found[f"stage{stage}_norm"] = f"features.transition{stage}.norm"
            found[f"stage{stage + 1}_halve"] = f"features.transition{stage}.conv"
    return {**found, f"stage{len(variant.depths)}_norm": "features.norm5", LOGITS: "classifier"}


def names_keras(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as keras.applications calls them."""
    found: dict[str, Source] = {"stem_conv": "conv1_conv", "stem_conv_norm": "conv1_bn"}
    for stage, depth in enumerate(variant.depths, start=1):
        for index in range(1, depth + 1):
            ours, theirs = f"stage{stage}_block{index}", f"conv{stage + 1}_block{index}"
            found[f"{ours}_pre_norm"] = f"{theirs}_0_bn"
            found[f"{ours}_reduce"] = f"{theirs}_1_conv"
            found[f"{ours}_reduce_norm"] = f"{theirs}_1_bn"
            found[f"{ours}_spatial"] = f"{theirs}_2_conv"
        if stage < len(variant.depths):
            found[f"stage{stage}_norm"] = f"pool{stage + 1}_bn"
            found[f"stage{stage + 1}_halve"] = f"pool{stage + 1}_conv"
    return {**found, f"stage{len(variant.depths)}_norm": "bn", LOGITS: "predictions"}


# As their files of 2017 have it, in which a module's name could hold a dot: "norm.1" for "norm1".
OLDER = (re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)"), r"\1")

FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"torchvision": names_torch, "timm": names_torch, "keras": names_keras},
    unused={"drop_path": "it has no residual branches"},
    renamed={"torchvision": OLDER, "timm": OLDER},
)


def DenseNet121(**options: Unpack[Options]) -> Model:
    """DenseNet-121, arXiv:1608.06993: 7,978,856 parameters, published top-1 0.75574 at 224 pixels.

    Huang et al. (2016) let each block see the maps of all blocks before it, set side by side instead of
    added: features are made once and used again, and a block needs to add few, 32 channels here. As good
    as a ResNet of twice the parameters. The published figures are those of the default weights.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 7, 7, 1024), with pooling="avg" as well (batch, 1024).

    Other sizes from 32 pixels on: `input_shape`. All options: `options.Options`.
    Stages for taps and freezing: `stem` (stride 2), `stage1` (4), `stage2` (8), `stage3` (16),
    `stage4` (32). Geometries: `torch`, or that of keras.applications, `keras`.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("densenet121", FAMILY, options)


def DenseNet161(**options: Unpack[Options]) -> Model:
    """DenseNet-161: 28,681,000 parameters, published top-1 0.77138 at 224 pixels.

    As `DenseNet121`, with 48 channels a block, 36 blocks for 24 in stage 3 and 24 for 16 in stage 4; without
    the top (batch, 7, 7, 2208).
    keras.applications has none of this size: geometry `torch` only.
    """
    return assemble("densenet161", FAMILY, options)


def DenseNet169(**options: Unpack[Options]) -> Model:
    """DenseNet-169: 14,149,480 parameters, published top-1 0.762 at 224 pixels.

    As `DenseNet121`, with 32 blocks for 24 in stage 3 and 32 for 16 in stage 4; without the top
    (batch, 7, 7, 1664). Geometry `keras` unless told otherwise, that of its default weights.
    """
    return assemble("densenet169", FAMILY, options)


def DenseNet201(**options: Unpack[Options]) -> Model:
    """DenseNet-201: 20,013,928 parameters, published top-1 0.773 at 224 pixels.

    As `DenseNet121`, with 48 blocks for 24 in stage 3 and 32 for 16 in stage 4; without the top
    (batch, 7, 7, 1920). Geometry `keras` unless told otherwise, that of its default weights.
    """
    return assemble("densenet201", FAMILY, options)


def DenseNetTest(**options: Unpack[Options]) -> Model:
    """All stages of DenseNet, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("densenet_test", FAMILY, options)
