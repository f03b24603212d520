import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tlkit
from tlkit import figures, recipe
from tlkit.errors import DataError, UsageError
from tlkit.progress import Silent

TEXTURES = Path(__file__).parents[2] / "data" / "textures"


def listing(folder: Path) -> dict[str, tuple[str, int]]:
    """Names, content and times of everything in a folder."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }


def weights(run: Path) -> list[bytes]:
    import keras

    return [np.asarray(weight).tobytes() for weight in keras.models.load_model(run / "model.keras").weights]


class Notes(Silent):
    def __init__(self):
        self.told = []

    def note(self, text):
        self.told.append(text)


def test_the_run_folder_tells_its_story(finished):
    run = Path(finished.run)
    assert {path.name for path in run.iterdir()} == {
        "recipe.toml", "run.json", "split.csv", "metrics.jsonl", "model.keras", "labels.txt",
        "predictions.csv", "export", "result.json", "seen.jpg", "suspects.csv",
    }  # fmt: skip
    assert json.loads((run / "result.json").read_text()) == json.loads(finished.json())
    as_run = recipe.load(run / "recipe.toml")
    assert (as_run.backbone, as_run.epochs, as_run.weights) == ("efficientnet_test", 1, "none")
    about = json.loads((run / "run.json").read_text())
    assert about["seed"] == 0 and about["versions"]["keras"].startswith("3.") and about["device"] == "CPU"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["phase"] for row in rows] == ["head", "fine-tuning", "choice"]
    assert rows[1]["images_per_second"] > 0 and rows[1]["loss"] > 0
    assert rows[2]["kept"] == finished.kept
    better = {
        name for name in ("halfway", "fine-tuned") if rows[2][name]["gain"] > rows[2][name]["standard_error"]
    }
    assert (finished.kept == "head") == (not better) and finished.kept in (better or {"head"})
    assert (run / "labels.txt").read_text() == "brick\ngrass\ngravel\n"


def test_the_split_is_written_with_hashes(finished):
    run = Path(finished.run)
    root = Path(json.loads((run / "run.json").read_text())["images"])
    rows = list(csv.DictReader((run / "split.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 96 and {row["split"] for row in rows} == {"train", "val"}
    for row in rows:
        assert hashlib.sha256((root / row["path"]).read_bytes()).hexdigest() == row["sha256"]
        assert row["path"] == f"{row['split']}/{row['label']}/{Path(row['path']).name}"


def test_the_run_says_where_its_photos_came_from(finished):
    about = json.loads((Path(finished.run) / "run.json").read_text())
    assert Path(about["images"]).name == "photos" and about["table"] is None
    with Image.open(Path(finished.run) / "seen.jpg") as sheet:
        assert sheet.width > 200


def test_a_table_is_trained_on_wherever_it_lies(textures, tmp_path, settings):
    """Its run may lie beside it; what it gives as test is left alone, and written down."""
    shutil.copytree(textures / "val", tmp_path / "photos")
    rows = ["path,label,split"]
    for path in sorted((tmp_path / "photos").rglob("*.jpg")):
        split = "test" if path.stem.endswith("01") else ""
        rows.append(f"{path.relative_to(tmp_path)},{path.parent.name.upper()},{split}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    done = tlkit.finetune(
        tmp_path / "table.csv", output=tmp_path / "runs" / "first", epochs=0, export="none", **settings
    )
    assert done.classes == ("BRICK", "GRASS", "GRAVEL") and done.train_images + done.val_images == 21
    about = json.loads((tmp_path / "runs" / "first" / "run.json").read_text())
    assert (about["images"], about["table"]) == (str(tmp_path), str(tmp_path / "table.csv"))
    written = (tmp_path / "runs" / "first" / "split.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(written.splitlines()))
    assert sorted({row["split"] for row in rows}) == ["test", "train", "val"]
    assert {row["path"][-6:-4] for row in rows if row["split"] == "test"} == {"01"}
    assert tlkit.evaluate(done.run).top1 == done.val_top1


def test_rows_from_python_leaks_among_them_and_their_split_taken_up_again(few, tmp_path, settings):
    photos = sorted(few.rglob("*.jpg"))
    shutil.copy(photos[0], few / "copy.jpg")
    rows = [(path, path.parent.name, "val" if path.stem.endswith("1") else "train") for path in photos]
    options = settings | {"epochs": 0, "augment": "none", "export": "none"}
    first = tlkit.finetune([*rows, (few / "copy.jpg", "brick", "train")], output=tmp_path / "1", **options)
    assert first.leaks == ({"path": str(photos[0]), "related": (str(few / "copy.jpg"),)},)
    assert first.text().startswith("1 of 2 photos of val is (nearly) in train")
    again = [(path, path.parent.name) for path in (*photos[1:], *TEXTURES.glob("val/*/*-01.jpg"))]
    second = tlkit.finetune(again[:-1], output=tmp_path / "2", split=tmp_path / "1", **options)
    splits = [
        {row["path"]: row["split"] for row in csv.DictReader(text.splitlines())}
        for text in ((tmp_path / name / "split.csv").read_text(encoding="utf-8") for name in "12")
    ]
    both = splits[0].keys() & splits[1].keys()
    assert len(both) == 11 and all(splits[0][path] == splits[1][path] for path in both)
    assert len(splits[1]) == 13 and second.leaks == ()


def test_every_figure_comes_from_the_table(finished):
    table = figures.Table.read((Path(finished.run) / "predictions.csv").read_text(encoding="utf-8"))
    assert len(table.paths) == finished.val_images == 24
    hits = sum(
        Path(path).parent.name == table.labels[row.argmax()]
        for path, row in zip(table.paths, table.probabilities, strict=True)
    )
    assert finished.val_top1 == hits / 24
    assert finished.val_top1_interval == figures.wilson(hits, 24)
    assert finished.majority_top1 == 8 / 24


def test_both_exports_were_checked_on_the_validation_photos(finished):
    assert [(row.format, row.quantize) for row in finished.exports] == [
        ("tflite", "float16"),
        ("savedmodel", "none"),
    ]
    for row in finished.exports:
        assert row.images == 24 and row.reference_top1 == finished.val_top1 and not row.refused
        assert row.agreement >= 23 / 24 and row.max_difference < 0.01
        assert Path(row.path).exists() and row.bytes > 10_000
        assert (Path(row.path).parent / "labels.txt").read_text() == "brick\ngrass\ngravel\n"
    file = finished.exports[0]
    assert hashlib.sha256(Path(file.path).read_bytes()).hexdigest() == file.sha256


RUN = """
import sys, tlkit
images, output = sys.argv[1:]
tlkit.finetune(images, output=output, epochs=1, export="none", backbone="efficientnet_test", weights="none",
               unfreeze_from="stage5")
"""


def test_one_seed_gives_byte_equal_weights_whatever_the_reported_photos_are(textures, tmp_path):
    """Twice in fresh processes; the second time the validation photos have changed their classes."""
    other = tmp_path / "other"
    shutil.copytree(textures, other)
    names = ("brick", "grass", "gravel")
    for name, takes in zip(names, (*names[1:], names[0]), strict=True):
        shutil.rmtree(other / "val" / name)
        shutil.copytree(textures / "val" / takes, other / "val" / name)
    for images, output in ((textures, "first"), (other, "second")):
        command = [sys.executable, "-c", RUN, str(images), str(tmp_path / output)]
        subprocess.run(command, check=True, capture_output=True)
    first, second = (weights(tmp_path / name) for name in ("first", "second"))
    assert len(first) > 50 and first == second
    top1 = [
        json.loads((tmp_path / name / "result.json").read_text())["val_top1"] for name in ("first", "second")
    ]
    assert top1[0] != top1[1]  # the reported photos were different ones


def test_photos_are_left_as_they_are_by_every_command(textures, tmp_path, settings):
    photos = tmp_path / "photos"
    shutil.copytree(textures, photos)
    before = listing(photos)
    done = tlkit.finetune(photos, output=tmp_path / "run", epochs=0, **settings)
    tlkit.evaluate(done.run)
    tlkit.evaluate(done.run, photos)
    tlkit.predict(done.run, [photos / "val" / "brick" / "brick-01.jpg"])
    tlkit.export(done.run, quantize="dynamic")
    assert listing(photos) == before


def test_a_destroyed_model_gives_way_to_its_head(textures, tmp_path):
    """A rate that ruins the trunk: the slice of training photos tells, and the head alone is returned."""
    done = tlkit.finetune(
        textures, output=tmp_path / "run", epochs=1, optimizer="adam", learning_rate=1.0,
        export="none", image_size=64, unfreeze_from="stage5",
    )  # fmt: skip
    assert done.kept == "head" and done.val_top1 > 0.9
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["fine-tuned"]["right"] < rows[-1]["head"]["right"] == rows[0]["right"]
    head = tlkit.finetune(textures, output=tmp_path / "head", epochs=0, export="none", image_size=64)
    trunks = [weights(Path(run.run))[:-2] for run in (done, head)]
    assert trunks[0] == trunks[1]


def test_a_run_that_learned_nothing_says_so_first(tmp_path, settings):
    draw = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "noise" / name).mkdir(parents=True)
        for number in range(12):
            pixels = draw.integers(0, 256, (64, 64, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "noise" / name / f"{number}.png")
    done = tlkit.finetune(tmp_path / "noise", output=tmp_path / "run", epochs=0, export="none", **settings)
    assert not done.learned
    assert done.text().startswith("Nothing was learned that can be told from chance")


def test_unreadable_photos_are_left_out_and_strict_stops_at_them(few, tmp_path, settings):
    (few / "brick" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    with pytest.raises(DataError, match=r"1 of 13 files in .* cannot be used: brick/broken\.jpg"):
        tlkit.finetune(few, output=tmp_path / "strict", strict=True, **settings)
    assert not (tmp_path / "strict").exists()
    done = tlkit.finetune(few, output=tmp_path / "run", epochs=0, export="none", **settings)
    assert [row.path for row in done.skipped] == ["brick/broken.jpg"]
    assert done.train_images + done.val_images == 12


def test_the_first_lines_name_device_precision_and_how_the_folder_was_read(few, tmp_path, settings):
    notes = Notes()
    tlkit.finetune(few, output=tmp_path / "run", epochs=0, export="none", progress=notes, **settings)
    assert notes.told[0] == "Running on CPU, float32."
    assert notes.told[1].endswith("photos: 2 class folders, 12 photos: brick 6, grass 6.")
    assert "10 photos to train on, 2 to validate, split by seed." in notes.told


def test_the_last_run_s_split_is_taken_up_by_its_name(few, workplace, settings):
    with pytest.raises(UsageError, match="There is no finished run under"):
        tlkit.finetune(few, split="last", **settings)
    first = tlkit.finetune(few, epochs=0, export="none", seed=3, **settings)
    second = tlkit.finetune(few, epochs=0, export="none", split="last", **settings)
    assert (Path(second.run) / "split.csv").read_text() == (Path(first.run) / "split.csv").read_text()
    assert recipe.load(Path(second.run) / "recipe.toml").split == str(first.run)


def test_a_usual_shape_that_loses_much_by_the_fit_is_told(few, tmp_path, settings):
    for path in few.rglob("*.jpg"):
        photo = Image.open(path)
        photo.resize((400, 100)).save(path)
    done = tlkit.finetune(few, output=tmp_path / "run", epochs=0, export="none", fit="crop", **settings)
    told = "The usual photo: crop cuts away 75% of it; --fit stretch or pad keeps all."
    assert told in done.notes and told in done.text()


@pytest.mark.parametrize("precision", ["float16", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_a_model_of_every_precision_is_exported(few, tmp_path, settings, precision):
    done = tlkit.finetune(
        few, output=tmp_path / "run", epochs=1, precision=precision, unfreeze_from="none",
        export=["tflite", "savedmodel"], **settings,
    )  # fmt: skip
    assert [row.agreement for row in done.exports] == [1.0, 1.0]
    import keras

    model = keras.models.load_model(tmp_path / "run" / "model.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


def first_loss(images: Path, output: Path, options: dict) -> float:
    done = tlkit.finetune(images, output=output, **options)
    return json.loads((Path(done.run) / "metrics.jsonl").read_text().splitlines()[1])["loss"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory, settings):
    """A dozen photos, what they are learned with, and the first loss with that."""
    place = tmp_path_factory.mktemp("plain")
    for name in ("brick", "grass"):
        (place / "photos" / name).mkdir(parents=True)
        for photo in sorted((TEXTURES / "train" / name).iterdir())[:6]:
            shutil.copy(photo, place / "photos" / name)
    options = {
        "epochs": 1,
        "batch_size": 2,
        "export": "none",
        "unfreeze_from": "stage5",
        "learning_rate": 0.01,
    } | settings
    return place / "photos", options, first_loss(place / "photos", place / "run", options)


@pytest.mark.parametrize(
    "changes",
    [
        {"head": "mlp"},
        {"augment": "none"},
        pytest.param({"augment": "strong"}, marks=pytest.mark.slow),
        pytest.param({"augment": "shift"}, marks=pytest.mark.slow),
        {"optimizer": "sgd"},
        pytest.param({"dropout": 0.6}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_each_knob_of_training_takes_effect(plain, tmp_path, changes):
    photos, options, loss = plain
    assert first_loss(photos, tmp_path / "run", options | changes) != loss


def test_a_broken_converter_is_reported_before_training(few, tmp_path):
    """The child cannot import LiteRT: the run ends before its first epoch and leaves no folder."""
    broken = tmp_path / "broken" / "ai_edge_litert"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('LiteRT is broken here')")
    here = Path(tlkit.__file__).parents[1]
    path = os.pathsep.join([str(tmp_path / "broken"), str(here)])
    command = ["finetune", str(few), "--backbone", "efficientnet_test", "--weights", "none"]
    done = subprocess.run(
        [sys.executable, "-m", "tlkit", *command], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 1 and "LiteRT is broken here" in done.stderr
    assert "training 1/" not in done.stderr and not (tmp_path / "runs").exists()


OFFLINE = """
import json, sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        print("CONNECTED", event, arguments)

sys.addaudithook(watch)
sys.modules["keras_cv"] = None  # cannot be imported
from tlkit import cli
codes = [cli.main(words) for words in json.loads(sys.argv[1])]
print("CODES", codes)
"""


def test_the_default_path_needs_neither_network_nor_keras_cv(textures, tmp_path):
    """Published weights, fine-tune, export, evaluate: no connection is tried."""
    commands = [
        ["finetune", str(textures), "--epochs", "0", "--image-size", "64"],
        ["evaluate", "last"],
        ["export", "last", "--quantize", "int8"],
        ["finetune", str(textures), "--augment", "strong"],
    ]
    command = [sys.executable, "-c", OFFLINE, json.dumps(commands)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "CODES [0, 0, 0, 1]" in done.stdout, done.stderr
    assert "CONNECTED" not in done.stdout + done.stderr
    assert "Error: The strong augmentation needs the package keras-cv" in done.stderr
    assert "fine-tuning" not in done.stderr


@pytest.mark.parametrize("inside", ["", "runs", "brick/x"])
def test_a_run_is_not_written_inside_its_photos(few, inside, settings):
    with pytest.raises(UsageError, match="inside the photos' own folder"):
        tlkit.finetune(few, output=few / inside, **settings)


def test_an_unknown_stage_stops_before_features_are_computed(few, tmp_path, settings):
    notes = Notes()
    with pytest.raises(UsageError, match="no stage called 'stage9'. Its stages are stem, "):
        tlkit.finetune(few, output=tmp_path / "run", unfreeze_from="stage9", progress=notes, **settings)
    assert not (tmp_path / "run").exists()
