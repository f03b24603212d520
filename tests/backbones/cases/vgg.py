"""VGG: counts and top-1 of torchvision; its tests' network of our own."""

from cases import Case, Expected, Twin

TAPS = (
    ("stem", 1, 64),
    ("stage1", 2, 128),
    ("stage2", 4, 256),
    ("stage3", 8, 512),
    ("stage4", 16, 512),
    ("stage5", 32, 512),
)
TEST = (
    ("stem", 1, 8),
    ("stage1", 2, 16),
    ("stage2", 4, 32),
    ("stage3", 8, 64),
    ("stage4", 16, 64),
    ("stage5", 32, 64),
)
MAP = (7, 7, 512)

# fmt: off
EXPECTED = {
    "vgg11": Expected(132_863_336, 132_863_336, (9_220_480, 9_220_480), MAP, TAPS, slow=True),
    "vgg11_bn": Expected(132_868_840, 132_874_344, (9_225_984, 9_231_488), MAP, TAPS, slow=True),
    "vgg13": Expected(133_047_848, 133_047_848, (9_404_992, 9_404_992), MAP, TAPS, slow=True),
    "vgg13_bn": Expected(133_053_736, 133_059_624, (9_410_880, 9_416_768), MAP, TAPS, slow=True),
    "vgg16": Expected(138_357_544, 138_357_544, (14_714_688, 14_714_688), MAP, TAPS, slow=True),
    "vgg16_bn": Expected(138_365_992, 138_374_440, (14_723_136, 14_731_584), MAP, TAPS, slow=True),
    "vgg19": Expected(143_667_240, 143_667_240, (20_024_384, 20_024_384), MAP, TAPS, slow=True),
    "vgg19_bn": Expected(143_678_248, 143_689_256, (20_035_392, 20_046_400), MAP, TAPS, slow=True),
    "vgg_test": Expected(187_528, 188_216, (145_248, 145_936), (2, 2, 64), TEST),
}
# fmt: on

# The numbers of the last activation of each stage, of the last pool and of the last dense layer.
V11 = {"stem": 1, "stage1": 4, "stage2": 9, "stage3": 14, "stage4": 19, "stage5": 20}
V11_BN = {"stem": 2, "stage1": 6, "stage2": 13, "stage3": 20, "stage4": 27, "stage5": 28}
V16 = {"stem": 3, "stage1": 8, "stage2": 15, "stage3": 22, "stage4": 29, "stage5": 30}
V19_BN = {"stem": 5, "stage1": 12, "stage2": 25, "stage3": 38, "stage4": 51, "stage5": 52}


def taps(places: dict[str, int]) -> dict[str, str]:
    return {**{tap: f"features.{place}" for tap, place in places.items()}, "top_logits": "classifier.6"}


SIZES = (224, 225)  # at both the last map is 7×7: torchvision's adaptive pool leaves it as it is
TIMM = {**taps(V11), "top_logits": "head.fc"}

# The whole networks are 130 million numbers; without the top timm's is 9 million.
NAMES = {"stem_conv1": 0, "stage1_conv1": 4, "stage2_conv1": 8, "stage2_conv2": 11}
NAMES |= {"stage3_conv1": 15, "stage3_conv2": 18, "stage4_conv1": 22, "stage4_conv2": 25}
NAMES |= {f"{name}_norm": place + 1 for name, place in NAMES.items()}

CASES = {
    "vgg11_bn_body": Case(
        "vgg11_bn",
        "timm",
        "vgg11_bn",
        {tap: f"features_{place}" for tap, place in V11_BN.items()},
        options={"include_top": False},
        settings={"features_only": True},
        names={name: f"features_{place}" for name, place in NAMES.items()},
        step=True,
    ),
    "vgg11": Case("vgg11", "torchvision", "vgg11", taps(V11), SIZES, slow=True),
    "vgg11_timm": Case("vgg11", "timm", "vgg11", TIMM, SIZES, slow=True),
    "vgg11_bn": Case("vgg11_bn", "torchvision", "vgg11_bn", taps(V11_BN), SIZES, slow=True),
    "vgg16": Case("vgg16", "torchvision", "vgg16", taps(V16), SIZES, slow=True),
    "vgg19_bn": Case("vgg19_bn", "torchvision", "vgg19_bn", taps(V19_BN), SIZES, slow=True),
}

TAPS_OF_KERAS = {
    "stem": "block1_conv2",
    "stage1": "block2_conv2",
    "stage2": "block3_conv3",
    "stage3": "block4_conv3",
    "stage4": "block5_conv3",
    "stage5": "block5_pool",
}
LONG = {**TAPS_OF_KERAS, "stage2": "block3_conv4", "stage3": "block4_conv4", "stage4": "block5_conv4"}
TWINS = {
    "vgg16": Twin("vgg16", "VGG16", TAPS_OF_KERAS, slow=True),
    "vgg19": Twin("vgg19", "VGG19", LONG, slow=True),
}
