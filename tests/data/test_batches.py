"""Batches come in order, ahead of need but not far, and end cleanly."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit import data
from tlkit.data import FITS, Unreadable, batches, read, see, stretch
from tlkit.data.threads import ahead

TEXTURES = sorted((Path(__file__).parents[2] / "data/textures/val").glob("*/*.jpg"))


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("tlkit")]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_hold_every_photo_in_order(workers):
    assert len(TEXTURES) == 24
    found = list(batches(TEXTURES, 32, 7, workers))
    assert [part.shape for part in found] == [(7, 32, 32, 3)] * 3 + [(3, 32, 32, 3)]
    assert {part.dtype for part in found} == {np.dtype(np.uint8)}
    np.testing.assert_array_equal(np.concatenate(found), [stretch(read(path), 32) for path in TEXTURES])
    assert not running()


@pytest.mark.parametrize("fit", FITS)
def test_batches_are_seen_through_the_fit(tmp_path, fit):
    path = tmp_path / "wide.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 90, 3), np.uint8)).save(path)
    ((found,),) = batches([path], 32, 1, fit=fit)
    np.testing.assert_array_equal(found, see(read(path), 32, fit))
    assert (found == see(read(path), 32)).all() == (fit == "stretch")


def test_two_passes_are_equal():
    first, second = (np.concatenate(list(batches(TEXTURES, 32, 5, 2))) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_no_photos_give_no_batches():
    assert list(batches([], 32, 7, 2)) == []


def test_a_view_is_told_which_photo_it_sees():
    def view(pixels, index):
        assert pixels.shape == (144, 144, 3)
        return np.full((8, 8, 3), index, np.uint8)

    found = np.concatenate(list(batches(TEXTURES, 8, 5, 2, view)))
    assert found[:, 0, 0, 0].tolist() == list(range(24))


def test_a_file_that_broke_since_the_scan_is_named(tmp_path):
    paths = [tmp_path / path.name for path in TEXTURES[:4]]
    for path, source in zip(paths, TEXTURES, strict=False):
        path.write_bytes(source.read_bytes())
    paths[2].write_bytes(paths[2].read_bytes()[:900])
    with pytest.raises(Unreadable, match=f"{paths[2]} cannot be read"):
        list(batches(paths, 32, 2, 2))
    paths[2].unlink()
    with pytest.raises(data.Unreadable, match=f"{paths[2]} cannot be read \\(no such file or directory\\)"):
        list(batches(paths, 32, 2, 2))
    assert not running()


def test_threads_end_when_the_caller_stops_early():
    found = batches(TEXTURES * 9, 32, 4, 3)
    next(found)
    assert running()
    found.close()
    assert not running()
    for _ in batches(TEXTURES * 9, 32, 4, 3):
        break
    assert not running()


def test_a_slow_caller_holds_two_batches_at_most():
    seen = []

    def view(pixels, index):
        seen.append(index)
        return np.zeros((8, 8, 3), np.uint8)

    found = batches(TEXTURES * 9, 8, 4, 2, view)
    next(found)
    time.sleep(0.5)  # time enough for the other 200 to be read
    assert sorted(seen) == list(range(len(seen)))
    assert len(seen) <= 4 + 2 * 4
    found.close()


def test_work_is_done_while_the_caller_waits():
    barrier = threading.Barrier(2, timeout=10)  # passes only if two threads are at it at once
    assert list(ahead(lambda item: (barrier.wait(), item)[1], range(6), workers=2, depth=4)) == list(range(6))
