"""ConvNeXt and ConvNeXt V2: a plain convolutional network with what vision transformers had learned.

Liu et al., A ConvNet for the 2020s, arXiv:2201.03545 (2022), sections 2 and 3; atto to nano are timm's.
Woo et al., ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders, arXiv:2301.00808
(2023); its small is timm's. A block is a 7×7 of one kernel a channel, layer normalisation, a 1×1 up to
four times the channels, GELU (the exact one), a 1×1 down. V1 scales that branch by channel, from 1e-6 on;
V2 does not, and normalises after the GELU how strongly each channel responds.

Geometry: `torch`, which is everyone's: 4×4 and 2×2 steps without zeros, which leave out an odd map's last
place, layer normalisation with epsilon 1e-6. The 1×1 are convolutions here, dense layers to some. Without
the top the last map comes as torchvision's `features` leave it; keras.applications normalises it first,
which is `top_norm` here and comes after the pooling, as with all publishers' tops.
"""

from typing import NamedTuple, Unpack

from keras import KerasTensor, Model, initializers, layers, ops

from tlkit.backbones.conversion import Seen, Source, Stored
from tlkit.backbones.frame import LOGITS, Family, assemble, logits
from tlkit.backbones.layers import TORCH, Geometry, drop_path, mark
from tlkit.backbones.options import Options


class Variant(NamedTuple):
    depths: tuple[int, int, int, int]  # blocks in each stage
    width: int  # channels of the stem and of stage 1
    scale: float | None  # V1: what branches are multiplied by at first; None: V2, responses normalised
    parameters: int  # trainable, 1000 classes, as papers count; recounted by a test
    multiply_adds: int  # at image_size
    image_size: int = 224
    year: int = 2022  # of the paper
    geometries: tuple[str, ...] = ("torch",)
    dropout: float = 0.0  # the papers have none
    classes: int = 1000
    channels: int = 3
    least: int = 32  # a quarter, then three halvings

    @property
    def total_parameters(self) -> int:
        """As many as are trained: layer normalisation keeps no statistics."""
        return self.parameters


# fmt: off
VARIANTS = {
    "convnext_atto": Variant((2, 2, 6, 2), 40, 1e-6, 3_695_520, 547_332_480),
    "convnext_femto": Variant((2, 2, 6, 2), 48, 1e-6, 5_217_784, 779_629_824),
    "convnext_pico": Variant((2, 2, 6, 2), 64, 1e-6, 9_045_672, 1_367_055_360),
    "convnext_nano": Variant((2, 2, 8, 2), 80, 1e-6, 15_593_560, 2_445_528_320),
    "convnext_tiny": Variant((3, 3, 9, 3), 96, 1e-6, 28_589_128, 4_455_531_264),
    "convnext_small": Variant((3, 3, 27, 3), 96, 1e-6, 50_223_688, 8_683_712_256),
    "convnext_base": Variant((3, 3, 27, 3), 128, 1e-6, 88_591_464, 15_354_729_472),
    "convnext_large": Variant((3, 3, 27, 3), 192, 1e-6, 197_767_336, 34_361_433_600),
    "convnext_xlarge": Variant((3, 3, 27, 3), 256, 1e-6, 350_196_968, 60_921_030_656),
    "convnext_v2_atto": Variant((2, 2, 6, 2), 40, None, 3_708_400, 547_332_480, year=2023),
    "convnext_v2_femto": Variant((2, 2, 6, 2), 48, None, 5_233_240, 779_629_824, year=2023),
    "convnext_v2_pico": Variant((2, 2, 6, 2), 64, None, 9_066_280, 1_367_055_360, year=2023),
    "convnext_v2_nano": Variant((2, 2, 8, 2), 80, None, 15_623_800, 2_445_528_320, year=2023),
    "convnext_v2_tiny": Variant((3, 3, 9, 3), 96, None, 28_635_496, 4_455_531_264, year=2023),
    "convnext_v2_small": Variant((3, 3, 27, 3), 96, None, 50_318_440, 8_683_712_256, year=2023),
    "convnext_v2_base": Variant((3, 3, 27, 3), 128, None, 88_717_800, 15_354_729_472, year=2023),
    "convnext_v2_large": Variant((3, 3, 27, 3), 192, None, 197_956_840, 34_361_433_600, year=2023),
    "convnext_v2_huge": Variant((3, 3, 27, 3), 352, None, 660_289_640, 114_922_100_480, year=2023),
    # Every stage, in a blink; from no paper. Scaled so that one step of training shows in every weight.
    "convnext_test": Variant((1, 1, 1, 1), 8, 0.1, 126_992, 973_056, image_size=64),
    "convnext_v2_test": Variant((1, 1, 1, 1), 8, None, 127_832, 973_056, image_size=64, year=2023),
}
# fmt: on

GEOMETRIES = {"torch": TORCH._replace(epsilon=1e-6, bias=True)}


def drawn() -> initializers.Initializer:
    """What kernels start from; for each layer one, or all of a shape would start alike."""
    # The official code's truncated normal distribution ends at ±2: 100 times its deviation.
    return initializers.RandomNormal(stddev=0.02)


def conv(x: KerasTensor, filters: int, kernel: int, *, name: str) -> KerasTensor:
    """Convolution whose windows lie side by side: an odd map's last place is left out."""
    return layers.Conv2D(filters, kernel, kernel, kernel_initializer=drawn(), name=name)(x)


def norm(x: KerasTensor, geometry: Geometry, name: str) -> KerasTensor:
    """Layer normalisation over the channels of each place."""
    return layers.LayerNormalization(epsilon=geometry.epsilon, name=name)(x)


def scaled(x: KerasTensor, start: float, name: str) -> KerasTensor:
    """Each channel times a number of its own."""
    # One operation in every format; an EinsumDense took 12 times as long, five operations on a phone.
    initial = initializers.Constant(start)
    return layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer=initial, name=name)(x)


def responding(x: KerasTensor, name: str) -> KerasTensor:
    """Global response normalisation, arXiv:2301.00808, algorithm 1: a channel counts by its share of all.

    Its gamma and beta are the kernel and the bias of `name`_grn, both 0 at first.
    """
    # float32 under every policy: over a whole map the squares leave float16's range at either end.
    values = ops.cast(x, "float32")
    # Not ops.square: phones have no squares in integers.
    squares = ops.sum(ops.multiply(values, values), axis=(1, 2), keepdims=True)
    # Where a channel is 0 all over, the root has no slope, and its gradient would be no number.
    norms = ops.sqrt(ops.maximum(squares, 1e-12))
    shares = norms / (ops.mean(norms, axis=-1, keepdims=True) + 1e-6)
    weighed = layers.Multiply(name=f"{name}_grn_weigh")([x, shares])
    weighed = layers.DepthwiseConv2D(1, depthwise_initializer="zeros", name=f"{name}_grn")(weighed)
    return layers.Add(name=f"{name}_grn_add")([weighed, x])


def block(x: KerasTensor, variant: Variant, geometry: Geometry, dropped: float, name: str) -> KerasTensor:
    """Inverted bottleneck: one kernel a channel first, 1×1 up to four times the channels, 1×1 down."""
    shortcut, channels = x, x.shape[-1]
    x = layers.DepthwiseConv2D(7, padding="same", depthwise_initializer=drawn(), name=f"{name}_depthwise")(x)
    x = norm(x, geometry, f"{name}_depthwise_norm")
    x = conv(x, 4 * channels, 1, name=f"{name}_expand")
    x = layers.Activation("gelu", name=f"{name}_expand_gelu")(x)
    if variant.scale is None:
        x = responding(x, name)
    x = conv(x, channels, 1, name=f"{name}_project")
    if variant.scale is not None:
        x = scaled(x, variant.scale, f"{name}_scale")
    return layers.Add(name=f"{name}_add")([drop_path(x, dropped, name), shortcut])


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Normalised (batch, h, w, 3) to (batch, h/32, w/32, 8·width)."""
    x = conv(x, variant.width, 4, name="stem_conv")
    x = mark(norm(x, geometry, "stem_conv_norm"), "stem")
    last, done = sum(variant.depths) - 1, 0
    for stage, depth in enumerate(variant.depths, start=1):
        if stage > 1:
            x = norm(x, geometry, f"stage{stage}_downsample_norm")
            x = conv(x, 2 * x.shape[-1], 2, name=f"stage{stage}_downsample")
        for index in range(1, depth + 1):
            dropped = options["drop_path"] * done / last
            x = block(x, variant, geometry, dropped, f"stage{stage}_block{index}")
            done += 1
        x = mark(x, f"stage{stage}")
    return x


def top(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> KerasTensor:
    """Global average pooling, layer normalisation, dropout, one dense layer."""
    x = norm(layers.GlobalAveragePooling2D(name="pool")(x), geometry, "top_norm")
    x = layers.Dropout(options["dropout"], name="top_dropout")(x)
    return logits(x, options)


def blocks(variant: Variant) -> list[tuple[int, int, int]]:
    """Of each block: its stage and its place in it, from 0 on, and its channels."""
    return [
        (stage, place, variant.width * 2**stage)
        for stage, depth in enumerate(variant.depths)
        for place in range(depth)
    ]


def torchvision(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as torchvision calls them."""
    found: dict[str, Source] = {"stem_conv": "features.0.0", "stem_conv_norm": "features.0.1"}
    for stage in (2, 3, 4):
        found[f"stage{stage}_downsample_norm"] = f"features.{2 * stage - 2}.0"
        found[f"stage{stage}_downsample"] = f"features.{2 * stage - 2}.1"
    for stage, place, channels in blocks(variant):
        ours, theirs = f"stage{stage + 1}_block{place + 1}", f"features.{2 * stage + 1}.{place}"
        found[f"{ours}_depthwise"] = f"{theirs}.block.0"
        found[f"{ours}_depthwise_norm"] = f"{theirs}.block.2"
        found[f"{ours}_expand"] = Seen(f"{theirs}.block.3", (channels, 1, 1))
        found[f"{ours}_project"] = Seen(f"{theirs}.block.5", (4 * channels, 1, 1))
        found[f"{ours}_scale"] = Stored(theirs, "layer_scale", (channels, 1, 1))
    return {**found, "top_norm": "classifier.0", LOGITS: "classifier.2"}


def timm(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as timm calls them. The 1×1 are convolutions there up to nano, dense layers from tiny on."""
    found: dict[str, Source] = {"stem_conv": "stem.0", "stem_conv_norm": "stem.1"}
    for stage in (2, 3, 4):
        found[f"stage{stage}_downsample_norm"] = f"stages.{stage - 1}.downsample.0"
        found[f"stage{stage}_downsample"] = f"stages.{stage - 1}.downsample.1"
    for stage, place, channels in blocks(variant):
        ours, theirs = f"stage{stage + 1}_block{place + 1}", f"stages.{stage}.blocks.{place}"
        found[f"{ours}_depthwise"] = f"{theirs}.conv_dw"
        found[f"{ours}_depthwise_norm"] = f"{theirs}.norm"
        found[f"{ours}_expand"] = Seen(f"{theirs}.mlp.fc1", (channels, 1, 1))
        found[f"{ours}_project"] = Seen(f"{theirs}.mlp.fc2", (4 * channels, 1, 1))
        if variant.scale is None:
            found[f"{ours}_grn"] = Stored(f"{theirs}.mlp.grn", "weight", (4 * channels,))
        else:
            found[f"{ours}_scale"] = Stored(theirs, "gamma", (channels,))
    return {**found, "top_norm": "head.norm", LOGITS: "head.fc"}


def keras(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Our layers as keras.applications calls them: after the network, which is called as here."""
    network = next(name for name, row in VARIANTS.items() if row is variant)
    found: dict[str, Source] = {
        "stem_conv": f"{network}_stem_conv",
        "stem_conv_norm": f"{network}_stem_layernorm",
    }
    for stage in (2, 3, 4):
        found[f"stage{stage}_downsample_norm"] = f"{network}_downsampling_layernorm_{stage - 2}"
        found[f"stage{stage}_downsample"] = f"{network}_downsampling_conv_{stage - 2}"
    for stage, place, channels in blocks(variant):
        ours, theirs = f"stage{stage + 1}_block{place + 1}", f"{network}_stage_{stage}_block_{place}"
        # A convolution in as many groups as channels there.
        found[f"{ours}_depthwise"] = Stored(f"{theirs}_depthwise_conv", "kernel", (7, 7, 1, channels))
        found[f"{ours}_depthwise_norm"] = f"{theirs}_layernorm"
        found[f"{ours}_expand"] = Seen(f"{theirs}_pointwise_conv_1", (channels, 1, 1))
        found[f"{ours}_project"] = Seen(f"{theirs}_pointwise_conv_2", (4 * channels, 1, 1))
        found[f"{ours}_scale"] = Stored(f"{theirs}_layer_scale", "gamma", (channels,))
    return {**found, "top_norm": f"{network}_head_layernorm", LOGITS: f"{network}_head_dense"}


FAMILY = Family(
    VARIANTS, GEOMETRIES, body, {"torchvision": torchvision, "timm": timm, "keras": keras}, top=top
)


def ConvNeXtAtto(**options: Unpack[Options]) -> Model:
    """ConvNeXt-Atto: 3,695,520 parameters, published top-1 0.75672 at 224 pixels.

    Liu et al. (arXiv:2201.03545, 2022) changed ResNet-50 step by step into what a Swin transformer is
    made like, and kept it convolutional: windows of 7×7, one normalisation and one activation a block,
    few stages' steps apart from the blocks. Atto, femto, pico and nano are timm's smaller ones. The
    published figures are those of the default weights.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 7, 7, 320), as the last block leaves it, not normalised; with
             pooling="avg" as well (batch, 320).

    Other sizes from 32 pixels on: `input_shape`. All options: `options.Options`.
    Stages for taps and freezing: `stem` and `stage1` (stride 4), `stage2` (8), `stage3` (16), `stage4`
    (32); there is no map of stride 2. Geometry: `torch`.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("convnext_atto", FAMILY, options)


def ConvNeXtFemto(**options: Unpack[Options]) -> Model:
    """ConvNeXt-Femto: 5,217,784 parameters, published top-1 0.77498 at 224 pixels.

    As `ConvNeXtAtto`, a fifth wider; without the top (batch, 7, 7, 384). The figure is timm's
    (convnext_femto.d1_in1k).
    """
    return assemble("convnext_femto", FAMILY, options)


def ConvNeXtPico(**options: Unpack[Options]) -> Model:
    """ConvNeXt-Pico: 9,045,672 parameters, published top-1 0.79516 at 224 pixels.

    As `ConvNeXtAtto`, with 64 channels in stage 1 instead of 40; without the top (batch, 7, 7, 512).
    The figure is timm's (convnext_pico.d1_in1k).
    """
    return assemble("convnext_pico", FAMILY, options)


def ConvNeXtNano(**options: Unpack[Options]) -> Model:
    """ConvNeXt-Nano: 15,593,560 parameters, published top-1 0.82306 at 224 pixels.

    As `ConvNeXtAtto`, twice as wide, with 8 blocks in stage 3 instead of 6; without the top
    (batch, 7, 7, 640). The figure is timm's (convnext_nano.d1h_in1k).
    """
    return assemble("convnext_nano", FAMILY, options)


def ConvNeXtTiny(**options: Unpack[Options]) -> Model:
    """ConvNeXt-T, arXiv:2201.03545: 28,589,128 parameters, published top-1 0.84192 at 224 pixels.

    As `ConvNeXtAtto`, with 96 channels in stage 1 and 3, 3, 9 and 3 blocks: about what ResNet-50
    weighs and costs; without the top (batch, 7, 7, 768).
    """
    return assemble("convnext_tiny", FAMILY, options)


def ConvNeXtSmall(**options: Unpack[Options]) -> Model:
    """ConvNeXt-S: 50,223,688 parameters, published top-1 0.85164 at 224 pixels.

    As `ConvNeXtTiny`, with 27 blocks in stage 3 instead of 9. The figure is torchvision's.
    """
    return assemble("convnext_small", FAMILY, options)


def ConvNeXtBase(**options: Unpack[Options]) -> Model:
    """ConvNeXt-B: 88,591,464 parameters, published top-1 0.85814 at 224 pixels.

    As `ConvNeXtSmall`, a third wider; without the top (batch, 7, 7, 1024). The figure is
    torchvision's.
    """
    return assemble("convnext_base", FAMILY, options)


def ConvNeXtLarge(**options: Unpack[Options]) -> Model:
    """ConvNeXt-L: 197,767,336 parameters, published top-1 0.86612 at 224 pixels.

    As `ConvNeXtSmall`, twice as wide; without the top (batch, 7, 7, 1536). The figure is
    torchvision's.
    """
    return assemble("convnext_large", FAMILY, options)


def ConvNeXtXLarge(**options: Unpack[Options]) -> Model:
    """ConvNeXt-XL: 350,196,968 parameters, published top-1 0.8697 at 224 pixels.

    As `ConvNeXtSmall`, with 256 channels in stage 1; without the top (batch, 7, 7, 2048). The figure
    is timm's (convnext_xlarge.fb_in22k_ft_in1k) and stands so far above because its weights saw the
    larger ImageNet-22k first.
    """
    return assemble("convnext_xlarge", FAMILY, options)


def ConvNeXtV2Atto(**options: Unpack[Options]) -> Model:
    """ConvNeXt V2-Atto, arXiv:2301.00808: 3,708,400 parameters, published top-1 0.76644 at 224 pixels.

    Woo et al. (2023) trained ConvNeXt first to fill in what was masked in a photograph, found that
    many channels then fell silent or said the same, and made them compete: the global response
    normalisation after the GELU, in the place of V1's scale of the branch. As `ConvNeXtAtto` otherwise.
    The published figures of V2 are of weights that are not for commercial use, and so of no default.
    """
    return assemble("convnext_v2_atto", FAMILY, options)


def ConvNeXtV2Femto(**options: Unpack[Options]) -> Model:
    """ConvNeXt V2-Femto: 5,233,240 parameters, published top-1 0.78476 at 224 pixels.

    As `ConvNeXtV2Atto`, in the sizes of `ConvNeXtFemto`.
    """
    return assemble("convnext_v2_femto", FAMILY, options)


def ConvNeXtV2Pico(**options: Unpack[Options]) -> Model:
    """ConvNeXt V2-Pico: 9,066,280 parameters, published top-1 0.80304 at 224 pixels.

    As `ConvNeXtV2Atto`, in the sizes of `ConvNeXtPico`.
    """
    return assemble("convnext_v2_pico", FAMILY, options)


def ConvNeXtV2Nano(**options: Unpack[Options]) -> Model:
    """ConvNeXt V2-Nano: 15,623,800 parameters, published top-1 0.82038 at 224 pixels.

    As `ConvNeXtV2Atto`, in the sizes of `ConvNeXtNano`.
    """
    return assemble("convnext_v2_nano", FAMILY, options)


def ConvNeXtV2Tiny(**options: Unpack[Options]) -> Model:
    """ConvNeXt V2-T: 28,635,496 parameters, published top-1 0.83904 at 224 pixels.

    As `ConvNeXtV2Atto`, in the sizes of `ConvNeXtTiny`.
    """
    return assemble("convnext_v2_tiny", FAMILY, options)


def ConvNeXtV2Small(**options: Unpack[Options]) -> Model:
    """ConvNeXt V2-S: 50,318,440 parameters.

    As `ConvNeXtV2Atto`, in the sizes of `ConvNeXtSmall`. timm has it beside the paper's; nobody
    published weights of it.
    """
    return assemble("convnext_v2_small", FAMILY, options)


def ConvNeXtV2Base(**options: Unpack[Options]) -> Model:
    """ConvNeXt V2-B: 88,717,800 parameters, published top-1 0.86752 at 224 pixels.

    As `ConvNeXtV2Atto`, in the sizes of `ConvNeXtBase`.
    """
    return assemble("convnext_v2_base", FAMILY, options)


def ConvNeXtV2Large(**options: Unpack[Options]) -> Model:
    """ConvNeXt V2-L: 197,956,840 parameters, published top-1 0.87266 at 224 pixels.

    As `ConvNeXtV2Atto`, in the sizes of `ConvNeXtLarge`.
    """
    return assemble("convnext_v2_large", FAMILY, options)


def ConvNeXtV2Huge(**options: Unpack[Options]) -> Model:
    """ConvNeXt V2-H: 660,289,640 parameters, published top-1 0.8626 at 224 pixels.

    As `ConvNeXtV2Small`, with 352 channels in stage 1; without the top (batch, 7, 7, 2816). Its
    numbers alone take 2.6 GB, training four times as much.
    """
    return assemble("convnext_v2_huge", FAMILY, options)


def ConvNeXtTest(**options: Unpack[Options]) -> Model:
    """All stages of ConvNeXt, eight channels wide, for tests: random weights, 64 pixels."""
    return assemble("convnext_test", FAMILY, options)


def ConvNeXtV2Test(**options: Unpack[Options]) -> Model:
    """All stages of ConvNeXt V2, eight channels wide, for tests: random weights, 64 pixels."""
    return assemble("convnext_v2_test", FAMILY, options)
