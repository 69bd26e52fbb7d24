"""Series and tables as people have them, numpy's or pandas', as numbers and seconds, and back."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ewad.kernels.memory import Floats

NO_NUMBERS = {"M": "times", "m": "durations", "c": "complex numbers"}  # kinds that numpy would make some of


def times_of(x: Any) -> Any:
    """Return the index of a Series or DataFrame, if it holds times; of periods their starts."""
    index: Any = getattr(x, "index", None)
    if not hasattr(index, "infer_objects") or index.nlevels > 1:
        return None
    index = index.infer_objects()
    if hasattr(index, "to_timestamp"):
        index = index.to_timestamp()
    return index if index.dtype.kind == "M" else None


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
            f"times: expected datetimes or numbers, got the text '{array.flat[0]}' at position 0"
        )
    if array.dtype.kind in "mc":
        raise ValueError(f"times: expected datetimes or numbers, got {NO_NUMBERS[array.dtype.kind]}")
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
    if isinstance(moment, Real):
        return float(moment)
    known = hasattr(moment, "timestamp") or isinstance(moment, datetime.date)
    if not known or moment != moment:
        raise ValueError(f"times: expected datetimes or numbers, got {moment!r} at position {i}")
    if getattr(moment, "tzinfo", None) is not None:
        return float(moment.timestamp())
    return float(np.datetime64(moment, "us").astype(np.int64) / 1e6)


def table(name: str, values: Any) -> Floats:
    """Return (n,) or (n, m) numbers; NaN for None, what is masked, and pandas' own word for a missing one.

    Raises ValueError at the first value that is no number.
    """
    given = values if hasattr(values, "to_numpy") else _array(name, values)
    if np.ndim(given) not in (1, 2):
        shape = np.shape(given)
        raise ValueError(f"{name}: expected one series, (n,), or several, (n, m), got shape {shape}")
    dtypes = given.dtypes if hasattr(given, "dtypes") else given.dtype
    for dtype in np.atleast_1d(np.array(dtypes, dtype=object)):
        if (kind := getattr(dtype, "kind", "")) in NO_NUMBERS:
            raise ValueError(f"{name}: expected numbers, got {NO_NUMBERS[kind]}")
    try:
        if hasattr(given, "to_numpy"):
            given = given.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.ascontiguousarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, got {_first_other(given) or error}") from error


def _array(name: str, values: Any) -> Any:
    """Return what is not pandas' as an array."""
    if isinstance(values, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(values), np.nan, values.data)
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name}: expected numbers in rows of one length, got {values!r:.40}") from error


def _first_other(values: Any) -> str | None:
    """Return what the first value is that is no number, and where it stands."""
    for place, each in np.ndenumerate(np.asarray(values, dtype=object)):
        try:
            float(each)
        except (TypeError, ValueError):
            return f"{each!r:.40} {at(place)}"
    return None


def at(place: Sequence[int] | NDArray[np.intp]) -> str:
    """Return a place in a series or table in words."""
    return f"at position {place[0]}" if len(place) == 1 else f"in row {place[0]}, column {place[1]}"


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
    for place in np.argwhere(~np.isfinite(values)):
        raise ValueError(f"{name}: expected finite numbers, got {values[tuple(place)]} {at(place)}")
