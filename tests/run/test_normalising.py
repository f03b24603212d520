"""Batch normalisation in a lesson: byte-equal unless asked for, and never measured on reported photos."""

from contextlib import contextmanager

import keras
import numpy as np
import pytest
from listening import Notes

from tlkit import data, normalisation, recipe, training
from tlkit.progress import Silent
from tlkit.run import normalising, settling

LOSSES = {"dropout": 0.0, "augment": "none", "unfreeze_from": "stage2", "epochs": 1, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def rows(textures):
    """18 photos to train on and six to validate, with their labels and sides."""
    found = data.scan(textures)
    by_side = {"train": 6, "val": 2}
    return [
        (textures / photo.path, str(photo.label), photo.split)
        for label in range(3)
        for side, count in by_side.items()
        for photo in [one for one in found.photos if (one.label, one.split) == (label, side)][:count]
    ]


def lesson(rows, **settings):
    given = {"backbone": "resnet_cifar_test", "weights": "none"} | LOSSES | settings
    notes = Notes()
    setting, made = settling.lesson(settling.settle(rows, recipe.load(**given), notes), notes)
    return setting, made, [note for note in notes.told if note.startswith("Batch normalisation")]


def statistics(model: keras.Model) -> dict[str, bytes]:
    return {weight.path: np.asarray(weight).tobytes() for weight in model.weights if "moving" in weight.path}


def losses(made) -> list[float]:
    """Of one unaugmented batch, in training and in inference mode; what training moves is put back."""
    photos = made.sides.train[:8]
    [pixels] = made.reading.batches(photos, 0, 8)
    labels, before = np.array([photo.label for photo in photos]), made.model.get_weights()
    network = keras.Model(made.model.input, made.model.get_layer("logits").output)
    found = [
        training.cross_entropy(np.asarray(network(pixels.astype("float32"), training=mode)), labels)
        for mode in (True, False)
    ]
    made.model.set_weights(before)
    return found


@pytest.mark.parametrize("mode", [None, "train", "recalibrate"])
def test_statistics_change_as_the_mode_says_at_each_phase(rows, tmp_path, monkeypatch, mode):
    chosen = {} if mode is None else {"batch_norm": mode}
    setting, made, told = lesson(rows, **chosen)
    assert setting.recipe.batch_norm == (mode or "inference")
    begun = statistics(made.model)
    found = []

    def after_fit(*arguments, **options):
        frozen_head = losses(made)
        fit(*arguments, **options)
        found.append((frozen_head, statistics(made.model), losses(made)))

    fit = training.fit
    monkeypatch.setattr(training, "fit", after_fit)
    made.learn(made.views(), tmp_path / "metrics.jsonl")
    [(of_head, tuned, of_tuned)] = found
    moved = {path for path in begun if tuned[path] != begun[path]}
    if mode == "train":
        assert moved == {path for path in begun if path.startswith(("stage2", "stage3"))} and moved
        assert of_tuned[0] != pytest.approx(of_tuned[1], rel=1e-4)
        assert told == ["Batch normalisation in unfrozen stages learns, on the statistics of its batches."]
        assert told[0] in setting.notes
    else:
        assert not moved and statistics(made.model) == begun
        assert of_head[0] == pytest.approx(of_head[1], rel=1e-4)
        assert of_tuned[0] == pytest.approx(of_tuned[1], rel=1e-4)
        measured = "Batch normalisation has statistics of the 18 photos to train on."
        assert told == ([measured] if mode else [])


def test_statistics_are_measured_on_training_photos_alone(rows):
    """Whatever the reported photos are, and whether folds are made of all or not."""
    settings = {"batch_norm": "recalibrate", "epochs": 0}
    # The labels of those to validate go round by one.
    others = [
        (path, label if side == "train" else str((int(label) + 1) % 3), side) for path, label, side in rows
    ]
    others = [row for row in others if row[2] == "train" or not row[0].stem.endswith("1")]
    _, made, _ = lesson(rows, **settings)
    measured = statistics(made.model)
    assert statistics(lesson(others, **settings)[1].model) == measured
    _, crossed, told = lesson(rows, **settings, folds=2)
    assert statistics(crossed.model) == measured and len(crossed.sides.fit) == 24
    assert told[0].endswith("18 photos to train on, those that a fold holds back among them.")
    _, plain, _ = lesson(rows, epochs=0)
    changed = statistics(plain.model)
    assert all(changed[path] != measured[path] for path in measured)
    [pixels] = plain.reading.batches(plain.sides.train, 0, 32)
    normalisation.recalibrate(plain.model, [pixels])
    for one, two in zip(plain.model.weights, made.model.weights, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(two), rtol=1e-4, atol=1e-5)


class Ticks(Silent):
    """Counts what is ticked, batch by batch."""

    def __init__(self):
        self.ticks = []

    @contextmanager
    def task(self, *title):
        yield self

    def tick(self, count, *more):
        self.ticks.append(count)


def test_photos_are_measured_in_batches_of_nearly_one_size(rows, monkeypatch):
    _, made, _ = lesson(rows, epochs=0)
    monkeypatch.setattr(normalising, "BATCH", 8)
    heard = Ticks()
    normalising.recalibrate(made.model, made.root, made.sides.train[:17], made.recipe, heard)
    assert heard.ticks == [6, 6, 5]
