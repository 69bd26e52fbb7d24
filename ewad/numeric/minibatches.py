"""Mini-batch gradient descent: shuffle, partition, and train epoch by epoch.

Examples are columns: X is (n_x, m), Y is (n_y, m), and X{t}, Y{t} the t-th mini-batch of an epoch; the last
may be smaller. A batch size of 1 is stochastic gradient descent, one of m batch gradient descent.
X and Y may be memory maps larger than memory: examples are shuffled within blocks, and the blocks among
themselves, so that a step's memory does not grow with m.
Source: A. Ng, Improving Deep Neural Networks, week 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ewad.numeric.optimizers import Adam, Array, Optimizer, clip_by_norm
from ewad.numeric.plateau import PlateauDetector
from ewad.numeric.schedules import Constant, ReduceOnPlateau, Schedule

Matrix = NDArray[Any]
# (theta, X, Y) -> J and its gradient, (n_params,) like theta; it may be the same array each time
Gradient = Callable[[Array, Matrix, Matrix], tuple[float, Array]]

# The course's rule: so few examples are one batch; more go by powers of two.
SMALL = 2000
SIZES = (64, 128, 256, 512, 1024)
# A mini-batch of this size stays in the processor's own cache while it passes through a network.
MEMORY_BYTES = 256 * 1024
# So many examples are shuffled among themselves: all of most data sets, and no memory to speak of.
SHUFFLE_BLOCK = 65_536
# A cost a million times the first one, or no number, is the mark of a learning rate that is too large: if the
# parameters of the lowest loss do not cost as much on the same examples, and on this many of them in a row.
DIVERGED = 1e6
WITNESSES = 20
# The loss averages the costs of about the last 1 / (1 - 0.9) = 10 mini-batches.
LOSS_BETA = 0.9
# The plateau detector looks at the means of so many mini-batches: it must cost less than they do.
WATCH_EVERY = 10
# Rates whose ratio is this near to 1 are the same: machines differ in the last bits of powers.
SAME_RATE = 1e-9


def batch_size_rule(m: int, n_x: int, memory_bytes: int = MEMORY_BYTES, itemsize: int = 8) -> int:
    """Return m up to 2,000, else the largest power of two in 64..1024 whose X{t} fits memory_bytes."""
    if m <= SMALL:
        return m
    fitting = [size for size in SIZES if size * n_x * itemsize <= memory_bytes]
    return max(fitting, default=SIZES[0])


def shuffled(X: ArrayLike, Y: ArrayLike, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Return copies of X and Y with their columns in one random order, the same for both."""
    X, Y, m = _examples(X, Y)
    order = rng.permutation(m)
    return _columns(X, order), _columns(Y, order)


def partition(X: ArrayLike, Y: ArrayLike, batch_size: int) -> Iterator[tuple[Matrix, Matrix]]:
    """Yield X{t}, Y{t} in order, as views; the last may be smaller."""
    check_batch_size(batch_size)
    X, Y, m = _examples(X, Y)
    for start in range(0, m, batch_size):
        yield X[:, start : start + batch_size], Y[:, start : start + batch_size]


def epoch(
    X: ArrayLike, Y: ArrayLike, batch_size: int, rng: np.random.Generator, block: int = SHUFFLE_BLOCK
) -> Iterator[tuple[Matrix, Matrix]]:
    """Yield each example once, in mini-batches of a new random order.

    block: how many neighbours are shuffled among themselves, rounded up to whole mini-batches; then the
    blocks change places. m or more: every order is as likely as any other. batch_size: the mini-batches keep
    their examples, and are views that cost nothing. Only the data's last mini-batch is smaller, wherever in
    the epoch its block has come to stand. Memory: a mini-batch, and 8 bytes per
    example of a block and per block.
    """
    check_batch_size(batch_size)
    X, Y, m = _examples(X, Y)
    block = max(1, math.ceil(min(block, m) / batch_size)) * batch_size if batch_size < m else m
    for place in rng.permutation(math.ceil(m / block)):
        start = int(place) * block
        if block == batch_size:
            yield X[:, start : start + block], Y[:, start : start + block]
            continue
        order = start + rng.permutation(min(block, m - start))
        for first in range(0, len(order), batch_size):
            chosen = order[first : first + batch_size]
            yield _columns(X, chosen), _columns(Y, chosen)


def _columns(matrix: Matrix, chosen: NDArray[np.int64]) -> Matrix:
    """Return matrix[:, chosen]; where examples lie one after another in memory, in half the time."""
    if matrix.flags.f_contiguous:
        return matrix.T.take(chosen, axis=0).T
    return matrix[:, chosen]


class Progress(NamedTuple):
    """What one step met. epoch and batch count from 1; batches: in this epoch.

    cost: J{t}, before the step.  loss: its bias-corrected EWA.  plateau: the detector's last word.
    """

    epoch: int
    batch: int
    batches: int
    cost: float
    loss: float
    learning_rate: float
    gradient_norm: float
    plateau: bool


@dataclass
class Training:
    """Parameters under training; `run` changes theta (its own copy) and the optimizer's moments in place.

    theta may be assigned between runs: the next one starts there, with a loss of its own and the moments
    that the optimizer has.

    outcome: "plateau" if it stopped there (stop_on_plateau), "diverged" if the costs left all bounds; theta
    is then that of the lowest loss so far. reason: the outcome in words, for people; empty if all went well.
    epochs, steps: completed.  plateaus: answered by ReduceOnPlateau.
    """

    gradient: Gradient
    theta: Array
    optimizer: Optimizer = field(default_factory=Adam)
    learning_rate: float = 0.001
    schedule: Schedule = field(default_factory=Constant)
    batch_size: int | None = None  # by batch_size_rule
    block: int = SHUFFLE_BLOCK
    max_norm: float | None = None  # of the gradient
    detector: PlateauDetector = field(default_factory=PlateauDetector)
    watch_every: int = WATCH_EVERY  # mini-batches whose means the detector sees; an epoch's at most
    stop_on_plateau: bool = False
    outcome: Literal["trained", "plateau", "diverged"] = field(default="trained", init=False)
    reason: str = field(default="", init=False)
    epochs: int = field(default=0, init=False)
    steps: int = field(default=0, init=False)
    plateaus: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate: must be positive and finite, got {self.learning_rate}")
        if self.batch_size is not None:
            check_batch_size(self.batch_size)
        self._own = self.theta = _floats(self.theta)
        self._moments = self.optimizer.init(self.theta)
        self._quiet = _without_warnings()
        self._begin()

    def _begin(self) -> None:
        """Forget what became of other parameters."""
        self.outcome, self.reason = "trained", ""
        self._lowest = self.theta.copy()
        self._loss = _Loss()
        self._watch = _PlateauWatch(self.detector)

    def _take_over(self) -> None:
        """Start from a copy of theta where another one was assigned. Raises ValueError for other shapes."""
        if self.theta is self._own:
            return
        theta = np.array(self.theta, self._own.dtype)
        if theta.shape != self._own.shape:
            raise ValueError(f"theta: expected the shape {self._own.shape}, got {theta.shape}")
        self._own = self.theta = theta
        self._begin()

    def size_of(self, m: int, n_x: int) -> int:
        """Return how many of m examples a mini-batch holds: batch_size or the rule's, and never above m."""
        return min(self.batch_size or batch_size_rule(m, n_x), m)

    def run(self, X: ArrayLike, Y: ArrayLike, epochs: int, rng: np.random.Generator) -> Iterator[Progress]:
        """Train for so many epochs, yielding after each step; may be called again to go on.

        Raises ValueError where X and Y do not fit each other, are empty, or hold NaN or infinity.
        """
        X, Y, m = _examples(X, Y)
        size = self.size_of(m, len(X))
        batches = math.ceil(m / size)
        every = min(self.watch_every, batches)
        self._take_over()
        quiet, theta, loss = self._quiet, self.theta, self._loss
        update = self.optimizer.bind(theta, self._moments)
        for _ in range(epochs):
            rates, number = self._rates(batches), self.epochs + 1
            for t, (X_t, Y_t) in enumerate(epoch(X, Y, size, rng, self.block), start=1):
                cost, gradient = quiet.run(self.gradient, theta, X_t, Y_t)
                norm = math.sqrt(quiet.run(gradient.dot, gradient))
                if not math.isfinite(cost + norm) or cost > loss.limit:
                    check_finite(X_t, Y_t)
                    if self._has_diverged(cost + norm, X_t, Y_t):
                        self._diverge(cost)
                        return
                    cost, gradient = quiet.run(self.gradient, theta, X_t, Y_t)
                if loss.add(cost):
                    self._lowest[:] = theta
                rate = next(rates)
                if self.max_norm is not None:
                    gradient = clip_by_norm(gradient, self.max_norm)
                quiet.run(update, gradient, rate)
                self.steps += 1
                found = self._watch.add(cost, norm, every)
                yield Progress(number, t, batches, cost, loss.value, rate, norm, self._watch.plateau)
                if found and self._stops():
                    return
            self.epochs = number
        if not np.isfinite(theta).all():  # by the very last step
            self._diverge(math.nan)

    def _has_diverged(self, cost: float, X: Matrix, Y: Matrix) -> bool:
        """Return whether a cost past the limit comes from the parameters, not from outlying examples."""
        if not math.isfinite(cost):
            return True
        usual, _ = self._quiet.run(self.gradient, self._lowest, X, Y)
        return self._loss.leaves(cost, usual, X.shape[1], self.steps)

    def keep_lowest(self) -> None:
        """Go back to the theta of the lowest loss so far."""
        np.copyto(self.theta, self._lowest)

    def _diverge(self, cost: float) -> None:
        self.outcome = "diverged"
        self.keep_lowest()
        self.reason = (
            f"diverged in epoch {self.epochs + 1}: cost {cost:.3g} after {self._loss.lowest:.3g}, whose "
            f"parameters are kept; try a learning rate below {self.learning_rate:g}"
        )

    def _stops(self) -> bool:
        """Answer a plateau by a lower rate, where the schedule has one left; return whether training ends."""
        if isinstance(self.schedule, ReduceOnPlateau):
            rates = self.schedule.rate(1.0, np.array([self.plateaus, self.plateaus + 1]), 0)
            if rates[1] < (1.0 - SAME_RATE) * rates[0]:
                self.plateaus += 1
                self._watch = _PlateauWatch(self.detector)
                return False
        if self.stop_on_plateau:
            self.outcome = "plateau"
            self.reason = f"stopped on a plateau in epoch {self.epochs + 1}: loss {self._loss.value:.6g}"
        return self.stop_on_plateau

    def _rates(self, batches: int) -> Iterator[float]:
        """Yield the learning rates of an epoch's steps."""
        if isinstance(self.schedule, ReduceOnPlateau):
            while True:
                yield float(self.schedule.rate(self.learning_rate, self.plateaus, self.steps))
        piece = min(batches, 256)  # many at once: a call costs as much as a small step
        for first in range(self.steps, self.steps + batches, piece):
            counts = np.arange(first, first + piece)
            rates = self.schedule.rate(self.learning_rate, np.full(piece, self.epochs), counts)
            yield from rates.tolist()


def _without_warnings() -> Context:
    """Return a context in which overflow makes no warning; to run in it costs a tenth of np.errstate."""
    context = copy_context()
    context.run(np.seterr, over="ignore", invalid="ignore")
    return context


class _Loss:
    """The bias-corrected EWA of the costs, its lowest value, and the bound above which no costs may stay."""

    def __init__(self) -> None:
        self._sum = self._weight = 0.0
        self.value = self.lowest = self.limit = math.inf
        self._witnesses, self._last = 0, -1

    def leaves(self, cost: float, usual: float, examples: int, step: int) -> bool:
        """Raise the limit by what good parameters cost on the same examples; return whether enough examples
        in a row have cost more.
        """
        self.limit = max(self.limit, DIVERGED * usual)
        if cost <= self.limit:
            return False
        self._witnesses = examples + (self._witnesses if step == self._last + 1 else 0)
        self._last = step
        return self._witnesses >= WITNESSES

    def add(self, cost: float) -> bool:
        """Take a cost in; return whether the loss is the lowest so far."""
        if not self._weight:
            self.limit = DIVERGED * max(abs(cost), 1.0 / DIVERGED)
        self._sum = LOSS_BETA * self._sum + cost
        self._weight = LOSS_BETA * self._weight + 1.0
        self.value = self._sum / self._weight
        if self.value > self.lowest:
            return False
        self.lowest = self.value
        return True


class _PlateauWatch:
    """A plateau detector that is fed the means of several mini-batches."""

    def __init__(self, detector: PlateauDetector) -> None:
        self._kernel = detector.kernel()
        self._kernel.bind(*detector.init())
        self._found = np.zeros(1, dtype=np.bool_)
        self._cost = self._norm = 0.0
        self._count = 0

    @property
    def plateau(self) -> bool:
        """What the last look has found."""
        return bool(self._found[0])

    def add(self, cost: float, norm: float, every: int) -> bool:
        """Take a mini-batch in; return whether a look has just found a plateau."""
        self._cost += cost
        self._norm += norm
        self._count += 1
        if self._count < every:
            return False
        self._kernel.step_all(np.array([self._cost / every]), np.array([self._norm / every]), self._found)
        self._cost = self._norm = 0.0
        self._count = 0
        return self.plateau


def check_finite(X: Matrix, Y: Matrix) -> None:
    """Raise ValueError naming the first example of X or Y that is not all finite numbers."""
    for name, matrix in (("X", X), ("Y", Y)):
        wrong = np.argwhere(~np.isfinite(matrix))
        if len(wrong):
            row, column = wrong[0]
            raise ValueError(
                f"{name}: expected finite numbers, got {matrix[row, column]} in row {row} of the "
                f"mini-batch's example {column} ({len(wrong)} in {matrix.shape[1]} examples)"
            )


def check_batch_size(batch_size: Any) -> None:
    """Raise ValueError where it is no whole number of 1 or more."""
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(f"batch_size: must be a whole number of 1 or more, got {batch_size!r}")


def _floats(theta: ArrayLike) -> Array:
    """Return a copy of theta that steps can change: float32 where it is that, else float64."""
    theta = np.array(theta)
    return theta if theta.dtype.kind == "f" else theta.astype(np.float64)


def _examples(X: ArrayLike, Y: ArrayLike) -> tuple[Matrix, Matrix, int]:
    """Return X, Y as arrays, uncopied where they are, and m. Raises ValueError where they are not matrices of
    as many columns, one or more.
    """
    X, Y = np.asarray(X), np.asarray(Y)
    if X.ndim != 2 or Y.ndim != 2 or X.shape[1] != Y.shape[1]:
        raise ValueError(f"X and Y: expected (n_x, m) and (n_y, m), got {X.shape} and {Y.shape}")
    if X.shape[1] == 0:
        raise ValueError("X: expected examples, got none")
    return X, Y, X.shape[1]
