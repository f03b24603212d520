"""Reads contents through the one door there is, a file, and expects refusal of bad ones."""

import tempfile
import time
import tracemalloc
from pathlib import Path

import pytest

from tlkit.errors import WeightsError
from tlkit.weights import contents


def stored(content):
    """What `contents.read` finds; the arrays outlive the file."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return contents.read(Path(file.name))


def refused(content, form="a torch file"):
    """The reason why `content` is not read; it must be one line and cost neither time nor memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evil.bin"
        path.write_bytes(content)
        del content
        tracemalloc.start()
        began = time.monotonic()
        with pytest.raises(WeightsError) as caught:
            contents.read(path)
        seconds, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert seconds < 5 and peak < 64 * 2**20
    message = str(caught.value)
    assert message.startswith(f"{path} cannot be read as {form}: ")
    assert message.endswith(" Nothing in it was run; get it anew.")
    assert "\n" not in message and len(message) < 400
    return message
