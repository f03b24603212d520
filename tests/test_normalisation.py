"""Batch normalisation: frozen, learning or measured anew, and what of the network each mode changes."""

import keras
import numpy as np
import pytest

from tlkit import classifier, normalisation, training

BATCHES = [np.random.default_rng(n).normal(3 * n, 1 + n, (size, 5)) for n, size in enumerate((8, 8, 6))]


def tiny() -> keras.Model:
    """Two batch normalisations, a dense layer and dropout between them."""
    draw = np.random.default_rng(0)
    photo = keras.Input((5,))
    x = keras.layers.BatchNormalization(epsilon=1e-3, name="first")(photo)
    x = keras.layers.Dense(4, "relu", name="dense")(keras.layers.Dropout(0.5, name="drop")(x))
    model = keras.Model(photo, keras.layers.BatchNormalization(momentum=0.9, name="second")(x))
    model.set_weights([draw.uniform(0.5, 2, weight.shape) for weight in model.get_weights()])
    return model


def test_recalibrated_statistics_are_those_of_numpy():
    model = tiny()
    before = {weight.path: np.asarray(weight).copy() for weight in model.weights}
    normalisation.recalibrate(model, [batch.astype("float32") for batch in BATCHES])
    first, dense, second = (model.get_layer(name) for name in ("first", "dense", "second"))

    def through(batch: np.ndarray) -> np.ndarray:
        """To the second, by the first on the statistics of the batch."""
        x = (batch - batch.mean(0)) / np.sqrt(batch.var(0) + 1e-3) * first.gamma.numpy() + first.beta.numpy()
        return np.maximum(x @ dense.kernel.numpy() + dense.bias.numpy(), 0)

    for layer, seen in ((first, BATCHES), (second, [through(batch) for batch in BATCHES])):
        counts = np.array([len(batch) for batch in seen])[:, None]
        means, variances = (np.stack([getattr(batch, name)(0) for batch in seen]) for name in ("mean", "var"))
        mean = (counts * means).sum(0) / counts.sum()
        spread = (counts * (means - mean) ** 2).sum(0) / counts.sum()
        expected = (counts * variances).sum(0) / counts.sum() + spread
        np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-4, atol=1e-5)
    # Of the photos themselves the statistics are exact, however they are cut into batches.
    np.testing.assert_allclose(first.moving_mean, np.concatenate(BATCHES).mean(0), rtol=1e-4)
    np.testing.assert_allclose(first.moving_variance, np.concatenate(BATCHES).var(0), rtol=1e-4)
    changed = {path for path, value in before.items() if (value != np.asarray(found(model, path))).any()}
    assert changed == {
        f"{name}/moving_{what}" for name in ("first", "second") for what in ("mean", "variance")
    }


def found(model: keras.Model, path: str):
    return next(weight for weight in model.weights if weight.path == path)


def test_recalibration_leaves_every_setting_as_it_was():
    model = tiny()
    model.get_layer("first").trainable = False
    generator = model.get_layer("drop").seed_generator.state.numpy().copy()
    normalisation.recalibrate(model, [batch.astype("float32") for batch in BATCHES])
    layers = [model.get_layer(name) for name in ("first", "second")]
    assert [layer.trainable for layer in layers] == [False, True]
    assert [layer.momentum for layer in layers] == [0.99, 0.9]
    assert model.get_layer("drop").rate == 0.5
    np.testing.assert_array_equal(generator, model.get_layer("drop").seed_generator.state.numpy())

    def broken():
        yield BATCHES[0].astype("float32")
        raise OSError

    with pytest.raises(OSError):
        normalisation.recalibrate(model, broken())
    assert [layer.momentum for layer in layers] == [0.99, 0.9] and model.get_layer("drop").rate == 0.5


@pytest.fixture(scope="module")
def photos() -> tuple[np.ndarray, np.ndarray]:
    """(16, 16, 16, 3) squares of one colour a class, with noise, and their labels."""
    labels = np.arange(16) % 3
    noise = np.random.default_rng(0).normal(0, 20, (16, 16, 16, 3))
    pixels = (np.eye(3)[labels] * 120 + 60)[:, None, None] + noise
    return pixels.clip(0, 255).astype("uint8"), labels


def values(model: keras.Model) -> dict[str, bytes]:
    return {one.path: np.asarray(one).tobytes() for one in model.weights if "seed" not in one.path}


def losses(model: keras.Model, photos: tuple[np.ndarray, np.ndarray]) -> list[float]:
    """In training and in inference mode. Of a copy: training mode may move statistics."""
    copy = keras.models.clone_model(classifier.part(model, None, "logits"))
    copy.set_weights(model.get_weights())
    for layer, own in zip(copy.layers, model.layers, strict=False):
        layer.trainable = own.trainable
    pixels, labels = photos
    return [
        training.cross_entropy(np.asarray(copy(pixels.astype("float32"), training=mode)), labels)
        for mode in (True, False)
    ]


def fit(model: keras.Model, photos: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, labels = photos
    training.fit(
        classifier.part(model, None, "logits"),
        lambda number: iter([(pixels[:8], labels[:8]), (pixels[8:], labels[8:])]),
        steps=2,
        batch_size=8,
        epochs=2,
        learning_rate=1e-2,
    )


@pytest.mark.parametrize("mode", ["inference", "train", "recalibrate"])
def test_each_phase_changes_what_its_mode_says_and_nothing_else(photos, mode):
    model = classifier.build("resnet_cifar_test", "abc", image_size=16, weights=None, dropout=0.0)
    start = values(model)
    statistics = {path for path in start if "moving" in path}
    if mode == "recalibrate":
        normalisation.recalibrate(model, [photos[0][:8], photos[0][8:]])
        assert {path for path, value in values(model).items() if value != start[path]} == statistics
    # The head alone, then fine-tuning.
    for first in ("none", "stage2") if mode != "recalibrate" else ("stage2",):
        classifier.unfreeze(model, first, batch_norm=mode)
        declared = {weight.path for weight in model.trainable_weights}
        before = values(model)
        fit(model, photos)
        changed = {path for path, value in values(model).items() if value != before[path]}
        moved = {
            path
            for path in statistics
            if mode == "train" and first != "none" and path.startswith(("stage2", "stage3"))
        }
        assert changed == declared | moved
        assert bool(moved) == (mode == "train" and first != "none")
        assert any("gamma" in path for path in declared) == bool(moved)
        in_training, in_inference = losses(model, photos)
        agree = in_training == pytest.approx(in_inference, rel=1e-4)
        assert agree == (not moved)
