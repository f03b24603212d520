import gc

import numpy as np
import pytest
from make_golden import GOLDEN

from tlkit import backbones


@pytest.fixture(autouse=True)
def swept(request):
    """Keras models are in cycles: after a slow test several of 600 MB would wait to be freed together."""
    yield
    if request.node.get_closest_marker("slow"):
        gc.collect()


@pytest.fixture(scope="session")
def network():
    """A backbone with random weights, the same for all tests that only look at it."""
    built = {}

    def get(name):
        if name not in built:
            built[name] = backbones.build(name, weights=None, seed=1)
        return built[name]

    return get


@pytest.fixture(scope="session")
def golden():
    """What timm returned, by `make_golden.py`."""

    def get(name):
        with np.load(GOLDEN / f"{name}.npz") as stored:
            return dict(stored)

    return get
