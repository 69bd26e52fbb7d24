"""How good the forecasts of `model = "auto"` are: one pass, each forecast made before its value is seen.

Run: python -m tests.bench accuracy --data DIR [--only NAME] [--horizons 1,24,48]
DIR holds ETTh2.csv, ETTm1.csv, NAB_ambient_temperature_system_failure.csv, melbourne_daily_min.csv,
london_weather.csv and seattle-weather.csv; those that it does not hold are left out. Series made by formulas
are always measured.

The protocol of ETT is the published one: the first 14,400 rows, standardised by rows 0 to 2,880; forecasts
made at rows 3,600 to the last one with a target are scored; MSE is the mean over channels and steps 1..H.
The other series are in their own units, and their last 75 % are scored.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import tests.bench.measure  # noqa: F401  (before numpy: one thread each)

import numpy as np  # isort: skip
import pandas as pd  # isort: skip

from ewad.engine import Batch, Engine, GroupSettings
from ewad.engine.settings import auto

HORIZONS = (1, 24, 48)
BATCH = 1024
NEVER_WORSE = 1.01  # of persistence
COVERAGE = (0.88, 0.92)

# Mean squared errors at horizons 1, 24, 48 to reach.
TARGETS = {
    "ETTh2": (0.328, 1.50, 2.50),
    "ETTm1": (0.078, 0.315, 0.440),
    "NAB ambient": (0.68, 3.38, 5.55),
    "Melbourne minimum": (5.45, 7.2, 7.3),
    "London mean": (3.36, 7.75, 8.0),
    "Seattle tmax": (7.05, 13.2, 13.7),
}
# Published, of online forecasters that see all channels: Pham et al. ICLR 2023, Wen et al. NeurIPS 2023 and
# Lau et al. ICLR 2025, the best of its rows. Of the first two only horizon 1 is without targets to come.
PUBLISHED = {
    "ETTh2": {"FSNet": (0.466,), "OneNet": (0.380,), "DSOF": (0.365, 1.694, 2.988)},
    "ETTm1": {"FSNet": (0.085,), "OneNet": (0.082,)},
}


@dataclass(frozen=True, eq=False)
class Series:
    """time: (n,) Unix seconds.  value: (n, n_channels).  start: the row of the first forecast scored."""

    name: str
    time: np.ndarray
    value: np.ndarray
    channels: tuple[str, ...]
    start: int


@dataclass(frozen=True, eq=False)
class Accuracy:
    """Means over the scored rows, (n_channels, n_horizons) each; persistence: its squared error.

    repeated: the share of values that were the last one again. Where that is the forecast, any interval that
    holds its own forecast holds those: so much no coverage can fall short of.
    """

    squared: np.ndarray
    persistence: np.ndarray
    coverage: np.ndarray
    width: np.ndarray
    repeated: np.ndarray
    microseconds: float


def whole_ett(folder: Path, name: str) -> Series:
    """Return all rows of a file, standardised by rows 0 to 2,880."""
    frame = pd.read_csv(folder / f"{name}.csv", parse_dates=["date"])
    value = frame.iloc[:, 1:].to_numpy(np.float64)
    first = value[:2880]
    value = (value - first.mean(axis=0)) / first.std(axis=0)
    return Series(name, unix(frame["date"]), value, tuple(frame.columns[1:]), 3600)


def ett(folder: Path, name: str) -> Series:
    """Return the published cut of a file."""
    whole = whole_ett(folder, name)
    return replace(whole, time=whole.time[:14400], value=whole.value[:14400])


def column(frame: pd.DataFrame, times: pd.Series, column: str, name: str) -> Series:
    """Return a column without its gaps."""
    known = frame[column].notna()
    value = frame.loc[known, column].to_numpy(np.float64)[:, None]
    return Series(name, unix(times[known]), value, (column,), len(value) // 4)


def unix(times: pd.Series) -> np.ndarray:
    """Return Unix seconds."""
    return times.to_numpy().astype("datetime64[ns]").astype(np.int64) / 1e9


def recorded(folder: Path) -> Iterator[Series]:
    """Yield the series of the files that are there."""
    for name in ("ETTh2", "ETTm1"):
        if (folder / f"{name}.csv").is_file():
            yield ett(folder, name)
    files = (
        ("NAB_ambient_temperature_system_failure.csv", "timestamp", None, {"value": "NAB ambient"}),
        ("melbourne_daily_min.csv", "Date", None, {"Temp": "Melbourne minimum"}),
        ("london_weather.csv", "date", "%Y%m%d", {"mean_temp": "London mean"}),
        ("seattle-weather.csv", "date", None, {"temp_max": "Seattle tmax"}),
    )
    for file, time_column, time_format, names in files:
        if not (folder / file).is_file():
            continue
        frame = pd.read_csv(folder / file)
        times = pd.to_datetime(frame[time_column].astype(str), format=time_format)
        numbers = [each for each in frame.columns if each != time_column and is_number(frame[each])]
        for each in sorted(numbers, key=lambda each: each not in names):
            yield column(frame, times, each, names.get(each, f"{file.split('.')[0]} {each}"))


def is_number(values: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values))


def generated() -> Iterator[Series]:
    """Yield series that no setting was chosen on, hourly."""
    rng, n = np.random.default_rng(7), 8000
    walk, t = np.cumsum(rng.normal(size=n)), np.arange(n)
    quiet = np.empty(n)
    quiet[0] = 0.0
    for i, shock in enumerate(rng.normal(size=n - 1)):
        quiet[i + 1] = 0.7 * quiet[i] + shock
    kinds = {
        "random walk": walk,
        "random walk in steps of 5": 5.0 * np.round(walk / 5.0),
        "AR(1) of 0.7": quiet,
        "sine of a day and noise": 5.0 * np.sin(2.0 * np.pi * t / 24.0) + rng.normal(size=n),
        "sine of 37 samples and noise": 5.0 * np.sin(2.0 * np.pi * t / 37.0) + rng.normal(size=n),
        "constant with rare steps": np.cumsum(rng.normal(size=n) * (rng.random(n) < 0.002)),
        "walk of heavy tails": np.cumsum(rng.standard_t(2.0, n)),
        "noise of heavy tails": rng.standard_t(3.0, n),
    }
    for name, value in kinds.items():
        yield Series(name, 1.6e9 + 3600.0 * t, value[:, None], ("value",), n // 4)


def measure(series: Series, horizon: int) -> Accuracy:
    """Return how good the forecasts for steps 1 to horizon are."""
    n, n_channels = series.value.shape
    engine = Engine([GroupSettings("accuracy", model=auto("auto", horizons=tuple(range(1, horizon + 1))))])
    for channel in series.channels:
        engine.add_stream(0, channel)
    sums = np.zeros((5, n_channels, horizon))
    rows, started = max(1, BATCH // n_channels), time.process_time()
    for a in range(0, n, rows):
        value = series.value[a : a + rows]
        stream = np.tile(np.arange(n_channels, dtype=np.int32), len(value))
        results = engine.observe(
            Batch(0, stream, np.repeat(series.time[a : a + rows], n_channels), value.ravel())
        )
        forecasts = (results.forecast, results.lower, results.upper)
        sums += scored(
            series, a, *(each.reshape(-1, n_channels, horizon) for each in forecasts if each is not None)
        )
    cost = (time.process_time() - started) / series.value.size * 1e6
    return Accuracy(*sums / (n - horizon - series.start), cost)


def scored(
    series: Series, first: int, forecast: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """Return sums of squares, squares of persistence, values inside, widths and values that were the last one
    again; (5, n_channels, n_horizons).

    The rest: (m, n_channels, n_horizons) of rows from `first` on.
    """
    horizon = forecast.shape[2]
    rows = np.arange(max(first, series.start), min(first + len(forecast), len(series.value) - horizon))
    if not len(rows):
        return np.zeros((5, *forecast.shape[1:]))
    forecast, lower, upper = (each[rows - first] for each in (forecast, lower, upper))
    came = series.value[rows[:, None] + np.arange(1, horizon + 1)].transpose(0, 2, 1)
    last = series.value[rows][:, :, None]
    inside = (lower <= came) & (came <= upper)
    kinds = (forecast - came) ** 2, (last - came) ** 2, inside, upper - lower, came == last
    return np.stack([kind.sum(axis=0) for kind in kinds])


def cells(values: tuple[float, ...]) -> str:
    return " / ".join(f"{value:.3f}" for value in values)


def to_persistence(squared: np.ndarray, persistence: np.ndarray) -> np.ndarray:
    """Return the ratio of errors; where nothing has moved, infinity for any error."""
    nothing_moved = np.where(squared > 0.0, np.inf, 1.0)
    return np.divide(squared, persistence, out=nothing_moved, where=persistence > 0.0)


def show(series: Series, horizons: tuple[int, ...]) -> tuple[float, list[str]]:
    """Measure and print a series; return the worst ratio to persistence, and the coverages out of bounds."""
    found = [measure(series, horizon) for horizon in horizons]
    mse = [float(each.squared.mean()) for each in found]
    print(f"{series.name}: {len(series.value):,} rows, {len(series.channels)} channels")
    rows = {"ewad, auto": tuple(mse), **PUBLISHED.get(series.name, {})}
    if series.name in TARGETS:
        rows["to reach"] = tuple(
            dict(zip(HORIZONS, TARGETS[series.name], strict=True)).get(h, np.nan) for h in horizons
        )
    rows["persistence"] = tuple(float(each.persistence.mean()) for each in found)
    for name, values in rows.items():
        late = name == "to reach" and any(mine > bound for mine, bound in zip(mse, values, strict=True))
        print(f"  {name:12} {cells(values)}{'  MISSED' if late else ''}")
    ratios = [to_persistence(each.squared, each.persistence).max() for each in found]
    print(f"  worst horizon and channel, to persistence: {cells(tuple(ratios))}")
    print(f"  cost {cells(tuple(each.microseconds for each in found))} us a sample")
    missed = []
    for i, channel in enumerate(series.channels):
        covered, repeated, width = (
            tuple(float(kind[i].mean()) for kind in kinds)
            for kinds in zip(*((each.coverage, each.repeated, each.width) for each in found), strict=True)
        )
        line = f"{channel}: coverage {cells(covered)}"
        if max(repeated) > COVERAGE[1]:
            line += f", repeated {cells(repeated)}"
        if not all(COVERAGE[0] <= each <= COVERAGE[1] for each in covered):
            missed.append(line)
        print(f"  {line}, width {cells(width)}", flush=True)
    return float(max(ratios)), missed


def main() -> None:
    """Print every series, and the worst of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the files; default: none")
    parser.add_argument("--only", default="", help="the series whose names begin so")
    parser.add_argument("--horizons", default=",".join(map(str, HORIZONS)))
    arguments = parser.parse_args()
    horizons = tuple(map(int, arguments.horizons.split(",")))
    print(f"MSE at horizons 1..H, H = {' / '.join(map(str, horizons))}; intervals of 90 %")
    worst = {}
    for series in (*(recorded(arguments.data) if arguments.data else ()), *generated()):
        if series.name.startswith(arguments.only):
            worst[series.name] = show(series, horizons)
    name = max(worst, key=lambda name: worst[name][0])
    print(f"\nworst to persistence: {worst[name][0]:.3f}, {name} (bound: {NEVER_WORSE})")
    for name, (ratio, missed) in worst.items():
        if ratio > NEVER_WORSE:
            print(f"  {name}: {ratio:.3f} of persistence at a horizon  MISSED")
        for line in missed:
            print(f"  {name}, {line} (bounds: {COVERAGE[0]}, {COVERAGE[1]})  MISSED")


if __name__ == "__main__":
    main()
