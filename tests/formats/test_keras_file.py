"""`.keras` files: float32 copies, and files that are not to be trusted."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
from keras import layers
from squares import network, squares, trained

from tlkit import formats
from tlkit.errors import ExportError, ModelError
from tlkit.formats import keras_file, labels

PHOTOS, _ = squares(16, seed=4)


# The tolerances are a few times the half precision policies' own rounding (mantissas of 11 and 8 bits).
@pytest.mark.parametrize(
    ("policy", "tolerance"), [("float32", 0), ("mixed_float16", 0.01), ("mixed_bfloat16", 0.08)]
)
def test_float32_copy_predicts_what_the_trained_model_predicts(policy, tolerance):
    model = trained(policy)
    copy = keras_file.as_float32(model)
    before, after = (one.predict(PHOTOS, verbose=0) for one in (model, copy))
    assert before.std() > 0.1  # a dead network would agree with anything
    assert abs(before - after).max() <= tolerance
    assert {layer.compute_dtype for layer in copy.layers} == {"float32"}
    for theirs, ours in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(theirs, ours)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "float16", "float64"])
def test_float32_copy_is_the_network_built_in_float32(policy):
    model = network(policy)
    built = network("float32")
    built.set_weights(model.get_weights())
    copy = keras_file.as_float32(model)
    ours, theirs = (one.predict(PHOTOS, verbose=0) for one in (copy, built))
    np.testing.assert_array_equal(ours, theirs)
    assert {str(weight.dtype) for weight in copy.weights} == {"float32"}


def test_float32_copy_reaches_nested_and_sequential_models():
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()], name="inner"
    )
    for layer in inner.layers:
        layer.dtype_policy = "mixed_bfloat16"
    outer = keras.Sequential([inner, layers.Dense(2, "softmax", dtype="mixed_float16")])
    outer.build((None, 8, 8, 3))
    copy = keras_file.as_float32(outer)
    assert {layer.compute_dtype for layer in [*copy.layers, *copy.layers[0].layers]} == {"float32"}


def test_float32_model_is_not_copied(model):
    assert keras_file.as_float32(model) is model


def test_models_without_a_configuration_are_refused():
    class Own(keras.Model):
        pass

    with pytest.raises(ExportError, match="a class of its own, Own. Functional and sequential models can"):
        keras_file.as_float32(Own())


def test_quantised_keras_models_are_refused():
    model = network()
    model.get_layer("logits").quantize("int8")
    with pytest.raises(ExportError, match="The model was quantised by Keras."):
        keras_file.as_float32(model)


def test_labels_beside_are_read(source, tmp_path):
    path = shutil.copy(source, tmp_path)
    assert formats.open(path).labels is None
    # A line separator is no line end; a byte order mark is no part of a name.
    (tmp_path / "labels.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\xe2\x80\xa8c\r\n1\r\n2\r\n10\r\n\xc3\xa9\r\n")
    assert formats.open(path).labels == ("a", "b\u2028c", "1", "2", "10", "é")
    (tmp_path / "labels.txt").write_text("a\nb")
    with pytest.raises(
        ModelError, match=r"squares.keras has 6 outputs, but 2 labels come with it. One label"
    ):
        formats.open(path)
    (tmp_path / "labels.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(ModelError, match="labels.txt is not UTF-8 text"):
        formats.open(path)
    assert labels.split(b"") == ()


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_cut_file_is_one_line(source, tmp_path, share):
    content = source.read_bytes()
    path = tmp_path / "cut.keras"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="cut.keras cannot be read as a Keras model: ") as failure:
        formats.open(path)
    assert "\n" not in str(failure.value)


def test_damaged_weights_are_one_line(source, tmp_path):
    path = tmp_path / "damaged.keras"
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(path, "w") as damaged:
        for name in whole.namelist():
            damaged.writestr(name, b"nothing" if name.endswith(".h5") else whole.read(name))
    with pytest.raises(ModelError, match="damaged.keras cannot be read") as failure:
        formats.open(path)
    assert "\n" not in str(failure.value)


def test_code_in_a_file_is_not_run(source, tmp_path):
    trap = tmp_path / "sprung"
    photo = keras.Input((48, 48, 3))
    code = layers.Lambda(eval(f"lambda x: [x, open({str(trap)!r}, 'w')][0]"), output_shape=(48, 48, 3))
    keras.Model(photo, code(photo)).save(tmp_path / "lambda.keras")
    trap.unlink(missing_ok=True)
    with pytest.raises(ModelError, match="lambda.keras cannot be read"):
        formats.open(tmp_path / "lambda.keras")
    assert not trap.exists()


@pytest.mark.parametrize("module", ["os", "subprocess", "builtins"])
def test_functions_named_in_a_file_are_not_called(source, tmp_path, module):
    path = tmp_path / "named.keras"
    trap = tmp_path / "sprung"
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(path, "w") as changed:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "config.json":
                config = json.loads(content)
                name_of = {"os": "mkdir", "subprocess": "call", "builtins": "open"}[module]
                config["config"]["layers"][1]["module"] = module
                config["config"]["layers"][1]["class_name"] = name_of
                config["config"]["layers"][1]["config"] = {"path": str(trap), "file": str(trap), "mode": "w"}
                content = json.dumps(config)
            changed.writestr(name, content)
    with pytest.raises(ModelError, match="named.keras cannot be read"):
        formats.open(path)
    assert not trap.exists()


def save(path, takes, body):
    photo = keras.Input(takes)
    keras.Model(photo, body(photo)).save(path)


def test_models_that_are_no_classifiers_are_told_so(tmp_path):
    path = tmp_path / "model.keras"
    pool, row = layers.GlobalAveragePooling2D(), layers.Dense(4, "softmax")
    for takes, body, told in [
        ((8, 8, 1), lambda x: row(pool(x)), r"takes \(None, 8, 8, 1\); tlkit needs square RGB"),
        ((8, 9, 3), lambda x: layers.Dense(4)(pool(x)), r"takes \(None, 8, 9, 3\)"),
        ((None, None, 3), lambda x: layers.Dense(4)(pool(x)), r"takes \(None, None, None, 3\)"),
        ((8, 8, 3), lambda x: layers.Conv2D(4, 3)(x), r"returns \(None, 6, 6, 4\); tlkit needs one row"),
        ((8, 8, 3), lambda x: layers.Dense(1)(pool(x)), r"returns \(None, 1\)"),
        ((8, 8, 3), lambda x: [layers.Dense(2)(pool(x)), pool(x)], r"returns \[\(None, 2\), \(None, 3\)\]"),
    ]:
        save(path, takes, body)
        with pytest.raises(ModelError, match=told):
            formats.open(path)


def test_logits_are_not_taken_for_probabilities(tmp_path):
    path = tmp_path / "logits.keras"
    save(path, (48, 48, 3), lambda x: layers.Dense(4)(layers.Flatten()(x)))
    with pytest.raises(ModelError, match="returns numbers that are no probabilities: .* ends in a softmax"):
        formats.open(path).predict(PHOTOS)
