"""A replay's results as one HTML file: the live page's charts of them, and the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ewad.config.syntax import format_duration
from ewad.engine.settings import GroupSettings
from ewad.errors import ConfigError
from ewad.kernels.memory import Floats
from ewad.outputs.files.last_rows import Key, LastRows
from ewad.outputs.files.plot import drawn_horizons, forecast_of
from ewad.outputs.files.report import ScoreReport
from ewad.outputs.files.rows import Table
from ewad.outputs.http.bundle import self_contained

STREAMS = 12
POINTS = 10_000  # of each stream: 0.7 MB with two averages and two horizons
DIGITS = 9  # of a number in the page; half the bytes of all 17


class ReportPage:
    """A page with a chart a stream, of long replays of the last POINTS samples of each.

    notes: gives lines on what was done, once all is done.  report: None where no forecasts are scored.
    """

    def __init__(
        self,
        path: Path,
        title: str,
        groups: Sequence[GroupSettings],
        units: Sequence[str | None],
        notes: Callable[[], Sequence[str]],
        report: ScoreReport | None,
    ) -> None:
        self._path = path
        self._title = title
        self._groups = groups
        self._units = units
        self._notes = notes
        self._report = report
        self._rows = LastRows(groups, STREAMS, POINTS)

    def write(self, table: Table) -> None:
        """Keep what will be drawn."""
        self._rows.write(table)

    def close(self) -> None:
        """Write the page."""
        write_page(
            self._path,
            self._title,
            list(self._notes()),
            reports=[] if self._report is None else self._report.data(),
            streams=[self._stream(key) for key, n in self._rows.total.items() if n],
            omitted=len(self._rows.omitted),
        )

    def discard(self) -> None:
        """Let go of what was kept."""
        self._rows.clear()

    def _stream(self, key: Key) -> dict[str, Any]:
        """Return what the page draws of a stream."""
        index, name = key
        group, columns = self._groups[index], self._rows.columns(key)
        n = len(columns["time"])
        every = None if group.model is None else group.model.every_seconds
        horizons = [each for each in drawn_horizons(group) if each is not None]
        made = {str(horizon): forecast_of(columns, horizon) for horizon in horizons}
        return {
            "stream": name.encode(errors="replace").decode(),
            "group": group.name,
            "unit": self._units[index],
            "total": self._rows.total[key],
            "what": "samples" if every is None else f"intervals of {format_duration(every)}",
            "time": [round(time, 3) for time in columns["time"].tolist()],
            "value": _numbers(columns["value"]),
            "smoothed": {beta: _numbers(columns[f"smoothed_{beta}"]) for beta in group.beta_labels},
            "horizons": {
                horizon: {
                    "forecast": _numbers(each.forecast[:n]),
                    "lower": _numbers(each.lower[:n]),
                    "upper": _numbers(each.upper[:n]),
                }
                for horizon, each in made.items()
            },
            "ahead": _ahead(group, columns),
        }


def check_page(path: Path) -> None:
    """Raise ConfigError unless the name is that of a page."""
    if path.suffix not in (".html", ".htm"):
        raise ConfigError(f"--html {path}: expected a name that ends in .html")


def write_page(
    path: Path,
    title: str,
    notes: Sequence[str],
    *,
    reports: Sequence[Any] = (),
    streams: Sequence[Any] = (),
    omitted: int = 0,
    costs: Any = None,
) -> None:
    """Write a page of these parts. Raises OSError where that fails."""
    parts = {"reports": reports, "streams": streams, "omitted": omitted, "costs": costs}
    text = self_contained("report", title, {"title": title, "notes": notes, **parts})
    path.write_text(text, encoding="utf-8")


def _ahead(group: GroupSettings, columns: dict[str, Floats]) -> list[dict[str, Any]]:
    """Return what is forecast after the last row, the nearest first."""
    time, model = columns["time"], group.model
    if model is None or len(time) < 2:
        return []
    step = float(np.median(np.diff(time)))

    def last(name: str, horizon: int) -> float | None:
        column = columns.get(f"{name}_{horizon}")
        return None if column is None else _numbers(column[-1:])[0]

    return [
        {
            "horizon": horizon,
            "time": float(time[-1]) + horizon * step,
            "value": last("forecast", horizon),
            "lower": last("lower", horizon),
            "upper": last("upper", horizon),
        }
        for horizon in sorted(model.horizons)
    ]


def _numbers(values: Floats) -> list[float | None]:
    """Return numbers of DIGITS digits; None for what there is not."""
    known = np.isfinite(values).tolist()
    pairs = zip(values.tolist(), known, strict=True)
    return [float(f"{value:.{DIGITS}g}") if there else None for value, there in pairs]
