"""Inception with batch normalisation: the network that it was introduced with.

Ioffe and Szegedy, Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
Shift, arXiv:1502.03167 (2015), section 4.2 and figure 5: GoogLeNet with normalisation after each convolution,
two 3×3 in place of each 5×5, means in most of its pools, and blocks instead of pools where the map halves.

Geometry: `torch`, the widths and biases of Caffe's and MXNet's files, as pytorchcv has them: in 4c and 4d the
pool's branch is 128 wide (the paper: 96). A mean counts the zeros around the map. The first two pools take in
a last, cut-off window.
"""

from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, layers

from tlkit.backbones.conversion import Source
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import Geometry, ceil_max_pool, conv_norm, mark
from tlkit.backbones.options import Options


class Block(NamedTuple):
    """Channels of the branches, a row of figure 5. One of stride 2 has neither `one` nor `project`."""

    one: int
    three_reduce: int
    three: int
    double_reduce: int
    double: int
    project: int
    pool: str = "mean"  # before `project`
    halving: bool = False  # has stride 2, and a pool of maxima that goes on as it is


class Variant(NamedTuple):
    stem: tuple[int, int, int]  # channels of the first convolution and of stage 1's two
    stages: tuple[tuple[Block, ...], ...]
    image_size: int
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...] = ("torch",)
    dropout: float = 0.0  # batch normalisation took its place: section 4.2.1
    classes: int = 1000
    channels: int = 3
    least: int = 7  # pixels a side that leave one place after the second pool
    year: int = 2015  # of the paper


# fmt: off
BLOCKS = (
    (Block(64, 64, 64, 64, 96, 32), Block(64, 64, 96, 64, 96, 64)),  # 3a, 3b
    (Block(0, 128, 160, 64, 96, 0, halving=True), Block(224, 64, 96, 96, 128, 128),  # 3c, 4a
     Block(192, 96, 128, 96, 128, 128), Block(160, 128, 160, 128, 160, 128),  # 4b, 4c
     Block(96, 128, 192, 160, 192, 128)),  # 4d
    (Block(0, 128, 192, 192, 256, 0, halving=True), Block(352, 192, 320, 160, 224, 128),  # 4e, 5a
     Block(352, 192, 320, 192, 224, 128, "max")),  # 5b
)
FIRST, LAST = Block(0, 8, 8, 8, 16, 0, halving=True), Block(8, 8, 8, 8, 8, 8, "max")

VARIANTS = {
    "inception_bn": Variant((64, 64, 192), BLOCKS, 224, 11_295_240, 11_315_272, 2_032_600_064),
    # Every stage, in a blink; from no paper.
    "inception_bn_test": Variant((8, 8, 16), ((Block(8, 8, 8, 8, 8, 8),), (FIRST,), (FIRST, LAST)),
                                 64, 52_160, 52_672, 1_904_896),
}
# fmt: on

GEOMETRIES = {"torch": Geometry("torch", 1e-5, 0.9, bias=True)}


def block(x: KerasTensor, widths: Block, geometry: Geometry, name: str) -> KerasTensor:
    """Branches beside each other: 1×1, 3×3, two 3×3 and a pool."""
    stride = 2 if widths.halving else 1

    def branch(x: KerasTensor, filters: int, kernel: int, part: str, stride: int = 1) -> KerasTensor:
        return conv_norm(x, filters, kernel, stride, geometry=geometry, name=f"{name}_{part}")

    three = branch(x, widths.three_reduce, 1, "3x3_reduce")
    three = branch(three, widths.three, 3, "3x3", stride)
    double = branch(x, widths.double_reduce, 1, "double_3x3_reduce")
    double = branch(double, widths.double, 3, "double_3x3_1")
    double = branch(double, widths.double, 3, "double_3x3_2", stride)
    if widths.halving:
        # Two zeros after: at odd sizes as many places as the convolutions beside it have.
        branches = [three, double, ceil_max_pool(x, after=2, name=f"{name}_pool")]
    else:
        pooled = branch(pool(x, widths.pool, f"{name}_pool"), widths.project, 1, "pool_project")
        branches = [branch(x, widths.one, 1, "1x1"), three, double, pooled]
    return layers.Concatenate(name=f"{name}_concat")(branches)


def pool(x: KerasTensor, kind: str, name: str) -> KerasTensor:
    """Over 3×3 at stride 1."""
    if kind == "max":
        return layers.MaxPooling2D(3, 1, "same", name=name)(x)
    # padding="same" would leave the zeros around the map out of the mean.
    return layers.AveragePooling2D(3, 1, name=name)(layers.ZeroPadding2D(1, name=f"{name}_pad")(x))


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, about h/32, about w/32, channels of the last block)."""
    first, second, third = variant.stem
    x = mark(conv_norm(x, first, 7, 2, geometry=geometry, name="stem_conv"), "stem")
    x = ceil_max_pool(x, name="stage1_pool")
    x = conv_norm(x, second, 1, geometry=geometry, name="stage1_3x3_reduce")
    x = mark(conv_norm(x, third, 3, geometry=geometry, name="stage1_3x3"), "stage1")
    x = ceil_max_pool(x, name="stage2_pool")
    for stage, blocks in enumerate(variant.stages, start=2):
        for index, widths in enumerate(blocks, start=1):
            x = block(x, widths, geometry, f"stage{stage}_block{index}")
        x = mark(x, f"stage{stage}")
    return x


def pytorchcv_names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """It counts stages from our second on, units and branches from 1; a halving unit's branches as well."""
    found: dict[str, Source] = {}

    def convolution(ours: str, theirs: str) -> None:
        found[ours], found[f"{ours}_norm"] = f"{theirs}.conv", f"{theirs}.bn"

    stem = "features.init_block"
    convolution("stem_conv", f"{stem}.conv1")
    convolution("stage1_3x3_reduce", f"{stem}.conv2.conv1")
    convolution("stage1_3x3", f"{stem}.conv2.conv2")
    for stage, blocks in enumerate(variant.stages, start=2):
        for index, widths in enumerate(blocks, start=1):
            ours = f"stage{stage}_block{index}"
            theirs = f"features.stage{stage - 1}.unit{index}.branches.branch"
            three, double = (1, 2) if widths.halving else (2, 3)
            if not widths.halving:
                convolution(f"{ours}_1x1", f"{theirs}1")
                convolution(f"{ours}_pool_project", f"{theirs}4.conv")
            convolution(f"{ours}_3x3_reduce", f"{theirs}{three}.conv1")
            convolution(f"{ours}_3x3", f"{theirs}{three}.conv2")
            for number, part in enumerate(("reduce", "1", "2"), start=1):
                convolution(f"{ours}_double_3x3_{part}", f"{theirs}{double}.conv{number}")
    return {**found, LOGITS: "output"}


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"pytorchcv": pytorchcv_names},
    unused={"drop_path": "it has no residual branches"},
)


def InceptionBN(**options: Unpack[Options]) -> Model:
    """Inception with batch normalisation, arXiv:1502.03167: 11,295,240 parameters.

    Ioffe and Szegedy (2015) normalised what goes into each activation by the mean and variance of the batch,
    and reached GoogLeNet's accuracy in a fourteenth of its steps. In this GoogLeNet two 3×3 convolutions
    stand where there was a 5×5, and two blocks of stride 2 where there were pools.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 7, 7, 1024), with pooling="avg" as well (batch, 1024).

    Other sizes from 7 pixels on: `input_shape`. All options: `options.Options`.
    Stages for taps and freezing: `stem` (stride 2), `stage1` (4), `stage2` (8), `stage3` (16),
    `stage4` (32); stage 3 and 4 begin with the blocks of stride 2. Geometry: `torch`.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("inception_bn", FAMILY, options)


def InceptionBNTest(**options: Unpack[Options]) -> Model:
    """All stages of `InceptionBN`, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("inception_bn_test", FAMILY, options)
