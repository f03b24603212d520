"""Write digits as a folder that tlkit reads: OUT/train/0 … 9 and OUT/val/0 … 9, grey PNG.

    python tests/benchmarks/digits.py --npz ../shared/data/mnist10k.npz OUT
    python tests/benchmarks/digits.py --sklearn OUT

The first four fifths are to train on, the rest to validate. The .npz holds `x`, uint8 (n, height, width),
and `y`, (n,), already in no order: 10,000 MNIST digits of 28×28 pixels give 8,000 and 2,000. scikit-learn's
are 1,797 of 8×8, by 43 people; they come writer by writer, so that of those to validate no other was seen.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

SHARE = 0.8  # to train on


def load(npz: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """(n, height, width), uint8, and the digit of each."""
    if npz is not None:
        with np.load(npz) as file:
            return file["x"], file["y"]
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images * (255 / 16) + 0.5).astype(np.uint8), found.target  # its values are 0 to 16


def write(pixels: np.ndarray, digits: np.ndarray, folder: Path) -> None:
    first = int(SHARE * len(digits))
    for number, (picture, digit) in enumerate(zip(pixels, digits, strict=True)):
        place = folder / ("train" if number < first else "val") / str(digit)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{number:05}.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--npz", metavar="FILE", type=Path)
    source.add_argument("--sklearn", action="store_true")
    parser.add_argument("out", metavar="OUT", type=Path, help="a folder that is not there")
    given = parser.parse_args()
    given.out.mkdir(parents=True)
    write(*load(given.npz), given.out)


if __name__ == "__main__":
    main()
