"""The model of a group, put together: the rows of its kernels, and what is told of them."""

from __future__ import annotations

import math

import numpy as np

from ewad.engine.batch import Forecasts
from ewad.engine.examples import WaitingExamples
from ewad.engine.features import Features, columns, first_input, n_columns, sample_of
from ewad.engine.inputs import Inputs
from ewad.engine.learner import Learner
from ewad.engine.recursive_learner import RecursiveLearner, StreamExpert
from ewad.engine.settings import ModelSettings
from ewad.engine.stack import Stack
from ewad.kernels.experts.base import Expert
from ewad.kernels.experts.external import ExternalExpert
from ewad.kernels.experts.fixed import PersistenceKernel, SeasonalNaiveKernel
from ewad.kernels.forecaster import ForecasterKernel, Parts
from ewad.kernels.memory import Floats, Integers
from ewad.numeric.calibration import Calibration
from ewad.numeric.experts import (
    EXTERNAL_EXPERTS,
    GRADIENT_EXPERTS,
    NEAR,
    RECURSIVE_EXPERTS,
    STACK,
    STREAM_EXPERTS,
)
from ewad.numeric.external import External
from ewad.numeric.grid import Grid
from ewad.numeric.intervals import ConformalIntervals
from ewad.numeric.mixture import Hedge
from ewad.numeric.pending import Pending
from ewad.numeric.robust import RobustScale
from ewad.numeric.rows import Part, Removal, RowState
from ewad.numeric.slots import Slots

AnyLearner = Learner | RecursiveLearner | StreamExpert | Stack


class GroupForecaster(RowState):
    """The model of a group at work; its kernel takes in sample after sample.

    An example pairs features with what came up to the farthest horizon after them, so that no target is
    used before it has arrived. Several experts are mixed by their track record.

    A window restarts where a stream has had a gap: forecasts are NaN until lags are full again, none made
    before is scored, no example and no difference spans the gap. What has been learnt stays.

    forecast, lower, upper: (n_streams, n_horizons), NaN while warming up.  squared_error, squared_change:
    of the forecasts and of persistence, exponentially weighted.
    learners: by name, the experts that own rows; those of streams are StreamExperts.  hedge: the track
    record of several experts.  calibration: what their mixture is worth beside persistence; None where that
    is not among them.
    """

    forecast: Floats
    lower: Floats
    upper: Floats
    squared_error: Floats
    squared_change: Floats

    def __init__(self, settings: ModelSettings, n_streams: int = 0, grid: Grid | None = None) -> None:
        """grid: on which the model sees intervals instead of samples."""
        super().__init__(n_streams)
        self.settings = settings
        self.shared = settings.share == "group"
        self.horizons = settings.horizons
        n = len(settings.horizons)
        for name in ("forecast", "lower", "upper"):
            self.add_rows(name, n, fill=np.nan)
        for name in ("squared_error", "squared_change"):
            self.add_rows(name, n)
        self.calendar = None if settings.calendar is None else settings.calendar.kernel()
        self.scale = RobustScale(n_streams)
        self.features = Features(settings, n_streams)
        self.inputs: Inputs | None = None
        if settings.inputs:
            first, ahead = first_input(settings), max(settings.horizons)
            self.inputs = Inputs(settings.inputs, first, ahead, n_streams)
        self.external: External | None = None
        n_sources = len(set(EXTERNAL_EXPERTS) & set(settings.experts))
        if n_sources:
            self.external = External(n_sources, settings.every_seconds, n_streams)
        self.hedge: Hedge | None = None
        self.calibration: Calibration | None = None
        if len(settings.experts) > 1:
            self.hedge = Hedge(settings.horizons, len(settings.experts), n_streams)
            if "persistence" in settings.experts:
                self.calibration = Calibration(settings.horizons, n_streams)
        self.intervals: ConformalIntervals | None = None
        if settings.interval is not None:
            self.intervals = ConformalIntervals(settings.interval, settings.horizons, n_streams)
        self.examples = WaitingExamples(
            n_columns(settings), n, settings.learnt_together, 1 if self.shared else n_streams
        )
        self.learners: dict[str, AnyLearner] = {}
        self.slots: Slots | None = None
        if STACK in settings.experts:
            self.slots = Slots(settings.horizons, settings.season, settings.seasons, self.calendar, n_streams)
        experts = [self._expert(name) for name in settings.experts]
        self.step = self._kernel(experts, grid)
        self.work_with(self.step)
        self.pending = Pending(settings.horizons, self.step, self.intervals is not None, n_streams)

    def _expert(self, name: str) -> Expert:
        """Return the kernel of an expert; what owns rows becomes one of the learners."""
        settings, n = self.settings, len(self.horizons)
        n_models, sees = 1 if self.shared else self.n_rows, columns(settings, name)
        if name == "persistence":
            return PersistenceKernel(n)
        if name == "seasonal_naive" and self.features.seasons is not None:
            return SeasonalNaiveKernel(n, self.features.seasons.step)
        if name in EXTERNAL_EXPERTS and self.external is not None:
            return self._external(name, self.external)
        learner: AnyLearner
        if name in RECURSIVE_EXPERTS:
            ridge = RECURSIVE_EXPERTS[name]
            learner = RecursiveLearner(self.examples, sees.start, sees.n, n, ridge, n_models)
        elif self.slots is not None and name == STACK:
            mixed = len(settings.experts) > 1
            learner = Stack(self.horizons, settings.hears(name), mixed, self.slots, n_models)
        elif name in STREAM_EXPERTS:
            learner = StreamExpert(name, self.horizons, self.n_rows)
        else:
            shape = GRADIENT_EXPERTS[name](sees.n, n, settings.hidden)
            n_outputs = 1 if name == NEAR else n
            learner = Learner(settings, self.examples, shape, sees.start, n_outputs, n_models)
        self.learners[name] = learner
        return learner.step

    def _external(self, name: str, external: External) -> Expert:
        """Return the expert that says what the source of that name has forecast."""
        sources = [each for each in EXTERNAL_EXPERTS if each in self.settings.experts]
        learns = GRADIENT_EXPERTS.keys() | RECURSIVE_EXPERTS.keys()
        learners = [at for at, each in enumerate(self.settings.hears(name)) if each in learns - {NEAR}]
        return ExternalExpert(sources.index(name), external.step, self.horizons, learners)

    def _kernel(self, experts: list[Expert], grid: Grid | None) -> ForecasterKernel:
        leader = self.gradient_learners.get(self.settings.expert)
        parts = Parts(
            self.scale.step,
            self.features.step,
            None if self.features.seasons is None else self.features.seasons.step,
            self.examples.step,
            experts,
            None if leader is None else leader.step,
            stack.step if isinstance(stack := self.learners.get(STACK), Stack) else None,
            None if self.hedge is None else self.hedge.step,
            None if self.calibration is None else self.calibration.step,
            None if self.intervals is None else self.intervals.step,
            None if grid is None else grid.step,
            self.calendar,
            None if self.inputs is None else self.inputs.step,
            None if self.external is None else self.external.step,
        )
        max_gap = self.settings.max_gap_seconds
        return ForecasterKernel(
            parts,
            sample_of(self.settings),
            self.horizons,
            self.shared,
            math.inf if max_gap is None else max_gap,
            len(experts),
        )

    def parts(self, n_rows: int) -> list[Part]:
        """Return the parts of its state. Windows and scales outlive a change of the model, scores do not."""
        layout = self.settings.layout
        parts = self.features.parts(n_rows)
        parts += [self.scale.part("scale", self.settings.grid, n_rows), self.part("scores", layout, n_rows)]
        parts += [self.pending.part("pending", layout, n_rows, "forecasts")]
        if self.slots is not None:
            parts += self.slots.parts(self.settings.periods, self.settings.grid, layout, n_rows)
        if self.inputs is not None:
            parts += self.inputs.parts(f"{self.settings.inputs}, {self.settings.grid}", n_rows)
        if self.external is not None:
            parts += [self.external.part("external", f"{self.settings.external}", n_rows)]
        if self.hedge is not None:
            parts += [self.hedge.part("track record", layout, n_rows)]
        if self.calibration is not None:
            parts += [self.calibration.part("calibration", layout, n_rows)]
        if self.intervals is not None:
            meaning = f"coverage {self.settings.interval} of {layout}"
            parts += [self.intervals.part("intervals", meaning, n_rows)]
            parts += [self.pending.part("pending", meaning, n_rows, "widths")]
        waiting = self.examples.parts(layout, 1 if self.shared else n_rows)
        parts += [part._replace(shared=self.shared) for part in waiting]
        for name, learner in self.learners.items():
            meaning = self.settings.layout_of(name)
            meaning += f", hears {self.settings.hears(name)}" if name == STACK else ""
            rows = n_rows if self._of_streams(learner) else learner.n_rows
            shared = not self._of_streams(learner)
            found = learner.parts(meaning, rows)
            parts += [part._replace(shared=shared) for part in found]
        return parts

    @property
    def learner(self) -> Learner:
        """The expert whose loss and rate stand for the model. Raises KeyError if none takes steps."""
        return self.gradient_learners[self.settings.expert]

    @property
    def gradient_learners(self) -> dict[str, Learner]:
        """The experts that take steps, by name."""
        return {name: it for name, it in self.learners.items() if isinstance(it, Learner)}

    def grow(self, n_rows: int) -> None:
        """Make room for n_rows streams."""
        super().grow(n_rows)
        for owner in self._owners():
            owner.grow(n_rows)

    def remove(self, removal: Removal) -> None:
        """Let rows go."""
        super().remove(removal)
        for owner in self._owners():
            owner.remove(removal)

    def _of_streams(self, learner: AnyLearner) -> bool:
        return not self.shared or isinstance(learner, StreamExpert)

    def _owners(self) -> list[RowState]:
        """Return all other owners of rows that are streams."""
        others = (
            self.slots,
            self.inputs,
            self.external,
            self.features.seasons,
            self.hedge,
            self.calibration,
            self.intervals,
        )
        owners: list[RowState] = [self.scale, self.features, self.pending]
        owners += [owner for owner in others if owner is not None]
        if not self.shared:
            owners.append(self.examples)
        return owners + [learner for learner in self.learners.values() if self._of_streams(learner)]

    def standing(self, rows: Integers) -> Forecasts:
        """Return what stands now for each of these streams."""
        loss = rate = np.full(len(rows), np.nan)
        learner = self.gradient_learners.get(self.settings.expert)
        if learner is not None:
            models = np.zeros_like(rows) if self.shared else rows
            loss, rate = learner.standing(models)
        if self.intervals is None:
            return Forecasts(self.forecast[rows], None, None, loss, rate)
        return Forecasts(self.forecast[rows], self.lower[rows], self.upper[rows], loss, rate)

    def skill(self, rows: slice | Integers = slice(None)) -> Floats:
        """Return 1 - MSE / MSE of persistence of these streams, of all by default, (k, n_horizons); NaN while
        there is no such ratio.
        """
        error, change = self.squared_error[rows], self.squared_change[rows]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(change > 0.0, 1.0 - error / change, np.nan)

    def weights(self) -> Floats | None:
        """Return what each expert weighs in the forecasts, (n_streams, n_horizons, n_experts); None of one
        alone.

        As far as the mixed forecast is not followed, persistence stands in its place.
        """
        if self.hedge is None:
            return None
        weights = self.hedge.shares()
        if self.calibration is not None:
            weights *= self.calibration.share[:, :, None]
            weights[:, :, self.settings.experts.index("persistence")] += 1.0 - self.calibration.share
        return weights

    def coverage(self) -> Floats:
        """Return the share of values inside their intervals, (n_streams, n_horizons); NaN without any."""
        return np.full_like(self.lower, np.nan) if self.intervals is None else self.intervals.coverage()
