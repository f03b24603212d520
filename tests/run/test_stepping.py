"""What a recipe leaves open about steps, and what is taken instead."""

import json
from dataclasses import replace

import pytest

from tlkit import recipe
from tlkit.progress import SILENT
from tlkit.run import settling, stepping

KNOBS = {
    "optimizer": "adam",
    "weight_decay": 5.0,
    "clip_norm": 1e-4,
    "ema": 0.9,
    "label_smoothing": 0.4,
    "layer_decay": 0.1,
}


@pytest.mark.parametrize(
    ("given", "rate"),
    [({}, 1e-4), ({"optimizer": "sgd"}, 1e-3), ({"weights": "none"}, 1e-3), ({"learning_rate": 0.02}, 0.02)],
)
def test_the_rate_is_the_lessons_own_unless_it_is_given(given, rate):
    settled = stepping.settled(recipe.load(**given))
    assert settled.learning_rate == pytest.approx(rate) == stepping.peak(settled)


@pytest.mark.parametrize(
    ("given", "smoothing", "decay"),
    [
        ({}, 0.1, 0.5),
        ({"weights": "none"}, 0.0, 1.0),
        ({"weights": "none", "unfreeze_from": "stage4"}, 0.1, 0.5),
        ({"weights": "none", "label_smoothing": 0.2, "layer_decay": 0.3}, 0.2, 0.3),
        ({"label_smoothing": 0.0, "layer_decay": 1.0}, 0.0, 1.0),
    ],
)
def test_labels_are_smoothed_and_stages_held_back_in_fine_tuning(given, smoothing, decay):
    settled = stepping.settled(recipe.load(**given))
    assert (settled.label_smoothing, settled.layer_decay) == (smoothing, decay)
    assert stepping.settled(settled) == settled


@pytest.mark.parametrize(
    ("given", "momentum", "weight_decay"),
    [({}, None, 0.01), ({"optimizer": "adam"}, None, None), ({"optimizer": "sgd"}, 0.9, 0.0)],
)
def test_an_optimizer_has_its_own_momentum_and_decay(given, momentum, weight_decay):
    settled = stepping.settled(recipe.load(**given))
    assert (settled.momentum, settled.weight_decay) == (momentum, weight_decay)
    written = recipe.dump(settled)
    assert ("momentum" in written, "weight_decay" in written) == (
        momentum is not None,
        weight_decay is not None,
    )


def begun(images, **given):
    """A lesson on a dozen photos, of two steps an epoch."""
    chosen = recipe.load(
        weights="none", augment="none", learning_rate=1e-3, batch_size=4, epochs=2, image_size=64, **given
    )
    _, lesson = settling.lesson(settling.settle(images, chosen, SILENT), SILENT)
    return lesson, lesson.views()


def each(lesson, views, folder, knobs):
    """For each of these knobs, and for none: the figures of its epochs, and the weights left by it."""
    fresh = [variable.numpy() for variable in lesson.learner.variables]
    first, found = lesson.recipe, {}
    for knob in (None, *knobs):
        changed = {knob: KNOBS[knob]} if knob in KNOBS else {}
        if knob == "momentum":
            changed = {"optimizer": "sgd", "momentum": 0.1}
        if knob == "optimizer":  # the decay was settled for the other
            changed["weight_decay"] = None
        lesson.recipe = replace(first, **changed)
        lesson.learn(views, folder / "metrics.jsonl")
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        told = [{key: row.get(key) for key in ("loss", "cross_entropy")} for row in rows if "epoch" in row]
        found[knob] = (
            str(told),
            b"".join(variable.numpy().tobytes() for variable in lesson.learner.variables),
        )
        for variable, value in zip(lesson.learner.variables, fresh, strict=True):
            variable.assign(value)
    lesson.recipe = first
    return found


def test_each_setting_changes_what_is_fine_tuned(few, tmp_path):
    found = each(*begun(few, backbone="lenet5", unfreeze_from="stage1"), tmp_path, ["momentum", *KNOBS])
    assert len({told for told, _ in found.values()}) == len(found) == len(KNOBS) + 2


def test_settings_change_what_is_trained_from_scratch(few, tmp_path):
    """What is handed on together above, and what is by itself."""
    found = each(*begun(few, backbone="lenet5", head="top"), tmp_path, ["layer_decay", "ema"])
    assert len({weights for _, weights in found.values()}) == len(found) == 3
