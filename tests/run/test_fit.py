"""The fit is a property of the model: training, evaluation, every file and the phone see alike."""

from pathlib import Path

import numpy as np
import pytest
from mediapipe import Image as Photograph
from mediapipe import ImageFormat
from mediapipe.tasks.python import BaseOptions, vision
from mediapipe.tasks.python.components.containers.rect import RectF
from mediapipe.tasks.python.vision.core.image_processing_options import ImageProcessingOptions
from PIL import Image

import tlkit
from tlkit import classifier, data, figures, formats, recipe
from tlkit.data import fits
from tlkit.run import gate
from tlkit.run.learning import Lesson, Sides

FITS = ("crop", "pad")
COLOURS = {"blue": (40, 60, 220), "red": (220, 60, 40)}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Wide and high pictures whose class is told by their ends; in one of four the middle says the other."""
    root = tmp_path_factory.mktemp("ends") / "photos"
    random = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 8)):
        for name, colour in COLOURS.items():
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.full((80, 240, 3), colour, np.uint8)
                middle = np.array(colour if number % 4 else colour[::-1]) + random.integers(
                    -40, 41, (5, 5, 3)
                )
                pixels[:, 80:160] = np.kron(np.clip(middle, 0, 255), np.ones((16, 16, 1)))
                pixels = pixels.swapaxes(0, 1) if number // 4 % 2 else pixels
                Image.fromarray(pixels).save(root / split / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def runs(photos, tmp_path_factory, settings):
    """A run with each fit that is not the default; the other tests of runs are `stretch`."""
    place = tmp_path_factory.mktemp("fit")
    return {
        fit: tlkit.finetune(photos, output=place / fit, epochs=0, fit=fit, quantize="none", **settings)
        for fit in FITS
    }


def files(run) -> list[Path]:
    return [Path(run.run) / "model.keras", Path(run.exports[0].path)]


def test_what_the_fit_cuts_away_cannot_be_learned(runs):
    assert runs["pad"].val_top1 > 0.9
    assert runs["crop"].val_top1 < 0.8


@pytest.mark.parametrize("fit", FITS)
def test_every_file_of_a_run_is_asked_through_its_own_fit(runs, photos, fit):
    table = figures.Table.read((Path(runs[fit].run) / "predictions.csv").read_text(encoding="utf-8"))
    paths = [photos / path for path in table.paths]
    seen, others = (
        np.stack([data.see(data.read(path), 64, one) for path in paths]) for one in (fit, "stretch")
    )
    for file in files(runs[fit]):
        opened = formats.open(file)
        assert opened.fit == fit
        np.testing.assert_allclose(opened.predict(seen), table.probabilities, atol=1e-4)
        # So that the agreement is worth something.
        assert abs(opened.predict(others) - table.probabilities).max() > 0.1
        rows = tlkit.predict(file, paths, top=2).predictions
        for row, expected in zip(rows, table.probabilities, strict=True):
            assert {answer.label: answer.probability for answer in row.top} == pytest.approx(
                dict(zip(table.labels, expected, strict=True)), abs=1e-4
            )
        assert tlkit.evaluate(file, photos).top1 == runs[fit].val_top1
    assert runs[fit].exports[0].max_difference < 1e-4


@pytest.mark.parametrize(("format", "quantize"), [("keras", None), ("tflite", "int8")])
def test_an_export_of_a_run_keeps_the_fit_and_calibrates_in_it(runs, format, quantize):
    done = tlkit.export(runs["pad"].run, format=format, quantize=quantize)
    assert formats.open(Path(done.path)).fit == "pad" and not done.refused
    assert done.images == 16 and done.max_difference < (0.2 if quantize else 1e-4)


def test_calibration_photos_are_seen_through_the_fit(photos, tmp_path):
    found = data.scan(photos).photos[:3]
    for fit in data.FITS:
        saved = np.load(gate.save_pixels(photos, found, 32, fit, tmp_path))
        expected = [data.see(data.read(photos / photo.path), 32, fit) for photo in found]
        np.testing.assert_array_equal(saved, expected)


def test_training_views_see_what_the_fit_leaves(tmp_path, settings):
    """Pictures that differ in their ends alone: under `crop` every view of both is the same."""
    sides = {}
    for name, colour in COLOURS.items():
        (tmp_path / name).mkdir()
        pixels = np.full((50, 130, 3), colour, np.uint8)
        pixels[:, 40:90] = np.random.default_rng(0).integers(0, 256, (50, 50, 3))
        Image.fromarray(pixels).save(tmp_path / name / "a.png")
        sides[name] = Sides((data.Photo(f"{name}/a.png", 0, "train", name),), (), ())
    for fit, same in (("crop", True), ("pad", False)):
        chosen = recipe.load(fit=fit, epochs=0, views=5, **settings)
        model = classifier.build("efficientnet_test", list(COLOURS), weights=None, fit=fit)
        views = [
            Lesson(model, tmp_path, one, chosen, tlkit.progress.SILENT).views()[0] for one in sides.values()
        ]
        assert len(views[0]) == len(views[1]) == 5
        assert [bool((a == b).all()) for a, b in zip(*views, strict=True)] == [same] * 5


def laid_out(pixels: np.ndarray) -> np.ndarray:
    """What the app does for `pad`: a grey square, and the picture in its middle."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = Image.new("RGB", (side, side), (127, 127, 127))
    square.paste(Image.fromarray(pixels), ((side - width) // 2, (side - height) // 2))
    return np.asarray(square)


PREPARED = {"crop": fits.centre, "pad": laid_out}


def ask(classifier, pixels: np.ndarray, options: ImageProcessingOptions | None = None) -> dict[str, float]:
    found = classifier.classify(Photograph(ImageFormat.SRGB, np.ascontiguousarray(pixels)), options)
    return {row.category_name: row.score for row in found.classifications[0].categories}


@pytest.mark.parametrize("fit", FITS)
def test_mediapipe_agrees_on_a_picture_prepared_as_the_fit_says(runs, photos, fit):
    file = files(runs[fit])[1]
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(file)))
    paths = sorted((photos / "val").rglob("*.png"))
    rows = tlkit.predict(file, paths, top=2).predictions
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for path, row in zip(paths, rows, strict=True):
            expected = {answer.label: answer.probability for answer in row.top}
            assert ask(classifier, PREPARED[fit](data.read(path))) == pytest.approx(expected, abs=1e-5)


def test_mediapipe_crops_by_a_region_of_interest(runs, photos):
    """README's way on Android: no bitmap is made, and the answers are the crop's."""
    file = files(runs["crop"])[1]
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(file)))
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for path in sorted((photos / "val").rglob("*.png")):
            bitmap = data.read(path)
            h, w = bitmap.shape[:2]
            s = min(w, h)
            region = RectF(
                left=(1 - s / w) / 2, top=(1 - s / h) / 2, right=(1 + s / w) / 2, bottom=(1 + s / h) / 2
            )
            found = ask(classifier, bitmap, ImageProcessingOptions(region_of_interest=region))
            # An odd pixel left over would shift it by half a pixel; enlarged, its edge would see beyond it.
            assert found == pytest.approx(ask(classifier, fits.centre(bitmap)), abs=1e-5)


def test_the_recipe_of_a_run_names_its_fit(runs):
    for fit, run in runs.items():
        assert f'fit = "{fit}"' in (Path(run.run) / "recipe.toml").read_text()
