"""MobileNetV3-Small and -Large, in two widths, and their minimalistic forms.

Howard et al., Searching for MobileNetV3, arXiv:1905.02244, tables 1 and 2. Minimalistic, from TF-Slim's
README: without squeeze-and-excite, ReLU for hard-swish, 3×3 for 5×5, for hardware that is slow at these.

Geometries: `tensorflow`, TF-Slim's and keras.applications': "same" padding puts its zeros after the image at
stride 2 and an even size; epsilon 1e-3, and the latter's momentum, 0.999. `torch`, timm's, zeros on both
sides alike, epsilon 1e-5. `torchvision`, the same with epsilon 1e-3 and momentum 0.99.
"""

from typing import NamedTuple, Unpack, cast

from keras import KerasTensor, Model, initializers, layers

from tlkit.backbones.conversion import Seen, Source
from tlkit.backbones.frame import LOGITS, Family, assemble, logits
from tlkit.backbones.layers import TORCH, Geometry, activation, conv_norm, inverted, mark, rounded
from tlkit.backbones.options import ALPHA, Options, WidthOptions


class Row(NamedTuple):
    """Of the paper's tables: a block."""

    kernel: int
    expanded: int  # channels of its kernels
    channels: int  # at its end
    squeeze: bool  # has squeeze-and-excite
    act: str  # table's RE or HS
    stride: int


RE, HS = "relu", "hard_silu"
# fmt: off
LARGE = tuple(Row(*row) for row in (
    (3, 16, 16, False, RE, 1),
    (3, 64, 24, False, RE, 2), (3, 72, 24, False, RE, 1),
    (5, 72, 40, True, RE, 2), (5, 120, 40, True, RE, 1), (5, 120, 40, True, RE, 1),
    (3, 240, 80, False, HS, 2), (3, 200, 80, False, HS, 1),
    (3, 184, 80, False, HS, 1), (3, 184, 80, False, HS, 1),
    (3, 480, 112, True, HS, 1), (3, 672, 112, True, HS, 1),
    (5, 672, 160, True, HS, 2), (5, 960, 160, True, HS, 1), (5, 960, 160, True, HS, 1),
))
SMALL = tuple(Row(*row) for row in (
    (3, 16, 16, True, RE, 2),
    (3, 72, 24, False, RE, 2), (3, 88, 24, False, RE, 1),
    (5, 96, 40, True, HS, 2), (5, 240, 40, True, HS, 1), (5, 240, 40, True, HS, 1),
    (5, 120, 48, True, HS, 1), (5, 144, 48, True, HS, 1),
    (5, 288, 96, True, HS, 2), (5, 576, 96, True, HS, 1), (5, 576, 96, True, HS, 1),
))
TEST = tuple(Row(*row) for row in (
    (3, 16, 16, True, RE, 1),
    (3, 48, 16, False, RE, 2),
    (5, 48, 16, True, RE, 2), (5, 48, 16, True, RE, 1),
    (3, 64, 24, False, HS, 2), (3, 72, 24, True, HS, 1),
    (5, 96, 32, True, HS, 2),
))
# fmt: on


class Variant(NamedTuple):
    blocks: tuple[Row, ...]
    hidden: int  # width of the dense layer before the logits; more where alpha is above 1, never less
    alpha: float  # channels, over the paper's
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...] = ("tensorflow", "torch", "torchvision")
    minimalistic: bool = False
    image_size: int = 224
    classes: int = 1000
    channels: int = 3
    dropout: float = 0.2
    least: int = 32  # five halvings
    year: int = 2019  # of the paper


# fmt: off
TORCH_FIRST = ("torch", "tensorflow", "torchvision")  # timm's weights are the best of the Large
NARROW = ("tensorflow", "torch")  # torchvision's own narrow ones have other widths within blocks
ALONE = ("tensorflow",)  # nobody else has the minimalistic ones
VARIANTS = {
    "mobilenet_v3_small": Variant(SMALL, 1024, 1.0, 2_542_856, 2_554_968, 56_510_400),
    "mobilenet_v3_large": Variant(LARGE, 1280, 1.0, 5_483_032, 5_507_432, 216_589_760, TORCH_FIRST),
    "mobilenet_v3_small_075": Variant(SMALL, 1024, 0.75, 2_041_872, 2_051_552, 43_399_344, NARROW),
    "mobilenet_v3_large_075": Variant(LARGE, 1280, 0.75, 3_993_528, 4_012_616, 154_560_624, NARROW),
    "mobilenet_v3_small_minimalistic": Variant(SMALL, 1024, 1.0, 2_044_736, 2_056_848, 52_288_448,
                                               ALONE, minimalistic=True),
    "mobilenet_v3_large_minimalistic": Variant(LARGE, 1280, 1.0, 3_924_288, 3_948_688, 209_136_704,
                                               ALONE, minimalistic=True),
    # Every stage, in a blink; from no paper.
    "mobilenet_v3_test": Variant(TEST, 64, 1.0, 120_784, 123_024, 2_779_264, image_size=64),
    "mobilenet_v3_minimalistic_test": Variant(TEST, 64, 1.0, 105_952, 108_192, 2_663_424,
                                              ALONE, minimalistic=True, image_size=64),
}

GEOMETRIES = {
    "tensorflow": Geometry("tensorflow", 1e-3, 0.999),
    "torch": TORCH,
    "torchvision": Geometry("torch", 1e-3, 0.99),
}
# fmt: on

STEM = 16  # channels of the first convolution, at every width


class Block(NamedTuple):
    name: str  # stage and place in it
    stage: int
    group: int  # of one width, and the place in it, from 0 on
    place: int
    kernel: int
    expanded: int  # channels of its kernels
    channels: int  # at its end
    squeeze: int | None  # channels within squeeze-and-excite
    act: str
    stride: int


def plan(variant: Variant, alpha: float) -> list[Block]:
    """The blocks in order, at a width. A stage is all blocks at one size."""
    blocks: list[Block] = []
    stage, index, group, place, before, full = 1, 0, -1, 0, STEM, 0
    for row in variant.blocks:
        # The stem halves the size once; a first block that halves it again begins a stage of the same number.
        if row.stride == 2 and blocks:
            stage, index = stage + 1, 0
        group, place = (group, place + 1) if row.channels == full else (group + 1, 0)
        # A block widens what it gets as many times as the paper's, whatever rounding has made of that.
        expanded = rounded(before * (row.expanded / (full or STEM)))
        channels, index, full = rounded(row.channels * alpha), index + 1, row.channels
        simple = variant.minimalistic
        blocks.append(
            Block(
                f"stage{stage}_block{index}",
                stage,
                group,
                place,
                3 if simple else row.kernel,
                expanded,
                channels,
                rounded(expanded / 4) if row.squeeze and not simple else None,
                RE if simple else row.act,
                row.stride,
            )
        )
        before = channels
    return blocks


def width(variant: Variant, options: Options) -> float:
    """What was asked for, or the variant's own."""
    return cast(WidthOptions, options)["alpha"] or variant.alpha


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, six times the last block's)."""
    act = RE if variant.minimalistic else HS
    x = conv_norm(x, STEM, 3, 2, geometry=geometry, act=act, name="stem_conv")
    x = mark(x, "stem")
    blocks = plan(variant, width(variant, options))
    for number, (this, after) in enumerate(zip(blocks, [*blocks[1:], None], strict=True)):
        x = inverted(
            x,
            this.expanded,
            this.channels,
            this.kernel,
            this.stride,
            geometry=geometry,
            name=this.name,
            act=this.act,
            squeeze=this.squeeze,
            gate="hard_sigmoid",
            dropped=options["drop_path"] * number / (len(blocks) - 1),
        )
        if after is None or after.stage > this.stage:
            x = mark(x, f"stage{this.stage}")
    return conv_norm(x, 6 * blocks[-1].channels, 1, geometry=geometry, act=act, name="last_conv")


def top(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Global average pooling, a hidden layer, dropout, logits: after the pool it costs a 49th."""
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    hidden = rounded(variant.hidden * max(1.0, width(variant, options)))
    x = layers.Dense(hidden, kernel_initializer=initializers.HeNormal(), name="top_hidden")(x)
    x = activation(x, RE if variant.minimalistic else HS, "top_hidden")
    x = layers.Dropout(options["dropout"], name="top_dropout")(x)
    return logits(x, options)


def names_torchvision(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as torchvision calls them."""
    found: dict[str, Source] = {"stem_conv": "features.0.0", "stem_conv_norm": "features.0.1"}
    blocks = plan(variant, variant.alpha)
    for number, this in enumerate(blocks, start=1):
        parts = ["expand", "depthwise", *(["squeeze"] if this.squeeze else []), "project"][number == 1 :]
        for place, part in enumerate(parts):
            theirs = f"features.{number}.block.{place}"
            if part == "squeeze":
                found[f"{this.name}_squeeze_conv"] = f"{theirs}.fc1"
                found[f"{this.name}_excite_conv"] = f"{theirs}.fc2"
            else:
                found[f"{this.name}_{part}"] = f"{theirs}.0"
                found[f"{this.name}_{part}_norm"] = f"{theirs}.1"
    last = f"features.{len(blocks) + 1}"
    found |= {"last_conv": f"{last}.0", "last_conv_norm": f"{last}.1"}
    return {**found, "top_hidden": "classifier.0", LOGITS: "classifier.3"}


def names_timm(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as timm calls them; its hidden layer is a 1×1 convolution."""
    found: dict[str, Source] = {"stem_conv": "conv_stem", "stem_conv_norm": "bn1"}
    blocks = plan(variant, variant.alpha)
    for number, this in enumerate(blocks):
        block = f"blocks.{this.group}.{this.place}"
        # The first, which does not widen, is a class of its own there: conv_pw is its projection.
        theirs = {"expand": "conv_pw", "depthwise": "conv_dw", "project": "conv_pwl"}
        theirs = theirs if number else {"depthwise": "conv_dw", "project": "conv_pw"}
        for norm, (part, their) in enumerate(theirs.items(), start=1):
            found[f"{this.name}_{part}"] = f"{block}.{their}"
            found[f"{this.name}_{part}_norm"] = f"{block}.bn{norm}"
        if this.squeeze:
            found[f"{this.name}_squeeze_conv"] = f"{block}.se.conv_reduce"
            found[f"{this.name}_excite_conv"] = f"{block}.se.conv_expand"
    last = f"blocks.{blocks[-1].group + 1}.0"
    found |= {"last_conv": f"{last}.conv", "last_conv_norm": f"{last}.bn1"}
    return {**found, "top_hidden": Seen("conv_head", (6 * blocks[-1].channels, 1, 1)), LOGITS: "classifier"}


def names_keras(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as keras.applications calls them; both layers of its top are 1×1 convolutions."""
    found: dict[str, Source] = {"stem_conv": "conv", "stem_conv_norm": "conv_bn"}
    blocks = plan(variant, variant.alpha)
    for number, this in enumerate(blocks):
        theirs = f"expanded_conv_{number}" if number else "expanded_conv"
        for part in ("expand", "depthwise", "project")[not number :]:
            found[f"{this.name}_{part}"] = f"{theirs}_{part}"
            found[f"{this.name}_{part}_norm"] = f"{theirs}_{part}_bn"
        if this.squeeze:
            found[f"{this.name}_squeeze_conv"] = f"{theirs}_squeeze_excite_conv"
            found[f"{this.name}_excite_conv"] = f"{theirs}_squeeze_excite_conv_1"
    found |= {"last_conv": "conv_1", "last_conv_norm": "conv_1_bn"}
    return {
        **found,
        "top_hidden": Seen("conv_2", (6 * blocks[-1].channels, 1, 1)),
        LOGITS: Seen("logits", (variant.hidden, 1, 1)),
    }


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"torchvision": names_torchvision, "timm": names_timm, "keras": names_keras},
    top=top,
    own={"alpha": ALPHA},
)


def MobileNetV3Small(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV3-Small, arXiv:1905.02244: 2,542,856 parameters, published top-1 0.681 at 224 pixels.

    Howard et al. (2019) let a search choose the blocks of MobileNetV2, gave most of them squeeze-and-excite
    with the gate ReLU6(x + 3) / 6, and hard-swish, x times that gate, where maps are small enough to afford
    it; the last, widest convolution went behind the pool. The published figures are those of the default
    weights.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1; with include_top=False
             (batch, 7, 7, 576), with pooling="avg" as well (batch, 576).

    Other sizes from 32 pixels on: `input_shape`; other widths: `alpha`. Geometry: `tensorflow` as in
    keras.applications, `torch` or `torchvision`. All options: `options.WidthOptions`.
    Stages for taps and freezing: `stem` (stride 2), `stage1` (4), `stage2` (8), `stage3` (16),
    `stage4` (32), which end linear; after the last comes the 1×1 to 576 channels.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("mobilenet_v3_small", FAMILY, options)


def MobileNetV3Large(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV3-Large: 5,483,032 parameters, published top-1 0.7792 at 224 pixels.

    As `MobileNetV3Small`, with more and wider blocks; in the geometry `torch` unless another is asked for.
    Without the top (batch, 7, 7, 960). One stage more, at the stem's size: `stem` and `stage1` (stride 2),
    `stage2` (4), `stage3` (8), `stage4` (16), `stage5` (32).
    """
    return assemble("mobilenet_v3_large", FAMILY, options)


def MobileNetV3Small_075(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV3-Small, three quarters as wide: 2,041,872 parameters, published top-1 0.65706 at 224 pixels.

    As `MobileNetV3Small`; without the top (batch, 7, 7, 432).
    """
    return assemble("mobilenet_v3_small_075", FAMILY, options)


def MobileNetV3Large_075(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV3-Large, three quarters as wide: 3,993,528 parameters, published top-1 0.73442 at 224 pixels.

    As `MobileNetV3Large`, in the geometry `tensorflow` unless another is asked for; without the top
    (batch, 7, 7, 720).
    """
    return assemble("mobilenet_v3_large_075", FAMILY, options)


def MobileNetV3SmallMinimalistic(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV3-Small, minimalistic: 2,044,736 parameters, published top-1 0.62892 at 224 pixels.

    As `MobileNetV3Small` without squeeze-and-excite, with ReLU and 3×3 throughout: less accurate, and quicker
    where gates, hard-swish and 5×5 are slow, and easier to make whole numbers of. Geometry: `tensorflow`.
    """
    return assemble("mobilenet_v3_small_minimalistic", FAMILY, options)


def MobileNetV3LargeMinimalistic(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV3-Large, minimalistic: 3,924,288 parameters, published top-1 0.723 at 224 pixels.

    To `MobileNetV3Large` as `MobileNetV3SmallMinimalistic` is to `MobileNetV3Small`. Geometry: `tensorflow`.
    """
    return assemble("mobilenet_v3_large_minimalistic", FAMILY, options)


def MobileNetV3Test(**options: Unpack[WidthOptions]) -> Model:
    """All stages of MobileNetV3, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("mobilenet_v3_test", FAMILY, options)


def MobileNetV3MinimalisticTest(**options: Unpack[WidthOptions]) -> Model:
    """All stages of a minimalistic MobileNetV3, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("mobilenet_v3_minimalistic_test", FAMILY, options)
