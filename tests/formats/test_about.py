"""Temperature and threshold are stored in every format, change what they should, and are found again."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as tflite_schema
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

from tlkit import calibration, classifier, formats
from tlkit.errors import ModelError
from tlkit.formats import about, geometry, keras_file
from tlkit.formats.about import About

NAMES = ["cat", "dog", "rat"]
KINDS = ["keras", "none", "float16", "dynamic", "int8", "savedmodel"]
TOLD = About("crop", 1.3127, 0.6312)


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    """Coloured noise: 24 colours."""
    draw = np.random.default_rng(0)
    colours = draw.integers(40, 216, (24, 1, 1, 3))
    return (colours + draw.integers(-40, 41, (24, 16, 16, 3))).clip(0, 255).astype("uint8")


@pytest.fixture(scope="module")
def plain(photos) -> keras.Model:
    photo = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 5, activation="relu", kernel_initializer=keras.initializers.GlorotUniform(0))(
        layers.Rescaling(1 / 127.5, -1)(photo)
    )
    x = layers.Identity(name="fit_crop")(layers.GlobalAveragePooling2D()(x))
    x = layers.Dense(3, kernel_initializer=keras.initializers.Orthogonal(8.0, 1), name="logits")(x)
    model = keras.Model(photo, layers.Softmax(name="probabilities")(x))
    said = model.predict(photos, verbose=0).max(1)
    assert said.min() < TOLD.threshold < said.max()
    return model


@pytest.fixture(scope="module")
def files(plain, photos, converter, tmp_path_factory):
    """The calibrated model in every format, by kind."""
    folder = tmp_path_factory.mktemp("told")
    source = folder / "model.keras"
    classifier.calibrated(plain, TOLD.temperature, TOLD.threshold).save(source)
    np.save(folder / "photos.npy", photos)
    jobs = {
        kind: converter.submit(
            source,
            folder / (kind if kind == "savedmodel" else f"{kind}.tflite"),
            format="savedmodel" if kind == "savedmodel" else "tflite",
            quantize="none" if kind == "savedmodel" else kind,
            labels=NAMES,
            calibration=folder / "photos.npy",
        )
        for kind in KINDS[1:]
    }
    return {"keras": source} | {kind: job.result().path for kind, job in jobs.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_holds_both_and_answers_by_them(files, plain, photos, kind):
    opened = formats.open(files[kind])
    assert About(opened.fit, opened.temperature, opened.threshold) == TOLD
    logits = keras.Model(plain.input, plain.get_layer("logits").output).predict(photos, verbose=0)
    expected = calibration.calibrated(logits, TOLD.temperature)
    found = opened.predict(photos)
    bound = {"float16": 2e-3, "dynamic": 0.02, "int8": 0.05}.get(kind, 1e-5)
    assert np.abs(found - expected).max() < bound
    assert np.abs(calibration.calibrated(logits, 1.0) - expected).max() > 0.06  # or nothing would be shown


def test_a_temperature_costs_a_phone_no_operation(files, plain, converter, tmp_path):
    plain.save(tmp_path / "plain.keras")
    before = converter.submit(tmp_path / "plain.keras", None, quantize="none", labels=NAMES).result()
    with_it = converter.submit(files["keras"], None, quantize="none", labels=NAMES).result()
    assert with_it.operations == before.operations and with_it.bytes - before.bytes < 200


def test_a_phone_file_says_the_threshold_in_words_and_leaves_mediapipe_all_classes(files):
    content = files["float16"].read_bytes()
    model = tflite_schema.ModelT.InitFromObj(tflite_schema.Model.GetRootAs(content, 0))
    (entry,) = [one for one in model.metadata if one.name == b"TFLITE_METADATA"]
    packed = schema.ModelMetadata.GetRootAs(model.buffers[entry.buffer].data.tobytes(), 0)
    told = schema.ModelMetadataT.InitFromObj(packed)
    assert told.description.decode().endswith(
        "Returns 3 probabilities. If all are below 0.6312, it is none of these."
    )
    (graph,) = told.subgraphMetadata
    assert not graph.outputTensorMetadata[0].processUnits  # no ScoreThresholdingOptions
    with zipfile.ZipFile(files["float16"]) as archive:
        assert json.loads(archive.read("tlkit.json")) == TOLD._asdict()


def test_all_is_found_where_tlkit_is_not_installed(files, photos, tmp_path):
    np.save(tmp_path / "photos.npy", photos)
    code = f"""
import sys
sys.modules["tlkit"] = None
import keras, numpy as np, tensorflow as tf
model = keras.models.load_model({str(files["keras"])!r})
print([layer.name for layer in model.layers][-5:])
np.save({str(tmp_path / "said.npy")!r}, model.predict(np.load({str(tmp_path / "photos.npy")!r}), verbose=0))
loaded = tf.saved_model.load({str(files["savedmodel"])!r})
print(open(loaded.about.asset_path.numpy()).read().strip())
print(open(loaded.labels.asset_path.numpy()).read().split())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['fit_crop', 'logits', 'temperature', 'none_below_0.6312', 'probabilities']",
        '{"fit": "crop", "temperature": 1.3127, "threshold": 0.6312}',
        "['cat', 'dog', 'rat']",
    ]
    found = formats.open(files["keras"]).predict(photos)
    np.testing.assert_allclose(np.load(tmp_path / "said.npy"), found, atol=1e-6)


def test_neither_leaves_a_layer_or_a_key_where_there_is_none(plain, tmp_path):
    same = classifier.calibrated(plain, 1.0, None)
    assert [layer.name for layer in same.layers] == [layer.name for layer in plain.layers]
    assert keras_file.about(same, tmp_path) == About("crop")
    assert about.join(About("crop")) == b'{"fit": "crop"}\n'


@given(
    st.sampled_from(sorted(geometry.WORDS)),
    st.floats(0.05, 20).map(lambda found: round(found, 4)),
    st.none() | st.integers(1, 9999).map(lambda found: found / 10**4),
)
def test_what_is_told_is_read_back(fit, temperature, threshold):
    told = About(fit, temperature, threshold)
    assert about.split(about.join(told)) == told
    names = ["pool", f"fit_{fit}", *([] if threshold is None else [about.layer(threshold)])]
    assert about.marked(names, temperature) == told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"threshold": "high"}', "its tlkit.json has a threshold that is none, 'high'"),
        ('{"threshold": true}', "its tlkit.json has a threshold that is none, True"),
        ('{"threshold": 1.5}', "its tlkit.json has a threshold that is none, 1.5"),
        ('{"threshold": NaN}', "its tlkit.json has a threshold that is none, nan"),
        ('{"temperature": 0}', "its tlkit.json has a temperature that is none, 0"),
        ('{"temperature": [2]}', r"its tlkit.json has a temperature that is none, \[2\]"),
        ('{"temperature": Infinity}', "its tlkit.json has a temperature that is none, inf"),
    ],
)
def test_what_is_none_is_one_line(content, told):
    with pytest.raises(ValueError, match=told):
        about.split(content.encode())


@pytest.mark.parametrize("mark", ["none_below_nan", "none_below_2.0", "none_below_the-mean"])
def test_a_mark_that_names_no_threshold_is_refused(tmp_path, mark):
    photo = keras.Input((16, 16, 3))
    x = layers.Dense(2, "softmax")(layers.GlobalAveragePooling2D()(photo))
    keras.Model(photo, layers.Identity(name=mark)(x)).save(tmp_path / "odd.keras")
    with pytest.raises(ModelError, match=f"odd.keras cannot be used: its layer {mark} names no threshold"):
        formats.open(tmp_path / "odd.keras")


def test_somebody_else_s_layer_of_that_name_is_no_temperature(tmp_path):
    photo = keras.Input((16, 16, 3))
    x = layers.Rescaling([0.5, 0.5, 0.25], name="temperature")(photo)
    model = keras.Model(photo, layers.Dense(2, "softmax")(layers.GlobalAveragePooling2D()(x)))
    assert keras_file.about(model, tmp_path) == about.PLAIN
