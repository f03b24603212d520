"""Inception-v3 against torchvision, timm and keras.applications."""

from cases import Case, Expected, Twin

# fmt: off
STAGES = (("stem", 2, 64), ("stage1", 4, 192), ("stage2", 8, 288), ("stage3", 16, 768), ("stage4", 32, 2048))
# An eighth as wide; stage 2 ends with its first block (64 + 64 + 96 + 32 = 256), stage 4 as ever.
TEST = (("stem", 2, 8), ("stage1", 4, 24), ("stage2", 8, 32), ("stage3", 16, 96), ("stage4", 32, 256))

EXPECTED = {
    "inception_v3": Expected(23_834_568, 23_869_000, (21_785_568, 21_820_000), (8, 8, 2048), STAGES),
    "inception_v3_test": Expected(407_020, 408_916, (150_020, 151_916), (2, 2, 256), TEST),
}

TAPS = {"stem": "Conv2d_2b_3x3", "stage1": "Conv2d_4a_3x3", "stage2": "Mixed_5d", "stage3": "Mixed_6e"}
TAPS |= {"stage4": "Mixed_7c", "top_logits": "fc"}

CASES = {
    # With its second head, whose tensors are left out. By default it would draw its weights for minutes.
    "inception_v3":
        Case("inception_v3", "torchvision", "inception_v3", TAPS, settings={"init_weights": False}),
    "inception_v3_timm":
        Case("inception_v3", "timm", "inception_v3", TAPS, step=True, slow=True),
}

TAPS_OF_KERAS = {"stem": "activation_2", "stage1": "activation_4", "stage2": "mixed2", "stage3": "mixed7"}
TAPS_OF_KERAS |= {"stage4": "mixed10"}
TWINS = {
    "inception_v3":
        Twin("inception_v3", "InceptionV3", TAPS_OF_KERAS, {"geometry": "keras"}, unscaled=True),
}
# fmt: on
