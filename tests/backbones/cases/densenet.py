"""DenseNet against torchvision, timm and keras.applications."""

from cases import Case, Expected, Twin

# fmt: off
D121 = (("stem", 2, 64), ("stage1", 4, 256), ("stage2", 8, 512), ("stage3", 16, 1024), ("stage4", 32, 1024))
D161 = (("stem", 2, 96), ("stage1", 4, 384), ("stage2", 8, 768), ("stage3", 16, 2112), ("stage4", 32, 2208))
D169 = (("stem", 2, 64), ("stage1", 4, 256), ("stage2", 8, 512), ("stage3", 16, 1280), ("stage4", 32, 1664))
D201 = (("stem", 2, 64), ("stage1", 4, 256), ("stage2", 8, 512), ("stage3", 16, 1792), ("stage4", 32, 1920))
# Half of what comes in, twice the growth more: 16 + 16 = 32, and so on.
TEST = (("stem", 2, 16), ("stage1", 4, 32), ("stage2", 8, 32), ("stage3", 16, 32), ("stage4", 32, 32))

EXPECTED = {
    "densenet121": Expected(7_978_856, 8_062_504, (6_953_856, 7_037_504), (7, 7, 1024), D121),
    "densenet161": Expected(28_681_000, 28_900_936, (26_472_000, 26_691_936), (7, 7, 2208), D161, slow=True),
    "densenet169": Expected(14_149_480, 14_307_880, (12_484_480, 12_642_880), (7, 7, 1664), D169, slow=True),
    "densenet201": Expected(20_013_928, 20_242_984, (18_092_928, 18_321_984), (7, 7, 1920), D201, slow=True),
    "densenet_test": Expected(61_560, 62_680, (28_560, 29_680), (2, 2, 32), TEST),
}
# fmt: on

# The last ReLU is none of torchvision's modules: norm5 comes before it.
STAGES = {"stem": "features.relu0"}
STAGES |= {f"stage{number}": f"features.transition{number}.relu" for number in (1, 2, 3)}
STAGES |= {"stage4_norm": "features.norm5", "top_logits": "classifier"}
OF_TIMM = {"stage4": "features.norm5", "top_logits": "classifier"}
SIZES = (64, 65)

CASES = {
    "densenet121": Case("densenet121", "torchvision", "densenet121", STAGES, SIZES, step=True),
    "densenet121_timm": Case("densenet121", "timm", "densenet121", OF_TIMM, SIZES, slow=True),
    "densenet161": Case("densenet161", "torchvision", "densenet161", STAGES, SIZES, slow=True),
}

TAPS_OF_KERAS = {
    "stem": "conv1_relu",
    "stage1": "pool2_relu",
    "stage2": "pool3_relu",
    "stage3": "pool4_relu",
    "stage4": "relu",
}
# fmt: off
TWINS = {
    "densenet121":
        Twin("densenet121", "DenseNet121", TAPS_OF_KERAS, {"geometry": "keras"}, sizes=SIZES, slow=True),
}
# fmt: on
