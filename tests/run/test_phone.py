"""The phone file as a phone sees it: MediaPipe's own classifier, fed the photo files themselves."""

import subprocess
import sys
from pathlib import Path

import pytest
from mediapipe import Image
from mediapipe.tasks.python import BaseOptions, vision

import tlkit

SHARED = Path(__file__).parents[3] / "shared" / "data" / "hymenoptera"


@pytest.fixture(scope="module")
def run(textures, tmp_path_factory):
    """The default backbone with its published weights and a solved head."""
    return tlkit.finetune(textures, output=tmp_path_factory.mktemp("phone") / "run", epochs=0)


def ask(file: Path, photos: list[Path]) -> tuple[list[str], set[str]]:
    """MediaPipe's first answer for each photo file, and all names that it knows."""
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(file)))
    with vision.ImageClassifier.create_from_options(options) as classifier:
        found = [
            classifier.classify(Image.create_from_file(str(photo))).classifications[0].categories
            for photo in photos
        ]
    return [rows[0].category_name for rows in found], {row.category_name for rows in found for row in rows}


@pytest.mark.parametrize("quantize", ["float16", "none", "dynamic", "int8"])
def test_mediapipe_loads_the_file_unchanged_and_agrees(run, textures, quantize):
    file = run.exports[0] if quantize == "float16" else tlkit.export(run.run, quantize=quantize)
    photos = sorted((textures / "val").rglob("*.jpg"))
    answers, names = ask(Path(file.path), photos)
    assert names == {"brick", "grass", "gravel"}
    right = sum(answer == photo.parent.name for answer, photo in zip(answers, photos, strict=True))
    assert abs(right - run.val_top1 * 24) <= 1
    for name in names:  # every class is answered by its folder's name
        assert any(answer == photo.parent.name == name for answer, photo in zip(answers, photos, strict=True))


WITHOUT = """
import sys
sys.modules["tlkit"] = None
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
np.save(sys.argv[2], model.predict(np.load(sys.argv[3]), verbose=0))
"""


def test_the_saved_model_answers_alike_where_tlkit_is_not_installed(run, textures, tmp_path):
    import numpy as np

    from tlkit import data, formats

    photos = sorted((textures / "val").rglob("*.jpg"))
    pixels = np.concatenate([*data.batches(photos, 256, 32)])
    np.save(tmp_path / "pixels.npy", pixels)
    model = Path(run.run) / "model.keras"
    words = [model, tmp_path / "answers.npy", tmp_path / "pixels.npy"]
    subprocess.run([sys.executable, "-c", WITHOUT, *map(str, words)], check=True, cwd=tmp_path)
    here = formats.open(model).predict(pixels)
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), here, atol=1e-6)


@pytest.mark.slow
def test_ants_and_bees_within_a_point_in_every_quantisation(tmp_path):
    """Real photos, the defaults: accuracy, MediaPipe within a photo, files within a point."""
    if not SHARED.is_dir():
        pytest.skip("the photos of ants and bees are not beside the checkout (../shared/data/hymenoptera)")
    done = tlkit.finetune(SHARED, output=tmp_path / "run")
    assert done.val_top1 >= 0.9  # one seed; the mean of three is measured by tests/benchmarks
    photos = sorted((SHARED / "val").rglob("*.jpg"))
    for quantize in ("float16", "int8"):
        file = tlkit.export(done.run, quantize=quantize)
        assert file.reference_top1 - file.top1 <= 0.01
        answers, names = ask(Path(file.path), photos)
        right = sum(answer == photo.parent.name for answer, photo in zip(answers, photos, strict=True))
        assert names == {"ants", "bees"} and abs(right - file.top1 * len(photos)) <= 1
