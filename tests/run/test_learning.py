"""What is taught where time is short or enough is reached: real networks, a clock of the test's own."""

import json

import numpy as np
import pytest

from tlkit import classifier, data, recipe
from tlkit.data import split
from tlkit.progress import SILENT
from tlkit.run.clock import Clock
from tlkit.run.learning import Lesson, Sides
from tlkit.run.scratch import Scratch

CHOSEN = {"backbone": "efficientnet_test", "weights": "none", "unfreeze_from": "stage5", "image_size": 64}
CHOSEN |= {"learning_rate": 0.01, "views": 2}


@pytest.fixture(scope="module")
def found(textures):
    whole = data.scan(textures)
    fit, choose = split([photo for photo in whole.photos if photo.split == "train"], 0.25, 0)
    return whole._replace(photos=()), Sides(fit, choose, ())


@pytest.fixture(scope="module")
def taught(found):
    """A lesson that is done with its views, its network as it was before it, and those views."""
    folder, sides = found
    model = classifier.build("efficientnet_test", folder.classes, weights=None, image_size=64)
    lesson = Lesson(model, folder.root, sides, recipe.load(epochs=8, **CHOSEN), SILENT)
    return lesson, lesson.views(), [variable.numpy() for variable in model.variables]


@pytest.fixture
def learn(taught, tmp_path):
    """Have a lesson learn with a clock and settings of its own; the rows of its figures."""
    lesson, views, fresh = taught
    part = lesson.about(lesson.sides, slice(None))

    def run(clock=None, views=views, **given):
        part.recipe = recipe.load(**{"epochs": 8, **CHOSEN, **given})
        part.clock = clock or Clock()
        done = part.learn(views, tmp_path / "metrics.jsonl")
        return done, [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]

    yield run
    for variable, value in zip(lesson.model.variables, fresh, strict=True):
        variable.assign(value)


class Hours:
    """Stands still for so many looks at it; then hours have passed."""

    def __init__(self, looks: int):
        self.looks = looks

    def __call__(self) -> float:
        self.looks -= 1
        return 0.0 if self.looks >= 0 else 1e6


def test_a_target_that_the_head_reaches_ends_the_lesson(learn):
    done, rows = learn(target=0.4)
    assert [row["phase"] for row in rows] == ["head", "choice"] and done.kept == "head"
    assert rows[0]["right"] >= 0.4 * rows[0]["of"]
    assert done.reason == rows[1]["reason"] == "the head alone was taught: it reached the target"


def test_a_target_that_an_epoch_reaches_ends_the_lesson_there(learn, taught):
    """Features without any difference: the head knows nothing, and training has to find it."""
    done, rows = learn(views=np.ones_like(taught[1]), target=0.4, epochs=30, batch_size=8, learning_rate=0.03)
    shares = [row["right"] / row["of"] for row in rows if row["phase"] in ("head", "fine-tuning")]
    assert 2 <= len(shares) < 31 and shares[-1] >= 0.4 > max(shares[:-1])
    assert rows[-1]["phase"] == "choice" and {"head", "halfway", "fine-tuned"} < rows[-1].keys()


def test_without_time_for_an_epoch_the_head_alone_is_taught(learn):
    clock = Clock(100, now=Hours(1))
    done, rows = learn(clock)
    assert [row["phase"] for row in rows] == ["head", "choice"] and done.kept == "head"
    assert done.reason == "the head alone was taught: there was no time for an epoch"
    assert clock.cut == ("0 of 8 epochs",)


def test_training_stops_when_time_is_up_and_what_was_learned_may_still_be_kept(learn, taught):
    clock = Clock(100, now=Hours(8))
    _, rows = learn(clock, batch_size=16)
    phases = [row["phase"] for row in rows]
    assert phases[0] == "head" and phases[-1] == "choice" and 1 < len(phases) - 1 < 8
    steps = len(taught[0].sides.fit) // 16
    assert rows[-2]["steps"] % steps and clock.cut == (f"{rows[-2]['steps'] / steps:.3g} of 8 epochs",)
    assert {"head", "halfway", "fine-tuned"} < rows[-1].keys()


def test_views_are_left_out_for_want_of_time(taught):
    lesson, views, _ = taught
    part = lesson.about(Sides(lesson.sides.fit[:8], (), ()), slice(0, 8))
    part.recipe, part.kept = recipe.load(**CHOSEN | {"views": 6}), []
    part.clock = Clock(100, now=Hours(9))
    assert part.views().shape == (8, 3, views.shape[-1]) and part.clock.cut == ("3 of 6 views",)
    assert np.array_equal(part.kept[0], lesson.kept[0][:8])


@pytest.fixture
def scratch(found, tmp_path):
    """Have lenet5 learn from scratch; the rows of its figures."""
    folder, sides = found

    def run(clock=None, sides=sides, **given):
        chosen = recipe.load(backbone="lenet5", weights="none", head="top", learning_rate=0.003, **given)
        model, learner = classifier.from_scratch("lenet5", folder.classes, dropout=0.0)
        lesson = Scratch(model, learner, folder.root, sides, chosen, SILENT)
        lesson.clock = clock or Clock()
        lesson.learn(lesson.views(), tmp_path / "metrics.jsonl")
        return [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]

    return run


def test_from_scratch_a_target_ends_training_where_photos_are_kept_aside(scratch, found):
    rows = scratch(target=0.45, epochs=40)
    shares = [row["right"] / row["of"] for row in rows]
    assert len(rows) < 40 and shares[-1] >= 0.45 and all(share < 0.45 for share in shares[:-1])
    rows = scratch(target=0.01, epochs=2, sides=Sides(found[1].train, (), ()))
    assert len(rows) == 2 and "right" not in rows[0]


def test_from_scratch_training_stops_when_time_is_up(scratch):
    clock = Clock(100, now=Hours(6))
    rows = scratch(clock, epochs=8, batch_size=16)
    assert rows[-1]["steps"] % 3 and clock.cut == (f"{rows[-1]['steps'] / 3:.3g} of 8 epochs",)
