"""What several experts say as one forecast: mixed by their track record, followed as far as evidence goes."""

from __future__ import annotations

import math
import operator

import numpy as np
from numpy.typing import NDArray

from ewad.engine.features import Samples
from ewad.engine.settings import ModelSettings
from ewad.numeric.calibration import Calibration
from ewad.numeric.mixture import Hedge, decay_after, decays_after, over_experts
from ewad.numeric.pending import Due, DueOne, Pending
from ewad.numeric.recurrence import Floats
from ewad.numeric.robust import Believed, without_rounding
from ewad.numeric.rows import Part, RowState


class Mixer:
    """The mixture of a group's experts.

    What is doubted tells nothing of the experts: neither how they forecast it, nor what they make of it. It
    is forecast to stay where such values are expected to.

    hedge: their track record.  pending: what each of them said.  calibration: what the mixture is worth
    beside persistence; None where that is not among them.
    """

    def __init__(self, settings: ModelSettings, n_streams: int = 0) -> None:
        horizons, self._experts = settings.horizons, settings.experts
        self._layout = settings.layout
        self._seasonal_naive = (
            self._experts.index("seasonal_naive") if "seasonal_naive" in self._experts else -1
        )
        self.hedge = Hedge(horizons, len(self._experts), n_streams)
        self.pending = Pending(horizons, len(self._experts), n_streams)
        self.calibration: Calibration | None = None
        if "persistence" in self._experts:
            self.calibration = Calibration(horizons, n_streams)

    def owners(self) -> list[RowState]:
        """Return the owners of its rows, which are streams."""
        owners: list[RowState] = [self.hedge, self.pending]
        return owners if self.calibration is None else [*owners, self.calibration, self.calibration.pending]

    def parts(self, n_rows: int) -> list[Part]:
        """Return the parts of its state."""
        layout = self._layout
        parts = [self.hedge.part("track record", layout, n_rows)]
        parts += [self.pending.part("pending", f"experts of {layout}", n_rows)]
        if self.calibration is not None:
            parts += [self.calibration.part("calibration", layout, n_rows)]
            parts += [self.calibration.pending.part("pending", f"mixture of {layout}", n_rows)]
        return parts

    def weights(self) -> Floats:
        """Return what the experts weigh in the forecasts, (n_streams, n_horizons, n_experts).

        As far as the mixed forecast is not followed, persistence stands in its place.
        """
        weights = self.hedge.shares()
        if self.calibration is not None:
            weights *= self.calibration.share[:, :, None]
            weights[:, :, self._experts.index("persistence")] += 1.0 - self.calibration.share
        return weights

    def mix(
        self,
        samples: Samples,
        due: Due,
        believed: Believed,
        made: Floats,
        unit: Floats,
        smallest: Floats,
        no_season: NDArray[np.bool_] | None,
    ) -> Floats:
        """Return the forecasts mixed, (n, n_horizons), and learn from what came.

        made: (n, n_horizons, n_experts) what the experts forecast after each sample.  unit: (n, n_horizons)
        what errors are measured in.  smallest: (n, n_horizons) the least difference that is one (`least`).
        no_season: see `Examples`.
        """
        value = samples.value
        doubted = value != believed.steady
        some_doubted = bool(doubted.any())
        kept = np.where(doubted[:, None, None], np.nan, made) if some_doubted else made
        if no_season is not None:
            kept = kept.copy()
            kept[:, :, self._seasonal_naive][no_season] = np.nan
        error = without_rounding(
            value[:, None, None] - self.pending.exchange(due, kept), smallest[:, :, None]
        )
        error /= unit[:, :, None]
        if some_doubted:
            error[doubted] = np.nan
        share = self.hedge.update(samples.runs, decays_after(samples.number), error)
        mixed = over_experts(np.add, share * made)
        if self.calibration is not None:
            unknown = doubted if some_doubted else None
            mixed = _followed(
                self.calibration, samples, due, believed.evenness, unit, smallest, mixed, unknown
            )
        if some_doubted:
            mixed[doubted] = np.where(np.isnan(mixed[doubted]), np.nan, believed.expected[doubted, None])
        return mixed

    def mix_one(
        self,
        samples: Samples,
        due: DueOne,
        believed: Believed,
        made: list[float],
        unit: float,
        smallest: float,
        no_season: NDArray[np.bool_] | None,
    ) -> float:
        """As `mix`, of one sample and one horizon: quicker with numbers.  made: of each expert."""
        value = samples.value.item()
        doubted = value != believed.steady.item()
        kept = [math.nan] * len(made) if doubted else made
        if no_season is not None and not doubted:
            kept = made.copy()
            kept[self._seasonal_naive] = math.nan
        came = self.pending.exchange_one(due, kept)
        errors = [math.nan if doubted else value - each for each in came]
        errors = [0.0 if abs(each) < smallest else each / unit for each in errors]
        shares = self.hedge.update_one(due.row, decay_after(samples.number.item()), errors)
        mixed = sum(map(operator.mul, shares, made))
        if self.calibration is not None:
            mixed = _followed_one(
                self.calibration, samples, due, believed.evenness, unit, smallest, mixed, doubted
            )
        return believed.expected.item() if doubted and not math.isnan(mixed) else mixed


def _followed(
    calibration: Calibration,
    samples: Samples,
    due: Due,
    evenness: Floats,
    unit: Floats,
    smallest: Floats,
    mixed: Floats,
    doubted: NDArray[np.bool_] | None,
) -> Floats:
    """Return the mixed forecasts as far as they are to be followed, (n, n_horizons).

    evenness: (n,) of moves.  doubted: (n,) what is nothing to learn from; None: no sample is.
    """
    last = samples.value[:, None]
    made = np.empty((*mixed.shape, 2))
    made[:, :, 0], made[:, :, 1] = mixed, last
    if doubted is not None:
        made[doubted] = np.nan
    changes = calibration.pending.exchange(due, made)  # forecasts for these samples, and values before
    before = changes[:, :, 1:].copy()
    changes[:, :, 1] = last
    changes -= before
    changes /= unit[:, :, None]
    if doubted is not None:
        changes[doubted] = np.nan
    followed = mixed - last
    runs, time, _, number, _ = samples
    followed *= calibration.update(runs, number, time, evenness, changes, smallest / unit)
    followed += last
    return followed


def _followed_one(
    calibration: Calibration,
    samples: Samples,
    due: DueOne,
    evenness: Floats,
    unit: float,
    smallest: float,
    mixed: float,
    doubted: bool,
) -> float:
    """As `_followed`, of one sample and one horizon."""
    number, time, value = samples.number.item(), samples.time.item(), samples.value.item()
    was, last = calibration.pending.exchange_one(due, (math.nan, math.nan) if doubted else (mixed, value))
    moved = math.nan if doubted else (value - last) / unit
    promised = (was - last) / unit
    share = calibration.update_one(due.row, number, time, evenness.item(), promised, moved, smallest / unit)
    return value + share * (mixed - value)
