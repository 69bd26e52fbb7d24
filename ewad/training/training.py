"""Forecasting models trained on the history in CSV files, several optimizers side by side."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ewad.config.syntax import counted
from ewad.engine import ModelSettings
from ewad.engine.features import Features, columns, sample_of
from ewad.engine.learner import PLATEAU
from ewad.errors import ConfigError, SourceError
from ewad.ingest.files import FileOptions
from ewad.kernels.memory import Floats
from ewad.numeric.experts import GRADIENT_EXPERTS
from ewad.numeric.minibatches import Progress, Training
from ewad.numeric.names import lookup
from ewad.numeric.network import Network
from ewad.numeric.optimizers import OPTIMIZERS
from ewad.numeric.robust import RobustScale
from ewad.outputs.files.costs import CostCurve, draw_curves
from ewad.outputs.text import aligned
from ewad.store import model_file
from ewad.store.model_file import TrainedModel
from ewad.training.history import TrainingHistory

TRAINABLE = ("linear", "network")
# Training holds its examples two or three times. With more of them every second, third, ... is used.
MOST_EXAMPLE_BYTES = 28 * 2**20
PIECE_SAMPLES = 8192  # of a series, whose windows are made at a time

# (optimizer, epochs in all, what its last step met)
OnProgress = Callable[[str, int, Progress], None]


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What to train and how. model: expert, lags, horizons, hidden, learning rate, schedule and l2 are used.

    optimizers: names; none: the model's own. batch_size: None goes by the course's rule. validation: the last
    part of the time, which no model sees before it is judged on it.
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    optimizers: tuple[str, ...] = ()
    epochs: int = 20
    batch_size: int | None = None
    validation: float = 0.2
    stop_on_plateau: bool = False
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Examples:
    """X: (lags, m) standardised differences, Y: (n_horizons, m) standardised changes to come.

    origin, end: (m,) Unix seconds of the sample forecast from, and of the last target.
    """

    X: Floats
    Y: Floats
    origin: Floats
    end: Floats

    def __len__(self) -> int:
        return len(self.end)

    @property
    def persistence(self) -> float:
        """What it costs to forecast no change, as every training begins."""
        return float(np.mean(self.Y**2))

    def where(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Examples:
        """Return the chosen examples, (m,) True or False."""
        return Examples(self.X[:, chosen], self.Y[:, chosen], self.origin[chosen], self.end[chosen])


@dataclass(frozen=True, eq=False)
class Result:
    """How one optimizer did. Costs are mean squared errors, without L2, of the parameters that are kept.

    train_costs, validation_costs: after each epoch (train: the mean over the epoch). reason: why it ended
    early, and what is wrong with what came out; or empty. seconds: spent on training alone.
    """

    optimizer: str
    batch_size: int
    epochs: int
    seconds: float
    train_cost: float
    validation_cost: float
    train_costs: tuple[float, ...]
    validation_costs: tuple[float, ...]
    reason: str
    model: TrainedModel


@dataclass(frozen=True, eq=False)
class TrainingReport:
    """What came out: a result per optimizer; the costs of persistence, which forecasts no change; counts."""

    results: tuple[Result, ...]
    train_persistence: float
    validation_persistence: float
    train_examples: int
    validation_examples: int
    streams: int
    summary: str = ""  # of the files
    every: int = 1  # of so many examples one was used

    @property
    def best(self) -> Result:
        """The result with the lowest validation cost."""
        return min(self.results, key=lambda result: result.validation_cost)

    @property
    def best_is_worse_than_persistence(self) -> bool:
        """Whether forecasting no change would have cost less, in validation, than each of the results."""
        return _worse(self.best.validation_cost, self.validation_persistence)

    @property
    def counts(self) -> str:
        """How many streams and examples there were."""
        counts = f"{counted(self.streams, 'stream')}: {counted(self.train_examples, 'example')} to train on"
        thinned = f"; one of {self.every} is used, for the memory they take" if self.every > 1 else ""
        return f"{counts}, {self.validation_examples:,} later ones to validate{thinned}"

    def __str__(self) -> str:
        """The table; below it what ended early or badly."""
        rows = [("optimizer", "batch size", "epochs", "seconds", "train cost", "validation cost")]
        for r in self.results:
            costs = (f"{r.train_cost:.5g}", f"{r.validation_cost:.5g}")
            rows.append((r.optimizer, str(r.batch_size), str(r.epochs), f"{r.seconds:.2f}", *costs))
        costs = (f"{self.train_persistence:.5g}", f"{self.validation_persistence:.5g}")
        rows.append(("(persistence)", "", "", "", *costs))
        lines = [self.counts, "", *aligned(rows)]
        ended = [f"{r.optimizer}: {r.reason}" for r in self.results if r.reason]
        return "\n".join([*lines, *([""] if ended else []), *ended])


def train_files(
    paths: Sequence[Path],
    settings: TrainSettings,
    options: FileOptions | None = None,
    on_progress: OnProgress = lambda optimizer, epochs, progress: None,
) -> TrainingReport:
    """Train on the files' streams, one model for all of them, and return how each optimizer did.

    Raises SourceError for files that can't be read or are too short, ConfigError for settings that can't be.
    """
    optimizers = _optimizers(settings)
    model = settings.model
    if model.expert not in TRAINABLE:
        raise ConfigError(f"expert: expected one of {', '.join(TRAINABLE)} to train, got {model.expert}")
    if model.every_seconds is not None:
        raise ConfigError("every: expected none to train on files: their samples are taken as they are")
    with TrainingHistory(paths, options) as history:
        examples, every = _all_examples(history, model, paths)
        streams, summary = len(history), "\n".join(history.summaries)
    train, validation = split(examples, settings.validation)
    if not len(train) or not len(validation):
        raise SourceError(
            f"{_names(paths)}: too few samples to train on and to validate: {len(examples)} examples"
        )
    results = [_train(name, train, validation, settings, on_progress) for name in optimizers]
    counts = len(train), len(validation), streams
    return TrainingReport(tuple(results), train.persistence, validation.persistence, *counts, summary, every)


def save(report: TrainingReport, path: Path) -> None:
    """Write the best model, for `run` and `replay` to start from. Raises StateError where that fails."""
    model_file.save(report.best.model, path)


def draw_costs(report: TrainingReport, path: Path) -> None:
    """Draw what each optimizer's epochs cost. Raises what `draw_curves` does."""
    curves = [
        CostCurve(r.optimizer, r.train_costs, r.validation_costs, r.reason.startswith("diverged"))
        for r in report.results
    ]
    draw_curves(curves, report.train_persistence, report.validation_persistence, path)


def examples_of(times: Floats, values: Floats, model: ModelSettings, every: int = 1) -> Examples:
    """Return the examples of one series: those the engine's forecaster would learn from, in its units.

    every: of so many that follow each other, the first one.
    """
    ahead = max(model.horizons)
    depth, n = model.lags + ahead, len(values)
    n_x, n_y = columns(model, model.expert).n, len(model.horizons)
    features, scale, sample = Features(model, 1), RobustScale(1), sample_of(model)
    X, Y, places = [np.zeros((0, n_x))], [np.zeros((0, n_y))], [np.zeros(0, np.int64)]
    place = depth  # of the sample that completes the next example
    for start in range(0, n if n > depth else 0, PIECE_SAMPLES):
        piece = slice(start, min(start + PIECE_SAMPLES, n))
        x, y = np.empty((piece.stop - start, n_x)), np.empty((piece.stop - start, n_y))
        time, value = _local(times[piece], model), np.ascontiguousarray(values[piece])
        made = features.step.write_examples(scale.step, sample, time, value, x, y)
        taken = np.flatnonzero((np.arange(place, place + made) - depth) % every == 0)
        X.append(x[taken])
        Y.append(y[taken])
        places.append(place + taken)
        place += made
    end = np.concatenate(places)
    return Examples(np.concatenate(X).T, np.concatenate(Y).T, times[end - ahead], times[end])


def _local(times: Floats, model: ModelSettings) -> Floats:
    """Return times as the model's calendar counts them."""
    if model.calendar is None:
        return np.ascontiguousarray(times)
    calendar = model.calendar.kernel()
    return np.array([calendar.local_time(time) for time in times.tolist()])


def split(examples: Examples, validation: float) -> tuple[Examples, Examples]:
    """Return what ends before the last part of the time, and what begins in it; between them, neither.

    Samples may carry the same time: those of the border count as before it, with their targets.
    """
    if not 0.0 < validation < 1.0:
        raise ConfigError(f"validation: must be in (0, 1), got {validation}")
    if not len(examples):
        return examples, examples
    border = np.quantile(examples.end, 1.0 - validation)
    return examples.where(examples.end <= border), examples.where(examples.origin > border)


def _all_examples(
    history: TrainingHistory, model: ModelSettings, paths: Sequence[Path]
) -> tuple[Examples, int]:
    """Return the examples of all streams, and of how many each is one: few enough for MOST_EXAMPLE_BYTES."""
    depth = model.lags + max(model.horizons)
    lengths = history.lengths()
    total = sum(max(0, n - depth) for n in lengths)
    if not total:
        raise SourceError(
            f"{_names(paths)}: expected a stream of {depth + 1} samples or more "
            f"({model.lags} lags, {max(model.horizons)} ahead), the longest has {max(lengths, default=0)}"
        )
    size = 8 * (columns(model, model.expert).n + len(model.horizons) + 2)
    every = math.ceil(total * size / MOST_EXAMPLE_BYTES)
    parts = [examples_of(times, values, model, every) for times, values in history.values()]
    whole = Examples(
        np.hstack([part.X for part in parts]),
        np.hstack([part.Y for part in parts]),
        np.concatenate([part.origin for part in parts]),
        np.concatenate([part.end for part in parts]),
    )
    return whole, every


def _optimizers(settings: TrainSettings) -> tuple[str, ...]:
    own = next(name for name, kind in OPTIMIZERS.items() if kind is type(settings.model.optimizer))
    names = tuple(dict.fromkeys(settings.optimizers)) or (own,)
    try:
        for name in names:
            lookup(OPTIMIZERS, name, "optimizer")
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return names


def _train(
    name: str, train: Examples, validation: Examples, settings: TrainSettings, on_progress: OnProgress
) -> Result:
    model = settings.model
    hidden = model.hidden if model.expert == "network" else ()
    network = Network([columns(model, model.expert).n, *hidden, len(model.horizons)])
    training = _training(name, network, settings)
    train_costs, validation_costs, seconds = [], [], 0.0
    rng = np.random.default_rng(settings.seed)
    for _ in range(settings.epochs):
        costs, taken = _epoch(training, train, rng, partial(on_progress, name, settings.epochs))
        seconds += taken
        if costs:
            train_costs.append(float(np.mean(costs)))
            validation_costs.append(_cost(network, training.theta, validation))
        if training.outcome != "trained":
            break
    reason = _judge(training, network, train, validation)
    theta = _as_expert(model, network, training.theta)
    return Result(
        name,
        training.size_of(len(train), len(train.X)),
        len(train_costs),
        seconds,
        _cost(network, training.theta, train),
        _cost(network, training.theta, validation),
        tuple(train_costs),
        tuple(validation_costs),
        reason,
        TrainedModel(model.expert, model.lags, model.horizons, hidden, theta, model.features, model.recalls),
    )


def _epoch(
    training: Training, train: Examples, rng: np.random.Generator, told: Callable[[Progress], None]
) -> tuple[list[float], float]:
    """Return the costs of an epoch's mini-batches, and the seconds that it took but for what is told."""
    costs, seconds, begin = [], 0.0, time.perf_counter()
    for progress in training.run(train.X, train.Y, 1, rng):
        seconds += time.perf_counter() - begin
        costs.append(progress.cost)
        told(progress)
        begin = time.perf_counter()
    return costs, seconds + time.perf_counter() - begin


def _training(name: str, network: Network, settings: TrainSettings) -> Training:
    """Return a training that is about to begin. Raises ConfigError for settings that can't be."""
    model, kind = settings.model, OPTIMIZERS[name]
    try:
        return Training(
            partial(network.gradient, l2=model.l2, out=np.empty(network.n_params)),
            _start(model, network),
            model.optimizer if type(model.optimizer) is kind else kind(),
            model.learning_rate,
            model.schedule,
            settings.batch_size,
            max_norm=model.max_gradient_norm,
            detector=PLATEAU,  # which is meant for the means of whole epochs, as in the daemon
            watch_every=sys.maxsize,
            stop_on_plateau=settings.stop_on_plateau,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _judge(training: Training, network: Network, train: Examples, validation: Examples) -> str:
    """Return what is to be said of a training; go back to its lowest loss where it ended worse than it began.

    That is judged on all examples, where neither an outlier nor the order of the mini-batches can mislead.
    """
    said = [training.reason] if training.reason else []
    later = _cost(network, training.theta, validation)
    costs = f"validation cost {later:.5g}, persistence's {validation.persistence:.5g}"
    advice = f"try a learning rate below {training.learning_rate:g}"
    if training.outcome == "diverged":
        if _worse(later, validation.persistence):
            said.append(f"forecasts worse than persistence: {costs}")
    elif _worse(_cost(network, training.theta, train), train.persistence):
        training.keep_lowest()
        said.append(
            f"ended worse than it began: {costs}; the parameters of the lowest loss are kept; {advice}"
        )
    elif _worse(later, validation.persistence):
        said.append(f"forecasts worse than persistence: {costs}; {advice}")
    return "; ".join(said)


def _worse(cost: float, persistence: float) -> bool:
    """Return whether a cost is higher than that of persistence, by more than rounding."""
    return cost > persistence * (1.0 + 1e-9)


def _cost(network: Network, theta: Floats, examples: Examples) -> float:
    """Return the mean squared error; inf where it overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        cost = network.cost(theta, examples.X, examples.Y)
    return cost if math.isfinite(cost) else math.inf


def _start(model: ModelSettings, network: Network) -> Floats:
    """Return theta as the engine's own model starts."""
    if model.expert == "linear":
        return np.zeros(network.n_params)
    n_x = columns(model, model.expert).n
    return GRADIENT_EXPERTS[model.expert](n_x, len(model.horizons), model.hidden).initial()


def _as_expert(model: ModelSettings, network: Network, theta: Floats) -> Floats:
    """Return theta as the engine's expert lays it out: the linear one holds (W, b) transposed."""
    if model.expert != "linear":
        return theta
    ((W, b),) = network.parameters(theta)
    return np.hstack([W, b]).T.ravel()


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:3])) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
