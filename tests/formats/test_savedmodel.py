"""SavedModel folders, loaded by TensorFlow alone."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from squares import LABELS, SIZE, squares

from tlkit import formats
from tlkit.errors import ModelError, OutputError
from tlkit.formats import savedmodel


def test_tensorflow_alone_runs_it(converted, model, tmp_path):
    photos, _ = squares(5, seed=11)
    np.save(tmp_path / "photos.npy", photos)
    moved = shutil.copytree(converted["savedmodel"].path, tmp_path / "moved")
    code = f"""
import sys
sys.modules |= dict.fromkeys(("keras", "tf_keras", "tlkit"))  # none of them can be imported
import numpy as np
import tensorflow as tf
photos = np.load({str(tmp_path / "photos.npy")!r})
serve = tf.saved_model.load({str(moved)!r}).signatures["serving_default"]
np.save({str(tmp_path / "found.npy")!r}, serve(image=tf.constant(photos))["probabilities"].numpy())
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    found = np.load(tmp_path / "found.npy")
    assert found.dtype == np.float32
    assert abs(found - model.predict(photos, verbose=0)).max() < 1e-5


def test_signature_takes_pixels_in_batches_of_any_size(converted):
    loaded = tf.saved_model.load(str(converted["savedmodel"].path))
    serve = loaded.signatures["serving_default"]
    (takes,) = serve.structured_input_signature[1].values()
    assert (takes.dtype, takes.shape.as_list()) == (tf.uint8, [None, SIZE, SIZE, 3])
    for count in (1, 4, 33):
        rows = serve(image=tf.zeros((count, SIZE, SIZE, 3), tf.uint8))["probabilities"]
        assert rows.shape == (count, len(LABELS)) and rows.dtype == tf.float32


def test_labels_are_an_asset(converted):
    path = converted["savedmodel"].path / "assets" / "labels.txt"
    assert path.read_bytes().decode() == "".join(f"{label}\n" for label in LABELS)


def test_an_older_export_gives_way_and_a_folder_of_photos_does_not(converter, source, tmp_path):
    target = tmp_path / "model"
    (target / "roses").mkdir(parents=True)
    (target / "roses" / "1.jpg").write_bytes(b"photo")
    pending = converter.submit(source, target, format="savedmodel", labels=LABELS)
    with pytest.raises(OutputError, match="model cannot be written: directory not empty"):
        pending.result()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["1.jpg"]
    shutil.rmtree(target)
    for labels in (LABELS, LABELS[::-1]):
        converter.submit(source, target, format="savedmodel", labels=labels).result()
        assert formats.open(target).labels == labels
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_written_in_this_process_too(model, tmp_path):
    savedmodel.write(model, tmp_path / "plain")
    opened = formats.open(tmp_path / "plain")
    photos, _ = squares(40, seed=12)
    assert opened.labels is None
    assert abs(opened.predict(photos) - model.predict(photos, verbose=0)).max() < 1e-5


@pytest.mark.parametrize(
    "part", ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
)
def test_damaged_folder_is_one_line(converted, tmp_path, part):
    path = shutil.copytree(converted["savedmodel"].path, tmp_path / "damaged")
    content = (path / part).read_bytes()
    (path / part).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="damaged cannot be read as a SavedModel") as failure:
        formats.open(path)
    assert "\n" not in str(failure.value)


def test_what_is_no_classifier_is_told_so(tmp_path):
    for index, (takes, row, told) in enumerate(
        [
            ((None, 8, 9, 3), 4, r"takes \[\(None, 8, 9, 3\)\]; tlkit needs square"),
            ((4, 8, 8, 3), 4, r"takes \[\(4, 8, 8, 3\)\]"),
            ((None, 8, 8, 3), 1, r"returns \[\(None, 1\)\]; tlkit needs one row"),
        ]
    ):
        module = tf.Module()

        @tf.function(input_signature=[tf.TensorSpec(takes, tf.float32)])
        def serve(x, row=row):
            return {"y": tf.repeat(tf.reduce_mean(x, (1, 2, 3))[:, None], row, axis=1)}

        module.serve = serve
        path = tmp_path / str(index)
        tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})
        with pytest.raises(ModelError, match=told):
            formats.open(path)
        tf.saved_model.save(module, str(path / "unsigned"), signatures={"other": module.serve})
        with pytest.raises(ModelError, match="It needs a serving_default"):
            formats.open(path / "unsigned")
