import json
import shutil
from pathlib import Path

import pytest

import tlkit
from tlkit import formats
from tlkit.errors import UsageError
from tlkit.run import origin


@pytest.fixture
def bare(finished, tmp_path) -> Path:
    """The run's model away from its run, with its labels beside."""
    for name in ("model.keras", "labels.txt"):
        shutil.copy(Path(finished.run) / name, tmp_path / name)
    return tmp_path / "model.keras"


def test_the_default_is_float16_tflite_in_the_runs_own_folder(finished):
    done = tlkit.export(finished.run)
    assert Path(done.path) == Path(finished.run) / "export" / "efficientnet_test-float16.tflite"
    assert done.images == 24 and done.reference_top1 == finished.val_top1


@pytest.mark.parametrize(
    ("told", "weights", "expected"),
    [
        ({"weights": {"name": "fcmae_ft_in1k", "licence": "CC-BY-NC-4.0"}}, "fcmae_ft_in1k", "CC-BY-NC-4.0"),
        ({"weights": {"name": None, "licence": None}}, "mine.keras", ""),
        ({"weights": None}, "none", ""),
        ({}, "imagenet", "Apache-2.0"),  # written before tlkit had a catalogue
        ({}, "none", ""),
    ],
)
def test_the_licence_is_that_of_the_weights_a_run_began_with(told, weights, expected, tmp_path):
    about = {"backbone": "efficientnet_lite0", **told}
    (tmp_path / "run.json").write_text(json.dumps(about))
    (tmp_path / "recipe.toml").write_text(f'weights = "{weights}"\n')
    assert origin.licence(tmp_path) == expected


@pytest.mark.parametrize(
    ("format", "name"),
    [("tflite", "model-float16.tflite"), ("savedmodel", "model-savedmodel"), ("keras", "model.keras")],
)
def test_a_bare_model_is_exported_beside_itself_unchecked(bare, format, name, tmp_path):
    output = tmp_path / "out" / name if format == "keras" else None
    done = tlkit.export(bare, format=format, output=output)
    assert Path(done.path) == (output or bare.parent / name)
    assert (done.reference_top1, done.top1, done.agreement, done.max_difference) == (None,) * 4
    assert done.images == 0 and "--images" in done.notes[0]
    assert formats.open(Path(done.path)).labels == ("brick", "grass", "gravel")


def test_a_bare_model_is_checked_on_photos_that_do_not_calibrate(bare, textures):
    done = tlkit.export(bare, quantize="int8", images=textures)
    assert done.images == 19 or done.images == 20 or done.images == 18  # a fifth of each class of 32
    assert done.agreement is not None
    rows = Path(done.path).with_suffix(".calibration.csv").read_text().splitlines()[1:]
    assert len(rows) + done.images == 96


def test_int8_of_a_bare_model_needs_photos(bare):
    with pytest.raises(UsageError, match="int8 needs photos to calibrate on.*--images"):
        tlkit.export(bare, quantize="int8")


def test_nothing_of_the_users_is_written_over(bare):
    (bare.parent / "labels.txt").chmod(0o644)
    target = bare.parent / "model-float16.tflite"
    target.write_bytes(b"the user's own")
    with pytest.raises(UsageError, match="already there, and nothing is written over"):
        tlkit.export(bare)
    assert target.read_bytes() == b"the user's own"


def test_labels_of_another_model_are_left_alone(finished, tmp_path):
    (tmp_path / "labels.txt").write_text("other\n")
    tlkit.export(finished.run, output=tmp_path / "phone.tflite")
    assert (tmp_path / "labels.txt").read_text() == "other\n"
    assert (tmp_path / "phone.labels.txt").read_text() == "brick\ngrass\ngravel\n"


def test_only_tflite_is_quantised(finished):
    with pytest.raises(UsageError, match="savedmodel file is not quantised"):
        tlkit.export(finished.run, format="savedmodel", quantize="int8")


def test_an_export_is_not_exported_again(finished):
    with pytest.raises(UsageError, match="cannot be exported again"):
        tlkit.export(finished.exports[0].path)


def test_a_model_without_class_names_says_what_to_do(bare):
    (bare.parent / "labels.txt").unlink()
    with pytest.raises(UsageError, match="without class names.*labels.txt beside it"):
        tlkit.export(bare)


def test_photos_of_unknown_classes_are_named(bare, few):
    (few / "brick").rename(few / "tile")
    with pytest.raises(
        UsageError, match="classes that the model does not know: tile. The model knows brick, grass"
    ):
        tlkit.export(bare, images=few)
