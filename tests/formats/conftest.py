"""The network that knows coloured squares, trained once, and its files in every format."""

from pathlib import Path

import numpy as np
import pytest
from squares import LABELS, QUANTIZE, squares, trained

from tlkit import formats

# Keras 3.15 saves its variables by NumPy's older protocol.
SAVING = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(SAVING)


@pytest.fixture(scope="session")
def model():
    found = trained()
    photos, truth = squares(64, seed=2)
    top1 = (found.predict(photos, verbose=0).argmax(1) == truth).mean()
    assert 0.7 < top1  # a network that has learned nothing would agree with anything
    return found


@pytest.fixture(scope="session")
def source(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "squares.keras"
    model.save(path)
    return path


@pytest.fixture(scope="session")
def calibration(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "calibration.npy"
    np.save(path, squares(32, seed=3)[0])
    return path


@pytest.fixture(scope="session")
def converter():
    with formats.Converter() as shared:
        yield shared


@pytest.fixture(scope="session")
def converted(converter, source, calibration, tmp_path_factory):
    """The network in every format: `Converted` by quantisation, and `savedmodel`."""
    folder = tmp_path_factory.mktemp("converted")
    common = {"labels": LABELS, "name": "squares", "licence": "Apache-2.0"}
    pending = {
        quantize: converter.submit(
            source, folder / f"{quantize}.tflite", quantize=quantize, calibration=calibration, **common
        )
        for quantize in QUANTIZE
    }
    pending["savedmodel"] = converter.submit(source, folder / "savedmodel", format="savedmodel", **common)
    return {name: one.result() for name, one in pending.items()}
