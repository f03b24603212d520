"""Network in Network: pytorchcv's for CIFAR-10, and Caffe's for ImageNet."""

from cases import Case, Expected

IMAGENET = (("stem", 4, 96), ("stage1", 8, 256), ("stage2", 16, 384), ("stage3", 32, 1024))
CIFAR = (("stem", 1, 96), ("stage1", 2, 192), ("stage2", 4, 192))
TEST = (("stem", 4, 8), ("stage1", 8, 8), ("stage2", 16, 16), ("stage3", 32, 16))
CIFAR_TEST = (("stem", 1, 8), ("stage1", 2, 16), ("stage2", 4, 16))

EXPECTED = {
    "nin": Expected(7_595_176, 7_595_176, (6_570_176, 6_570_176), (6, 6, 1024), IMAGENET),
    "nin_cifar": Expected(966_986, 966_986, (965_056, 965_056), (8, 8, 192), CIFAR),
    "nin_test": Expected(26_112, 26_112, (9_112, 9_112), (2, 2, 16), TEST),
    "nin_cifar_test": Expected(7_946, 7_946, (7_776, 7_776), (8, 8, 16), CIFAR_TEST),
}

TAPS = {
    "stem": "cccp2_relu",
    "stage1": "cccp4_relu",
    "stage2": "cccp6_relu",
    "stage3": "cccp7_relu",
    "top_pool": "flatten",
}
NAMES = {
    "stem_conv1": "conv1",
    "stem_conv2": "cccp1",
    "stem_conv3": "cccp2",
    "stage1_conv1": "conv2",
    "stage1_conv2": "cccp3",
    "stage1_conv3": "cccp4",
    "stage2_conv1": "conv3",
    "stage2_conv2": "cccp5",
    "stage2_conv3": "cccp6",
    "stage3_conv1": "conv4",
    "stage3_conv2": "cccp7",
    "top_logits": "cccp8",
}

CASES = {
    # Maps of 54, 27 and 13 places, and of 25, 12 and 6: each pool sees an even size and an odd one.
    "nin": Case("nin", "paper", "nin:NiN", TAPS, sizes=(224, 107), names=NAMES),
    # Its last pool is of 8×8 places, which both sizes end at.
    "nin_cifar": Case(
        "nin_cifar",
        "pytorchcv",
        "nin_cifar10",
        {
            "stem": "features.stage1",
            "stage1": "features.stage2",
            "stage2": "features.stage3",
            "top_pool": "output.final_pool",
        },
        sizes=(32, 31),
    ),
}
