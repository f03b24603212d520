"""AlexNet: torchvision's tower, and the paper's two halves."""

from cases import Case, Expected

TOWER = (("stem", 4, 64), ("stage1", 8, 192), ("stage2", 16, 256), ("stage3", 32, 256))
HALVES = (("stem", 4, 96), ("stage1", 8, 256), ("stage2", 16, 256), ("stage3", 32, 256))
TEST = (("stem", 4, 8), ("stage1", 8, 16), ("stage2", 16, 16), ("stage3", 32, 16))

EXPECTED = {
    "alexnet": Expected(61_100_840, 61_100_840, (2_469_696, 2_469_696), (6, 6, 256), TOWER),
    "alexnet_2012": Expected(60_965_224, 60_965_224, (2_334_080, 2_334_080), (6, 6, 256), HALVES),
    "alexnet_test": Expected(49_224, 49_224, (13_088, 13_088), (2, 2, 16), TEST),
    "alexnet_2012_test": Expected(45_320, 45_320, (9_184, 9_184), (2, 2, 16), TEST),
}

TAPS = {
    "stem": "features.1",
    "stage1": "features.4",
    "stage2": "features.11",
    "stage3": "features.12",
    "top_logits": "classifier.6",
}
PAPER = {"stem": "norm1", "stage1": "norm2", "stage2": "relu5", "stage3": "pool5", "top_logits": "fc8"}
NAMES = {
    "stem_conv": "conv1",
    "stage1_conv": "conv2",
    "stage2_conv1": "conv3",
    "stage2_conv2": "conv4",
    "stage2_conv3": "conv5",
    "top_dense2": "fc7",
    "top_logits": "fc8",
}

# At both sizes of each the last map is 6×6, so that one set of weights fits both.
CASES = {
    "alexnet": Case("alexnet", "torchvision", "alexnet", TAPS, sizes=(224, 225), slow=True),
    "alexnet_2012": Case(
        "alexnet_2012",
        "paper",
        "alexnet_2012:AlexNet2012",
        PAPER,
        sizes=(227, 228),
        names={**NAMES, "top_dense1": ("fc6", (256, 6, 6))},
        slow=True,
    ),
    "alexnet_2012_test": Case(
        "alexnet_2012_test",
        "paper",
        "alexnet_2012:AlexNet2012",
        PAPER,
        sizes=(227, 228),
        settings={"widths": (8, 16, 16, 16, 16), "dense": 32},
        names={**NAMES, "top_dense1": ("fc6", (16, 6, 6))},
    ),
}
