"""EfficientNet; its parity with real weights, those of Lite, is in test_efficientnet.py."""

from cases import Case, Expected, Twin

# fmt: off
B0 = (("stage1", 2, 16), ("stage2", 4, 24), ("stage3", 8, 40), ("stage4", 16, 112), ("stage5", 32, 320))
B2 = (("stage1", 2, 16), ("stage2", 4, 24), ("stage3", 8, 48), ("stage4", 16, 120), ("stage5", 32, 352))
B3 = (("stage1", 2, 24), ("stage2", 4, 32), ("stage3", 8, 48), ("stage4", 16, 136), ("stage5", 32, 384))
B4 = (("stage1", 2, 24), ("stage2", 4, 32), ("stage3", 8, 56), ("stage4", 16, 160), ("stage5", 32, 448))
B5 = (("stage1", 2, 24), ("stage2", 4, 40), ("stage3", 8, 64), ("stage4", 16, 176), ("stage5", 32, 512))
B6 = (("stage1", 2, 32), ("stage2", 4, 40), ("stage3", 8, 72), ("stage4", 16, 200), ("stage5", 32, 576))
B7 = (("stage1", 2, 32), ("stage2", 4, 48), ("stage3", 8, 80), ("stage4", 16, 224), ("stage5", 32, 640))
TEST = (("stage1", 2, 8), ("stage2", 4, 8), ("stage3", 8, 8), ("stage4", 16, 16), ("stage5", 32, 32))

EXPECTED = {
    "efficientnet_b0": Expected(5_288_548, 5_330_564, (4_007_548, 4_049_564), (7, 7, 1280), B0),
    "efficientnet_b1": Expected(7_794_184, 7_856_232, (6_513_184, 6_575_232), (8, 8, 1280), B0),
    "efficientnet_b2": Expected(9_109_994, 9_177_562, (7_700_994, 7_768_562), (9, 9, 1408), B2),
    "efficientnet_b3":
        Expected(12_233_232, 12_320_528, (10_696_232, 10_783_528), (10, 10, 1536), B3, slow=True),
    "efficientnet_b4":
        Expected(19_341_616, 19_466_816, (17_548_616, 17_673_816), (12, 12, 1792), B4, slow=True),
    "efficientnet_b5":
        Expected(30_389_784, 30_562_520, (28_340_784, 28_513_520), (15, 15, 2048), B5, slow=True),
    "efficientnet_b6":
        Expected(43_040_704, 43_265_136, (40_735_704, 40_960_136), (17, 17, 2304), B6, slow=True),
    "efficientnet_b7":
        Expected(66_347_960, 66_658_680, (63_786_960, 64_097_680), (19, 19, 2560), B7, slow=True),
    "efficientnet_lite0": Expected(4_652_008, 4_694_024, (3_371_008, 3_413_024), (7, 7, 1280), B0),
    "efficientnet_lite1": Expected(5_416_680, 5_470_344, (4_135_680, 4_189_344), (8, 8, 1280), B0),
    "efficientnet_lite2": Expected(6_092_072, 6_150_168, (4_811_072, 4_869_168), (9, 9, 1280), B2),
    "efficientnet_lite3":
        Expected(8_197_096, 8_273_768, (6_916_096, 6_992_768), (9, 9, 1280), B3, slow=True),
    "efficientnet_lite4":
        Expected(13_006_568, 13_118_936, (11_725_568, 11_837_936), (10, 10, 1280), B4, slow=True),
    "efficientnet_test": Expected(110_248, 113_592, (45_248, 48_592), (2, 2, 64), TEST),
    "efficientnet_b_test": Expected(43_716, 46_436, (43_586, 46_306), (2, 2, 64), TEST),
}

STAGES = {"stem": "bn1", "stage1": "blocks.0", "stage2": "blocks.1", "stage3": "blocks.2"}
STAGES |= {"stage4": "blocks.4", "stage5": "blocks.6", "top_logits": "classifier"}
FEWER = {tap: STAGES[tap] for tap in ("stage3", "stage5", "top_logits")}  # where all the rest is the same
TORCHVISION = {"stage3": "features.3", "stage5": "features.7", "top_logits": "classifier"}
SIZES = (64, 65)

CASES = {
    "efficientnet_b0":
        Case("efficientnet_b0", "timm", "efficientnet_b0", STAGES, SIZES, {"geometry": "torch"}, step=True),
    "efficientnet_b0_tensorflow":
        Case("efficientnet_b0", "timm", "tf_efficientnet_b0", STAGES, SIZES, {"geometry": "tensorflow"}),
    # The rule that makes it deeper; B2 is the first that is wider too.
    "efficientnet_b1_torchvision":
        Case("efficientnet_b1", "torchvision", "efficientnet_b1", TORCHVISION, SIZES,
             {"geometry": "torch"}, slow=True),
    "efficientnet_b2":
        Case("efficientnet_b2", "timm", "tf_efficientnet_b2", FEWER, SIZES, slow=True),
    # The first of torchvision's with the official epsilon and momentum.
    "efficientnet_b5_torchvision":
        Case("efficientnet_b5", "torchvision", "efficientnet_b5", TORCHVISION, SIZES,
             {"geometry": "torchvision"}, slow=True),
    "efficientnet_lite0_torch":
        Case("efficientnet_lite0", "timm", "efficientnet_lite0", STAGES,
             options={"geometry": "torch"}, step=True),
    "efficientnet_lite3":
        Case("efficientnet_lite3", "timm", "tf_efficientnet_lite3", FEWER, SIZES, slow=True),
}
# fmt: on

# The statistics of pixels are weights of a layer of theirs; with us they are no weights.
TAPS_OF_KERAS = {"stem": "stem_activation", "stage1": "block1a_project_bn", "stage2": "block2b_add"}
TAPS_OF_KERAS |= {"stage3": "block3b_add", "stage4": "block5c_add", "stage5": "block7a_project_bn"}
TWINS = {
    "efficientnet_b0": Twin(
        "efficientnet_b0",
        "EfficientNetB0",
        TAPS_OF_KERAS,
        options={"geometry": "tensorflow"},
        passed_by=("normalization",),
        sizes=SIZES,
    ),
}
