"""What a group of streams is set to do: plain records, already validated where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from ewad.numeric.anomaly import AnomalyPolicy
from ewad.numeric.averages import ByCount, Decay
from ewad.numeric.crossing import Threshold
from ewad.numeric.experts import (
    EXTERNAL_EXPERTS,
    GRADIENT_EXPERTS,
    INPUTS,
    NEAR,
    RECURSIVE_EXPERTS,
    STACK,
)
from ewad.numeric.local_time import LocalCalendar
from ewad.numeric.optimizers import Adam, Optimizer
from ewad.numeric.schedules import Constant, InverseTime, Schedule

RECALLS = ", recalls"  # of a layout, at its end
# Empty intervals that one sample may have held: what it costs must stay bounded.
MAX_HELD = 1000


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A forecasting model, its training and what it forecasts. lags and horizons count samples.

    A field annotated by a text, and by its range if the type doesn't say it, is a key of [model.NAME].

    experts: one, or several whose forecasts are mixed by their track record (numeric/experts.py).
    features: what they see: "lags" alone, or "full": averages, level and calendar too (engine/features.py).
    season: samples a season, for the seasonal experts; None: a day's, or of daily samples a week's.
    seasons: what the stack remembers, in seconds, ascending; (): the season, or what is found.
    inputs: names of streams of the same block, which may hold labels of the stream that they are inputs of.
    external: topics of forecasts that others make, one for each external expert.
    calendar: of the place whose days and weeks count; None: UTC's, without holidays.
    interval: the coverage of prediction intervals; None: there are none.
    every_seconds, resample: lags and horizons count intervals of a regular grid, see ewad.numeric.grid.
    max_gap_seconds: a stream's lag window restarts after a longer gap; None: never, or on a grid after as
    many empty intervals as there are lags, at most MAX_HELD.
    start_from: the file of a trained model; who composes the engine reads it (`Learner.start_from`).
    """

    name: str = "default"
    share: Annotated[
        Literal["group", "stream"], "One model for all streams of a block, or one for each stream."
    ] = "group"
    experts: tuple[str, ...] = ("linear",)
    hidden: tuple[int, ...] = (16,)
    features: Annotated[
        Literal["lags", "full"],
        "What the experts see: lags alone, or averages, level, day, week and year too, and beside"
        " seasonal_naive the season before.",
    ] = "lags"
    lags: Annotated[
        int, "1..10000", "How many last values the experts see: samples, or grid steps with every."
    ] = 24
    horizons: tuple[int, ...] = (1,)
    season: Annotated[
        int | None,
        "2..10000",
        "Samples a season, for the seasonal experts; without it a day's, or a week's of daily values.",
    ] = None
    seasons: tuple[float, ...] = ()
    inputs: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    calendar: LocalCalendar | None = None
    interval: Annotated[
        float | None, "(0, 1)", "The coverage of the prediction intervals; without it there are none."
    ] = None
    every_seconds: Annotated[
        float | None,
        "1ms..36500d",
        "The grid step: the model sees one value for each; without it, it sees each sample.",
    ] = None
    resample: Annotated[
        Literal["mean", "last"], "What the value of a grid step is: the mean of its samples, or the last one."
    ] = "mean"
    max_gap_seconds: Annotated[
        float | None,
        "1ms..36500d",
        "After a longer gap the lags start anew; empty grid steps up to it repeat the last value.",
    ] = None
    batch_size: Annotated[int, "1..1000000", "Examples a mini-batch."] = 64
    batches_per_epoch: Annotated[
        int, "1..1000000000", "Mini-batches that are an epoch: a stream has no end."
    ] = 100
    optimizer: Optimizer = field(default_factory=Adam)
    learning_rate: Annotated[float, "(0, inf)", "The size of the optimizer's steps, before the schedule."] = (
        0.001
    )
    schedule: Schedule = field(default_factory=InverseTime)
    l2: Annotated[float, "[0, inf)", "The weight of the squared parameters in the cost."] = 0.0
    max_gradient_norm: Annotated[
        float | None, "(0, inf)", "A longer gradient is cut to this length; without it none is."
    ] = None
    start_from: str | None = None

    @property
    def grid(self) -> str:
        """What a sample of the model means."""
        return "" if self.every_seconds is None else f"every={self.every_seconds}s, resample={self.resample}"

    @property
    def expert(self) -> str:
        """The expert whose loss and learning rate stand for the model: the first that takes steps."""
        return next((name for name in self.experts if name in GRADIENT_EXPERTS), self.experts[0])

    @property
    def recalls(self) -> bool:
        """Whether the experts see what was around the same slot a season before."""
        return self.features == "full" and "seasonal_naive" in self.experts

    @property
    def learnt_together(self) -> int:
        """How many examples wait for each other: for least squares a mini-batch, gradients can be summed."""
        return self.batch_size if RECURSIVE_EXPERTS.keys() & set(self.experts) else 1

    @property
    def layout(self) -> str:
        """What scores and pending forecasts mean: a state fits the same layout alone. Rates may differ."""
        return self.layout_of("+".join(self.experts))

    def layout_of(self, expert: str) -> str:
        """Return what the parameters of this expert mean."""
        layout = f"{self.name}, share={self.share}, {expert}, lags={self.lags}, horizons={self.horizons}"
        layout += f", {self.grid}" if self.grid else ""
        layout += f", hidden={self.hidden}" if "network" in expert else ""
        layout += f", features={self.features}" if self.features != "lags" else ""
        layout += "" if self.season is None else f", season={self.season}"
        layout += f", seasons={self.seasons}" if self.seasons else ""
        layout += f", inputs={self.inputs}" if INPUTS in expert else ""
        layout += "" if self.calendar is None else f", {self.calendar}"
        return f"{layout}{RECALLS}" if self.recalls else layout

    @property
    def periods(self) -> str:
        """What the memory of slots is of."""
        periods = f"seasons={self.seasons}" if self.seasons else f"season={self.season}"
        return periods if self.calendar is None else f"{periods}, {self.calendar}"

    def hears(self, expert: str) -> tuple[str, ...]:
        """Return the experts that this one, if it is the stack, hears: those before it."""
        return self.experts[: self.experts.index(expert)]


def auto(name: str, **chosen: Any) -> ModelSettings:
    """Return a model that needs no tuning: all experts that apply, mixed, on all features, with intervals.

    chosen: attributes of ModelSettings that differ from its own.
    """
    experts = ["persistence", "linear", "rls", "network"]
    if chosen.get("features", "full") == "full":
        experts.append("seasonal")
    experts.append("seasonal_naive")
    if len(chosen.get("horizons", (1,))) > 1:
        experts.append(NEAR)
    experts.append(STACK)
    own: dict[str, Any] = {
        "share": "stream",
        "experts": with_others(tuple(experts), chosen),
        "features": "full",
        "hidden": (8,),
        "interval": 0.9,
        "batch_size": 8,
        "learning_rate": 0.005,
        "schedule": Constant(),
    }
    return ModelSettings(name, **{**own, **chosen})


def with_others(experts: tuple[str, ...], chosen: Mapping[str, Any]) -> tuple[str, ...]:
    """Return experts with those of other streams and programs that attributes of ModelSettings ask for.

    They stand last, but for the stack, which hears them.
    """
    own = [INPUTS] * bool(chosen.get("inputs")) + [*EXTERNAL_EXPERTS[: len(chosen.get("external", ()))]]
    end = len(experts) - (experts[-1] == STACK)
    return (*experts[:end], *(name for name in own if name not in experts), *experts[end:])


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """One configured block of streams: how they are averaged, and by which model forecast.

    topics: where its samples come from; a block of another name but the same topics is the same, renamed.
    stale_after_seconds, forget_after_seconds: streams that are silent for longer may be, or are, forgotten.
    anomaly: which deviations count as anomalies.  stuck_after_seconds: a stream that reports the same value
    for so long is stuck; infinite: only if it is found out.  thresholds: whose crossing is forecast.
    lowest, highest: what forecasts and the ends of their intervals are not told below and above.
    times_are_arrivals: the time of a sample is when it arrived; no payload tells it.
    max_streams: of this group; None: the engine's limit alone counts.
    period: what values on a circle repeat after, such as 360; None: they lie on a line.
    """

    name: str
    decays: tuple[Decay, ...] = (ByCount(0.9), ByCount(0.98))
    out_of_order: Literal["drop", "accept"] = "drop"
    model: ModelSettings | None = None
    topics: tuple[str, ...] = ()
    stale_after_seconds: float = math.inf
    forget_after_seconds: float = math.inf
    times_are_arrivals: bool = False
    max_streams: int | None = None
    anomaly: AnomalyPolicy = field(default_factory=AnomalyPolicy)
    stuck_after_seconds: float = math.inf
    thresholds: tuple[Threshold, ...] = ()
    lowest: float = -math.inf
    highest: float = math.inf
    period: float | None = None

    @property
    def errors(self) -> str:
        """What anomaly scores are made of: errors of the model, if it forecasts one step, or the average."""
        if self.model is not None and self.model.horizons[0] == 1:
            return f"errors of {self.model.layout}"
        return f"errors of {self.decays[0]}"

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
