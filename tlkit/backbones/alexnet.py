"""AlexNet: the network of two halves of 2012, and the single tower of 2014 whose weights torchvision has.

Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional Neural Networks,
NeurIPS 2012: two graphics cards, each with half of the channels, that meet in the third convolution
and in the dense layers; response normalisation after the first two ReLUs, before their pools.
Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997: one
tower of other widths; `alexnet` is torchvision's build of it, without normalisation.

The paper of 2012 says 224 pixels, but 55×55 places of an 11×11 kernel at stride 4 need 227.
"""

from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, layers

from tlkit.backbones.conversion import Seen, Source
from tlkit.backbones.frame import LOGITS, Family, assemble, logits
from tlkit.backbones.layers import HE_INCOMING, Geometry, conv_relu, dense_relu, mark, response_norm
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    widths: tuple[int, int, int, int, int]  # channels of the convolutions
    halves: bool  # the second, fourth and fifth see only their half of the channels before
    responses: bool  # are normalised after the first and the second
    pad: int  # zeros around the photograph
    hidden: int  # width of the two dense layers before the logits
    dropped: str  # where the top's dropout stands: before its hidden layers or after them
    image_size: int  # pixels a side of the published figures
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # the same: nothing has moving statistics
    multiply_adds: int  # at image_size
    least: int  # pixels a side that leave one place after the last pool
    geometries: tuple[str, ...] = ("torch",)
    dropout: float = 0.5
    classes: int = 1000
    channels: int = 3
    year: int = 2014  # of the paper


# fmt: off
TOWER, HALVES = (64, 192, 384, 256, 256), (96, 256, 384, 384, 256)

VARIANTS = {
    "alexnet": Variant(TOWER, False, False, 2, 4096, "before", 224, 61_100_840, 61_100_840,
                       714_188_480, 63),
    "alexnet_2012": Variant(HALVES, True, True, 0, 4096, "after", 227, 60_965_224, 60_965_224,
                            724_406_816, 67, year=2012),
    # Every stage of each, in a blink; from no paper.
    "alexnet_test": Variant((8, 16, 16, 16, 16), False, False, 2, 32, "before", 96, 49_224, 49_224,
                            2_131_288, 63),
    "alexnet_2012_test": Variant((8, 16, 16, 16, 16), True, True, 0, 32, "after", 99, 45_320, 45_320,
                                 1_880_088, 67),
}
# fmt: on

GEOMETRIES = {"torch": Geometry("torch", 1e-5, 0.9, bias=True)}


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, about h/32, about w/32, the last width)."""
    groups = 2 if variant.halves else 1
    first, second, third, fourth, fifth = variant.widths
    # Over incoming connections: Keras counts the outgoing ones of both halves, and nothing makes up for it.
    he = {"initial": HE_INCOMING}
    if variant.pad:
        x = layers.ZeroPadding2D(variant.pad, name="stem_conv_pad")(x)
    x = conv_relu(x, first, 11, 4, padding="valid", name="stem_conv", **he)
    x = mark(response_norm(x) if variant.responses else x, "stem")
    x = layers.MaxPooling2D(3, 2, name="stage1_pool")(x)
    x = conv_relu(x, second, 5, groups=groups, name="stage1_conv", **he)
    x = mark(response_norm(x) if variant.responses else x, "stage1")
    x = layers.MaxPooling2D(3, 2, name="stage2_pool")(x)
    x = conv_relu(x, third, 3, name="stage2_conv1", **he)
    x = conv_relu(x, fourth, 3, groups=groups, name="stage2_conv2", **he)
    x = conv_relu(x, fifth, 3, groups=groups, name="stage2_conv3", **he)
    x = mark(x, "stage2")
    return mark(layers.MaxPooling2D(3, 2, name="stage3_pool")(x), "stage3")


def top(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """The whole map into two hidden dense layers, then the logits."""
    x = layers.Flatten(name="top_flatten")(x)
    for name in ("top_dense1", "top_dense2"):
        dropout = layers.Dropout(options["dropout"], name=f"{name}_dropout")
        if variant.dropped == "before":
            x = dense_relu(dropout(x), variant.hidden, name=name)
        else:
            x = dropout(dense_relu(x, variant.hidden, name=name))
    return logits(x, options)


def torchvision_names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Its layers are numbered through, activations, pools and dropout as well."""
    ours = ("stem_conv", "stage1_conv", "stage2_conv1", "stage2_conv2", "stage2_conv3")
    found: dict[str, Source] = {
        name: f"features.{place}" for name, place in zip(ours, (0, 3, 6, 8, 10), strict=True)
    }
    flat = Seen("classifier.1", (variant.widths[-1], 6, 6))
    return {**found, "top_dense1": flat, "top_dense2": "classifier.4", LOGITS: "classifier.6"}


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"torchvision": torchvision_names},
    top=top,
    unused={"drop_path": "it has no residual branches"},
    flattens=True,
)


def AlexNet(**options: Unpack[Options]) -> Model:
    """AlexNet in one tower, arXiv:1404.5997 (2014), as torchvision has it: 61,100,840 parameters.

    The network of 2012 (`AlexNet2012`) without halves and response normalisation, and narrower in its
    convolutions; published top-1 0.56522 at 224 pixels.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 6, 6, 256), with pooling="avg" as well (batch, 256).

    Other sizes from 63 pixels on: `input_shape`; the top's first dense layer, which has a weight for
    each place of the last map, grows with them. All options: `options.Options`.
    Stages for taps and freezing: `stem` (stride 4), `stage1` (8) and `stage2` (16) before their pools,
    `stage3` (32), the last pool.

    Raises `UsageError` for options that do not fit, `WeightsError` if the weights cannot be had.
    """
    return assemble("alexnet", FAMILY, options)


def AlexNet2012(**options: Unpack[Options]) -> Model:
    """AlexNet as in its paper, NeurIPS 2012: ReLUs, dropout, overlapping pools, response normalisation.

    60,965,224 parameters, two halves that meet in the third convolution and in the dense layers. Takes
    227 pixels a side, other sizes from 67 on; without the top (batch, 6, 6, 256). All else as `AlexNet`.

    The paper's 40.7 % top-1 error (table 2, one network) is the mean over ten crops of a photograph, so
    that no figure for one crop stands here.
    """
    return assemble("alexnet_2012", FAMILY, options)


def AlexNetTest(**options: Unpack[Options]) -> Model:
    """All stages of `AlexNet`, a few channels wide, for tests: random weights, 96 pixels."""
    return assemble("alexnet_test", FAMILY, options)


def AlexNet2012Test(**options: Unpack[Options]) -> Model:
    """All stages of `AlexNet2012`, a few channels wide, for tests: random weights, 99 pixels."""
    return assemble("alexnet_2012_test", FAMILY, options)
