"""The fit is stored by name in every format and survives each step."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as tflite_schema
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from mediapipe.tasks.metadata import metadata_schema_py_generated as schema
from squares import LABELS, SIZE, squares

from tlkit import formats
from tlkit.data import FITS
from tlkit.errors import ModelError
from tlkit.formats import about, geometry, keras_file, metadata

NAMES = ["cat", "dog"]
SAID = {
    "stretch": "the whole picture stretched bilinearly to 16x16",
    "crop": "the square in the middle, as wide as the picture's shorter side, scaled bilinearly to 16x16",
    "pad": "the whole picture in the middle of a square of grey (127, 127, 127), as wide as its longer side",
}


def network(mark: str, policy: str = "float32") -> keras.Model:
    photo = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(photo))
    x = layers.Identity(name=mark, dtype=policy)(x)
    return keras.Model(photo, layers.Dense(2, "softmax", dtype="float32")(x))


@pytest.fixture(scope="module")
def files(converter, tmp_path_factory):
    """A small model of each fit in each format, by fit."""
    folder = tmp_path_factory.mktemp("fits")
    made = {}
    for fit in FITS:
        source = folder / f"{fit}.keras"
        network(f"fit_{fit}").save(source)
        jobs = [
            converter.submit(source, folder / f"{fit}.tflite", labels=NAMES),
            converter.submit(source, folder / fit, format="savedmodel", labels=NAMES),
        ]
        made[fit] = [source, *(job.result().path for job in jobs)]
    return made


def test_every_fit_is_put_into_words():
    assert tuple(geometry.WORDS) == FITS and geometry.DEFAULT == FITS[0]


@pytest.mark.parametrize("fit", FITS)
def test_every_format_holds_the_fit(files, fit):
    assert [formats.open(file).kind for file in files[fit]] == ["keras", "tflite", "savedmodel"]
    assert {formats.open(file).fit for file in files[fit]} == {fit}


@pytest.mark.parametrize("fit", FITS)
def test_the_fit_survives_another_precision_and_saving_again(tmp_path, fit):
    half = network(f"fit_{fit}", "mixed_bfloat16")
    keras_file.as_float32(half).save(tmp_path / "again.keras")
    assert formats.open(tmp_path / "again.keras").fit == fit


def test_models_that_say_nothing_are_for_stretch(source, converted, tmp_path):
    assert formats.open(source).fit == "stretch"
    assert {formats.open(row.path).fit for row in converted.values()} == {"stretch"}
    older = converted["none"].path.read_bytes()
    with zipfile.ZipFile(converted["none"].path) as archive:
        start = archive.getinfo("labels.txt").header_offset
    (tmp_path / "older.tflite").write_bytes(older[:start])
    with zipfile.ZipFile(tmp_path / "older.tflite", "a") as archive:  # as tlkit 0.1 wrote them
        archive.writestr("labels.txt", "".join(f"{label}\n" for label in LABELS))
    opened = formats.open(tmp_path / "older.tflite")
    assert (opened.fit, opened.labels) == ("stretch", LABELS)
    moved = shutil.copytree(converted["savedmodel"].path, tmp_path / "older")
    (moved / "assets" / "tlkit.json").unlink()
    assert formats.open(moved).fit == "stretch"


@pytest.mark.parametrize("fit", FITS)
def test_a_phone_file_says_in_words_how_to_feed_it(files, fit):
    content = files[fit][1].read_bytes()
    model = tflite_schema.ModelT.InitFromObj(tflite_schema.Model.GetRootAs(content, 0))
    (entry,) = [one for one in model.metadata if one.name == b"TFLITE_METADATA"]
    told = schema.ModelMetadataT.InitFromObj(
        schema.ModelMetadata.GetRootAs(model.buffers[entry.buffer].data.tobytes(), 0)
    )
    assert SAID[fit] in told.description.decode()
    ((photo,),) = [graph.inputTensorMetadata for graph in told.subgraphMetadata]
    assert SAID[fit].removesuffix(" to 16x16") in photo.description.decode()
    with zipfile.ZipFile(files[fit][1]) as archive:
        assert json.loads(archive.read("tlkit.json")) == {"fit": fit}


def test_a_mark_changes_no_answer(model, tmp_path):
    photo = keras.Input((SIZE, SIZE, 3))
    marked = keras.Model(photo, layers.Identity(name="fit_crop")(model(photo)))
    photos, _ = squares(8, seed=2)
    np.testing.assert_array_equal(marked.predict(photos, verbose=0), model.predict(photos, verbose=0))


def test_a_fit_of_a_newer_tlkit_is_refused_not_ignored(files, tmp_path):
    network("fit_circle").save(tmp_path / "newer.keras")
    with pytest.raises(ModelError, match="newer.keras cannot be used: its layer fit_circle names a fit that"):
        formats.open(tmp_path / "newer.keras")
    moved = shutil.copytree(files["crop"][2], tmp_path / "newer")
    (moved / "assets" / "tlkit.json").write_text('{"fit": "circle"}')
    with pytest.raises(ModelError, match="newer cannot be used: its tlkit.json asks for a fit .* 'circle'"):
        formats.open(moved)


def test_keys_of_a_newer_tlkit_are_left_alone():
    assert about.split(b'{"fit": "pad", "resize": "phone"}') == about.About("pad")
    assert about.split(b'{"other": 1}') == about.PLAIN


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe", "its tlkit.json is no JSON"),
        (b"", "its tlkit.json is no JSON"),
        (b"[" * 100_000, "its tlkit.json is no JSON"),
        (b"[]", "its tlkit.json asks for a fit that this tlkit does not know, None"),
        (b'{"fit": 3}', "its tlkit.json asks for a fit that this tlkit does not know, 3"),
        (b'{"fit": "circle"}', "its tlkit.json asks for a fit that this tlkit does not know, 'circle'"),
    ],
)
def test_what_is_no_fit_is_one_line(files, tmp_path, content, told):
    moved = shutil.copytree(files["crop"][2], tmp_path / "damaged")
    (moved / "assets" / "tlkit.json").write_bytes(content)
    phone = files["crop"][1].read_bytes()
    with zipfile.ZipFile(files["crop"][1]) as archive:
        start = archive.getinfo("labels.txt").header_offset
    (tmp_path / "damaged.tflite").write_bytes(phone[:start])
    with zipfile.ZipFile(tmp_path / "damaged.tflite", "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
        archive.writestr("tlkit.json", content)
    for path in (moved, tmp_path / "damaged.tflite"):
        with pytest.raises(ModelError) as failure:
            formats.open(path)
        assert told in str(failure.value) and "\n" not in str(failure.value)


@given(st.data())
def test_a_damaged_zip_is_a_value_error(files, draws):
    content = bytearray(files["crop"][1].read_bytes())
    start = content.rindex(b"PK\x03\x04", 0, content.rindex(b"PK\x03\x04"))
    for _ in range(draws.draw(st.integers(1, 3))):
        content[draws.draw(st.integers(start, len(content) - 1))] = draws.draw(st.integers(0, 255))
    try:
        found = metadata.find(bytes(content))
    except ValueError:
        return
    # A name of the zip's directory that was hit hides its file; nothing else turns one fit into another.
    assert found.about.fit in ("crop", "stretch")
