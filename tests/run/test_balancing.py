"""Classes of unequal size in a whole lesson: the rare one is recalled, and what was done is told."""

import shutil

import numpy as np
import pytest

from tlkit import recipe, training
from tlkit.progress import SILENT
from tlkit.run import reading, settling


@pytest.fixture(scope="module")
def uneven(textures, tmp_path_factory):
    """24 photos of brick and of grass, three of gravel; eight of each to validate.

    A folder, as sides go by paths below it: the same wherever the tests lie.
    """
    place = tmp_path_factory.mktemp("uneven")
    for name, most in (("brick", 24), ("grass", 24), ("gravel", 3)):
        for side in ("train", "val"):
            (place / side / name).mkdir(parents=True)
            for photo in sorted((textures / side / name).iterdir())[: most if side == "train" else 8]:
                shutil.copy(photo, place / side / name)
    return place


def recalls(photos, place, **settings) -> tuple[list[float], tuple[str, ...]]:
    """Of each class, after two epochs."""
    given = {"backbone": "resnet_cifar_test", "weights": "none", "unfreeze_from": "stage3"}
    given |= {"epochs": 2, "views": 2} | settings
    setting, lesson = settling.lesson(settling.settle(photos, recipe.load(**given), SILENT), SILENT)
    lesson.learn(lesson.views(), place / "metrics.jsonl")
    [pixels] = lesson.reading.batches(lesson.sides.val, 0, 24)
    answers = training.answers(lesson.model, pixels, 24).argmax(1)
    labels = reading.labels(lesson.sides.val)
    return [float((answers == label)[labels == label].mean()) for label in range(3)], setting.notes


def test_the_rare_class_is_recalled_where_classes_count_alike(uneven, tmp_path):
    (plain, quiet), (weighed, told), (drawn, _) = (
        recalls(uneven, tmp_path, balance=mode) for mode in ("none", "auto", "sample")
    )
    assert weighed[2] >= plain[2] + 0.3 and drawn[2] >= plain[2] + 0.3
    assert np.mean(weighed) > np.mean(plain) and np.mean(drawn) > np.mean(plain)
    # Of 24 and 3, as some are held back to choose on.
    note = "brick has 10 times the photos of gravel: each class counts alike in the loss"
    assert [row for row in told if "alike" in row] == [f"{note} (--balance none leaves that)."]
    assert not [row for row in quiet if "alike" in row]


def test_from_scratch_the_weights_reach_the_loss(uneven, tmp_path):
    """The first step's loss of a network that knows nothing: all classes alike, or the photos as they are."""
    first = {}
    for mode in ("none", "loss"):
        given = {
            "backbone": "lenet_test",
            "weights": "none",
            "head": "top",
            "augment": "none",
            "dropout": 0.0,
        }
        chosen = recipe.load(**given, epochs=1, batch_size=51, balance=mode, learning_rate=1e-9)
        _, scratch = settling.lesson(settling.settle(uneven, chosen, SILENT), SILENT)
        [pixels] = scratch.reading.batches(scratch.sides.fit, 0, 51)
        logits = training.answers(scratch.answerer, pixels, 51)
        labels = reading.labels(scratch.sides.fit)
        weights = scratch.reading.weights(scratch.sides.fit)
        counted = None if weights is None else weights[labels]
        scratch.learn(scratch.views(), tmp_path / f"{mode}.jsonl")
        told = (tmp_path / f"{mode}.jsonl").read_text().splitlines()[0]
        first[mode] = float(told.split('"loss": ')[1].split(",")[0])
        assert first[mode] == pytest.approx(training.cross_entropy(logits, labels, counted), rel=1e-4)
    assert first["none"] != pytest.approx(first["loss"], rel=1e-3)
