"""`ewad.Smoother`: bias-corrected averages of series, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ewad.engine import GroupSettings
from ewad.estimators.base import NAME, Estimator
from ewad.estimators.given import Given
from ewad.kernels.memory import Floats
from ewad.numeric.averages import ByCount, ByTime, Decay
from ewad.numeric.offline import weights_of


class Smoother(Estimator):
    """Bias-corrected exponentially weighted averages of one or more series, as ewad_smoothed_value has them.

    One of these says how much the past weighs, as in `ewad.ewa`; none: beta = 0.9. A list gives several
    averages side by side. half_life, such as "10m", needs times.
    """

    def __init__(
        self,
        beta: float | Sequence[float] | None = None,
        *,
        half_life: Any = None,
        window: float | Sequence[float] | None = None,
        span: float | Sequence[float] | None = None,
        alpha: float | Sequence[float] | None = None,
    ) -> None:
        word, weights, _ = weights_of(beta, window, span, alpha, half_life)
        decays: tuple[Decay, ...] = tuple(
            ByTime(weight) if word == "half_life" else ByCount(weight) for weight in weights
        )
        super().__init__(GroupSettings(NAME, decays=decays))

    @property
    def mean(self) -> Floats:
        """The averages now: (n_decays,), or of several series (n_series, n_decays); NaN before any sample."""
        return self._now([average.smoothed() for average in self._group.averages])

    @property
    def stddev(self) -> Floats:
        """The standard deviations about them, likewise; NaN before two samples."""
        return self._now([average.stddev() for average in self._group.averages])

    def fit_transform(self, x: ArrayLike, times: ArrayLike | None = None) -> Any:
        """Forget everything, learn these samples, and return the averages after each.

        Of (n,): (n,), of several decays (n, n_decays); of (n, m): (n, m, n_decays). Of a Series a DataFrame
        with a column each decay; of a DataFrame one with a pair of names, such as ("hall", "0.9"), a column.
        In a gap the averages stay what they were.
        """
        self._reset()
        given = Given.of(x, times)
        labels = self._group.settings.beta_labels
        found = np.full((*given.value.shape, len(labels)), np.nan)
        for rows, columns, results in self._observed(given):
            found[rows, columns] = results.mean
        _carry_on(found)
        if given.kind == "array" and len(labels) == 1:
            return found[:, 0, 0]
        return given.labelled(found, labels)

    def _now(self, columns: list[Floats]) -> Floats:
        n = len(self._columns)
        if not n:
            return np.full(len(columns), np.nan)
        found = np.stack([column[:n] for column in columns], axis=1)
        return found[0] if self._kind in ("array", "series") else found


def _carry_on(found: Floats) -> None:
    """Repeat in each gap what stood before it, in place.  found: (n, m, k)."""
    gap = np.isnan(found[:, :, 0])
    if gap.any():
        latest = np.maximum.accumulate(np.where(gap, -1, np.arange(len(found))[:, None]), axis=0)
        rows, columns = np.nonzero(gap & (latest >= 0))
        found[rows, columns] = found[latest[rows, columns], columns]
