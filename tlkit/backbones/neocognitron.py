"""The neocognitron, the first convolutional network, as a small stand-in that learns by backpropagation.

Fukushima, Neocognitron: A Self-organizing Neural Network Model for a Mechanism of Pattern Recognition
Unaffected by Shift in Position, Biological Cybernetics 36, 1980. Kept from it: layers of S-cells, which
find a feature, and of C-cells, which blur its place, three times in turn; planes of cells that share
their weights; an S-cell's excitation e held against the inhibition v of all that it sees, the root mean
square of its field, (1 + e) / (1 + v) − 1, half-wave rectified; a C-cell's saturation p / (1 + p).

What differs from 1980:

- It learns by backpropagation from labels. The neocognitron taught itself without any: the cell that
  answers most strongly in its neighbourhood is the seed cell, and its weights grow for all of its plane.
- Excitatory weights may be negative and have a bias. The paper's are not negative; for each plane it
  learns how strongly v inhibits, and constants in each layer say how selective its S-cells are and at
  what input its C-cells saturate. Here all are 1.
- S-cells see 5×5 places of all planes, zeros around, at full size. The paper's fields weigh the centre
  more, v included; here v is a plain average. A constant under its root keeps the gradient finite.
- C-cells blur 2×2 places at stride 2 evenly. The paper's weights for it are fixed as well, but larger in
  the middle, and C-cells are inhibited by the mean of all planes, which is left out.
- The input is 28 pixels a side for MNIST instead of 16, so that planes have other sizes. The paper's last
  C-cells, one for each plane, name the class; here a global average and a dense layer do.

No weights and no accuracy are published for such a form.
"""

from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, initializers, layers, ops

from tlkit.backbones.frame import Family, assemble
from tlkit.backbones.layers import TORCH, Geometry, mark
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    planes: int  # of every layer
    parameters: int
    total_parameters: int
    multiply_adds: int
    geometries: tuple[str, ...] = ("torch",)
    image_size: int = 28
    classes: int = 10
    channels: int = 1
    least: int = 8  # three halvings
    dropout: float = 0.0
    year: int = 1980  # of the paper


VARIANTS = {
    "neocognitron": Variant(24, 29_722, 29_722, 3_998_640),
    # Every stage, in a blink.
    "neocognitron_test": Variant(6, 2_038, 2_038, 338_160),
}

GEOMETRIES = {"torch": TORCH}  # of which nothing is read: stride 1, no normalisation

# Twice He's spread, over incoming connections: inhibition takes more from e than a ReLU does. With his own
# the answers to MNIST's digits fade to a root mean square of 0.010 at S3 before training, with this to 0.11.
INITIAL = initializers.VarianceScaling(8.0, mode="fan_in", distribution="truncated_normal")
FLOOR = 1e-4  # under the root of the inhibition: its slope at 0 would be infinite


def s_layer(u: KerasTensor, planes: int, name: str) -> KerasTensor:
    """relu((1 + e) / (1 + v) − 1): cells that answer to one feature, wherever it lies."""
    e = layers.Conv2D(planes, 5, padding="same", kernel_initializer=INITIAL.clone(), name=name)(u)
    # Products and roots that phones have in integers: they have no squares.
    power = ops.mean(u * u, axis=-1, keepdims=True)
    # "same": at the border over the places inside alone.
    power = layers.AveragePooling2D(5, 1, "same", name=f"{name}_field")(power)
    v = (power + FLOOR) * ops.rsqrt(power + FLOOR)
    return layers.ReLU(name=f"{name}_relu")((e - v) / (1 + v))


def c_layer(s: KerasTensor, name: str) -> KerasTensor:
    """Cells that answer wherever in 2×2 places the feature lies, and ever less to more of it."""
    return layers.Activation("softsign", name=f"{name}_softsign")(layers.AveragePooling2D(2, name=name)(s))


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 1) to C3: (batch, h/8, w/8, planes), rounded down."""
    x = mark(s_layer(x, variant.planes, "s1"), "stem")
    x = mark(s_layer(c_layer(x, "c1"), variant.planes, "s2"), "stage1")
    x = mark(s_layer(c_layer(x, "c2"), variant.planes, "s3"), "stage2")
    return mark(c_layer(x, "c3"), "stage3")


UNUSED = {"drop_path": "it has no residual branches"}
FAMILY = Family(VARIANTS, GEOMETRIES, body, {}, unused=UNUSED)


def Neocognitron(**options: Unpack[Options]) -> Model:
    """A neocognitron that learns by backpropagation: 29,722 parameters.

    Fukushima, 1980: features found by cells that share their weights, then blurred, and again. This
    module's docstring says what differs from the paper.

    Takes    (batch, 28, 28, 1), grey, uint8 or float32, pixels 0–255, scaled to −1…1 inside. With
             input_shape=(28, 28, 3) RGB.
    Returns  (batch, 10), float32, each row sums to 1; with include_top=False (batch, 3, 3, 24),
             with pooling="avg" as well (batch, 24).

    Other sizes from 8 pixels on: `input_shape`. Random weights: none are published. All options:
    `options.Options`, of which drop_path would do nothing.
    Layers are called as in the paper, `s1`, `c1` … `c3`. Stages for taps and freezing: `stem` (S1,
    stride 1), `stage1` (C1 and S2, 2), `stage2` (C2 and S3, 4), `stage3` (C3, 8).

    Raises `UsageError` for options that do not fit.
    """
    return assemble("neocognitron", FAMILY, options)


def NeocognitronTest(**options: Unpack[Options]) -> Model:
    """All layers of the neocognitron, a few planes wide, for tests: 28 pixels."""
    return assemble("neocognitron_test", FAMILY, options)
