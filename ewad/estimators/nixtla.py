"""Forecasts for frames as Nixtla's libraries have them: unique_id, ds, y."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ewad.estimators.by_calendar import by_calendar
from ewad.estimators.forecaster import PARTS, Forecaster
from ewad.numeric.tables import table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("unique_id", "ds", "y")
NAME = "ewad"
FARTHEST = 1000  # horizon of a model


def forecast(frame: pd.DataFrame, h: int, level: float = 90, **options: Any) -> pd.DataFrame:
    """Return the h steps after the last row of each series: unique_id, ds, ewad, and its intervals' ends.

    frame: the columns unique_id, ds (times or whole numbers) and y, in any order. NaN in y is no sample:
    where a series ends in some, its forecasts are as many steps farther ahead of its last sample. A step is
    that of the calendar, such as a month, where rows have one, else the median.
    level: the coverage of intervals in per cent.  options: of ewad.Forecaster, without horizons and every.
    Raises ValueError where a column is missing, or a series has too few samples or none of late.
    """
    import pandas as pd

    _check(frame, h, level, options)
    frame = frame.assign(ds=_times(frame["ds"]))
    settings = {"interval": level / 100.0, **options}
    groups = frame.groupby("unique_id", sort=False, observed=True)
    parts = [_ahead(name, part, h, settings) for name, part in groups]
    nothing = frame.iloc[:0][["unique_id", "ds"]].assign(**dict.fromkeys(PARTS, np.empty(0)))
    ends = {"forecast": NAME, "lower": f"{NAME}-lo-{level:g}", "upper": f"{NAME}-hi-{level:g}"}
    return pd.concat(parts or [nothing], ignore_index=True).rename(columns=ends)


def _check(frame: pd.DataFrame, h: int, level: float, options: dict[str, Any]) -> None:
    """Raise ValueError for what can not be forecast."""
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise ValueError(f"frame: expected the columns {', '.join(COLUMNS)}; {', '.join(missing)} is missing")
    for name in ("unique_id", "ds"):
        for row in np.flatnonzero(frame[name].isna()):
            raise ValueError(f"frame: {name}: expected one in each row, got none in row {row}")
    if not isinstance(h, int | np.integer) or h < 1:
        raise ValueError(f"h: expected 1 or more steps, got {h}")
    if not 0 < level < 100:
        raise ValueError(f"level: expected per cent between 0 and 100, got {level}")
    for name in ("horizons", "every"):
        if name in options:
            raise ValueError(f"{name}: expected none, as h and the rows say which steps to forecast")


def _times(ds: pd.Series[Any]) -> pd.Series[Any]:
    """Return times as such, texts and objects too, or numbers."""
    import pandas as pd

    if ds.dtype.kind in "Miuf":
        return ds
    try:
        return pd.to_datetime(ds)
    except (TypeError, ValueError) as error:
        raise ValueError(f"frame: ds: expected times or whole numbers, got {ds.dtype}: {error}") from error


def _ahead(name: Any, part: pd.DataFrame, h: int, settings: dict[str, Any]) -> pd.DataFrame:
    """Return the forecasts of one series."""
    ordered = part.sort_values("ds")
    rows = np.flatnonzero(ordered["y"].notna())
    values, ds = table(f"frame: series {name}: y", ordered["y"].iloc[rows]), ordered["ds"].iloc[rows]
    if ds.nunique() < 2:
        raise _too_short(name, len(rows))
    missing, times = _times_ahead(ordered["ds"], rows, h)
    if missing + h > FARTHEST:
        raise ValueError(
            f"frame: series {name}: expected at most {FARTHEST} steps from its last sample, "
            f"got {missing} to its last row and h = {h}"
        )
    ahead = range(missing + 1, missing + h + 1)
    made = Forecaster(ahead, **settings).fit(values, ds if ds.dtype.kind == "M" else None).forecast()
    if np.isnan(made.value).any():
        raise _too_short(name, len(rows))
    found = ordered.iloc[:0][["unique_id", "ds"]].reindex(range(h))
    found["unique_id"], found["ds"] = name, times
    return found.astype({"ds": ds.dtype}).assign(**made._asdict()).rename(columns={"value": "forecast"})


def _times_ahead(ds: pd.Series[Any], samples: NDArray[np.intp], h: int) -> tuple[int, Any]:
    """Return how many steps the last row is after the last sample, and the times of the next h.

    ds: of all rows.  samples: which rows have one.
    """
    import pandas as pd

    if ds.dtype.kind == "M" and np.median(np.diff(samples)) < 2:  # samples are a row apart, as a rule
        found = by_calendar(pd.DatetimeIndex(ds), range(1, h + 1))
        if found is not None:
            return len(ds) - 1 - int(samples[-1]), found
    steps: Any = ds.iloc[samples].diff()
    step = steps[steps != 0 * steps].quantile(0.5, interpolation="lower")  # one that there was
    last = ds.iloc[samples[-1]]
    missing = int((ds.iloc[-1] - last) // step)
    return missing, [last + (missing + i) * step for i in range(1, h + 1)]


def _too_short(name: Any, n_samples: int) -> ValueError:
    return ValueError(f"frame: series {name}: too short for its lags: {n_samples} samples; set lags=")
