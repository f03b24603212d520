"""A small real network of every family is fine-tuned by the command line: an epoch, a phone file, a check."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tlkit.backbones import INDEX, family, variant

TEXTURES = Path(__file__).parents[2] / "data" / "textures"

# Of each family one that users take; None: too small for photos of a size that says anything.
# fmt: off
NETWORKS = [
    "neocognitron", "lenet5", "small_cnn", "simple_resnet", "alexnet", "nin_cifar", "vgg11", "resnet18",
    "resnet50_v2", "resnet20_cifar", "se_resnet50", "googlenet", "inception_bn", "inception_v3", "xception",
    "densenet121", "mobilenet_v1_025", "mobilenet_v2_035", "mobilenet_v3_small", "efficientnet_lite0",
    "efficientnet_v2_b0", "convnext_atto",
]
# fmt: on
DEFAULT = ("small_cnn",)  # the others are slow; .ci/run runs them


def test_every_family_is_there():
    assert {family(name) for name in NETWORKS} == {family(name) for name in INDEX}
    assert not [name for name in NETWORKS if name.endswith("_test")]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in DEFAULT)) for name in NETWORKS]
)
def test_a_network_is_fine_tuned_for_an_epoch(name, tmp_path):
    row = variant(name)
    side = max(64, row.least) if row.image_size > 64 else row.image_size
    command = [sys.executable, "-m", "tlkit", "finetune", str(TEXTURES), "--backbone", name, "--json"]
    command += ["--epochs", "1", "--image-size", str(side), "--batch-size", "8"]
    # What has weights at hand starts from them, the others from random ones.
    command += [] if name == "efficientnet_lite0" else ["--weights", "none"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name == f"001-{name}" and (run / "model.keras").is_file()
    (phone,) = run.glob("export/*.tflite")
    assert phone.stat().st_size > 1000
    assert (result["backbone"], result["val_images"]) == (name, 24)
    (export,) = result["exports"]
    assert export["images"] == 24 and not export["refused"]
