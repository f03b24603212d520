"""The smallest network that shows what "residual" means: every block adds its input as it is.

The block is equation 1 of He et al., Deep Residual Learning for Image Recognition, arXiv:1512.03385;
the network is from no paper. One width throughout and no change of size, so that no shortcut needs a
projection: seven convolutions, one at the stem and two in each of three blocks. The second convolution
of a block has no batch normalisation, unlike the paper's.
"""

from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, layers

from tlkit.backbones.frame import Family, assemble
from tlkit.backbones.layers import TORCH, Geometry, activation, conv, conv_norm, drop_path, mark
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    blocks: int
    width: int
    parameters: int
    total_parameters: int
    multiply_adds: int
    geometries: tuple[str, ...] = ("torch",)
    image_size: int = 28
    classes: int = 10
    channels: int = 1
    least: int = 1  # nothing is halved
    dropout: float = 0.0
    year: int | None = None  # for teaching, from no paper


VARIANTS = {
    "simple_resnet": Variant(3, 32, 56_170, 56_426, 43_578_176),
    # Every stage, in a blink.
    "simple_resnet_test": Variant(2, 6, 1_456, 1_492, 1_058_460),
}

GEOMETRIES = {"torch": TORCH}


def block(x: KerasTensor, geometry: Geometry, dropped: float, name: str) -> KerasTensor:
    """Convolution, normalisation, ReLU, convolution; plus what came in; ReLU."""
    shortcut, width = x, x.shape[-1]
    x = conv_norm(x, width, 3, geometry=geometry, name=f"{name}_conv1")
    x = conv(x, width, 3, bias=geometry.bias, name=f"{name}_conv2")
    x = layers.Add(name=f"{name}_add")([drop_path(x, dropped, name), shortcut])
    return activation(x, "relu", name)


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 1) to (batch, h, w, width)."""
    x = mark(conv_norm(x, variant.width, 3, geometry=geometry, name="stem_conv"), "stem")
    for index in range(variant.blocks):
        # From 0 at the first block to the full share at the last, as timm counts.
        dropped = options["drop_path"] * index / (variant.blocks - 1)
        x = block(x, geometry, dropped, f"stage1_block{index + 1}")
    return mark(x, "stage1")


FAMILY = Family(VARIANTS, GEOMETRIES, body, {})


def SimpleResNet(**options: Unpack[Options]) -> Model:
    """A residual network without a projection, for MNIST: 56,170 parameters.

    From no paper: the residual block of He et al., arXiv:1512.03385, equation 1, three times at one width,
    so that every shortcut is the identity. It shows what a sum does that a stack of layers does not.

    Takes    (batch, 28, 28, 1), grey, uint8 or float32, pixels 0–255, scaled to −1…1 inside. With
             input_shape=(28, 28, 3) RGB.
    Returns  (batch, 10), float32, each row sums to 1; with include_top=False (batch, 28, 28, 32),
             with pooling="avg" as well (batch, 32).

    Any other size: `input_shape`. 256 moving statistics come on top of the parameters. Random weights:
    none are published. All options: `options.Options`.
    Stages for taps and freezing: `stem` and `stage1`, both at stride 1.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("simple_resnet", FAMILY, options)


def SimpleResNetTest(**options: Unpack[Options]) -> Model:
    """Two of the three blocks, a few channels wide, for tests: 28 pixels."""
    return assemble("simple_resnet_test", FAMILY, options)
