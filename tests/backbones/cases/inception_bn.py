"""Inception with batch normalisation: pytorchcv's."""

from cases import Case, Expected

TAPS = (("stem", 2, 64), ("stage1", 4, 192), ("stage2", 8, 320), ("stage3", 16, 608), ("stage4", 32, 1024))
TEST = (("stem", 2, 8), ("stage1", 4, 16), ("stage2", 8, 32), ("stage3", 16, 56), ("stage4", 32, 32))

EXPECTED = {
    "inception_bn": Expected(11_295_240, 11_315_272, (10_270_240, 10_290_272), (7, 7, 1024), TAPS),
    "inception_bn_test": Expected(52_160, 52_672, (19_160, 19_672), (2, 2, 32), TEST),
}

CASES = {
    # Its last pool is of 7×7 places, and its blocks of stride 2 take even maps alone: which leaves sizes from
    # 223 to 230. At 229 the first two pools see 115 and 57 places.
    "inception_bn": Case(
        "inception_bn",
        "pytorchcv",
        "bninception",
        {
            "stem": "features.init_block.conv1",
            "stage1": "features.init_block.conv2",
            "stage2": "features.stage1",
            "stage3": "features.stage2",
            "stage4": "features.stage3",
            "top_logits": "output",
        },
        sizes=(224, 229),
        step=True,
        side=224,
    ),
}
