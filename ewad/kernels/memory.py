"""Where the arrays of a kernel lie: in C addresses, here the arrays themselves, without axes.

This file serves interpreted kernels; memory.pxd has the same for compiled ones.
"""

from __future__ import annotations

import struct
from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]  # what is stored as it needs no more digits; numbers are computed as doubles
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")


def doubles(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers of a float64 array one after another: a view. Raises ValueError for others."""
    return _flat(array, np.float64)


def singles(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the numbers of a float32 array one after another: a view. Read them by `float`."""
    return _flat(array, np.float32)


def integers(array: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of an int64 array one after another: a view."""
    return _flat(array, np.int64)


def rows(array: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the numbers of an int32 array; they are only read."""
    return _flat(array, np.int32)


def booleans(array: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the booleans of an array one after another: a view."""
    return _flat(array, np.bool_)


def octets(array: NDArray[np.uint8] | bytes) -> memoryview | bytes:
    """Return the bytes of an array, or of bytes; they are only read."""
    return array if isinstance(array, bytes) else _flat(array, np.uint8).data


def spelled(data: memoryview | bytes, start: int, stop: int) -> float:
    """Return the number that these bytes spell, rounded once. What follows them spells no more of it."""
    return float(bytes(data[start:stop]))


def double_at(data: memoryview | bytes, at: int) -> float:
    """Return the float64 whose bytes begin there, the lowest first."""
    return float(_DOUBLE.unpack_from(data, at)[0])


def float_at(data: memoryview | bytes, at: int) -> float:
    """Return the float of four bytes that begins there, the lowest first."""
    return float(_FLOAT.unpack_from(data, at)[0])


def as_float32(number: float) -> float:
    """Return a number as a float of four bytes holds it."""
    return float(_FLOAT.unpack(_FLOAT.pack(number))[0])


def readable(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers of a float64 array that are only read."""
    return _flat(array, np.float64)


def add_integers(target: array[int], numbers: NDArray[np.int64], n: int) -> None:
    """Append the first n of these numbers to an array of type q."""
    target.frombytes(numbers[:n].tobytes())


def add_doubles(target: array[float], numbers: NDArray[np.float64], n: int) -> None:
    """Append the first n of these numbers to an array of type d."""
    target.frombytes(numbers[:n].tobytes())


def whole(number: float) -> int:
    """Return a number, which is whole, as an integer."""
    return int(number)


def release_lock() -> object:
    """Let other threads run, until `take_lock`."""
    return None


def take_lock(held: object) -> None:
    """Wait for the interpreter's lock."""


def _flat(array: NDArray[Any], kind: type[Any]) -> NDArray[Any]:
    if array.dtype != kind or not array.flags.c_contiguous:
        raise ValueError(f"expected a contiguous array of {kind.__name__}, got one of {array.dtype}")
    return array.reshape(-1)
