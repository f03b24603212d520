"""What all tests share: one thread order, so that runs can be compared byte by byte, and small folders."""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# What tlkit remembers of photos goes here, and not into the cache of whoever runs the tests.
CACHE = tempfile.TemporaryDirectory(prefix="tlkit-tests-")
os.environ["XDG_CACHE_HOME"] = CACHE.name
for variable in ("HOME", "WEIGHTS_MIRROR", "OFFLINE"):
    os.environ.pop(f"TLKIT_{variable}", None)
for variable in ("HOME", "HUB_CACHE", "HUB_OFFLINE", "ENDPOINT"):
    os.environ.pop(f"HF_{variable}", None)

# A busy machine breaks no promise: time is measured where it is promised.
settings.register_profile("tlkit", deadline=None)
settings.load_profile("tlkit")

TEXTURES = Path(__file__).parents[1] / "data" / "textures"


def pytest_sessionstart(session):
    # As `tlkit.device` asks for in every run; TensorFlow takes it only before its first tensor.
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(1)


# Minutes in a few tests. xdist would begin with the files that have many and leave one of these to the end.
LONG = ("test_readme.py", "test_cli.py", "test_training.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Whole runs first, so that no worker begins one when the other has nothing left to do."""
    items.sort(key=lambda item: item.path.parent.name != "run" and item.path.name not in LONG)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    """Half a million objects of TensorFlow and Keras stay until the end: each full collection, several in a
    minute, would look through them for 0.3 to 0.6 s.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config):
    CACHE.cleanup()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI a proof that was skipped is a proof that failed."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def textures() -> Path:
    """The sample photos: split folders, three classes, 72 to train on and 24 to validate."""
    return TEXTURES


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder to change at will: two classes of six sample photos each, not split."""
    for name in ("brick", "grass"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for photo in sorted((TEXTURES / "train" / name).iterdir())[:6]:
            shutil.copy(photo, tmp_path / "photos" / name)
    return tmp_path / "photos"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, so that ./runs is the test's own."""
    place = tmp_path / "workplace"
    place.mkdir()
    monkeypatch.chdir(place)
    return place
