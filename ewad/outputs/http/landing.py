"""The landing page: what runs, where the metrics are, and the first streams. Nothing external."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ewad.engine import Engine
from ewad.engine.group import Group
from ewad.numeric.recurrence import Integers
from ewad.outputs.text import counted

ROWS: Final = 20
REFRESH_SECONDS: Final = 5

STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --quiet: #777; --accent: #0a7d5a; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { margin: 0; font-size: 1.6rem; } h1 small, .quiet { color: var(--quiet); font-weight: normal; }
h1 small { font-size: 1rem; } a { color: var(--accent); } nav a { margin-right: 1.25rem; }
.state { display: inline-block; padding: 0 .6rem; border-radius: 1rem; color: #fff; background: #b3412e; }
.state.on { background: var(--accent); }
table { border-collapse: collapse; width: 100%; margin-top: 1.5rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; }
td:first-child { overflow-wrap: anywhere; } th.number, td.number { text-align: right; white-space: nowrap; }
"""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Refresh": str(REFRESH_SECONDS),
}

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """What the page shows of one stream; NaN is a value that is not there yet.

    horizon: of the forecast, its interval and its skill; None without a model.
    """

    group: str
    stream: str
    value: float
    smoothed: float
    horizon: int | None = None
    forecast: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    skill: float = math.nan


def first_rows(engine: Engine, shown: Callable[[int], NDArray[np.bool_]], limit: int = ROWS) -> list[Row]:
    """Return the first streams: last value, average at the first beta, forecast at the first horizon, and
    what it is worth.

    shown: which streams of a group, by its index, have series in /metrics; the page shows no others.
    """
    rows: list[Row] = []
    for index, group in enumerate(engine.groups):
        first = np.flatnonzero(shown(index))[: limit - len(rows)]
        rows += _rows(group, first)
    return rows


def _rows(group: Group, shown: Integers) -> Iterator[Row]:
    """Yield what is to be shown of these streams of a group."""
    names = [group.streams.names[row] for row in shown.tolist()]
    columns = [group.value[shown], group.averages[0].smoothed(shown)]
    horizon, forecaster = None, group.forecaster
    if forecaster is not None:
        horizon = forecaster.horizons[0]
        standing = forecaster.standing(shown)
        nothing = np.full_like(standing.value, np.nan)
        ends = (nothing if each is None else each for each in (standing.lower, standing.upper))
        columns += [each[:, 0] for each in (standing.value, *ends)]
        columns.append(forecaster.skill(shown)[:, 0])
    for name, *numbers in zip(names, *(column.tolist() for column in columns), strict=True):
        value, smoothed, *forecast = numbers
        yield Row(group.name, name, value, smoothed, horizon, *forecast)


def render(version: str, streams: int, connected: bool, not_ready: str | None, rows: list[Row]) -> str:
    """Return the page. Whatever comes from outside is escaped."""
    state = "connected" if connected else "not connected"
    reason = f"<p>Not ready: {escape(not_ready)}</p>" if not_ready else ""
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>ewad</title>
<style>{STYLE}</style></head>
<body>
<h1>ewad <small>{escape(version)}</small></h1>
<p class="quiet">Smooths and forecasts MQTT streams online.</p>
<p><span class="state{" on" if connected else ""}">{state}</span> {counted(streams, "stream")}</p>
{reason}<nav><a href="/metrics">/metrics</a><a href="/healthz">/healthz</a><a href="/readyz">/readyz</a></nav>
{_table(rows, streams)}
</body>
</html>
"""


def _table(rows: list[Row], streams: int) -> str:
    if not rows:
        return '<p class="quiet">No samples yet.</p>'
    rest = f'<p class="quiet">and {streams - len(rows):,} more in /metrics</p>' if streams > len(rows) else ""
    forecasts = any(row.horizon is not None for row in rows)
    names = ("value", "smoothed", *(("ahead", "forecast", "interval", "skill") if forecasts else ()))
    numbers = "".join(f'<th class="number">{name}</th>' for name in names)
    lines = "\n".join(_table_row(row, len(names)) for row in rows)
    return f"""<table>
<thead><tr><th>stream</th><th>group</th>{numbers}</tr></thead>
<tbody>
{lines}
</tbody>
</table>
{rest}"""


def _table_row(row: Row, n: int) -> str:
    """Return the line of a stream, of so many columns beside its names."""
    names = "".join(f"<td><bdi>{escape(name)}</bdi></td>" for name in (row.stream, row.group))
    ahead = NOTHING if row.horizon is None else str(row.horizon)
    interval = NOTHING if math.isnan(row.lower) else f"{_number(row.lower)} to {_number(row.upper)}"
    skill = NOTHING if math.isnan(row.skill) else f"{row.skill:z.2f}"
    cells = (_number(row.value), _number(row.smoothed), ahead, _number(row.forecast), interval, skill)
    numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells[:n])
    return f"<tr>{names}{numbers}</tr>"


def _number(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:.6g}"
