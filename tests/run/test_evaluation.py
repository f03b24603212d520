import csv
import json
import random
import shutil
from pathlib import Path

import pytest

import tlkit
from tlkit.errors import DataError, UsageError
from tlkit.progress import SILENT
from tlkit.run import evaluation, folder


def photos(finished) -> Path:
    return Path(json.loads((Path(finished.run) / "run.json").read_text())["images"])


def test_a_run_is_evaluated_on_its_own_validation_photos(finished):
    done = tlkit.evaluate(finished.run)
    assert (done.images, done.split, done.top1) == (24, "val", finished.val_top1)
    assert done.top1_interval == finished.val_top1_interval and done.top5 is None
    assert [row.label for row in done.per_class] == ["brick", "grass", "gravel"]
    assert [sum(row) for row in done.confusion] == [row.count for row in done.per_class] == [8, 8, 8]
    assert (done.per_class, done.confusion) == (finished.per_class, finished.confusion)
    assert done.balanced_accuracy == finished.val_balanced_accuracy == pytest.approx(finished.val_top1)
    assert done.balanced_accuracy_interval == finished.val_balanced_accuracy_interval


def test_a_run_of_nested_classes_is_evaluated_on_nested_classes(finished, tmp_path):
    """Its classes are named by paths, which only the run's own reading of folders gives."""
    classes = ("brick", "grass", "gravel")
    known = folder.Known(Path(finished.run) / "model.keras", tmp_path)
    (tmp_path / "recipe.toml").write_text('subfolders = "merge"\n')
    for name in classes:
        shutil.copytree(photos(finished) / "val" / name, tmp_path / "all" / name / "deep")
    assert folder.subfolders(known, tmp_path) == "merge"
    assert folder.subfolders(known._replace(run=None), tmp_path) == "ignore"
    assert folder.subfolders(known, tmp_path / "photos.csv") == "ignore"  # a table has no folders
    _, found, _, _ = evaluation._photos(known, classes, tmp_path / "all", SILENT)
    assert len(found) == 24


@pytest.mark.parametrize("kind", ["tflite", "savedmodel"])
def test_every_format_gives_the_same_figures(finished, kind):
    """Photos whose first two classes are closer than the format's own tolerance may differ."""
    file = next(row for row in finished.exports if row.format == kind)
    done = tlkit.evaluate(file.path, photos(finished))
    assert done.split == "val"
    assert abs(done.top1 - finished.val_top1) <= len(file.differing) / 24


def test_class_folders_are_evaluated_whole_and_split_folders_by_test(finished, tmp_path):
    whole = tlkit.evaluate(finished.run, photos(finished) / "train")
    assert (whole.images, whole.split) == (72, None)
    shutil.copytree(photos(finished), tmp_path / "all")
    shutil.copytree(tmp_path / "all" / "val", tmp_path / "all" / "test")
    (tmp_path / "all" / "test" / "brick" / "brick-01.jpg").unlink()
    tested = tlkit.evaluate(finished.run, tmp_path / "all")
    assert (tested.images, tested.split) == (23, "test")


def test_labels_are_matched_by_name_not_by_place(finished, tmp_path):
    """Two of the three classes: their numbers in the folder are not those of the model."""
    for name in ("grass", "gravel"):
        shutil.copytree(photos(finished) / "val" / name, tmp_path / "two" / name)
    done = tlkit.evaluate(finished.run, tmp_path / "two")
    own = tlkit.evaluate(finished.run)
    assert done.confusion[0] == (0, 0, 0) and done.confusion[1:] == own.confusion[1:]
    assert [row.count for row in done.per_class] == [0, 8, 8]


def test_numbered_classes_keep_their_names(finished, tmp_path, settings):
    for name, number in (("brick", "1"), ("grass", "2"), ("gravel", "10")):
        shutil.copytree(photos(finished) / "train" / name, tmp_path / "photos" / number)
    done = tlkit.finetune(tmp_path / "photos", output=tmp_path / "run", epochs=0, **settings)
    assert list(done.classes) == ["1", "10", "2"]
    found = tlkit.evaluate(done.exports[0].path, tmp_path / "photos")
    assert found.labels == ("1", "10", "2")
    by_name = {row.label: row.recall for row in found.per_class}
    rows = list(csv.DictReader((tmp_path / "run" / "split.csv").read_text(encoding="utf-8").splitlines()))
    assert all(row["path"].startswith(f"{row['label']}/") for row in rows)
    some = sorted((tmp_path / "photos" / "10").iterdir())
    answers = [row.top[0].label for row in tlkit.predict(done.exports[0].path, some).predictions]
    assert answers.count("10") / len(some) == pytest.approx(by_name["10"])


def test_a_bare_file_needs_photos(finished, tmp_path):
    shutil.copy(finished.exports[0].path, tmp_path / "phone.tflite")
    with pytest.raises(UsageError, match="not from a run, so its photos are not known"):
        tlkit.evaluate(tmp_path / "phone.tflite")


def test_a_changed_photo_is_named(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished.run, run)
    shutil.copytree(photos(finished), tmp_path / "photos")
    about = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(about | {"images": str(tmp_path / "photos")}))
    victim = random.Random(0).choice(sorted((tmp_path / "photos" / "val").rglob("*.jpg")))
    victim.write_bytes(victim.read_bytes() + b"\0")
    with pytest.raises(DataError, match=rf"1 of the 24 val photos .*{victim.name} \(changed\)"):
        tlkit.evaluate(run)
