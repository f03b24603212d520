"""A run with all that varies what a batch is and what of the network learns."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from listening import Notes

import tlkit
from tlkit import backbones, recipe

ASKED = {
    "backbone": "resnet_cifar_test",
    "weights": "none",
    "unfreeze_from": "stage2",
    "epochs": 2,
    "mixup": 0.4,
    "cutmix": 1.0,
    "erase": 0.3,
    "drop_path": 0.3,
    "batch_norm": "train",
    "balance": "loss",
    "learning_rate": 0.01,
}


@pytest.fixture(scope="module")
def mixed(textures, tmp_path_factory):
    """Its report, and what was told on the way."""
    place = tmp_path_factory.mktemp("mixed")
    shutil.copytree(textures, place / "photos")
    notes = Notes()
    return tlkit.finetune(place / "photos", output=place / "run", progress=notes, **ASKED), notes.told


def test_it_says_that_keras_cv_draws_for_itself_and_how_batches_are_normalised(mixed):
    done, told = mixed
    expected = {
        "keras-cv draws numbers of its own: two runs with one seed differ, and a resumed run is not "
        "bit-equal.",
        "Batch normalisation in unfrozen stages learns, on the statistics of its batches.",
    }
    assert expected <= set(told) and expected <= set(done.notes)
    about = json.loads((Path(done.run) / "run.json").read_text())
    assert about["repeatable"] is False and expected <= set(about["notes"])


def test_it_is_written_down_as_it_was_run_and_its_file_says_the_same(mixed):
    done, _ = mixed
    as_run = recipe.load(Path(done.run) / "recipe.toml")
    assert {name: getattr(as_run, name) for name in ASKED} == ASKED
    [file] = done.exports
    assert file.agreement == 1 and file.max_difference < 0.01
    rows = [json.loads(line) for line in (Path(done.run) / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if row["phase"] == "fine-tuning"]
    assert len(losses) == 2 and np.isfinite(losses).all()


def test_its_weights_are_taken_up_by_another_network(mixed):
    """Which drops no paths: what was dropped has no weights."""
    done, _ = mixed
    trunk = backbones.build("resnet_cifar_test", weights=done.run, include_top=False, input_shape=(32, 32, 3))
    model = keras.models.load_model(Path(done.run) / "model.keras")
    assert [layer.name for layer in model.layers if layer.name.endswith("_drop_path")]
    for layer in trunk.layers:
        for ours, theirs in zip(layer.weights, model.get_layer(layer.name).weights, strict=True):
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
