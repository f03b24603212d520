"""Files come into being whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tlkit import files
from tlkit.errors import OutputError


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_home_is_where_it_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert files.home() == tmp_path / "cache" / "tlkit"
    monkeypatch.chdir(tmp_path)
    for given, path in (("~/own", tmp_path / "own"), ("own", tmp_path / "own"), ("/own", Path("/own"))):
        monkeypatch.setenv("TLKIT_HOME", given)
        assert files.home() == path
    monkeypatch.setenv("TLKIT_HOME", "~no-such-user/own")
    assert files.home() is None


def test_content_is_written_as_it_is(tmp_path):
    files.write(tmp_path / "new" / "labels.txt", "猫\r\né\n")
    files.write(str(tmp_path / "bytes"), b"\0\xff")
    assert (tmp_path / "new" / "labels.txt").read_bytes() == "猫\r\né\n".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\0\xff"
    assert names(tmp_path) == ["bytes", "labels.txt", "new"]


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    files.write(tmp_path / "whole", b"")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_failure_leaves_what_was_there(tmp_path, failure):
    path = tmp_path / "model.keras"
    files.write(path, b"old")
    with pytest.raises(failure), files.whole(path) as draft:
        assert draft.suffix == ".keras" and draft.parent == tmp_path
        draft.write_bytes(b"half of the ne")
        assert path.read_bytes() == b"old"
        raise failure
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["model.keras"]


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    """A limit on the size of files, which the system enforces as it does the size of the disk."""
    code = f"""
import resource, signal
from pathlib import Path
from tlkit import files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
files.write(Path({str(tmp_path / "large.bin")!r}), bytes(5000))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "large.bin cannot be written: file too large. Free some space" in result.stderr
    assert names(tmp_path) == []


def test_places_that_cannot_be_written_are_one_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "below", "/proc/tlkit/labels.txt", tmp_path / ("x" * 300)):
        with pytest.raises(OutputError, match="cannot be written: .*--output") as failure:
            files.write(path, b"content")
        assert "\n" not in str(failure.value)
    assert names(tmp_path) == ["file"]


def test_long_names_fit(tmp_path):
    files.write(tmp_path / ("猫" * 80 + ".txt"), b"content")
    assert len(names(tmp_path)) == 1


def folder(path, *contents):
    path.mkdir()
    for name in contents:
        (path / name).write_text(str(path))
    return path


def test_folders_take_their_place_whole(tmp_path):
    target = tmp_path / "model"
    for content in ("first", "second"):
        with files.whole(target, over="mark") as draft:
            folder(draft, "mark", content)
            assert not (target / content).exists()
        assert names(target) == sorted([content, "mark"])
    assert names(tmp_path) == ["mark", "model", "second"]


@pytest.mark.parametrize("over", ["", "mark"])
def test_folders_of_another_kind_stay(tmp_path, over):
    target = folder(tmp_path / "photos", "rose.jpg")
    with pytest.raises(OutputError, match="directory not empty"), files.whole(target, over=over) as draft:
        folder(draft, "mark")
    assert names(tmp_path) == ["photos", "rose.jpg"]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    target = folder(tmp_path / "photos", "rose.jpg")
    with pytest.raises(OutputError, match="cannot be written: is a directory"):
        files.write(target, b"content")
    assert names(tmp_path) == ["photos", "rose.jpg"]


def test_content_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (order.append("fsync"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *paths: (order.append("replace"), replace(*paths)))
    files.write(tmp_path / "file", b"content")
    with files.whole(tmp_path / "folder") as draft:
        folder(draft, "one", "two")
    assert order == ["fsync", "replace", "fsync", "fsync", "replace"]
