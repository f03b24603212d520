"""MobileNet, version 1: timm has its full width, keras.applications the others in another geometry."""

from cases import Case, Expected, Twin


def pyramid(*channels):
    return tuple((f"stage{number}", 2**number, width) for number, width in enumerate(channels, start=1))


# fmt: off
EXPECTED = {
    "mobilenet_v1": Expected(4_231_976, 4_253_864, (3_206_976, 3_228_864), (7, 7, 1024),
                             pyramid(64, 128, 256, 512, 1024)),
    "mobilenet_v1_025": Expected(470_072, 475_544, (213_072, 218_544), (7, 7, 256),
                                 pyramid(16, 32, 64, 128, 256)),
    "mobilenet_v1_050": Expected(1_331_592, 1_342_536, (818_592, 829_536), (7, 7, 512),
                                 pyramid(32, 64, 128, 256, 512), slow=True),
    "mobilenet_v1_075": Expected(2_585_560, 2_601_976, (1_816_560, 1_832_976), (7, 7, 768),
                                 pyramid(48, 96, 192, 384, 768), slow=True),
    "mobilenet_v1_test": Expected(76_096, 76_992, (11_096, 11_992), (2, 2, 64), pyramid(8, 8, 16, 32, 64)),
}
# fmt: on

STAGES = {"stage1": "blocks.0", "stage2": "blocks.1", "stage3": "blocks.2"}
STAGES |= {"stage4": "blocks.3", "stage5": "blocks.4", "top_logits": "classifier"}

CASES = {
    "mobilenet_v1": Case("mobilenet_v1", "timm", "mobilenetv1_100", STAGES, sizes=(64, 65), step=True),
}

TAPS_OF_KERAS = {"stem": "conv1_relu", "stage1": "conv_pw_1_relu", "stage2": "conv_pw_3_relu"}
TAPS_OF_KERAS |= {"stage3": "conv_pw_5_relu", "stage4": "conv_pw_11_relu", "stage5": "conv_pw_13_relu"}
# Not at an odd size: keras.applications puts its zero after maps of odd size too.
SIZES = (64, 96)
TENSORFLOW = {"geometry": "tensorflow"}

TWINS = {
    "mobilenet_v1_025": Twin(
        "mobilenet_v1_025", "MobileNet", TAPS_OF_KERAS, settings={"alpha": 0.25}, sizes=SIZES
    ),
    "mobilenet_v1_075": Twin(
        "mobilenet_v1_075", "MobileNet", TAPS_OF_KERAS, settings={"alpha": 0.75}, sizes=SIZES, slow=True
    ),
    "mobilenet_v1": Twin(
        "mobilenet_v1", "MobileNet", TAPS_OF_KERAS, options=TENSORFLOW, sizes=SIZES, slow=True
    ),
}
