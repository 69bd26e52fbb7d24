"""Series and tables as people have them, numpy's or pandas', as numbers and seconds, and back."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ewad.kernels.memory import Floats


def times_of(x: Any) -> Any:
    """Return the index of a Series or DataFrame, if it holds times."""
    index = getattr(x, "index", None)
    kind = getattr(getattr(index, "dtype", None), "kind", "")
    return index if kind == "M" else None


def as_given(x: Any, result: Floats, weights: list[float] | None) -> Any:
    """Return the averages as a Series or DataFrame where x is one; weights: those of the columns."""
    if not hasattr(x, "index") or not hasattr(x, "to_numpy"):
        return result
    if weights is not None:
        return type(x.to_frame())(result, index=x.index, columns=[f"{weight:g}" for weight in weights])
    named = {"columns": x.columns} if result.ndim == 2 else {"name": x.name}
    return type(x)(result, index=x.index, **named)


def seconds_of(times: ArrayLike, n: int, since: np.datetime64 | None = None) -> Floats:
    """Return (n,) seconds of times that never fall.

    Numbers and datetimes are Unix seconds. datetime64 is counted from `since`, by default from the first of
    them: floats don't hold the nanoseconds of Unix seconds.
    """
    stamps: Any = getattr(times, "dt", times)
    if getattr(stamps, "tz", None) is not None:  # pandas' times with a zone
        times = stamps.tz_convert(None).to_numpy()
    array = np.asarray(times)
    if array.dtype.kind in "US" and array.size:
        raise ValueError(
            f"times: expected datetimes or numbers, got the text {array.flat[0]!r} at position 0"
        )
    if array.dtype == object:
        array = np.array([_stamp(i, moment) for i, moment in enumerate(array)], dtype=np.float64)
    if array.shape != (n,):
        raise ValueError(f"times: expected the shape of x, {(n,)}, got {array.shape}")
    if array.dtype.kind == "M":
        check_finite("times", array)
        seconds = (array - (array[:1] if since is None else since)) / np.timedelta64(1, "s")
    else:
        array = seconds = series("times", array)
        check_finite("times", array)
    if (falls := np.flatnonzero(np.diff(seconds) < 0.0)).size:
        i = falls[0] + 1
        raise ValueError(f"times: must not fall, but times[{i}] = {array[i]} after {array[i - 1]}")
    return np.asarray(seconds, dtype=np.float64)


def _stamp(i: int, moment: Any) -> float:
    """Return the Unix seconds of a datetime; without a zone it is UTC. A date is its midnight."""
    if not hasattr(moment, "timestamp") and not isinstance(moment, datetime.date):
        raise ValueError(f"times: expected datetimes or numbers, got {moment!r} at position {i}")
    if getattr(moment, "tzinfo", None) is not None:
        return float(moment.timestamp())
    return float(np.datetime64(moment, "us").astype(np.int64) / 1e6)


def table(name: str, values: ArrayLike) -> Floats:
    """Return (n,) or (n, m) numbers; pandas' own word for a missing one is NaN."""
    if hasattr(values, "to_numpy"):
        values = values.to_numpy(dtype=np.float64, na_value=np.nan)
    try:
        table = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, got {error}") from error
    if np.ndim(values) not in (1, 2):
        shape = np.shape(values)
        raise ValueError(f"{name}: expected one series, (n,), or several, (n, m), got shape {shape}")
    return table


def series(name: str, values: ArrayLike) -> Floats:
    """Return (n,) numbers."""
    try:
        series = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, got {error}") from error
    if np.ndim(values) != 1:
        raise ValueError(f"{name}: expected one series, (n,), got shape {np.shape(values)}")
    return series


def check_finite(name: str, values: NDArray[Any]) -> None:
    """Raise ValueError at the first value that is none."""
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise ValueError(f"{name}: expected finite numbers, got {values[wrong[0]]} at position {wrong[0]}")
