"""`.tflite` files, run by LiteRT: the runtime of the phone, on this machine."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tlkit.errors import ModelError
from tlkit.formats import Opened, metadata

Normalization = tuple[list[float], list[float]] | None


def open(path: Path) -> Opened:
    content = path.read_bytes()
    try:
        found = metadata.find(content)
        interpreter = start(content)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{path} cannot be read as a TFLite file: {reason}.", "It is damaged, or no TFLite file."
        ) from error
    takes, returns = interpreter.get_input_details(), interpreter.get_output_details()
    size, classes = _shape(path, takes, returns)
    if takes[0]["dtype"] == np.float32 and found.normalization is None:
        raise ModelError(f"{path} takes floats, and no metadata say how pixels become floats.")
    run = answer(interpreter, found.normalization)
    fit, temperature, threshold = found.about
    return Opened(path, "tflite", size, classes, found.labels, fit, run, temperature, threshold)


def start(content: bytes) -> Interpreter:
    """LiteRT with a file loaded. Raises `ValueError` or `RuntimeError` if it cannot run it."""
    with _quietly():
        interpreter = Interpreter(model_content=content, num_threads=_threads())
        interpreter.allocate_tensors()
    return interpreter


def _threads() -> int:
    """The processors this process may use: fewer than the machine's in a container or under taskset."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def answer(
    interpreter: Interpreter, normalization: Normalization = None
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from photos to probabilities, one photo at a time, as a phone asks."""
    (takes,), (returns,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = returns["quantization"]

    def run(pixels: np.ndarray) -> np.ndarray:
        rows = np.empty((len(pixels), returns["shape"][1]), np.float32)
        for index, photo in enumerate(pixels):
            if normalization is not None and takes["dtype"] == np.float32:
                mean, spread = np.array(normalization, np.float32)
                photo = (photo - mean) / spread
            interpreter.set_tensor(takes["index"], photo[None])
            interpreter.invoke()
            row = interpreter.get_tensor(returns["index"])[0]
            # Integers stand for scale x (value - zero point).
            rows[index] = row if row.dtype == np.float32 else (row.astype(np.float32) - zero) * (scale or 1)
        return rows

    return run


def _shape(path: Path, takes: list[dict], returns: list[dict]) -> tuple[int, int]:
    photo = tuple(takes[0]["shape"]) if len(takes) == 1 else ()
    if len(photo) != 4 or photo[0] != 1 or photo[1] != photo[2] or photo[3] != 3:
        shapes = [tuple(int(side) for side in one["shape"]) for one in takes]
        raise ModelError(f"{path} takes {shapes}; tlkit needs one square RGB photo, (1, n, n, 3).")
    if takes[0]["dtype"] not in (np.uint8, np.float32):
        raise ModelError(f"{path} takes {np.dtype(takes[0]['dtype'])}; tlkit needs uint8 or float32.")
    row = tuple(returns[0]["shape"]) if len(returns) == 1 else ()
    if len(row) != 2 or row[0] != 1 or row[1] < 2:
        shapes = [tuple(int(side) for side in one["shape"]) for one in returns]
        raise ModelError(
            f"{path} returns {shapes}; tlkit needs one row of class probabilities, (1, classes)."
        )
    return int(photo[1]), int(row[1])


@contextmanager
def _quietly() -> Iterator[None]:
    """Hold back what LiteRT's C++ writes to stderr while it starts, and pass on all but its greeting."""
    if sys.stderr is None:  # closed by whoever started the process; its number may be another file's
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not line.startswith(b"INFO: "):
                    os.write(2, line)
