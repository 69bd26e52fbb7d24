"""Forecasts for frames as Nixtla's libraries have them: unique_id, ds, y."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ewad.estimators.forecaster import Forecaster

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("unique_id", "ds", "y")
NAME = "ewad"
FARTHEST = 1000  # horizon of a model


def forecast(frame: pd.DataFrame, h: int, level: float = 90, **options: Any) -> pd.DataFrame:
    """Return the h steps after the last row of each series: unique_id, ds, ewad, and its intervals' ends.

    frame: the columns unique_id, ds (times or whole numbers) and y, in any order. NaN in y is no sample:
    where a series ends in some, its forecasts are as many steps farther ahead of its last sample.
    level: the coverage of intervals in per cent.  options: of ewad.Forecaster.
    Raises ValueError where a column is missing, or a series has too few samples or none of late.
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
    import pandas as pd

    ordered = part.sort_values("ds")
    samples = ordered[ordered["y"].notna()]
    steps = samples["ds"].diff()
    step = steps[steps != 0 * steps].quantile(0.5, interpolation="lower")  # one that there was
    if pd.isna(step):
        raise _too_short(name, samples)
    last = samples["ds"].iloc[-1]
    missing = int((ordered["ds"].iloc[-1] - last) // step)
    if missing + h > FARTHEST:
        raise ValueError(
            f"frame: series {name}: expected at most {FARTHEST} steps from its last sample, "
            f"got {missing} to its last row and h = {h}"
        )
    ahead = range(missing + 1, missing + h + 1)
    times = samples["ds"] if samples["ds"].dtype.kind == "M" else None
    made = Forecaster(ahead, **settings).fit(samples["y"].to_numpy(np.float64), times).forecast()
    if np.isnan(made.value).any():
        raise _too_short(name, samples)
    found = ordered.iloc[:0][["unique_id", "ds"]].reindex(range(h))
    found["unique_id"], found["ds"] = name, [last + i * step for i in ahead]
    found = found.astype({"ds": ordered["ds"].dtype})
    return found.assign(forecast=made.value, lower=made.lower, upper=made.upper)


def _too_short(name: Any, samples: pd.DataFrame) -> ValueError:
    return ValueError(f"frame: series {name}: too short for its lags: {len(samples)} samples; set lags=")
