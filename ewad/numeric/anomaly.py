"""The rows of anomaly scores and of streams at rest: see `ewad.kernels.anomaly` and `ewad.kernels.stuck`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np

from ewad.kernels.anomaly import PLACES, RECORD, AnomalyKernel
from ewad.kernels.memory import Floats, Integers
from ewad.kernels.stuck import REST, STEP_PLACE, StuckKernel
from ewad.numeric.rows import RowState

# The parts of a score, in the kernel's order.
REASONS: Final = ("jump", "run", "drift", "level", "spread", "outside")
DIRECTIONS: Final = {"both": 0, "up": 1, "down": -1}


@dataclass(frozen=True, slots=True)
class AnomalyPolicy:
    """Which deviations count as anomalies; the fields are the keys of [stream.anomaly]."""

    direction: Annotated[
        Literal["both", "up", "down"], "Which way a value has to deviate from what was expected."
    ] = "both"
    min_deviation: Annotated[float, "[0, inf)", "Smaller deviations do not count, in the stream's unit."] = (
        0.0
    )
    min_relative_deviation: Annotated[
        float, "[0, inf)", "Smaller deviations do not count, as a share of what was expected."
    ] = 0.0
    for_seconds: Annotated[
        float, "0s..36500d", "For how long the score has to stay above 1 before it is an anomaly."
    ] = 0.0
    calm_seconds: Annotated[
        float,
        "0s..36500d",
        "An anomaly is over when the score has not been above 1 for so long, and for 20 samples. Let it be a "
        "scrape interval at least, so that a scrape sees each anomaly.",
    ] = 60.0


class Anomalies(RowState):
    """The score of every stream and the anomaly it may be in; the arrays are those of `AnomalyKernel`."""

    count: Integers
    record: Floats
    left: Integers
    alarms: Integers
    reason: Integers

    def __init__(self, policy: AnomalyPolicy, n_streams: int = 0) -> None:
        super().__init__(n_streams)
        self.add_rows("count", dtype=np.int64)
        self.add_rows("record", len(RECORD), fill=RECORD)
        for name in ("left", "alarms", "reason"):
            self.add_rows(name, dtype=np.int64)
        self.step = AnomalyKernel(
            DIRECTIONS[policy.direction],
            policy.min_deviation,
            policy.min_relative_deviation,
            policy.for_seconds,
            policy.calm_seconds,
        )
        self.work_with(self.step)

    def score(self, rows: slice | Integers = slice(None)) -> Floats:
        """Return of these streams the score of the newest sample, or the highest of the anomaly that lasts.

        NaN before it can be known.
        """
        record = self.record[rows]
        return np.where(self.left[rows] > 0, record[:, PLACES["peak"]], record[:, PLACES["score"]])

    def end(self, row: int) -> None:
        """End the anomaly of a stream; its score is 0 until the next sample."""
        self.left[row] = 0
        self.record[row, PLACES["peak"]] = self.record[row, PLACES["score"]] = 0.0
        self.record[row, PLACES["held"]] = -1.0


class Rests(RowState):
    """For how long every stream has reported the same value; the arrays are those of `StuckKernel`."""

    count: Integers
    rest: Floats
    stuck: Integers

    def __init__(self, after_seconds: float, n_streams: int = 0) -> None:
        """after_seconds: see `StuckKernel`."""
        super().__init__(n_streams)
        self.add_rows("count", dtype=np.int64)
        self.add_rows("rest", len(REST), fill=REST)
        self.add_rows("stuck", dtype=np.int64)
        self.step = StuckKernel(after_seconds)
        self.work_with(self.step)

    def usual_step(self) -> Floats:
        """Return (n_streams,) the seconds between samples as they usually come; NaN before the second."""
        seconds = self.rest[:, STEP_PLACE]
        return np.where(seconds > 0.0, seconds, np.nan)
