"""TFLite metadata: what a `.tflite` file says about itself to MediaPipe, Android Studio and people.

Written with `flatbuffers` alone, because tflite-support has no builds for today's Pythons. The
numbers are field numbers of metadata_schema.fbs of TensorFlow Lite; a test compares them with
MediaPipe's copy of it.
"""

import io
import zipfile
from collections.abc import Sequence
from typing import NamedTuple

import flatbuffers

from tlkit.formats import about as abouts
from tlkit.formats import flat, geometry
from tlkit.formats import labels as label_file
from tlkit.formats.about import PLAIN, About

IDENTIFIER = b"M001"
ENTRY = "TFLITE_METADATA"  # the name under which a TFLite file holds its metadata
PARSER = "1.0.0"  # the oldest metadata parser that knows every field used here

# metadata_schema.fbs: the fields in use.
MODEL_NAME, MODEL_DESCRIPTION, MODEL_VERSION, MODEL_SUBGRAPHS, MODEL_LICENSE, MODEL_PARSER = 0, 1, 2, 3, 5, 7
SUBGRAPH_INPUTS, SUBGRAPH_OUTPUTS = 2, 3
TENSOR_NAME, TENSOR_DESCRIPTION, TENSOR_CONTENT, TENSOR_UNITS, TENSOR_FILES = 0, 1, 3, 4, 6
CONTENT_TYPE, CONTENT_PROPERTIES = 0, 1
IMAGE_COLORS, IMAGE_SIZE = 0, 1
SIZE_WIDTH, SIZE_HEIGHT = 0, 1
FILE_NAME, FILE_DESCRIPTION, FILE_TYPE = 0, 1, 2
UNIT_TYPE, UNIT_OPTIONS = 0, 1
NORMALIZATION_MEAN, NORMALIZATION_STD = 0, 1
FEATURE_PROPERTIES, IMAGE_PROPERTIES = 1, 2  # union ContentProperties
NORMALIZATION = 1  # union ProcessUnitOptions
RGB = 1  # enum ColorSpaceType
AXIS_LABELS = 2  # enum AssociatedFileType

# schema.fbs of TensorFlow Lite: the root and what it leads to. All its fields but the version are
# offsets, and new ones are only ever added at the end.
TFLITE = b"TFL3"
ROOT_VERSION, ROOT_BUFFERS, ROOT_METADATA = 0, 4, 6
BUFFER_DATA = 0
METADATA_NAME, METADATA_BUFFER = 0, 1
ALIGNMENT = 64  # TFLite's own writer gives weights 16 bytes; the file keeps whatever it had

Fields = dict[int, flat.Value | str]  # of a table, by number; an offset, a number with its kind, or a text


class Told(NamedTuple):
    """What the metadata say."""

    name: str
    description: str
    licence: str  # of the weights
    image_size: int
    labels: Sequence[str]
    about: About = PLAIN


class Found(NamedTuple):
    """What metadata say to whoever runs the file."""

    labels: tuple[str, ...] | None
    normalization: tuple[list[float], list[float]] | None  # mean and spread for a float input
    about: About = PLAIN


def describe(image_size: int, classes: int, about: About = PLAIN) -> str:
    """How to feed a phone file and what it returns, in words."""
    none = "" if about.threshold is None else f" If all are below {about.threshold}, it is none of these."
    return (
        f"Image classifier. Takes one upright photo: {geometry.WORDS[about.fit]} bilinearly to {image_size}x"
        f"{image_size} pixels, RGB, 0 to 255. Normalisation is inside. Returns {classes} probabilities.{none}"
    )


def attach(content: bytes, told: Told) -> bytes:
    """A TFLite file with metadata in it and a zip behind it, as MediaPipe expects: labels, and `about`.

    A new root is put in front and the file's own bytes stay as they are: unpacked and packed
    again by Python, the weights would lose their alignment.
    """
    model = flat.root(content, TFLITE)
    body = content + bytes(-len(content) % ALIGNMENT)
    builder = flatbuffers.Builder(len(body) + 2**16)
    flat.place(builder, body)
    buffers = model.children(ROOT_BUFFERS)
    kept = [entry for entry in model.children(ROOT_METADATA) if entry.text(METADATA_NAME) != ENTRY]

    def there(position: int | None) -> int:
        """An offset of the builder's, which counts from the end, for a place in the old file."""
        assert position is not None
        return len(body) - position

    buffer = flat.table(builder, {BUFFER_DATA: flat.data(builder, pack(told), ALIGNMENT)})
    name = builder.CreateString(ENTRY)
    entry = flat.table(builder, {METADATA_NAME: name, METADATA_BUFFER: (flat.INT, len(buffers))})
    fields: dict[int, flat.Value] = {field: there(model.target(field)) for field in model.fields() if field}
    fields[ROOT_VERSION] = (flat.INT, model.number(ROOT_VERSION, flat.INT))
    fields[ROOT_BUFFERS] = flat.tables(builder, [*(there(one.position) for one in buffers), buffer])
    fields[ROOT_METADATA] = flat.tables(builder, [*(there(one.position) for one in kept), entry])
    root = flat.table(builder, fields)
    builder.minalign = ALIGNMENT
    builder.Finish(root, TFLITE)
    return bytes(builder.Output()) + _zip(told)


def pack(told: Told) -> bytes:
    """The metadata alone, as a FlatBuffer."""
    builder = flatbuffers.Builder()
    photo, probability = _photo(builder, told), _probability(builder)
    graph: Fields = {
        SUBGRAPH_INPUTS: flat.tables(builder, [photo]),
        SUBGRAPH_OUTPUTS: flat.tables(builder, [probability]),
    }
    root = _table(
        builder,
        {
            MODEL_NAME: told.name,
            MODEL_DESCRIPTION: told.description,
            MODEL_VERSION: "1",
            MODEL_SUBGRAPHS: flat.tables(builder, [_table(builder, graph)]),
            MODEL_LICENSE: told.licence or "unknown",
            MODEL_PARSER: PARSER,
        },
    )
    builder.Finish(root, IDENTIFIER)
    return bytes(builder.Output())


def _photo(builder: flatbuffers.Builder, told: Told) -> int:
    side = told.image_size
    size = _table(builder, {SIZE_WIDTH: (flat.INT, side), SIZE_HEIGHT: (flat.INT, side)})
    image = _table(builder, {IMAGE_COLORS: (flat.BYTE, RGB), IMAGE_SIZE: size})
    content: Fields = {CONTENT_TYPE: (flat.BYTE, IMAGE_PROPERTIES), CONTENT_PROPERTIES: image}
    fields: Fields = {
        TENSOR_NAME: "image",
        TENSOR_DESCRIPTION: f"Upright, {geometry.WORDS[told.about.fit]} bilinearly. RGB, 0 to 255.",
        TENSOR_CONTENT: _table(builder, content),
    }
    return _table(builder, fields)


def _probability(builder: flatbuffers.Builder) -> int:
    file: Fields = {
        FILE_NAME: label_file.NAME,
        FILE_DESCRIPTION: "The classes in the order of the probabilities, UTF-8, one a line.",
        FILE_TYPE: (flat.BYTE, AXIS_LABELS),
    }
    content: Fields = {CONTENT_TYPE: (flat.BYTE, FEATURE_PROPERTIES), CONTENT_PROPERTIES: _table(builder, {})}
    fields: Fields = {
        TENSOR_NAME: "probability",
        TENSOR_DESCRIPTION: "The probability of each class.",
        TENSOR_CONTENT: _table(builder, content),
        TENSOR_FILES: flat.tables(builder, [_table(builder, file)]),
    }
    return _table(builder, fields)


def _table(builder: flatbuffers.Builder, fields: Fields) -> int:
    """Write a table and, before it, the texts it holds."""
    written = {f: builder.CreateString(v) if isinstance(v, str) else v for f, v in fields.items()}
    return flat.table(builder, written)


def find(content: bytes) -> Found:
    """What the metadata in a TFLite file say; nothing found where it has none.

    Raises `ValueError` if they are damaged, name a file of labels that is not there, or say of
    themselves what nobody knows.
    """
    model = flat.root(content, TFLITE)
    told = _unzip(content, abouts.NAME)
    about = PLAIN if told is None else abouts.split(told)
    buffers = model.children(ROOT_BUFFERS)
    entries = [entry for entry in model.children(ROOT_METADATA) if entry.text(METADATA_NAME) == ENTRY]
    if not entries:
        return Found(None, None, about)
    place = entries[0].number(METADATA_BUFFER, flat.INT)
    packed = buffers[place].data(BUFFER_DATA) if place < len(buffers) else None
    if packed is None:
        raise ValueError("its metadata are not in the file")
    graphs = flat.root(packed, IDENTIFIER).children(MODEL_SUBGRAPHS)
    inputs = graphs[0].children(SUBGRAPH_INPUTS) if graphs else []
    outputs = graphs[0].children(SUBGRAPH_OUTPUTS) if graphs else []
    names = [
        file.text(FILE_NAME)
        for file in (outputs[0].children(TENSOR_FILES) if outputs else [])
        if file.number(FILE_TYPE, flat.BYTE) == AXIS_LABELS
    ]
    labels = _unzip(content, names[0]) if names else None
    if names and labels is None:
        raise ValueError(f"its metadata name {names[0]}, which is not in the file")
    return Found(None if labels is None else label_file.split(labels), _normalization(inputs), about)


def _normalization(inputs: list[flat.Node]) -> tuple[list[float], list[float]] | None:
    for unit in inputs[0].children(TENSOR_UNITS) if inputs else []:
        options = unit.child(UNIT_OPTIONS)
        if unit.number(UNIT_TYPE, flat.BYTE) == NORMALIZATION and options is not None:
            return options.numbers(NORMALIZATION_MEAN, flat.FLOAT), options.numbers(
                NORMALIZATION_STD, flat.FLOAT
            )
    return None


def _zip(told: Told) -> bytes:
    """Labels and `about` as a zip: stored, not packed, and without the time, so that equal is byte-equal."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(label_file.NAME), label_file.join(told.labels))
        archive.writestr(zipfile.ZipInfo(abouts.NAME), abouts.join(told.about))
    return content.getvalue()


def _unzip(content: bytes, name: str) -> bytes | None:
    """A file in the zip behind a model; None where there is no such file, or no zip."""
    try:
        if not zipfile.is_zipfile(io.BytesIO(content)):
            return None
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(name) if name in archive.namelist() else None
    except Exception as error:  # a damaged one can fail anywhere in zipfile, struct and zlib
        raise ValueError(f"the zip behind it is damaged ({error})") from error
