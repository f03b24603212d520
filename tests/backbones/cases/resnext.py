"""ResNeXt and Wide ResNet against torchvision, SE-ResNet against timm."""

from cases import Case, Expected

DEEP = (("stem", 2, 64), ("stage1", 4, 256), ("stage2", 8, 512), ("stage3", 16, 1024), ("stage4", 32, 2048))
TEST = (("stem", 2, 8), ("stage1", 4, 32), ("stage2", 8, 64), ("stage3", 16, 128), ("stage4", 32, 256))
FINAL = (7, 7, 2048)

# fmt: off
EXPECTED = {
    "resnext50_32x4d": Expected(25_028_904, 25_097_128, (22_979_904, 23_048_128), FINAL, DEEP),
    "resnext101_32x8d": Expected(88_791_336, 88_994_216, (86_742_336, 86_945_216), FINAL, DEEP, slow=True),
    "resnext101_64x4d": Expected(83_455_272, 83_658_152, (81_406_272, 81_609_152), FINAL, DEEP, slow=True),
    "se_resnet50": Expected(28_088_024, 28_141_144, (26_039_024, 26_092_144), FINAL, DEEP),
    "wide_resnet50_2": Expected(68_883_240, 68_951_464, (66_834_240, 66_902_464), FINAL, DEEP, slow=True),
    "resnext_test": Expected(418_448, 421_344, (161_448, 164_344), (2, 2, 256), TEST),
    "se_resnet_test": Expected(397_688, 400_104, (140_688, 143_104), (2, 2, 256), TEST),
}
# fmt: on

STAGES = {"stage1": "layer1", "stage2": "layer2", "stage3": "layer3", "stage4": "layer4", "top_logits": "fc"}
TORCHVISION, TIMM = {"stem": "relu", **STAGES}, {"stem": "act1", **STAGES}
SIZES = (64, 65)

# fmt: off
CASES = {
    "resnext50_32x4d":
        Case("resnext50_32x4d", "torchvision", "resnext50_32x4d", TORCHVISION, SIZES, step=True),
    "seresnet50_timm":
        Case("se_resnet50", "timm", "seresnet50", TIMM, SIZES),
    "wide_resnet50_2":
        Case("wide_resnet50_2", "torchvision", "wide_resnet50_2", TORCHVISION, SIZES, slow=True),
}
# fmt: on
