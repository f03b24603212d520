"""ResNet-20 to -1202 for CIFAR-10's 32×32 pixels, and their plain twins.

He et al., Deep Residual Learning for Image Recognition, arXiv:1512.03385 (2015), section 4.2: a 3×3
convolution, then three stages of n blocks of two 3×3 with 16, 32 and 64 channels, 6n + 2 layers in all.

Geometries: `option_a`, the paper's: where a stage begins, the shortcut takes every other place and gets
zeros for the channels it lacks, so that it has no parameters and a plain twin has exactly as many.
`option_b`, pytorchcv's: a 1×1 convolution with normalisation there. `plain`: no shortcut anywhere, for
the plain rows alone, which are there to be beaten: section 4.2 finds that they learn worse the deeper.
"""

import sys
from typing import Literal, NamedTuple, Unpack

from keras import KerasTensor, Model, layers, ops

from tlkit.backbones.conversion import Source
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import activation, conv_norm, drop_path, mark
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    depth: int  # blocks in a stage, the paper's n
    width: int  # channels of the stem and of stage 1
    parameters: int  # trainable, 10 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...] = ("option_a", "option_b")
    image_size: int = 32
    classes: int = 10
    channels: int = 3
    dropout: float = 0.0
    least: int = 4  # two halvings
    year: int = 2015  # of the paper


class Geometry(NamedTuple):
    padding: Literal["torch", "tensorflow"]
    epsilon: float
    momentum: float
    bias: bool
    shortcut: Literal["zeros", "projection"] | None  # where size and channels change; None: nowhere any


PLAIN = ("plain",)

# fmt: off
VARIANTS = {
    "resnet20_cifar": Variant(3, 16, 269_722, 271_098, 40_551_040),
    "resnet32_cifar": Variant(5, 16, 464_154, 466_426, 68_862_592),
    "resnet44_cifar": Variant(7, 16, 658_586, 661_754, 97_174_144),
    "resnet56_cifar": Variant(9, 16, 853_018, 857_082, 125_485_696),
    "resnet110_cifar": Variant(18, 16, 1_727_962, 1_736_058, 252_887_680),
    "resnet1202_cifar": Variant(200, 16, 19_421_274, 19_510_906, 2_829_238_912),
    "plain20_cifar": Variant(3, 16, 269_722, 271_098, 40_551_040, PLAIN),
    "plain56_cifar": Variant(9, 16, 853_018, 857_082, 125_485_696, PLAIN),
    "plain110_cifar": Variant(18, 16, 1_727_962, 1_736_058, 252_887_680, PLAIN),
    # Every stage, in a blink; from no paper.
    "resnet_cifar_test": Variant(1, 4, 5_006, 5_126, 848_032),
}
# fmt: on

# The paper names neither epsilon nor momentum: these are torch's usual.
GEOMETRIES = {
    "option_a": Geometry("torch", 1e-5, 0.9, False, "zeros"),
    "option_b": Geometry("torch", 1e-5, 0.9, False, "projection"),
    "plain": Geometry("torch", 1e-5, 0.9, False, None),
}


class Block(NamedTuple):
    name: str
    stage: int
    place: int  # in its stage, from 1 on
    channels: int
    stride: int


def plan(variant: Variant) -> list[Block]:
    """The blocks in order."""
    return [
        Block(
            f"stage{stage}_block{place}",
            stage,
            place,
            variant.width * 2 ** (stage - 1),
            2 if stage > 1 and place == 1 else 1,
        )
        for stage in (1, 2, 3)
        for place in range(1, variant.depth + 1)
    ]


def widened(x: KerasTensor, this: Block) -> KerasTensor:
    """Option A: every other place, and zeros for the channels that are missing."""
    x = layers.MaxPooling2D(1, this.stride, name=f"{this.name}_shortcut")(x)
    # All after the others. The paper only says "extra zero entries padded"; some ports put half of them
    # before. The next layers can learn either, but a file of weights fits one.
    return ops.pad(x, [[0, 0], [0, 0], [0, 0], [0, this.channels - x.shape[-1]]])


def block(x: KerasTensor, this: Block, geometry: Geometry, dropped: float) -> KerasTensor:
    """Two 3×3 convolutions, plus the shortcut if there is one, and ReLU."""
    name, shortcut = this.name, x
    x = conv_norm(x, this.channels, 3, this.stride, geometry=geometry, name=f"{name}_first")
    x = conv_norm(x, this.channels, 3, geometry=geometry, act=None, name=f"{name}_second")
    if geometry.shortcut:
        if this.stride > 1 and geometry.shortcut == "zeros":
            shortcut = widened(shortcut, this)
        elif this.stride > 1:
            shortcut = conv_norm(
                shortcut, this.channels, 1, this.stride, geometry=geometry, act=None, name=f"{name}_shortcut"
            )
        x = layers.Add(name=f"{name}_add")([drop_path(x, dropped, name), shortcut])
    return activation(x, "relu", name)


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/4, w/4, 4·width)."""
    x = mark(conv_norm(x, variant.width, 3, geometry=geometry, name="stem_conv"), "stem")
    blocks = plan(variant)
    for number, this in enumerate(blocks):
        x = block(x, this, geometry, options["drop_path"] * number / (len(blocks) - 1))
        if this.place == variant.depth:
            x = mark(x, f"stage{this.stage}")
    return x


def names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as pytorchcv calls them."""
    found: dict[str, Source] = {"stem_conv": "features.init_block.conv"}
    found["stem_conv_norm"] = "features.init_block.bn"
    for this in plan(variant):
        theirs = f"features.stage{this.stage}.unit{this.place}"
        parts = {"first": "body.conv1", "second": "body.conv2"}
        if this.stride > 1 and geometry.shortcut == "projection":
            parts["shortcut"] = "identity_conv"
        for ours, part in parts.items():
            found[f"{this.name}_{ours}"] = f"{theirs}.{part}.conv"
            found[f"{this.name}_{ours}_norm"] = f"{theirs}.{part}.bn"
    return {**found, LOGITS: "output"}


FAMILY = Family(VARIANTS, GEOMETRIES, body, {"pytorchcv": names})
WITHOUT_SHORTCUTS = FAMILY._replace(unused={"drop_path": "a plain network has no residual branches"})

DEEP = 10_000  # calls within calls: ResNet-1202 has 4,219 layers, and Keras follows them by recursion


def ResNet20CIFAR(**options: Unpack[Options]) -> Model:
    """ResNet-20 for CIFAR-10, arXiv:1512.03385: 269,722 parameters.

    He et al., 2015. What it introduced: shortcuts around each pair of convolutions, so that more layers
    learn better and not worse; here small enough to see that on one machine.

    Takes    (batch, 32, 32, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 10), float32, each row sums to 1; with include_top=False
             (batch, 8, 8, 64), with pooling="avg" as well (batch, 64).

    geometry="option_b" puts 1×1 convolutions into the two shortcuts that change size: 272,474 parameters.
    Other sizes from 4 pixels on: `input_shape`. All options: `options.Options`.
    Stages for taps and freezing: `stem` and `stage1` at full size, `stage2`, `stage3` at strides 2 and 4.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("resnet20_cifar", FAMILY, options)


def ResNet32CIFAR(**options: Unpack[Options]) -> Model:
    """ResNet-32 for CIFAR-10: 464,154 parameters. As `ResNet20CIFAR`, 5 blocks a stage for 3."""
    return assemble("resnet32_cifar", FAMILY, options)


def ResNet44CIFAR(**options: Unpack[Options]) -> Model:
    """ResNet-44 for CIFAR-10: 658,586 parameters. As `ResNet20CIFAR`, 7 blocks a stage for 3."""
    return assemble("resnet44_cifar", FAMILY, options)


def ResNet56CIFAR(**options: Unpack[Options]) -> Model:
    """ResNet-56 for CIFAR-10: 853,018 parameters. As `ResNet20CIFAR`, 9 blocks a stage for 3."""
    return assemble("resnet56_cifar", FAMILY, options)


def ResNet110CIFAR(**options: Unpack[Options]) -> Model:
    """ResNet-110 for CIFAR-10: 1,727,962 parameters. As `ResNet20CIFAR`, 18 blocks a stage for 3."""
    return assemble("resnet110_cifar", FAMILY, options)


def ResNet1202CIFAR(**options: Unpack[Options]) -> Model:
    """ResNet-1202 for CIFAR-10: 19,421,274 parameters. As `ResNet20CIFAR`, 200 blocks a stage for 3.

    Keras follows a model from layer to layer by recursion, when it is built, cut or loaded. So this sets
    Python's recursion limit to 10,000 and leaves it there; a process that only loads the saved model has to
    call sys.setrecursionlimit(10_000) itself. Building takes 20 seconds of one core, saving 10, loading 30.
    Fresh, with normalisations that have seen nothing, its numbers grow from block to block beyond float32:
    what it returns before it was trained is not a number.
    """
    sys.setrecursionlimit(max(DEEP, sys.getrecursionlimit()))
    return assemble("resnet1202_cifar", FAMILY, options)


def Plain20CIFAR(**options: Unpack[Options]) -> Model:
    """The plain twin of ResNet-20 for CIFAR-10, without shortcuts: 269,722 parameters, exactly as many.

    As `ResNet20CIFAR`, but for drop_path, which would have nothing to drop, and geometry="option_b".
    """
    return assemble("plain20_cifar", WITHOUT_SHORTCUTS, options)


def Plain56CIFAR(**options: Unpack[Options]) -> Model:
    """The plain twin of ResNet-56 for CIFAR-10: 853,018 parameters. As `Plain20CIFAR`."""
    return assemble("plain56_cifar", WITHOUT_SHORTCUTS, options)


def Plain110CIFAR(**options: Unpack[Options]) -> Model:
    """The plain twin of ResNet-110 for CIFAR-10: 1,727,962 parameters. As `Plain20CIFAR`."""
    return assemble("plain110_cifar", WITHOUT_SHORTCUTS, options)


def ResNetCIFARTest(**options: Unpack[Options]) -> Model:
    """All stages of the CIFAR networks, one block each, a few channels wide, for tests: random weights."""
    return assemble("resnet_cifar_test", FAMILY, options)
