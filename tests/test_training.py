import math

import keras
import numpy as np
import pytest

from tlkit import classifier, training
from tlkit.errors import TrainingError

CLASSES = 3


def photos(count: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Squares of one colour a class, with noise: (count, 64, 64, 3) uint8 and their labels."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    colours = np.eye(CLASSES)[labels] * 120 + 60
    pixels = colours[:, None, None] + draw.normal(0, 20, (count, 64, 64, 3))
    return pixels.clip(0, 255).astype("uint8"), labels


def epochs(pixels: np.ndarray, labels: np.ndarray, batch: int = 8):
    """The same batches each epoch."""
    return lambda number: (
        (pixels[start : start + batch], labels[start : start + batch])
        for start in range(0, len(labels), batch)
    )


def build(first: str = "stage4", *, dropout: float = 0.0, **options) -> keras.Model:
    model = classifier.build("efficientnet_test", "abc", weights=None, dropout=dropout, **options)
    classifier.unfreeze(model, first)
    return model


def fit(model: keras.Model, rows=None, **options) -> list[dict]:
    pixels, labels = rows or photos()
    told: list[dict] = []
    settings = {"steps": len(labels) // 8, "batch_size": 8, "epochs": 2, "learning_rate": 1e-3} | options
    training.fit(
        classifier.part(model, None, "logits"), epochs(pixels, labels), on_epoch=told.append, **settings
    )
    return told


def snapshot(model: keras.Model) -> dict[str, bytes]:
    return {
        weight.path: np.asarray(weight).tobytes() for weight in model.weights if "seed" not in weight.path
    }


@pytest.mark.parametrize(
    ("first", "optimizer"), [("none", "adamw"), ("none", "adam"), ("stage5", "sgd"), ("all", "adamw")]
)
def test_exactly_the_unfrozen_weights_change(first, optimizer):
    model = build(first, dropout=0.2)
    before = snapshot(model)
    fit(model, optimizer=optimizer, epochs=3)
    after = snapshot(model)
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {weight.path for weight in model.trainable_weights}


def test_running_statistics_stay_byte_equal():
    model = build("all")
    before = {path: value for path, value in snapshot(model).items() if "moving" in path}
    fit(model)
    after = snapshot(model)
    assert before and all(after[path] == value for path, value in before.items())


@pytest.mark.parametrize("first", ["none", "all"])
def test_the_loss_agrees_in_training_and_inference_mode(first):
    model = build(first)
    fit(model, epochs=1)
    pixels, labels = photos()
    logits = classifier.part(model, None, "logits")
    losses = [
        training.cross_entropy(np.asarray(logits(pixels.astype("float32"), training=mode)), labels)
        for mode in (True, False)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_training_lowers_the_loss():
    told = fit(build("stage5"), epochs=4, learning_rate=1e-2)
    assert told[-1]["loss"] < 0.5 * told[0]["loss"]
    assert [row["epoch"] for row in told] == [1, 2, 3, 4] and told[-1]["steps"] == 12


def test_one_seed_gives_byte_equal_weights():
    first, second = build("stage4", dropout=0.2), build("stage4", dropout=0.2)
    fit(first)
    fit(second)
    assert list(snapshot(first).values()) == list(snapshot(second).values())


def test_the_rate_warms_up_and_falls_along_a_cosine():
    rates = []
    model = build("none")

    class Ear(list):
        def append(self, row):
            rates.append(row["learning_rate"])

    training.fit(
        classifier.part(model, None, "logits"),
        epochs(*photos(8)),
        batch_size=8,
        steps=1,  # an epoch, so that each step's rate is told
        epochs=20,
        learning_rate=0.01,
        on_epoch=Ear().append,
    )
    warm_up = [0.005, 0.0075]
    cosine = [0.005 * (1 + math.cos(math.pi * step / 18)) for step in range(18)]
    assert rates == pytest.approx(warm_up + cosine, rel=1e-5)


def test_a_loss_that_is_not_finite_stops_at_once_and_says_where():
    model = build("all")
    seen = []

    def batches(number):
        for step, (pixels, labels) in enumerate(epochs(*photos())(number), start=3 * number):
            seen.append(step)
            yield (pixels.astype("float32") * (np.nan if step == 4 else 1)), labels

    with pytest.raises(
        TrainingError,
        match=r"fine-tuning, epoch 2, step 5 of 9, learning rate 0\.00\d+\. Use a lower --learning-rate",
    ):
        training.fit(
            classifier.part(model, None, "logits"),
            batches,
            steps=3,
            batch_size=8,
            epochs=3,
            learning_rate=1e-3,
            phase="fine-tuning",
        )
    assert max(seen) == 4


def test_float16_scales_its_loss_and_learns():
    told = fit(build("stage5", policy="mixed_float16"), epochs=4, learning_rate=1e-2)
    assert told[-1]["loss"] < 0.8 * told[0]["loss"]


def test_bfloat16_learns():
    told = fit(build("stage5", policy="mixed_bfloat16"), epochs=4, learning_rate=1e-2)
    assert told[-1]["loss"] < 0.8 * told[0]["loss"]


def test_cross_entropy_agrees_with_keras():
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(0, 3, (50, 4)).astype("float32"), draw.integers(0, 4, 50)
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    assert training.cross_entropy(logits, labels) == pytest.approx(float(theirs), rel=1e-5)


def test_auxiliary_losses_count_by_their_weight():
    photo = keras.Input((3,))
    answers = [keras.layers.Dense(4, kernel_initializer="zeros", name=name)(photo) for name in "abc"]
    model = keras.Model(photo, answers)
    told = []
    pixels, labels = np.eye(3, dtype="float32"), np.array([0, 1, 2])
    training.fit(
        model,
        lambda number: iter([(pixels, labels)]),
        steps=1,
        batch_size=3,
        epochs=1,
        learning_rate=1.0,
        optimizer="sgd",
        auxiliary=0.3,
        on_epoch=told.append,
    )
    assert told[0]["loss"] == pytest.approx(1.6 * np.log(4), rel=1e-5)
    main, *others = (layer.kernel.numpy() for layer in model.layers[1:])
    assert abs(main).max() > 0.01
    for kernel in others:
        np.testing.assert_allclose(kernel, 0.3 * main, rtol=1e-5)
