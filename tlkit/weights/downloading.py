"""Bytes from a server into a file, by pooch, resumed where they were cut.

huggingface_hub is asked where a file of the hub lies and what its sha256 is, at $HF_ENDPOINT and with the
user's token if there is one. Its own `hf_hub_download` does not bring it here: 2.4 begins anew under
another name in each process, and of a cut connection it loses what is below 10 MiB.
"""

import errno
import io
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote, urlsplit

from tlkit import __version__
from tlkit.weights import faults, pins, trust
from tlkit.weights.entries import Hub
from tlkit.weights.faults import Failed

PAUSES = (0.5, 1.0, 2.0)  # seconds between tries
PATIENCE = 10.0  # seconds that a server may ask to wait
TIMEOUT = (4.0, 20.0)  # seconds: to be connected, and from one piece to the next
PIECE = 1 << 16
HUB = "https://huggingface.co"
NAME = "tlkit"
NAMED = f"{NAME}/{__version__}"
LIST = 1 << 20  # bytes of a mirror's list: a hundred for each file


class Source(NamedTuple):
    """Where to get a file, and what its server says of it."""

    address: str
    sha256: str = ""
    headers: Mapping[str, str] = MappingProxyType({})


class _Whole(Exception):
    """There is nothing after what is there already."""


class _Unwritten(Exception):
    """The file could not be written. An `OSError` would not do: those of requests are some too."""

    def __init__(self, error: OSError):
        super().__init__(error)
        self.error = error


def download(
    asked: str, find: Callable[[], Source], part: Path, most: int, known: bool, ticked: Callable[[int], None]
) -> tuple[Source, bool]:
    """Have in `part` the file that `find` leads to; also, whether it was put together from several pieces.

    `asked` is its address as the reader knows it. No more than `most` bytes are taken. `known` is whether
    the caller can tell the right file from others. `ticked` is told how many bytes there are.

    Raises `Failed`, or `OSError` if `part` cannot be written.
    """
    tries, had, source = 1, _size(part), None
    while True:
        try:
            source, before = find(), source
            if before is None and not (known or source.sha256):
                part.unlink(missing_ok=True)  # nobody would see if what is there were of another file
            pieced = _size(part) > 0
            _get(source, part, most, ticked)
            return source, pieced
        except _Unwritten as error:
            raise error.error from None
        except Exception as error:  # the two clients' have no class in common
            failed = faults.explained(error, asked)
            if failed is None:
                raise
            tries, had = (1, _size(part)) if _size(part) > had else (tries, had)
            if tries >= failed.tries:
                raise failed from error
            time.sleep(max(PAUSES[tries - 1], min(faults.asked_to_wait(error), PATIENCE)))
            tries += 1


def hub_address(where: Hub) -> str:
    """The file's address at the hub, or at whatever $HF_ENDPOINT names."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return where.address.replace(HUB, endpoint, 1) if endpoint else where.address


def hub(where: Hub) -> Source:
    """What the hub says of a file."""
    import httpx2
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.utils import build_hf_headers

    asked = hub_address(where)
    patience: Any = httpx2.Timeout(TIMEOUT[1], connect=TIMEOUT[0])  # it is handed on as it is
    with trust.client():
        said = get_hf_file_metadata(asked, timeout=patience, library_name=NAME, library_version=__version__)
        headers = build_hf_headers(library_name=NAME, library_version=__version__)
    # A token is the hub's alone, not of the store that keeps its files.
    if urlsplit(said.location)[:2] != urlsplit(asked)[:2]:
        headers.pop("authorization", None)
    lfs = re.fullmatch("[0-9a-f]{64}", said.etag or "")
    return Source(said.location, said.etag or "" if lfs else "", headers)


def mirrored(mirror: str, path: str) -> Source:
    """Where a mirror keeps a file, and what its list of hashes, if it has one, says of it."""
    import pooch
    import requests

    text = io.BytesIO()
    try:
        pooch.HTTPDownloader(
            timeout=TIMEOUT, headers={"User-Agent": NAMED}, verify=trust.authorities() or True
        )(f"{mirror}/{pins.SUMS}", _Sink(text, LIST, lambda there: None), None)
    except requests.HTTPError as error:
        if error.response is not None and error.response.status_code >= 500:
            raise
    sums = pins.listed(text.getvalue().decode(errors="replace"))
    return Source(f"{mirror}/{quote(path)}", sums.get(path, ""))


def _get(source: Source, part: Path, most: int, ticked: Callable[[int], None]) -> None:
    import pooch

    with part.open("ab", buffering=0) as file, ExitStack() as opened:
        start = file.tell()

        def answered(response: Any, *_: Any, **__: Any) -> None:
            opened.callback(response.close)  # pooch leaves that to chance
            partial = response.headers.get("Content-Range", "")
            if response.status_code == 416:
                raise _Whole
            if response.status_code == 206 and not partial.startswith(f"bytes {start}-"):
                file.truncate(0)
                raise Failed("the server goes on elsewhere than it was asked to", tries=faults.TRIES)
            if response.status_code == 200:
                file.truncate(0)
                file.seek(0)
            if response.status_code in (200, 206):
                _room(part, file.tell(), int(response.headers.get("Content-Length") or 0), most)

        # Packed bodies would be counted, and resumed, by their unpacked bytes.
        headers = {"Accept-Encoding": "identity", "User-Agent": NAMED, **source.headers}
        if start:
            headers["Range"] = f"bytes={start}-"
        with suppress(_Whole):
            pooch.HTTPDownloader(
                chunk_size=PIECE,
                timeout=TIMEOUT,
                headers=headers,
                hooks={"response": answered},
                verify=trust.authorities() or True,
            )(source.address, _Sink(file, most, ticked), None)
        _flush(file)


class _Sink:
    """What pooch writes into."""

    def __init__(self, file: BinaryIO, most: int, ticked: Callable[[int], None]):
        self.file, self.most, self.ticked = file, most, ticked

    def write(self, piece: bytes) -> None:
        left = memoryview(piece)
        try:
            while left:
                left = left[self.file.write(left) :]
            there = self.file.tell()
        except OSError as error:
            raise _Unwritten(error) from error
        self.ticked(there)
        if there > self.most:
            self.file.truncate(0)
            raise Failed(f"more than the {self.most:,} bytes of the file arrive")

    def flush(self) -> None:
        """The file has no buffer: a byte that was received is on the disk's way even if we are killed."""


def _room(part: Path, there: int, coming: int, most: int) -> None:
    """Whether what is announced is to be had, and has room."""
    if there + coming > most:
        raise Failed(f"the server announces {there + coming:,} bytes, where {most:,} are the most expected")
    free = shutil.disk_usage(part.parent).free
    if free < coming:
        needed = f"{coming:,} bytes more are needed, {free:,} are free"
        raise _Unwritten(OSError(errno.ENOSPC, needed))


def _flush(file: BinaryIO) -> None:
    try:
        os.fsync(file.fileno())
    except OSError as error:
        raise _Unwritten(error) from error


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
