"""Every file that is here is told of: what is whole, what is not, and what nobody knows."""

import hashlib

import pytest
from loopback import CONTENT

from tlkit.weights import cache, catalogue, fetch, pins
from tlkit.weights.entries import Hub, Url
from tlkit.weights.verifying import verify

pytestmark = pytest.mark.usefixtures("home")
LITE0 = catalogue.default("efficientnet_lite0")
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def first(kind, stated):
    """Some entry of the catalogue whose file is a `kind`, with or without a hash that is stated."""
    rows = (entry for entries in catalogue.every().values() for entry in entries)
    return next(row for row in rows if isinstance(row.where, kind) and bool(row.digest) is stated)


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    return path


def test_every_file_is_told_of(home, tmp_path, monkeypatch):
    url, hub = first(Url, True), first(Hub, False)
    damaged = put(cache.target(url))
    kept = put(tmp_path / "KERAS_HOME" / "models" / damaged.name)
    pinned = put(cache.target(hub))
    pins.put(cache.folder(), hub.where.path, SHA256, hub.where.address)
    stranger = put(home / "weights" / "timm" / "model.bin")
    part = put(damaged.with_name(f".{damaged.name}.part"))
    told = {one.path: one for one in verify()}
    assert {path: (one.state, one.keeper) for path, one in told.items() if one.keeper != "package"} == {
        damaged: ("damaged", "tlkit"),
        kept: ("damaged", "keras"),
        pinned: ("ok", "tlkit"),
        stranger: ("unknown", "tlkit"),
        part: ("partial", "tlkit"),
    }
    package = told[cache.packaged(LITE0)]
    assert package[1:3] == ("ok", "package") and package.entries == (LITE0,)
    assert f"sha256:{package.sha256}" == LITE0.digest and package.bytes == LITE0.bytes
    assert f" of {damaged} is " in told[damaged].said and told[damaged].entries == (url,)
    assert told[stranger].sha256 == SHA256 == told[pinned].sha256


def test_nothing_here_is_no_error(home, monkeypatch):
    assert {one.keeper for one in verify()} == {"package"}
    assert not home.exists()


def test_what_is_fetched_is_whole(entry, monkeypatch):
    path = fetch(entry)
    monkeypatch.setattr(catalogue, "every", lambda: {"resnet50": (entry,)})
    (one,) = verify()
    assert one[:5] == (path, "ok", "tlkit", len(CONTENT), SHA256)
