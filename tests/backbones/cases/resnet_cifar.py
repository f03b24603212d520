"""ResNet and plain networks for CIFAR-10: the paper's as read in oracles/cifar.py, and pytorchcv's."""

from cases import Case, Expected

PYRAMID = (("stage1", 1, 16), ("stage2", 2, 32), ("stage3", 4, 64))  # the stem is as large as stage 1
TEST = (("stage1", 1, 4), ("stage2", 2, 8), ("stage3", 4, 16))
MAP = (8, 8, 64)

# fmt: off
EXPECTED = {
    "resnet20_cifar": Expected(269_722, 271_098, (269_072, 270_448), MAP, PYRAMID),
    "resnet32_cifar": Expected(464_154, 466_426, (463_504, 465_776), MAP, PYRAMID),
    "resnet44_cifar": Expected(658_586, 661_754, (657_936, 661_104), MAP, PYRAMID),
    "resnet56_cifar": Expected(853_018, 857_082, (852_368, 856_432), MAP, PYRAMID),
    "resnet110_cifar": Expected(1_727_962, 1_736_058, (1_727_312, 1_735_408), MAP, PYRAMID),
    "resnet1202_cifar": Expected(19_421_274, 19_510_906, (19_420_624, 19_510_256), MAP, PYRAMID, slow=True),
    "plain20_cifar": Expected(269_722, 271_098, (269_072, 270_448), MAP, PYRAMID),
    "plain56_cifar": Expected(853_018, 857_082, (852_368, 856_432), MAP, PYRAMID),
    "plain110_cifar": Expected(1_727_962, 1_736_058, (1_727_312, 1_735_408), MAP, PYRAMID),
    "resnet_cifar_test": Expected(5_006, 5_126, (4_836, 4_956), (8, 8, 16), TEST),
}
# fmt: on


def paper(blocks: int) -> dict[str, str]:
    """Our layers as the oracle calls them."""
    found = {"stem_conv": "conv1", "stem_conv_norm": "bn1", "top_logits": "fc"}
    for stage in (1, 2, 3):
        for block in range(blocks):
            for number, part in enumerate(("first", "second"), start=1):
                ours, theirs = f"stage{stage}_block{block + 1}_{part}", f"stage{stage}.{block}"
                found |= {ours: f"{theirs}.conv{number}", f"{ours}_norm": f"{theirs}.bn{number}"}
    return found


THEIRS = {"stem": "relu1", "stage1": "stage1", "stage2": "stage2", "stage3": "stage3", "top_logits": "fc"}
PYTORCHCV = {"stem": "features.init_block", "stage1": "features.stage1", "stage2": "features.stage2"}
PYTORCHCV |= {"stage3": "features.stage3", "top_logits": "output"}

CASES = {
    "resnet20_cifar": Case(
        "resnet20_cifar", "paper", "cifar:ResNetCifar", THEIRS, (32, 33), names=paper(3), step=True
    ),
    "plain20_cifar": Case(
        "plain20_cifar", "paper", "cifar:ResNetCifar", THEIRS, (32, 33), {}, {"residual": False}, paper(3)
    ),
    # Its last pool is 8×8, whatever comes: 31 pixels still leave that. So it takes no step at 96.
    "resnet20_cifar_b": Case(
        "resnet20_cifar", "pytorchcv", "resnet20_cifar10", PYTORCHCV, (32, 31), {"geometry": "option_b"}
    ),
}
