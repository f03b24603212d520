"""GoogLeNet: torchvision's, and the paper's with its auxiliary classifiers."""

from cases import Case, Expected

TAPS = (("stem", 2, 64), ("stage1", 4, 192), ("stage2", 8, 480), ("stage3", 16, 832), ("stage4", 32, 1024))
TEST = (("stem", 2, 8), ("stage1", 4, 16), ("stage2", 8, 64), ("stage3", 16, 64), ("stage4", 32, 64))
MAP = (7, 7, 1024)

EXPECTED = {
    "googlenet": Expected(6_624_904, 6_639_464, (5_599_904, 5_614_464), MAP, TAPS),
    "googlenet_2014": Expected(6_998_552, 6_998_552, (5_973_552, 5_973_552), MAP, TAPS),
    "googlenet_test": Expected(92_832, 93_696, (27_832, 28_696), (2, 2, 64), TEST),
    "googlenet_2014_test": Expected(102_640, 102_640, (37_640, 37_640), (2, 2, 64), TEST),
}

TORCHVISION = {
    "stem": "conv1",
    "stage1": "conv3",
    "stage2": "inception3b",
    "stage3": "inception4e",
    "stage4": "inception5b",
    "top_logits": "fc",
}
PLAIN = {"aux_logits": False, "init_weights": False}
HEADS = {"top_auxiliary1_logits": "aux1.fc2", "top_auxiliary2_logits": "aux2.fc2", "top_logits": "fc"}

PAPER = {
    "stem": "relu1",
    "stage1": "norm2",
    "stage2": "inception3b",
    "top_auxiliary1_logits": "auxiliary1.classifier",
    "stage3": "inception4e",
    "top_auxiliary2_logits": "auxiliary2.classifier",
    "stage4": "inception5b",
    "top_logits": "classifier",
}
PARTS = {
    "1x1": "conv1",
    "3x3_reduce": "conv3_reduce",
    "3x3": "conv3",
    "5x5_reduce": "conv5_reduce",
    "5x5": "conv5",
    "pool_project": "project",
}
BLOCKS = {2: ("3a", "3b"), 3: ("4a", "4b", "4c", "4d", "4e"), 4: ("5a", "5b")}


def names(side: int) -> dict[str, str | tuple[str, tuple[int, int, int]]]:
    """Of the paper's network, whose auxiliary classifiers see `side` × `side` averages."""
    found = {"stem_conv": "conv1", "stage1_3x3_reduce": "conv2_reduce", "stage1_3x3": "conv2"}
    for stage, blocks in BLOCKS.items():
        for number, block in enumerate(blocks, start=1):
            for ours, theirs in PARTS.items():
                found[f"stage{stage}_block{number}_{ours}"] = f"inception{block}.{theirs}"
    for number in (1, 2):
        ours, theirs = f"top_auxiliary{number}", f"auxiliary{number}"
        found[f"{ours}_conv"] = f"{theirs}.conv"
        found[f"{ours}_hidden"] = (f"{theirs}.hidden", (128, side, side))
        found[f"{ours}_logits"] = f"{theirs}.classifier"
    return {**found, "top_logits": "classifier"}


AUXILIARY = {"auxiliary": True}

# Every pool that halves sees an odd map at 93 pixels (47, 23, 11, 5), the first three at 237 (119, 59, 29).
# The adaptive averages of torchvision's auxiliary classifiers cut 14 places and 5 into four.
CASES = {
    "googlenet": Case(
        "googlenet", "torchvision", "googlenet", TORCHVISION, sizes=(96, 93), settings=PLAIN, step=True
    ),
    "googlenet_auxiliary": Case(
        "googlenet",
        "torchvision",
        "googlenet",
        HEADS,
        sizes=(224, 93),
        options=AUXILIARY,
        settings={"aux_logits": True, "init_weights": False},
        heads=True,
    ),
    "googlenet_2014": Case(
        "googlenet_2014",
        "paper",
        "googlenet:GoogLeNet2014",
        PAPER,
        sizes=(96, 93),
        options=AUXILIARY,
        settings={**AUXILIARY, "places": 1},
        names=names(1),
    ),
    "googlenet_2014_224": Case(
        "googlenet_2014",
        "paper",
        "googlenet:GoogLeNet2014",
        {tap: PAPER[tap] for tap in HEADS},
        sizes=(224, 237),
        options=AUXILIARY,
        settings=AUXILIARY,
        names=names(4),
        slow=True,
    ),
}
