"""Looks remembered in the user's cache folder: a file that has not changed is not read again.

A file is taken for unchanged if its size, its times of content and of status and its number on the
disk are what they were. No program can set the time of status, so a file written anew with its old
time is seen. What cannot be remembered, or was damaged on the disk, is read again: a cache never
stops a run and never changes what it says.
"""

import hashlib
import os
import sqlite3
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL

from tlkit import files
from tlkit.data.looks import LOOK, VERSION

TICK = 100_000_000  # nanoseconds; two changes within a file system's tick have one time
KEPT = struct.Struct("<qqqq")


class Memory(NamedTuple):
    """What is known of a file: a look, or why it cannot be read."""

    facts: bytes
    look: np.void | None
    reason: str


def recognised(status: os.stat_result) -> bytes:
    """What a file is recognised by."""
    return KEPT.pack(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def settled(status: os.stat_result) -> bool:
    """Whether a change from now on would show in the file's times."""
    return time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > TICK


class Cache:
    """The memories of one root, by path. Used from one thread."""

    def __init__(self, root: Path):
        self._file: sqlite3.Connection | None = None
        self._new: list[tuple[str, bytes, bytes, str]] = []
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:24]
        home = files.home()
        if home is None:
            return
        path = home / "photos" / f"{name}.sqlite"
        for _ in range(2):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = _open(path)
                return
            except OSError:
                return
            except sqlite3.OperationalError:  # in use, or on a disk that is full or cannot be written
                return
            except sqlite3.DatabaseError:  # damaged: begin anew
                with suppress(OSError):
                    path.unlink()

    def get(self, path: str) -> Memory | None:
        """What is remembered of a file, which may have changed since."""
        query = "SELECT facts, look, reason FROM photos WHERE path = ?"
        row = self._do(lambda file: file.execute(query, (path,)).fetchone())
        if row is None:
            return None
        return _unpacked(path, *row)

    def put(self, path: str, memory: Memory) -> None:
        self._new.append((path, *_packed(path, memory)))
        if len(self._new) >= 1000:
            self._write()

    def close(self) -> None:
        """Write down what is new; without it, nothing since the last thousand is remembered."""
        self._write()
        if self._file:
            self._file.close()

    def __enter__(self) -> "Cache":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _write(self) -> None:
        def insert(file: sqlite3.Connection) -> None:
            with file:  # one transaction
                file.executemany("INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?)", self._new)

        self._do(insert)
        self._new = []

    def _do(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """What `work` returns; what goes wrong in it ends the use of the file."""
        if self._file is None:
            return None
        try:
            return work(self._file)
        except (sqlite3.Error, UnicodeEncodeError):
            self._file.close()
            self._file = None
            return None


def _packed(path: str, memory: Memory) -> tuple[bytes, bytes, str]:
    """A row's facts, its look after a checksum of the whole row, and its reason."""
    look = b"" if memory.look is None else memory.look.tobytes()
    return memory.facts, _sum(path, memory.facts, look, memory.reason) + look, memory.reason


def _unpacked(path: str, facts: bytes, packed: bytes, reason: str) -> Memory | None:
    """The memory of a row; None if it is not as it was written: SQLite does not see single bytes change."""
    if not (type(facts) is type(packed) is bytes and type(reason) is str):
        return None
    look = packed[4:]
    if packed[:4] != _sum(path, facts, look, reason):
        return None
    return Memory(facts, np.frombuffer(look, LOOK)[0] if look else None, reason)


def _sum(path: str, facts: bytes, look: bytes, reason: str) -> bytes:
    texts = (text.encode("utf-8", "backslashreplace") for text in (path, reason))
    return zlib.crc32(b"\0".join((facts, look, *texts))).to_bytes(4)


def _open(path: Path) -> sqlite3.Connection:
    """The file's table, emptied if another version of tlkit or Pillow filled it."""
    file = sqlite3.connect(path, timeout=0.5)
    made_by = f"{VERSION} crc32 {LOOK.descr} {PIL.__version__} {bool(find_spec('pillow_heif'))}"
    version = int.from_bytes(hashlib.sha256(made_by.encode()).digest()[:3])
    try:
        file.execute("PRAGMA synchronous = OFF")  # it may be lost; it must not be slow
        if file.execute("PRAGMA user_version").fetchone()[0] != version:
            with file:
                file.execute("DROP TABLE IF EXISTS photos")
                columns = "path TEXT PRIMARY KEY, facts BLOB, look BLOB, reason TEXT"
                file.execute(f"CREATE TABLE photos ({columns}) WITHOUT ROWID")
                file.execute(f"PRAGMA user_version = {version}")
        file.execute("SELECT path, facts, look, reason FROM photos LIMIT 1").fetchall()
    except sqlite3.Error:
        file.close()
        raise
    return file
