"""ConvNeXt against torchvision, timm and keras.applications; V2 against timm."""

from cases import Case, Expected, Twin


def taps(width: int) -> tuple[tuple[str, int, int], ...]:
    return tuple((f"stage{stage}", 2 * 2**stage, width * 2 ** (stage - 1)) for stage in (1, 2, 3, 4))


# The reference's "no-top" counts hold the last normalisation, twice as many numbers as the last map has
# channels; it is part of our top.
# fmt: off
EXPECTED = {
    "convnext_atto": Expected(3_695_520, 3_695_520, (3_373_880, 3_373_880), (7, 7, 320), taps(40)),
    "convnext_femto": Expected(5_217_784, 5_217_784, (4_832_016, 4_832_016), (7, 7, 384), taps(48)),
    "convnext_pico": Expected(9_045_672, 9_045_672, (8_531_648, 8_531_648), (7, 7, 512), taps(64)),
    "convnext_nano": Expected(15_593_560, 15_593_560, (14_951_280, 14_951_280), (7, 7, 640), taps(80)),
    "convnext_tiny": Expected(28_589_128, 28_589_128, (27_818_592, 27_818_592), (7, 7, 768), taps(96)),
    "convnext_small":
        Expected(50_223_688, 50_223_688, (49_453_152, 49_453_152), (7, 7, 768), taps(96), slow=True),
    "convnext_base":
        Expected(88_591_464, 88_591_464, (87_564_416, 87_564_416), (7, 7, 1024), taps(128), slow=True),
    "convnext_large":
        Expected(197_767_336, 197_767_336, (196_227_264, 196_227_264), (7, 7, 1536), taps(192), slow=True),
    "convnext_xlarge":
        Expected(350_196_968, 350_196_968, (348_143_872, 348_143_872), (7, 7, 2048), taps(256), slow=True),
    "convnext_v2_atto": Expected(3_708_400, 3_708_400, (3_386_760, 3_386_760), (7, 7, 320), taps(40)),
    "convnext_v2_femto": Expected(5_233_240, 5_233_240, (4_847_472, 4_847_472), (7, 7, 384), taps(48)),
    "convnext_v2_pico": Expected(9_066_280, 9_066_280, (8_552_256, 8_552_256), (7, 7, 512), taps(64)),
    "convnext_v2_nano": Expected(15_623_800, 15_623_800, (14_981_520, 14_981_520), (7, 7, 640), taps(80)),
    "convnext_v2_tiny": Expected(28_635_496, 28_635_496, (27_864_960, 27_864_960), (7, 7, 768), taps(96)),
    "convnext_v2_small":
        Expected(50_318_440, 50_318_440, (49_547_904, 49_547_904), (7, 7, 768), taps(96), slow=True),
    "convnext_v2_base":
        Expected(88_717_800, 88_717_800, (87_690_752, 87_690_752), (7, 7, 1024), taps(128), slow=True),
    "convnext_v2_large":
        Expected(197_956_840, 197_956_840, (196_416_768, 196_416_768), (7, 7, 1536), taps(192), slow=True),
    "convnext_v2_huge":
        Expected(660_289_640, 660_289_640, (657_467_008, 657_467_008), (7, 7, 2816), taps(352), slow=True),
    "convnext_test": Expected(126_992, 126_992, (61_864, 61_864), (2, 2, 64), taps(8)),
    "convnext_v2_test": Expected(127_832, 127_832, (62_704, 62_704), (2, 2, 64), taps(8)),
}
# fmt: on

FEATURES = {"stage1": 1, "stage2": 3, "stage3": 5, "stage4": 7}
TORCHVISION = {**{tap: f"features.{place}" for tap, place in FEATURES.items()}, "top_logits": "classifier.2"}
TIMM = {**{f"stage{stage}": f"stages.{stage - 1}" for stage in (1, 2, 3, 4)}, "top_logits": "head.fc"}
SIZES = (64, 93)  # 93: maps of 23, 11, 5 and 2 places, so that every step leaves out the last

# Up to nano timm's 1×1 are convolutions, from tiny on dense layers, as torchvision's always are.
CASES = {
    "convnext_atto_timm": Case("convnext_atto", "timm", "convnext_atto", TIMM, SIZES),
    "convnext_v2_atto_timm": Case("convnext_v2_atto", "timm", "convnextv2_atto", TIMM, SIZES),
    "convnext_tiny": Case("convnext_tiny", "torchvision", "convnext_tiny", TORCHVISION, SIZES),
    "convnext_tiny_timm": Case("convnext_tiny", "timm", "convnext_tiny", TIMM, SIZES, slow=True),
    "convnext_v2_tiny_timm": Case("convnext_v2_tiny", "timm", "convnextv2_tiny", TIMM, SIZES, slow=True),
}

# A stage ends there in an addition that is no layer: it is seen by what the step after it makes of it.
KERAS = {f"stage{stage + 2}_downsample": f"convnext_tiny_downsampling_block_{stage}" for stage in (0, 1, 2)}
KERAS |= {"stem": "convnext_tiny_stem", "top_norm": "convnext_tiny_head_layernorm"}
TWINS = {
    "convnext_tiny": Twin(
        "convnext_tiny",
        "ConvNeXtTiny",
        KERAS,
        settings={"include_preprocessing": False},
        sizes=SIZES,
        slow=True,  # outside of a graph TensorFlow compiles each of its grouped convolutions
    ),
}
