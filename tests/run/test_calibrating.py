"""What a run's temperature and threshold rest on, where they are stored, and what they do."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import tlkit
from tlkit import calibration, classifier, data, figures, formats, heads, recipe
from tlkit.data import Photo
from tlkit.progress import SILENT
from tlkit.run import calibrating, evaluation, sides
from tlkit.run.learning import Lesson, Sides

TEST = "efficientnet_test"


def pictures(count: int, classes: int, group=lambda place: -1) -> tuple[Photo, ...]:
    return tuple(
        Photo(f"{place % classes}/{place}.jpg", place % classes, "train", f"{place:064x}", group(place))
        for place in range(count)
    )


@pytest.fixture(scope="module")
def lesson(textures) -> tuple[Lesson, np.ndarray]:
    """A network of random weights about the sample photos, and their features."""
    found = data.scan(textures)
    settings = recipe.load(backbone=TEST, weights="none", unfreeze_from="stage4", views=2, batch_size=12)
    parted = sides.part(found, settings)
    model = classifier.build(TEST, found.classes, weights=None)
    lesson = Lesson(model, found.root, parted.sides, parted.recipe, SILENT)
    views = lesson.views()
    lesson.head.set_weights([*heads.solve(views, np.array([p.label for p in lesson.sides.train]), 3, 0)])
    return lesson, views


def test_of_what_was_chosen_on_a_slice_the_slice_is_asked(lesson):
    taught, views = lesson
    logits, labels = calibrating.held_out(taught, views, "fine-tuned")
    assert labels.tolist() == [photo.label for photo in taught.sides.choose] and len(labels) > 8
    paths = [taught.root / photo.path for photo in taught.sides.choose]
    pixels = np.stack([data.see(data.read(path), taught.size, taught.fit) for path in paths])
    whole = classifier.part(taught.model, None, "logits")
    np.testing.assert_allclose(logits, whole.predict(pixels, verbose=0), atol=1e-4)


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_of_the_head_alone_every_photo_is_asked_by_one_that_did_not_see_it(lesson, monkeypatch, head):
    monkeypatch.setattr(heads, "HEAD_EPOCHS", 10)
    found, views = lesson
    taught = found.about(found.sides, slice(None))
    if head == "mlp":
        model = classifier.build(TEST, ["a", "b", "c"], weights=None, head="mlp")
        taught.head = classifier.part(model, "pool", "logits")
        taught.recipe = recipe.load(head="mlp", backbone=TEST)
        taught._solve(views, taught.sides.train)  # as in a run: it is compiled then
    truth = np.array([photo.label for photo in taught.sides.train])
    before = [weight.copy() for weight in taught.head.get_weights()]
    logits, labels = calibrating.held_out(taught, views, "head")
    assert np.bincount(labels).tolist() == np.bincount(truth).tolist() and logits.shape == (72, 3)
    for weight, old in zip(taught.head.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)  # what is kept is left as it is
    # Features that know each photo by heart, and no other: a head that had seen a photo would know its class.
    known = np.eye(72, dtype="float32")[:, None].repeat(2, 1) * 100
    if head == "linear":
        logits, labels = calibrating.held_out(taught, known, "head")
        assert (logits.argmax(1) == labels).mean() < 0.6


def test_no_photo_to_validate_is_asked(lesson):
    taught, views = lesson
    blind = taught.about(taught.sides._replace(val=()), slice(None))
    for kept in ("head", "halfway"):
        for one, other in zip(
            calibrating.held_out(taught, views, kept), calibrating.held_out(blind, views, kept), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_a_class_of_one_group_and_photos_of_one_group_are_not_asked(lesson):
    taught, views = lesson
    photos = tuple(
        photo._replace(group=1 if photo.label == 0 else -1, sha256="") for photo in taught.sides.train
    )
    grouped = taught.about(Sides(photos, (), ()), slice(None))
    logits, labels = calibrating.held_out(grouped, views, "head")
    assert set(labels.tolist()) == {1, 2} and len(logits) == 48
    one = taught.about(Sides(tuple(photo._replace(group=1) for photo in photos), (), ()), slice(None))
    fitted = calibrating.fit(one, views, "head")
    assert (fitted.temperature, fitted.threshold, fitted.photos) == (1.0, None, 0) and fitted.notes


@pytest.mark.parametrize(("photos", "aside"), [(199, 0), (200, 20), (1437, 72), (20_000, 500)])
def test_from_scratch_some_photos_are_kept_aside_and_never_many(photos, aside):
    settings = recipe.load(weights="none", epochs=3)
    train = pictures(photos, 10)
    fit, choose = sides.learners(train, settings)
    assert abs(len(choose) - aside) <= 10 and (len(choose) > 0) == (aside > 0)
    assert sorted(fit + choose) == sorted(train)
    grouped = pictures(photos, 10, lambda place: place % 3)
    assert sides.learners(grouped, settings) == (grouped, ())  # a third of them would be too many


def models(finished) -> list[Path]:
    return [Path(finished.run), *(Path(row.path) for row in finished.exports)]


def test_every_file_of_a_run_holds_what_its_report_says(finished):
    told = json.loads((Path(finished.run) / "result.json").read_text())
    about = json.loads((Path(finished.run) / "run.json").read_text())["calibration"]
    assert {name: told[name] for name in ("temperature", "threshold")} == {
        name: about[name] for name in ("temperature", "threshold")
    }
    assert 0 < told["threshold"] < 1 and told["temperature"] != 1 and about["photos"] > 8
    for model in models(finished):
        opened = formats.open(model / "model.keras" if model == Path(finished.run) else model)
        assert (opened.threshold, opened.temperature) == (told["threshold"], told["temperature"])


def test_predict_refuses_what_is_below_the_threshold_whatever_holds_the_model(finished, monkeypatch):
    table = figures.Table.read((Path(finished.run) / "predictions.csv").read_text(encoding="utf-8"))
    root = Path(json.loads((Path(finished.run) / "run.json").read_text())["images"])
    sure = table.probabilities.max(axis=1)
    for model in models(finished):
        found = tlkit.predict(model, [root / path for path in table.paths])
        assert found.threshold == finished.threshold
        far = np.abs(sure - finished.threshold) > 0.01  # further than files differ
        rejected = np.array([row.rejected for row in found.predictions])
        assert (rejected == (sure < finished.threshold))[far].all() and far.sum() > 12
    assert finished.refused.count == (sure < finished.threshold).sum()
    asked = np.sort(sure)[len(sure) // 2]
    opened = formats.open(Path(finished.run) / "model.keras")
    monkeypatch.setattr(formats, "open", lambda path: type(opened)(**{**vars(opened), "threshold": asked}))
    found = tlkit.predict(finished.run, [root / path for path in table.paths])
    assert sum(row.rejected for row in found.predictions) == (sure < asked).sum() == len(sure) // 2
    assert "none of these (" in found.text()


def test_evaluate_tells_the_price_and_the_error_as_the_run_did(finished):
    done = tlkit.evaluate(finished.run)
    names = ("temperature", "threshold", "calibration_error", "calibration_error_before")
    for name in names:
        assert getattr(done, name) == pytest.approx(getattr(finished, name), abs=1e-6)
    assert done.refused == finished.refused
    table = figures.Table.read((Path(finished.run) / "predictions.csv").read_text(encoding="utf-8"))
    assert done.calibration_error == pytest.approx(
        calibration.calibration_error(table.probabilities, table.true), abs=1e-6
    )
    assert done.refused.interval == figures.wilson(done.refused.count, 24)
    assert "threshold" in done.text() and "calibrated" in done.text()


def test_a_run_can_be_begun_from_a_calibrated_run(finished, few, tmp_path):
    chosen = {"backbone": TEST, "epochs": 0, "export": "none", "reject": 0.0}
    done = tlkit.finetune(few, output=tmp_path / "run", weights=str(finished.run), **chosen)
    assert done.threshold is None and done.refused is None
    assert "none of these" not in done.text()
    opened = formats.open(tmp_path / "run" / "model.keras")
    assert opened.threshold is None
    found = evaluation.evaluate(tmp_path / "run")
    assert (found.threshold, found.refused) == (None, None) and found.calibration_error is not None


def test_photos_of_a_class_that_was_held_out_are_refused(textures, tmp_path):
    """Brick and grass, learned on Lite's published features: of gravel at least three of four are refused,
    and at most one of the 16 known photos to validate. So clear because the two are so easy to tell.
    """
    for name in ("brick", "grass"):
        for side in ("train", "val"):
            shutil.copytree(textures / side / name, tmp_path / "photos" / side / name)
    done = tlkit.finetune(
        tmp_path / "photos", output=tmp_path / "run", epochs=0, augment="none", image_size=96, export="none"
    )
    assert done.val_top1 == 1 and done.refused.count <= 1
    unknown = sorted((textures / "train" / "gravel").iterdir())
    found = tlkit.predict(tmp_path / "run", unknown)
    assert sum(row.rejected for row in found.predictions) >= 0.75 * len(unknown) == 18
