"""Files are had from wherever they are, checked before they are used, and said to be what they are."""

import hashlib
import random

import pytest
from loopback import Cut, Loopback, Status

from tlkit.errors import WeightsError
from tlkit.progress import Silent
from tlkit.weights import cache, downloading, fetch, lite
from tlkit.weights.entries import Url

CONTENT = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LITE0 = lite.entries()[0]


class Told(Silent):
    """Keeps what is said."""

    def __init__(self):
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A cache of the test's own, and no waiting between tries."""
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(downloading, "PAUSES", (0.0, 0.0, 0.0))
    return tmp_path / "home"


@pytest.fixture
def server():
    with Loopback() as server:
        server.files["/models/net-1a2b3c4d.pth"] = CONTENT
        yield server


@pytest.fixture
def entry(server):
    """A file of the loopback server, with its whole hash."""
    return LITE0._replace(
        backbone="resnet50",
        name="tv_v1",
        where=Url(f"{server.address}/models/net-1a2b3c4d.pth", "torchvision"),
        digest=f"sha256:{SHA256}",
        bytes=len(CONTENT),
    )


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_is_downloaded_once(entry, server, home):
    path = fetch(entry)
    assert path == home / "weights" / "torchvision" / "net-1a2b3c4d.pth" == cache.here(entry)
    assert path.read_bytes() == CONTENT
    assert fetch(entry) == path
    assert [request.method for request in server.asked] == ["GET"]
    assert not [name for name in names(home) if name.endswith(".part")]


def test_a_package_s_file_is_used_where_pip_put_it():
    path = fetch(LITE0)
    assert path == cache.packaged(LITE0) == cache.here(LITE0)


def test_a_cut_download_goes_on_where_it_was_cut(entry, server):
    server.faults["/models/net-1a2b3c4d.pth"] = [Cut(200_000), Status(503), Cut(60_000)]
    assert fetch(entry).read_bytes() == CONTENT
    first, *others = [request.range for request in server.asked]
    assert first == "" and all(others) and len(others) == 3


def test_a_file_of_another_hash_is_refused_and_removed(entry, server, home):
    server.files["/models/net-1a2b3c4d.pth"] = b"\0" + CONTENT[1:]
    found = hashlib.sha256(b"\0" + CONTENT[1:]).hexdigest()
    with pytest.raises(WeightsError) as caught:
        fetch(entry)
    assert f"sha256 is {found}, expected {SHA256} (300,000 bytes from {entry.where.address})" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)
    assert not [name for name in names(home) if "net-" in name and not name.endswith(".lock")]
    assert len(server.asked) == 1
