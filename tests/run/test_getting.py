"""Published weights listed, fetched, verified and found: the catalogue's own, files from this machine."""

import hashlib
import io
import shutil
import subprocess

import pytest
from loopback import Loopback

from tlkit.errors import UnknownBackbone, UsageError, WeightsError
from tlkit.progress import Lines
from tlkit.run.getting import find_weights, get_weights, list_weights, verify_weights
from tlkit.weights import cache, catalogue, downloading

PACKAGED = {"efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"}
# Of these no hash is stated, so that any content will do that is not far too small.
RESNET18, RESNET34 = (catalogue.default(name) for name in ("resnet18", "resnet34"))
CONTENT = {entry: bytes(entry.bytes // 2) for entry in (RESNET18, RESNET34)}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A cache of the test's own, and nothing of whoever runs it."""
    for name in ("TLKIT_HOME", "KERAS_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(downloading, "PAUSES", (0.0, 0.0, 0.0))
    return tmp_path / "TLKIT_HOME"


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A mirror on this machine with two files."""
    for entry, content in CONTENT.items():
        path = tmp_path / "served" / entry.where.path
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    with Loopback(tmp_path / "served") as server:
        monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", server.address)
        yield server


def sha256(entry):
    return hashlib.sha256(CONTENT[entry]).hexdigest()


# Listed


def test_each_backbone_is_listed_with_what_imagenet_means():
    listed = list_weights()
    assert len(listed.sets) == len(catalogue.every())
    for row in listed.sets:
        entry = catalogue.default(row.backbone)
        assert row.imagenet == row.commercial == (entry is not None)
        assert row.name == (entry or catalogue.entries(row.backbone)[0]).name
    assert listed.more + len(listed.sets) == sum(map(len, catalogue.every().values()))
    assert {"lenet5", "nin"} <= set(listed.without) and not any("_test" in name for name in listed.without)


def test_what_comes_with_packages_is_there_from_the_start():
    here = list_weights(here=True)
    assert {row.backbone for row in here.sets} == PACKAGED and here.without == ()
    assert {row.kept_by for row in here.sets} == {"package"} and all(row.path.is_file() for row in here.sets)


def test_all_of_one_and_all_of_all():
    one = list_weights("resnet50").sets
    assert [row.name for row in one] == [entry.name for entry in catalogue.entries("resnet50")]
    assert [row.imagenet for row in one].count(True) == 1 and one[0].imagenet
    every = list_weights(every=True)
    assert (len(every.sets), every.more) == (sum(map(len, catalogue.every().values())), 0)


def test_a_backbone_without_any_is_told():
    listed = list_weights("lenet5")
    assert (listed.sets, listed.without) == ([], ["lenet5"])
    with pytest.raises(UnknownBackbone, match="Did you mean 'lenet5'"):
        list_weights("lenet")


def test_licences_choose():
    by_licence = {
        licence: list_weights(every=True, licence=licence).sets
        for licence in ("mit", "BSD", "NC", "commercial")
    }
    assert {row.licence for row in by_licence["mit"]} == {"MIT"}
    assert {row.licence for row in by_licence["BSD"]} == {"BSD-3-Clause"}
    assert by_licence["NC"] and not any(row.commercial for row in by_licence["NC"])
    assert all(row.commercial for row in by_licence["commercial"])
    both = len(by_licence["NC"]) + len(by_licence["commercial"])
    assert both == len(list_weights(every=True).sets)
    [first] = list_weights("resnet50", licence="MIT").sets
    assert first.name == "keras" and not first.imagenet
    assert list_weights(licence="GPL").sets == []


def test_a_file_in_the_cache_is_here():
    path = cache.target(RESNET18)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[RESNET18])
    row = list_weights("resnet18", here=True).sets[0]
    assert (row.name, row.path, row.kept_by) == (RESNET18.name, path, "tlkit")


# Fetched


def test_a_set_is_fetched_once_and_told_with_its_licence(served):
    for _ in range(2):
        fetched = get_weights(["resnet18"])
        [row] = fetched.sets
        assert (row.path, row.kept_by) == (cache.target(RESNET18), "tlkit")
        assert row.path.read_bytes() == CONTENT[RESNET18]
        assert (row.sha256, row.error, fetched.exit_code) == (sha256(RESNET18), None, 0)
    assert [request.path for request in served.downloads] == ["/SHA256SUMS", f"/{RESNET18.where.path}"]
    assert f"{row.licence}, trained on {row.training_data}, published by {row.source}" in fetched.text()


def test_one_that_is_not_to_be_had_does_not_stop_the_others(served):
    (served.folder / RESNET18.where.path).unlink()
    fetched = get_weights(["resnet18", "efficientnet_lite0", "resnet34"])
    assert [row.error is None for row in fetched.sets] == [False, True, True]
    failed = fetched.sets[0]
    assert failed.error["kind"] == "weights_error" and "HTTP 404" in failed.error["message"]
    assert (failed.path, failed.kept_by, failed.sha256) == (None, None, None)
    assert fetched.exit_code == 1 and fetched.text().endswith("\n1 of 3 could not be had.")
    assert "Error: " in fetched.text()


def test_a_server_that_cannot_be_reached_is_not_tried_for_each_file(monkeypatch):
    with Loopback() as closed:
        monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", closed.address)
    first, packaged, second = get_weights(["resnet18", "efficientnet_lite0", "resnet34"]).sets
    assert first.error["kind"] == second.error["kind"] == "unreachable" and packaged.error is None
    assert second.error["message"] == (
        f"The weights {RESNET34.name} of resnet34 are not on this machine, and their server could not be "
        "reached a moment ago."
    )
    assert str(cache.target(RESNET34)) in second.error["hint"]


def test_offline_each_file_s_address_is_told(monkeypatch):
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    for row in get_weights(["resnet18", "resnet34"]).sets:
        assert row.error["kind"] == "unreachable" and row.address in row.error["message"]


def test_all_sets_are_told_in_number_and_size_before_they_are_fetched(monkeypatch):
    monkeypatch.setenv("TLKIT_OFFLINE", "1")
    told = io.StringIO()
    fetched = get_weights(["resnet50", "efficientnet_lite0"], every=True, progress=Lines(told))
    entries = [*catalogue.entries("resnet50"), *catalogue.entries("efficientnet_lite0")]
    assert [row.name for row in fetched.sets] == [entry.name for entry in entries]
    size = sum(entry.bytes for entry in entries if entry.name != "pypi") / 1e9
    expected = f"{len(entries)} sets, of which {len(entries) - 1} are to be fetched: about {size:.1f} GB."
    assert told.getvalue().splitlines()[0] == expected
    assert [row.licence for row in get_weights(["resnet50"], every=True, licence="mit").sets] == ["MIT"]


def test_what_may_not_be_sold_is_had_by_name_and_with_a_notice(served):
    entry = catalogue.entries("convnext_v2_atto")[0]
    path = served.folder / entry.where.path
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(entry.bytes))
    with pytest.raises(UsageError) as caught:
        get_weights(["resnet18", "convnext_v2_atto"])
    assert str(caught.value) == (
        "convnext_v2_atto has no weights that may be used commercially, and so no 'imagenet'. "
        "Name a set of it: --weights fcmae_ft_in1k (CC-BY-NC-4.0)."
    )
    assert served.asked == []
    fetched = get_weights(["convnext_v2_atto"], weights="fcmae_ft_in1k")
    assert fetched.exit_code == 0 and "\n  CC-BY-NC-4.0: not for commercial use.\n" in fetched.text()


@pytest.mark.parametrize(
    ("backbones", "asked", "message"),
    [
        (["resnet18", "resnet5"], {}, "No backbone is called 'resnet5'. Did you mean 'resnet50'?"),
        (
            ["resnet18", "lenet5"],
            {},
            "lenet5 has no published weights. 'tlkit weights ls' lists what has some.",
        ),
        (
            ["resnet50", "resnet18"],
            {"weights": "tv_v2"},
            "resnet18 has no weights called 'tv_v2'. Did you mean",
        ),
        (["lenet5"], {"every": True}, "lenet5 has no published weights to load."),
        ([], {"every": True, "licence": "GPL"}, "No set has a licence like 'GPL'. They have Apache-2.0, BSD"),
    ],
)
def test_what_is_not_published_is_refused_before_anything_is_fetched(backbones, asked, message, served):
    with pytest.raises(UsageError) as caught:
        get_weights(backbones, **asked)
    assert message in str(caught.value) and served.asked == []


def test_a_folder_is_filled_that_serves_as_a_mirror(served, home, tmp_path, monkeypatch):
    folder = tmp_path / "filled"
    fetched = get_weights(["resnet18", "efficientnet_lite0"], to=folder)
    assert [row.kept_by for row in fetched.sets] == ["mirror"] * 2
    assert [row.path for row in fetched.sets] == [folder / cache_path(row) for row in fetched.sets]
    assert fetched.text().endswith(f"\nAs a mirror: TLKIT_WEIGHTS_MIRROR={folder}")
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
    shutil.rmtree(home)
    monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", str(folder))
    assert find_weights("resnet18").path == folder / RESNET18.where.path


def cache_path(row):
    return catalogue.find(row.backbone, row.name).where.path


# Found and verified


def test_a_file_is_found_only_where_it_is_right(served):
    found = find_weights("efficientnet_lite1")
    assert (found.kept_by, found.bytes) == ("package", 21_946_926)
    with pytest.raises(WeightsError) as caught:
        find_weights("resnet18")
    assert str(caught.value) == (
        f"The weights {RESNET18.name} of resnet18 are not on this machine. "
        f"Get them: tlkit weights get resnet18 --weights {RESNET18.name}"
    )
    get_weights(["resnet18"])
    assert find_weights("resnet18").path == cache.target(RESNET18)
    cache.target(RESNET18).write_bytes(b"cut")
    with pytest.raises(WeightsError, match="are not on this machine"):
        find_weights("resnet18")
    assert len(served.downloads) == 2 and cache.target(RESNET18).read_bytes() == b"cut"


def test_every_file_is_verified_and_none_removed(served, home):
    get_weights(["resnet18", "resnet34"])
    assert verify_weights().exit_code == 0
    cache.target(RESNET34).write_bytes(b"cut")
    (home / "weights" / "stray.pth").write_bytes(b"stray")
    verified = verify_weights()
    rows = {row.path: row for row in verified.files}
    whole, damaged, stray = (
        rows[path] for path in (*map(cache.target, CONTENT), home / "weights" / "stray.pth")
    )
    assert (whole.state, whole.sha256, whole.said) == ("ok", sha256(RESNET18), None)
    assert whole.sets == [{"backbone": "resnet18", "name": RESNET18.name}]
    assert damaged.state == "damaged" and damaged.sha256 is None
    assert sha256(RESNET34) in damaged.said and "tlkit weights get resnet34" in damaged.said
    assert (stray.state, stray.sets) == ("unknown", [])
    assert {row.sets[0]["backbone"] for row in verified.files if row.kept_by == "package"} == PACKAGED
    assert verified.exit_code == 1 and damaged.path.read_bytes() == b"cut"
    assert verified.text().endswith(f"\n1 of {len(verified.files)} damaged; nothing was removed.")
