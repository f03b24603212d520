"""One call for every kind of file."""

import subprocess
import sys

import numpy as np
import pytest
from squares import LABELS, SIZE, squares

from tlkit import formats
from tlkit.errors import ModelError, UsageError

# Largest difference of a probability to the Keras model's. float32: another order of sums; float16:
# weights of 11 bits; dynamic and int8: weights and activations of 8 bits, measured 0.02 and 0.05.
TOLERANCE = {"savedmodel": 1e-5, "none": 1e-5, "float16": 0.01, "dynamic": 0.08, "int8": 0.15}


@pytest.mark.parametrize("name", TOLERANCE)
def test_every_format_says_what_the_keras_model_says(name, model, converted):
    photos, _ = squares(48, seed=5)
    opened = formats.open(converted[name].path)
    found, expected = opened.predict(photos), model.predict(photos, verbose=0)
    assert found.dtype == np.float32 and found.shape == (48, len(LABELS))
    assert expected.std() > 0.1
    assert abs(found - expected).max() <= TOLERANCE[name]
    sure = np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2] > 2 * TOLERANCE[name]
    assert sure.sum() > 20
    np.testing.assert_array_equal(found.argmax(1)[sure], expected.argmax(1)[sure])


@pytest.mark.parametrize("name", TOLERANCE)
def test_every_format_tells_size_and_labels(name, converted):
    opened = formats.open(str(converted[name].path))
    assert opened.kind == ("savedmodel" if name == "savedmodel" else "tflite")
    assert (opened.image_size, opened.classes, opened.labels) == (SIZE, len(LABELS), LABELS)


@pytest.mark.parametrize("name", TOLERANCE)
def test_rows_do_not_depend_on_their_neighbours(name, converted):
    photos, _ = squares(5, seed=6)
    opened = formats.open(converted[name].path)
    together = opened.predict(photos)
    apart = np.concatenate([opened.predict(photo[None]) for photo in photos])
    np.testing.assert_allclose(together, apart, atol=1e-6)
    assert opened.predict(photos[:0]).shape == (0, len(LABELS))


def test_keras_file_opens_with_its_own_precision(source, model):
    photos, _ = squares(40, seed=7)
    opened = formats.open(source)
    assert (opened.kind, opened.image_size, opened.classes, opened.labels) == ("keras", SIZE, 6, None)
    np.testing.assert_allclose(opened.predict(photos), model.predict(photos, verbose=0), atol=1e-6)


def test_photos_of_another_size_or_type_are_a_mistake_of_the_caller(source):
    opened = formats.open(source)
    for wrong in (np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, SIZE, SIZE, 3), np.float32)):
        with pytest.raises(ValueError, match="takes uint8"):
            opened.predict(wrong)


def test_what_is_no_model_is_told_in_one_line(tmp_path):
    with pytest.raises(UsageError, match="There is no model at .*nowhere.keras"):
        formats.open(tmp_path / "nowhere.keras")
    for name, told in [
        ("old.h5", "old HDF5 format, which can run code when loaded"),
        ("OLD.HDF5", "old HDF5 format"),
        ("model.pt", "model.pt is no model that tlkit knows. It opens .keras, .tflite and SavedModel"),
        ("folder", "folder is no model that tlkit knows"),
    ]:
        path = tmp_path / name
        path.mkdir() if name == "folder" else path.write_bytes(b"\x89HDF\r\n\x1a\n")
        with pytest.raises(ModelError, match=told):
            formats.open(path)


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import tlkit.formats", {"keras", "tensorflow", "numpy", "ai_edge_litert"}),
        ("from tlkit import formats; formats.open('{tflite}').labels", {"keras", "tensorflow", "mediapipe"}),
        (
            "from tlkit import formats; formats.open('{savedmodel}').labels",
            {"mediapipe", "ai_edge_litert"},
        ),
    ],
)
def test_only_what_is_needed_is_imported(code, absent, converted):
    code = code.format(tflite=converted["none"].path, savedmodel=converted["savedmodel"].path)
    check = f"import sys; {code}; found = {absent!r} & set(sys.modules); sys.exit(' '.join(found) or 0)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_litert_starts_without_a_word(converted):
    code = f"from tlkit import formats; formats.open('{converted['none'].path}')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
