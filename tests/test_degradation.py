"""What residual networks are for, seen in training: tests/benchmarks/degradation.py, a part of it."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "benchmarks" / "degradation.py"


@pytest.mark.slow
def test_a_deeper_plain_network_trains_worse_and_a_residual_one_does_not(capsys):
    spec = importlib.util.spec_from_file_location("degradation", SCRIPT)
    degradation = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(degradation)
    found = {
        (kind, depth): degradation.train(kind, depth, seed=0, epochs=degradation.EPOCHS)
        for kind in degradation.KINDS
        for depth in (20, 56)
    }
    assert found["plain", 20].error < 0.02 and found["resnet", 20].error < 0.02
    assert found["plain", 56].error > 0.2  # 0.39 to 0.47 in three seeds
    assert found["resnet", 56].error < 0.06
    degradation.main(1, 1, 20)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["plain20", "resnet20"]
