"""Hashes that no publisher states whole: recorded when a file is first used, and held from then on.

They lie in `pins.json` beside the files, one for each path below the cache folder, whichever place
the file itself was found in.
"""

import json
from pathlib import Path
from typing import Any

from tlkit import files
from tlkit.errors import OutputError, WeightsError

SUMS = "SHA256SUMS"  # beside the files of a mirror, in the form that `sha256sum -c` takes


def listed(text: str) -> dict[str, str]:
    """The sha256 of each file in a list that `sha256sum` writes and checks.

    >>> listed(f"{64 * 'a'}  timm/model.safetensors")["timm/model.safetensors"][:3]
    'aaa'
    """
    pairs = [line.split("  ", 1) for line in text.splitlines() if "  " in line]
    return {name: sha256 for sha256, name in pairs}


def get(folder: Path, name: str) -> str:
    """The sha256 recorded for the file `name`; "" if there is none yet."""
    pin = _read(folder).get(name)
    return "" if pin is None else pin["sha256"]


def replaced(folder: Path) -> str:
    """What to do if a file is another one for good."""
    return f"if its publisher has replaced it on purpose, remove its lines from {folder / 'pins.json'}."


def put(folder: Path, name: str, sha256: str, address: str) -> bool:
    """Record a hash, unless one is there; False if the folder cannot be written."""
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".pins.lock"):
            pins = _read(folder)
            pins.setdefault(name, {"sha256": sha256, "from": address})
            files.write(folder / "pins.json", json.dumps(pins, indent=1, sort_keys=True) + "\n")
    except (OSError, OutputError):
        return False
    return True


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "pins.json"
    try:
        pins = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError:
        pins = None
    # Begun anew without a word, it would take any file for the first.
    if not (isinstance(pins, dict) and all(_whole(pin) for pin in pins.values())):
        raise WeightsError(
            f"{path} is damaged: it holds the hashes that weights had when they were first used.",
            "Remove it to trust the files that are there now.",
        )
    return pins


def _whole(pin: Any) -> bool:
    return isinstance(pin, dict) and isinstance(pin.get("sha256"), str) and len(pin["sha256"]) == 64
