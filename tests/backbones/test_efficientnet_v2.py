"""EfficientNetV2: what the contract and the comparisons with others' code leave open."""

import keras
import pytest

from tlkit.backbones import build, efficientnet_v2, layers, variant


# Blocks in each group: S as in the paper, table 4; the others as in google/automl, B by its rule.
@pytest.mark.parametrize(
    ("name", "depths"),
    [
        ("efficientnet_v2_b0", (1, 2, 2, 3, 5, 8)),
        ("efficientnet_v2_b1", (2, 3, 3, 4, 6, 9)),
        ("efficientnet_v2_b2", (2, 3, 3, 4, 6, 10)),
        ("efficientnet_v2_b3", (2, 3, 3, 5, 7, 12)),
        ("efficientnet_v2_s", (2, 4, 4, 6, 9, 15)),
        ("efficientnet_v2_m", (3, 5, 5, 7, 14, 18, 5)),
        ("efficientnet_v2_l", (4, 7, 7, 10, 19, 25, 7)),
    ],
)
def test_blocks_are_those_of_the_tables(name, depths):
    blocks = efficientnet_v2.plan(variant(name))
    groups = [block.group for block in blocks]
    assert tuple(groups.count(group) for group in range(len(depths))) == depths
    assert [block.fused for block in blocks] == [group < 3 for group in groups]
    assert {block.group: block.stage for block in blocks} == dict(
        enumerate((1, 2, 3, 4, 4, 5, 5)[: len(depths)])
    )
    assert [block.stride for block in blocks].count(2) == 4


def test_b3_begins_with_fewer_channels_than_efficientnets_rule_gives():
    """The official `round_filters` has no lower limit here; with one, B3 would not fit its weights."""
    assert efficientnet_v2.plan(variant("efficientnet_v2_b3"))[0].channels == 16
    assert (efficientnet_v2.rounded(16 * 1.2), layers.rounded(16 * 1.2)) == (16, 24)


@pytest.mark.parametrize("name", [name for name in efficientnet_v2.VARIANTS if "_b" in name])
def test_the_ends_are_widened(name):
    row = variant(name)
    rule = efficientnet_v2.rounded
    assert (row.stem, row.last) == (rule(32 * row.width), rule(1280 * row.width))


def test_fused_blocks_have_no_gate_and_no_kernel_a_channel():
    model = build("efficientnet_v2_test", weights=None)

    def stages(kind):
        return {layer.name.partition("_")[0] for layer in model.layers if isinstance(layer, kind)}

    assert stages(keras.layers.Multiply) == stages(keras.layers.DepthwiseConv2D) == {"stage4", "stage5"}
    # The first does not widen: one 3×3 with its activation, and the shortcut after it.
    first = [layer.name for layer in model.layers if layer.name.startswith("stage1_")]
    assert first == [f"stage1_block1_{part}" for part in ("fused", "fused_norm", "fused_silu", "add")]


def test_the_published_dropouts_are_those_of_the_official_builder():
    assert [
        variant(f"efficientnet_v2_{size}").dropout for size in ("b0", "b1", "b2", "b3", "s", "m", "l")
    ] == ([0.2, 0.2, 0.3, 0.3, 0.2, 0.3, 0.4])
