"""A small convolutional network of the kind that introductions to MNIST train; from no paper.

Two pairs of a 3×3 convolution with ReLU and a 2×2 maximum, then two dense layers: nothing in it that
LeNet-5 has not but ReLU, the maximum and zeros around the convolutions. Of its 206,922 parameters
200,832 lie in the first dense layer, one for each place of the feature map and each unit.
"""

from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, layers

from tlkit.backbones.frame import Family, assemble, logits
from tlkit.backbones.layers import TORCH, Geometry, activation, conv, mark
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    filters: tuple[int, int]
    dense: int
    parameters: int
    total_parameters: int
    multiply_adds: int
    geometries: tuple[str, ...] = ("torch",)
    image_size: int = 28
    classes: int = 10
    channels: int = 1
    least: int = 4  # two halvings
    dropout: float = 0.0
    year: int | None = None  # for teaching, from no paper


VARIANTS = {
    "small_cnn": Variant((16, 32), 128, 206_922, 206_922, 1_218_048),
    # Every stage, in a blink.
    "small_cnn_test": Variant((6, 8), 16, 6_958, 6_958, 133_440),
}

GEOMETRIES = {"torch": TORCH}  # of which nothing is read: stride 1, no normalisation


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 1) to (batch, h/4, w/4, filters[1]), rounded down."""
    first, second = variant.filters
    x = mark(activation(conv(x, first, 3, name="stem_conv"), "relu", "stem_conv"), "stem")
    x = layers.MaxPooling2D(2, name="stage1_pool")(x)
    x = mark(activation(conv(x, second, 3, name="stage1_conv"), "relu", "stage1_conv"), "stage1")
    return mark(layers.MaxPooling2D(2, name="stage2_pool")(x), "stage2")


def top(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """The map's places one by one, a dense layer with ReLU, dropout, the classes."""
    x = layers.Flatten(name="top_flatten")(x)
    x = layers.Dense(variant.dense, activation="relu", kernel_initializer="he_normal", name="top_dense")(x)
    return logits(layers.Dropout(options["dropout"], name="top_dropout")(x), options)


UNUSED = {"drop_path": "it has no residual branches"}
FAMILY = Family(VARIANTS, GEOMETRIES, body, {}, top=top, unused=UNUSED, flattens=True)


def SmallCNN(**options: Unpack[Options]) -> Model:
    """A small network for MNIST, two convolutions and two dense layers: 206,922 parameters.

    From no paper: what introductions to MNIST train. It shows where parameters go: 97 % of them lie in the
    first dense layer.

    Takes    (batch, 28, 28, 1), grey, uint8 or float32, pixels 0–255, scaled to −1…1 inside. With
             input_shape=(28, 28, 3) RGB.
    Returns  (batch, 10), float32, each row sums to 1; with include_top=False (batch, 7, 7, 32),
             with pooling="avg" as well (batch, 32).

    Other sizes from 4 pixels on: `input_shape`; the top has a weight for each place, so that its
    parameters grow with the size. Random weights: none are published. All options:
    `options.Options`, of which drop_path would do nothing.
    Stages for taps and freezing: `stem` (stride 1), `stage1` (2), `stage2` (4, the last pool).

    Raises `UsageError` for options that do not fit.
    """
    return assemble("small_cnn", FAMILY, options)


def SmallCNNTest(**options: Unpack[Options]) -> Model:
    """All stages of the small network, fewer filters, for tests: 28 pixels."""
    return assemble("small_cnn_test", FAMILY, options)
