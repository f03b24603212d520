"""LeNet-5 as it is taught today, at 28 and at 32 pixels.

LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document Recognition,
Proceedings of the IEEE 86(11), 1998, section II.B. What differs from the paper:

- S2 and S4 are plain averages of 2×2 places; the paper's multiply the sum of the four by a coefficient
  and add a bias, both trained for each map, and squash the result.
- C3 sees all six maps of S2; in the paper's table 1 most of its maps see three or four of them.
- tanh is plain; the paper's is 1.7159 tanh(2a/3).
- The output is a dense layer for softmax; the paper's measures the distance to a fixed bitmap of each
  class (radial basis functions).
- Pixels come in as −1 to 1; the paper's are −0.1 for white and 1.175 for black.

C5, a convolution as large as its map, is the dense layer that it amounts to. No convolution is padded;
`lenet5` takes MNIST's digits as they are, `lenet5_32` in the paper's field of 32 pixels.
"""

from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, layers

from tlkit.backbones.frame import Family, assemble, logits
from tlkit.backbones.layers import TORCH, Geometry, conv, mark
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    maps: tuple[int, int]  # of C1 and C3
    dense: tuple[int, int]  # C5 and F6
    image_size: int
    parameters: int
    total_parameters: int
    multiply_adds: int
    geometries: tuple[str, ...] = ("paper",)
    classes: int = 10
    channels: int = 1
    least: int = 16  # leaves one place of S4
    dropout: float = 0.0
    year: int = 1998  # of the paper


VARIANTS = {
    "lenet5": Variant((6, 16), (120, 84), 28, 44_426, 44_426, 281_640),
    "lenet5_32": Variant((6, 16), (120, 84), 32, 61_706, 61_706, 416_520),
    # Every stage, in a blink; from no paper.
    "lenet_test": Variant((4, 6), (12, 8), 20, 1_204, 1_204, 35_664),
}

GEOMETRIES = {"paper": TORCH}  # of which nothing is read: no zeros around, no normalisation


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 1) to S4: (batch, (h − 12) / 4, (w − 12) / 4, maps[1])."""
    c1, c3 = variant.maps
    x = mark(convolved(x, c1, "stem_conv"), "stem")
    x = layers.AveragePooling2D(2, name="stage1_pool")(x)
    x = mark(convolved(x, c3, "stage1_conv"), "stage1")
    return mark(layers.AveragePooling2D(2, name="stage2_pool")(x), "stage2")


def convolved(x: KerasTensor, maps: int, name: str) -> KerasTensor:
    """5×5 within the borders, tanh."""
    return layers.Activation("tanh", name=f"{name}_tanh")(conv(x, maps, 5, padding="valid", name=name))


def top(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """S4's places one by one, C5, F6, dropout, the classes."""
    x = layers.Flatten(name="top_flatten")(x)
    for number, width in enumerate(variant.dense, start=1):
        x = layers.Dense(width, activation="tanh", name=f"top_dense{number}")(x)
    return logits(layers.Dropout(options["dropout"], name="top_dropout")(x), options)


UNUSED = {"drop_path": "it has no residual branches"}
FAMILY = Family(VARIANTS, GEOMETRIES, body, {}, top=top, unused=UNUSED, flattens=True)


def LeNet5(**options: Unpack[Options]) -> Model:
    """LeNet-5 for MNIST's digits as they are: 44,426 parameters.

    LeCun et al., 1998: convolutions and sub-sampling in turn, trained from pixels to classes by
    backpropagation. This module's docstring says what differs from the paper.

    Takes    (batch, 28, 28, 1), grey, uint8 or float32, pixels 0–255, scaled to −1…1 inside. With
             input_shape=(28, 28, 3) RGB.
    Returns  (batch, 10), float32, each row sums to 1; with include_top=False (batch, 4, 4, 16),
             with pooling="avg" as well (batch, 16).

    Other sizes from 16 pixels on: `input_shape`; the top has a weight for each place, so that its
    parameters grow with the size. Random weights: none are published for this form. All options:
    `options.Options`, of which drop_path would do nothing.
    Stages for taps and freezing: `stem` (C1, stride 1), `stage1` (S2 and C3, 2), `stage2` (S4, 4).

    Raises `UsageError` for options that do not fit.
    """
    return assemble("lenet5", FAMILY, options)


def LeNet5_32(**options: Unpack[Options]) -> Model:
    """LeNet-5 in the paper's field of 32 pixels: 61,706 parameters.

    As `LeNet5`; takes (batch, 32, 32, 1), without the top (batch, 5, 5, 16). The paper's 60,000 are
    900 fewer in C3, 44 more in the sub-sampling, and no trained output (850).
    """
    return assemble("lenet5_32", FAMILY, options)


def LeNetTest(**options: Unpack[Options]) -> Model:
    """All stages of LeNet-5, a few maps wide, for tests: 20 pixels."""
    return assemble("lenet_test", FAMILY, options)
