"""A folder of weights that serves as a mirror: each file at its `where.path`, and SHA256SUMS of all.

Copied to a machine without a network, or put behind any web server, it is what TLKIT_WEIGHTS_MIRROR
names. `sha256sum -c SHA256SUMS` checks it there. tlkit itself believes the catalogue,
and that list of a file only as long as nothing is known of it.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tlkit.errors import Unreachable, WeightsError
from tlkit.progress import SILENT, Silent
from tlkit.weights import cache, fetching
from tlkit.weights.entries import Weights
from tlkit.weights.pins import SUMS, listed


def fill(entries: Sequence[Weights], folder: Path, *, progress: Silent = SILENT) -> dict[str, str]:
    """Have the files of `entries` in `folder`; returns the sha256 of all its files by path.

    What is there already is only checked. Files that are on this machine are copied; others are downloaded
    into the folder, not into the cache. Whatever ends it leaves a mirror of what there is by then.

    Raises `WeightsError` at the end if some could not be had, at once if there is no network.
    """
    folder = folder.absolute()
    sums, failed = _sums(folder), []
    for entry in entries:
        path = folder / entry.where.path
        try:
            sums[entry.where.path] = _have(entry, path, progress)
        except Unreachable:
            raise
        except WeightsError as error:
            failed.append(error)
            continue
        text = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
        with fetching.writing(folder / SUMS, len(text)):
            draft = folder / f".{SUMS}.part"
            draft.write_text(text)
            os.replace(draft, folder / SUMS)
    if failed:
        others = f" {len(failed)} of {len(entries)} files could not be had." if len(entries) > 1 else ""
        raise WeightsError(f"{failed[0].message}{others}", failed[0].hint) from failed[0]
    return sums


def _have(entry: Weights, path: Path, progress: Silent) -> str:
    """The sha256 of the file, which is then there."""
    if path.is_file():
        sha256, wrong = cache.compare(entry, path)
        if not wrong:
            return sha256
        progress.note(f"{path} is damaged ({wrong}): it is fetched anew.")
    found = fetching.found(entry, progress)
    if found is None:
        return fetching.obtain(entry, path, progress)
    with fetching.writing(path, entry.bytes):
        draft = path.with_name(f".{path.name}.part")
        shutil.copyfile(found, draft)
        sha256, wrong = cache.compare(entry, draft)
        if wrong:
            raise WeightsError(f"{found} does not arrive in {path.parent} as it is: {wrong}.")
        os.replace(draft, path)
    return sha256


def _sums(folder: Path) -> dict[str, str]:
    """What the list says, of files that are still there."""
    try:
        text = (folder / SUMS).read_text()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"{folder / SUMS} cannot be read: {error}.", "Remove it: it is written anew."
        ) from error
    return {name: sha256 for name, sha256 in listed(text).items() if (folder / name).is_file()}
