"""MobileNetV2, in six widths: inverted residuals with linear bottlenecks.

Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381, table 2.

Geometries: `torch`, torchvision's and timm's, zeros on both sides alike, epsilon 1e-5. `tensorflow`,
TF-Slim's and keras.applications': "same" padding puts its zero after the image at stride 2 and an even size;
epsilon 1e-3, and the latter's momentum, 0.999.
"""

from typing import NamedTuple, Unpack, cast

from keras import KerasTensor, Model

from tlkit.backbones.conversion import Source
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import TORCH, Geometry, conv_norm, inverted, mark, rounded
from tlkit.backbones.options import ALPHA, Options, WidthOptions


class Variant(NamedTuple):
    alpha: float  # channels, over the paper's
    geometries: tuple[str, ...]
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    image_size: int = 224
    depths: tuple[int, ...] = (1, 2, 3, 4, 3, 3, 1)  # blocks in each of `GROUPS`
    last: int = 1280  # channels of the last convolution; more where alpha is above 1, never fewer
    classes: int = 1000
    channels: int = 3
    dropout: float = 0.2  # TF-Slim, torchvision; keras.applications has none
    least: int = 32  # five halvings
    year: int = 2018  # of the paper


# fmt: off
# The geometry of the best weights first: timm's, or keras.applications' where it alone has some.
TORCH_FIRST = ("torch", "tensorflow")
TENSORFLOW_FIRST = ("tensorflow", "torch")
VARIANTS = {
    "mobilenet_v2": Variant(1.0, TORCH_FIRST, 3_504_872, 3_538_984, 300_774_272),
    "mobilenet_v2_035": Variant(0.35, TENSORFLOW_FIRST, 1_677_128, 1_691_208, 59_285_808),
    "mobilenet_v2_050": Variant(0.5, TORCH_FIRST, 1_968_680, 1_987_224, 97_131_840),
    "mobilenet_v2_075": Variant(0.75, TENSORFLOW_FIRST, 2_636_424, 2_663_064, 209_069_792),
    "mobilenet_v2_130": Variant(1.3, TENSORFLOW_FIRST, 5_386_792, 5_431_048, 509_374_560),
    "mobilenet_v2_140": Variant(1.4, TORCH_FIRST, 6_108_776, 6_156_712, 582_195_824),
    # Every stage, in a blink; from no paper.
    "mobilenet_v2_test": Variant(0.1, TORCH_FIRST, 92_456, 95_384, 1_723_264,
                                 image_size=64, depths=(1, 2, 2, 2, 1, 2, 1), last=64),
}

GEOMETRIES = {"torch": TORCH, "tensorflow": Geometry("tensorflow", 1e-3, 0.999)}

STEM = 32  # channels of the first convolution at full width
# Groups of blocks, table 2: expansion, channels, stride of the first.
GROUPS = ((1, 16, 1), (6, 24, 2), (6, 32, 2), (6, 64, 2), (6, 96, 1), (6, 160, 2), (6, 320, 1))
# fmt: on


class Block(NamedTuple):
    name: str  # stage and place in it
    stage: int
    group: int  # of `GROUPS`, and the place in it, from 0 on
    place: int
    expansion: int
    width: int  # channels at its end, at full width
    stride: int


def plan(variant: Variant) -> list[Block]:
    """The blocks in order. A stage is all blocks at one size, so it takes one group or two."""
    blocks, stage, index = [], 1, 0
    for group, ((expansion, width, first_stride), depth) in enumerate(
        zip(GROUPS, variant.depths, strict=True)
    ):
        if first_stride == 2:
            stage, index = stage + 1, 0
        for place in range(depth):
            index += 1
            stride = first_stride if place == 0 else 1
            blocks.append(Block(f"stage{stage}_block{index}", stage, group, place, expansion, width, stride))
    return blocks


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, last)."""
    alpha = cast(WidthOptions, options)["alpha"] or variant.alpha
    x = conv_norm(x, rounded(STEM * alpha), 3, 2, geometry=geometry, act="relu6", name="stem_conv")
    x = mark(x, "stem")
    blocks = plan(variant)
    for number, (this, after) in enumerate(zip(blocks, [*blocks[1:], None], strict=True)):
        x = inverted(
            x,
            this.expansion * x.shape[-1],
            rounded(this.width * alpha),
            3,
            this.stride,
            geometry=geometry,
            name=this.name,
            dropped=options["drop_path"] * number / (len(blocks) - 1),
        )
        if after is None or after.stage > this.stage:
            x = mark(x, f"stage{this.stage}")
    last = rounded(variant.last * max(1.0, alpha))
    return conv_norm(x, last, 1, geometry=geometry, act="relu6", name="last_conv")


PARTS = ("expand", "depthwise", "project")


def names_torchvision(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as torchvision calls them."""
    found: dict[str, Source] = {"stem_conv": "features.0.0", "stem_conv_norm": "features.0.1"}
    blocks = plan(variant)
    for number, this in enumerate(blocks, start=1):
        theirs = f"features.{number}.conv"
        *before, last = PARTS if this.expansion > 1 else PARTS[1:]
        for place, part in enumerate(before):
            found[f"{this.name}_{part}"] = f"{theirs}.{place}.0"
            found[f"{this.name}_{part}_norm"] = f"{theirs}.{place}.1"
        # No activation follows it, and it stands there for itself.
        found[f"{this.name}_{last}"] = f"{theirs}.{len(before)}"
        found[f"{this.name}_{last}_norm"] = f"{theirs}.{len(before) + 1}"
    last = f"features.{len(blocks) + 1}"
    return {**found, "last_conv": f"{last}.0", "last_conv_norm": f"{last}.1", LOGITS: "classifier.1"}


def names_timm(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as timm calls them."""
    found: dict[str, Source] = {"stem_conv": "conv_stem", "stem_conv_norm": "bn1"}
    for this in plan(variant):
        # A block that does not widen is a class of its own there: conv_pw is its projection.
        theirs = ("conv_pw", "conv_dw", "conv_pwl") if this.expansion > 1 else ("conv_dw", "conv_pw")
        for norm, (part, their) in enumerate(zip(PARTS[-len(theirs) :], theirs, strict=True), start=1):
            found[f"{this.name}_{part}"] = f"blocks.{this.group}.{this.place}.{their}"
            found[f"{this.name}_{part}_norm"] = f"blocks.{this.group}.{this.place}.bn{norm}"
    return {**found, "last_conv": "conv_head", "last_conv_norm": "bn2", LOGITS: "classifier"}


def names_keras(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as keras.applications calls them."""
    found: dict[str, Source] = {"stem_conv": "Conv1", "stem_conv_norm": "bn_Conv1"}
    for number, this in enumerate(plan(variant)):
        theirs = f"block_{number}" if number else "expanded_conv"
        for part in PARTS if this.expansion > 1 else PARTS[1:]:
            found[f"{this.name}_{part}"] = f"{theirs}_{part}"
            found[f"{this.name}_{part}_norm"] = f"{theirs}_{part}_BN"
    return {**found, "last_conv": "Conv_1", "last_conv_norm": "Conv_1_bn", LOGITS: "predictions"}


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"torchvision": names_torchvision, "timm": names_timm, "keras": names_keras},
    own={"alpha": ALPHA},
)


def MobileNetV2(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV2, arXiv:1801.04381: 3,504,872 parameters, published top-1 0.7291 at 224 pixels.

    Sandler et al. (2018) turned the residual block inside out: the shortcut joins the few channels between
    blocks, which no activation follows (it would destroy what few channels hold), and each block widens them
    sixfold only for its one kernel a channel. The published figures are those of
    the default weights.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1; with include_top=False
             (batch, 7, 7, 1280), with pooling="avg" as well (batch, 1280).

    Other sizes from 32 pixels on: `input_shape`; other widths: `alpha`. Geometry: `torch`, or
    `tensorflow` as in keras.applications. All options: `options.WidthOptions`.
    Stages for taps and freezing: `stem` and `stage1` (stride 2), `stage2` (4), `stage3` (8), `stage4` (16),
    `stage5` (32), which end linear; after the last comes the 1×1 to 1280 channels.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("mobilenet_v2", FAMILY, options)


def MobileNetV2_035(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV2 at 0.35 of the width: 1,677,128 parameters, published top-1 0.60086 at 224 pixels.

    As `MobileNetV2`, in the geometry `tensorflow` unless another is asked for.
    """
    return assemble("mobilenet_v2_035", FAMILY, options)


def MobileNetV2_050(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV2 of half the width: 1,968,680 parameters, published top-1 0.65928 at 224 pixels.

    As `MobileNetV2`; its last convolution has 1280 channels all the same.
    """
    return assemble("mobilenet_v2_050", FAMILY, options)


def MobileNetV2_075(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV2, three quarters as wide: 2,636,424 parameters, published top-1 0.69532 at 224 pixels.

    As `MobileNetV2`, in the geometry `tensorflow` unless another is asked for.
    """
    return assemble("mobilenet_v2_075", FAMILY, options)


def MobileNetV2_130(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV2 at 1.3 times the width: 5,386,792 parameters, published top-1 0.7468 at 224 pixels.

    As `MobileNetV2`, in the geometry `tensorflow` unless another is asked for; without the top
    (batch, 7, 7, 1664).
    """
    return assemble("mobilenet_v2_130", FAMILY, options)


def MobileNetV2_140(**options: Unpack[WidthOptions]) -> Model:
    """MobileNetV2 at 1.4 times the width: 6,108,776 parameters, published top-1 0.76528 at 224 pixels.

    As `MobileNetV2`; without the top (batch, 7, 7, 1792).
    """
    return assemble("mobilenet_v2_140", FAMILY, options)


def MobileNetV2Test(**options: Unpack[WidthOptions]) -> Model:
    """All stages of MobileNetV2, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("mobilenet_v2_test", FAMILY, options)
