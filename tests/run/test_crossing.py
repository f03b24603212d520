"""Cross-validation: every photo answered once, by a model that did not see its fold."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

import tlkit
from tlkit import classifier, data, figures, recipe
from tlkit.errors import UsageError
from tlkit.progress import SILENT
from tlkit.run import crossing, sides
from tlkit.run.learning import Lesson, Sides


def weights(run: Path) -> list[bytes]:
    import keras

    return [np.asarray(weight).tobytes() for weight in keras.models.load_model(run / "model.keras").weights]


@pytest.fixture(scope="module")
def runs(textures, tmp_path_factory, settings):
    """The same run without and with folds: given splits and a test split, twelve photos a class."""
    place = tmp_path_factory.mktemp("crossing")
    for split, first, last in (("train", 1, 8), ("val", 1, 4), ("test", 5, 8)):
        for name in ("brick", "grass"):
            (place / "photos" / split / name).mkdir(parents=True)
            source = textures / ("train" if split == "train" else "val") / name
            for photo in sorted(source.iterdir())[first - 1 : last]:
                shutil.copy(photo, place / "photos" / split / name)
    options = {"epochs": 1, "batch_size": 4, "unfreeze_from": "stage5", "export": "none"} | settings
    return [
        tlkit.finetune(place / "photos", output=place / str(folds), folds=folds, **options)
        for folds in (0, 2)
    ]


def test_every_photo_but_the_test_split_is_answered_once(runs):
    plain, crossed = runs
    table = figures.Table.read((Path(crossed.run) / "folds.csv").read_text(encoding="utf-8"))
    assert not (Path(plain.run) / "folds.csv").exists()
    written = (Path(crossed.run) / "split.csv").read_text(encoding="utf-8").splitlines()[1:]
    learned = {line.split('"')[1] for line in written if '"test"' not in line}
    assert len(written) == 32 and len(table.paths) == 24 and set(table.paths) == learned


def test_the_figures_come_from_the_table(runs):
    plain, crossed = runs
    found = json.loads((Path(crossed.run) / "result.json").read_text())["folds"]
    table = figures.Table.read((Path(crossed.run) / "folds.csv").read_text(encoding="utf-8"))
    assert plain.folds is None and found["count"] == 2
    assert found["top1"] == figures.top1(table) and tuple(found["top1_interval"]) == figures.wilson(
        table.right, 24
    )
    start = 0
    for row in found["per_fold"]:
        part = slice(start, start := start + row["photos"])
        assert row["top1"] == (table.predicted[part] == table.true[part]).mean()
    assert start == 24


def test_the_models_of_folds_leave_no_trace_in_the_one_that_is_kept(runs):
    plain, crossed = (Path(run.run) for run in runs)
    assert weights(plain) == weights(crossed)
    assert (plain / "predictions.csv").read_bytes() == (crossed / "predictions.csv").read_bytes()


def test_a_fold_is_answered_as_by_a_run_on_the_others(few, tmp_path):
    """Built apart: another model, another lesson, features of its own."""
    chosen = recipe.load(
        backbone="efficientnet_test", weights="none", epochs=0, augment="none", folds=3, image_size=64
    )
    found = data.scan(few)
    photos = tuple(photo._replace(group=place // 2) for place, photo in enumerate(found.photos))
    pool = Sides(photos, (), ())

    def lesson(about):
        model = classifier.build(chosen.backbone, found.classes, weights=None, image_size=64, seed=0)
        return Lesson(model, found.root, about, chosen, SILENT)

    whole = lesson(pool)
    crossed = crossing.cross(whole, whole.views(), found.classes, tmp_path)
    folds = crossing.of(pool, chosen)
    assert all(len(set(folds[start : start + 2].tolist())) == 1 for start in range(0, 12, 2))
    for number in range(3):
        learned = tuple(photo for photo, fold in zip(photos, folds, strict=True) if fold != number)
        held = [photo for photo, fold in zip(photos, folds, strict=True) if fold == number]
        apart = lesson(Sides(learned, (), ()))
        apart.learn(apart.views(), tmp_path / "metrics.jsonl")
        rows = [place for place, path in enumerate(crossed.table.paths) if path in {p.path for p in held}]
        answers = softmax(apart._logits(held), axis=1)
        assert crossed.table.probabilities[rows] == pytest.approx(answers, abs=1e-5)


def test_a_class_that_is_in_one_fold_only_is_answered_wrong(few, tmp_path, settings):
    for photo in sorted((few / "grass").iterdir())[1:]:
        photo.unlink()
    (few / "gravel").mkdir()
    for number, photo in enumerate(sorted((few / "brick").iterdir())[:3]):
        shutil.move(photo, few / "gravel" / f"{number}.jpg")
    chosen = recipe.load(epochs=0, augment="none", folds=2, image_size=64, **settings)
    found = data.scan(few)
    model = classifier.build(chosen.backbone, found.classes, weights=None, image_size=64, seed=0)
    lesson = Lesson(model, found.root, Sides(found.photos, (), ()), chosen, SILENT)
    table = crossing.cross(lesson, lesson.views(), found.classes, tmp_path).table
    row = table.labels.index("grass")
    assert (table.probabilities[table.true == row, row] < 1e-6).all()


def test_more_folds_than_groups_are_refused_before_features_are_computed(few, tmp_path, settings):
    with pytest.raises(UsageError, match="20 folds are more than the 12 photos. Use fewer."):
        tlkit.finetune(few, output=tmp_path / "run", folds=20, **settings)
    assert not (tmp_path / "run").exists()


def test_the_runs_own_lesson_is_the_first_part_of_the_pool(few):
    parted = sides.part(data.scan(few), recipe.load())
    pool = crossing.pool(parted.sides)
    assert pool.fit[: len(parted.sides.train)] == parted.sides.train and len(pool.fit) == 12
