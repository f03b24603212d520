"""MobileNetV3: torchvision, timm and keras.applications have it, each in a geometry of its own."""

from cases import Case, Expected, Twin


def pyramid(first, *channels):
    """The Small has no block at the stem's size."""
    marks = [first, *(f"stage{number}" for number in range(1 if first == "stem" else 2, 6))]
    return tuple((marks[place], 2 ** (place + 1), width) for place, width in enumerate(channels))


# fmt: off
EXPECTED = {
    "mobilenet_v3_small": Expected(2_542_856, 2_554_968, (927_008, 939_120), (7, 7, 576),
                                   pyramid("stem", 16, 16, 24, 48, 96)),
    "mobilenet_v3_large": Expected(5_483_032, 5_507_432, (2_971_952, 2_996_352), (7, 7, 960),
                                   pyramid("stage1", 16, 24, 40, 112, 160)),
    "mobilenet_v3_small_075": Expected(2_041_872, 2_051_552, (573_480, 583_160), (7, 7, 432),
                                       pyramid("stem", 16, 16, 24, 40, 72), slow=True),
    "mobilenet_v3_large_075": Expected(3_993_528, 4_012_616, (1_789_648, 1_808_736), (7, 7, 720),
                                       pyramid("stage1", 16, 24, 32, 88, 120), slow=True),
    "mobilenet_v3_small_minimalistic": Expected(2_044_736, 2_056_848, (428_888, 441_000), (7, 7, 576),
                                                pyramid("stem", 16, 16, 24, 48, 96)),
    "mobilenet_v3_large_minimalistic": Expected(3_924_288, 3_948_688, (1_413_208, 1_437_608), (7, 7, 960),
                                                pyramid("stage1", 16, 24, 40, 112, 160), slow=True),
    "mobilenet_v3_test": Expected(120_784, 123_024, (43_432, 45_672), (2, 2, 192),
                                  pyramid("stage1", 16, 16, 16, 24, 32)),
    "mobilenet_v3_minimalistic_test": Expected(105_952, 108_192, (28_600, 30_840), (2, 2, 192),
                                               pyramid("stage1", 16, 16, 16, 24, 32)),
}


def stages(start, *modules):
    """Our marks, and after them the logits."""
    marks = (*(f"stage{number}" for number in range(1, len(modules))), "top_logits")
    return {mark: f"{start}{module}" if module[0].isdigit() else module
            for mark, module in zip(marks, modules, strict=True)}


SMALL_OF_TORCHVISION = stages("features.", "1", "3", "8", "11", "classifier")
LARGE_OF_TORCHVISION = stages("features.", "1", "3", "6", "12", "15", "classifier")
SMALL_OF_TIMM = stages("blocks.", "0", "1", "3", "4", "classifier")
LARGE_OF_TIMM = stages("blocks.", "0", "1", "2", "4", "5", "classifier")


def case(backbone, publisher, twin, taps, **more):
    return Case(backbone, publisher, twin, taps, sizes=(64, 65), **more)


TORCHVISION = {"geometry": "torchvision"}
CASES = {
    "mobilenet_v3_small": case("mobilenet_v3_small", "timm", "tf_mobilenetv3_small_100", SMALL_OF_TIMM),
    "mobilenet_v3_small_torchvision": case("mobilenet_v3_small", "torchvision", "mobilenet_v3_small",
                                           SMALL_OF_TORCHVISION, options=TORCHVISION, step=True),
    "mobilenet_v3_large": case("mobilenet_v3_large", "timm", "mobilenetv3_large_100", LARGE_OF_TIMM),
    "mobilenet_v3_large_torchvision": case("mobilenet_v3_large", "torchvision", "mobilenet_v3_large",
                                           LARGE_OF_TORCHVISION, options=TORCHVISION, slow=True),
    "mobilenet_v3_small_minimalistic": case("mobilenet_v3_small_minimalistic", "timm",
                                            "tf_mobilenetv3_small_minimal_100", SMALL_OF_TIMM),
}

SMALL_OF_KERAS = {"stem_conv_norm": "conv_bn", "stage1": "expanded_conv_project_bn"}
SMALL_OF_KERAS |= {"stage2": "expanded_conv_2_add", "stage3": "expanded_conv_7_add"}
SMALL_OF_KERAS |= {"stage4": "expanded_conv_10_add", "last_conv_norm": "conv_1_bn"}
LARGE_OF_KERAS = {"stem_conv_norm": "conv_bn", "stage1": "expanded_conv_add", "stage2": "expanded_conv_2_add"}
LARGE_OF_KERAS |= {"stage3": "expanded_conv_5_add", "stage4": "expanded_conv_11_add"}
LARGE_OF_KERAS |= {"stage5": "expanded_conv_14_add", "last_conv_norm": "conv_1_bn"}


def twin(backbone, builder, slow=False, options=None, **settings):
    taps = SMALL_OF_KERAS if builder.endswith("Small") else LARGE_OF_KERAS
    settings |= {"include_preprocessing": False}
    return Twin(backbone, builder, taps, options or {}, settings, sizes=(64, 65), slow=slow)


TENSORFLOW = {"geometry": "tensorflow"}
TWINS = {
    "mobilenet_v3_small": twin("mobilenet_v3_small", "MobileNetV3Small"),
    "mobilenet_v3_small_075": twin("mobilenet_v3_small_075", "MobileNetV3Small", True, alpha=0.75),
    "mobilenet_v3_large": twin("mobilenet_v3_large", "MobileNetV3Large", True, TENSORFLOW),
    "mobilenet_v3_large_075": twin("mobilenet_v3_large_075", "MobileNetV3Large", True, alpha=0.75),
    "mobilenet_v3_small_minimalistic": twin("mobilenet_v3_small_minimalistic", "MobileNetV3Small",
                                            minimalistic=True),
    "mobilenet_v3_large_minimalistic": twin("mobilenet_v3_large_minimalistic", "MobileNetV3Large", True,
                                            minimalistic=True),
}
# fmt: on
