"""MediaPipe's own ImageClassifier loads the files unchanged."""

import keras
import mediapipe
import numpy as np
import pytest
from keras import layers
from mediapipe.tasks.python import BaseOptions, vision
from squares import LABELS, QUANTIZE, SIZE, squares

from tlkit import formats
from tlkit.data.fits import stretch


def classify(path, photos):
    """Scores by name for each photo, all classes."""
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(path)))
    found = []
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for photo in photos:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(photo))
            (answer,) = classifier.classify(image).classifications
            found.append(answer.categories)
    return found


@pytest.mark.parametrize("quantize", QUANTIZE)
def test_every_class_has_its_name_and_probability(quantize, converted):
    photos, _ = squares(48, seed=13)
    opened = formats.open(converted[quantize].path)
    first = set()
    for categories, row in zip(classify(opened.path, photos), opened.predict(photos), strict=True):
        assert {one.index: one.category_name for one in categories} == dict(enumerate(LABELS))
        ours = [row[one.index] for one in categories]
        np.testing.assert_allclose([one.score for one in categories], ours, atol=1e-5)
        first.add(categories[0].category_name)
    assert len(first) >= 5  # the names were not all read off one class


def test_photos_of_any_size_are_seen_as_we_see_them(converted):
    opened = formats.open(converted["float16"].path)
    for size in (31, 100, 333):
        photos = [photo[: size * 2 // 3] for photo in squares(4, seed=size, size=size)[0]]
        ours = opened.predict(np.stack([stretch(photo, SIZE) for photo in photos]))
        for categories, row in zip(classify(opened.path, photos), ours, strict=True):
            np.testing.assert_allclose(
                [one.score for one in categories], [row[one.index] for one in categories], atol=1e-5
            )


@pytest.fixture(scope="module")
def mirror(converter, tmp_path_factory):
    """A phone file that returns its own pixels as probabilities, named by their place."""
    folder = tmp_path_factory.mktemp("mirror")
    photo = keras.Input((SIDE, SIDE, 3))
    keras.Model(photo, layers.Flatten()(layers.Rescaling(1 / 255)(photo))).save(folder / "mirror.keras")
    names = [str(place) for place in range(SIDE * SIDE * 3)]
    return (
        converter.submit(folder / "mirror.keras", folder / "mirror.tflite", quantize="none", labels=names)
        .result()
        .path
    )


SIDE = 24


@pytest.mark.parametrize("shape", [(24, 24), (57, 91), (200, 150), (17, 320), (11, 13)])
def test_mediapipe_stretches_the_whole_picture_as_we_do(mirror, shape):
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    (categories,) = classify(mirror, [photo])
    seen = np.zeros(SIDE * SIDE * 3)
    for one in categories:
        seen[int(one.category_name)] = one.score * 255
    np.testing.assert_array_equal(np.rint(seen).reshape(SIDE, SIDE, 3), stretch(photo, SIDE))
