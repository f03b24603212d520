"""ResNet V2: timm's geometry here, that of keras.applications in test_published_keras.py."""

from cases import Case, Expected, Twin

PYRAMID = (
    ("stem", 2, 64), ("stage1", 4, 256), ("stage2", 8, 512), ("stage3", 16, 1024), ("stage4", 32, 2048)
)  # fmt: skip
TEST = (("stem", 2, 8), ("stage1", 4, 32), ("stage2", 8, 64), ("stage3", 16, 128), ("stage4", 32, 256))

# fmt: off
EXPECTED = {
    "resnet50_v2": Expected(25_549_352, 25_594_792, (23_500_352, 23_545_792), (7, 7, 2048), PYRAMID),
    "resnet101_v2": Expected(44_541_480, 44_639_144, (42_492_480, 42_590_144), (7, 7, 2048), PYRAMID),
    "resnet152_v2": Expected(60_236_904, 60_380_648, (58_187_904, 58_331_648), (7, 7, 2048), PYRAMID),
    "resnet_v2_test": Expected(479_800, 482_696, (222_800, 225_696), (2, 2, 256), TEST),
}
# fmt: on

# Ours ends with the final ReLU, which timm calls norm; stages.3 is the sum before it.
STAGES = {"stem": "stem.conv", "stage1": "stages.0", "stage2": "stages.1", "stage3": "stages.2"}
STAGES |= {"stage4": "norm", "top_logits": "head"}

CASES = {
    "resnetv2_50": Case(
        "resnet50_v2", "timm", "resnetv2_50", STAGES, options={"geometry": "timm"}, step=True
    ),
}

TAPS_OF_KERAS = {
    "stem": "conv1_conv",
    "stage1": "conv2_block2_out",
    "stage2": "conv3_block3_out",
    "stage2_block1_pre_relu": "conv2_block3_preact_relu",  # what detectors tap in keras.applications
    "stage3": "conv4_block5_out",
    "stage4": "post_relu",
}
TWINS = {"resnet50_v2": Twin("resnet50_v2", "ResNet50V2", TAPS_OF_KERAS, {"geometry": "keras"})}
