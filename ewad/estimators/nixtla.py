"""Forecasts for frames as Nixtla's libraries have them: unique_id, ds, y."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ewad.estimators.forecaster import Forecaster

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("unique_id", "ds", "y")
NAME = "ewad"


def forecast(frame: pd.DataFrame, h: int, level: float = 90, **options: Any) -> pd.DataFrame:
    """Return h steps ahead of each series: unique_id, ds, ewad, and the ends of its intervals.

    frame: the columns unique_id, ds (times or whole numbers) and y, in any order; NaN in y is a gap.
    level: the coverage of intervals in per cent.  options: of ewad.Forecaster.
    Raises ValueError where a column is missing or a series has too few samples.
    """
    import pandas as pd

    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise ValueError(f"frame: expected the columns {', '.join(COLUMNS)}; {', '.join(missing)} is missing")
    if h < 1:
        raise ValueError(f"h: expected 1 or more steps, got {h}")
    settings = {"interval": level / 100.0, **options}
    parts = [_ahead(name, part, h, settings) for name, part in frame.groupby("unique_id", sort=False)]
    ends = {"forecast": NAME, "lower": f"{NAME}-lo-{level:g}", "upper": f"{NAME}-hi-{level:g}"}
    return pd.concat(parts, ignore_index=True).rename(columns=ends)


def _ahead(name: Any, part: pd.DataFrame, h: int, settings: dict[str, Any]) -> pd.DataFrame:
    """Return the forecasts of one series."""
    ordered = part.sort_values("ds")
    timed = ordered["ds"].dtype.kind == "M"
    values = ordered["y"].to_numpy(np.float64)
    made = Forecaster(range(1, h + 1), **settings).fit(values, ordered["ds"] if timed else None).forecast()
    if np.isnan(made.value).any():
        raise ValueError(f"frame: series {name}: too short for its lags: {len(values)} samples; set lags=")
    last, step = ordered["ds"].iloc[-1], ordered["ds"].diff().median()
    found = ordered.iloc[:0][["unique_id", "ds"]].reindex(range(h))
    found["unique_id"], found["ds"] = name, [last + i * step for i in range(1, h + 1)]
    return found.assign(forecast=made.value, lower=made.lower, upper=made.upper)
