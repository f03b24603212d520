"""The networks as they are listed, told and compared; networks come and go, so facts are asked of a few."""

import itertools
import math

import pytest

from tlkit import backbones
from tlkit.backbones import INDEX
from tlkit.errors import UnknownBackbone
from tlkit.run import listing
from tlkit.weights import catalogue

NAMES = [name for name in INDEX if not name.endswith("_test")]


def names(**asked):
    return [row.name for row in listing.backbones(**asked).backbones]


def test_the_list_has_every_backbone_by_year_and_family_and_no_test_rows():
    rows = listing.backbones().backbones
    assert sorted(names()) == sorted(NAMES)
    years = [row.year or 0 for row in rows]
    assert years == sorted(years) and years[0] == 0 and years[-1] >= 2020
    groups = [group for group, _ in itertools.groupby((row.year, row.family) for row in rows)]
    assert len(groups) == len(set(groups))  # each stands in one place
    for year, family in groups:
        members = [row.name for row in rows if (row.year, row.family) == (year, family)]
        assert members == [name for name in NAMES if name in members]
    assert {row.name: row.year for row in rows}["alexnet_2012"] == 2012
    (test,) = listing.backbones("efficientnet_test").backbones
    assert test.top1 is None and test.licence is None


def test_a_row_has_the_facts_of_its_network():
    rows = {row.name: row for row in listing.backbones().backbones}
    for name, row in rows.items():
        variant = backbones.variant(name)
        entries = catalogue.entries(name)
        assert row.family == backbones.family(name)
        assert (row.top1, row.licence) == ((entries[0].top1, entries[0].licence) if entries else (None, None))
        assert (row.parameters, row.multiply_adds) == (variant.parameters, variant.multiply_adds)
    lite0 = rows["efficientnet_lite0"]
    assert (lite0.parameters, lite0.total_parameters, lite0.image_size) == (4_652_008, 4_694_024, 224)
    assert (lite0.multiply_adds, lite0.top1, lite0.licence) == (385_187_552, 0.751, "Apache-2.0")


def test_filters_keep_what_is_at_most_so_large():
    lite0 = backbones.variant("efficientnet_lite0")
    for option, size in (("max_params", lite0.parameters), ("max_macs", lite0.multiply_adds)):
        assert "efficientnet_lite0" in names(**{option: size})
        assert "efficientnet_lite0" not in names(**{option: size - 1})
        assert "efficientnet_lite2" not in names(**{option: size})
    both = names(max_params=6_000_000, max_macs=600_000_000)
    assert both == [name for name in names(max_params=6_000_000) if name in names(max_macs=600_000_000)]
    assert names(max_params=1) == []


@pytest.mark.parametrize("sort", ["params", "macs"])
def test_the_smallest_comes_first(sort):
    field = {"params": "parameters", "macs": "multiply_adds"}[sort]
    sizes = [getattr(row, field) for row in listing.backbones(sort=sort).backbones]
    assert sizes == sorted(sizes) and len(sizes) == len(NAMES)


def test_the_best_comes_first_and_those_without_a_figure_last():
    rows = listing.backbones(sort="top1").backbones
    published = [row.top1 for row in rows if row.top1 is not None]
    assert len(published) >= 3 and published == sorted(published, reverse=True)
    unknown = [row.name for row in rows[len(published) :]]
    assert sorted(unknown) == sorted(name for name in NAMES if not catalogue.entries(name))


def test_names_are_sorted_with_their_numbers():
    ordered = names(sort="name")
    assert sorted(ordered) == sorted(NAMES)
    assert ordered.index("resnet18") < ordered.index("resnet50") < ordered.index("resnet101")


def test_a_recommendation_says_what_is_fetched_and_what_is_here(tmp_path, monkeypatch):
    """Of the networks at hand, whose weights pip has installed, the one with the nearest figure."""
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path))
    told = listing.recommend("medium-data")
    entry = catalogue.default("resnet50")
    assert (told.instead, told.bytes) == ("efficientnet_lite2", entry.bytes)
    assert (
        "Its weights (102.5 MB, BSD-3-Clause) are fetched at first use; those of efficientnet_lite2 are here."
        in (told.text())
    )
    mirror = tmp_path / "mirror"
    (mirror / entry.where.path).parent.mkdir(parents=True)
    (mirror / entry.where.path).write_bytes(b"some")
    monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", str(mirror))
    assert listing.recommend("medium-data").instead is None
    assert listing.recommend("mobile").instead is None and listing.recommend("teaching").bytes is None


def test_layers_are_those_of_the_built_model():
    told = listing.layers("efficientnet_test")
    variant = backbones.variant("efficientnet_test")
    assert (told.name, told.family, told.input_shape) == ("efficientnet_test", "efficientnet", (64, 64, 3))
    assert (told.parameters, told.total_parameters) == (variant.parameters, variant.total_parameters)
    assert told.multiply_adds == variant.multiply_adds
    assert sum(row.parameters for row in told.layers) == told.parameters
    # By hand: stem, two in stage 1's block, three in each of the nine others, last_conv, logits.
    assert told.depth == 1 + 2 + 3 * 9 + 1 + 1
    assert [(tap["name"], tap["stride"], tap["channels"]) for tap in told.taps] == [
        ("stage1", 2, 8),
        ("stage2", 4, 8),
        ("stage3", 8, 8),
        ("stage4", 16, 16),
        ("stage5", 32, 32),
    ]
    fields = [tap["receptive_field_pixels"] for tap in told.taps]
    assert fields == [7, 11, 27, 203, 459]  # measured in test_anatomy.py


def test_two_networks_stand_side_by_side():
    both = listing.compare("lenet5", "efficientnet_test")
    lenet, lite = both.backbones
    assert (lenet.name, lite.name) == ("lenet5", "efficientnet_test")
    assert lenet.parameters == backbones.variant("lenet5").parameters
    assert lite.bytes == 4 * backbones.variant("efficientnet_test").total_parameters
    assert both.ratio["parameters"] == lite.parameters / lenet.parameters
    assert both.ratio["depth"] == 32 / 5
    assert both.top1_difference is None  # neither has one
    for side in both.backbones:
        variant = backbones.variant(side.name)
        assert sum(stage.parameters for stage in side.stages) == side.parameters == variant.parameters
        assert sum(stage.multiply_adds for stage in side.stages) == variant.multiply_adds
        body = backbones.build(side.name, weights=None, include_top=False)
        counted = sum(math.prod(weight.shape) for weight in body.trainable_weights)
        assert (side.parameters_without_top, side.feature_channels) == (counted, body.output_shape[-1])
        assert side.stages[-1].stride is None and side.stages[-1].channels == variant.classes
    assert [stage.stride for stage in lite.stages] == [2, 4, 8, 16, 32, None]
    assert (lite.receptive_field_pixels, lite.feature_channels) == (459, 64)


def test_a_difference_of_top1_is_in_shares():
    both = listing.compare("efficientnet_lite0", "efficientnet_lite1")
    assert both.top1_difference == pytest.approx(0.767 - 0.751)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: listing.backbones("efficientnet_lite"),
        lambda: listing.layers("efficientnet_lite"),
        lambda: listing.compare("efficientnet_test", "efficientnet_lite"),
    ],
)
def test_an_unknown_name_gets_the_nearest(ask):
    with pytest.raises(UnknownBackbone, match="called 'efficientnet_lite'. Did you mean 'efficientnet_lite"):
        ask()
