"""What a group of streams is set to do: plain records, already validated where they come from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from ewad.numeric.averages import ByCount, Decay
from ewad.numeric.optimizers import Adam, Optimizer
from ewad.numeric.schedules import InverseTime, Schedule


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A forecasting model, its training and what it forecasts. lags and horizons count samples.

    max_gap_seconds: a stream's lag window restarts after more than so long without a sample; None: never.
    start_from: the file of a trained model; who composes the engine reads it (`Learner.start_from`).
    """

    name: str = "default"
    share: Literal["group", "stream"] = "group"
    expert: str = "linear"
    hidden: tuple[int, ...] = (16,)
    lags: int = 24
    horizons: tuple[int, ...] = (1,)
    max_gap_seconds: float | None = None
    batch_size: int = 64
    batches_per_epoch: int = 100
    optimizer: Optimizer = field(default_factory=Adam)
    learning_rate: float = 0.001
    schedule: Schedule = field(default_factory=InverseTime)
    l2: float = 0.0
    max_gradient_norm: float | None = None
    start_from: str | None = None

    @property
    def layout(self) -> str:
        """What parameters and forecasts mean: a state fits the same layout alone. Rates may differ."""
        layout = f"{self.name}, share={self.share}, {self.expert}, lags={self.lags}, horizons={self.horizons}"
        return f"{layout}, hidden={self.hidden}" if self.expert == "network" else layout


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """One configured block of streams: how they are averaged, and by which model forecast.

    topics: where its samples come from; a block of another name but the same topics is the same, renamed.
    stale_after_seconds, forget_after_seconds: streams that are silent for longer may be, or are, forgotten.
    """

    name: str
    decays: tuple[Decay, ...] = (ByCount(0.9), ByCount(0.98))
    out_of_order: Literal["drop", "accept"] = "drop"
    model: ModelSettings | None = None
    topics: tuple[str, ...] = ()
    stale_after_seconds: float = math.inf
    forget_after_seconds: float = math.inf

    @property
    def beta_labels(self) -> tuple[str, ...]:
        """The label of each decay: "0.9", or "half_life=10m"."""
        return tuple(
            repr(d.beta) if isinstance(d, ByCount) else f"half_life={_duration(d.half_life_seconds)}"
            for d in self.decays
        )


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds * 1000:.15g}ms" if seconds < 1 else f"{seconds:.15g}s"
