"""Copies, near copies and bursts are found, different photos left alone; the search misses no pair."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance
from sklearn.datasets import load_digits

from tlkit.data import hamming
from tlkit.data.duplicates import Alike, components, find
from tlkit.data.folders import Photo
from tlkit.data.looks import LOOK, look
from tlkit.data.photos import read

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist10k.npz"


def found(folder: Path) -> list[tuple[str, list[str]]]:
    """What `find` says of the files of a folder, by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in files]
    looks = np.array([look(path.read_bytes(), path) for path in files], LOOK)
    photos = [
        Photo(name, 0, None, bytes(row["sha256"]).hex()) for name, row in zip(names, looks, strict=True)
    ]
    return [(alike.kind, [names[index] for index in alike.photos]) for alike in find(photos, looks)]


def crop(image: Image.Image, share: float, right: float = 0, down: float = 0) -> Image.Image:
    """Without `share` of each side, the window moved by shares of the size."""
    w, h = image.size
    box = (w * (share + right), h * (share + down), w * (1 - share + right), h * (1 - share + down))
    return image.crop(tuple(round(edge) for edge in box))


def captioned(image: Image.Image) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).text((image.width * 0.5, image.height * 0.88), "(c) 2026", fill="white")
    return image


@pytest.fixture
def photo(textures) -> Image.Image:
    """With shapes of its own at every scale, unlike a wall's."""
    pixels = np.random.default_rng(3).integers(0, 255, (5, 7, 3), np.uint8)
    coarse = Image.fromarray(pixels).resize((432, 324), Image.Resampling.BICUBIC)
    wall = Image.fromarray(read(textures / "train" / "brick" / "brick-01.jpg")).resize(coarse.size)
    return Image.blend(coarse, wall, 0.5)


COPIES = {
    "q20.jpg": lambda image: image,
    "lossless.png": lambda image: image,
    "small.webp": lambda image: image.resize((108, 81)),
    "large.jpg": lambda image: image.resize((864, 648)),
    "square.png": lambda image: image.resize((224, 224)),
    "grey.png": lambda image: image.convert("L"),
    "bright.jpg": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "dull.jpg": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
    "cropped.png": lambda image: crop(image, 0.01),
    "captioned.png": captioned,
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_a_near_duplicate(tmp_path, photo, name):
    photo.save(tmp_path / "a.png")
    COPIES[name](photo).save(tmp_path / name, **({"quality": 20} if name == "q20.jpg" else {}))
    if name == "lossless.png":  # the same pixels in other bytes
        photo.save(tmp_path / name, compress_level=1)
    assert found(tmp_path) == [("near_duplicate", ["a.png", name])]


def test_sample_photos_are_all_different(textures):
    assert found(textures) == []  # brick-01, brick-02, …: numbers alone make no burst


def test_real_photos_are_all_different():
    folder = MNIST.parent / "hymenoptera"
    if not folder.is_dir():
        pytest.skip("photos of ants and bees are in ../shared/data, which is not here")
    assert found(folder / "val") == []


def test_kinds_are_told_apart_and_represented_once(tmp_path, photo):
    photo.save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    photo.save(tmp_path / "c.jpg", quality=80)
    (tmp_path / "d.jpg").write_bytes((tmp_path / "c.jpg").read_bytes())
    assert found(tmp_path) == [
        ("duplicate", ["a.png", "b.png"]),
        ("near_duplicate", ["a.png", "c.jpg"]),
        ("duplicate", ["c.jpg", "d.jpg"]),
    ]


@pytest.mark.parametrize("colours", [("red", "blue"), ((90, 90, 90), (91, 91, 91))])
def test_flat_pictures_are_never_near_duplicates(tmp_path, colours):
    for index, colour in enumerate(colours):
        Image.new("RGB", (200, 200), colour).save(tmp_path / f"x{index}.png")
    assert found(tmp_path) == []


def test_nothing_in_nothing():
    assert find([], np.zeros(0, LOOK)) == []
    assert components(0, [], []).tolist() == []


# Bursts.


def frames(photo: Image.Image, count: int) -> list[Image.Image]:
    """As a hand moves: each frame 2.5 % to the right of the last, too far for a near duplicate."""
    return [crop(photo, 0.1, right=0.025 * index) for index in range(count)]


def test_moved_frames_with_consecutive_numbers_are_a_burst(tmp_path, photo):
    names = ["IMG_0998.jpg", "IMG_0999.JPG", "IMG_1000.jpg", "IMG_1001.jpg"]
    for name, frame in zip(names, frames(photo, 4), strict=True):
        frame.save(tmp_path / name, "JPEG")
    assert found(tmp_path) == [("burst", names)]


def test_frames_kept_in_steps_are_a_burst(tmp_path, photo):
    names = [f"clip_{10 * index:04}.png" for index in range(5)]
    for name, frame in zip(names, frames(photo, 5), strict=True):
        frame.save(tmp_path / name)
    assert found(tmp_path) == [("burst", names)]


@pytest.mark.parametrize(
    "names",
    [
        ("IMG_1.png", "IMG_9.png"),
        ("IMG_1.png", "DSC_2.png"),
        ("a/IMG_1.png", "b/IMG_2.png"),
        ("x.png", "y.png"),
    ],
)
def test_without_time_or_number_it_is_no_burst(tmp_path, photo, names):
    for name, frame in zip(names, frames(photo, 2), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        frame.save(tmp_path / name)
    if names[1] == "IMG_9.png":  # a count of single steps, so that 8 is far
        for number in (20, 21, 22, 23, 24, 25):
            noise = np.random.default_rng(number).integers(0, 255, (6, 6, 3), np.uint8)
            Image.fromarray(noise).resize((96, 96)).save(tmp_path / f"IMG_{number}.png")
    assert found(tmp_path) == []


@pytest.mark.parametrize(("second", "expected"), [("12:00:01", True), ("12:00:05", False)])
def test_frames_taken_within_two_seconds_are_a_burst(tmp_path, photo, second, expected):
    for name, when, frame in zip(("x.jpg", "y.jpg"), ("12:00:00", second), frames(photo, 2), strict=True):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2026:05:01 {when}"  # DateTimeOriginal
        frame.save(tmp_path / name, exif=exif)
    assert found(tmp_path) == ([("burst", ["x.jpg", "y.jpg"])] if expected else [])


def test_each_scene_of_a_film_is_one_burst(tmp_path):
    """Numbers go on from scene to scene; 120 photos, so that far ones say what is usual."""
    random = np.random.default_rng(1)
    for scene in range(12):
        wide = Image.fromarray(random.integers(0, 255, (5, 7, 3), np.uint8)).resize((400, 300))
        for index in range(10):
            frame = wide.crop((7 * index, 10, 7 * index + 300, 280))
            frame.save(tmp_path / f"frame_{10 * scene + index:04}.png", compress_level=1)
    bursts = [names for kind, names in found(tmp_path) if kind == "burst"]
    assert bursts == [[f"frame_{10 * scene + index:04}.png" for index in range(10)] for scene in range(12)]


# Whole classes are never glued together.


def numbered(pictures: np.ndarray, labels: np.ndarray, side: int) -> list[Alike]:
    """What is found where pictures of one kind are numbered class by class."""
    looks = np.zeros(len(pictures), LOOK)
    for index, picture in enumerate(pictures):
        image = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
        looks[index] = _seen(image, index)
    photos = [Photo(f"{label}/{index:05}.png", int(label), None, "") for index, label in enumerate(labels)]
    return find(photos, looks)


def _seen(image: Image.Image, number: int) -> np.void:
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1)
    return look(content.getvalue(), str(number))


@pytest.mark.parametrize("side", [8, 96])
def test_digits_are_not_glued(side):
    digits = load_digits()
    order = np.argsort(digits.target, kind="stable")[::2]
    alike = numbered((digits.images[order] * 15.9).astype(np.uint8), digits.target[order], side)
    _not_glued(alike, len(order), 0 if side < 32 else 10)


@pytest.mark.parametrize("side", [28, 64])
def test_mnist_is_not_glued(side):
    if not MNIST.exists():
        pytest.skip("mnist10k.npz is in ../shared/data, which is not here")
    with np.load(MNIST) as file:
        pictures, labels = file["x"][:1500], file["y"][:1500]
    order = np.argsort(labels, kind="stable")
    _not_glued(numbered(pictures[order], labels[order], side), len(order), 0 if side < 32 else 10)


def _not_glued(alike: list[Alike], count: int, largest: int) -> None:
    parts = np.bincount(components(count, alike, [None] * count))
    assert parts.max() <= max(1, largest)
    assert (parts > 1).sum() <= (0.05 * count if largest else 0)


# The search.


def brute(hashes: np.ndarray, low: int, whole: int) -> np.ndarray:
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None])
    first, second = np.nonzero((bits[..., 0] <= low) & (bits.sum(-1, dtype=int) <= whole))
    return hamming.unions(len(hashes), first, second)


def heap(seed: int, centres: int, each: int, flips: int, low: bool) -> np.ndarray:
    """Different hashes, sorted, around random ones; `low`: only word 0 tells the centres apart."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, (centres, 4), np.uint64)
    if low:
        hashes[:, 1:] = hashes[0, 1:]
    hashes = np.repeat(hashes, each, axis=0)
    for _ in range(flips):
        word, bit = random.integers(0, 4, len(hashes)), random.integers(0, 64, len(hashes), np.uint64)
        hashes[np.arange(len(hashes)), word] ^= np.uint64(1) << bit
    return np.unique(hashes, axis=0)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 12),
    st.integers(1, 25),
    st.integers(0, 30),
    st.booleans(),
    st.sampled_from([(7, 36), (3, 18), (1, 8), (0, 0), (5, 256), (12, 100)]),
)
def test_search_misses_no_pair(seed, centres, each, flips, low, limits):
    hashes = heap(seed, centres, each, flips, low)
    np.testing.assert_array_equal(hamming.joined(hashes, *limits), brute(hashes, *limits))


@pytest.mark.parametrize("count", [2000, 30_000, 10**6])  # choose different bands
def test_every_choice_of_bands_finds_pairs_at_the_limit(monkeypatch, count):
    bands = hamming._bands(count, 7)
    # The bands of a million hashes, tried on six hundred: a million would take a quarter of a minute.
    monkeypatch.setattr(hamming, "_bands", lambda *_: bands)
    random = np.random.default_rng(0)
    one = random.integers(0, 2**64, (300, 4), np.uint64)
    other = one.copy()
    for row in other:
        for bit in random.choice(64, 7, replace=False):
            row[0] ^= np.uint64(1) << np.uint64(bit)
    hashes = np.unique(np.concatenate([one, other]), axis=0)
    assert len(set(hamming.joined(hashes, 7, 36).tolist())) == 300
    assert len(set(hamming.joined(hashes, 6, 36).tolist())) == 600


@pytest.mark.parametrize("kind", ["apart", "one heap", "alike in word 0"])
def test_many_hashes_take_seconds(kind):
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, (40_000, 4), np.uint64)
    if kind == "one heap":
        hashes = heap(0, 1, 40_000, 4, False)
    if kind == "alike in word 0":
        hashes = hashes[:1000]
        hashes[:, 0] = 7
    hashes = np.unique(hashes, axis=0)
    start = time.process_time()
    parts = len(set(hamming.joined(hashes, 7, 36).tolist()))
    assert time.process_time() - start < 5
    assert parts == (1 if kind == "one heap" else len(hashes))


def test_a_cluster_that_grows_large_is_cut_where_it_is_a_chain():
    looks = np.zeros(600, LOOK)
    looks["width"] = looks["height"] = looks["contrast"] = 100
    looks["sha256"] = np.arange(600, dtype=np.uint64).repeat(4).view("V32")
    value = np.random.default_rng(0).integers(0, 2**64, 4, np.uint64)
    for index in range(600):  # each 20 bits of words 1 to 3 from the last, far from the one before
        looks["hash"][index] = value
        for bit in np.random.default_rng(index).choice(192, 20, replace=False):
            value[1 + bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    photos = [Photo(f"{chr(0x4E00 + index)}.png", 0, None, "") for index in range(600)]
    assert find(photos[:90], looks[:90]) == [Alike("near_duplicate", tuple(range(90)))]
    assert find(photos, looks) == []


# What stays together.


def test_components_join_kinds_and_groups():
    alike = [Alike("duplicate", (1, 3)), Alike("near_duplicate", (3, 4, 6)), Alike("burst", (5, 7))]
    groups = [None, None, "a", None, None, "a", "b", None, None, "b"]
    assert components(10, alike, groups).tolist() == [0, 1, 2, 1, 1, 2, 1, 2, 8, 1]


@given(st.lists(st.lists(st.integers(0, 29), min_size=2, max_size=4, unique=True), max_size=15), st.data())
def test_components_are_the_smallest_of_all_that_are_bound(sets, data):
    groups = data.draw(st.lists(st.sampled_from([None, None, "", "a", "b", "c"]), min_size=30, max_size=30))
    of = list(range(30))  # plain: repaint until nothing changes
    bonds = sets + [[i for i in range(30) if groups[i] == name] for name in ("", "a", "b", "c")]
    for _ in range(30):
        for bond in filter(None, bonds):
            least = min(of[index] for index in bond)
            of = [least if of[index] in {of[i] for i in bond} else of[index] for index in range(30)]
    alike = [Alike("burst", tuple(sorted(one))) for one in sets]
    assert components(30, alike, groups).tolist() == of
