"""The fit, stored by name in a model: how a photo becomes the square that it takes.

A Keras model holds a layer that does nothing and is called `fit_crop`; the others a small file,
`tlkit.json`, with `{"fit": "crop"}`. A model that says nothing is a model for `stretch`, which is
what MediaPipe does by itself.
"""

import json
from collections.abc import Iterable

NAME = "tlkit.json"
PREFIX = "fit_"  # of the layer's name
DEFAULT = "stretch"
# To feed a model by, in words.
WORDS = {
    "stretch": "the whole picture stretched",
    "crop": "the square in the middle, as wide as the picture's shorter side, scaled",
    "pad": "the whole picture in the middle of a square of grey (127, 127, 127), as wide as its longer side, "
    "scaled",
}


def join(fit: str) -> bytes:
    return json.dumps({"fit": fit}).encode() + b"\n"


def split(content: bytes) -> str:
    """The fit in the bytes of a `tlkit.json`. Raises `ValueError` if there is none, or an unknown one."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its {NAME} is no JSON") from error
    fit = told.get("fit", DEFAULT) if isinstance(told, dict) else None
    if not isinstance(fit, str) or fit not in WORDS:
        raise ValueError(f"its {NAME} asks for a fit that this tlkit does not know, {fit!r}"[:200])
    return fit


def marked(names: Iterable[str]) -> str:
    """The fit that one of these layers names. Raises `ValueError` if it is an unknown one."""
    fits = [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
    if fits and fits[0] not in WORDS:
        raise ValueError(f"its layer {PREFIX}{fits[0]} names a fit that this tlkit does not know")
    return fits[0] if fits else DEFAULT
