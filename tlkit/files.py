"""Write a file whole or not at all."""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tlkit.errors import OutputError


def home() -> Path | None:
    """Where tlkit keeps what it fetches and remembers: $TLKIT_HOME, or the platform's cache folder.

    None if this user has no home, or only a relative one: it would lie wherever tlkit was started.
    """
    import platformdirs

    own = os.environ.get("TLKIT_HOME")
    try:
        path = Path(own).expanduser().absolute() if own else platformdirs.user_cache_path("tlkit")
    except RuntimeError:  # the user has no home
        return None
    return path if path.is_absolute() else None  # an older platformdirs leaves "~" as it is


@contextmanager
def whole(path: Path, *, over: str = "") -> Iterator[Path]:
    """A free name beside `path`; what is written there takes the name `path` if the block ends well.

    File or folder, whatever the block made. If the block fails, or is interrupted, what it wrote
    is removed and `path` is as it was. Folders above `path` are made. The free name starts with a
    dot and keeps the suffix, which some writers insist on.

    A folder that is there already gives way only if it is empty or holds a file called `over`.

    Raises `OutputError` for every `OSError` of the block: do nothing but write in it.
    """
    path = Path(path)
    draft = path.with_name(f".tlkit-{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        _flush(draft)
        _replace(draft, path, over)
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise OutputError(
            f"{path} cannot be written: {reason[0].lower()}{reason[1:]}.",
            "Free some space, or choose a folder that can be written with --output.",
        ) from error
    finally:
        _remove(draft)


def write(path: Path, content: bytes | str) -> None:
    """Write one file, text as UTF-8 with its line ends as they are."""
    with whole(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


def json_lines(path: Path) -> Callable[[Mapping[str, Any]], None]:
    """Begin a file of one JSON object a line; what returns writes the file again with one more."""
    rows: list[str] = []

    def add(row: Mapping[str, Any]) -> None:
        rows.append(json.dumps(row) + "\n")
        write(path, "".join(rows))

    write(path, "")
    return add


def _flush(draft: Path) -> None:
    """Have the content on the disk before the name: after a power cut a name may outlive it otherwise."""
    for part in [draft] if draft.is_file() else draft.rglob("*"):
        if part.is_file():
            with part.open("rb+") as file:
                os.fsync(file.fileno())


def _replace(draft: Path, path: Path, over: str) -> None:
    """Rename: over a file or an empty folder in one step, over a folder of the same kind in two."""
    if not (draft.is_dir() and over and (path / over).is_file()):
        os.replace(draft, path)
        return
    old = draft.with_name(f"{draft.name}-old")
    os.replace(path, old)
    try:
        os.replace(draft, path)
    except OSError:
        os.replace(old, path)
        raise
    _remove(old)


def _remove(draft: Path) -> None:
    with suppress(OSError):  # whatever stopped the writing may stop this too, and is told already
        if draft.is_dir():
            shutil.rmtree(draft)
        else:
            draft.unlink(missing_ok=True)
