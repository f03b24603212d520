"""The neocognitron that gradients train, against the same composition in torch."""

from cases import Case, Expected

STAGES = (("stem", 1, 24), ("stage1", 2, 24), ("stage2", 4, 24), ("stage3", 8, 24))
TEST = (("stem", 1, 6), ("stage1", 2, 6), ("stage2", 4, 6), ("stage3", 8, 6))

EXPECTED = {
    "neocognitron": Expected(29_722, 29_722, (29_472, 29_472), (3, 3, 24), STAGES),
    "neocognitron_test": Expected(2_038, 2_038, (1_968, 1_968), (3, 3, 6), TEST),
}

CASES = {
    "neocognitron": Case(
        "neocognitron",
        "paper",
        "neocognitron:Neocognitron",
        {"stem": "s1", "stage1": "s2", "stage2": "s3", "stage3": "c3", "top_logits": "fc"},
        sizes=(28, 37),
        gain=3.0,
        names={"s1": "s1.conv", "s2": "s2.conv", "s3": "s3.conv", "top_logits": "fc"},
    ),
}
