"""Coloured squares, and a small network of stock layers that can learn to tell them apart."""

import keras
import numpy as np
from keras import layers

SIZE = 48
# Accents, CJK, emoji, blanks, quotes, and numbers that do not sort as text does.
LABELS = ("1", "2", "10", "café crème", "猫 🐈", 'it\'s "so"')
COLOURS = ((220, 40, 40), (40, 200, 60), (40, 60, 220), (230, 220, 40), (210, 50, 210), (50, 210, 210))
QUANTIZE = ("none", "float16", "dynamic", "int8")


def squares(count, seed, size=SIZE):
    """Photos uint8 (count, size, size, 3) of a coloured square on noise, and the class of each."""
    random = np.random.default_rng(seed)
    pixels = random.integers(60, 190, (count, size, size, 3)).astype(np.uint8)
    truth = random.integers(0, len(COLOURS), count)
    for photo, label in zip(pixels, truth, strict=True):
        top, left = random.integers(0, size // 2, 2)
        side = random.integers(size // 4, size // 2)
        wobble = random.integers(-30, 31, 3)
        photo[top : top + side, left : left + side] = np.clip(np.array(COLOURS[label]) + wobble, 0, 255)
    return pixels, truth


def network(policy="float32"):
    """An untrained classifier with the parts that phone networks are made of."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        photo = keras.Input((SIZE, SIZE, 3))
        x = layers.Rescaling(1 / 128, offset=-127 / 128)(photo)
        x = layers.Conv2D(16, 3, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU(6)(layers.BatchNormalization(momentum=0.8)(x))
        for width in (32, 128):
            x = layers.ZeroPadding2D(1)(x)
            x = layers.DepthwiseConv2D(3, 2, use_bias=False)(x)
            x = layers.ReLU(6)(layers.BatchNormalization(momentum=0.8)(x))
            x = layers.Conv2D(width, 1, use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.8)(x)
        x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
        x = layers.Dense(len(LABELS), dtype="float32", name="logits")(x)
        return keras.Model(photo, layers.Softmax(dtype="float32", name="probabilities")(x))
    finally:
        keras.config.set_dtype_policy(before)


def trained(policy="float32"):
    keras.utils.set_random_seed(0)
    model = network(policy)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(*squares(640, seed=1), batch_size=64, epochs=4, verbose=0)
    return model
