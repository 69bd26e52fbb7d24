"""What a group of streams is set to do: plain records, already validated where they come from."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """One configured block of streams: how they are averaged, and by which model forecast."""

    name: str
    decays: tuple[Decay, ...] = (ByCount(0.9), ByCount(0.98))
    out_of_order: Literal["drop", "accept"] = "drop"
    model: ModelSettings | None = None

    @property
    def beta_labels(self) -> tuple[str, ...]:
        """The label of each decay: "0.9", or "half_life=10m"."""
        return tuple(
            repr(d.beta) if isinstance(d, ByCount) else f"half_life={_duration(d.half_life_seconds)}"
            for d in self.decays
        )

    @property
    def layout(self) -> list[str]:
        """What the numbers of a state mean: it fits groups of the same layout alone. Rates may differ."""
        model = self.model
        layout = [repr(decay) for decay in self.decays]
        if model is not None:
            layout += [model.share, model.expert, f"lags={model.lags}", f"horizons={model.horizons}"]
            layout += [f"hidden={model.hidden}"] if model.expert == "network" else []
            layout += [f"batch_size={model.batch_size}", type(model.optimizer).__name__]
        return layout


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds * 1000:.15g}ms" if seconds < 1 else f"{seconds:.15g}s"
