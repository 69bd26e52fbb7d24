"""The rows of what the experts see: lags, and with `features = "full"` also averages, level and calendar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ewad.engine.inputs import LAGS, N_OF_INPUT
from ewad.engine.settings import RECALLS, ModelSettings
from ewad.kernels.features import FeaturesKernel
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.sample import Sample
from ewad.numeric.experts import INPUTS, SEASONAL
from ewad.numeric.rows import Part, RowState
from ewad.numeric.seasons import Seasons

# How far the value is from its averages over about 10, 100 and 500 samples, and from where it began.
AVERAGE_BETAS = np.array([0.9, 0.99, 0.998])
# Each deviation from an average, and the level, is of the order of 1 in these many scales.
SPREADS = np.array([3.0, 7.0, 16.0, 5.0])

_N_CONTEXT = 14  # columns of the context, beside the lags that stand between the first two and the rest
FIRST_SLOT = 2  # the column of the first slot, behind the week
N_SLOT = 8  # behind it, and before the lags, where slots are recalled: see `SeasonsKernel.recall`
_N_SEEN = 11  # of them by all experts but the seasonal one: not the level, nor the year's second harmonic
# What only the seasonal expert sees, beside the newest lags and the context: products of those.
_SEASONAL_LAGS = 2
_N_CROSSED = 8


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of the features an expert sees."""

    start: int
    stop: int

    @property
    def n(self) -> int:
        """How many."""
        return self.stop - self.start


def n_features(lags: int, features: str, recalls: bool = False) -> int:
    """Return how many columns all experts but the seasonal one see.  recalls: see `ModelSettings`."""
    return lags if features == "lags" else lags + _N_SEEN + N_SLOT * recalls


def columns(settings: ModelSettings, expert: str) -> Columns:
    """Return the columns that an expert sees."""
    behind = first_input(settings)
    first = 2 + N_SLOT * settings.recalls if settings.features == "full" else 0  # of the lags
    if expert == SEASONAL:
        return Columns(first + max(0, settings.lags - _SEASONAL_LAGS), behind)
    if expert == INPUTS:  # of its own lags the newest, and all that stands behind them
        return Columns(first + max(0, settings.lags - LAGS), behind + N_OF_INPUT * len(settings.inputs))
    return Columns(0, n_features(settings.lags, settings.features, settings.recalls))


def first_input(settings: ModelSettings) -> int:
    """Return the first column of the inputs: behind all that is the stream's own."""
    beside = _N_CONTEXT + _N_CROSSED + N_SLOT * settings.recalls
    return settings.lags + (beside if settings.features == "full" else 0)


def n_columns(settings: ModelSettings) -> int:
    """Return how many columns there are in all."""
    return first_input(settings) + N_OF_INPUT * len(settings.inputs)


def sample_of(settings: ModelSettings) -> Sample:
    """Return room for a sample of such a model."""
    return Sample(n_columns(settings), len(settings.horizons), len(settings.experts))


class Features(RowState):
    """The windows of every stream, on the values as believed; see `FeaturesKernel`.

    count: (n_streams,) samples ever.  position: (n_streams,) samples since the window's (re)start.
    history: (n_streams, depth) last values, newest last.  context: (n_streams, ahead, width) what else was
    seen with each of the last samples.  level: (n_streams,) the sum of all changes since the first value, as
    far as they are followed.  sums: (n_streams, 3) averages' sums of it; weights alike.
    """

    count: Integers
    position: Integers
    history: Floats
    context: Floats
    sums: Floats
    weights: Floats
    level: Floats

    def __init__(self, settings: ModelSettings, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self._settings = settings
        self._ahead = max(settings.horizons)
        self.depth = settings.lags + self._ahead
        self.seasons: Seasons | None = None
        if settings.season is not None or "seasonal_naive" in settings.experts:
            self.seasons = Seasons(settings.horizons, settings.season, n_streams)
        for name in ("count", "position"):
            self.add_rows(name, dtype=np.int64)
        self.add_rows("history", self.depth)
        self._full = settings.features == "full"
        if self._full:
            self.add_rows("context", self._ahead, _N_CONTEXT + N_SLOT * settings.recalls)
            self.add_rows("sums", len(AVERAGE_BETAS))
            self.add_rows("weights", len(AVERAGE_BETAS))
            self.add_rows("level")
        self.step = FeaturesKernel(
            settings.lags,
            settings.horizons,
            self._full,
            settings.season or 0,
            AVERAGE_BETAS,
            SPREADS,
            self.seasons.step if settings.recalls and self.seasons is not None else None,
        )
        self.work_with(self.step)

    def parts(self, n_rows: int) -> list[Part]:
        """Return the parts of its state. Windows outlive a change of the model."""
        window = self.part("window", self._settings.grid, n_rows, "count", "position", "history")
        parts = [window._replace(fit=self._fit_window)]
        if self._full:
            settings = self._settings
            meaning = f"ahead={self._ahead}" + (f", season={settings.season}" if settings.season else "")
            meaning += f", {settings.grid}" if settings.grid else ""
            meaning += RECALLS if settings.recalls else ""
            parts.append(self.part("context", meaning, n_rows, "context", "level", "sums", "weights"))
        if self.seasons is not None:
            meaning = f"season={self._settings.season}"  # the same for all horizons
            meaning += f", {self._settings.grid}" if self._settings.grid else ""
            parts.append(self.seasons.part("season", meaning, n_rows))
        return parts

    def _fit_window(self, arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return windows of another depth as far as they reach: the newest values."""
        theirs = arrays["history"]
        reach = theirs.shape[1]
        if reach == self.depth:
            return arrays
        history = np.zeros((len(theirs), self.depth))
        kept = min(reach, self.depth)
        history[:, self.depth - kept :] = theirs[:, reach - kept :]
        position = np.minimum(arrays["position"], reach)
        return {"count": arrays["count"], "position": position, "history": history}
