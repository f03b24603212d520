"""Cut data/textures out of three photographs that the scikit-image wheel carries.

    pip install scikit-image==0.26.0 pillow
    python data/make_textures.py

The same files each time, byte for byte with Pillow 13.0 (libjpeg-turbo 3.2). See data/README.md.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

SIDE = 144  # pixels of a patch
BORDER = 352  # training patches lie above this row of the photograph, validation patches below it
GRIDS = {"train": (slice(0, BORDER), 4, 6), "val": (slice(BORDER, 512), 1, 8)}  # rows and columns of patches


def patches(photograph: np.ndarray, rows: int, columns: int) -> list[np.ndarray]:
    """A grid of patches, evenly spread over the whole photograph; neighbours overlap."""
    height, width = photograph.shape
    tops = np.linspace(0, height - SIDE, rows).round().astype(int) if rows > 1 else [(height - SIDE) // 2]
    lefts = np.linspace(0, width - SIDE, columns).round().astype(int)
    return [photograph[top : top + SIDE, left : left + SIDE] for top in tops for left in lefts]


def main() -> None:
    textures = Path(__file__).parent / "textures"
    for name, photograph in {"brick": data.brick(), "grass": data.grass(), "gravel": data.gravel()}.items():
        for split, (region, rows, columns) in GRIDS.items():
            folder = textures / split / name
            folder.mkdir(parents=True, exist_ok=True)
            # In colour, as cameras save them: MediaPipe for Python refuses grey files.
            for number, patch in enumerate(patches(photograph[region], rows, columns), start=1):
                Image.fromarray(patch).convert("RGB").save(folder / f"{name}-{number:02}.jpg", quality=90)


if __name__ == "__main__":
    main()
