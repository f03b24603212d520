"""MobileNetV2: torchvision, timm and keras.applications have it, the last in another geometry."""

from cases import Case, Expected, Twin


def pyramid(*channels):
    return tuple((f"stage{number}", 2**number, width) for number, width in enumerate(channels, start=1))


# fmt: off
EXPECTED = {
    "mobilenet_v2": Expected(3_504_872, 3_538_984, (2_223_872, 2_257_984), (7, 7, 1280),
                             pyramid(16, 24, 32, 96, 320)),
    "mobilenet_v2_035": Expected(1_677_128, 1_691_208, (396_128, 410_208), (7, 7, 1280),
                                 pyramid(8, 8, 16, 32, 112)),
    "mobilenet_v2_050": Expected(1_968_680, 1_987_224, (687_680, 706_224), (7, 7, 1280),
                                 pyramid(8, 16, 16, 48, 160), slow=True),
    "mobilenet_v2_075": Expected(2_636_424, 2_663_064, (1_355_424, 1_382_064), (7, 7, 1280),
                                 pyramid(16, 24, 24, 72, 240), slow=True),
    "mobilenet_v2_130": Expected(5_386_792, 5_431_048, (3_721_792, 3_766_048), (7, 7, 1664),
                                 pyramid(24, 32, 40, 128, 416), slow=True),
    "mobilenet_v2_140": Expected(6_108_776, 6_156_712, (4_315_776, 4_363_712), (7, 7, 1792),
                                 pyramid(24, 32, 48, 136, 448), slow=True),
    "mobilenet_v2_test": Expected(92_456, 95_384, (27_456, 30_384), (2, 2, 64), pyramid(8, 8, 8, 16, 32)),
}
# fmt: on

OF_TORCHVISION = {
    "stage1": "features.1",
    "stage2": "features.3",
    "stage3": "features.6",
}
OF_TORCHVISION |= {"stage4": "features.13", "stage5": "features.17", "top_logits": "classifier"}
OF_TIMM = {"stage1": "blocks.0", "stage2": "blocks.1", "stage3": "blocks.2"}
OF_TIMM |= {"stage4": "blocks.4", "stage5": "blocks.6", "top_logits": "classifier"}

CASES = {
    "mobilenet_v2": Case("mobilenet_v2", "torchvision", "mobilenet_v2", OF_TORCHVISION, sizes=(64, 65)),
    "mobilenet_v2_050_timm": Case(
        "mobilenet_v2_050", "timm", "mobilenetv2_050", OF_TIMM, sizes=(64, 65), step=True
    ),
}

OF_KERAS = {"stem": "Conv1_relu", "stage1": "expanded_conv_project_BN", "stage2": "block_2_add"}
OF_KERAS |= {"stage3": "block_5_add", "stage4": "block_12_add", "stage5": "block_16_project_BN"}
OF_KERAS |= {"last_conv_relu6": "out_relu"}
TENSORFLOW = {"geometry": "tensorflow"}

TWINS = {
    "mobilenet_v2_035": Twin(
        "mobilenet_v2_035", "MobileNetV2", OF_KERAS, settings={"alpha": 0.35}, sizes=(64, 65)
    ),
    "mobilenet_v2_130": Twin(
        "mobilenet_v2_130", "MobileNetV2", OF_KERAS, settings={"alpha": 1.3}, sizes=(64, 65), slow=True
    ),
    "mobilenet_v2": Twin(
        "mobilenet_v2", "MobileNetV2", OF_KERAS, options=TENSORFLOW, sizes=(64, 65), slow=True
    ),
}
