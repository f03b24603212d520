"""MobileNet (version 1), in four widths: one kernel a channel, then a 1×1 across them.

Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications,
arXiv:1704.04861, table 1, with the last 3×3 at stride 1: its "s2" there would not leave the 7×7 map of the
row below. ReLU6 instead of the paper's ReLU, as in all published weights.

Geometries: `torch`, timm's mobilenetv1_100, zeros on both sides alike, epsilon 1e-5. `tensorflow`, TF-Slim's
and keras.applications': "same" padding puts its zero after the image at stride 2 and an even size, epsilon
1e-3. keras.applications puts its zero after maps of odd size too, where TensorFlow puts one on each side: the
two are the same where height and width are multiples of 32.
"""

from typing import NamedTuple, Unpack, cast

from keras import KerasTensor, Model

from tlkit.backbones.conversion import Seen, Source
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import TORCH, Geometry, conv_norm, depthwise_norm, mark
from tlkit.backbones.options import ALPHA, Options, WidthOptions


class Variant(NamedTuple):
    alpha: float  # channels, over the paper's
    geometries: tuple[str, ...]
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    image_size: int = 224
    depths: tuple[int, ...] = (1, 2, 2, 6, 2)  # blocks in each stage
    classes: int = 1000
    channels: int = 3
    dropout: float = 0.001  # TF-Slim and keras.applications
    least: int = 32  # five halvings
    year: int = 2017  # of the paper


# fmt: off
# The geometry of the best weights first: timm's, which there are at full width only.
TORCH_FIRST = ("torch", "tensorflow")
TENSORFLOW_FIRST = ("tensorflow", "torch")
VARIANTS = {
    "mobilenet_v1": Variant(1.0, TORCH_FIRST, 4_231_976, 4_253_864, 568_740_352),
    "mobilenet_v1_025": Variant(0.25, TENSORFLOW_FIRST, 470_072, 475_544, 41_030_272),
    "mobilenet_v1_050": Variant(0.5, TENSORFLOW_FIRST, 1_331_592, 1_342_536, 149_497_088),
    "mobilenet_v1_075": Variant(0.75, TENSORFLOW_FIRST, 2_585_560, 2_601_976, 325_400_448),
    # Every stage, in a blink; from no paper.
    "mobilenet_v1_test": Variant(0.0625, TORCH_FIRST, 76_096, 76_992, 592_000,
                                 image_size=64, depths=(1, 2, 2, 2, 2)),
}

GEOMETRIES = {"torch": TORCH, "tensorflow": Geometry("tensorflow", 1e-3, 0.99)}
# fmt: on

STEM = 32  # channels of the first convolution at full width; a stage has twice those of the one before


class Block(NamedTuple):
    name: str  # stage and place in it
    stage: int
    place: int  # in its stage, from 0 on
    width: int  # channels of its 1×1, at full width
    stride: int


def plan(variant: Variant) -> list[Block]:
    """The blocks in order."""
    return [
        Block(
            f"stage{stage}_block{place + 1}",
            stage,
            place,
            STEM * 2**stage,
            2 if stage > 1 and not place else 1,
        )
        for stage, depth in enumerate(variant.depths, start=1)
        for place in range(depth)
    ]


def widened(channels: int, alpha: float) -> int:
    """Rounded down, eight at least: TF-Slim's `min_depth`."""
    return max(8, int(channels * alpha))


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, 1024·alpha)."""
    alpha = cast(WidthOptions, options)["alpha"] or variant.alpha
    x = conv_norm(x, widened(STEM, alpha), 3, 2, geometry=geometry, act="relu6", name="stem_conv")
    x = mark(x, "stem")
    for this in plan(variant):
        name, width = this.name, widened(this.width, alpha)
        x = depthwise_norm(x, 3, this.stride, geometry=geometry, act="relu6", name=f"{name}_depthwise")
        x = conv_norm(x, width, 1, geometry=geometry, act="relu6", name=f"{name}_pointwise")
        if this.place == variant.depths[this.stage - 1] - 1:
            x = mark(x, f"stage{this.stage}")
    return x


def names_timm(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as timm calls them."""
    found: dict[str, Source] = {"stem_conv": "conv_stem", "stem_conv_norm": "bn1"}
    for this in plan(variant):
        theirs = f"blocks.{this.stage - 1}.{this.place}"
        for norm, (part, their) in enumerate((("depthwise", "dw"), ("pointwise", "pw")), start=1):
            found[f"{this.name}_{part}"] = f"{theirs}.conv_{their}"
            found[f"{this.name}_{part}_norm"] = f"{theirs}.bn{norm}"
    return {**found, LOGITS: "classifier"}


def names_keras(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as keras.applications calls them; its last one is a 1×1 convolution."""
    found: dict[str, Source] = {"stem_conv": "conv1", "stem_conv_norm": "conv1_bn"}
    for number, this in enumerate(plan(variant), start=1):
        for part, their in (("depthwise", "dw"), ("pointwise", "pw")):
            found[f"{this.name}_{part}"] = f"conv_{their}_{number}"
            found[f"{this.name}_{part}_norm"] = f"conv_{their}_{number}_bn"
    last = widened(plan(variant)[-1].width, variant.alpha)
    return {**found, LOGITS: Seen("conv_preds", (last, 1, 1))}


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"timm": names_timm, "keras": names_keras},
    own={"alpha": ALPHA},
    unused={"drop_path": "it has no residual branches"},
)


def MobileNetV1(**options: Unpack[WidthOptions]) -> Model:
    """MobileNet, arXiv:1704.04861: 4,231,976 parameters, published top-1 0.75388 at 224 pixels.

    Howard et al. (2017) split each 3×3 in two, one kernel a channel and a 1×1 across the channels, for about
    an eighth of the cost, and gave one number, `alpha`, that makes all layers narrower at once.
    The published figures are those of the default weights.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1; with include_top=False
             (batch, 7, 7, 1024), with pooling="avg" as well (batch, 1024).

    Other sizes from 32 pixels on: `input_shape`; other widths: `alpha`. Geometry: `torch`, or
    `tensorflow` as in keras.applications. All options: `options.WidthOptions`.
    Stages for taps and freezing: `stem` and `stage1` (stride 2), `stage2` (4), `stage3` (8), `stage4` (16),
    `stage5` (32).

    Raises `UsageError` for options that do not fit.
    """
    return assemble("mobilenet_v1", FAMILY, options)


def MobileNetV1_025(**options: Unpack[WidthOptions]) -> Model:
    """MobileNet of a quarter of the width: 470,072 parameters, published top-1 0.51582 at 224 pixels.

    As `MobileNetV1`, in the geometry `tensorflow` unless another is asked for; without the top
    (batch, 7, 7, 256).
    """
    return assemble("mobilenet_v1_025", FAMILY, options)


def MobileNetV1_050(**options: Unpack[WidthOptions]) -> Model:
    """MobileNet of half the width: 1,331,592 parameters, published top-1 0.64292 at 224 pixels.

    As `MobileNetV1`, in the geometry `tensorflow` unless another is asked for; without the top
    (batch, 7, 7, 512).
    """
    return assemble("mobilenet_v1_050", FAMILY, options)


def MobileNetV1_075(**options: Unpack[WidthOptions]) -> Model:
    """MobileNet of three quarters of the width: 2,585,560 parameters, published top-1 0.68412 at 224 pixels.

    As `MobileNetV1`, in the geometry `tensorflow` unless another is asked for; without the top
    (batch, 7, 7, 768).
    """
    return assemble("mobilenet_v1_075", FAMILY, options)


def MobileNetV1Test(**options: Unpack[WidthOptions]) -> Model:
    """All stages of MobileNet, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("mobilenet_v1_test", FAMILY, options)
