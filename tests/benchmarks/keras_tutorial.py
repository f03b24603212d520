"""What a user would write instead: Keras's guide "Transfer learning & fine-tuning", on the same weights.

    python tests/benchmarks/keras_tutorial.py IMAGES SEED

IMAGES holds train/<class>/… and val/<class>/…. Five epochs with the backbone frozen, five with all
of it trainable, Keras's own loader and augmentation layers, as in the guide. Prints top-1 after each
epoch as one JSON line; nothing is exported or checked.
"""

import json
import sys

import keras
from keras import layers

from tlkit.backbones import EfficientNetLite0


def main(images: str, seed: int) -> None:
    keras.utils.set_random_seed(seed)
    size = (224, 224)
    train, val = (
        keras.utils.image_dataset_from_directory(
            f"{images}/{part}", image_size=size, batch_size=32, seed=seed, verbose=False
        )
        for part in ("train", "val")
    )
    base = EfficientNetLite0(weights="imagenet", include_top=False)
    base.trainable = False

    inputs = keras.Input((*size, 3))
    x = layers.RandomFlip("horizontal")(inputs)
    x = layers.RandomRotation(0.1)(x)
    x = base(x, training=False)  # batch normalisation stays on the published statistics
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    model = keras.Model(inputs, layers.Dense(len(train.class_names))(x))

    top1 = []
    for rate, trainable in ((1e-3, False), (1e-5, True)):
        base.trainable = trainable
        model.compile(
            keras.optimizers.Adam(rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        history = model.fit(train.prefetch(2), validation_data=val.prefetch(2), epochs=5, verbose=0)
        top1 += history.history["val_accuracy"]
    print(json.dumps({"top1": top1[-1], "best_epoch": max(top1), "epochs": top1}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
