"""Network in Network: 1×1 convolutions within a stage, and a top without dense layers.

Lin, Chen and Yan, Network In Network, arXiv:1312.4400. Each convolution is followed by 1×1
convolutions, a small dense network at every place of the map; the last has a channel for each class,
and its mean over the map is the answer. Its ReLU is part of that: logits are nowhere below zero.

`nin` is the network for ImageNet that the authors put into Caffe's model zoo, `nin_cifar` the one for
CIFAR-10. Geometries: `caffe`, whose pools take in a last, cut-off window; `torch`: pytorchcv's, whose
pools have a zero on each side, counted by the mean.
"""

from typing import Literal, NamedTuple, Unpack

from keras import KerasTensor, Model, layers

from tlkit.backbones.conversion import Source
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import HE, conv_relu, mark
from tlkit.backbones.options import Options

Pool = Literal["max", "mean"]


class Variant(NamedTuple):
    stages: tuple[tuple[int, ...], ...]  # each: kernel of the first convolution, then all channels
    pools: tuple[Pool, ...]  # before the second and later stages
    dropped: tuple[bool, ...]  # dropout after these pools
    stride: int  # of the first convolution
    image_size: int  # pixels a side it was trained on
    classes: int
    parameters: int  # trainable, as papers count; recounted by a test
    total_parameters: int  # the same: nothing has moving statistics
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...]
    least: int  # pixels a side that leave one place in the last stage
    dropout: float = 0.5
    channels: int = 3
    year: int = 2013  # of the paper


class Geometry(NamedTuple):
    padding: Literal["torch", "tensorflow"]
    epsilon: float  # this and momentum: of batch normalisation, which none of the networks has
    momentum: float
    bias: bool
    around: tuple[int, int]  # zeros before and after a map that is pooled


# fmt: off
IMAGENET = ((11, 96, 96, 96), (5, 256, 256, 256), (3, 384, 384, 384), (3, 1024, 1024))
CIFAR = ((5, 192, 160, 96), (5, 192, 192, 192), (3, 192, 192))
SMALL = ((11, 8, 8, 8), (5, 8, 8, 8), (3, 16, 16, 16), (3, 16, 16))
SMALL_CIFAR = ((5, 16, 8, 8), (5, 16, 16, 16), (3, 16, 16))
MAXIMA: tuple[Pool, ...] = ("max", "max", "max")
MIXED: tuple[Pool, ...] = ("max", "mean")
LAST, ALL = (False, False, True), (True, True)

VARIANTS = {
    "nin": Variant(IMAGENET, MAXIMA, LAST, 4, 224, 1000, 7_595_176, 7_595_176, 1_100_188_800, ("caffe",), 39),
    "nin_cifar": Variant(CIFAR, MIXED, ALL, 1, 32, 10, 966_986, 966_986, 222_486_528, ("torch",), 4),
    # Every stage of each, in a blink; from no paper.
    "nin_test": Variant(SMALL, MAXIMA, LAST, 4, 96, 1000, 26_112, 26_112, 1_792_416, ("caffe",), 39),
    "nin_cifar_test": Variant(SMALL_CIFAR, MIXED, ALL, 1, 32, 10, 7_946, 7_946, 2_549_760, ("torch",), 4),
}
# fmt: on

GEOMETRIES = {
    # One zero after a map of odd size is seen by no window: the pool rounds up at even sizes alone.
    "caffe": Geometry("torch", 1e-5, 0.9, True, (0, 1)),
    "torch": Geometry("torch", 1e-5, 0.9, True, (1, 1)),
}


def plan(variant: Variant) -> list[list[str]]:
    """Names of the convolutions, stage by stage, without the top's."""
    stages = ["stem", *(f"stage{number}" for number in range(1, len(variant.stages)))]
    return [
        [f"{stage}_conv{number + 1}" for number in range(len(channels))]
        for stage, (_, *channels) in zip(stages, variant.stages, strict=True)
    ]


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to the last map, of as many channels as the last stage has."""
    for number, (names, (kernel, *channels)) in enumerate(zip(plan(variant), variant.stages, strict=True)):
        stage = f"stage{number}" if number else "stem"
        if number:
            x = pool(x, variant.pools[number - 1], geometry, f"{stage}_pool")
            # The share is an option of the top's, and so is the dropout, though it stands in the body.
            if options["include_top"] and variant.dropped[number - 1]:
                x = layers.Dropout(options["dropout"], name=f"{stage}_dropout")(x)
        padding: Literal["torch", "valid"] = "valid" if variant.stride > 1 and not number else "torch"
        stride = 1 if number else variant.stride
        x = conv_relu(x, channels[0], kernel, stride, padding=padding, name=names[0])
        for name, width in zip(names[1:], channels[1:], strict=True):
            x = conv_relu(x, width, 1, name=name)
        x = mark(x, stage)
    return x


def pool(x: KerasTensor, kind: Pool, geometry: Geometry, name: str) -> KerasTensor:
    """3×3 at stride 2. After a ReLU the zeros around a map change no maximum."""
    x = layers.ZeroPadding2D((geometry.around, geometry.around), name=f"{name}_pad")(x)
    return (layers.MaxPooling2D if kind == "max" else layers.AveragePooling2D)(3, 2, name=name)(x)


def top(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """A map for each class, and its mean."""
    # float32 under every policy: half precision would round close classes together.
    x = layers.Conv2D(options["classes"], 1, kernel_initializer=HE.clone(), dtype="float32", name=LOGITS)(x)
    x = layers.ReLU(dtype="float32", name=f"{LOGITS}_relu")(x)
    return layers.GlobalAveragePooling2D(dtype="float32", name="top_pool")(x)


def pytorchcv_names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """It counts stages and units from 1."""
    found: dict[str, Source] = {
        name: f"features.stage{stage}.unit{unit}.conv"
        for stage, names in enumerate(plan(variant), start=1)
        for unit, name in enumerate(names, start=1)
    }
    return {**found, LOGITS: "output.final_conv.conv"}


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"pytorchcv": pytorchcv_names},
    top=top,
    unused={"drop_path": "it has no residual branches"},
)


def NiN(**options: Unpack[Options]) -> Model:
    """Network in Network for ImageNet, arXiv:1312.4400 (2013), as in Caffe's model zoo: 7,595,176 parameters.

    It introduced 1×1 convolutions and the global average pool in place of dense layers.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 6, 6, 1024), with pooling="avg" as well (batch, 1024).
             Without classifier_activation: means after a ReLU, nowhere below zero.

    Other sizes from 39 pixels on: `input_shape`. All options: `options.Options`. The dropout stands
    before the last stage; without the top there is none.
    Stages for taps and freezing: `stem` (stride 4), `stage1` (8), `stage2` (16), `stage3` (32).

    Raises `UsageError` for options that do not fit, `WeightsError` if the weights cannot be had.
    """
    return assemble("nin", FAMILY, options)


def NiNCIFAR(**options: Unpack[Options]) -> Model:
    """Network in Network for CIFAR-10, arXiv:1312.4400, as pytorchcv has it: 966,986 parameters, 10 classes.

    Takes 32 pixels a side, other sizes from 4 on; without the top (batch, 8, 8, 192). Dropout stands before
    both later stages. Stages: `stem` (stride 1), `stage1` (2), `stage2` (4). All else as `NiN`.
    """
    return assemble("nin_cifar", FAMILY, options)


def NiNTest(**options: Unpack[Options]) -> Model:
    """All stages of `NiN`, a few channels wide, for tests: random weights, 96 pixels."""
    return assemble("nin_test", FAMILY, options)


def NiNCIFARTest(**options: Unpack[Options]) -> Model:
    """All stages of `NiNCIFAR`, a few channels wide, for tests: random weights, 32 pixels, 10 classes."""
    return assemble("nin_cifar_test", FAMILY, options)
