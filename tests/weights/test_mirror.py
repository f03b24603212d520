"""A folder that is filled here serves as a mirror elsewhere."""

import hashlib
import subprocess

import pytest
from loopback import CONTENT, PATH, Cut, Loopback, Status

from tlkit.errors import Unreachable, WeightsError
from tlkit.weights import cache, catalogue, fetch, lite, mirror
from tlkit.weights.entries import Hub, Url

pytestmark = pytest.mark.usefixtures("home")
LITE0 = lite.entries()[0]
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def others(entry, server, monkeypatch):
    """A file of the hub, one that is not there, and one of an address."""
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    server.hub("timm/net.a1_in1k", "model.safetensors", CONTENT)
    return [
        entry._replace(where=Hub("timm/net.a1_in1k"), digest=""),
        entry._replace(where=Url(f"{server.address}/gone.pth", "torchvision")),
        entry,
    ]


def test_each_file_of_the_catalogue_has_a_path_of_its_own():
    places = {entry.where for rows in catalogue.every().values() for entry in rows}
    paths = {place.path for place in places}
    assert len(paths) == len(places) > 200
    for path in paths:
        parts = path.split("/")
        assert (
            len(parts) > 1 and not {"", ".", ".."} & set(parts) and not any(part[0] == "." for part in parts)
        )


def test_what_is_filled_is_served_and_believed(entry, others, server, tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    entries = [others[0], LITE0, entry]
    sums = mirror.fill(entries, folder)
    assert sums == {
        "timm/net.a1_in1k/model.safetensors": SHA256,
        "pypi/efficientnet-lite0-57934424.pth": LITE0.digest.removeprefix("sha256:"),
        "torchvision/net-1a2b3c4d.pth": SHA256,
    }
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"], cwd=folder, check=True)
    assert not cache.target(entry).exists()  # not twice on this disk
    asked = len(server.asked)
    assert mirror.fill(entries[:1], folder) == sums  # and what was there stays in the list
    assert len(server.asked) == asked
    with Loopback(folder) as mirrored:
        monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", mirrored.address)
        assert fetch(entry).read_bytes() == CONTENT
        assert fetch(others[0]).read_bytes() == CONTENT
        assert len(mirrored.asked) == 2
    assert len(server.asked) == asked


def test_where_nobody_states_a_hash_the_mirrors_list_does(others, tmp_path, monkeypatch):
    """A bit that turned in a file whose first copy would be trusted is seen, and a cut is gone on with."""
    unstated, folder = others[0], tmp_path / "mirror"
    mirror.fill([unstated], folder)
    (cache.folder() / "pins.json").unlink()  # as on the machine that it is taken to
    file = folder / unstated.where.path
    with Loopback(folder) as mirrored:
        monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", mirrored.address)
        mirrored.faults[f"/{unstated.where.path}"] = [Cut(200_000)]
        assert fetch(unstated).read_bytes() == CONTENT
        (again,) = [request.range for request in mirrored.downloads if request.range]
        assert 0 < int(again.removeprefix("bytes=").removesuffix("-")) <= 200_000
        cache.target(unstated).unlink()
        (cache.folder() / "pins.json").unlink()
        file.write_bytes(CONTENT[:-1] + b"\0")
        with pytest.raises(WeightsError, match=f"expected {SHA256} as stated with it"):
            fetch(unstated)
    monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", str(folder))
    with pytest.raises(WeightsError, match=f"expected {SHA256} as stated with it"):
        fetch(unstated)


def test_what_is_here_already_is_copied(entry, server, tmp_path):
    path = fetch(entry)
    mirror.fill([entry], tmp_path / "mirror")
    assert len(server.asked) == 1
    copy = tmp_path / "mirror" / entry.where.path
    assert copy.read_bytes() == CONTENT and not copy.samefile(path)


def test_what_is_damaged_in_it_is_fetched_anew(entry, server, tmp_path):
    path = tmp_path / entry.where.path
    path.parent.mkdir()
    path.write_bytes(CONTENT[:-1])
    mirror.fill([entry], tmp_path)
    assert path.read_bytes() == CONTENT and len(server.asked) == 1


def test_one_that_is_not_to_be_had_does_not_stop_the_others(others, server, tmp_path):
    with pytest.raises(WeightsError) as caught:
        mirror.fill(others, tmp_path)
    assert "/gone.pth is not there (HTTP 404). 1 of 3 files could not be had." in str(caught.value)
    listed = (tmp_path / "SHA256SUMS").read_text()
    assert listed == (
        f"{SHA256}  timm/net.a1_in1k/model.safetensors\n{SHA256}  torchvision/net-1a2b3c4d.pth\n"
    )


def test_without_a_network_it_ends_at_once(others, server, tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    with pytest.raises(Unreachable, match="net.a1_in1k/resolve/main/model.safetensors"):
        mirror.fill(others, tmp_path / "mirror")
    assert server.asked == []


def test_it_goes_on_where_it_was_cut(entry, server, tmp_path):
    server.faults[PATH] = [Cut(200_000), *[Status(500)] * 3]
    with pytest.raises(WeightsError):
        mirror.fill([entry], tmp_path)
    mirror.fill([entry], tmp_path)
    assert server.asked[-1].range


def test_a_folder_that_cannot_be_written_is_told(entry, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WeightsError, match="/file/torchvision cannot be written: not a directory. Make that"):
        mirror.fill([entry], tmp_path / "file")


def test_a_list_that_cannot_be_read_is_told(entry, tmp_path):
    (tmp_path / "SHA256SUMS").write_bytes(b"\xff")
    with pytest.raises(WeightsError, match="SHA256SUMS cannot be read: .* Remove it: it is written anew."):
        mirror.fill([entry], tmp_path)
