"""What a model holds beside its network: its fit, its temperature, and the threshold of "none of these".

A Keras model holds them as stock layers that Keras alone reads: `fit_crop` and `none_below_0.6312`, which
pass on what they get, and `temperature`, which divides the logits. The others hold a small file,
`tlkit.json`: `{"fit": "crop", "temperature": 1.31, "threshold": 0.6312}`. A model that says nothing is a
model for `stretch`, which is what MediaPipe does by itself, with probabilities as they came and an answer
for every photo.

The threshold is not told to MediaPipe as ScoreThresholdingOptions of the metadata: it would leave out every
class below it, not the photo, and where the likeliest is left out nothing is returned at all; then no share
of right answers could be compared with the model's.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from tlkit.formats import geometry

NAME = "tlkit.json"
FIT, THRESHOLD = "fit_", "none_below_"  # of layers' names
TEMPERATURE = "temperature"  # a layer's name


class About(NamedTuple):
    fit: str = geometry.DEFAULT
    temperature: float = 1.0  # of the probabilities; the network has divided by it
    threshold: float | None = None  # the answer is none of the classes where all are less likely


PLAIN = About()


def layer(threshold: float) -> str:
    """The name of the layer that holds a threshold.

    >>> layer(0.63)
    'none_below_0.6300'
    """
    return f"{THRESHOLD}{threshold:.4f}"


def join(about: About) -> bytes:
    told: dict[str, Any] = {"fit": about.fit}
    if about.temperature != 1:
        told["temperature"] = about.temperature
    if about.threshold is not None:
        told["threshold"] = about.threshold
    return json.dumps(told).encode() + b"\n"


def split(content: bytes) -> About:
    """What the bytes of a `tlkit.json` say. Raises `ValueError` if they are none, or nobody knows what."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its {NAME} is no JSON") from error
    fit = told.get("fit", geometry.DEFAULT) if isinstance(told, dict) else None
    if not isinstance(fit, str) or fit not in geometry.WORDS:
        raise ValueError(f"its {NAME} asks for a fit that this tlkit does not know, {fit!r}"[:200])
    temperature, threshold = told.get("temperature", 1.0), told.get("threshold")
    if not (_number(temperature) and 0 < temperature < math.inf):
        raise ValueError(f"its {NAME} has a temperature that is none, {temperature!r}"[:200])
    if threshold is not None and not (_number(threshold) and 0 < threshold < 1):
        raise ValueError(f"its {NAME} has a threshold that is none, {threshold!r}"[:200])
    return About(fit, float(temperature), None if threshold is None else float(threshold))


def marked(names: Iterable[str], temperature: float = 1.0) -> About:
    """What layers of these names say. Raises `ValueError` if this tlkit does not know it."""
    names = tuple(names)
    fits = [name.removeprefix(FIT) for name in names if name.startswith(FIT)]
    if fits and fits[0] not in geometry.WORDS:
        raise ValueError(f"its layer {FIT}{fits[0]} names a fit that this tlkit does not know")
    asked = [name.removeprefix(THRESHOLD) for name in names if name.startswith(THRESHOLD)]
    threshold = None
    if asked:
        try:
            threshold = float(asked[0])
        except ValueError:
            threshold = math.nan
        if not 0 < threshold < 1:
            raise ValueError(f"its layer {THRESHOLD}{asked[0]} names no threshold")
    return About(fits[0] if fits else geometry.DEFAULT, temperature, threshold)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
