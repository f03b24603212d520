"""The head alone beside the model that is kept: asked in one pass, about the same photos."""

import numpy as np
import pytest

from tlkit import classifier, recipe
from tlkit.progress import SILENT
from tlkit.run.learning import Lesson, Sides
from tlkit.run.validating import asking


@pytest.mark.parametrize("first", ["none", "stage5", "all"])
def test_both_answer_as_if_asked_alone(first, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    model = classifier.build("efficientnet_test", "ab", weights=None, image_size=64)
    chosen = recipe.load(backbone="efficientnet_test", weights="none", epochs=1, unfreeze_from=first)
    lesson = Lesson(model, tmp_path, Sides((), (), ()), chosen, SILENT)
    logits = classifier.part(model, None, "logits")
    before = np.asarray(logits.predict_on_batch(pixels))
    lesson.alone = classifier.part(model, lesson.cut, "logits").get_weights()
    classifier.unfreeze(model, first)
    for variable in model.trainable_variables:  # as training would change them
        variable.assign(variable + 0.3)
    asked, alone = asking(model, lesson)
    after = asked(pixels)
    assert after == pytest.approx(np.asarray(model.predict_on_batch(pixels)), abs=1e-6)
    assert alone[0] == pytest.approx(before, abs=1e-5)
    assert np.abs(alone[0] - np.asarray(logits.predict_on_batch(pixels))).max() > 0.01


def test_where_the_head_is_kept_nothing_stands_beside(tmp_path):
    model = classifier.build("efficientnet_test", "ab", weights=None, image_size=64)
    chosen = recipe.load(backbone="efficientnet_test", weights="none", epochs=0)
    asked, alone = asking(model, Lesson(model, tmp_path, Sides((), (), ()), chosen, SILENT))
    assert asked(np.zeros((2, 64, 64, 3), np.uint8)).shape == (2, 2) and alone == []
