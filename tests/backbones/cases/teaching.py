"""The two teaching networks against torch, as the project's reference notes compose them."""

from cases import Case, Expected

SMALL = (("stem", 1, 16), ("stage1", 2, 32), ("stage2", 4, 32))
SMALL_TEST = (("stem", 1, 6), ("stage1", 2, 8), ("stage2", 4, 8))

EXPECTED = {
    "small_cnn": Expected(206_922, 206_922, (4_800, 4_800), (7, 7, 32), SMALL),
    "small_cnn_test": Expected(6_958, 6_958, (500, 500), (7, 7, 8), SMALL_TEST),
    "simple_resnet": Expected(56_170, 56_426, (55_840, 56_096), (28, 28, 32), (("stage1", 1, 32),)),
    "simple_resnet_test": Expected(1_456, 1_492, (1_386, 1_422), (28, 28, 6), (("stage1", 1, 6),)),
}

BLOCKS = {"conv1": "conv1", "conv1_norm": "bn1", "conv2": "conv2"}

CASES = {
    "small_cnn": Case(
        "small_cnn",
        "paper",
        "teaching:SmallCNN",
        {"stem": "relu1", "stage1": "relu2", "stage2": "pool2", "top_dense": "relu3", "top_logits": "fc2"},
        sizes=(28, 29),  # both leave 7×7 places, so that one set of weights fits both
        names={
            "stem_conv": "conv1",
            "stage1_conv": "conv2",
            "top_dense": ("fc1", (32, 7, 7)),
            "top_logits": "fc2",
        },
    ),
    "simple_resnet": Case(
        "simple_resnet",
        "paper",
        "teaching:SimpleResNet",
        {
            "stem": "relu1",
            "stage1_block1_relu": "block1",
            "stage1_block2_relu": "block2",
            "stage1": "block3",
            "top_logits": "fc",
        },
        sizes=(28, 33),
        names={
            "stem_conv": "conv1",
            "stem_conv_norm": "bn1",
            **{
                f"stage1_block{number}_{ours}": f"block{number}.{theirs}"
                for number in (1, 2, 3)
                for ours, theirs in BLOCKS.items()
            },
            "top_logits": "fc",
        },
        step=True,
    ),
}
