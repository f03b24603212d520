"""The range test of a run: sane, repeatable, and nothing left of it."""

import json
import math
from pathlib import Path

import pytest

import tlkit
from tlkit import cli, recipe
from tlkit.errors import UsageError
from tlkit.progress import SILENT
from tlkit.run import settling, sweeping

SCRATCH = {"backbone": "lenet5", "weights": "none", "head": "top", "augment": "none"}
TUNED = {"backbone": "efficientnet_test", "weights": "none", "unfreeze_from": "stage5", "image_size": 64}


@pytest.fixture(scope="module")
def found(textures):
    return tlkit.find_rate(textures, **SCRATCH)


def last_loss(images: Path, folder: Path, rate: float) -> float:
    """After eight epochs at this rate, as a run takes them."""
    chosen = recipe.load(**SCRATCH, learning_rate=rate, epochs=8)
    _, lesson = settling.lesson(settling.settle(images, chosen, SILENT), SILENT)
    lesson.learn(lesson.views(), folder / "metrics.jsonl")
    return json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["loss"]


def test_the_suggestion_learns_much_and_does_not_diverge(found, textures, tmp_path):
    slow, chosen = (last_loss(textures, tmp_path, found.suggestion / by) for by in (100, 1))
    start = found.points[0].loss
    assert chosen < 0.7 * start
    assert start - chosen > 3 * (start - slow)


def test_points_climb_from_the_lowest_rate_until_the_end(found):
    ratios = [after.rate / before.rate for before, after in zip(found.points, found.points[1:], strict=False)]
    assert found.points[0].rate == pytest.approx(1e-6)
    assert ratios == pytest.approx([1e6 ** (1 / 99)] * len(ratios), rel=1e-3)
    assert all(math.isfinite(point.loss) for point in found.points)
    assert found.points[0].smoothed == found.points[0].loss
    assert found.suggestion < found.lowest < found.points[-1].rate


def test_the_losses_are_those_of_single_batches(found):
    """And not of all so far, as Keras tells them: at the end they are far above any mean."""
    assert found.stopped == "rose" and found.points[-1].loss > 2 * found.points[-1].smoothed
    assert len({point.loss for point in found.points}) == len(found.points)


def test_the_text_draws_it_and_ends_with_the_command(found, textures):
    lines = found.text().splitlines()
    assert lines[0] == "lenet5, adamw: loss by learning rate"
    assert "*" in found.text() and any(line.lstrip().startswith("+") and "^" in line for line in lines)
    assert f"  suggested  {found.suggestion:g}; 0.001 is taken if none is given" in lines
    assert lines[-1] == (
        f"tlkit finetune --backbone lenet5 --weights none --learning-rate {found.suggestion:g} --head top "
        f"--augment none {textures}"
    )


def test_the_command_line_tries_a_solved_head_and_writes_nothing(textures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in TUNED.items()]
    assert cli.main(["finetune", "--find-lr", "--json", "--optimizer", "sgd", *options, str(textures)]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["points"][0].keys() == {"rate", "loss", "smoothed"}
    assert told["points"][0]["rate"] == pytest.approx(1e-5)
    assert told["images"] == 60, "a slice of the photos is kept to choose on, as in a run"
    assert told["suggestion"] < told["lowest"] and told["stopped"]
    assert told["otherwise"] == pytest.approx(1e-3), "of SGD, from a solved head"
    assert f"--learning-rate {told['suggestion']:g} --optimizer sgd" in told["command"]
    assert "\nrates  rate " in captured.err
    assert [*tmp_path.iterdir()] == []


def test_the_command_repeats_what_was_asked_for():
    chosen = recipe.load(
        backbone="lenet5",
        weights="none",
        strict=True,
        export=("tflite", "savedmodel"),
        fit="crop",
        budget="90s",
    )
    assert sweeping.command(Path("my photos"), chosen, 0.0004) == (
        "tlkit finetune --backbone lenet5 --weights none --learning-rate 0.0004 --budget 90.0 --fit crop "
        "--strict --export tflite --export savedmodel 'my photos'"
    )
    assert sweeping.command([], recipe.load(), 2e-5).endswith(" --learning-rate 2e-05 IMAGES")


def test_what_has_no_rate_or_keeps_something_is_refused(few, capsys):
    with pytest.raises(UsageError, match="epochs is 0: the head alone"):
        tlkit.find_rate(few, epochs=0, **TUNED)
    with pytest.raises(UsageError, match="--export would do nothing. Leave it out."):
        tlkit.find_rate(few, export="none", **TUNED)
    assert cli.main(["finetune", "--find-lr", "--output", "there", str(few)]) == 2
    assert "--output would do nothing" in capsys.readouterr().err


def test_photos_that_train_a_head_alone_are_refused(few):
    few_shot = {name: value for name, value in TUNED.items() if name != "unfreeze_from"}
    with pytest.raises(UsageError, match="From 10 photos the head alone is learned"):
        tlkit.find_rate(few, unfreeze_from="none", **few_shot)
