"""What people give, numpy's or pandas', as rows of samples; and results in the form that they gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ewad.engine.group import VALUE_LIMIT
from ewad.kernels.memory import Floats
from ewad.numeric.tables import at, check_finite, seconds_of, table, times_of

EPOCH = np.datetime64(0, "s")
ONLY = "x"  # the name of a series without one

Kind = Literal["array", "table", "series", "frame"]
Name = str | int  # what a dump holds of names as they are


@dataclass(frozen=True, eq=False)
class Given:
    """value: (n, m), NaN for gaps.  time: (n,) Unix seconds, or None where there are no times.

    zone: the name of the zone that the times of pandas are in.  columns: the names of the m series.
    original: what was given.
    """

    value: Floats
    time: Floats | None
    zone: str | None
    columns: tuple[Name, ...]
    kind: Kind
    original: Any

    @classmethod
    def of(cls, x: ArrayLike, times: ArrayLike | None = None) -> Given:
        """Return x, (n,) or (n, m), with its times or those of its index.

        Raises ValueError for other shapes, infinite values and times that fall.
        """
        value = table("x", x)
        check_finite("x", np.where(np.isnan(value), 0.0, value))
        for place in np.argwhere(np.abs(value) > VALUE_LIMIT):
            raise ValueError(
                f"x: expected numbers within {VALUE_LIMIT:g}, got {value[tuple(place)]:g} {at(place)}"
            )
        times = times_of(x) if times is None else times
        time = None if times is None else seconds_of(times, len(value), EPOCH)
        zone = getattr(getattr(times, "dt", times), "tz", None)
        kind = _kind(x, value.ndim)
        return cls(
            value if value.ndim == 2 else value[:, None],
            time,
            None if zone is None else str(zone),
            _names(x, kind, value),
            kind,
            x,
        )

    def labelled(self, result: Floats, labels: Sequence[str]) -> Any:
        """Return results in the form of what was given.  result: (n, m, k), k of them a row and series.

        Of a Series a DataFrame, of a DataFrame one with a pair of names a column.
        """
        if self.kind in ("array", "table"):
            return result[:, 0] if self.kind == "array" else result
        return framed(self.kind, result, self.original.index, self._names(), labels)

    def _names(self) -> Any:
        return self.original.columns if self.kind == "frame" else self.columns


def framed(kind: Kind, result: Floats, index: Any, names: Any, labels: Sequence[str]) -> Any:
    """Return (n, m, k) results as a DataFrame with this index."""
    import pandas as pd

    if kind == "series":
        return pd.DataFrame(result[:, 0], index=index, columns=list(labels))
    columns = pd.MultiIndex.from_product([list(names), list(labels)])
    return pd.DataFrame(result.reshape(len(result), len(columns)), index=index, columns=columns)


def _kind(x: Any, ndim: int) -> Kind:
    if hasattr(x, "index") and hasattr(x, "to_numpy"):
        return "series" if ndim == 1 else "frame"
    return "array" if ndim == 1 else "table"


def _names(x: Any, kind: Kind, value: Floats) -> tuple[Name, ...]:
    if kind == "frame":
        return tuple(name if isinstance(name, str | int) else str(name) for name in x.columns)
    if kind == "table":
        return tuple(f"{ONLY}{i}" for i in range(value.shape[1]))
    name = getattr(x, "name", None) if kind == "series" else None
    return (ONLY if name is None else str(name),)
