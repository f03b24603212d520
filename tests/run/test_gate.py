import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

import tlkit
from tlkit import data, formats
from tlkit.data import Photo
from tlkit.run import gate


def judges(truth: list[int], answers: list[int], classes: int) -> gate.Judges:
    photos = tuple(Photo(f"{place}.jpg", label, None, f"{place}") for place, label in enumerate(truth))
    return gate.Judges(Path(), photos, np.eye(classes, dtype="float32")[answers])


@given(st.data(), st.integers(1, 400))
def test_an_export_is_refused_when_it_loses_three_photos_and_a_point(draws, count):
    labels = st.lists(st.integers(0, 2), min_size=count, max_size=count)
    truth, before, after = (draws.draw(labels) for _ in range(3))
    found = gate.compare(judges(truth, before, 3), np.eye(3, dtype="float32")[after], "abc")
    right = [sum(a == b for a, b in zip(truth, side, strict=True)) for side in (before, after)]
    lost = right[0] - right[1]
    assert found["refused"] == (lost >= 3 and lost / count > 0.01)
    assert (found["reference_top1"], found["top1"]) == (right[0] / count, right[1] / count)
    differing = [place for place in range(count) if before[place] != after[place]]
    assert [row["path"] for row in found["differing"]] == [f"{place}.jpg" for place in differing]
    assert found["agreement"] == 1 - len(differing) / count or found["agreement"] == pytest.approx(
        1 - len(differing) / count
    )


def test_close_answers_are_listed_with_their_gap():
    asked = judges([0, 1], [0, 1], 2)._replace(probabilities=np.array([[0.51, 0.49], [0.2, 0.8]], "float32"))
    found = gate.compare(asked, np.array([[0.48, 0.52], [0.2, 0.8]], "float32"), ["cat", "dog"])
    assert found["max_difference"] == pytest.approx(0.03)
    (row,) = found["differing"]
    assert (row["path"], row["model"], row["file"]) == ("0.jpg", "cat", "dog")
    assert row["gap"] == pytest.approx(0.02, abs=1e-6) and row["gap"] < found["max_difference"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60), st.integers(0, 30))
def test_calibration_photos_are_distinct_and_spread_over_classes(rows, most):
    photos = [
        Photo(f"{place}.jpg", label, "train", str(digest)) for place, (label, digest) in enumerate(rows)
    ]
    chosen = gate.spread(photos, most)
    hashes = [photo.sha256 for photo in chosen]
    assert len(set(hashes)) == len(hashes) == min(most, len({photo.sha256 for photo in photos}))
    if len({digest for _, digest in rows}) == len(rows):  # no copies: each class gets its turn
        taken = [sum(photo.label == label for photo in chosen) for label in range(4)]
        there = [sum(photo.label == label for photo in photos) for label in range(4)]
        fewest = min((take for take, has in zip(taken, there, strict=True) if take < has), default=most)
        assert max(taken) <= fewest + 1


def test_calibration_uses_training_photos_only_and_is_logged(finished):
    done = tlkit.export(finished.run, quantize="int8")
    log = Path(done.path).with_suffix(".calibration.csv")
    rows = list(csv.DictReader(log.read_text(encoding="utf-8").splitlines()))
    split = {
        row["sha256"]: row["split"]
        for row in csv.DictReader((Path(finished.run) / "split.csv").read_text(encoding="utf-8").splitlines())
    }
    hashes = [row["sha256"] for row in rows]
    assert len(hashes) == len(set(hashes)) == 72
    assert {split[digest] for digest in hashes} == {"train"}
    assert {row["label"] for row in rows} == {"brick", "grass", "gravel"}


@pytest.fixture(scope="module")
def fragile(tmp_path_factory, textures) -> Path:
    """A model that float16 leaves alone and int8 ruins: what tells the classes apart is very small
    beside another channel, and one scale must cover both."""
    keras.utils.set_random_seed(0)
    photos = data.scan(textures).photos
    pixels = np.concatenate([*data.batches([textures / photo.path for photo in photos], 64, 32)])
    labels = np.array([photo.label for photo in photos])
    photo = keras.Input((64, 64, 3))
    x = layers.Rescaling(1 / 255)(photo)
    fine = layers.Conv2D(8, 5, 2, activation="relu")(x)
    fine = layers.GlobalAveragePooling2D()(layers.Conv2D(16, 3, 2, activation="relu")(fine))
    learned = keras.Model(photo, layers.Dense(3, activation="softmax", name="answer")(fine))
    learned.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    learned.fit(pixels, labels, epochs=40, verbose=0)
    assert (learned.predict(pixels, verbose=0).argmax(1) == labels).mean() > 0.8
    loud = layers.Rescaling(1e4)(layers.GlobalAveragePooling2D()(x))
    mixed = layers.Concatenate()([fine, loud])
    logits = layers.Dense(3, name="logits")(mixed)
    model = keras.Model(photo, layers.Softmax()(logits))
    kernel, bias = learned.get_layer("answer").get_weights()
    model.get_layer("logits").set_weights([np.vstack([kernel, np.zeros((3, 3))]), bias])
    place = tmp_path_factory.mktemp("fragile")
    model.save(place / "fragile.keras")
    (place / "labels.txt").write_text("brick\ngrass\ngravel\n")
    return place / "fragile.keras"


def test_int8_that_ruins_a_model_is_refused_and_leaves_no_file(fragile, textures, tmp_path):
    kept = tlkit.export(fragile, images=textures, output=tmp_path / "kept.tflite")
    assert not kept.refused and (tmp_path / "kept.tflite").exists() and kept.agreement == 1
    done = tlkit.export(fragile, quantize="int8", images=textures, output=tmp_path / "int8.tflite")
    assert done.refused and done.exit_code == 3
    assert done.reference_top1 - done.top1 > 0.1 and len(done.differing) >= 3
    assert {path.name for path in tmp_path.iterdir()} == {"kept.tflite", "labels.txt"}
    assert done.text().startswith("Refused: ")
    assert json.loads(done.json())["refused"] is True


def test_the_file_itself_was_asked(finished):
    """What the report says of a file is what the file answers when it is opened again."""
    file = finished.exports[0]
    root = Path(json.loads((Path(finished.run) / "run.json").read_text())["images"])
    rows = list(
        csv.DictReader((Path(finished.run) / "predictions.csv").read_text(encoding="utf-8").splitlines())
    )
    opened = formats.open(Path(file.path))
    photos = [Photo(row["path"], 0, None, "") for row in rows]
    found = gate.ask(opened.predict, opened.image_size, opened.fit, root, photos, tlkit.progress.SILENT, "")
    theirs = np.array([[float(row[f"p:{label}"]) for label in opened.labels] for row in rows])
    assert np.abs(found - theirs).max() == pytest.approx(file.max_difference, abs=1e-7)
