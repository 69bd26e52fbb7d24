"""The bias-corrected average of one whole series at once, by the kernel of the daemon: `ewad.ewa`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ewad.kernels.averages import AverageKernel
from ewad.kernels.memory import Floats
from ewad.numeric.averages import ByCount, ByTime, ExponentialAverage
from ewad.numeric.tables import as_given, check_finite, seconds_of, table, times_of

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def ewa(
    x: ArrayLike,
    beta: float | Sequence[float] | None = None,
    *,
    times: ArrayLike | None = None,
    half_life: Any = None,
    window: float | Sequence[float] | None = None,
    span: float | Sequence[float] | None = None,
    alpha: float | Sequence[float] | None = None,
) -> Any:
    """Return the bias-corrected exponentially weighted average after each sample of x: (n,) -> (n,).

    x: (n,), or (n, m), series side by side -> (n, m). NaN is a gap: no sample, the average stays what it was
    (NaN before the first one). A pandas Series or DataFrame comes back as one, with its index.

    One of these says how much the past weighs; none: beta = 0.9. beta: the weight of the past at each sample,
    in [0, 1). window: samples, beta = 1 - 1 / window. span: samples, beta = 1 - 2 / (span + 1). alpha:
    beta = 1 - alpha. half_life, with times: the past loses half its weight in each half_life; seconds, a text
    such as "10m", or a timedelta. Several of them -> one column each: (n, k), of a Series a DataFrame.

    times: (n,) Unix seconds, datetime64 or datetimes (with a zone, or UTC), never falling; those of the index
    where it holds times, or the starts of its periods.

    Equals pandas' ewm(alpha=1 - beta, ignore_na=True) and ewm(halflife=..., times=...). Raises ValueError for
    other shapes, for what is no finite number (named by position), for a bad beta or half-life.
    """
    values = table("x", x)
    label, weights, several = weights_of(beta, window, span, alpha, half_life)
    if label == "half_life":
        times = times_of(x) if times is None else times
    if (times is None) != (label != "half_life"):
        raise ValueError("times and half_life: expected both or none, got one")
    if several and values.ndim == 2:
        raise ValueError(f"{label}: expected one for a table, got {len(weights)}: one call for each")
    elapsed = None if times is None else seconds_of(times, len(values))
    columns = [column.copy() for column in values.T] if values.ndim == 2 else [values] * len(weights)
    chosen = weights * len(columns) if len(weights) == 1 else weights
    parts = [_average(column, weight, elapsed) for column, weight in zip(columns, chosen, strict=True)]
    result = np.reshape(parts, (len(parts), len(values))).T if several or values.ndim == 2 else parts[0]
    return as_given(x, result, weights if several else None)


def weights_of(
    beta: Any, window: Any, span: Any, alpha: Any, half_life: Any
) -> tuple[str, list[float], bool]:
    """Return which word was used, its decays (betas, or seconds of half-life), and whether several."""
    words = {"beta": beta, "window": window, "span": span, "alpha": alpha, "half_life": half_life}
    given: dict[str, Any] = {word: value for word, value in words.items() if value is not None}
    if len(given) > 1:
        raise ValueError(f"expected one of beta, window, span, alpha, half_life, got {' and '.join(given)}")
    word = next(iter(given), "beta")
    value = given.get(word, 0.9)
    several = np.ndim(value) == 1 and not isinstance(value, str)
    values: list[Any] = list(value) if several else [value]
    if not values:
        raise ValueError(f"{word}: expected a number or several, got none")
    return word, [TO_DECAY[word](each) for each in values], several


def _average(values: Floats, decay: float, elapsed: Floats | None) -> Floats:
    """Return the averages of one series with gaps; elapsed: (n,) seconds, of an average by time."""
    averages = _whole(values, decay, elapsed)
    # What is not finite stays in all later averages, but for those without memory.
    if np.isfinite(averages[-1:] if decay else averages).all():
        return averages
    check_finite("x", np.where(np.isnan(values), 0.0, values))
    known = np.isfinite(values)
    if known.all():  # of numbers near the greatest a difference is too great
        return 4.0 * _whole(0.25 * values, decay, elapsed)
    averages = _average(values[known], decay, None if elapsed is None else elapsed[known])
    latest = np.cumsum(known) - 1
    return np.where(latest >= 0, np.append(averages, np.nan)[latest], np.nan)


def _whole(values: Floats, decay: float, time: Floats | None) -> Floats:
    """Return the averages of a series without gaps. time: (n,) seconds."""
    with np.errstate(over="ignore", invalid="ignore"):  # interpreted kernels tell of what `_average` finds
        if time is not None:
            elapsed = np.diff(time, prepend=time[:1])
            rows = np.zeros(len(values), dtype=np.int64)
            return ExponentialAverage(ByTime(decay), 1).update(rows, elapsed, values)[0].copy()
        beta = ByCount(decay).beta
        if beta == 0.0:
            return values.copy()
        means = np.empty_like(values)
        AverageKernel(beta, math.inf, False, None).smooth(values, means)
        return means


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
    return _number("half_life", half_life)


# word -> the decay that a value of it means: beta, or seconds of half-life
TO_DECAY: dict[str, Callable[[Any], float]] = {
    "beta": lambda beta: _number("beta", beta),
    "window": lambda window: 1.0 - 1.0 / _at_least("window", window),
    "span": lambda span: 1.0 - 2.0 / (_at_least("span", span) + 1.0),
    "alpha": lambda alpha: 1.0 - _share("alpha", alpha),
    "half_life": _seconds,
}


def _at_least(name: str, value: Any) -> float:
    number = _number(name, value)
    if not 1.0 <= number < math.inf:
        raise ValueError(f"{name}: must be 1 or more, got {value}")
    return number


def _share(name: str, value: Any) -> float:
    number = _number(name, value)
    if not 0.0 < number <= 1.0:
        raise ValueError(f"{name}: must be in (0, 1], got {value}")
    return number


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected a number, got {value!r}") from error
