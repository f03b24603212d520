"""What is remembered of a file is what a new reading would give, or it is not used."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from tlkit.data import cache
from tlkit.data.cache import Cache, Memory, recognised, settled
from tlkit.data.looks import LOOK


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tlkit" / "photos"


def some(number: int = 1) -> Memory:
    row = np.zeros((), LOOK)
    row["width"], row["sha256"] = number, np.void(bytes(31) + b"\1")
    return Memory(b"facts", row[()], "")


def test_it_lies_in_the_user_s_cache_folder(tmp_path, own):
    with Cache(tmp_path) as known:
        known.put("a.jpg", some())
    assert list(own.iterdir()) and own.is_relative_to(platformdirs.user_cache_path("tlkit"))


def test_or_in_the_folder_that_the_user_names(tmp_path, own, monkeypatch):
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "named"))
    with Cache(tmp_path) as known:
        known.put("a.jpg", some())
    assert list((tmp_path / "named" / "photos").iterdir()) and not own.exists()


def test_what_was_put_is_there_in_the_next_run(tmp_path):
    with Cache(tmp_path) as known:
        assert known.get("a.jpg") is None
        known.put("a.jpg", some(7))
        known.put("ü 'b'\n🐜.jpg", Memory(b"other", None, "not a picture"))
    with Cache(tmp_path) as known:
        assert known.get("a.jpg") == some(7)
        assert known.get("a.jpg").look["width"] == 7
        assert known.get("ü 'b'\n🐜.jpg") == Memory(b"other", None, "not a picture")
        assert known.get("c.jpg") is None


def test_roots_do_not_mix(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with Cache(tmp_path / "one") as known:
        known.put("a.jpg", some())
    with Cache(tmp_path / "two") as known:
        assert known.get("a.jpg") is None


def test_another_version_reads_anew(tmp_path, monkeypatch):
    with Cache(tmp_path) as known:
        known.put("a.jpg", some())
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)  # as in a later release
    with Cache(tmp_path) as known:
        assert known.get("a.jpg") is None
        known.put("a.jpg", some(2))
    with Cache(tmp_path) as known:
        assert known.get("a.jpg").look["width"] == 2


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\0" + b"\xff" * 5000, b"nonsense" * 999])
def test_a_damaged_file_is_begun_anew(tmp_path, own, damage):
    with Cache(tmp_path) as known:
        known.put("a.jpg", some())
    file = next(own.iterdir())
    file.write_bytes(damage)
    with Cache(tmp_path) as known:
        assert known.get("a.jpg") is None
        known.put("a.jpg", some(3))
    with Cache(tmp_path) as known:
        assert known.get("a.jpg").look["width"] == 3


@pytest.mark.parametrize("damage", ["zeroblob(3)", "NULL", "'text'", "substr(look, 1, 40) || x'ff'", "x''"])
def test_a_look_that_is_not_as_it_was_written_is_read_again(tmp_path, own, damage):
    with Cache(tmp_path) as known:
        known.put("a.jpg", some())
    file = sqlite3.connect(next(own.iterdir()))
    with file:
        file.execute(f"UPDATE photos SET look = {damage}")
    file.close()
    with Cache(tmp_path) as known:
        assert known.get("a.jpg") is None


def test_bytes_that_change_on_the_disk_change_no_answer(tmp_path, own):
    rows = {f"{number}.jpg": some(number) for number in range(50)}
    with Cache(tmp_path) as known:
        for path, memory in rows.items():
            known.put(path, memory)
    file, random = next(own.iterdir()), np.random.default_rng(0)
    whole = np.frombuffer(file.read_bytes(), np.uint8)
    kept = 0
    for _ in range(30):
        damaged = whole.copy()
        damaged[random.integers(100, len(whole), 20)] ^= random.integers(1, 256, 20, np.uint8)
        file.write_bytes(damaged.tobytes())
        with Cache(tmp_path) as known:
            for path, memory in rows.items():
                found = known.get(path)
                kept += found is not None
                assert found in (None, memory)
    assert kept > 500


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a home")
def test_without_a_home_nothing_is_written_where_tlkit_starts(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    folder.chmod(0o777)
    code = (
        "import os, sys; from pathlib import Path; from tlkit.data.cache import Cache\n"
        "os.chdir(sys.argv[1]); os.setuid(54321)\n"
        "with Cache(Path('/')) as known: print(known.get('a.jpg'))"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", code, folder], env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("None\n", "")
    assert not list(folder.iterdir())


def test_a_file_in_use_is_done_without(tmp_path, own):
    with Cache(tmp_path) as known:
        known.put("a.jpg", some())
    other = sqlite3.connect(next(own.iterdir()))
    other.execute("BEGIN EXCLUSIVE")
    try:
        with Cache(tmp_path) as known:
            assert known.get("a.jpg") is None
            known.put("a.jpg", some(4))
    finally:
        other.close()


def test_no_place_to_write_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with Cache(tmp_path) as known:
        known.put("a.jpg", some())
        assert known.get("a.jpg") is None


def test_a_cache_folder_that_may_not_be_entered_is_done_without(tmp_path):
    """In a child, which becomes another user if it is root: permission bits do not bind root."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    code = (
        "import os; from pathlib import Path; from tlkit.data.cache import Cache, Memory\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "for _ in range(2):\n"
        "    with Cache(Path('/')) as known:\n"
        "        print(known.get('a.jpg'))\n"
        "        known.put('a.jpg', Memory(b'facts', None, 'empty'))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(locked)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    locked.chmod(0o700)
    assert (done.stdout, done.stderr) == ("None\nNone\n", "")
    assert not list(locked.iterdir())


def test_a_changed_file_is_not_recognised(tmp_path):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"one")
    before = file.stat()
    assert not settled(before)
    time.sleep(0.15)
    assert settled(before)
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as some programs do
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert recognised(file.stat()) != recognised(before)
    os.replace(file, tmp_path / "b.jpg")
    assert recognised((tmp_path / "b.jpg").stat())[:8] == recognised(before)[:8]
