"""Metadata, read back by MediaPipe's own schema."""

import contextlib
import importlib.util
import inspect
import io
import re
import zipfile
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as tflite_schema
from hypothesis import given, settings
from hypothesis import strategies as st
from mediapipe.tasks.metadata import metadata_schema_py_generated as schema
from squares import LABELS, QUANTIZE, SIZE

from tlkit import formats
from tlkit.errors import ModelError
from tlkit.formats import flat, litert, metadata

# A class name is a folder name: no slash, no line break, no NUL, not empty; nor a byte order mark,
# which editors put before the first label of a file.
NAMES = st.text(st.characters(exclude_characters="/\n\r\0\ufeff", exclude_categories=["Cs"]), min_size=1)


def slots(module, table, fields):
    """Field numbers as a generated module has them, by our names for them."""
    sources = {name: inspect.getsource(getattr(module, f"{table}Add{fields[name]}")) for name in fields}
    return {name: int(re.search(r"Slot\((\d+),", source)[1]) for name, source in sources.items()}


@pytest.mark.parametrize(
    ("module", "table", "fields"),
    [
        (schema, "ModelMetadata", {"MODEL_NAME": "Name", "MODEL_DESCRIPTION": "Description"}),
        (schema, "ModelMetadata", {"MODEL_VERSION": "Version", "MODEL_SUBGRAPHS": "SubgraphMetadata"}),
        (schema, "ModelMetadata", {"MODEL_LICENSE": "License", "MODEL_PARSER": "MinParserVersion"}),
        (schema, "SubGraphMetadata", {"SUBGRAPH_INPUTS": "InputTensorMetadata"}),
        (schema, "SubGraphMetadata", {"SUBGRAPH_OUTPUTS": "OutputTensorMetadata"}),
        (schema, "TensorMetadata", {"TENSOR_NAME": "Name", "TENSOR_DESCRIPTION": "Description"}),
        (schema, "TensorMetadata", {"TENSOR_CONTENT": "Content", "TENSOR_UNITS": "ProcessUnits"}),
        (schema, "TensorMetadata", {"TENSOR_FILES": "AssociatedFiles"}),
        (schema, "Content", {"CONTENT_TYPE": "ContentPropertiesType"}),
        (schema, "Content", {"CONTENT_PROPERTIES": "ContentProperties"}),
        (schema, "ImageProperties", {"IMAGE_COLORS": "ColorSpace", "IMAGE_SIZE": "DefaultSize"}),
        (schema, "ImageSize", {"SIZE_WIDTH": "Width", "SIZE_HEIGHT": "Height"}),
        (schema, "AssociatedFile", {"FILE_NAME": "Name", "FILE_DESCRIPTION": "Description"}),
        (schema, "AssociatedFile", {"FILE_TYPE": "Type"}),
        (schema, "ProcessUnit", {"UNIT_TYPE": "OptionsType", "UNIT_OPTIONS": "Options"}),
        (schema, "NormalizationOptions", {"NORMALIZATION_MEAN": "Mean", "NORMALIZATION_STD": "Std"}),
        (tflite_schema, "Model", {"ROOT_VERSION": "Version", "ROOT_BUFFERS": "Buffers"}),
        (tflite_schema, "Model", {"ROOT_METADATA": "Metadata"}),
        (tflite_schema, "Buffer", {"BUFFER_DATA": "Data"}),
        (tflite_schema, "Metadata", {"METADATA_NAME": "Name", "METADATA_BUFFER": "Buffer"}),
    ],
)
def test_field_numbers_are_those_of_the_schema(module, table, fields):
    assert slots(module, table, fields) == {name: getattr(metadata, name) for name in fields}


def test_enumerations_are_those_of_the_schema():
    assert metadata.RGB == schema.ColorSpaceType.RGB
    assert metadata.AXIS_LABELS == schema.AssociatedFileType.TENSOR_AXIS_LABELS
    assert metadata.FEATURE_PROPERTIES == schema.ContentProperties.FeatureProperties
    assert metadata.IMAGE_PROPERTIES == schema.ContentProperties.ImageProperties
    assert metadata.NORMALIZATION == schema.ProcessUnitOptions.NormalizationOptions


def packed(content):
    """The metadata of a file, found by TFLite's own generated code."""
    model = tflite_schema.ModelT.InitFromObj(tflite_schema.Model.GetRootAs(content, 0))
    (entry,) = [one for one in model.metadata if one.name == b"TFLITE_METADATA"]
    return model.buffers[entry.buffer].data.tobytes()


@pytest.mark.parametrize("quantize", QUANTIZE)
def test_metadata_say_what_goes_in_and_out(quantize, converted):
    content = packed(converted[quantize].path.read_bytes())
    assert schema.ModelMetadata.ModelMetadataBufferHasIdentifier(content, 0)
    told = schema.ModelMetadataT.InitFromObj(schema.ModelMetadata.GetRootAs(content, 0))
    assert (told.name, told.license, told.version) == (b"squares", b"Apache-2.0", b"1")
    description = told.description.decode()
    for words in (
        "the whole picture stretched bilinearly to 48x48",
        "RGB, 0 to 255",
        "Normalisation is inside",
    ):
        assert words in description
    (graph,) = told.subgraphMetadata
    (photo,), (probability,) = graph.inputTensorMetadata, graph.outputTensorMetadata
    assert photo.content.contentPropertiesType == schema.ContentProperties.ImageProperties
    properties = photo.content.contentProperties
    assert properties.colorSpace == schema.ColorSpaceType.RGB
    assert (properties.defaultSize.width, properties.defaultSize.height) == (SIZE, SIZE)
    assert photo.processUnits is None  # no normalisation: MediaPipe hands uint8 pixels over as they are
    assert probability.content.contentPropertiesType == schema.ContentProperties.FeatureProperties
    (file,) = probability.associatedFiles
    assert (file.name, file.type) == (b"labels.txt", schema.AssociatedFileType.TENSOR_AXIS_LABELS)


@pytest.mark.parametrize("quantize", QUANTIZE)
def test_labels_are_in_a_zip_behind_the_model(quantize, converted):
    with zipfile.ZipFile(converted[quantize].path) as archive:
        assert archive.namelist() == ["labels.txt", "tlkit.json"]
        assert archive.read("labels.txt").decode() == "".join(f"{label}\n" for label in LABELS)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(NAMES, min_size=1, max_size=20), NAMES, NAMES)
def test_labels_come_back_as_they_were(plain, labels, name, licence):
    content = metadata.attach(plain, metadata.Told(name, "", licence, 8, labels))
    assert metadata.find(content) == metadata.Found(tuple(labels), None)
    told = schema.ModelMetadataT.InitFromObj(schema.ModelMetadata.GetRootAs(packed(content), 0))
    assert (told.name.decode(), told.license.decode()) == (name, licence)


@pytest.fixture(scope="session")
def plain(converted):
    """A file without metadata: the end of one with them, from before they came."""
    return strip(converted["none"].path.read_bytes())


def strip(content):
    """Take metadata and zip off again, by TFLite's own generated code."""
    model = tflite_schema.ModelT.InitFromObj(tflite_schema.Model.GetRootAs(content, 0))
    model.metadata = [one for one in model.metadata if one.name != b"TFLITE_METADATA"]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_file_without_metadata_opens_without_labels(plain, tmp_path):
    (tmp_path / "plain.tflite").write_bytes(plain)
    opened = formats.open(tmp_path / "plain.tflite")
    assert (opened.labels, opened.classes) == (None, len(LABELS))


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=130))
def test_weights_stay_where_and_as_they_were(converted, tail):
    """Alignment: every constant lies at the same remainder of 64 bytes as before, whatever the length."""
    before = converted["none"].path.read_bytes() + tail
    after = metadata.attach(before, metadata.Told("x", "y", "z", 8, ("a", "b")))
    assert before in after
    moved = after.index(before)
    assert moved % 64 == 0
    old, new = (
        [b.target(metadata.BUFFER_DATA) for b in flat.root(c, b"TFL3").children(metadata.ROOT_BUFFERS)]
        for c in (before, after)
    )
    assert [place and place + moved for place in old] == new[:-1]
    assert new[-1] % 4 == 0


def test_metadata_written_twice_are_there_once(converted):
    content = metadata.attach(converted["none"].path.read_bytes(), metadata.Told("x", "", "", 8, ("a", "b")))
    assert packed(content)
    assert metadata.find(content).labels == ("a", "b")
    litert.start(content)


def test_named_labels_that_are_missing_are_an_error(converted, tmp_path):
    content = converted["none"].path.read_bytes()
    path = tmp_path / "phone.tflite"
    path.write_bytes(content[: content.rindex(b"PK\x03\x04")])
    with pytest.raises(ModelError, match="its metadata name labels.txt, which is not in the file"):
        formats.open(path)


def test_another_number_of_labels_is_an_error(plain, tmp_path):
    path = tmp_path / "phone.tflite"
    path.write_bytes(metadata.attach(plain, metadata.Told("x", "", "", SIZE, LABELS[1:])))
    with pytest.raises(ModelError, match="phone.tflite has 6 outputs, but 5 labels come with it"):
        formats.open(path)


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.9, 0.99])
def test_cut_file_is_one_line(converted, tmp_path, share):
    content = converted["none"].path.read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="cut.tflite cannot be read as a TFLite file: ") as failure:
        formats.open(path)
    assert "\n" not in str(failure.value)


@settings(deadline=None)  # the machine may be busy
@given(place=st.integers(0, 4000), value=st.integers(0, 255))
def test_damaged_metadata_are_found_out(converted, place, value):
    """Whatever a byte of the new root and the metadata is turned into."""
    content = bytearray(converted["none"].path.read_bytes())
    content[place % content.index(b"TFL3", 8)] = value
    with contextlib.suppress(ValueError):  # and nothing else
        metadata.find(bytes(content))


def test_no_other_writer_of_metadata_is_needed():
    assert importlib.util.find_spec("tflite_support") is None
    imports = re.compile(r"^\s*(?:import|from) (mediapipe|tflite_support|tensorflow\.\w)", re.MULTILINE)
    files = list(Path(formats.__file__).parent.glob("*.py"))
    assert len(files) > 8
    assert [file.name for file in files if imports.search(file.read_text())] == []


@pytest.fixture(scope="module")
def floats():
    """A file of another maker's: the mean of its float input, twice."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((1, 4, 4, 3), tf.float32)])
    def serve(x):
        return {"y": tf.repeat(tf.reduce_mean(x, (1, 2, 3))[:, None], 2, axis=1)}

    module.serve = serve
    return tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], module).convert()


def test_float_input_without_normalization_is_refused(floats, tmp_path):
    (tmp_path / "float.tflite").write_bytes(floats)
    with pytest.raises(ModelError, match="takes floats, and no metadata say how pixels become floats"):
        formats.open(tmp_path / "float.tflite")


@pytest.mark.parametrize(
    ("mean", "spread", "expected"), [([127.5], [255.0], 0.5), ([0, 51, 255], [255] * 3, 0.6)]
)
def test_float_input_is_given_its_normalization(floats, tmp_path, mean, spread, expected):
    photo = schema.TensorMetadataT()
    unit = schema.ProcessUnitT()
    unit.optionsType = schema.ProcessUnitOptions.NormalizationOptions
    unit.options = schema.NormalizationOptionsT()
    unit.options.mean, unit.options.std = mean, spread
    photo.processUnits = [unit]
    graph = schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [photo]
    told = schema.ModelMetadataT()
    told.subgraphMetadata = [graph]
    builder = flatbuffers.Builder()
    builder.Finish(told.Pack(builder), b"M001")
    (tmp_path / "float.tflite").write_bytes(with_metadata(floats, builder.Output()))
    photos = np.full((2, 4, 4, 3), 255, np.uint8)
    found = formats.open(tmp_path / "float.tflite").predict(photos)
    np.testing.assert_allclose(found, np.full((2, 2), expected), atol=1e-6)


def with_metadata(content, told):
    """Add packed metadata by TFLite's own generated code."""
    model = tflite_schema.ModelT.InitFromObj(tflite_schema.Model.GetRootAs(content, 0))
    buffer, entry = tflite_schema.BufferT(), tflite_schema.MetadataT()
    buffer.data = told
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata.append(entry)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_zip_does_not_depend_on_the_clock(converted):
    content = converted["none"].path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
