"""EfficientNet-Lite; its parity with real weights is in test_efficientnet.py."""

from cases import Case, Expected

LITE = (("stage1", 2, 16), ("stage2", 4, 24), ("stage3", 8, 40), ("stage4", 16, 112), ("stage5", 32, 320))
LITE2 = (("stage1", 2, 16), ("stage2", 4, 24), ("stage3", 8, 48), ("stage4", 16, 120), ("stage5", 32, 352))
TEST = (("stage1", 2, 8), ("stage2", 4, 8), ("stage3", 8, 8), ("stage4", 16, 16), ("stage5", 32, 32))

EXPECTED = {
    "efficientnet_lite0": Expected(4_652_008, 4_694_024, (3_371_008, 3_413_024), (7, 7, 1280), LITE),
    "efficientnet_lite1": Expected(5_416_680, 5_470_344, (4_135_680, 4_189_344), (8, 8, 1280), LITE),
    "efficientnet_lite2": Expected(6_092_072, 6_150_168, (4_811_072, 4_869_168), (9, 9, 1280), LITE2),
    "efficientnet_test": Expected(110_248, 113_592, (45_248, 48_592), (2, 2, 64), TEST),
}

STAGES = {"stem": "bn1", "stage1": "blocks.0", "stage2": "blocks.1", "stage3": "blocks.2"}
STAGES |= {"stage4": "blocks.4", "stage5": "blocks.6", "top_logits": "classifier"}

CASES = {
    "efficientnet_lite0_torch": Case(
        "efficientnet_lite0",
        "timm",
        "efficientnet_lite0",
        STAGES,
        options={"geometry": "torch"},
        step=True,
        pixels=(127, 128),
    ),
}
