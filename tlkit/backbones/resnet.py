"""ResNet-18, -34, -50, -101 and -152.

He et al., Deep Residual Learning for Image Recognition, arXiv:1512.03385 (2015), table 1, with 1×1
shortcuts where a stage begins (option B).

Geometries: `torch`, torchvision's and timm's, "v1.5": the stride of a stage's first bottleneck sits in
its 3×3, so that no place of the map is passed over; no biases. `keras`, keras.applications': the stride
in the first 1×1 as in the paper, which costs 231 million multiply-adds less; biases, and momentum and
epsilon of its own. Tensors of either fit the other's kernels, and would score worse without a word.
"""

from typing import Literal, NamedTuple, Unpack, cast

from keras import KerasTensor, Model

from tlkit.backbones.conversion import Source
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import added, bottleneck, conv_norm, drop_path, mark, max_pool, projected
from tlkit.backbones.options import Choice, Options


class ResNetOptions(Options, total=False):
    """What these builders take."""

    # The last gamma of each residual branch starts at 0, so that each block starts as its shortcut:
    # Goyal et al., arXiv:1706.02677, 5.1, for large batches. Default False.
    zero_init_residual: bool


class Geometry(NamedTuple):
    padding: Literal["torch", "tensorflow"]
    epsilon: float
    momentum: float
    bias: bool
    early: bool  # a bottleneck's stride sits in its first 1×1, not in its 3×3


class Variant(NamedTuple):
    depths: tuple[int, ...]  # blocks in each stage
    bottleneck: bool  # blocks of three convolutions, four times as wide at their end; else of two 3×3
    width: int  # channels of the stem and of stage 1's 3×3
    image_size: int
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...] = ("torch", "keras")
    dropout: float = 0.0  # the paper has none
    classes: int = 1000
    channels: int = 3
    least: int = 32  # five halvings
    year: int = 2015  # of the paper


# fmt: off
VARIANTS = {
    "resnet18": Variant((2, 2, 2, 2), False, 64, 224, 11_689_512, 11_699_112, 1_814_073_344,
                        ("torch",)),
    "resnet34": Variant((3, 4, 6, 3), False, 64, 224, 21_797_672, 21_814_696, 3_663_761_408,
                        ("torch",)),
    "resnet50": Variant((3, 4, 6, 3), True, 64, 224, 25_557_032, 25_610_152, 4_089_184_256),
    "resnet101": Variant((3, 4, 23, 3), True, 64, 224, 44_549_160, 44_654_504, 7_801_405_440),
    "resnet152": Variant((3, 8, 36, 3), True, 64, 224, 60_192_808, 60_344_232, 11_513_626_624),
    # Every stage, in a blink; from no paper.
    "resnet_test": Variant((1, 1, 1, 1), True, 8, 64, 385_392, 387_808, 3_180_544),
}

GEOMETRIES = {
    "torch": Geometry("torch", 1e-5, 0.9, bias=False, early=False),
    # 1.001e-5, not 1e-5: as in keras.applications' resnet.py.
    "keras": Geometry("torch", 1.001e-5, 0.99, bias=True, early=True),
}
# fmt: on


def basic(
    x: KerasTensor, channels: int, stride: int, geometry: Geometry, name: str, dropped: float, gamma: str
) -> KerasTensor:
    """Residual block of two 3×3; ReLU after the sum."""
    shortcut = projected(x, channels, stride, geometry=geometry, name=name)
    x = conv_norm(x, channels, 3, stride, geometry=geometry, name=f"{name}_first")
    x = conv_norm(x, channels, 3, geometry=geometry, act=None, gamma=gamma, name=f"{name}_second")
    return added(drop_path(x, dropped, name), shortcut, name)


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, 8·width), of bottlenecks 32·width."""
    gamma = "zeros" if cast(ResNetOptions, options)["zero_init_residual"] else "ones"
    x = conv_norm(x, variant.width, 7, 2, geometry=geometry, name="stem_conv")
    x = max_pool(mark(x, "stem"), 3, 2, name="stage1_pool")
    last, done = sum(variant.depths) - 1, 0
    for stage, depth in enumerate(variant.depths, start=1):
        width = variant.width * 2 ** (stage - 1)
        for index in range(1, depth + 1):
            name, stride = f"stage{stage}_block{index}", 2 if stage > 1 and index == 1 else 1
            dropped = options["drop_path"] * done / last
            if variant.bottleneck:
                x = bottleneck(
                    x, width, 4 * width, stride, geometry=geometry, early=geometry.early, name=name,
                    dropped=dropped, gamma=gamma,
                )  # fmt: skip
            else:
                x = basic(x, width, stride, geometry, name, dropped, gamma)
            done += 1
        x = mark(x, f"stage{stage}")
    return x


def torch_names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as torchvision and timm call them."""
    parts = ("reduce", "spatial", "expand") if variant.bottleneck else ("first", "second")
    found: dict[str, Source] = {"stem_conv": "conv1", "stem_conv_norm": "bn1"}
    for stage, depth in enumerate(variant.depths, start=1):
        for index in range(depth):
            ours, theirs = f"stage{stage}_block{index + 1}", f"layer{stage}.{index}"
            for number, part in enumerate(parts, start=1):
                found[f"{ours}_{part}"] = f"{theirs}.conv{number}"
                found[f"{ours}_{part}_norm"] = f"{theirs}.bn{number}"
            if index == 0 and (stage > 1 or variant.bottleneck):
                found[f"{ours}_shortcut"] = f"{theirs}.downsample.0"
                found[f"{ours}_shortcut_norm"] = f"{theirs}.downsample.1"
    return {**found, LOGITS: "fc"}


def keras_names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as keras.applications calls them, which has bottlenecks only."""
    found: dict[str, Source] = {"stem_conv": "conv1_conv", "stem_conv_norm": "conv1_bn"}
    for stage, depth in enumerate(variant.depths, start=1):
        for index in range(1, depth + 1):
            ours, theirs = f"stage{stage}_block{index}", f"conv{stage + 1}_block{index}"
            for number, part in enumerate(("shortcut", "reduce", "spatial", "expand")):
                if part != "shortcut" or index == 1:
                    found[f"{ours}_{part}"] = f"{theirs}_{number}_conv"
                    found[f"{ours}_{part}_norm"] = f"{theirs}_{number}_bn"
    return {**found, LOGITS: "predictions"}


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"torchvision": torch_names, "timm": torch_names, "keras": keras_names},
    own={
        "zero_init_residual": Choice(
            False, lambda value: isinstance(value, bool), "True or False", fresh=True
        )
    },
)


def ResNet18(**options: Unpack[ResNetOptions]) -> Model:
    """ResNet-18, arXiv:1512.03385: 11,689,512 parameters, published top-1 0.71504 at 224 pixels.

    He et al. (2015) let each block learn what to add to its input, which passes by untouched: nets of
    any depth then train at least as well as shallower ones. Eight blocks of two 3×3 convolutions. The
    published figures are those of the default weights.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 7, 7, 512), with pooling="avg" as well (batch, 512).

    Other sizes from 32 pixels on: `input_shape`. All options: `ResNetOptions`, `options.Options`.
    Stages for taps and freezing: `stem` (stride 2), `stage1` (4), `stage2` (8), `stage3` (16),
    `stage4` (32). Geometry: `torch`.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("resnet18", FAMILY, options)


def ResNet34(**options: Unpack[ResNetOptions]) -> Model:
    """ResNet-34: 21,797,672 parameters, published top-1 0.77492 at 224 pixels.

    As `ResNet18`, with sixteen blocks, 3, 4, 6 and 3 a stage.
    """
    return assemble("resnet34", FAMILY, options)


def ResNet50(**options: Unpack[ResNetOptions]) -> Model:
    """ResNet-50: 25,557,032 parameters, published top-1 0.80858 at 224 pixels.

    As `ResNet34`, with bottlenecks for its blocks: a 1×1 convolution down to a quarter of the channels,
    a 3×3 there, a 1×1 up again; without the top (batch, 7, 7, 2048). `geometry="keras"` is that of
    keras.applications' ResNet50: 25,583,592 parameters, the stride in the first 1×1.
    """
    return assemble("resnet50", FAMILY, options)


def ResNet101(**options: Unpack[ResNetOptions]) -> Model:
    """ResNet-101: 44,549,160 parameters, published top-1 0.8195 at 224 pixels.

    As `ResNet50`, with 23 blocks in stage 3 instead of 6; in the keras geometry 44,601,832 parameters.
    """
    return assemble("resnet101", FAMILY, options)


def ResNet152(**options: Unpack[ResNetOptions]) -> Model:
    """ResNet-152: 60,192,808 parameters, published top-1 0.82818 at 224 pixels.

    As `ResNet50`, with 8 blocks in stage 2 and 36 in stage 3; in the keras geometry 60,268,520
    parameters. The 3.57 % that is often quoted with it is the top-5 test error of an ensemble of six
    networks, not of this one: arXiv:1512.03385, table 5.
    """
    return assemble("resnet152", FAMILY, options)


def ResNetTest(**options: Unpack[ResNetOptions]) -> Model:
    """All stages of ResNet-50, eight channels wide, for tests: random weights, 64 pixels."""
    return assemble("resnet_test", FAMILY, options)
