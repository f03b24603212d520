"""Inception-v3: large kernels taken apart into small and narrow ones, side by side.

Szegedy et al., Rethinking the Inception Architecture for Computer Vision, arXiv:1512.00567 (2015), table 1
and figures 5 to 7 and 10, in the widths of the published weights, which the paper does not print.

Geometries: `torch`, torchvision's and timm's, whose 3×3 averages count the zeros around a map; `keras`, that
of keras.applications, whose averages are over the places within. Its normalisations do not scale: they have
no gamma, and ours are 1 when they get its weights.

Nothing is padded where the network strides, so that maps are smaller than the photograph over their stride:
147, 71, 35, 17 and 8 places a side for 299 pixels.
"""

from typing import Literal, NamedTuple, Unpack

from keras import KerasTensor, Model, initializers, layers

from tlkit.backbones.conversion import Source, Unscaled
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import conv, mark, norm
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    pools: tuple[int, ...]  # stage 2: channels that follow the average pool, block by block
    narrow: tuple[int, ...]  # stage 3: channels between the 1×7 and 7×1 kernels, block by block
    last: int  # blocks of stage 4
    width: float  # channels, over those of the published network
    image_size: int
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...] = ("torch", "keras")
    dropout: float = 0.5  # torchvision's
    classes: int = 1000
    channels: int = 3
    least: int = 75  # that leave one place: 37, 35, 17, 15, 7, 3, 1
    year: int = 2015  # of the paper


class Geometry(NamedTuple):
    padding: Literal["torch", "tensorflow"]
    epsilon: float
    momentum: float
    bias: bool  # convolutions that a normalisation follows have one
    zeros_in_pool: bool  # averages count the zeros around a map


class Step(NamedTuple):
    """A convolution with its normalisation and ReLU; or a pool: it has no channels of its own."""

    name: str
    torch: str  # torchvision's and timm's name
    channels: int
    kernel: int | tuple[int, int]
    stride: int = 1
    padded: bool = True


Fork = tuple[Step, Step]  # side by side, at the end of a branch
Branch = tuple[Step | Fork, ...]


class Block(NamedTuple):
    name: str  # stage and place in it
    stage: int
    torch: str  # torchvision's and timm's name
    branches: tuple[Branch, ...]


# fmt: off
VARIANTS = {
    "inception_v3": Variant((32, 64, 64), (128, 160, 160, 192), 2, 1.0, 299,
                            23_834_568, 23_869_000, 5_713_216_096),
    # Every stage and kind of block, in a blink; from no paper.
    "inception_v3_test": Variant((32,), (128,), 1, 1 / 8, 112, 407_020, 408_916, 5_274_588),
}

GEOMETRIES = {
    "torch": Geometry("torch", 1e-3, 0.9, bias=False, zeros_in_pool=True),
    "keras": Geometry("torch", 1e-3, 0.99, bias=False, zeros_in_pool=False),
}

STEM = (
    Step("stem_conv1", "Conv2d_1a_3x3", 32, 3, 2, padded=False),
    Step("stem_conv2", "Conv2d_2a_3x3", 32, 3, padded=False),
    Step("stem_conv3", "Conv2d_2b_3x3", 64, 3),
)
STAGE1 = (
    Step("stage1_conv1", "Conv2d_3b_1x1", 80, 1),
    Step("stage1_conv2", "Conv2d_4a_3x3", 192, 3, padded=False),
)
AVERAGE, MAXIMUM = Step("average", "", 0, 3), Step("maximum", "", 0, 3, 2)


def square(pool: int) -> tuple[Branch, ...]:
    """Figure 5, with a 5×5 beside the two 3×3 that were to take its place."""
    return (
        (Step("1x1", "branch1x1", 64, 1),),
        (Step("5x5_reduce", "branch5x5_1", 48, 1), Step("5x5", "branch5x5_2", 64, 5)),
        (Step("double_reduce", "branch3x3dbl_1", 64, 1), Step("double_3x3a", "branch3x3dbl_2", 96, 3),
         Step("double_3x3b", "branch3x3dbl_3", 96, 3)),
        (AVERAGE, Step("pool_project", "branch_pool", pool, 1)),
    )


def narrow(width: int) -> tuple[Branch, ...]:
    """Figure 6: a 7×7 as a 1×7 and a 7×1, once and twice."""
    return (
        (Step("1x1", "branch1x1", 192, 1),),
        (Step("7x7_reduce", "branch7x7_1", width, 1), Step("1x7", "branch7x7_2", width, (1, 7)),
         Step("7x1", "branch7x7_3", 192, (7, 1))),
        (Step("double_reduce", "branch7x7dbl_1", width, 1),
         Step("double_7x1a", "branch7x7dbl_2", width, (7, 1)),
         Step("double_1x7a", "branch7x7dbl_3", width, (1, 7)),
         Step("double_7x1b", "branch7x7dbl_4", width, (7, 1)),
         Step("double_1x7b", "branch7x7dbl_5", 192, (1, 7))),
        (AVERAGE, Step("pool_project", "branch_pool", 192, 1)),
    )


# Figure 10: convolutions and a pool side by side halve a map.
HALVE_TO_STAGE3 = (
    (Step("3x3", "branch3x3", 384, 3, 2, padded=False),),
    (Step("double_reduce", "branch3x3dbl_1", 64, 1), Step("double_3x3a", "branch3x3dbl_2", 96, 3),
     Step("double_3x3b", "branch3x3dbl_3", 96, 3, 2, padded=False)),
    (MAXIMUM,),
)
HALVE_TO_STAGE4 = (
    (Step("3x3_reduce", "branch3x3_1", 192, 1), Step("3x3", "branch3x3_2", 320, 3, 2, padded=False)),
    (Step("7x7_reduce", "branch7x7x3_1", 192, 1), Step("1x7", "branch7x7x3_2", 192, (1, 7)),
     Step("7x1", "branch7x7x3_3", 192, (7, 1)), Step("7x7_3x3", "branch7x7x3_4", 192, 3, 2, padded=False)),
    (MAXIMUM,),
)
# Figure 7: a 1×3 and a 3×1 side by side, for many channels on the smallest map.
WIDE = (
    (Step("1x1", "branch1x1", 320, 1),),
    (Step("3x3_reduce", "branch3x3_1", 384, 1),
     (Step("1x3", "branch3x3_2a", 384, (1, 3)), Step("3x1", "branch3x3_2b", 384, (3, 1)))),
    (Step("double_reduce", "branch3x3dbl_1", 448, 1), Step("double_3x3", "branch3x3dbl_2", 384, 3),
     (Step("double_1x3", "branch3x3dbl_3a", 384, (1, 3)),
      Step("double_3x1", "branch3x3dbl_3b", 384, (3, 1)))),
    (AVERAGE, Step("pool_project", "branch_pool", 192, 1)),
)
# fmt: on


def plan(variant: Variant) -> list[Block]:
    """The blocks in order; the first of stages 3 and 4 halves the map."""
    stages: dict[int, list[tuple[Branch, ...]]] = {
        2: [square(pool) for pool in variant.pools],
        3: [HALVE_TO_STAGE3, *(narrow(width) for width in variant.narrow)],
        4: [HALVE_TO_STAGE4, *([WIDE] * variant.last)],
    }
    letters = {2: "bcd", 3: "abcde", 4: "abc"}
    return [
        Block(
            f"stage{stage}_block{number}", stage, f"Mixed_{stage + 3}{letters[stage][number - 1]}", branches
        )
        for stage, blocks in stages.items()
        for number, branches in enumerate(blocks, start=1)
    ]


def steps(branches: tuple[Branch, ...]) -> list[Step]:
    """The convolutions of a block, in order."""
    flat = [step for branch in branches for part in branch for step in _side_by_side(part)]
    return [step for step in flat if step.channels]


def _side_by_side(part: Step | Fork) -> tuple[Step, ...]:
    return (part,) if isinstance(part, Step) else part


# Over outgoing connections a network that has not been trained would answer 0 and 1 to any photo: what
# branches are told by many channels they hand on in few. Uniform numbers are drawn in a fifth of the time.
START = initializers.HeUniform()


def taken(x: KerasTensor, step: Step, variant: Variant, geometry: Geometry, name: str) -> KerasTensor:
    """A step: its convolution, normalisation and ReLU, or its pool."""
    if step.name == "maximum":
        return layers.MaxPooling2D(step.kernel, step.stride, name=name)(x)
    if step.name == "average":
        if geometry.zeros_in_pool:
            x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid" if geometry.zeros_in_pool else "same"
        return layers.AveragePooling2D(step.kernel, 1, padding, name=name)(x)
    channels = round(step.channels * variant.width)
    x = conv(
        x,
        channels,
        step.kernel,
        step.stride,
        name=name,
        padding=geometry.padding if step.padded else "valid",
        bias=geometry.bias,
        initial=START,
    )
    return norm(x, geometry=geometry, name=name)


def block(x: KerasTensor, this: Block, variant: Variant, geometry: Geometry) -> KerasTensor:
    """All branches side by side on the same map."""
    ends = []
    for branch in this.branches:
        on = [x]
        for part in branch:
            on = [
                taken(on[-1], step, variant, geometry, f"{this.name}_{step.name}")
                for step in _side_by_side(part)
            ]
        ends += on
    return layers.Concatenate(name=f"{this.name}_concat")(ends)


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, 2048·width), less what is not padded."""
    for step in STEM:
        x = taken(x, step, variant, geometry, step.name)
    x = layers.MaxPooling2D(3, 2, name="stage1_pool")(mark(x, "stem"))
    for step in STAGE1:
        x = taken(x, step, variant, geometry, step.name)
    x = layers.MaxPooling2D(3, 2, name="stage2_pool")(mark(x, "stage1"))
    blocks = plan(variant)
    for this, after in zip(blocks, [*blocks[1:], None], strict=True):
        x = block(x, this, variant, geometry)
        if after is None or after.stage > this.stage:
            x = mark(x, f"stage{this.stage}")
    return x


def _named(variant: Variant) -> dict[str, str]:
    """Our convolutions in order, as torchvision and timm call the module of each."""
    found = {step.name: step.torch for step in (*STEM, *STAGE1)}
    for this in plan(variant):
        found |= {f"{this.name}_{step.name}": f"{this.torch}.{step.torch}" for step in steps(this.branches)}
    return found


def names_torch(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as torchvision and timm call them, and the head beside the top, which is left out."""
    found: dict[str, Source] = {}
    for ours, theirs in _named(variant).items():
        found |= {ours: f"{theirs}.conv", f"{ours}_norm": f"{theirs}.bn"}
    for number in (0, 1):
        ours, theirs = f"top_auxiliary_conv{number + 1}", f"AuxLogits.conv{number}"
        found |= {ours: f"{theirs}.conv", f"{ours}_norm": f"{theirs}.bn"}
    return {**found, "top_auxiliary_logits": "AuxLogits.fc", LOGITS: "fc"}


def names_keras(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as keras.applications calls them in a fresh process: it numbers them as they are made."""
    found: dict[str, Source] = {}
    for number, ours in enumerate(_named(variant)):
        suffix = f"_{number}" if number else ""
        found |= {ours: f"conv2d{suffix}", f"{ours}_norm": Unscaled(f"batch_normalization{suffix}")}
    return {**found, LOGITS: "predictions"}


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"torchvision": names_torch, "timm": names_torch, "keras": names_keras},
    unused={"drop_path": "it has no residual branches"},
)


def InceptionV3(**options: Unpack[Options]) -> Model:
    """Inception-v3, arXiv:1512.00567: 23,834,568 parameters, published top-1 0.78806 at 299 pixels.

    Szegedy et al. (2015) asked what a kernel costs: they made a 7×7 of a 1×7 and a 7×1, a 5×5 of two 3×3,
    and halved maps by a convolution and a pool side by side, so that no stage is a bottleneck. The
    published figures are those of the default weights.

    Takes    (batch, 299, 299, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 8, 8, 2048), with pooling="avg" as well (batch, 2048).

    Other sizes from 75 pixels on: `input_shape`. All options: `options.Options`. The paper's second head,
    for training alone, is not built.
    Stages for taps and freezing: `stem` (stride 2), `stage1` (4), `stage2` (8), `stage3` (16),
    `stage4` (32). Geometries: `torch`, or that of keras.applications, `keras`.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("inception_v3", FAMILY, options)


def InceptionV3Test(**options: Unpack[Options]) -> Model:
    """All stages of Inception-v3, an eighth as wide, for tests: random weights, 112 pixels."""
    return assemble("inception_v3_test", FAMILY, options)
