import subprocess
import sys

import pytest
import tensorflow as tf

from tlkit import device
from tlkit.errors import DeviceError

GPUS = tf.config.list_physical_devices("GPU")


def test_a_cpu_computes_in_float32():
    chosen = device.pick("cpu")
    assert (chosen.name, chosen.precision, chosen.policy) == ("CPU", "float32", "float32")
    assert str(chosen) == "CPU, float32"


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_precision_that_is_asked_for_is_taken(precision):
    chosen = device.pick("cpu", precision)
    assert chosen.precision == precision and chosen.policy.endswith(precision)


@pytest.mark.skipif(bool(GPUS), reason="this machine has a GPU")
def test_a_missing_gpu_is_one_line_that_says_what_to_install():
    with pytest.raises(
        DeviceError, match=r"^--device gpu: .*looked for CUDA devices.*pip install 'tlkit\[gpu\]'"
    ):
        device.pick("gpu")


def test_operations_run_in_one_order_only_if_tensorflow_has_not_started():
    program = "from tlkit import device; {}; print(device.pick().repeatable)"
    for before, expected in (("0", "True"), ("import tensorflow as tf; tf.constant(1.0)", "False")):
        done = subprocess.run([sys.executable, "-c", program.format(before)], capture_output=True, text=True)
        assert done.stdout.strip() == expected, done.stderr


def test_another_backend_of_keras_is_one_line_that_says_what_to_set(monkeypatch):
    # A stand-in for the name only: the other backends are not among tlkit's dependencies.
    monkeypatch.setattr(device.keras.backend, "backend", lambda: "jax")
    with pytest.raises(DeviceError, match="Keras runs on jax in this process.*KERAS_BACKEND to tensorflow"):
        device.pick()
