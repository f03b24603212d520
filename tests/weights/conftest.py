"""A cache folder of each test's own, and a file to fetch into it from a server on this machine."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
from loopback import CONTENT, PATH, Loopback

from tlkit.weights import downloading, lite
from tlkit.weights.entries import Url

# What a child does first: it notes every look-up of a name and every connection, and says them at its end.
WATCH = """
import atexit, json, sys
asked = []
def watch(event, arguments):
    if event == "socket.getaddrinfo":
        asked.append(str(arguments[0]))
    elif event in ("socket.connect", "socket.sendto"):
        asked.append(str(arguments[1][0]))
sys.addaudithook(watch)
atexit.register(lambda: print(json.dumps(asked)))
from tlkit.errors import TlkitError
from tlkit.progress import Lines
from tlkit.weights import cache, downloading, fetch
from tlkit.weights.entries import *
def get(*entries):
    for entry in entries:
        try:
            print(fetch(entry, progress=Lines(sys.stdout)))
        except TlkitError as error:
            print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, and no waiting between tries."""
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))
    # Nor anything of whoever runs the tests.
    for name in ("KERAS_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(downloading, "PAUSES", (0.0, 0.0, 0.0))
    return tmp_path / "home"


@pytest.fixture
def server():
    """A server with one file."""
    with Loopback() as server:
        server.files[PATH] = CONTENT
        yield server


@pytest.fixture
def entry(server):
    """That file, with its whole hash."""
    return lite.entries()[0]._replace(
        backbone="resnet50",
        name="tv_v1",
        where=Url(f"{server.address}{PATH}", "torchvision"),
        digest=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}",
        bytes=len(CONTENT),
    )


@pytest.fixture
def child():
    """Runs code after `WATCH` in a process of its own; returns its lines and where it tried to connect to."""

    def run(code: str, *before: str, **environment: str) -> tuple[list[str], list[str]]:
        done = subprocess.run(
            [*before, sys.executable, "-c", f"{WATCH}\n{code}"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0 and not done.stderr, done.stderr
        *lines, asked = done.stdout.splitlines()
        return lines, json.loads(asked)

    return run
