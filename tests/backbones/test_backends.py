"""The same networks on JAX, in a process that has no TensorFlow: builders are Keras alone."""

import json
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from make_golden import ROOT
from rows import EXPECTED, TESTS, photos

from tlkit.backbones import build, pyramid, variant

LITE = "efficientnet_lite0"  # with its published weights
# Operations, response normalisation in halves, batch normalisation; slow: all others.
FEW = ["neocognitron_test", "alexnet_2012_test", "resnet_cifar_test"]
REST = [name for name in [*TESTS, LITE] if name not in FEW]
TRAINED = ["neocognitron_test", "resnet_cifar_test", "efficientnet_test"]

CODE = """
    import json, os, pathlib, sys, warnings
    os.environ["KERAS_BACKEND"] = "jax"
    # Nearly all of the time goes into compiling what runs once: 45 s of processor time instead of 150.
    os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

    class Missing:  # not sys.modules["tensorflow"] = None: that Keras takes for a TensorFlow that is there
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "tensorflow":
                raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    sys.meta_path.insert(0, Missing())
    import keras, numpy as np
    from tlkit.backbones import PixelWarning, build, check_pixels, pyramid

    assert keras.backend.backend() == "jax"
    folder, told = pathlib.Path(sys.argv[1]), {}
    for name in json.loads(sys.argv[2]):
        model = build(name)
        with np.load(folder / f"{name}.npz") as stored:
            pixels = stored["pixels"]
            for weight in model.weights:
                if weight.path in stored:
                    weight.assign(stored[weight.path])
        told[name] = [[tap.name, tap.stride, tap.channels] for tap in pyramid(model)]
        tapped = keras.Model(model.input, [model.output, *(tap.tensor for tap in pyramid(model))])
        np.savez(folder / f"{name}-jax.npz", *tapped.predict(pixels, verbose=0))
        if name in json.loads(sys.argv[3]):
            before = [np.asarray(weight) for weight in model.trainable_weights]
            model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
            (loss,) = model.fit(pixels, np.arange(len(pixels)), verbose=0).history["loss"]
            assert np.isfinite(loss) and all(np.isfinite(weight).all() for weight in model.weights)
            for old, weight in zip(before, model.trainable_weights, strict=True):
                assert (old != np.asarray(weight)).any(), weight.path
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_pixels(keras.ops.convert_to_tensor(pixels / 255.0))
        check_pixels(keras.ops.convert_to_tensor(pixels))
    assert [entry.category for entry in caught] == [PixelWarning], caught
    assert "tensorflow" not in sys.modules
    print(json.dumps(told))
"""


@pytest.fixture(scope="module", params=[FEW, pytest.param(REST, marks=pytest.mark.slow)], ids=["few", "rest"])
def on_jax(request, tmp_path_factory):
    """What both backends return for the same weights and photos, and the taps that JAX's models have."""
    folder, here = tmp_path_factory.mktemp("jax"), {}
    for name in request.param:
        model = build(name) if name == LITE else build(name, seed=0)
        pixels = photos(name, variant(name).image_size, 2)
        tensors = {} if name == LITE else {weight.path: weight.numpy() for weight in model.weights}
        np.savez(folder / f"{name}.npz", pixels=pixels, **tensors)
        maps = keras.Model(model.input, [model.output, *(tap.tensor for tap in pyramid(model))])
        here[name] = [value.numpy() for value in maps(pixels)]
    arguments = [str(folder), json.dumps([*here]), json.dumps(TRAINED)]
    command = [sys.executable, "-c", textwrap.dedent(CODE), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, here, json.loads(done.stdout)


def test_jax_returns_the_same(on_jax):
    folder, here, told = on_jax
    assert here
    for name, expected in here.items():
        assert tuple(tuple(tap) for tap in told[name]) == EXPECTED[name].taps
        with np.load(folder / f"{name}-jax.npz") as found:
            for ours, theirs in zip(found.values(), expected, strict=True):
                # Against what two photos differ by: a thousand fresh classes are all near 0.001.
                apart = abs(theirs[0] - theirs[1]).max()
                # float32 sums in another order.
                assert apart > 0 and abs(ours - theirs).max() <= 1e-2 * apart, name
