"""Servers and connections fail; a usable cache and a plain sentence remain."""

import hashlib
import random
import socket
import time

import pytest
from huggingface_hub import constants
from loopback import CONTENT, PATH, Astray, Cut, Loopback, Stall, Status, Whole
from told import Told

import tlkit
from tlkit.errors import Unreachable, WeightsError
from tlkit.weights import cache, downloading, fetch
from tlkit.weights.entries import Hub, Packaged

pytestmark = pytest.mark.usefixtures("home")
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HUB = Hub("timm/net.a1_in1k")


@pytest.fixture
def part(entry):
    """Where what has arrived is kept."""
    path = cache.target(entry)
    path.parent.mkdir(parents=True)
    return path.with_name(f".{path.name}.part")


def refusal(entry, kind=WeightsError):
    """What `fetch` says when it refuses: one line, and nothing has the file's name."""
    with pytest.raises(kind) as caught:
        fetch(entry)
    assert "\n" not in str(caught.value)
    assert not cache.target(entry).exists()
    return str(caught.value)


def ranges(server):
    return [request.range for request in server.downloads]


@pytest.mark.parametrize("seed", range(6))
def test_a_download_cut_anywhere_goes_on_from_there(seed, entry, server, monkeypatch):
    draw = random.Random(seed)
    monkeypatch.setattr(downloading, "PIECE", 1024)
    cuts = [draw.randrange(1024, 59_000) for _ in range(draw.randint(1, 5))]
    server.faults[PATH] = [Cut(after) for after in cuts]
    assert fetch(entry).read_bytes() == CONTENT
    # At most one piece of each connection is asked for again.
    starts = [int(text.removeprefix("bytes=").rstrip("-") or 0) for text in ranges(server)]
    assert len(starts) == len(cuts) + 1
    for start, after, following in zip(starts, cuts, starts[1:], strict=False):
        assert start + after - 1024 < following <= start + after


def test_a_download_that_fails_goes_on_with_the_next_call(entry, server, part):
    server.faults[PATH] = [Cut(200_000), Status(500), Status(502), Status(503)]
    said = refusal(entry)
    assert f"{entry.where.address} answers HTTP 503. Run again: what has arrived is kept" in said
    assert len(server.asked) == 4
    kept = part.stat().st_size
    assert 200_000 - downloading.PIECE < kept <= 200_000
    assert fetch(entry).read_bytes() == CONTENT
    assert ranges(server)[-1] == f"bytes={kept}-" and not part.exists()


@pytest.mark.parametrize(
    ("code", "said"), [(404, "is not there"), (410, "is not there"), (403, "is refused")]
)
def test_what_will_not_pass_is_not_tried_again(code, said, entry, server):
    server.faults[PATH] = [Status(code)] * 9
    assert f"could not be fetched: {entry.where.address} {said} (HTTP {code})." in refusal(entry)
    assert len(server.asked) == 1


def test_a_server_that_is_busy_is_asked_again_when_it_likes(entry, server, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.faults[PATH] = [Status(429, {"Retry-After": "3"}), Status(503, {"Retry-After": "9999"})]
    assert fetch(entry).read_bytes() == CONTENT
    assert waits == [3.0, downloading.PATIENCE]


def test_a_server_that_falls_silent_is_left_and_asked_again(entry, server, monkeypatch):
    monkeypatch.setattr(downloading, "TIMEOUT", (1, 0.6))
    server.faults[PATH] = [Stall(150_000, 2)]
    assert fetch(entry).read_bytes() == CONTENT
    assert len(server.asked) == 2 and ranges(server)[1]
    cache.here(entry).unlink()
    monkeypatch.setattr(downloading, "TIMEOUT", (1, 0.1))
    server.faults[PATH] = [Stall(0, 1)] * 4
    assert f"{entry.where.address} has stopped sending. Run again" in refusal(entry)


def test_a_slow_server_is_waited_for(entry, server, monkeypatch):
    monkeypatch.setattr(downloading, "TIMEOUT", (1, 2))
    server.faults[PATH] = [Stall(150_000, 0.3)]
    assert fetch(entry).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_redirection_is_followed(entry, server):
    with Loopback() as far:
        far.files["/elsewhere"] = CONTENT
        far.faults["/elsewhere"] = [Cut(200_000)]
        server.said[PATH] = {"Location": f"{far.address}/elsewhere"}
        assert fetch(entry).read_bytes() == CONTENT
        assert [bool(request.range) for request in far.asked] == [False, True]
    cache.here(entry).unlink()
    # The host that a firewall would have to let through is named.
    assert f"{entry.where.address} (at 127.0.0.1:{far.port}) cannot be reached" in refusal(entry, Unreachable)


def test_a_server_without_ranges_is_asked_for_the_whole(entry, server):
    server.faults[PATH] = [Cut(200_000), Whole()]
    assert fetch(entry).read_bytes() == CONTENT
    assert [bool(text) for text in ranges(server)] == [False, True]


def test_a_server_that_goes_on_elsewhere_is_begun_anew(entry, server):
    server.faults[PATH] = [Cut(200_000), Astray(123)]
    assert fetch(entry).read_bytes() == CONTENT
    assert [bool(text) for text in ranges(server)] == [False, True, False]


def test_a_server_that_announces_no_length_will_do(entry, server):
    server.faults[PATH] = [Whole(announced=False)]
    assert fetch(entry).read_bytes() == CONTENT


def test_what_is_left_of_another_file_is_begun_anew(entry, server, part):
    part.write_bytes(bytes(100_000))
    told = Told()
    assert fetch(entry, progress=told).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=100000-", ""]
    assert "does not go with" in told.notes[-1]


def test_what_is_left_is_longer_than_the_file(entry, server, part):
    part.write_bytes(bytes(400_000))
    assert fetch(entry).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=400000-", ""]


def test_what_is_left_is_the_whole_file(entry, server, part):
    part.write_bytes(CONTENT)
    assert fetch(entry).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=300000-"]


def test_what_nobody_can_tell_from_another_file_is_not_gone_on_with(entry, server, part):
    part.write_bytes(bytes(100_000))
    assert fetch(entry._replace(digest="")).read_bytes() == CONTENT
    assert ranges(server) == [""]


@pytest.mark.parametrize("announced", [True, False])
def test_more_than_a_file_can_have_is_not_taken(announced, entry, server, part, monkeypatch):
    server.faults[PATH] = [Whole(announced)]
    server.files[PATH] = bytes(20_000_000)
    said = (
        "announces 20,000,000 bytes, where 16,600,000 are" if announced else "more than the 16,600,000 bytes"
    )
    assert said in refusal(entry)
    assert part.stat().st_size == 0


def test_a_wrong_hash_after_a_cut_is_tried_once_from_the_start(entry, server):
    server.files[PATH] = bytes(300_000)
    server.faults[PATH] = [Cut(200_000)]
    assert f"arrived damaged: sha256 is {hashlib.sha256(bytes(300_000)).hexdigest()}" in refusal(entry)
    assert [bool(text) for text in ranges(server)] == [False, True, False]


# No network.


def test_a_refused_connection_is_told_within_seconds(entry, server):
    with Loopback() as gone:
        pass
    entry = entry._replace(where=entry.where._replace(address=f"{gone.address}{PATH}"))
    began = time.perf_counter()
    said = refusal(entry, Unreachable)
    assert time.perf_counter() - began < 5
    assert f"and {entry.where.address} cannot be reached (connection refused). Save that file as " in said


def test_a_name_that_is_not_found_is_told_within_seconds(entry, monkeypatch):
    """Each kind of address, where no name server answers."""

    def unknown(host, *_, **__):
        asked.append(host)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    asked: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for where in (entry.where._replace(address="https://download.example/net.pth"), HUB):
        said = refusal(entry._replace(where=where), Unreachable)
        assert f"{where.address} cannot be reached (temporary failure in name resolution)" in said
        assert "Here now: --backbone efficientnet_lite0" in said
    assert asked == ["download.example"] * 2 + ["huggingface.co"] * 2


def test_a_firewall_that_swallows_everything_is_told_within_seconds(entry, monkeypatch):
    monkeypatch.setattr(downloading, "TIMEOUT", (0.3, 0.3))
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first:
        first.connect(full.getsockname())  # the one that fits
        address = f"http://127.0.0.1:{full.getsockname()[1]}"
        monkeypatch.setenv("HF_ENDPOINT", address)
        for where in (entry.where._replace(address=f"{address}{PATH}"), HUB):
            began = time.perf_counter()
            assert "cannot be reached (timed out)" in refusal(entry._replace(where=where), Unreachable)
            assert time.perf_counter() - began < 2  # asked once


def test_a_mirror_that_is_not_reached(entry, monkeypatch):
    with Loopback() as gone:
        monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", gone.address)
    said = refusal(entry, Unreachable)
    assert f"{gone.address}/torchvision/net-1a2b3c4d.pth cannot be reached" in said
    assert f"Save {entry.where.address} as " in said
    package = entry._replace(where=Packaged("tlkit-no-such-package", "1", None, "models/c.pth"))
    assert f"Put c.pth into {cache.target(package).parent}." in refusal(package, Unreachable)


def test_a_mirror_s_password_is_not_told(entry, server, home, monkeypatch):
    monkeypatch.setenv("TLKIT_WEIGHTS_MIRROR", server.address.replace("//", "//me:secret@"))
    server.files["/torchvision/net-1a2b3c4d.pth"] = CONTENT
    told = Told()
    path = fetch(entry._replace(digest=""), progress=told)
    assert server.asked[0].headers["Authorization"].startswith("Basic ")
    assert len(told.notes) == 2 and "secret" not in "".join(told.notes)
    assert "secret" not in (home / "weights" / "pins.json").read_text()
    path.unlink()
    server.files.clear()
    assert "secret" not in refusal(entry)


# The hub.


@pytest.fixture
def hub(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    return server, server.hub(HUB.repository, HUB.file, CONTENT)


def test_a_download_from_the_hub_goes_on_where_it_was_cut(entry, hub):
    server, path = hub
    server.faults[path] = [Cut(200_000), Status(503)]
    told = Told()
    assert fetch(entry._replace(where=HUB, digest=""), progress=told).read_bytes() == CONTENT
    assert [request.method for request in server.asked] == ["HEAD", "GET"] * 3
    agents = {
        value for one in server.asked for name, value in one.headers.items() if name.lower() == "user-agent"
    }
    assert len(agents) == 1 and agents.pop().startswith(f"tlkit/{tlkit.__version__}; hf_hub/")
    assert [bool(text) for text in ranges(server)] == [False, True, True]
    assert f"from {server.address}{path}: " in told.notes[0] and SHA256 in told.notes[-1]


def test_what_the_hub_states_of_a_file_holds(entry, hub):
    server, path = hub
    server.files[path] = bytes(300_000)  # while X-Linked-Etag is what it was
    said = refusal(entry._replace(where=HUB, digest=""))
    assert (
        f"sha256 is {hashlib.sha256(bytes(300_000)).hexdigest()}, expected {SHA256} as stated with it" in said
    )
    assert not (cache.folder() / "pins.json").exists()


def test_what_the_hub_has_replaced_is_refused_before_it_is_downloaded(entry, hub):
    server, _ = hub
    entry = entry._replace(where=HUB, digest="")
    fetch(entry).unlink()
    server.hub(HUB.repository, HUB.file, bytes(300_000))
    said = refusal(entry)
    other = hashlib.sha256(bytes(300_000)).hexdigest()
    assert (
        f"its sha256 is {other} now, and was {SHA256} at its first use here. Use the file that you had"
        in said
    )
    assert said.endswith(f"remove its lines from {cache.folder()}/pins.json.")
    assert len(server.downloads) == 1


def test_what_the_hub_has_not(entry, hub):
    server, path = hub
    said = refusal(entry._replace(where=HUB._replace(file="other.safetensors"), digest=""))
    assert f"{server.address}{path.replace('model', 'other')} is not there (HTTP 404)." in said
    assert [request.method for request in server.asked] == ["HEAD"]


def test_an_endpoint_that_is_no_address_is_told(entry, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "mirror.example")
    said = refusal(entry._replace(where=HUB, digest=""))
    assert (
        "fetched: mirror.example/timm/net.a1_in1k/resolve/main/model.safetensors cannot be asked for: "
        in said
    )
    assert ".." not in said


def test_the_hub_s_client_may_be_offline_by_itself(entry, hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # as TRANSFORMERS_OFFLINE makes it
    said = refusal(entry._replace(where=HUB, digest=""), Unreachable)
    assert "huggingface_hub is told to stay offline" in said and hub[0].asked == []


def test_a_token_goes_to_the_hub_alone(entry, hub, monkeypatch):
    server, path = hub
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with Loopback() as store:
        store.files["/bytes"] = CONTENT
        server.hub(HUB.repository, HUB.file, CONTENT, location=f"{store.address}/bytes")
        assert fetch(entry._replace(where=HUB, digest="")).read_bytes() == CONTENT
        fetch(entry)
    sent = [(request.method, request.headers.get("Authorization")) for request in server.asked + store.asked]
    named = [(request.method, request.headers.get("authorization")) for request in server.asked + store.asked]
    assert {*sent, *named} == {("HEAD", "Bearer hf_secret"), ("HEAD", None), ("GET", None)}
