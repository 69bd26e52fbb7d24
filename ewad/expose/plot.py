"""Results as a picture: raw, smoothed and forecast values of each stream. Needs the extra `plot`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ewad.expose.rows import Table

MAX_STREAMS = 6  # panels of one picture; more would not be readable
MAX_POINTS = 720  # of one line: more would be a band of ink


class PlotSink:
    """One picture, a panel a stream; of long replays the last MAX_POINTS samples of each."""

    def __init__(self, path: Path, groups: Sequence[str]) -> None:
        """Take where to draw, and the names of the groups: with several they stand in the titles."""
        import matplotlib as mpl

        mpl.use("Agg")
        self._path = path
        self._groups = groups
        self._tables: dict[tuple[int, str], list[Table]] = {}

    def write(self, table: Table) -> None:
        """Keep the last rows of the first streams."""
        for group, name in dict.fromkeys(zip(table["group"].tolist(), table["stream"], strict=True)):
            if (group, name) in self._tables or len(self._tables) < MAX_STREAMS:
                mine = (table["group"] == group) & (table["stream"] == name)
                kept = self._tables.setdefault((group, name), [])
                kept.append({column: values[mine] for column, values in table.items() if column != "stream"})
                while sum(len(part["time"]) for part in kept[1:]) >= MAX_POINTS:
                    del kept[0]

    def close(self) -> None:
        """Draw."""
        from matplotlib import pyplot as plt
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        figure, axes = plt.subplots(
            max(1, len(self._tables)),
            figsize=(10, 1.5 + 2.2 * max(1, len(self._tables))),
            squeeze=False,
            layout="constrained",
        )
        for axis, ((group, name), parts) in zip(axes[:, 0], self._tables.items(), strict=False):
            columns = {
                column: np.concatenate([part[column] for part in parts])[-MAX_POINTS:] for column in parts[0]
            }
            time = (columns.pop("time") * 1e6).astype("datetime64[us]")
            axis.plot(time, columns.pop("value"), color="0.7", linewidth=0.8, label="value")
            for column, values in columns.items():
                if column.startswith(("smoothed_", "forecast_")) and np.isfinite(values).any():
                    style = "-" if column.startswith("smoothed_") else ":"
                    axis.plot(time, values, style, linewidth=1.2, label=column.replace("_", " "))
            title = name if len(self._groups) == 1 else f"{name} ({self._groups[group]})"
            axis.set_title(title.replace("$", r"\$"), loc="left", fontsize=10)
            locator = AutoDateLocator()  # type: ignore[no-untyped-call]
            axis.xaxis.set_major_locator(locator)
            axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
            axis.grid(alpha=0.3)
        axes[0, 0].legend(loc="upper right", fontsize=8, ncols=3)
        try:
            with warnings.catch_warnings():
                # a name in a script that the font lacks shows as boxes; the picture is good all the same
                warnings.filterwarnings("ignore", "Glyph .* missing from font")
                figure.savefig(self._path, dpi=120)
        finally:
            plt.close(figure)

    def discard(self) -> None:
        """Draw nothing."""
        self._tables.clear()
