"""Where a run computes and in which precision.

Nothing here is remembered by tlkit: TensorFlow holds the process's devices and threads, so `pick`
has to come before the first tensor. Later it can only report what it finds.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from tlkit.errors import DeviceError

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


class Device(NamedTuple):
    name: str  # "CPU", or the GPU's own name
    precision: str  # float32, bfloat16 or float16
    repeatable: bool  # two runs with one seed give byte-equal weights

    @property
    def policy(self) -> str:
        """The Keras dtype policy of that precision; logits stay float32 under each."""
        return POLICIES[self.precision]

    def __str__(self) -> str:
        return f"{self.name}, {self.precision}"


def pick(device: str = "auto", precision: str = "auto") -> Device:
    """Choose `cpu` or `gpu` (auto: a GPU if TensorFlow sees one) and a precision.

    Auto precision is float32 on a CPU, where half precision is slower; on a GPU bfloat16 from
    compute capability 8.0 on, below that float16 with loss scaling.

    Raises `DeviceError` if a GPU is asked for and TensorFlow sees none, or Keras runs on another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise DeviceError(
            f"Keras runs on {keras.backend.backend()} in this process; the phone file needs TensorFlow.",
            "Set the environment variable KERAS_BACKEND to tensorflow before Keras is imported.",
        )
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise DeviceError(
            f"--device gpu: TensorFlow {tf.__version__} finds no GPU here (it looked for CUDA devices).",
            "Install the GPU libraries with pip install 'tlkit[gpu]', or use --device cpu.",
        )
    use_gpu = bool(gpus) and device != "cpu"
    if gpus and not use_gpu:
        try:
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError as error:
            raise DeviceError(
                "--device cpu comes too late: TensorFlow has already started with a GPU in this process.",
                "Call tlkit before any other TensorFlow code, or set CUDA_VISIBLE_DEVICES=-1.",
            ) from error
    details = tf.config.experimental.get_device_details(gpus[0]) if use_gpu else {}
    if precision == "auto":
        modern = details.get("compute_capability", (0, 0)) >= (8, 0)
        precision = ("bfloat16" if modern else "float16") if use_gpu else "float32"
    return Device(
        details.get("device_name", "GPU") if use_gpu else "CPU", precision, _in_order() and not use_gpu
    )


def _in_order() -> bool:
    """Run operations one after another, so that sums are always taken in the same order.

    Only possible before TensorFlow starts. Costs 5–10 % on two cores; each operation still uses all.
    """
    try:
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return tf.config.threading.get_inter_op_parallelism_threads() == 1
    return True
