"""What is compared with code that no one here wrote: a module a family, with `EXPECTED`, `CASES`, `TWINS`.

Nothing here needs Keras or torch, so that `make_golden.py` and the tests can both read it.
"""

import importlib
import pkgutil
from typing import Any, NamedTuple


class Case(NamedTuple):
    """A network of ours, and its twin in torch."""

    backbone: str  # in INDEX
    publisher: str  # torchvision, timm or pytorchcv; paper: a class of tests/backbones/oracles
    twin: str  # how the publisher calls it
    taps: dict[str, str]  # our layer → the twin's submodule that returns the same, in its order
    sizes: tuple[int, ...] = (96, 97)  # pixels a side: an even and an odd one
    options: dict[str, Any] = {}  # of our builder
    settings: dict[str, Any] = {}  # of the twin's
    names: dict[str, Any] | None = None  # our layer → the twin's; None: the family's names[publisher]
    step: bool = False  # also one step in training mode, for the moving statistics
    side: int = 96  # pixels a side in that step
    slow: bool = False  # left to `pytest -m slow`
    # Of kernels: what saturates needs more for outputs that tell something; a deep network with gates less,
    # or its maps grow until float32's rounding decides which gates are open.
    gain: float = 1.0
    pixels: tuple[float, float] = (127.5, 127.5)  # mean and spread of what the twin is fed: those of ours
    heads: bool = False  # the twin says that it trains, its layers do not: then its auxiliary heads run


class Twin(NamedTuple):
    """A network of ours, and a builder of keras.applications; compared live, with the same random weights."""

    backbone: str  # in INDEX
    builder: str  # in keras.applications
    taps: dict[str, str]  # our layer → theirs that returns the same
    options: dict[str, Any] = {}  # of our builder
    settings: dict[str, Any] = {}  # of theirs
    passed_by: tuple[str, ...] = ()  # layers of theirs, with weights, that only normalise the photograph
    unscaled: bool = False  # its normalisations have no gamma; ours is 1 then
    sizes: tuple[int, ...] = (96, 97)  # pixels a side: an even and an odd one
    gain: float = 1.0  # of kernels
    slow: bool = False


class Expected(NamedTuple):
    """What papers and publishers say of a backbone in its own geometry, written down by hand."""

    parameters: int  # trainable
    total_parameters: int  # with moving statistics
    without_top: tuple[int, int]  # the same two
    output: tuple[int, ...]  # shape without the top at its own size
    taps: tuple[tuple[str, int, int], ...]  # name, stride, channels
    slow: bool = False  # takes long to build: left to `pytest -m slow`


def load() -> dict[str, Case]:
    """All cases by name."""
    return _gathered("CASES")


def expected() -> dict[str, Expected]:
    """What is expected of each backbone in INDEX."""
    return _gathered("EXPECTED")


def twins() -> dict[str, Twin]:
    """All comparisons with keras.applications by name."""
    return _gathered("TWINS")


def _gathered(attribute: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        rows = getattr(importlib.import_module(f"{__name__}.{name}"), attribute, {})
        assert not found.keys() & rows.keys(), name
        found |= rows
    return found
