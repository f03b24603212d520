"""ResNeXt-50 and -101, Wide ResNet-50-2 and SE-ResNet-50: ResNets whose bottlenecks are built otherwise.

Xie et al., Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431 (2016), table
1: the 3×3 in 32 or 64 groups of channels. Zagoruyko and Komodakis, Wide Residual Networks,
arXiv:1605.07146 (2016): the 3×3 twice as wide. Hu et al., Squeeze-and-Excitation Networks,
arXiv:1709.01507 (2017), table 1: each channel weighed by what the whole map shows.

Geometry: `torch`, torchvision's and timm's, the stride of a stage in the 3×3 of its first block. The
original SE-ResNet-50 (timm's legacy_seresnet50) has it in the first 1×1, and a stem pool that rounds up.
"""

from typing import NamedTuple, Unpack

from keras import KerasTensor, Model

from tlkit.backbones.conversion import Source
from tlkit.backbones.frame import LOGITS, Family, assemble
from tlkit.backbones.layers import TORCH, Geometry, bottleneck, conv_norm, mark, max_pool
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    depths: tuple[int, ...]  # blocks in each stage
    stem: int  # channels; a quarter of stage 1's
    width: int  # channels of stage 1's 3×3
    groups: int  # of the 3×3: the paper's cardinality
    squeeze: int | None  # channels of a block for one within its squeeze-and-excite; None: it has none
    image_size: int
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...] = ("torch",)
    dropout: float = 0.0  # the papers have none
    classes: int = 1000
    channels: int = 3
    least: int = 32  # five halvings
    year: int = 2016  # of the paper


# fmt: off
VARIANTS = {
    "resnext50_32x4d": Variant((3, 4, 6, 3), 64, 128, 32, None, 224,
                               25_028_904, 25_097_128, 4_230_479_872),
    "resnext101_32x8d": Variant((3, 4, 23, 3), 64, 256, 32, None, 224,
                                88_791_336, 88_994_216, 16_414_015_488),
    "resnext101_64x4d": Variant((3, 4, 23, 3), 64, 256, 64, None, 224,
                                83_455_272, 83_658_152, 15_460_270_080),
    "se_resnet50": Variant((3, 4, 6, 3), 64, 64, 1, 16, 224,
                           28_088_024, 28_141_144, 4_091_699_200, year=2017),
    "wide_resnet50_2": Variant((3, 4, 6, 3), 64, 128, 1, None, 224,
                               68_883_240, 68_951_464, 11_398_021_120),
    # Every stage, in a blink; from no paper. One in groups, one with squeeze-and-excite.
    "resnext_test": Variant((1, 1, 1, 1), 8, 16, 4, None, 64, 418_448, 421_344, 3_852_288),
    "se_resnet_test": Variant((1, 1, 1, 1), 8, 8, 1, 16, 64, 397_688, 400_104, 3_192_320),
}
# fmt: on

GEOMETRIES = {"torch": TORCH}


def squeezed(channels: int, squeeze: int) -> int:
    """Channels within squeeze-and-excite: to the nearest multiple of eight, as timm rounds."""
    return max(8, (channels // squeeze + 4) // 8 * 8)


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, 32·stem)."""
    x = conv_norm(x, variant.stem, 7, 2, geometry=geometry, name="stem_conv")
    x = max_pool(mark(x, "stem"), 3, 2, name="stage1_pool")
    last, done = sum(variant.depths) - 1, 0
    for stage, depth in enumerate(variant.depths, start=1):
        width, channels = variant.width * 2 ** (stage - 1), 4 * variant.stem * 2 ** (stage - 1)
        for index in range(1, depth + 1):
            x = bottleneck(
                x,
                width,
                channels,
                2 if stage > 1 and index == 1 else 1,
                geometry=geometry,
                name=f"stage{stage}_block{index}",
                dropped=options["drop_path"] * done / last,
                groups=variant.groups,
                squeeze=squeezed(channels, variant.squeeze) if variant.squeeze else None,
            )
            done += 1
        x = mark(x, f"stage{stage}")
    return x


def names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as torchvision and timm call them."""
    found: dict[str, Source] = {"stem_conv": "conv1", "stem_conv_norm": "bn1"}
    for stage, depth in enumerate(variant.depths, start=1):
        for index in range(depth):
            ours, theirs = f"stage{stage}_block{index + 1}", f"layer{stage}.{index}"
            for number, part in enumerate(("reduce", "spatial", "expand"), start=1):
                found[f"{ours}_{part}"] = f"{theirs}.conv{number}"
                found[f"{ours}_{part}_norm"] = f"{theirs}.bn{number}"
            if variant.squeeze:
                found[f"{ours}_squeeze_conv"] = f"{theirs}.se.fc1"
                found[f"{ours}_excite_conv"] = f"{theirs}.se.fc2"
            if index == 0:
                found[f"{ours}_shortcut"] = f"{theirs}.downsample.0"
                found[f"{ours}_shortcut_norm"] = f"{theirs}.downsample.1"
    return {**found, LOGITS: "fc"}


FAMILY = Family(VARIANTS, GEOMETRIES, body, {"torchvision": names, "timm": names})


def ResNeXt50_32x4d(**options: Unpack[Options]) -> Model:
    """ResNeXt-50 (32×4d), arXiv:1611.05431: 25,028,904 parameters, published top-1 0.81198 at 224 pixels.

    Xie et al. (2016) made the count of parallel paths a third measure of a network, beside depth and
    width: ResNet-50 with the 3×3 of each block twice as wide and in 32 groups, of 4 channels each in
    stage 1, at about the same cost. The published figures are those of the default weights.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 7, 7, 2048), with pooling="avg" as well (batch, 2048).

    Other sizes from 32 pixels on: `input_shape`. All options: `options.Options`.
    Stages for taps and freezing: `stem` (stride 2), `stage1` (4), `stage2` (8), `stage3` (16),
    `stage4` (32). Geometry: `torch`.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("resnext50_32x4d", FAMILY, options)


def ResNeXt101_32x8d(**options: Unpack[Options]) -> Model:
    """ResNeXt-101 (32×8d): 88,791,336 parameters, published top-1 0.82834 at 224 pixels.

    As `ResNeXt50_32x4d`, with 23 blocks in stage 3 instead of 6 and groups of 8 channels in stage 1.
    """
    return assemble("resnext101_32x8d", FAMILY, options)


def ResNeXt101_64x4d(**options: Unpack[Options]) -> Model:
    """ResNeXt-101 (64×4d): 83,455,272 parameters, published top-1 0.83246 at 224 pixels.

    As `ResNeXt101_32x8d`, as wide, in 64 groups. The figure stands so far above because torchvision
    trained this one by a later recipe.
    """
    return assemble("resnext101_64x4d", FAMILY, options)


def SEResNet50(**options: Unpack[Options]) -> Model:
    """SE-ResNet-50, arXiv:1709.01507: 28,088,024 parameters, published top-1 0.8026 at 224 pixels.

    Hu et al. (2017) let the whole map decide how much each channel counts: ResNet-50 whose blocks end
    in the means of all channels, two dense layers by way of a sixteenth of them, and a gate from 0 to 1
    for each. As `ResNeXt50_32x4d` otherwise, in one group. The published figure is that of its default
    weights.
    """
    return assemble("se_resnet50", FAMILY, options)


def WideResNet50_2(**options: Unpack[Options]) -> Model:
    """Wide ResNet-50-2, arXiv:1605.07146: 68,883,240 parameters, published top-1 0.81602 at 224 pixels.

    Zagoruyko and Komodakis (2016) traded depth for width: ResNet-50 with the 3×3 of each block twice as
    wide, about as good as ResNet-152 and faster. As `ResNeXt50_32x4d` otherwise, in one group.
    """
    return assemble("wide_resnet50_2", FAMILY, options)


def ResNeXtTest(**options: Unpack[Options]) -> Model:
    """All stages of ResNeXt, eight channels wide in four groups, for tests: random weights, 64 pixels."""
    return assemble("resnext_test", FAMILY, options)


def SEResNetTest(**options: Unpack[Options]) -> Model:
    """All stages of SE-ResNet, eight channels wide, for tests: random weights, 64 pixels."""
    return assemble("se_resnet_test", FAMILY, options)
