"""LeNet-5 against the paper's reading in torch."""

from cases import Case, Expected

STAGES = (("stem", 1, 6), ("stage1", 2, 16), ("stage2", 4, 16))
TEST = (("stem", 1, 4), ("stage1", 2, 6), ("stage2", 4, 6))

EXPECTED = {
    "lenet5": Expected(44_426, 44_426, (2_572, 2_572), (4, 4, 16), STAGES),
    "lenet5_32": Expected(61_706, 61_706, (2_572, 2_572), (5, 5, 16), STAGES),
    "lenet_test": Expected(1_204, 1_204, (710, 710), (2, 2, 6), TEST),
}

TAPS = {"stem": "tanh1", "stage1": "tanh3", "stage2": "s4", "top_dense1": "tanh5", "top_logits": "output"}
NAMES = {"stem_conv": "c1", "stage1_conv": "c3", "top_dense2": "f6", "top_logits": "output"}

# Two sizes that leave S4 the same places, so that one set of weights fits both.
CASES = {
    "lenet5": Case(
        "lenet5",
        "paper",
        "lenet:LeNet5",
        TAPS,
        sizes=(28, 29),
        names={**NAMES, "top_dense1": ("c5", (16, 4, 4))},
    ),
    "lenet5_32": Case(
        "lenet5_32",
        "paper",
        "lenet:LeNet5On32",
        TAPS,
        sizes=(32, 33),
        names={**NAMES, "top_dense1": ("c5", (16, 5, 5))},
    ),
}
