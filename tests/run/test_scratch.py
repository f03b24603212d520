"""From scratch: random weights, every one of them trained, on real digits."""

import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import tlkit
from tlkit import classifier, recipe
from tlkit.errors import UsageError
from tlkit.progress import SILENT
from tlkit.run import folder, normalising

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist10k.npz"
QUICK = {"weights": "none", "head": "top", "augment": "shift", "export": "none"}


def written(npz: Path | None, folder: Path) -> Path:
    """Digits as tests/benchmarks/digits.py writes them."""
    spec = importlib.util.spec_from_file_location("digits", BENCHMARKS / "digits.py")
    digits = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(digits)
    digits.write(*digits.load(npz), folder)
    return folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """scikit-learn's: 1,437 to train on and 360 to validate, of other writers, 8×8 pixels."""
    return written(None, tmp_path_factory.mktemp("digits") / "sklearn")


@pytest.fixture(scope="module")
def hundred(digits, tmp_path_factory) -> Path:
    """Ten of each digit, not split."""
    place = tmp_path_factory.mktemp("hundred")
    for digit in sorted((digits / "train").iterdir()):
        (place / digit.name).mkdir()
        for path in sorted(digit.iterdir())[:10]:
            (place / digit.name / path.name).write_bytes(path.read_bytes())
    return place


def rows(run) -> list[dict]:
    return [json.loads(line) for line in (Path(run.run) / "metrics.jsonl").read_text().splitlines()]


def weights(run) -> dict[str, np.ndarray]:
    model = keras.models.load_model(Path(run.run) / "model.keras")
    return {weight.path: np.asarray(weight) for weight in model.weights}


def test_lenet_learns_digits(digits, tmp_path):
    done = tlkit.finetune(
        digits,
        output=tmp_path / "run",
        backbone="lenet5",
        epochs=12,
        learning_rate=0.003,
        dropout=0.0,
        **QUICK,
    )
    assert done.kept == "trained" and done.learned
    assert done.val_top1 >= 0.93
    assert "kept the network, trained from scratch" in " ".join(done.text().split())
    told = rows(done)
    assert [row["phase"] for row in told] == ["training"] * 12
    aside = json.loads((Path(done.run) / "run.json").read_text())["calibration"]["photos"]
    assert 0.04 * 1437 < aside < 0.06 * 1437  # a twentieth, to calibrate it
    assert told[-1]["loss"] < 0.3 * told[0]["loss"] and told[-1]["steps"] == 12 * ((1437 - aside) // 32)
    as_run = recipe.load(Path(done.run) / "recipe.toml")
    assert (as_run.unfreeze_from, as_run.head, as_run.weights) == ("all", "top", "none")
    # What every feature has learned with its label says nothing about that label.
    assert all(row.path.startswith("val/") for row in done.suspects)


@pytest.mark.parametrize("head", ["linear", "mlp", "top"])
def test_every_weight_is_trained_and_batch_normalisation_too(hundred, tmp_path, head):
    chosen = {"backbone": "simple_resnet_test", "epochs": 2, "learning_rate": 0.01} | QUICK | {"head": head}
    done = tlkit.finetune(hundred, output=tmp_path / "run", batch_size=16, **chosen)
    before = classifier.build(
        "simple_resnet_test", done.classes, weights=None, head=head, dropout=0.2, seed=0
    )
    after = weights(done)
    states = {weight.path: np.asarray(weight) for weight in before.weights}
    assert states.keys() == after.keys()
    assert sum("moving" in path for path in after) >= 6
    for path, value in after.items():
        assert np.isfinite(value).all()
        assert (value != states[path]).any(), path
    if head == "linear":
        _measured_anew(Path(done.run), done.classes, after)


def _measured_anew(run: Path, classes, after: dict[str, np.ndarray]) -> None:
    """After so few steps the running statistics are those of the photos themselves."""
    model = keras.models.load_model(run / "model.keras")
    root, photos = folder.photos(run, "train", classes)
    normalising.recalibrate(model, root, photos, recipe.load(run / "recipe.toml"), SILENT)
    found = {weight.path: np.asarray(weight) for weight in model.weights if "moving" in weight.path}
    for path, value in found.items():
        np.testing.assert_allclose(after[path], value, rtol=1e-3, atol=1e-5, err_msg=path)


def test_random_weights_before_a_named_stage_stay_under_a_solved_head(hundred, tmp_path):
    chosen = QUICK | {"backbone": "simple_resnet_test", "head": "linear", "epochs": 1}
    done = tlkit.finetune(hundred, output=tmp_path / "run", unfreeze_from="stage1", **chosen)
    assert [row["phase"] for row in rows(done)] == ["head", "fine-tuning", "choice"]
    alone = tlkit.finetune(hundred, output=tmp_path / "head", **chosen | {"epochs": 0})
    assert alone.kept == "head" and rows(alone) == []


def test_one_seed_gives_byte_equal_weights_and_folds_leave_no_trace(hundred, tmp_path):
    chosen = {"backbone": "simple_resnet_test", "epochs": 1, "dropout": 0.5} | QUICK
    plain, again, crossed, other = (
        tlkit.finetune(hundred, output=tmp_path / name, **chosen | more)
        for name, more in (("1", {}), ("2", {}), ("3", {"folds": 2}), ("4", {"seed": 1}))
    )
    first = weights(plain)
    for run in (again, crossed):
        found = weights(run)
        assert all(np.array_equal(first[path], found[path]) for path in first)
    assert crossed.folds["count"] == 2 and plain.folds is None
    found = weights(other)
    assert any(not np.array_equal(first[path], found[path]) for path in first)


@pytest.fixture(scope="module")
def googlenet(hundred, tmp_path_factory):
    chosen = {"backbone": "googlenet_test", "image_size": 64, "epochs": 1, "batch_size": 16} | QUICK
    place = tmp_path_factory.mktemp("googlenet")
    return tlkit.finetune(hundred, output=place / "run", **chosen), chosen


def test_auxiliary_classifiers_learn_beside_and_are_not_kept(googlenet):
    done, _ = googlenet
    assert "2 auxiliary classifiers learn beside, at 0.3 of the loss; they are not kept." in done.notes
    # Three of about ln 10 at first, two of them at 0.3.
    assert 1.3 * np.log(10) < rows(done)[0]["loss"] < 3 * np.log(10)
    first = weights(done)
    assert not [path for path in first if "auxiliary" in path]
    plain = classifier.build("googlenet_test", done.classes, weights=None, head="top", image_size=64)
    assert first.keys() == {weight.path for weight in plain.weights}


@pytest.mark.slow
def test_folds_leave_no_trace_in_what_is_trained_and_not_kept(googlenet, hundred, tmp_path):
    done, chosen = googlenet
    first = weights(done)
    found = weights(tlkit.finetune(hundred, output=tmp_path / "run", folds=2, **chosen))
    assert all(np.array_equal(first[path], found[path]) for path in first)


@pytest.mark.slow
def test_photos_too_small_for_auxiliary_classifiers_are_learned_without(hundred, tmp_path):
    chosen = {"backbone": "googlenet_2014_test", "image_size": 64, "epochs": 1, "batch_size": 16} | QUICK
    done = tlkit.finetune(hundred, output=tmp_path / "run", **chosen)
    told = "googlenet_2014_test learns without its auxiliary classifiers: the photos are too small."
    assert told in done.notes
    linear = tlkit.finetune(hundred, output=tmp_path / "linear", **chosen | {"head": "linear"})
    assert not [note for note in linear.notes if "auxiliary" in note]


def test_what_never_learned_says_so_and_why_that_may_be(hundred, tmp_path):
    done = tlkit.finetune(
        hundred, output=tmp_path / "run", backbone="small_cnn_test", epochs=1, learning_rate=1e-9, **QUICK
    )
    assert not done.learned and done.text().startswith("Nothing was learned that can be told from chance")
    assert "  Perhaps: from scratch a network needs more photos and epochs than fine-tuning" in done.text()


@pytest.mark.parametrize(
    "settings",
    [
        {"backbone": "efficientnet_lite0"},
        {"weights": "none", "epochs": 0},
        {"weights": "none", "unfreeze_from": "stage1"},
    ],
    ids=str,
)
def test_a_top_of_its_own_is_trained_from_scratch_only(hundred, tmp_path, settings):
    chosen = {"backbone": "simple_resnet_test", "head": "top", "export": "none"} | settings
    with pytest.raises(UsageError, match="The top of .* is trained from scratch only.* Use --weights none"):
        tlkit.finetune(hundred, output=tmp_path / "run", **chosen)
    assert not (tmp_path / "run").exists()


def test_a_network_without_published_weights_says_what_to_do(hundred, tmp_path):
    with pytest.raises(UsageError) as caught:
        tlkit.finetune(hundred, output=tmp_path / "run", backbone="lenet5")
    assert str(caught.value) == (
        "lenet5 has no published weights to load. Use --weights none (weights=None) to train it from "
        "scratch, which takes more photos and epochs, or a network that has some: 'tlkit backbones' lists "
        "them."
    )


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.is_file(), reason="the shared digits are not here: ../shared/data/mnist10k.npz")
@pytest.mark.parametrize(
    ("name", "least"),
    [("lenet5-digits", 0.975), ("from-scratch-mnist", 0.98), ("simple-resnet-digits", 0.985)],
)
def test_a_recipe_reaches_its_accuracy_on_mnist(name, least, tmp_path):
    written(MNIST, tmp_path / "digits")
    done = tlkit.finetune(tmp_path / "digits", recipe=name, output=tmp_path / "run", export="none")
    assert (done.train_images, done.val_images) == (8000, 2000)
    assert least <= done.val_top1 < 1
