"""Fetching in processes of their own: who connects where, who waits for whom, who may write."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from loopback import CERTIFICATE, CONTENT, PATH, Held, Loopback, Whole

from tlkit.weights import cache, fetch, lite
from tlkit.weights.entries import Hub, Packaged

pytestmark = pytest.mark.usefixtures("home")
HUB = Hub("timm/net.a1_in1k")
# Those of whoever runs the tests would be taken for the user's.
NONE = dict.fromkeys(("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), "")


@pytest.fixture
def each(entry):
    """An entry of each kind of place, none of them here."""
    places = (entry.where, HUB, Packaged("tlkit-no-such-package", "1", None, "models/c.pth"))
    return [entry._replace(where=where, digest="") for where in places]


@pytest.mark.parametrize("variable", ["TLKIT_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize("mirror", ["", "https://mirror.example"])
def test_offline_nothing_is_connected_to(variable, mirror, each, server, child):
    lines, asked = child(
        f"get(*{each!r}, *{[lite.entries()[0]]!r})", **{variable: "1", "TLKIT_WEIGHTS_MIRROR": mirror}
    )
    assert asked == [] == server.asked
    assert len(lines) == 4 and lines[3] == str(cache.packaged(lite.entries()[0]))
    forbidden = [line for line in lines if line.startswith("Unreachable: ")]
    assert len(forbidden) == (3 if mirror else 2)
    assert all(f"{variable}=1 forbids asking for {mirror or 'http'}" in line for line in forbidden)


def test_with_an_endpoint_nothing_else_is_connected_to(each, server, child):
    """Not for the bytes either, though the hub names a store that has them."""
    path = server.hub(HUB.repository, HUB.file, CONTENT)
    lines, asked = child(f"get({each[1]!r})", HF_ENDPOINT=server.address)
    assert lines[-1].endswith("weights/timm/net.a1_in1k/model.safetensors")
    assert set(asked) == {"127.0.0.1"}
    assert [(request.method, request.path) for request in server.asked] == [("HEAD", path), ("GET", path)]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_own_certificates_are_trusted_by_one_variable(variable, each, child):
    with Loopback(certificate=CERTIFICATE) as server:
        server.files[PATH] = CONTENT
        server.hub(HUB.repository, HUB.file, CONTENT)
        url = each[0]._replace(where=each[0].where._replace(address=f"{server.address}{PATH}"))
        code = f"get({url!r}, {each[1]!r})"
        lines, asked = child(code, **{**NONE, variable: str(CERTIFICATE)}, HF_ENDPOINT=server.address)
        assert [request.method for request in server.asked] == ["GET", "HEAD", "GET"]
        assert set(asked) == {"127.0.0.1"}
    assert [os.path.exists(line) for line in lines if line[0] == "/"] == [True, True]


def test_other_certificates_are_not_trusted(each, child):
    with Loopback(certificate=CERTIFICATE) as server:
        url = each[0]._replace(where=each[0].where._replace(address=f"{server.address}{PATH}"))
        lines, _ = child(f"get({url!r}, {each[1]!r})", **NONE, HF_ENDPOINT=server.address)
        assert server.asked == []
    refused = [line for line in lines if line.startswith("WeightsError: ")]
    assert len(refused) == 2
    for line, path in zip(refused, (PATH, f"/{HUB.repository}/resolve/main/{HUB.file}"), strict=True):
        assert f"the certificate of {server.address}{path} is not trusted (self" in line
        assert line.endswith("set SSL_CERT_FILE to the file of its certificates.")


def test_certificates_that_are_not_there_are_told(each, child):
    lines, asked = child(f"get({each[0]!r}, {each[1]!r})", **{**NONE, "SSL_CERT_FILE": "/no/such.pem"})
    refused = [line for line in lines if line.startswith("WeightsError: ")]
    assert len(refused) == 2 and asked == []
    assert all(
        "SSL_CERT_FILE names the certificates to trust, and there is no /no/such.pem." in line
        for line in refused
    )


def test_a_proxy_is_gone_through(each, child):
    with Loopback() as proxy:
        proxy.files[PATH] = CONTENT
        proxy.hub(HUB.repository, HUB.file, CONTENT)
        url = each[0]._replace(where=each[0].where._replace(address=f"http://download.example{PATH}"))
        lines, asked = child(
            f"get({url!r}, {each[1]!r})",
            HTTP_PROXY=proxy.address,
            http_proxy=proxy.address,
            HF_ENDPOINT="http://hub.example",
        )
    assert set(asked) == {"127.0.0.1"}
    assert [request.path for request in proxy.downloads] == [
        f"http://download.example{PATH}",
        f"http://hub.example/{HUB.repository}/resolve/main/{HUB.file}",
    ]
    assert sum(line[0] == "/" for line in lines) == 2


def test_a_proxy_is_tunnelled_through(each, child):
    with Loopback() as proxy, Loopback(certificate=CERTIFICATE) as server:
        proxy.tunnel = ("127.0.0.1", server.port)
        server.files[PATH] = CONTENT
        server.hub(HUB.repository, HUB.file, CONTENT)
        url = each[0]._replace(where=each[0].where._replace(address=f"https://mirror.example{PATH}"))
        lines, asked = child(
            f"get({url!r}, {each[1]!r})",
            HTTPS_PROXY=proxy.address,
            https_proxy=proxy.address,
            HF_ENDPOINT="https://mirror.example",
            **{**NONE, "SSL_CERT_FILE": str(CERTIFICATE)},
        )
        assert {(request.method, request.path) for request in proxy.asked} == {
            ("CONNECT", "mirror.example:443")
        }
        assert [request.method for request in server.asked] == ["GET", "HEAD", "GET"]
    assert set(asked) == {"127.0.0.1"} and sum(line[0] == "/" for line in lines) == 2


def started(entry):
    """A process that fetches the entry, and says what it does."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # as in a terminal
        "from tlkit.progress import Lines; from tlkit.weights import fetch\n"
        f"from tlkit.weights.entries import *; print(fetch({entry!r}, progress=Lines(sys.stdout)))"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_two_processes_download_once(entry, server):
    go_on = threading.Event()
    server.faults[PATH] = [Held(100_000, go_on)]
    with started(entry) as one:
        assert one.stdout.readline().startswith("Downloading tv_v1 of resnet50")
        with started(entry) as other:
            said = other.stdout.readline()
            go_on.set()
            assert said == "Another process is fetching net-1a2b3c4d.pth: waiting for it.\n"
            assert other.stdout.read() == f"{cache.target(entry)}\n"
        assert one.stdout.read().endswith(f"\n{cache.target(entry)}\n")
    assert len(server.asked) == 1


def test_a_killed_download_is_gone_on_with(entry, server):
    go_on = threading.Event()
    server.faults[PATH] = [Held(200_000, go_on)]
    part = cache.target(entry).with_name(".net-1a2b3c4d.pth.part")
    with started(entry) as process:
        deadline = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size > 100_000) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    go_on.set()
    assert process.returncode == -signal.SIGKILL
    assert not cache.target(entry).exists()
    kept = part.stat().st_size
    assert 100_000 < kept <= 200_000
    assert fetch(entry).read_bytes() == CONTENT
    assert server.asked[-1].range == f"bytes={kept}-"


def test_ctrl_c_says_what_is_kept(entry, server):
    go_on = threading.Event()
    server.faults[PATH] = [Held(200_000, go_on)]
    part = cache.target(entry).with_name(".net-1a2b3c4d.pth.part")
    with started(entry) as process:
        deadline = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size > 100_000) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
    go_on.set()
    assert said.endswith("\nWhat has arrived of net-1a2b3c4d.pth is kept: the same again goes on with it.\n")


# Permission bits do not bind root; another user may not be let into the folder that Python lies in.
OTHER = "import os, filelock, pooch, requests\nif os.geteuid() == 0: os.setuid(65534)\n"


@pytest.fixture
def locked():
    """A folder that only its owner may write to; pytest's own would not even be entered by others."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        Path(folder).chmod(0o700)


def test_a_cache_that_may_not_be_written_is_read(entry, server, child, locked, monkeypatch):
    monkeypatch.setenv("TLKIT_HOME", str(locked))
    path = fetch(entry)
    weak = entry._replace(digest=entry.digest[:15])
    locked.chmod(0o555)
    lines, _ = child(f"{OTHER}get({entry!r}, {weak!r})")
    assert lines == [str(path)] * 2
    assert len(server.asked) == 1


def test_a_cache_that_may_not_be_written_is_told(entry, server, child, locked):
    locked.chmod(0o555)
    lines, _ = child(f"{OTHER}get({entry!r})", TLKIT_HOME=str(locked))
    assert lines == [
        f"WeightsError: {locked}/weights/torchvision cannot be written: permission denied. "
        "Make that folder writable, or set TLKIT_HOME to another one."
    ]
    assert server.asked == []


def own_mounts():
    """How to begin a command that may mount: as root, or as root of one's own."""
    for flags in (["-m"], ["-Urm"]):
        if (
            shutil.which("unshare")
            and not subprocess.run(
                ["unshare", *flags, "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True
            ).returncode
        ):
            return ["unshare", *flags]
    return []


@pytest.mark.skipif(not own_mounts(), reason="a small disk cannot be mounted here, not even in a namespace")
@pytest.mark.parametrize("announced", [True, False])
def test_a_full_disk_is_told(announced, entry, server, child, tmp_path):
    server.faults[PATH] = [Whole(announced)]
    small = tmp_path / "small"
    small.mkdir()
    code = "from pathlib import Path\nprint(sorted(p.name for p in cache.folder().rglob('*') if p.is_file()))"
    mount = ["sh", "-c", 'mount -t tmpfs -o size=200k small "$0" && exec "$@"', str(small)]
    lines, _ = child(f"get({entry!r})\n{code}", *own_mounts(), *mount, TLKIT_HOME=str(small))
    reason = "300,000 bytes more are needed, 204,800 are free" if announced else "no space left on device"
    assert lines[1:] == [
        f"WeightsError: {small}/weights/torchvision has no room for the 300,000 bytes of net-1a2b3c4d.pth: "
        f"{reason}. Free some space in that folder, or set TLKIT_HOME to another one.",
        "['.net-1a2b3c4d.pth.lock']",
    ]
