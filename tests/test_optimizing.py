"""Each setting of the optimizer against its step by hand: one dense layer, two inputs, three classes."""

import keras
import numpy as np
import pytest

from tlkit import training

RATE = 0.5
INPUTS = np.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25], [2.0, 1.0]], "float32")
LABELS = np.array([0, 1, 2, 1])
KERNEL = np.array([[0.3, -0.2, 0.1], [0.4, 0.2, -0.5]])
BIAS = np.array([0.1, 0.0, -0.2])


def built(policy: str = "float32") -> keras.Model:
    photo = keras.Input((2,))
    model = keras.Model(photo, keras.layers.Dense(3, dtype=policy, name="logits")(photo))
    model.set_weights([KERNEL, BIAS])
    return model


def fitted(model: keras.Model | None = None, *, epochs: int = 1, inputs=INPUTS, **options):
    """The weights after each step, one an epoch: the last row is of the model as it is left."""
    model = model or built()
    told = []

    def on_epoch(row):
        told.append(([value.copy() for value in model.get_weights()], row["learning_rate"]))

    settings = {"optimizer": "sgd", "learning_rate": RATE} | options
    training.fit(
        model,
        lambda number: iter([(inputs, LABELS)]),
        steps=1,
        batch_size=4,
        epochs=epochs,
        on_epoch=on_epoch,
        **settings,
    )
    return [weights for weights, _ in told] + [model.get_weights()], [rate for _, rate in told]


def gradients(kernel: np.ndarray, bias: np.ndarray, smoothing: float = 0.0) -> list[np.ndarray]:
    """Of the mean cross-entropy under softmax: answers less labels, through the inputs."""
    raised = np.exp(INPUTS @ kernel + bias)
    wanted = np.eye(3)[LABELS] * (1 - smoothing) + smoothing / 3
    missed = (raised / raised.sum(1, keepdims=True) - wanted) / len(LABELS)
    return [INPUTS.T @ missed, missed.sum(0)]


def close(found, expected, atol=1e-6):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=atol)


def by_sgd(steps: int, rates: list[float], momentum: float) -> list[np.ndarray]:
    """Nesterov's step: along what the velocity will be."""
    weights, velocity = [KERNEL, BIAS], [np.zeros((2, 3)), np.zeros(3)]
    for rate in rates[:steps]:
        found = gradients(*weights)
        velocity = [momentum * v - rate * g for v, g in zip(velocity, found, strict=True)]
        weights = [w + momentum * v - rate * g for w, v, g in zip(weights, velocity, found, strict=True)]
    return weights


@pytest.mark.parametrize("given", [None, 0.5, 0.0])
def test_sgd_keeps_its_momentum(given):
    found, rates = fitted(epochs=3, momentum=given)
    assert rates[0] == RATE
    close(found[-1], by_sgd(3, rates, 0.9 if given is None else given))


@pytest.mark.parametrize(
    ("optimizer", "given", "decay"), [("adamw", None, 0.01), ("adamw", 0.4, 0.4), ("adam", None, 0)]
)
def test_adam_steps_by_a_weights_own_rate_and_adamw_decays_kernels(optimizer, given, decay):
    model, share = built(), 0.25
    shares = {model.trainable_weights[0].path: share}
    (_, found), _ = fitted(model, optimizer=optimizer, weight_decay=given, shares=shares)
    # After one step the moments are 0.1 of the gradient and 0.001 of its square, and Keras adds 1e-7 to the
    # root of the latter before it corrects both: what is left of a gradient is its sign.
    kernel, bias = [RATE * g / (abs(g) + 1e-7 / 0.001**0.5) for g in gradients(KERNEL, BIAS)]
    # 1 - 0.999 in float32 is off by a hundred-thousandth.
    close(found, [KERNEL * (1 - share * RATE * decay) - share * kernel, BIAS - bias], atol=1e-5)


def test_decay_of_sgd_follows_a_weights_own_rate_and_spares_biases():
    model = built()
    kernel, bias = (weight.path for weight in model.trainable_weights)
    (_, found), _ = fitted(model, momentum=0.0, weight_decay=0.4, shares={kernel: 0.25, bias: 0.5})
    slopes = gradients(KERNEL, BIAS)
    own = 0.25 * RATE
    close(found, [KERNEL * (1 - own * 0.4) - own * slopes[0], BIAS - 0.5 * RATE * slopes[1]])


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_long_gradient_is_shortened_to_the_norm_and_a_short_one_left(policy):
    slopes = np.concatenate([gradient.ravel() for gradient in gradients(KERNEL, BIAS)])
    length = np.linalg.norm(slopes)
    for norm, expected in ((length / 4, slopes / 4), (length * 4, slopes)):
        (_, found), _ = fitted(built(policy), momentum=0.0, clip_norm=float(norm))
        moved = np.concatenate([(a - b).ravel() for a, b in zip([KERNEL, BIAS], found, strict=True)])
        # Half precision keeps 11 bits of a gradient.
        np.testing.assert_allclose(
            moved, RATE * expected, atol=1e-6 if policy == "float32" else 1e-3 * length
        )


def test_smoothing_spreads_labels_evenly():
    (_, found), _ = fitted(momentum=0.0, smoothing=0.3)
    slopes = gradients(KERNEL, BIAS, 0.3)
    close(found, [KERNEL - RATE * slopes[0], BIAS - RATE * slopes[1]])


def means(steps: list[list[np.ndarray]], momentum: float) -> list[list[np.ndarray]]:
    """The running mean after each step, beginning at the weights after the first."""
    found = [steps[0]]
    for weights in steps[1:]:
        found.append([momentum * m + (1 - momentum) * w for m, w in zip(found[-1], weights, strict=True)])
    return found


def test_the_mean_of_the_weights_is_what_is_left_and_what_is_judged_on_the_way():
    plain, _ = fitted(epochs=4)
    expected = means(plain[:4], 0.75)
    found, _ = fitted(epochs=4, ema=0.75)
    for row, other in zip(found, [*expected, expected[-1]], strict=True):
        close(row, other)
    assert abs(plain[-1][0] - found[-1][0]).max() > 0.05  # it is not the weights themselves


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_an_early_end_leaves_the_mean_too(policy):
    """By `stop`, in the middle of an epoch of eight steps, and by what `on_epoch` returns."""
    plain, left, rows = built(policy), built(policy), []

    def fit(model, epoch, steps, **options):
        training.fit(model, epoch, steps=steps, batch_size=4, learning_rate=RATE, optimizer="sgd", **options)

    steps, asked = [], iter([False, False, True])

    def noted():
        steps.append([value.copy() for value in plain.get_weights()])
        return len(steps) == 3

    fit(plain, lambda number: iter([(INPUTS, LABELS)] * 8), 8, epochs=1, stop=noted)
    fit(
        left,
        lambda number: iter([(INPUTS, LABELS)] * 8),
        8,
        epochs=1,
        ema=0.75,
        stop=lambda: next(asked),
        on_epoch=rows.append,
    )
    close(left.get_weights(), means(steps, 0.75)[-1])
    assert [row["steps"] for row in rows] == [3]

    other, rows = built(policy), []
    fit(
        other,
        lambda number: iter([(INPUTS, LABELS)]),
        1,
        epochs=8,
        ema=0.75,
        on_epoch=lambda row: rows.append(row) or len(rows) == 3,
    )
    assert len(rows) == 3
    close(other.get_weights(), means(steps, 0.75)[-1])


def test_without_a_step_there_is_no_mean():
    """Gradients beyond float16 are left out, and Keras's mean of no weights would be 0."""
    inputs = INPUTS * 1e4
    found, _ = fitted(built("mixed_float16"), inputs=inputs, ema=0.9)
    close(found[-1], [KERNEL, BIAS])


@pytest.mark.parametrize(
    "settings", [{"optimizer": "sgd", "clip_norm": 0.1}, {"optimizer": "adamw", "ema": 0.9}]
)
def test_two_fits_are_byte_equal(settings):
    first, second = (fitted(epochs=3, **settings)[0][-1] for _ in range(2))
    assert [value.tobytes() for value in first] == [value.tobytes() for value in second]
