"""Numbers as a file has them, to numbers as a network takes them; and how a reader says no."""

import numpy as np

BFLOAT16 = np.dtype([("bfloat16", "<u2")])  # NumPy has none: the upper half of a float32


class Refused(Exception):
    """Why a file is not what its reader reads; leaves `contents` as a `WeightsError`."""


def plain(array: np.ndarray) -> np.ndarray:
    """Floats as float32, bfloat16 and float16 exactly; whole numbers as they are; read-only.

    Float32 of this machine's byte order is not copied.
    """
    if array.dtype == BFLOAT16:
        array = (array.view("<u2").astype("<u4") << 16).view("<f4")
    elif array.dtype.kind == "b":
        array = array.view("u1") != 0  # a file may hold other bytes than 0 and 1
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # float64 too large is infinite
            wanted = np.dtype("f4") if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
            array = array.astype(wanted, copy=False)
    array.flags.writeable = False
    return array


def short(text: str) -> str:
    """A name out of a file, for a message of one line."""
    return repr(text if len(text) <= 80 else text[:80] + "…")
