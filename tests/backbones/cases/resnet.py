"""ResNet against torchvision and timm; its keras geometry is in test_published_keras.py."""

from cases import Case, Expected, Twin

BASIC = (("stem", 2, 64), ("stage1", 4, 64), ("stage2", 8, 128), ("stage3", 16, 256), ("stage4", 32, 512))
DEEP = (("stem", 2, 64), ("stage1", 4, 256), ("stage2", 8, 512), ("stage3", 16, 1024), ("stage4", 32, 2048))
TEST = (("stem", 2, 8), ("stage1", 4, 32), ("stage2", 8, 64), ("stage3", 16, 128), ("stage4", 32, 256))

# fmt: off
EXPECTED = {
    "resnet18": Expected(11_689_512, 11_699_112, (11_176_512, 11_186_112), (7, 7, 512), BASIC),
    "resnet34": Expected(21_797_672, 21_814_696, (21_284_672, 21_301_696), (7, 7, 512), BASIC),
    "resnet50": Expected(25_557_032, 25_610_152, (23_508_032, 23_561_152), (7, 7, 2048), DEEP),
    "resnet101": Expected(44_549_160, 44_654_504, (42_500_160, 42_605_504), (7, 7, 2048), DEEP, slow=True),
    "resnet152": Expected(60_192_808, 60_344_232, (58_143_808, 58_295_232), (7, 7, 2048), DEEP, slow=True),
    # 147·8 of the stem; in a stage in·w + 9·w² + w·4w + in·4w, w = 8 … 64; two a normalised channel; the top.
    "resnet_test": Expected(385_392, 387_808, (128_392, 130_808), (2, 2, 256), TEST),
}
# fmt: on

STAGES = {"stage1": "layer1", "stage2": "layer2", "stage3": "layer3", "stage4": "layer4", "top_logits": "fc"}
TORCHVISION, TIMM = {"stem": "relu", **STAGES}, {"stem": "act1", **STAGES}

CASES = {
    "resnet18": Case("resnet18", "torchvision", "resnet18", TORCHVISION, sizes=(64, 65), step=True),
    "resnet34_timm": Case("resnet34", "timm", "resnet34", TIMM, sizes=(64, 65)),
    "resnet50": Case("resnet50", "torchvision", "resnet50", TORCHVISION, sizes=(64, 65)),
}

TAPS_OF_KERAS = {
    "stem": "conv1_relu",
    "stage1": "conv2_block3_out",
    "stage2": "conv3_block4_out",
    "stage3": "conv4_block6_out",
    "stage4": "conv5_block3_out",
}
TWINS = {"resnet50": Twin("resnet50", "ResNet50", TAPS_OF_KERAS, {"geometry": "keras"}, sizes=(64, 65))}
