"""Published ways to measure forecasts: which rows are scored, in what units, against what.

fsnet: the first 14,400 rows of a table, each column standardised by its rows 0 to 2,880; forecasts made at
rows 3,600 to the last one with a target are scored by their squared error. Source: Pham et al., Learning
Fast and Slow for Online Time Series Forecasting, ICLR 2023; the cut of the row counts as in Lau et al.,
ICLR 2025.
gift-eval: 20 windows of 48 steps without overlap at the end of each column, scored by MASE: the absolute
error in mean absolute changes from season to season before the window; the value a season before is what it
is relative to. Tables of less than an hour a step are a second task as hourly means. Source: Aksu et al.,
GIFT-Eval, 2024: its short tasks of ETT.
series: the last 75 % of each series, in squared errors relative to those of the last value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from ewad.errors import SourceError
from ewad.evaluation.series import ScoredSeries, in_own_units, series
from ewad.kernels.memory import Floats
from ewad.numeric.calendar import season_of

HORIZONS = (1, 24, 48)
HOUR = 3600.0
# fsnet
ROWS, FITTED, START = 14_400, 2_880, 3_600
# gift-eval
WINDOWS, STEPS = 20, 48
# series
LEFT_OUT = 0.25

# Of online forecasters that see all columns, by the table's name: Pham et al. ICLR 2023, Wen et al. NeurIPS
# 2023 and Lau et al. ICLR 2025, the best of its rows. The first two used targets before they had come, but
# for step 1.
PUBLISHED: dict[str, dict[str, tuple[float, ...]]] = {
    "ETTh2": {"FSNet": (0.466,), "OneNet": (0.380,), "DSOF": (0.365, 1.694, 2.988)},
    "ETTm1": {"FSNet": (0.085,), "OneNet": (0.082,)},
}

# a table's streams: name -> times and values
Table = Mapping[str, tuple[Floats, Floats]]


@dataclass(frozen=True, eq=False)
class Task:
    """What is measured together.  horizons: steps; an error is the mean over the steps 1 to H.

    error: "squared" or "absolute".  in_words: how the errors are made.  baseline: the method that errors are
    relative to.  comparable: whether the errors of its series have the same unit, so that their mean means
    something.  published: errors of others, by name.
    """

    name: str
    series: tuple[ScoredSeries, ...]
    error: str
    in_words: str
    baseline: str
    horizons: tuple[int, ...] = HORIZONS
    comparable: bool = True
    published: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def fsnet(name: str, table: Table) -> Iterator[Task]:
    """Yield the task of a table. Raises SourceError where it is too short or has gaps."""
    each = _even(name, table)
    least = START + 2 * max(HORIZONS)
    cut = []
    for stream, (time, value) in each.items():
        if len(value) < least:
            raise SourceError(
                f"{name}: column {stream}: the fsnet protocol needs {least:,} rows or more,"
                f" got {len(value):,}"
            )
        cut.append(in_own_units(series(stream, time[:ROWS], value[:ROWS], START), FITTED))
    rows = min(ROWS, len(cut[0].value))
    words = f"MSE in standard deviations of the first {FITTED:,} rows; rows {START:,} to {rows:,} scored"
    published = PUBLISHED.get(name, {})
    yield Task(name, tuple(cut), "squared", words, "persistence", published=published)


def gift_eval(name: str, table: Table) -> Iterator[Task]:
    """Yield the task of a table, and that of its hourly means. Raises SourceError where it does not fit."""
    even = _even(name, table)
    time, _ = next(iter(even.values()))
    step = float(time[1] - time[0])
    yield _windows(name, even, step)
    if step < HOUR and HOUR % step == 0.0:
        means = {stream: _hourly(*samples) for stream, samples in even.items()}
        yield _windows(f"{name}, hourly means", means, HOUR)


def plain(name: str, table: Table) -> Iterator[Task]:
    """Yield one task for all streams of a table."""
    every = tuple(
        series(stream, time, value, int(LEFT_OUT * len(value))) for stream, (time, value) in table.items()
    )
    words = f"MSE of all but the first {100 * LEFT_OUT:g} % of each series"
    yield Task(name, every, "squared", words, "persistence", comparable=False)


PROTOCOLS: dict[str, Callable[[str, Table], Iterator[Task]]] = {
    "series": plain,
    "fsnet": fsnet,
    "gift-eval": gift_eval,
}


def _windows(name: str, table: Table, step: float) -> Task:
    season = season_of(step)
    if season is None or step > HOUR:
        raise SourceError(
            f"{name}: the gift-eval protocol needs steps of a minute to an hour, got {step:g} s"
        )
    cut = []
    for stream, (time, value) in table.items():
        first = len(value) - WINDOWS * STEPS
        if first <= 2 * season:
            least = WINDOWS * STEPS + 2 * season + 1
            raise SourceError(
                f"{name}: column {stream}: the gift-eval protocol needs {least:,} rows or more,"
                f" got {len(value):,}"
            )
        origins = first - 1 + STEPS * np.arange(WINDOWS)
        changes = np.abs(value[season:] - value[:-season])
        unit = np.array([changes[: origin + 1 - season].mean() for origin in origins])
        cut.append(ScoredSeries(stream, time, value, origins, unit))
    words = f"MASE of the last {WINDOWS} windows of {STEPS} steps"
    return Task(name, tuple(cut), "absolute", words, "seasonal naive, a day", (STEPS,))


def _even(name: str, table: Table) -> Table:
    """Return the table if its samples come in even steps. Raises SourceError otherwise."""
    for stream, (time, _) in table.items():
        steps = np.diff(time)
        uneven = np.flatnonzero(steps != np.median(steps)) if len(steps) else np.zeros(0, dtype=int)
        if len(time) < 2 or len(uneven):
            got = f"a step of {steps[uneven[0]]:g} s after row {uneven[0] + 1:,}" if len(steps) else "one row"
            raise SourceError(
                f"{name}: column {stream}: this protocol needs even steps without gaps, got {got};"
                " --protocol series takes any"
            )
    return table


def _hourly(time: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Return the starts of the whole hours and the means of their samples, which come in even steps."""
    hour = np.floor(time / HOUR)
    starts = np.flatnonzero(np.diff(hour, prepend=-1.0))
    n = np.diff(np.append(starts, len(value)))
    whole = n == n.max()
    return (HOUR * hour[starts])[whole], (np.add.reduceat(value, starts) / n)[whole]
