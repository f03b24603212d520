"""No family takes more than twice keras.applications' time: tests/benchmarks/building.py, a part of it."""

import importlib.util
import time
from pathlib import Path

import cases
import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "building.py"
QUICK = "mobilenet_v1_025"  # the only one of the default suite

spec = importlib.util.spec_from_file_location("building", SCRIPT)
building = importlib.util.module_from_spec(spec)
spec.loader.exec_module(building)

rows = [pytest.param(name, marks=[pytest.mark.slow] * (name != QUICK)) for name in building.smallest()]


@pytest.mark.parametrize("name", rows)
def test_takes_at_most_twice_the_time_of_keras_applications(name):
    # The processor's seconds, the fewest of each: what else the machine does is left out.
    rounds = 1 if name == QUICK else 2
    found = building.measure(cases.twins()[name], rounds, clock=time.process_time)
    assert min(found.ours) <= building.MOST * min(found.theirs)


def test_one_network_a_family_is_measured():
    assert QUICK in building.smallest()
    families = [building.backbones.family(cases.twins()[name].backbone) for name in building.smallest()]
    assert len(set(families)) == len(families) >= 3
