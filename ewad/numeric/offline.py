"""The bias-corrected average of one whole series at once, as fast as a compiled loop: `ewad.ewa`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ewad.numeric.averages import ByCount, ByTime, ExponentialAverage
from ewad.numeric.recurrence import Floats, triangle

# A matrix product advances ROWS rows of COLUMNS samples each: 64 KiB, which stay in the processor's cache.
# Measured: twice as wide multiplies more, half as wide carries over more.
COLUMNS = 32
ROWS = 256
PIECE = ROWS * COLUMNS

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def ewa(x: ArrayLike, beta: float = 0.9, *, times: ArrayLike | None = None, half_life: Any = None) -> Floats:
    """Return the bias-corrected exponentially weighted average after each sample of x: (n,) -> (n,).

    beta: the weight of the past at each sample, in [0, 1): a window of about 1 / (1 - beta) samples. For
    samples at irregular times, times and half_life instead: the past loses half its weight in each half_life,
    and beta is not used. times: (n,) Unix seconds or datetime64, never falling. half_life: seconds, a text
    such as "10m", or a timedelta. Equals pandas' ewm(alpha=1 - beta) and ewm(halflife=..., times=...) means.
    Raises ValueError for other shapes, for NaN or infinity (named by position), for a bad beta or half-life.
    """
    values = _series("x", x)
    if (times is None) != (half_life is None):
        raise ValueError("times and half_life: expected both or none, got one")
    if times is not None:
        return _by_time(values, _elapsed(times, len(values)), ByTime(_seconds(half_life)))
    decay = ByCount(float(beta))
    if decay.beta == 0.0:
        _check_finite("x", values)
        return values.copy()
    result = np.empty_like(values)
    advance = _advance(decay.beta)
    with np.errstate(over="ignore", invalid="ignore"):  # told below, by position
        for piece in _pieces(len(values)):
            if not advance(values[piece], result[piece]):
                _check_finite("x", values)
    _correct(result, decay.beta)
    return result


def _advance(beta: float) -> Callable[[Floats, Floats], bool]:
    """Return a function that writes the raw averages of the next piece, and tells whether all are finite.

    Within a row, y[j] = sum of (1 - beta) * beta**(j - i) * x[i] is a product with a triangular matrix; what
    each row hands on to the next follows the same recurrence, at beta**COLUMNS.
    """
    weights = (1.0 - beta) * triangle(beta, COLUMNS)
    later = beta ** np.arange(1.0, COLUMNS + 1.0)
    row_weights = triangle(beta**COLUMNS, ROWS)
    later_rows = (beta**COLUMNS) ** np.arange(1.0, ROWS + 1.0)
    scratch, carries = np.empty((ROWS, COLUMNS)), np.zeros(ROWS + 1)

    def advance(x: Floats, y: Floats) -> bool:
        if whole := len(x) == PIECE:
            X, Y = x.reshape(ROWS, COLUMNS), y.reshape(ROWS, COLUMNS)
        else:
            X, Y = np.zeros((ROWS, COLUMNS)), np.empty((ROWS, COLUMNS))
            X.ravel()[: len(x)] = x
        np.matmul(X, weights, out=Y)
        carries[0] = carries[-1]
        np.matmul(Y[:, -1], row_weights, out=carries[1:])
        carries[1:] += carries[0] * later_rows
        np.multiply(carries[:-1, None], later, out=scratch)
        Y += scratch
        if not whole:
            y[:] = Y.ravel()[: len(x)]
        return bool(np.isfinite(carries[-1]))  # whatever is not, every later sum inherits

    return advance


def _correct(raw: Floats, beta: float) -> None:
    """Divide the raw average after t samples by 1 - beta**t, as far as that differs from 1; in place."""
    rate = math.log(beta)
    relevant = min(len(raw), math.ceil(-54.0 * math.log(2.0) / rate))
    for piece in _pieces(relevant):
        t = np.arange(piece.start + 1.0, piece.stop + 1.0)
        raw[piece] /= -np.expm1(rate * t)


def _by_time(values: Floats, elapsed: Floats, decay: ByTime) -> Floats:
    _check_finite("x", values)
    mean, _ = ExponentialAverage(decay, 1).update(np.zeros(len(values), dtype=np.int64), elapsed, values)
    return mean.copy()


def _elapsed(times: ArrayLike, n: int) -> Floats:
    """Return (n,) seconds since the sample before."""
    array = np.asarray(times)
    if array.shape != (n,):
        raise ValueError(f"times: expected the shape of x, {(n,)}, got {array.shape}")
    if array.dtype.kind == "M":
        _check_finite("times", array)
        seconds = np.diff(array, prepend=array[:1]) / np.timedelta64(1, "s")
    else:
        array = _series("times", array)
        _check_finite("times", array)
        seconds = np.diff(array, prepend=array[:1])
    if (falls := np.flatnonzero(seconds < 0.0)).size:
        i = falls[0]
        raise ValueError(f"times: must not fall, but times[{i}] = {array[i]} after {array[i - 1]}")
    return np.asarray(seconds, dtype=np.float64)


def _seconds(half_life: Any) -> float:
    """Return a half-life in seconds: of a number, a text with a unit, or a timedelta."""
    if isinstance(half_life, str):
        parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*", half_life)
        if parts is None:
            raise ValueError(f'half_life: expected seconds or a text such as "10m", got "{half_life}"')
        return float(parts[1]) * UNIT_SECONDS[parts[2]]
    if hasattr(half_life, "total_seconds"):
        return float(half_life.total_seconds())
    if isinstance(half_life, np.timedelta64):
        return float(half_life / np.timedelta64(1, "s"))
    return float(half_life)


def _series(name: str, values: ArrayLike) -> Floats:
    try:
        series = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, got {error}") from error
    if np.ndim(values) != 1:
        raise ValueError(f"{name}: expected one series, (n,), got shape {np.shape(values)}")
    return series


def _check_finite(name: str, values: NDArray[Any]) -> None:
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise ValueError(f"{name}: expected finite numbers, got {values[wrong[0]]} at position {wrong[0]}")


def _pieces(n: int) -> Iterator[slice]:
    for start in range(0, n, PIECE):
        yield slice(start, min(start + PIECE, n))
