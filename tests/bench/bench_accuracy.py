"""How good the forecasts of `model = "auto"` are: one pass, each forecast made before its value is seen.

Run: python -m tests.bench accuracy --data DIR [--only NAME] [--horizons 1,24,48]
DIR holds ETTh2.csv, ETTm1.csv, NAB_ambient_temperature_system_failure.csv, melbourne_daily_min.csv,
london_weather.csv and seattle-weather.csv; those that it does not hold are left out. Series made by formulas
are always measured.

The protocol of ETT is that of `ewad evaluate --protocol fsnet`, but each H has a model of its own. The other
series are in their own units, and their last 75 % are scored.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import tests.bench.measure  # noqa: F401  (before numpy: one thread each)

import numpy as np  # isort: skip
import pandas as pd  # isort: skip

from ewad.engine.settings import auto
from ewad.evaluation.evaluation import Measured, measure
from ewad.evaluation.protocols import FITTED, HORIZONS, PUBLISHED, START, Task, fsnet
from ewad.evaluation.scoring import ratio
from ewad.evaluation.series import ScoredSeries, in_own_units, series

NEVER_WORSE = 1.01  # of persistence
COVERAGE = (0.88, 0.92)
MODEL = auto("auto")

# Mean squared errors at horizons 1, 24, 48 to reach.
TARGETS = {
    "ETTh2": (0.328, 1.50, 2.50),
    "ETTm1": (0.078, 0.315, 0.440),
    "NAB ambient": (0.68, 3.38, 5.55),
    "Melbourne minimum": (5.45, 7.2, 7.3),
    "London mean": (3.36, 7.75, 8.0),
    "Seattle tmax": (7.05, 13.2, 13.7),
}


def ett_columns(folder: Path, name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return times and values of each column of a file."""
    frame = pd.read_csv(folder / f"{name}.csv", parse_dates=["date"])
    time = unix(frame["date"])
    return {column: (time, frame[column].to_numpy(np.float64)) for column in frame.columns[1:]}


def whole_ett(folder: Path, name: str) -> Task:
    """Return all rows of a file, standardised by rows 0 to 2,880."""
    columns = ett_columns(folder, name).items()
    every = (in_own_units(series(column, time, value, START), FITTED) for column, (time, value) in columns)
    return task(name, *every)


def task(name: str, *every: ScoredSeries) -> Task:
    """Return these series together."""
    return Task(name, every, "squared", "MSE", "persistence")


def last_part(name: str, time: np.ndarray, value: np.ndarray) -> ScoredSeries:
    """Return a series of which the last 75 % are scored."""
    return series(name, time, value, len(value) // 4)


def column(frame: pd.DataFrame, times: pd.Series, column: str, name: str) -> Task:
    """Return a column without its gaps."""
    known = frame[column].notna()
    value = frame.loc[known, column].to_numpy(np.float64)
    return task(name, last_part(column, unix(times[known]), value))


def unix(times: pd.Series) -> np.ndarray:
    """Return Unix seconds."""
    return times.to_numpy().astype("datetime64[ns]").astype(np.int64) / 1e9


def recorded(folder: Path) -> Iterator[Task]:
    """Yield the series of the files that are there."""
    for name in ("ETTh2", "ETTm1"):
        if (folder / f"{name}.csv").is_file():
            yield from fsnet(name, ett_columns(folder, name))
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


def generated() -> Iterator[Task]:
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
        yield task(name, last_part("value", 1.6e9 + 3600.0 * t, value))


def cells(values: tuple[float, ...]) -> str:
    return " / ".join(f"{value:.3f}" for value in values)


def show(one: Task, horizons: tuple[int, ...]) -> tuple[float, list[str]]:
    """Measure and print a task; return the worst ratio to persistence, and the coverages out of bounds."""
    found = [measure(replace(one, horizons=(horizon,)), MODEL) for horizon in horizons]
    mse = [float(each.error["ewad"].mean()) for each in found]
    print(f"{one.name}: {len(one.series[0].value):,} rows, {len(one.series)} channels")
    rows = {"ewad, auto": tuple(mse), **PUBLISHED.get(one.name, {})}
    if one.name in TARGETS:
        rows["to reach"] = tuple(
            dict(zip(HORIZONS, TARGETS[one.name], strict=True)).get(h, np.nan) for h in horizons
        )
    rows["persistence"] = tuple(float(each.error["persistence"].mean()) for each in found)
    for name, values in rows.items():
        late = name == "to reach" and any(mine > bound for mine, bound in zip(mse, values, strict=True))
        print(f"  {name:12} {cells(values)}{'  MISSED' if late else ''}")
    worst = tuple(float(to_persistence(each)[-1].max()) for each in found)
    print(f"  worst horizon and channel, to persistence: {cells(worst)}")
    samples = sum(len(each.value) for each in one.series)
    print(f"  cost {cells(tuple(each.seconds['ewad'] / samples * 1e6 for each in found))} us a sample")
    return max(worst), show_intervals(one, found)


def show_intervals(one: Task, found: list[Measured]) -> list[str]:
    """Print coverage and width of each channel; return those whose coverage is out of bounds."""
    missed = []
    for i, each in enumerate(one.series):
        covered, repeated, width = (
            tuple(float(part.mean("ewad", kind)[i, -1]) for part in found)
            for kind in ("inside", "repeated", "width")
        )
        line = f"{each.name}: coverage {cells(covered)}"
        if max(repeated) > COVERAGE[1]:
            line += f", repeated {cells(repeated)}"
        if not all(COVERAGE[0] <= share <= COVERAGE[1] for share in covered):
            missed.append(line)
        print(f"  {line}, width {cells(width)}", flush=True)
    return missed


def to_persistence(found: Measured) -> tuple[np.ndarray, np.ndarray]:
    """Return MSE to persistence's of the means of steps 1 to H, and of single steps, a row each channel."""
    farthest = max(found.task.horizons)
    mine, its = (
        np.array([each[farthest].squared for each in found.errors[name]]) for name in ("ewad", "persistence")
    )
    steps = np.arange(1, farthest + 1)
    at = np.array(found.task.horizons) - 1
    means = ratio((mine.cumsum(axis=1) / steps)[:, at], (its.cumsum(axis=1) / steps)[:, at])
    return means, ratio(mine, its)


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
    for one in (*(recorded(arguments.data) if arguments.data else ()), *generated()):
        if one.name.startswith(arguments.only):
            worst[one.name] = show(one, horizons)
    name = max(worst, key=lambda name: worst[name][0])
    print(f"\nworst to persistence: {worst[name][0]:.3f}, {name} (bound: {NEVER_WORSE})")
    for name, (most, missed) in worst.items():
        if most > NEVER_WORSE:
            print(f"  {name}: {most:.3f} of persistence at a horizon  MISSED")
        for line in missed:
            print(f"  {name}, {line} (bounds: {COVERAGE[0]}, {COVERAGE[1]})  MISSED")


if __name__ == "__main__":
    main()
