"""Where weights files lie on this machine, and whether they are what was published. Nothing is fetched here.

tlkit's own lie in `weights` below `files.home()`, each under its entry's `where.path`. Files that pip,
keras, torch or huggingface_hub already keep are used where they are.
"""

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from tlkit import files
from tlkit.errors import WeightsError
from tlkit.weights import pins
from tlkit.weights.entries import Hub, Packaged, Url, Weights

MIRROR = "TLKIT_WEIGHTS_MIRROR"
HEADER = 2**22  # bytes that the header of a .safetensors file may have


class Place(NamedTuple):
    """A file that an entry's name and folder lead to, not yet read."""

    path: Path
    keeper: str  # "package", "tlkit", "mirror", or who else fetched it: "keras", "torch", "huggingface_hub"


def folder() -> Path:
    """Where fetched weights lie."""
    home = files.home()
    if home is None:
        raise WeightsError(
            "There is no folder to keep weights in: this user has no home.",
            "Set TLKIT_HOME to a folder that tlkit may write to.",
        )
    return home / "weights"


def target(entry: Weights) -> Path:
    """The file's path in the cache, whether it is there or not."""
    return folder() / entry.where.path


def mirror() -> str:
    """$TLKIT_WEIGHTS_MIRROR: a folder, or an address that begins with http; "" if there is none."""
    given = os.environ.get(MIRROR, "").strip()
    if given.startswith("file:"):
        return unquote(urlsplit(given).path)
    return given.rstrip("/") if is_address(given) else os.path.expanduser(given)


def is_address(given: str) -> bool:
    return given.startswith(("http://", "https://"))


def here(entry: Weights) -> Path | None:
    """The file, if one of that name is on this machine. It is not read: `check` does that."""
    return next((place.path for place in places(entry)), None)


def places(entry: Weights) -> Iterator[Place]:
    """Every file on this machine that may be the entry's, the likeliest first."""
    for place in _candidates(entry):
        try:
            if place.path.is_file():
                yield place
        except OSError:  # a folder that may not be looked into
            continue


def packaged(entry: Weights) -> Path | None:
    """Where a package put the file; None if it is not installed. None of its code is imported."""
    if not isinstance(entry.where, Packaged):
        return None
    try:
        found = importlib.metadata.distribution(entry.where.package).locate_file(entry.where.file)
    except importlib.metadata.PackageNotFoundError:
        return None
    return Path(str(found))


def _candidates(entry: Weights) -> Iterator[Place]:
    where, given = entry.where, mirror()
    package = packaged(entry)
    if package:
        yield Place(package, "package")
    if files.home():
        yield Place(target(entry), "tlkit")
    # By name alone anybody's file would do: where no hash is stated, others' folders are no source.
    if isinstance(where, Url) and entry.digest:
        name = Path(where.path).name
        keras = os.environ.get("KERAS_HOME") or "~/.keras"
        torch = os.environ.get("TORCH_HOME") or os.path.join(
            os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch"
        )
        yield Place(Path(os.path.expanduser(keras)) / "models" / name, "keras")
        yield Place(Path(os.path.expanduser(torch)) / "hub" / "checkpoints" / name, "torch")
    if isinstance(where, Hub):
        cached = _hub(where)
        if cached:
            yield Place(cached, "huggingface_hub")
    if given and not is_address(given):
        yield Place(Path(given) / where.path, "mirror")


def _hub(where: Hub) -> Path | None:
    from huggingface_hub import constants

    name = f"models--{where.repository.replace('/', '--')}"
    if not os.path.isdir(os.path.join(constants.HF_HUB_CACHE, name)):
        return None  # without importing the client, which takes a fifth of a second
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(where.repository, where.file, revision=where.revision)
    except OSError:  # a folder that may not be looked into
        return None
    return Path(found) if isinstance(found, str) else None


def stated(entry: Weights) -> str:
    """What is known of the file: "sha256:" or "md5:" and digits, perhaps its first 8; "" if nothing is.

    The sha256 it had at its first use on this machine, where the publisher states less.
    """
    pin = pinned(entry)
    return f"sha256:{pin}" if pin else entry.digest


def _kept_as(place: Place) -> str:
    """The sha256 that was stated with a file: by a mirror's list, or to huggingface_hub."""
    if place.keeper == "mirror":
        try:
            sums = pins.listed((Path(mirror()) / pins.SUMS).read_text())
        except (OSError, UnicodeDecodeError):
            return ""
        return sums.get(place.path.relative_to(mirror()).as_posix(), "")
    name = place.path.resolve().name if place.keeper == "huggingface_hub" else ""
    return name if len(name) == 64 and set(name) <= set("0123456789abcdef") else ""


def check(entry: Weights, path: Path) -> str:
    """The sha256 of the file, which is the entry's.

    Raises `WeightsError` with both hashes if it is not what was published, or not what it was at
    its first use on this machine.
    """
    keeper = next((place.keeper for place in places(entry) if place.path == path), "tlkit")
    sha256, wrong = compare(entry, path, _kept_as(Place(path, keeper)))
    if not wrong:
        return sha256
    where = entry.where
    if keeper == "package" and isinstance(where, Packaged):
        hint = f"Use pip install --force-reinstall {where.package}=={where.version}."
    elif keeper == "tlkit" and not isinstance(where, Packaged):
        otherwise = f"; {pins.replaced(folder())}" if pinned(entry) else "."
        hint = f"Use '{entry.command}', which puts another in its place{otherwise}"
    else:
        hint = "Put the published file there, or remove it."
    raise WeightsError(
        f"The weights of {entry.backbone} are damaged: {wrong.replace(' is ', f' of {path} is ', 1)}.", hint
    )


def compare(entry: Weights, path: Path, said: str = "") -> tuple[str, str]:
    """The file's sha256, and how it differs from what is known of the entry's: "" if it does not.

    `said` is the sha256 that a server stated, which counts until one is recorded.
    """
    kind, _, digits = entry.digest.partition(":")
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            # Not for safety: it is what keras states of some, and tells a cut file from a whole one.
            md5 = _md5(file) if kind == "md5" else ""
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    if kind == "md5" and md5 != digits:
        return sha256, f"md5 is {md5}, expected {digits}"
    if kind == "sha256" and not sha256.startswith(digits):
        return sha256, f"sha256 is {sha256}, expected {digits}{'…' if len(digits) < 64 else ''}"
    pin = pinned(entry)
    if pin and sha256 != pin:
        return sha256, f"sha256 is {sha256}, expected {pin} as at its first use here"
    if said and not pin and sha256 != said:
        return sha256, f"sha256 is {sha256}, expected {said} as stated with it"
    return sha256, "" if kind or pin or said else _implausible(entry, path)


def _implausible(entry: Weights, path: Path) -> str:
    """What speaks against the first file of an entry whose hash nobody states; "" if nothing does.

    Its hash is what later files are held to, and must not be that of a page that a proxy sent in its
    place, or of a cut file.
    """
    size = path.stat().st_size
    if size < entry.bytes // 2:  # half precision would take half
        return f"size is {size:,} bytes, expected about {entry.bytes:,}"
    if path.name.removesuffix(".part").endswith(".safetensors"):
        length = _safetensors_length(path)
        if length not in (None, size):
            return f"size is {size:,} bytes, expected {length:,} as its header says"
    return ""


def _safetensors_length(path: Path) -> int | None:
    """The bytes that a .safetensors file says it has; None where it cannot be told."""
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
        if header > HEADER:
            return None
        try:
            ends = [
                row["data_offsets"][1]
                for name, row in json.loads(file.read(header)).items()
                if name != "__metadata__"
            ]
            return 8 + header + max(ends)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return None


def _md5(file: BufferedReader) -> str:
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def pinnable(entry: Weights) -> bool:
    """Whether the publisher leaves open what the file is: no sha256 of it is known whole."""
    return len(entry.digest) != len("sha256:") + 64


def pinned(entry: Weights) -> str:
    """The sha256 that the file had at its first use on this machine; "" if none had to be recorded."""
    return pins.get(folder(), entry.where.path) if pinnable(entry) and files.home() else ""
