"""Results as a picture: values, averages, and forecasts with intervals at the times that they are of."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ewad.config.syntax import format_duration
from ewad.engine.settings import GroupSettings
from ewad.kernels.memory import Floats
from ewad.outputs.files.last_rows import LastRows
from ewad.outputs.files.pictures import BLUE, ORANGE, PURPLE, RED, STYLE, Axes
from ewad.outputs.files.rows import Table

MAX_STREAMS = 6  # panels of one picture; more would not be readable
MAX_POINTS = 720  # of one line: more would be a band of ink
SMOOTHED_COLOURS = (BLUE, PURPLE, ORANGE)
DARK = "0.25"  # of the values
# Beyond the values by this share of their range a line is cut off: one wild forecast must not flatten them.
MARGIN = 0.25
# Values farther off the middle 98 % than three times its range leave it less than a quarter of the panel.
MIDDLE, FAR = (0.01, 0.99), 3.0
ENOUGH = 10  # values, for a middle to be told from what is far off it


@dataclass(frozen=True, eq=False)
class PlottedForecast:
    """The forecasts of one horizon, each where it comes true: (n + horizon,), NaN where there is none.

    value: of the samples; those to come are NaN.  last: the value when each forecast was made.
    """

    horizon: int
    time: Floats
    forecast: Floats
    lower: Floats
    upper: Floats
    value: Floats
    last: Floats

    @property
    def outside(self) -> NDArray[np.bool_]:
        """(n + horizon,) whether the value fell outside its interval."""
        return (self.value < self.lower) | (self.value > self.upper)

    def summary(self) -> str:
        """Return how good the forecasts were that are drawn; empty if none is verified."""
        error, change = self.forecast - self.value, self.last - self.value
        known, covered = ~np.isnan(error), ~np.isnan(self.upper - self.value)
        said = []
        persistence = np.sum(change[known] ** 2)
        if persistence > 0.0:
            said.append(f"skill {1.0 - np.sum(error[known] ** 2) / persistence:z.2f}")
        if covered.any():
            said.append(f"{100.0 * np.mean(~self.outside[covered]):.0f} % inside")
        return ", ".join(said)


def forecast_of(columns: Mapping[str, Floats], horizon: int) -> PlottedForecast:
    """Return a horizon's forecasts of one stream, from the columns of its results."""
    time, value = columns["time"], columns["value"]
    step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    ahead, before = np.full(horizon, np.nan), time[-1] + step * np.arange(1, horizon + 1)
    made = {
        name: np.concatenate([ahead, columns.get(f"{name}_{horizon}", np.full(len(time), np.nan))])
        for name in ("forecast", "lower", "upper")
    }
    came, last = np.concatenate([value, ahead]), np.concatenate([ahead, value])
    return PlottedForecast(horizon, np.concatenate([time, before]), **made, value=came, last=last)


class PlotSink:
    """One picture, a panel a stream; of long replays the last MAX_POINTS samples of each.

    Of a model on a grid its intervals are drawn in their place. Drawn is the nearest horizon and, where there
    are several, the farthest, in a panel below. Needs the extra `plot`.
    """

    def __init__(
        self,
        path: Path,
        groups: Sequence[GroupSettings],
        units: Sequence[str | None],
        zone: str = "UTC",
    ) -> None:
        """Take where to draw, the groups, whose names stand in the titles if they are several, and the unit
        of each group's values.  zone: of the dates, which the axis says; a name of the zone database.
        """
        self._zone = zone
        self._path = path
        self._groups = groups
        self._units = units
        self._rows = LastRows(groups, MAX_STREAMS, MAX_POINTS)

    def write(self, table: Table) -> None:
        """Keep the last rows of the first streams."""
        self._rows.write(table)

    def close(self) -> None:
        """Draw."""
        import matplotlib as mpl

        style = {**STYLE, "font.size": 9, "axes.titlesize": 10, "timezone": self._zone}
        with mpl.rc_context(style), warnings.catch_warnings():
            # a name in a script that the font lacks shows as boxes; the picture is good all the same
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            self.figure().savefig(self._path, dpi=120)

    def figure(self) -> Any:
        """Return the picture: a panel a stream, two where its model has several horizons."""
        from matplotlib.figure import Figure

        panels = [
            (*key, horizon) for key in self._rows.total for horizon in drawn_horizons(self._groups[key[0]])
        ]
        # the first panel of a stream has its averages and wants more room
        heights = [
            3.2 if horizon == drawn_horizons(self._groups[group])[0] else 2.6 for group, _, horizon in panels
        ]
        heights = heights or [3.2]
        figure = Figure(figsize=(12, 1.2 + sum(heights)), layout="constrained")
        axes = figure.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
        first: dict[tuple[int, str], Axes] = {}
        for axis, (group, name, horizon) in zip(axes, panels, strict=False):
            axis.set_ylabel(self._units[group] or "")
            lower = (group, name) in first
            if lower:
                axis.sharex(first[group, name])
            first.setdefault((group, name), axis)
            title = name if len(self._groups) == 1 else f"{name} ({self._groups[group].name})"
            if self._rows.total[group, name] > MAX_POINTS and not lower:
                what = _seen(self._groups[group])[0]
                title += f", last {MAX_POINTS} of {self._rows.total[group, name]:,} {what}"
            columns = self._rows.columns((group, name))
            _draw(axis, self._groups[group], title, columns, horizon, averages=not lower)
        axes[-1].set_xlabel(f"time, {self._zone}")
        return figure

    def discard(self) -> None:
        """Draw nothing."""
        self._rows.clear()


def drawn_horizons(group: GroupSettings) -> list[int | None]:
    """Return the horizons that have a panel each; None: there are no forecasts."""
    if group.model is None:
        return [None]
    return list(dict.fromkeys([min(group.model.horizons), max(group.model.horizons)]))


def _draw(
    axis: Axes,
    group: GroupSettings,
    title: str,
    columns: Mapping[str, Floats],
    horizon: int | None,
    *,
    averages: bool,
) -> None:
    """Draw a panel: a stream's values, and its forecasts for one horizon."""
    time, value = _dates(columns["time"]), columns["value"]
    what, label = _seen(group)
    if not len(time):
        axis.set_title(_text(f"{title}: none of its {what} has closed"), loc="left")
        return
    forecast = None if horizon is None else forecast_of(columns, horizon)
    if forecast is not None and group.model is not None:
        _draw_forecast(axis, forecast, group.model.interval)
        worth = forecast.summary() or "none verified yet"
        title += f": {horizon} ahead, {worth}"
    axis.plot(time, value, color=DARK, linewidth=0.9, marker=_marker(value), markersize=2.5, label=label)
    for beta, colour in zip(group.beta_labels, SMOOTHED_COLOURS, strict=False) if averages else ():
        smoothed = columns[f"smoothed_{beta}"]
        axis.plot(time, smoothed, color=colour, linewidth=1.1, alpha=0.8, label=f"smoothed {beta}")
    if (ends := limits(value)) is not None:
        axis.set_ylim(ends)
    _mark_beyond(axis, time, value, DARK, "value")
    if forecast is not None:
        _mark_beyond(axis, _dates(forecast.time), forecast.forecast, RED, "forecast")
    _frame(axis, title)


def _seen(group: GroupSettings) -> tuple[str, str]:
    """Return what the title calls the rows of a panel, and the legend their values."""
    if group.model is None or group.model.every_seconds is None:
        return "samples", "value"
    every = format_duration(group.model.every_seconds)
    return f"intervals of {every}", {"mean": "mean", "last": "last value"}[
        group.model.resample
    ] + f" of {every}"


def _draw_forecast(axis: Axes, forecast: PlottedForecast, interval: float | None) -> None:
    """Draw forecasts, their band, and the values outside it."""
    time = _dates(forecast.time)
    if interval is not None:
        axis.fill_between(
            time,
            forecast.lower,
            forecast.upper,
            color=RED,
            alpha=0.18,
            linewidth=0,
            label=f"its interval of {100 * interval:g} %",
        )
    label = f"forecast, {forecast.horizon} ahead"
    axis.plot(time, forecast.forecast, color=RED, linewidth=1.1, label=label)
    outside = forecast.outside
    if outside.any():
        style = {"color": RED, "marker": "o", "markersize": 3.5, "linestyle": "none", "zorder": 3}
        axis.plot(time[outside], forecast.value[outside], **style, label="outside its interval")


def limits(value: Floats) -> tuple[float, float] | None:
    """Return between what to draw the values: all of them, but for a few that lie far off the others.

    None where there is nothing to go by: they are all the same.
    """
    known = value[~np.isnan(value)]
    if not len(known):
        return None
    # the values next to the quantiles on the inner side: of ten values, too, one is not the middle
    low, high = np.quantile(known, MIDDLE[0], method="higher"), np.quantile(known, MIDDLE[1], method="lower")
    reach = FAR * (high - low)
    if reach > 0.0 and len(known) >= ENOUGH:
        known = known[(known >= low - reach) & (known <= high + reach)]
    lowest, highest = float(known.min()), float(known.max())
    margin = MARGIN * (highest - lowest)
    return (lowest - margin, highest + margin) if margin > 0.0 else None


def _mark_beyond(axis: Axes, time: NDArray[np.datetime64], line: Floats, colour: str, name: str) -> None:
    """Mark at the edges where a line is beyond them, and say in the legend how often and how far."""
    bottom, top = axis.get_ylim()
    edges = (("^", 1.0, line > top, "above", np.max), ("v", 0.0, line < bottom, "below", np.min))
    for marker, edge, beyond, where, farthest in edges:
        count = int(beyond.sum())
        if count:
            label = f"{count} {name}{'s' * (count != 1)} {where}, to {farthest(line[beyond]):.3g}"
            axis.plot(
                time[beyond],
                np.full(count, edge),
                color=colour,
                marker=marker,
                markersize=6,
                linestyle="none",
                transform=axis.get_xaxis_transform(),  # as a share of the panel's height
                clip_on=False,
                zorder=4,
                label=label,
            )


def _frame(axis: Axes, title: str) -> None:
    """Set title, legend and dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    axis.set_title(_text(title), loc="left")
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axis.legend(loc="upper left", fontsize=8, ncols=6)


def _text(text: str) -> str:
    """Return the text so that none of it is taken for a formula."""
    return text.replace("$", r"\$")


def _dates(time: Floats) -> NDArray[np.datetime64]:
    return (time * 1e6).astype("datetime64[us]")


def _marker(value: Floats) -> str:
    """Return the mark of each value: a dot while they are few enough to be told apart."""
    return "." if len(value) <= 150 else ""
