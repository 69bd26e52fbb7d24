"""Results as OpenMetrics text with times, for `promtool tsdb create-blocks-from openmetrics`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import IO

import numpy as np

from ewad.expose.exposition import escape
from ewad.expose.rows import Table, writable

# column of the table, or its beginning -> metric, the label that the rest of the column's name is
SERIES = (
    ("value", "ewad_value", None),
    ("smoothed_", "ewad_smoothed_value", "beta"),
    ("stddev_", "ewad_smoothed_stddev", "beta"),
    ("forecast_", "ewad_forecast_value", "horizon"),
    ("loss", "ewad_loss", None),
    ("learning_rate", "ewad_learning_rate", None),
)


class BackfillSink:
    """One OpenMetrics file. Families must lie in one piece, so that each grows in a file of its own first."""

    def __init__(self, path: Path) -> None:
        self._path = writable(path)
        self._families: dict[str, IO[str]] = {}

    def write(self, table: Table) -> None:
        """Append the rows to their families."""
        streams = [f'stream="{escape(str(name))}"' for name in table["stream"]]
        for column in table:
            for prefix, metric, label in SERIES:
                if column == prefix or (label and column.startswith(prefix)):
                    extra = f',{label}="{escape(column.removeprefix(prefix))}"' if label else ""
                    self._append(metric, table, column, streams, extra)

    def _append(self, metric: str, table: Table, column: str, streams: list[str], extra: str) -> None:
        if metric not in self._families:
            self._families[metric] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        known = np.flatnonzero(~np.isnan(table[column]))
        values, times = table[column][known].tolist(), table["time"][known].tolist()
        self._families[metric].writelines(
            f"{metric}{{{streams[i]}{extra}}} {value!r} {time!r}\n"
            for i, value, time in zip(known.tolist(), values, times, strict=True)
        )

    def close(self) -> None:
        """Put the families together."""
        with self._path.open("w", encoding="utf-8") as out:
            for metric, lines in self._families.items():
                out.write(f"# TYPE {metric} gauge\n")
                lines.seek(0)
                shutil.copyfileobj(lines, out)
                lines.close()
            out.write("# EOF\n")
