"""DenseNet: what the contract and the comparisons with torchvision and keras.applications leave open."""

import keras
import numpy as np
import pytest
from make_golden import picture

from tlkit.backbones import anatomy, build, variant

STAGES = ("stage1", "stage2", "stage3", "stage4")


def small(**options):
    return build("densenet_test", weights=None, seed=3, **options)


@pytest.mark.parametrize(
    "name",
    ["densenet121", *(pytest.param(f"densenet{n}", marks=pytest.mark.slow) for n in (161, 169, 201))],
)
def test_a_network_is_as_deep_as_its_name_says(name):
    """Shortcuts leave every layer on the longest way: 2 a block, a stem, 3 transitions, a dense layer."""
    model = build(name, weights=None)
    blocks = sum(variant(name).depths)
    assert anatomy.depth(model) == 2 * blocks + 1 + 3 + 1 == int(name.removeprefix("densenet"))


def test_every_block_adds_its_growth_to_what_all_before_it_have_made():
    model = small()
    coming, growth = variant("densenet_test").stem, variant("densenet_test").growth
    for number, stage in enumerate(STAGES):
        coming //= 2 if number else 1
        for block in ("block1", "block2"):
            concat = model.get_layer(f"{stage}_{block}_concat")
            assert [tensor.shape[-1] for tensor in concat.input] == [coming, growth]
            assert model.get_layer(f"{stage}_{block}_reduce").filters == 4 * growth
            coming += growth
        assert model.get_layer(stage).output.shape[-1] == coming


def test_what_a_block_has_made_is_handed_on_unchanged():
    """To the last block of its stage, which is what dense connections are."""
    model = small()
    names = ("stage1_pool", "stage1_block1_spatial", "stage1_block2_spatial", "stage1_block2_concat")
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    *made, together = probe(picture(64)[None])
    np.testing.assert_array_equal(np.concatenate(made, axis=-1), together)


@pytest.mark.parametrize("geometry", ["torch", "keras"])
def test_can_be_cut_at_every_mark(geometry):
    """No connection goes round one: what is frozen can be run once, and the rest learn from what it made."""
    model, photos = small(geometry=geometry), picture(64)[None]
    for mark in ("stem", *STAGES):
        lower = keras.Model(model.input, model.get_layer(mark).output)
        upper = keras.Model(model.get_layer(mark).output, model.output)
        np.testing.assert_allclose(upper(lower(photos)), model(photos), rtol=1e-5, atol=1e-7)
