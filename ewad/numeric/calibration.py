"""How far to follow a forecast away from persistence: not at all where chance could have made it look right.

On a random walk nothing can be learnt, yet of several forecasts by many features one looks right for a while.
So what forecasts promised is regressed on what came. A forecast is followed from 1.7 standard errors of that
regression on, from 2.7 on by its whole slope: what promises twice of what comes is followed half.
Sources: Mincer & Zarnowitz 1969 (the slope of a forecast, here without an intercept); White 1980 (its
standard error where noise comes and goes); Lo & MacKinlay 1988 (the variance ratio: how far changes over many
steps are sums of unrelated changes over one, and how it scatters).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ewad.numeric.calendar import DAY
from ewad.numeric.mixture import YOUNG
from ewad.numeric.pending import Pending
from ewad.numeric.recurrence import Floats, Integers, Runs, advance
from ewad.numeric.robust import NOTHING, without_rounding
from ewad.numeric.rows import RowState

# Changes are bounded, in scales times the root of the horizon: a spike must not outweigh the whole record.
CHANGE_LIMIT = 3.0
# Trust grows from 0 to 1 over the last standard error before this many.
CHANCE = 2.7
# Whether there is anything in the forecasts is asked of about the last 5,000 samples, how much of it of the
# last 250, and of the last third of them while they are few.
RECORD_BETA = 0.9998
RECENT_BETA = 0.996
# Sums of squares forget slowly that a pattern has stopped. So what was farther off than persistence in 96 %
# of about the last 50 samples is not followed, from 90 % on less: by the sum of 1 where it was farther off,
# and of -1 where not. What promises nothing is neither, nor is what was twice as far as what came.
LOST_BETA, LOST, LOSING = 0.98, 46.0, 6.0
_BETAS = np.array([RECORD_BETA] * 5 + [RECENT_BETA] * 2 + [LOST_BETA])[:, None]
# A slope is as large as half a standard error above it allows: few samples are no reason to hold back.
BENEFIT = 0.5
# Samples more than half a day apart may have a season that takes a year: it has to be believed before it has
# been seen twice. In the first two years they are not doubted while they keep to a level: while of 100 walks,
# at any sample of theirs, one has so small a variance ratio.
SEASONAL_INTERVAL = DAY / 2.0
TWO_YEARS = 2.0 * 365.25 * DAY
RARE = 2.33
# A record of hundreds of samples says hardly anything else after a few more: the share is worked out at each
# fourth sample of a stream, and stands until the next.
STANDS = 4
TINY = 1e-300


class Calibration(RowState):
    """The record of what forecasts of each stream and horizon promised, and what came.

    record: (n_streams, 8, n_horizons) discounted sums of promised**2, came**2, promised * came, its square,
    and of ones; then more quickly discounted ones of promised**2 and promised * came; then of 1 where
    persistence was nearer, of -1 where the forecast was.
    share: (n_streams, n_horizons) how much of its change a forecast is followed by.
    began: (n_streams,) the time of the first sample, Unix seconds.
    pending: forecasts, and the last values when they were made.
    """

    record: Floats
    share: Floats
    began: Floats

    def __init__(self, horizons: Sequence[int], n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self._overlaps = Overlaps(horizons)
        self._horizons = self._overlaps.horizons
        self.pending = Pending(horizons, 2, n_streams)
        self.add_rows("record", 8, len(horizons))
        self.add_rows("share", len(horizons))
        self.add_rows("began", fill=np.nan)

    def update(
        self,
        runs: Runs,
        number: Integers,
        time: Floats,
        evenness: Floats,
        changes: Floats,
        smallest: Floats | float = NOTHING,
    ) -> Floats:
        """Return the share that stands after each sample, (n, n_horizons).

        number: (n,) of each sample in its stream, from 0.  time: (n,) Unix seconds.  evenness: (n,) of moves
        (`Believed`).
        changes: (n, n_horizons, 2) the change that was forecast for it, and the one that came, in scales
        times the root of the horizon; NaN: unknown. They are bounded in place.
        smallest: (n, n_horizons) the least difference of them that is one, in the same unit.
        """
        rows = runs.rows
        without_rounding(
            np.clip(changes, -CHANGE_LIMIT, CHANGE_LIMIT, out=changes), np.asarray(smallest)[..., None]
        )
        promised, came = changes[:, :, 0], changes[:, :, 1]
        terms = np.empty((len(changes), 8, changes.shape[1]))
        np.multiply(promised, promised, out=terms[:, 0])
        np.multiply(came, came, out=terms[:, 1])
        np.multiply(promised, came, out=terms[:, 2])
        np.multiply(terms[:, 0], terms[:, 1], out=terms[:, 3])
        terms[:, 4] = 1.0
        terms[:, 5:7] = terms[:, 0:3:2]
        # the difference of squared errors: promised * (promised - 2 * came)
        nearer = without_rounding(promised - 2.0 * came, smallest)
        np.sign(promised * nearer, out=terms[:, 7])
        unknown = np.isnan(terms[:, 2])
        if unknown.any():
            terms.transpose(0, 2, 1)[unknown] = 0.0
        decay = np.minimum(_BETAS, 1.0 - YOUNG / (number[:, None, None] + (YOUNG + 1.0)))
        record = advance(decay, terms, self.record[rows], runs)
        self.record[rows] = runs.last(record)
        since = number % STANDS
        fresh = since == 0
        if not fresh.any():
            return runs.spread(self.share[rows]).copy()
        began = self._began(runs, time, np.flatnonzero(fresh))
        standing = record[fresh]
        ratio = _variance_ratio(standing, evenness[fresh])
        worked_out = _share(standing, self._overlaps.of(standing, ratio))
        unseen = _season_unseen(number[fresh], (time - runs.spread(began))[fresh])
        if unseen.any():
            level = (ratio < _least_ratio(standing[:, 4], self._horizons)) & (
                standing[:, 4] >= self._horizons
            )
            worked_out[unseen[:, None] & level] = 1.0
        worked_out *= np.minimum(np.maximum((LOST - standing[:, 7]) / LOSING, 0.0), 1.0)
        if len(worked_out) == len(number):
            share = worked_out
        else:
            share = runs.spread(self.share[rows]).copy()
            within = since <= runs.rank  # worked out in this batch, at the last fresh sample
            share[within] = worked_out[np.cumsum(fresh)[within] - 1]
        self.share[rows] = runs.last(share)
        return share

    def move_with_streams(self, seconds: float, now: float, newest: Floats) -> None:
        """Move when each stream began."""
        self.began[...] = np.minimum(self.began + seconds, now)

    def _began(self, runs: Runs, time: Floats, at: Integers) -> Floats:
        """Return (k,) when each stream began: with the first of these sorted samples, if not before."""
        began = self.began[runs.rows].copy()
        if np.isnan(began).any():
            first = np.full(len(began), np.nan)
            first[runs.run[at[::-1]]] = time[at[::-1]]  # the first one is written last
            self.began[runs.rows] = began = np.where(np.isnan(began), first, began)
        return began

    def update_one(
        self,
        row: int,
        number: int,
        time: float,
        evenness: float,
        promised: float,
        came: float,
        smallest: float = NOTHING,
    ) -> float:
        """As `update`, of one sample and one horizon: quicker with numbers."""
        known = not math.isnan(promised + came)
        if known:
            promised = min(max(promised, -CHANGE_LIMIT), CHANGE_LIMIT)
            came = min(max(came, -CHANGE_LIMIT), CHANGE_LIMIT)
            promised = 0.0 if abs(promised) < smallest else promised
            came = 0.0 if abs(came) < smallest else came
        else:
            promised = came = 0.0
        square, moved, agreed, spread, weight, lately, rightly, lost = self.record[row, :, 0].tolist()
        young = 1.0 - YOUNG / (number + (YOUNG + 1.0))
        decay, quick = min(RECORD_BETA, young), min(RECENT_BETA, young)
        square = decay * square + promised * promised
        moved = decay * moved + came * came
        agreed = decay * agreed + promised * came
        spread = decay * spread + (promised * came) ** 2
        weight = decay * weight + known
        lately = quick * lately + promised * promised
        rightly = quick * rightly + promised * came
        lost *= min(LOST_BETA, young)
        nearer = promised - 2.0 * came
        if promised and abs(nearer) >= smallest:
            lost += math.copysign(1.0, promised * nearer)
        self.record[row, :, 0] = square, moved, agreed, spread, weight, lately, rightly, lost
        if number % STANDS:
            return self.share.item(row, 0)
        began = self.began.item(row)
        if math.isnan(began):
            self.began[row] = began = time
        horizon = self._horizons.item(0)
        ratio = moved / max(weight, TINY) / evenness
        unseen = weight >= horizon and _season_unseen(number, time - began)
        if unseen and ratio < _least_ratio(weight, horizon):
            share = 1.0
        else:
            spread *= horizon * min(ratio, 1.0)
            share = _one_share(square, agreed, spread, lately, rightly)
        share *= min(max((LOST - lost) / LOSING, 0.0), 1.0)
        self.share[row, 0] = share
        return float(share)


class Overlaps:
    """How many times errors of forecasts h ahead overlap: h times in a walk, whose changes over h steps are
    sums of h unrelated ones; less where values come back to a level.
    """

    def __init__(self, horizons: Sequence[int]) -> None:
        self.horizons = np.array(horizons, dtype=np.float64)
        # Each horizon is compared with the farthest one of half of it at most; 0: there is none.
        near = [max((other for other in horizons if 2 * other <= each), default=0) for each in horizons]
        self._near = np.array(near, dtype=np.float64)
        self._at = np.array([list(horizons).index(each) if each else i for i, each in enumerate(near)])

    def of(self, record: Floats, ratio: Floats) -> Floats:
        """Return the overlaps, (n, n_horizons).  ratio: (n, n_horizons), of variances.

        The ratio is too large for what moves in few large steps and still keeps to a level, such as the teeth
        of a saw. It holds only where changes go on to grow with the horizon, at half a walk's pace or more.
        """
        moved = record[:, 1] / np.maximum(record[:, 4], TINY)
        far = self.horizons * np.maximum(moved, TINY)
        growth = 1.0 - self._near * moved[:, self._at] / far
        growth *= 2.0 * self.horizons / (self.horizons - self._near)
        np.maximum(growth, moved, out=growth)
        np.minimum(growth, ratio, out=growth)
        np.minimum(growth, 1.0, out=growth)
        growth *= self.horizons
        return growth


def _variance_ratio(record: Floats, evenness: Floats) -> Floats:
    """Return how large the variance of changes over a horizon is beside that of a walk of as large a mean
    move, (n, n_horizons).

    Not of as large a mean square, which is what changes are measured in: values in coarse steps move as far
    as they would in fine ones, but by fewer and larger moves, whose mean square says too much.
    """
    return np.asarray(record[:, 1] / np.maximum(record[:, 4], TINY) / evenness[:, None])


def _share(record: Floats, overlaps: Floats) -> Floats:
    """Return the share after each sample, (n, n_horizons): trust, as evidence allows, times the slope."""
    square, agreed, spread, lately, rightly = (record[:, i] for i in (0, 2, 3, 5, 6))
    spread = overlaps * spread
    trust = agreed / np.sqrt(np.maximum(spread, TINY))
    trust -= CHANCE - 1.0
    np.minimum(np.maximum(trust, 0.0, out=trust), 1.0, out=trust)
    slope = np.sqrt(lately * spread / np.maximum(square, TINY))
    slope *= BENEFIT
    slope += rightly
    slope /= np.maximum(lately, TINY)
    np.minimum(np.maximum(slope, 0.0, out=slope), 1.0, out=slope)
    trust *= slope
    return trust


def _one_share(square: float, agreed: float, spread: float, lately: float, rightly: float) -> float:
    """As `_share`, of one horizon.  spread: as far as errors overlap."""
    trust = agreed / math.sqrt(max(spread, TINY)) - (CHANCE - 1.0)
    if trust <= 0.0:
        return 0.0
    slope = (rightly + BENEFIT * math.sqrt(lately * spread / max(square, TINY))) / max(lately, TINY)
    return min(trust, 1.0) * min(max(slope, 0.0), 1.0)


@overload
def _season_unseen(number: int, elapsed: float) -> bool: ...
@overload
def _season_unseen(number: Integers, elapsed: Floats) -> NDArray[np.bool_]: ...
def _season_unseen(number: int | Integers, elapsed: float | Floats) -> bool | NDArray[np.bool_]:
    """Return whether a season of a year has not been seen twice: that of samples half a day apart."""
    return (elapsed > SEASONAL_INTERVAL * number) & (elapsed < TWO_YEARS)


def _least_ratio(weight: float | Floats, horizon: float | Floats) -> Floats:
    """Return the variance ratio that one walk in 100 falls short of; weight: of the record.

    A young record weighs a sample by the cube of its number, so that the ratio of n samples has a variance of
    about 3 * horizon / n; its logarithm is nearly normal. Measured on walks of 8 to 170 horizons.
    """
    n = np.maximum((YOUNG + 1.0) * weight, TINY)
    variance = np.log1p(3.0 * horizon / n)
    return np.asarray(np.exp(-0.5 * variance - RARE * np.sqrt(variance)))
