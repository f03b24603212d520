"""Phone files: what was asked for is what is in the file."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from squares import LABELS, QUANTIZE, SIZE, network, squares

from tlkit import formats
from tlkit.errors import ExportError, ModelError
from tlkit.formats import keras_file, operations, savedmodel, tflite
from tlkit.formats.about import About

BUILT_IN = {name for name in vars(schema.BuiltinOperator) if name.isupper()} - {"CUSTOM"}


@pytest.fixture(params=QUANTIZE)
def quantize(request):
    return request.param


@pytest.fixture
def details(quantize, converted):
    interpreter = Interpreter(str(converted[quantize].path))
    return interpreter.get_input_details(), interpreter.get_output_details()


def test_pixels_go_in_and_probabilities_come_out(quantize, details):
    (takes,), (returns,) = details
    assert (takes["dtype"], takes["shape"].tolist()) == (np.uint8, [1, SIZE, SIZE, 3])
    assert (returns["dtype"], returns["shape"].tolist()) == (np.float32, [1, len(LABELS)])
    assert takes["quantization"] == ((1.0, 0) if quantize == "int8" else (0.0, 0))


def test_operations_are_built_in_and_shapes_static(quantize, converted):
    found = operations.read(converted[quantize].path.read_bytes())
    assert found.counts == converted[quantize].operations
    assert sum(found.counts.values()) > 8 and set(found.counts) <= BUILT_IN
    assert (found.custom, found.dynamic) == ([], [])


def test_the_file_holds_nothing_of_training(quantize, converted):
    """Dropout and batch normalisation are gone: the network has 2 of the one and 5 of the other."""
    counts = converted[quantize].operations
    assert not {"RANDOM_UNIFORM", "GREATER_EQUAL", "SELECT_V2", "RSQRT"} & set(counts)
    assert sum(counts.values()) - counts.get("DEQUANTIZE", 0) - counts.get("PAD", 0) <= 14


def test_weights_are_stored_as_asked(converted):
    sizes = {name: operations.read(converted[name].path.read_bytes()).weights for name in QUANTIZE}
    assert set(sizes["none"]) <= {"FLOAT32", "INT32", "INT64"}
    assert sizes["float16"]["FLOAT16"] * 2 > 0.95 * sizes["none"]["FLOAT32"]
    assert sizes["dynamic"]["INT8"] >= 32 * 128  # the one layer large enough to be worth it
    assert sizes["int8"]["INT8"] > 32 * 128
    assert "FLOAT32" not in sizes["int8"]
    by_size = sorted(QUANTIZE, key=lambda name: converted[name].bytes)
    assert by_size.index("float16") < by_size.index("none")
    for name in QUANTIZE:
        assert converted[name].bytes == converted[name].path.stat().st_size


def test_int8_computes_in_integers(converted):
    counts = converted["int8"].operations
    # All but the last, which turns the probabilities into floats.
    assert counts["DEQUANTIZE"] == 1
    assert converted["int8"].integer_share == 1 - 1 / sum(counts.values())
    assert converted["none"].integer_share == 0


def test_layer_normalisation_is_said_in_integers_and_stays_the_same():
    photo = keras.Input((6, 5, 3))
    x = layers.LayerNormalization(epsilon=0.5, name="channels")(photo)
    x = layers.LayerNormalization(axis=(1, 3), scale=False, name="columns")(layers.ReLU(name="relu")(x))
    model = keras.Model(photo, layers.LayerNormalization(center=False, name="last")(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    photos = rng.normal(size=(2, 6, 5, 3)).astype("float32")
    said = tflite._in_integers(model)
    assert [type(layer) for layer in said.layers[1:]].count(tflite.Normalised) == 3
    np.testing.assert_allclose(said(photos), model(photos), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("brightest", [0, 20, 90])
def test_dark_calibration_photos_leave_the_scale_at_one(converter, source, tmp_path, model, brightest):
    photos, _ = squares(24, seed=8)
    np.save(tmp_path / "dark.npy", (photos.astype(int) * brightest // 255).astype(np.uint8))
    path = tmp_path / "dark.tflite"
    converter.submit(source, path, quantize="int8", labels=LABELS, calibration=tmp_path / "dark.npy").result()
    (takes,) = Interpreter(str(path)).get_input_details()
    assert takes["quantization"] == (1.0, 0)
    assert formats.open(path).predict(photos).max() > 0.2


def test_marked_pixels_change_nothing_else():
    photos, _ = squares(3, seed=9)
    fed = np.concatenate([pixels for (pixels,) in tflite._calibrate(photos)])
    assert fed.dtype == np.float32
    changed = np.argwhere((fed != photos).any(axis=-1)).tolist()
    assert changed == [[0, 0, 0], [0, SIZE - 1, SIZE - 1]]
    assert (fed[0].min(), fed[0].max()) == (0, 255)


def test_calibration_photos_must_fit(converter, source, tmp_path):
    target = tmp_path / "phone.tflite"
    for photos, told in [
        (None, "int8 needs photos for calibration"),
        (np.zeros((4, 32, 32, 3), np.uint8), r"uint8 \(4, 32, 32, 3\), not uint8 \(n, 48, 48, 3\)"),
        (np.zeros((4, SIZE, SIZE, 3), np.float32), r"are float32 "),
        (np.zeros((0, SIZE, SIZE, 3), np.uint8), r"uint8 \(0, 48, 48, 3\)"),
    ]:
        path = None if photos is None else tmp_path / "photos.npy"
        if path:
            np.save(path, photos)
        with pytest.raises(ExportError, match=told):
            converter.submit(source, target, quantize="int8", labels=LABELS, calibration=path).result()
        assert not target.exists()


def classifier(path, body):
    photo = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3)(layers.Rescaling(1 / 255)(photo))
    x = layers.GlobalAveragePooling2D()(body(x))
    keras.Model(photo, layers.Dense(3, "softmax")(x)).save(path)
    return path


def test_operations_that_phones_lack_are_named(converter, tmp_path, quantize):
    source = classifier(tmp_path / "model.keras", lambda x: keras.ops.erfinv(keras.ops.tanh(x)))
    np.save(tmp_path / "photos.npy", squares(4, seed=1, size=16)[0])
    pending = converter.submit(
        source,
        tmp_path / "phone.tflite",
        quantize=quantize,
        labels="abc",
        calibration=tmp_path / "photos.npy",
    )
    with pytest.raises(ExportError, match="operations that phones do not have built in: Erfinv. Replace"):
        pending.result()
    assert not (tmp_path / "phone.tflite").exists()


def test_int8_with_floats_inside_is_refused(converter, tmp_path):
    source = classifier(tmp_path / "model.keras", layers.Activation("elu"))
    np.save(tmp_path / "photos.npy", squares(4, seed=1, size=16)[0])
    target = tmp_path / "phone.tflite"
    for quantize in ("float16", "int8"):
        pending = converter.submit(
            source, target, quantize=quantize, labels="abc", calibration=tmp_path / "photos.npy"
        )
        if quantize == "int8":
            with pytest.raises(ExportError, match="int8 was asked for, but the file computes ELU in floats"):
                pending.result()
        else:
            assert pending.result().operations["ELU"] == 1
            target.unlink()
    assert not target.exists()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("format", ["tflite", "savedmodel"])
def test_models_of_every_precision_convert(converter, tmp_path, policy, format):
    model = network(policy)
    model.save(tmp_path / "half.keras")
    target = tmp_path / f"phone.{format}"
    target = target if format == "tflite" else tmp_path / "phone"
    converter.submit(tmp_path / "half.keras", target, format=format, quantize="none", labels=LABELS).result()
    photos, _ = squares(8, seed=10)
    expected = keras_file.as_float32(model).predict(photos, verbose=0)
    assert abs(formats.open(target).predict(photos) - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("takes", "returns"), [(tf.uint8, tf.uint8), (tf.uint8, tf.int8), (tf.int8, tf.int8)]
)
def test_quantised_files_of_other_makers(model, tmp_path, takes, returns):
    """Integers out stand for probabilities; int8 in is nothing MediaPipe would feed."""
    savedmodel.save(model, tmp_path, 1, tf.float32)
    maker = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path))
    maker.optimizations = [tf.lite.Optimize.DEFAULT]
    maker.representative_dataset = lambda: tflite._calibrate(squares(32, seed=3)[0])
    maker.inference_input_type, maker.inference_output_type = takes, returns
    (tmp_path / "other.tflite").write_bytes(maker.convert())
    if takes == tf.int8:
        with pytest.raises(ModelError, match="other.tflite takes int8; tlkit needs uint8 or float32"):
            formats.open(tmp_path / "other.tflite")
    else:
        photos, _ = squares(16, seed=4)
        found = formats.open(tmp_path / "other.tflite").predict(photos)
        assert found.dtype == np.float32
        assert abs(found - model.predict(photos, verbose=0)).max() < 0.15
        assert abs(found.sum(1) - 1).max() < 0.02


def test_a_file_that_is_not_what_was_asked_for_is_an_error(model, converted):
    contents = {name: converted[name].path.read_bytes() for name in QUANTIZE}
    for name, quantize, labels, told in [
        ("none", "int8", LABELS, r"scale and zero point should be \(1.0, 0\), but the file has \(0.0, 0\)"),
        ("int8", "none", LABELS, r"scale and zero point should be \(0.0, 0\), but the file has \(1.0, 0\)"),
        ("none", "float16", LABELS, "float16 was asked for, but no weights in the file are FLOAT16"),
        ("none", "dynamic", LABELS, "dynamic was asked for, but no weights in the file are INT8"),
        ("none", "none", LABELS[::-1], "The labels should be"),
        (
            "none",
            "none",
            LABELS[1:],
            r"The output should be float32 \[1, 5\], but the file has float32 \[1, 6\]",
        ),
    ]:
        with pytest.raises(ExportError, match=told):
            tflite.check(contents[name], model, SIZE, quantize, labels)
    with pytest.raises(ExportError, match="The fit should be pad, but the file has stretch"):
        tflite.check(contents["none"], model, SIZE, "none", LABELS, About("pad"))
    with pytest.raises(ExportError, match="The threshold should be 0.5, but the file has None"):
        tflite.check(contents["none"], model, SIZE, "none", LABELS, About(threshold=0.5))


def test_a_file_that_says_something_else_than_the_model_is_an_error(converted):
    other = network()
    with pytest.raises(ExportError, match="The file's probabilities differ from the Keras model's by 0"):
        tflite.check(converted["none"].path.read_bytes(), other, SIZE, "none", LABELS)
    for index, weight in enumerate(other.weights):
        weight.assign(np.full(weight.shape, np.nan) if index == 0 else weight)
    with pytest.raises(ExportError, match="probabilities differ .* by nan"):
        tflite.check(converted["none"].path.read_bytes(), other, SIZE, "none", LABELS)
