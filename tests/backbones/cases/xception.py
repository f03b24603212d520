"""Xception against keras.applications and timm."""

from cases import Case, Expected, Twin

# fmt: off
STAGES = (("stem", 2, 64), ("stage1", 4, 128), ("stage2", 8, 256), ("stage3", 16, 728), ("stage4", 32, 2048))
TEST = (("stem", 2, 8), ("stage1", 4, 16), ("stage2", 8, 32), ("stage3", 16, 91), ("stage4", 32, 256))

EXPECTED = {
    "xception": Expected(22_855_952, 22_910_480, (20_806_952, 20_861_480), (10, 10, 2048), STAGES),
    "xception_test": Expected(415_933, 418_927, (158_933, 161_927), (2, 2, 256), TEST),
}

# Maps of 30, 15, 8, 4, 2 places a side, and of 31, 16, 8, 4, 2: even and odd ones before a pool.
SIZES = (66, 67)
TAPS = {"stem": "act2", "stage1": "block1", "stage2": "block2", "stage3": "block11", "stage4": "act4"}

CASES = {
    "legacy_xception":
        Case("xception", "timm", "legacy_xception", {**TAPS, "top_logits": "fc"}, SIZES,
             {"geometry": "timm"}, step=True),
}

TAPS_OF_KERAS = {"stem": "block1_conv2_act", "stage1": "add", "stage2": "add_1", "stage3": "add_10"}
TAPS_OF_KERAS |= {"stage4": "block14_sepconv2_act"}
# It takes no less than 71 pixels: maps of 33, 17, 9, 5, 3 places a side, and of 34, 17, 9, 5, 3.
TWINS = {"xception": Twin("xception", "Xception", TAPS_OF_KERAS, {"geometry": "keras"}, sizes=(71, 74))}
# fmt: on
