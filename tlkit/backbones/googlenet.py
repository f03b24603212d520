"""GoogLeNet: blocks of parallel branches, and auxiliary classifiers on the way.

Szegedy et al., Going Deeper with Convolutions, arXiv:1409.4842 (2014), table 1 and figure 3: nine Inception
blocks, each of a 1×1, a 3×3 and a 5×5 convolution and a pool beside each other, 1×1 convolutions before the
larger ones; in training two classifiers more, on maps in the middle.

Geometries: `torch`, torchvision's, whose weights began as TensorFlow's: batch normalisation and no biases, a
3×3 in the branch that was 5×5, the last pool 2×2. `paper`: biases, response normalisation, 5×5, the last
pool 3×3; its constants and its pools' borders, which the paper leaves open, are those of its authors' time,
Caffe's bvlc_googlenet. All pools that halve a map take in a last, cut-off window.
"""

from typing import Literal, NamedTuple, Unpack, cast

from keras import KerasTensor, Model, layers

from tlkit.backbones.conversion import Seen, Source
from tlkit.backbones.frame import LOGITS, Family, Logits, Maps, assemble, logits, pooled
from tlkit.backbones.layers import (
    HE_INCOMING,
    ceil_max_pool,
    conv_norm,
    conv_relu,
    dense_relu,
    mark,
    response_norm,
)
from tlkit.backbones.options import Choice, Options
from tlkit.errors import UsageError

AUXILIARY_WEIGHT = 0.3  # of an auxiliary classifier's loss beside the main one's: section 5 of the paper


class GoogLeNetOptions(Options, total=False):
    """What the builders of this family take."""

    # Three answers instead of one, [main, first, second]: the others are of classifiers after the first and
    # the last but one block of stage 3, for training alone. Needs a fixed size. Default False.
    auxiliary: bool


class Geometry(NamedTuple):
    padding: Literal["torch", "tensorflow"]
    epsilon: float  # this and momentum: of batch normalisation
    momentum: float
    bias: bool
    batch: bool  # batch normalisation after each convolution; else response normalisation around stage 1
    five: int  # kernel of the branch that is 5×5 in the paper
    last_pool: int  # window of the last pool that halves
    adaptive: bool  # an auxiliary classifier averages any map to 4×4; else 5×5 windows at stride 3


class Variant(NamedTuple):
    stem: tuple[int, int, int]  # channels of the first convolution and of stage 1's two
    stages: tuple[tuple[tuple[int, ...], ...], ...]  # blocks: table 1 of the paper, from its #1×1 on
    heads: tuple[
        int, int
    ]  # of an auxiliary classifier: channels of its convolution, width of its hidden layer
    image_size: int
    parameters: int  # trainable, 1000 classes, without auxiliary classifiers; recounted by a test
    total_parameters: int  # with the moving statistics, as Keras counts
    multiply_adds: int  # at image_size
    geometries: tuple[str, ...]
    least: int  # pixels a side that leave one place in the last stage
    dropout: float
    classes: int = 1000
    channels: int = 3
    year: int = 2014  # of the paper


# fmt: off
BLOCKS = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),  # 3a, 3b
    ((192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
     (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128)),  # 4a to 4e
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),  # 5a, 5b
)
SMALL = ((16, 8, 16, 8, 16, 16),)

VARIANTS = {
    "googlenet": Variant((64, 64, 192), BLOCKS, (128, 1024), 224, 6_624_904, 6_639_464,
                         1_498_376_192, ("torch",), 15, 0.2),
    "googlenet_2014": Variant((64, 64, 192), BLOCKS, (128, 1024), 224, 6_998_552, 6_998_552,
                              1_582_671_872, ("paper",), 31, 0.4),
    # Every stage of each, in a blink; from no paper.
    "googlenet_test": Variant((8, 8, 16), (SMALL, SMALL * 3, SMALL), (8, 16), 64, 92_832, 93_696,
                              2_055_680, ("torch",), 15, 0.2),
    "googlenet_2014_test": Variant((8, 8, 16), (SMALL, SMALL * 3, SMALL), (8, 16), 80, 102_640, 102_640,
                                   3_530_496, ("paper",), 31, 0.4),
}
# fmt: on

GEOMETRIES = {
    "torch": Geometry("torch", 1e-3, 0.9, False, batch=True, five=3, last_pool=2, adaptive=True),
    "paper": Geometry("torch", 1e-3, 0.9, True, batch=False, five=5, last_pool=3, adaptive=False),
}

PLACES = 4  # a side of an adaptive average
WINDOW, STEP = 5, 3  # of the paper's average
LEAST = 79  # pixels a side that leave stage 3 a window's places
DROPOUT = 0.7  # of an auxiliary classifier: section 5 of the paper
BRANCHES = (
    "1x1",
    "3x3_reduce",
    "3x3",
    "5x5_reduce",
    "5x5",
    "pool_project",
)  # in the order of a block's widths


def unit(x: KerasTensor, filters: int, kernel: int, stride: int = 1, *, geometry: Geometry, name: str):
    """A convolution with what follows it."""
    if geometry.batch:
        return conv_norm(x, filters, kernel, stride, geometry=geometry, name=name)
    return conv_relu(x, filters, kernel, stride, initial=HE_INCOMING, name=name)


def block(x: KerasTensor, widths: tuple[int, ...], geometry: Geometry, name: str) -> KerasTensor:
    """Four branches beside each other, figure 2b of the paper."""

    def branch(x: KerasTensor, part: str, kernel: int) -> KerasTensor:
        return unit(x, widths[BRANCHES.index(part)], kernel, geometry=geometry, name=f"{name}_{part}")

    one = branch(x, "1x1", 1)
    three = branch(branch(x, "3x3_reduce", 1), "3x3", 3)
    five = branch(branch(x, "5x5_reduce", 1), "5x5", geometry.five)
    pool = branch(layers.MaxPooling2D(3, 1, "same", name=f"{name}_pool")(x), "pool_project", 1)
    return layers.Concatenate(name=f"{name}_concat")([one, three, five, pool])


def body(x: KerasTensor, variant: Variant, geometry: Geometry, options: Options) -> Maps:
    """Normalised (batch, h, w, 3) to (batch, about h/32, about w/32, channels of the last block).

    With `auxiliary` a list: this, then the two maps that the auxiliary classifiers see.
    """
    auxiliary = cast(GoogLeNetOptions, options)["auxiliary"]
    if auxiliary:
        check_size(x, geometry, options["name"])
    first, second, third = variant.stem
    x = mark(unit(x, first, 7, 2, geometry=geometry, name="stem_conv"), "stem")
    x = ceil_max_pool(x, name="stage1_pool")
    x = x if geometry.batch else normalised(x)
    x = unit(x, second, 1, geometry=geometry, name="stage1_3x3_reduce")
    x = unit(x, third, 3, geometry=geometry, name="stage1_3x3")
    x = mark(x if geometry.batch else normalised(x), "stage1")
    seen = []
    for stage, blocks in enumerate(variant.stages, start=2):
        if stage == 4 and geometry.last_pool == 2:
            x = layers.MaxPooling2D(2, 2, "same", name="stage4_pool")(x)
        else:
            x = ceil_max_pool(x, name=f"stage{stage}_pool")
        for index, widths in enumerate(blocks, start=1):
            x = block(x, widths, geometry, f"stage{stage}_block{index}")
            if stage == 3 and index in (1, len(blocks) - 1):
                seen.append(x)
        x = mark(x, f"stage{stage}")
    return [x, *seen] if auxiliary else x


def normalised(x: KerasTensor) -> KerasTensor:
    """With the constants of bvlc_googlenet, the five neighbours taken into alpha."""
    return response_norm(x, 1.0, 1e-4 / 5)


def check_size(x: KerasTensor, geometry: Geometry, name: str) -> None:
    """Whether auxiliary classifiers can stand on a network for the photograph `x`."""
    height, width = x.shape[1:3]
    if height is None or width is None:
        raise UsageError(
            f"{name}: auxiliary=True needs a fixed size: its classifiers weigh each place of a map.",
            "Give input_shape a height and a width, or leave auxiliary out.",
        )
    if not geometry.adaptive and min(height, width) < LEAST:
        raise UsageError(
            f"{name}: {height}×{width} pixels are too few for auxiliary=True: its classifiers average "
            f"{WINDOW}×{WINDOW} places of a sixteenth of the size.",
            f"Use {LEAST} or more pixels a side, or leave auxiliary out.",
        )


def top(x: Maps, variant: Variant, geometry: Geometry, options: Options) -> Logits:
    """Global average pooling, dropout, one dense layer; with `auxiliary` the other classifiers as well."""
    if not isinstance(x, list):
        return pooled(x, variant, geometry, options)
    last, *seen = x
    found = {"top": pooled(last, variant, geometry, options)}
    for number, inner in enumerate(seen, start=1):
        name = f"top_auxiliary{number}"
        found[name] = classifier(inner, variant, geometry, options, name)
    return found


def classifier(
    x: KerasTensor, variant: Variant, geometry: Geometry, options: Options, name: str
) -> KerasTensor:
    """An auxiliary one, section 5 of the paper: average, 1×1 convolution, hidden layer, dropout, logits."""
    channels, hidden = variant.heads
    if geometry.adaptive:
        x = adaptive_pool(x, f"{name}_pool")
    else:
        x = layers.AveragePooling2D(WINDOW, STEP, name=f"{name}_pool")(x)
    x = unit(x, channels, 1, geometry=geometry, name=f"{name}_conv")
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = dense_relu(x, hidden, name=f"{name}_hidden")
    x = layers.Dropout(DROPOUT, name=f"{name}_dropout")(x)
    return logits(x, options, f"{name}_logits")


def adaptive_pool(x: KerasTensor, name: str) -> KerasTensor:
    """Means over 4×4 windows that share out a map of any size, as torch cuts them: they may overlap by one.

    Window i of n places is from ⌊i·n/4⌋ to before ⌈(i+1)·n/4⌉; not all are of one size, so each has a layer.
    """
    for axis, side in enumerate(("rows", "columns")):
        places, strips = x.shape[1 + axis], []
        for number in range(PLACES):
            first, end = number * places // PLACES, -(-(number + 1) * places // PLACES)
            cut, window = [(0, 0), (0, 0)], [1, 1]
            cut[axis], window[axis] = (first, places - end), end - first
            strip = layers.Cropping2D(cut, name=f"{name}_{side}{number + 1}_cut")(x)
            strips.append(layers.AveragePooling2D(window, name=f"{name}_{side}{number + 1}")(strip))
        x = layers.Concatenate(axis=1 + axis, name=f"{name}_{side}")(strips)
    return x


def torchvision_names(variant: Variant, geometry: Geometry) -> dict[str, Source]:
    """Blocks are called as in the paper, branches numbered; the published file has the auxiliary heads."""
    found: dict[str, Source] = {}

    def convolution(ours: str, theirs: str) -> None:
        found[ours], found[f"{ours}_norm"] = f"{theirs}.conv", f"{theirs}.bn"

    convolution("stem_conv", "conv1")
    convolution("stage1_3x3_reduce", "conv2")
    convolution("stage1_3x3", "conv3")
    theirs = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
    for stage, blocks in enumerate(variant.stages, start=2):
        for index in range(len(blocks)):
            for our_part, their_part in zip(BRANCHES, theirs, strict=True):
                called = f"inception{stage + 1}{'abcde'[index]}.{their_part}"
                convolution(f"stage{stage}_block{index + 1}_{our_part}", called)
    for number in (1, 2):
        name = f"top_auxiliary{number}"
        convolution(f"{name}_conv", f"aux{number}.conv")
        found[f"{name}_hidden"] = Seen(f"aux{number}.fc1", (variant.heads[0], PLACES, PLACES))
        found[f"{name}_logits"] = f"aux{number}.fc2"
    return {**found, LOGITS: "fc"}


FAMILY = Family(
    VARIANTS,
    GEOMETRIES,
    body,
    {"torchvision": torchvision_names},
    top=top,
    auxiliary=AUXILIARY_WEIGHT,
    own={"auxiliary": Choice(False, lambda value: isinstance(value, bool), "True or False", top=True)},
    unused={"drop_path": "it has no residual branches"},
)


def GoogLeNet(**options: Unpack[GoogLeNetOptions]) -> Model:
    """GoogLeNet as torchvision has it: 6,624,904 parameters, published top-1 0.69778 at 224 pixels.

    Szegedy et al., arXiv:1409.4842 (2014), put convolutions of several sizes and a pool beside each other
    and let 1×1 convolutions narrow what goes into the larger ones: 22 layers deep for a tenth of AlexNet's
    parameters, and best in the ImageNet challenge of 2014. Here with batch normalisation, and 3×3 kernels
    where the paper has 5×5 (`GoogLeNet2014` is the paper's). The published figures are those of the
    default weights.

    Takes    (batch, 224, 224, 3), RGB, uint8 or float32, pixels 0–255, normalised inside.
    Returns  (batch, 1000), float32, each row sums to 1, in ImageNet's order; with
             include_top=False (batch, 7, 7, 1024), with pooling="avg" as well (batch, 1024).

    With auxiliary=True a list of three such answers, [main, first, second]: two classifiers more, on the
    first and the last but one block of stage 3, which bring the early layers a gradient of their own. They
    are for training alone, their losses at 0.3 of the main one's:

        model = GoogLeNet(weights=None, classes=10, auxiliary=True)
        weights = [1.0, AUXILIARY_WEIGHT, AUXILIARY_WEIGHT]
        model.compile("sgd", loss=["sparse_categorical_crossentropy"] * 3, loss_weights=weights)
        model.fit(photos, [labels] * 3)
        trained = keras.Model(model.input, model.outputs[0])

    Other sizes from 15 pixels on: `input_shape`; with auxiliary=True it has to be a fixed one. All options:
    `options.Options` and `GoogLeNetOptions`.
    Stages for taps and freezing: `stem` (stride 2), `stage1` (4), `stage2` (8), `stage3` (16),
    `stage4` (32). Geometry: `torch`.

    Raises `UsageError` for options that do not fit.
    """
    return assemble("googlenet", FAMILY, options)


def GoogLeNet2014(**options: Unpack[GoogLeNetOptions]) -> Model:
    """GoogLeNet as in its paper, arXiv:1409.4842: 6,998,552 parameters; 13,378,280 with auxiliary=True.

    True 5×5 convolutions, biases and no batch normalisation; response normalisation before and after the
    convolutions of stage 1. Sizes from 31 pixels on, with auxiliary=True from 79; the hidden layers of the
    auxiliary classifiers, which have a weight for each place of an averaged map, grow with them. Geometry:
    `paper`. All else as `GoogLeNet`.
    """
    return assemble("googlenet_2014", FAMILY, options)


def GoogLeNetTest(**options: Unpack[GoogLeNetOptions]) -> Model:
    """All stages of `GoogLeNet`, a few channels wide, for tests: random weights, 64 pixels."""
    return assemble("googlenet_test", FAMILY, options)


def GoogLeNet2014Test(**options: Unpack[GoogLeNetOptions]) -> Model:
    """All stages of `GoogLeNet2014`, a few channels wide, for tests: random weights, 80 pixels."""
    return assemble("googlenet_2014_test", FAMILY, options)
