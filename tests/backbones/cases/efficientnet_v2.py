"""EfficientNetV2 against timm, torchvision and keras.applications."""

from cases import Case, Expected, Twin

# fmt: off
B0 = (("stage1", 2, 16), ("stage2", 4, 32), ("stage3", 8, 48), ("stage4", 16, 112), ("stage5", 32, 192))
B2 = (("stage1", 2, 16), ("stage2", 4, 32), ("stage3", 8, 56), ("stage4", 16, 120), ("stage5", 32, 208))
B3 = (("stage1", 2, 16), ("stage2", 4, 40), ("stage3", 8, 56), ("stage4", 16, 136), ("stage5", 32, 232))
SMALL = (("stage1", 2, 24), ("stage2", 4, 48), ("stage3", 8, 64), ("stage4", 16, 160), ("stage5", 32, 256))
MEDIUM = (("stage1", 2, 24), ("stage2", 4, 48), ("stage3", 8, 80), ("stage4", 16, 176), ("stage5", 32, 512))
LARGE = (("stage1", 2, 32), ("stage2", 4, 64), ("stage3", 8, 96), ("stage4", 16, 224), ("stage5", 32, 640))
TEST = (("stage1", 2, 8), ("stage2", 4, 8), ("stage3", 8, 16), ("stage4", 16, 16), ("stage5", 32, 32))

EXPECTED = {
    "efficientnet_v2_b0": Expected(7_139_704, 7_200_312, (5_858_704, 5_919_312), (7, 7, 1280), B0),
    "efficientnet_v2_b1": Expected(8_141_052, 8_212_124, (6_860_052, 6_931_124), (8, 8, 1280), B0),
    "efficientnet_v2_b2": Expected(10_096_086, 10_178_374, (8_687_086, 8_769_374), (9, 9, 1408), B2),
    "efficientnet_v2_b3":
        Expected(14_358_406, 14_467_622, (12_821_406, 12_930_622), (10, 10, 1536), B3, slow=True),
    "efficientnet_v2_s":
        Expected(21_458_488, 21_612_360, (20_177_488, 20_331_360), (12, 12, 1280), SMALL, slow=True),
    "efficientnet_v2_m":
        Expected(54_139_356, 54_431_388, (52_858_356, 53_150_388), (15, 15, 1280), MEDIUM, slow=True),
    "efficientnet_v2_l":
        Expected(118_515_272, 119_027_848, (117_234_272, 117_746_848), (15, 15, 1280), LARGE, slow=True),
    "efficientnet_v2_test": Expected(91_692, 93_260, (26_692, 28_260), (2, 2, 64), TEST),
}

STAGES = {"stem": "bn1", "stage1": "blocks.0", "stage2": "blocks.1", "stage3": "blocks.2"}
STAGES |= {"stage4": "blocks.4", "stage5": "blocks.5", "top_logits": "classifier"}
TORCHVISION = {"stem": "features.0", "stage1": "features.1", "stage3": "features.3", "stage5": "features.6"}
TORCHVISION |= {"top_logits": "classifier"}
SIZES = (64, 65)

CASES = {
    "efficientnet_v2_b0":
        Case("efficientnet_v2_b0", "timm", "tf_efficientnetv2_b0", STAGES, SIZES, step=True),
    "efficientnet_v2_s_torchvision":
        Case("efficientnet_v2_s", "torchvision", "efficientnet_v2_s", TORCHVISION, SIZES,
             {"geometry": "torch"}, slow=True, gain=0.8),
}

TAPS_OF_KERAS = {"stem": "stem_activation", "stage1": "block1a_project_activation", "stage2": "block2b_add"}
TAPS_OF_KERAS |= {"stage3": "block3b_add", "stage4": "block5e_add", "stage5": "block6h_add"}
TAPS_OF_S = {"stage1": "block1b_add", "stage4": "block5i_add", "stage5": "block6o_add"}
BARE = {"include_preprocessing": False}

TWINS = {
    "efficientnet_v2_b0":
        Twin("efficientnet_v2_b0", "EfficientNetV2B0", TAPS_OF_KERAS, settings=BARE, sizes=SIZES),
    "efficientnet_v2_s":
        Twin("efficientnet_v2_s", "EfficientNetV2S", TAPS_OF_S, settings=BARE, sizes=SIZES, gain=0.8,
             slow=True),
}
# fmt: on
