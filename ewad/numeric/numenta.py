"""The score of the Numenta Anomaly Benchmark: how well anomaly scores find labelled windows, and how soon.

For `ewad evaluate --anomalies`: `alarms_of` are the scores that begin alarms, `Labelled.of` holds them to
a file's windows, `sweep` gives the score of every threshold, `best` the one that the benchmark reports.
Source: Lavin & Ahmad 2015, Evaluating Real-time Anomaly Detection Algorithms; version 1.1 of the benchmark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from ewad.kernels.memory import Floats, Integers

OUTSIDE, PROBATION = -1, -2  # of a point: in no window, or too early to count
PROBATION_SHARE, PROBATION_SAMPLES = 0.15, 750.0  # a file's first part, by which a detector may learn
STEEPNESS = 5.0  # of the sigmoid by which a window's late detections earn less
FAR = 3.0  # window lengths behind a window, from which a false alarm is as bad as anywhere


class CostProfile(NamedTuple):
    """What a window found in time earns, and what a false alarm and a missed window cost."""

    found: float
    false_alarm: float
    missed: float


PROFILES: Final[Mapping[str, CostProfile]] = {
    "standard": CostProfile(1.0, 0.11, 1.0),
    "reward_low_FP_rate": CostProfile(1.0, 0.22, 1.0),
    "reward_low_FN_rate": CostProfile(1.0, 0.11, 2.0),
}


@dataclass(frozen=True, eq=False)
class Labelled:
    """One file's anomaly scores and what each sample would earn as an alarm, (n,) each.

    score: NaN never alarms.  gain: from 1 at the begin of a window to 0 at its end, from 0 to -1 behind it.
    window: of each sample, from 0; OUTSIDE or PROBATION.  n_windows: all labelled ones.
    """

    score: Floats
    gain: Floats
    window: Integers
    n_windows: int

    @classmethod
    def of(cls, score: Floats, windows: Sequence[tuple[int, int]]) -> Labelled:
        """Return the scores, (n,), of a file whose windows are (first, last) samples, ascending.

        Raises ValueError where a window is not within the file, or begins before the last one ended.
        """
        n, behind = len(score), -1
        gain, window = np.full(n, -1.0), np.full(n, OUTSIDE, dtype=np.int64)
        for index, (first, last) in enumerate(windows):
            if not behind < first <= last < n:
                raise ValueError(
                    f"window {index}: expected samples {behind + 1} to {n - 1}, got {first} to {last}"
                )
            width = last - first + 1
            inside = np.arange(first - last - 1, 0) / width
            gain[first : last + 1] = _sigmoid(inside) / _sigmoid(-1.0)
            window[first : last + 1] = index
            past = np.arange(1, n - last) / max(width - 1, 1)
            gain[last + 1 :] = np.where(past > FAR, -1.0, _sigmoid(past))
            behind = last
        window[np.arange(n) < min(math.floor(PROBATION_SHARE * n), PROBATION_SAMPLES)] = PROBATION
        return cls(np.asarray(score, dtype=np.float64), gain, window, len(windows))

    def standing(self, threshold: float, profile: CostProfile = PROFILES["standard"]) -> float:
        """Return what this file alone earns at a threshold: an alarm is a score of it or above."""
        alarm = self.score >= threshold
        total = profile.false_alarm * float(self.gain[alarm & (self.window == OUTSIDE)].sum())
        for index in np.unique(self.window[self.window >= 0]):
            gains = self.gain[alarm & (self.window == index)]
            total += profile.found * float(gains.max()) if len(gains) else -profile.missed
        return total


class Sweep(NamedTuple):
    """The score of each threshold, (n,): 100 with each window found at once, nothing else; 0 without alarms.

    threshold: descending; the first is above all scores.
    """

    threshold: Floats
    score: Floats


def _sigmoid(position: Any) -> Any:
    """Return 2 / (1 + e**(5 position)) - 1 of a position in window lengths, relative to the window's end."""
    return 2.0 / (1.0 + np.exp(STEEPNESS * position)) - 1.0


def sweep(files: Sequence[Labelled], profile: CostProfile = PROFILES["standard"]) -> Sweep:
    """Return the score of every threshold that tells the samples of these files apart."""
    first = np.cumsum([0, *(file.n_windows for file in files)])
    window = np.concatenate(
        [np.where(f.window >= 0, f.window + at, f.window) for f, at in zip(files, first[:-1], strict=True)]
    )
    score, gain = (np.concatenate([getattr(file, name) for file in files]) for name in ("score", "gain"))
    counted = (window != PROBATION) & ~np.isnan(score)
    order = np.argsort(-score[counted], kind="stable")
    score, gain, window = (each[counted][order] for each in (score, gain, window))
    earned = np.where(window == OUTSIDE, profile.false_alarm * gain, 0.0)
    for index in np.unique(window[window >= 0]):  # a window earns what its best alarm so far does
        places = np.flatnonzero(window == index)
        best = profile.found * np.maximum.accumulate(gain[places])
        earned[places] = np.diff(best, prepend=-profile.missed)
    ends = np.flatnonzero(np.diff(score, append=-np.inf))  # the last sample of each score
    perfect = profile.found * first[-1] + profile.missed * _scorable(files)
    if not perfect:
        raise ValueError("expected labelled windows in the files, got none")
    total = np.concatenate([[0.0], np.cumsum(earned)[ends]])
    return Sweep(np.concatenate([[np.inf], score[ends]]), 100.0 * total / perfect)


def _scorable(files: Sequence[Labelled]) -> int:
    """Return how many windows have a sample that counts."""
    return sum(len(np.unique(file.window[file.window >= 0])) for file in files)


def best(swept: Sweep) -> tuple[float, float]:
    """Return the threshold with the highest score, and that score: what the benchmark reports."""
    at = int(np.argmax(swept.score))
    return float(swept.threshold[at]), float(swept.score[at])


def score_at(
    files: Sequence[Labelled], threshold: float, profile: CostProfile = PROFILES["standard"]
) -> float:
    """Return the score of one threshold, such as one that was chosen on other files."""
    swept = sweep(files, profile)
    at = np.searchsorted(-swept.threshold, -threshold, side="right") - 1
    return float(swept.score[at])


def alarms_of(score: Floats, samples: int = 20) -> Floats:
    """Return the scores, (n,), that would begin an alarm at some threshold: higher than those just before.

    NaN stands for the others. An anomaly is one alarm, until so many samples without a high score have gone
    by: whatever the threshold, it begins where a score is the highest of that many samples.
    """
    before = np.concatenate([np.full(samples, -np.inf), np.nan_to_num(score, nan=-np.inf)])[:-1]
    highest = np.lib.stride_tricks.sliding_window_view(before, samples).max(axis=1)
    return np.where(score > highest, score, np.nan)


def windows_of(times: Floats, spans: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """Return the windows of a file, as `Labelled.of` takes them.

    times: (n,) ascending, Unix seconds.  spans: the times of each window's first and last sample. A window
    without a sample is left out.
    """
    places = [
        (int(np.searchsorted(times, first)), int(np.searchsorted(times, last, side="right")) - 1)
        for first, last in sorted(spans)
    ]
    return [(first, last) for first, last in places if first <= last]
