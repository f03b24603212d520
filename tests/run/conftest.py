"""One finished run of the smallest backbone, shared by all tests of jobs."""

import contextlib
import shutil

import pytest

import tlkit
from tlkit import formats

SETTINGS = {"backbone": "efficientnet_test", "weights": "none"}


@pytest.fixture(scope="session")
def converter():
    with formats.Converter() as shared:
        yield shared


@pytest.fixture(scope="module", autouse=True)
def one_converter(converter):
    """One child converts for all jobs of these tests: Keras is loaded once, which takes six seconds, and not
    two dozen times. How a child comes and goes is held in tests/formats, and here by commands that are run.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "Converter", lambda: contextlib.nullcontext(converter))
        yield


@pytest.fixture(scope="session")
def settings():
    return dict(SETTINGS)


@pytest.fixture(scope="session")
def finished(textures, tmp_path_factory):
    """The report of a run with both kinds of export."""
    place = tmp_path_factory.mktemp("finished")
    photos = place / "photos"
    shutil.copytree(textures, photos)
    return tlkit.finetune(
        photos,
        output=place / "run",
        epochs=1,
        export=["tflite", "savedmodel"],
        unfreeze_from="stage4",  # else random weights are trained from scratch
        **SETTINGS,
    )
