"""VGG-11, -13, -16 and -19, each also with batch normalisation.

Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition,
arXiv:1409.1556, table 1, columns A, B, D and E. The paper has no batch normalisation; the networks
with it are torchvision's, and keep the biases of the convolutions before it.

Published figures are torchvision's: the paper's are over many crops and scales. The layers of
keras.applications' VGG16 and VGG19 are the same but for the dropout, which it leaves out.
"""

from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, layers

from tlkit.backbones.conversion import Seen, Source
from tlkit.backbones.frame import LOGITS, Family, assemble, logits
from tlkit.backbones.layers import Geometry, conv_norm, conv_relu, dense_relu, mark
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    depths: tuple[int, ...]  # 3×3 convolutions in the stem and in stages 1 to 4
    width: int  # channels of the stem
    hidden: int  # width of the two dense layers before the logits
    normed: bool  # each convolution is followed by batch normalisation
    image_size: int  # pixels a side it was trained on
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...] = ("torch",)
    dropout: float = 0.5  # after each of the two hidden layers
    classes: int = 1000
    channels: int = 3
    least: int = 32  # five halvings
    year: int = 2014  # of the paper


# fmt: off
A, B, D, E = (1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)

VARIANTS = {
    "vgg11": Variant(A, 64, 4096, False, 224, 132_863_336, 132_863_336, 7_609_090_048),
    "vgg11_bn": Variant(A, 64, 4096, True, 224, 132_868_840, 132_874_344, 7_609_090_048),
    "vgg13": Variant(B, 64, 4096, False, 224, 133_047_848, 133_047_848, 11_308_466_176),
    "vgg13_bn": Variant(B, 64, 4096, True, 224, 133_053_736, 133_059_624, 11_308_466_176),
    "vgg16": Variant(D, 64, 4096, False, 224, 138_357_544, 138_357_544, 15_470_264_320),
    "vgg16_bn": Variant(D, 64, 4096, True, 224, 138_365_992, 138_374_440, 15_470_264_320),
    "vgg19": Variant(E, 64, 4096, False, 224, 143_667_240, 143_667_240, 19_632_062_464),
    "vgg19_bn": Variant(E, 64, 4096, True, 224, 143_678_248, 143_689_256, 19_632_062_464),
    # Every stage, in a blink; from no paper.
    "vgg_test": Variant(A, 8, 32, True, 64, 187_528, 188_216, 10_363_136),
}
# fmt: on

GEOMETRIES = {"torch": Geometry("torch", 1e-5, 0.9, bias=True)}

WIDENING = (1, 2, 4, 8, 8)  # channels of the stem and of stages 1 to 4, over the stem's


def plan(variant: Variant) -> list[list[str]]:
    """Names of the convolutions, from the stem to stage 4."""
    stages = ["stem", *(f"stage{number}" for number in range(1, len(variant.depths)))]
    return [
        [f"{stage}_conv{number + 1}" for number in range(depth)]
        for stage, depth in zip(stages, variant.depths, strict=True)
    ]


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, 8·width)."""
    for number, convolutions in enumerate(plan(variant)):
        stage = f"stage{number}" if number else "stem"
        if number:
            x = layers.MaxPooling2D(2, name=f"{stage}_pool")(x)
        for name in convolutions:
            channels = variant.width * WIDENING[number]
            if variant.normed:
                x = conv_norm(x, channels, 3, geometry=geometry, name=name)
            else:
                x = conv_relu(x, channels, 3, name=name)
        x = mark(x, stage)
    return mark(layers.MaxPooling2D(2, name="stage5_pool")(x), "stage5")


def top(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """The whole map into two hidden dense layers, then the logits."""
    x = layers.Flatten(name="top_flatten")(x)
    for name in ("top_dense1", "top_dense2"):
        x = dense_relu(x, variant.hidden, name=name)
        x = layers.Dropout(options["dropout"], name=f"{name}_dropout")(x)
    return logits(x, options)


def torchvision_names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Its convolutions, normalisations, activations and pools are numbered through."""
    found: dict[str, Source] = {}
    place = 0
    for convolutions in plan(variant):
        for name in convolutions:
            found[name] = f"features.{place}"
            if variant.normed:
                found[f"{name}_norm"] = f"features.{place + 1}"
            place += 3 if variant.normed else 2
        place += 1
    side = variant.image_size // 32
    flat = Seen("classifier.0", (variant.width * WIDENING[-1], side, side))
    return {**found, "top_dense1": flat, "top_dense2": "classifier.3", LOGITS: "classifier.6"}


def timm_names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """As torchvision's, but for the dense layers, which are convolutions over the whole map."""
    side = variant.image_size // 32
    top: dict[str, Source] = {
        "top_dense1": Seen("pre_logits.fc1", (variant.width * WIDENING[-1], side, side)),
        "top_dense2": Seen("pre_logits.fc2", (variant.hidden, 1, 1)),
        LOGITS: "head.fc",
    }
    return {**torchvision_names(variant, geometry), **top}


def keras_names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """keras.applications counts blocks from 1 and flattens as we do."""
    found: dict[str, Source] = {
        name: f"block{block}_conv{number}"
        for block, convolutions in enumerate(plan(variant), start=1)
        for number, name in enumerate(convolutions, start=1)
    }
    return {**found, "top_dense1": "fc1", "top_dense2": "fc2", LOGITS: "predictions"}


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"torchvision": torchvision_names, "timm": timm_names, "keras": keras_names},
    top=top,
    unused={"drop_path": "it has no residual branches"},
    flattens=True,
)


def VGG11(**options: Unpack[Options]) -> Model:
    """VGG-11, arXiv:1409.1556 (2014), column A: depth from 3×3 convolutions alone.

    132,863,336 parameters, published top-1 0.6902 at 224 pixels.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 7, 7, 512), with pooling="avg" as well (batch, 512).

    Other sizes from 32 pixels on: `input_shape`; the top's first dense layer, which has a weight for
    each place of the last map (102,764,544 at 224 pixels), grows with them. All options: `options.Options`.
    Stages for taps and freezing: `stem` (stride 1), `stage1` (2) … `stage4` (16) before their pools,
    `stage5` (32), the last pool.

    Raises `UsageError` for options that do not fit, `WeightsError` if the weights cannot be had.
    """
    return assemble("vgg11", FAMILY, options)


def VGG11BN(**options: Unpack[Options]) -> Model:
    """VGG-11 with batch normalisation after each convolution, as torchvision has it.

    132,868,840 parameters, published top-1 0.7037 at 224 pixels. All else
    as `VGG11`.
    """
    return assemble("vgg11_bn", FAMILY, options)


def VGG13(**options: Unpack[Options]) -> Model:
    """VGG-13, arXiv:1409.1556, column B: two convolutions in every stage.

    133,047,848 parameters, published top-1 0.69928 at 224 pixels. All else
    as `VGG11`.
    """
    return assemble("vgg13", FAMILY, options)


def VGG13BN(**options: Unpack[Options]) -> Model:
    """VGG-13 with batch normalisation after each convolution, as torchvision has it.

    133,053,736 parameters, published top-1 0.71586 at 224 pixels. All else
    as `VGG11`.
    """
    return assemble("vgg13_bn", FAMILY, options)


def VGG16(**options: Unpack[Options]) -> Model:
    """VGG-16, arXiv:1409.1556, column D: three convolutions in the last three stages.

    138,357,544 parameters, published top-1 0.71592 at 224 pixels. All else
    as `VGG11`.
    """
    return assemble("vgg16", FAMILY, options)


def VGG16BN(**options: Unpack[Options]) -> Model:
    """VGG-16 with batch normalisation after each convolution, as torchvision has it.

    138,365,992 parameters, published top-1 0.7336 at 224 pixels. All else
    as `VGG11`.
    """
    return assemble("vgg16_bn", FAMILY, options)


def VGG19(**options: Unpack[Options]) -> Model:
    """VGG-19, arXiv:1409.1556, column E: four convolutions in the last three stages.

    143,667,240 parameters, published top-1 0.72376 at 224 pixels. All else
    as `VGG11`.
    """
    return assemble("vgg19", FAMILY, options)


def VGG19BN(**options: Unpack[Options]) -> Model:
    """VGG-19 with batch normalisation after each convolution, as torchvision has it.

    143,678,248 parameters, published top-1 0.74218 at 224 pixels. All else
    as `VGG11`.
    """
    return assemble("vgg19_bn", FAMILY, options)


def VGGTest(**options: Unpack[Options]) -> Model:
    """All stages of VGG-11 with batch normalisation, a few channels wide, for tests: 64 pixels."""
    return assemble("vgg_test", FAMILY, options)
