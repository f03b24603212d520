"""What a `.tflite` file computes, read from its bytes: operations, number types, weights."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from ai_edge_litert import schema_py_generated as schema
from flatbuffers import number_types

from tlkit.errors import ExportError
from tlkit.formats import flat, metadata

# schema.fbs of TensorFlow Lite: the fields in use.
ROOT_CODES, ROOT_SUBGRAPHS, ROOT_BUFFERS = 1, 2, metadata.ROOT_BUFFERS
CODE_EARLY, CODE_CUSTOM, CODE_BUILTIN = 0, 1, 3  # the first is a byte, from when there were fewer than 127
SUBGRAPH_TENSORS, SUBGRAPH_OPERATORS = 0, 3
TENSOR_TYPE, TENSOR_BUFFER, TENSOR_NAME, TENSOR_SIGNATURE = 1, 2, 3, 7
OPERATOR_CODE, OPERATOR_OUTPUTS = 0, 2

NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
TYPES = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
# The converter leaves smaller constants as they are: nothing would be won.
LARGE = 1024 * 4  # bytes


class Operations(NamedTuple):
    counts: dict[str, int]  # how often each operation occurs
    custom: list[str]  # names of those that the runtime does not have built in
    floats: list[str]  # names of those that return floats
    dynamic: list[str]  # tensors without a fixed shape
    weights: dict[str, int]  # bytes of constants, by number type
    largest_float: int  # bytes of the largest float32 constant

    @property
    def integer_share(self) -> float:
        """Share of operations, by number and not by work, that return integers."""
        return 1 - len(self.floats) / max(1, sum(self.counts.values()))


def read(content: bytes) -> Operations:
    """Look through every subgraph of a file."""
    root = flat.root(content, metadata.TFLITE)
    codes = [_name(code) for code in root.children(ROOT_CODES)]
    sizes = [len(buffer.data(metadata.BUFFER_DATA) or b"") for buffer in root.children(ROOT_BUFFERS)]
    counts: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    floats, dynamic, largest = [], [], 0
    for graph in root.children(ROOT_SUBGRAPHS):
        tensors = graph.children(SUBGRAPH_TENSORS)
        types = [TYPES[tensor.number(TENSOR_TYPE, flat.BYTE)] for tensor in tensors]
        for tensor, kind in zip(tensors, types, strict=True):
            size = sizes[tensor.number(TENSOR_BUFFER, flat.INT)]
            weights[kind] += size
            largest = max(largest, size if kind == "FLOAT32" else 0)
            if -1 in tensor.numbers(TENSOR_SIGNATURE, flat.SIGNED):
                dynamic.append(tensor.text(TENSOR_NAME))
        for operator in graph.children(SUBGRAPH_OPERATORS):
            name = codes[operator.number(OPERATOR_CODE, flat.INT)]
            counts[name] += 1
            if any(types[one].startswith("FLOAT") for one in operator.numbers(OPERATOR_OUTPUTS, flat.SIGNED)):
                floats.append(name)
    custom = sorted({name for name in counts if name not in NAMES.values()})
    return Operations(dict(counts), custom, floats, dynamic, +weights, largest)


def missing(names: Iterable[str]) -> ExportError:
    return ExportError(
        f"The network needs operations that phones do not have built in: {', '.join(sorted(names))}.",
        "Replace the layers that use them; TensorFlow's own operations are not on a phone.",
    )


def demand(found: Operations, quantize: str) -> None:
    """Raise `ExportError` if a file is not what was asked for."""
    if found.custom:
        raise missing(found.custom)
    if found.dynamic:
        raise ExportError(f"The file has tensors without a fixed shape, {', '.join(found.dynamic[:10])}.")
    # The last operation of an int8 file returns probabilities as floats.
    floats = sorted(set(found.floats) - {"DEQUANTIZE"})
    if quantize == "int8" and floats:
        raise ExportError(f"int8 was asked for, but the file computes {', '.join(floats)} in floats.")
    stored = {"none": "FLOAT32", "float16": "FLOAT16", "dynamic": "INT8", "int8": "INT8"}[quantize]
    if stored not in found.weights and found.largest_float > LARGE:
        raise ExportError(f"{quantize} was asked for, but no weights in the file are {stored}.")


def _name(code: flat.Node) -> str:
    """The operation's name as TFLite's schema has it; a custom one's as the file has it."""
    early = code.number(CODE_EARLY, number_types.Int8Flags)
    number = max(early, code.number(CODE_BUILTIN, flat.SIGNED))
    custom = number == schema.BuiltinOperator.CUSTOM
    return code.text(CODE_CUSTOM) if custom else NAMES.get(number, f"operation {number}")
