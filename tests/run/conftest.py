"""One finished run of the smallest backbone, shared by all tests of jobs."""

import shutil

import pytest

import tlkit

SETTINGS = {"backbone": "efficientnet_test", "weights": "none"}


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
