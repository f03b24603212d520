"""Feature maps by stride."""

import keras
import pytest

from tlkit import classifier
from tlkit.backbones import build, pyramid
from tlkit.errors import UsageError

EXPECTED = [("stage1", 2, 8), ("stage2", 4, 8), ("stage3", 8, 8), ("stage4", 16, 16), ("stage5", 32, 32)]


def told(model):
    return [(tap.name, tap.stride, tap.channels) for tap in pyramid(model)]


@pytest.mark.parametrize("shape", [(64, 64, 3), (97, 131, 3), (None, None, 3)])
def test_one_tap_for_each_stride_whatever_the_size(shape):
    assert told(build("efficientnet_test", weights=None, input_shape=shape)) == EXPECTED


def test_taps_survive_a_new_head_and_saving(tmp_path):
    model = classifier.build("efficientnet_test", ["ant", "bee"], weights=None)
    assert told(model) == EXPECTED
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert told(loaded) == EXPECTED
    maps = keras.Model(loaded.input, [tap.tensor for tap in pyramid(loaded)])
    assert [shape[1:] for shape in maps.output_shape] == [
        (64 // stride, 64 // stride, channels) for _, stride, channels in EXPECTED
    ]


def test_a_model_within_a_model_is_refused():
    trunk = build("efficientnet_test", weights=None, include_top=False)
    outer = keras.Sequential([keras.Input((64, 64, 3)), trunk], name="outer")
    with pytest.raises(UsageError, match="^outer has no stages of its own that could be tapped. Give the"):
        pyramid(outer)
    with pytest.raises(UsageError, match="no stages of its own"):
        pyramid(keras.Sequential(name="empty"))
    with pytest.raises(UsageError, match="^None has no stages of its own"):
        pyramid(None)
