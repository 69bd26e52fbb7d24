"""`ewad figures`: the pictures of the optimization course, drawn from what the project's own code computes.

Source of what they show: A. Ng, Improving Deep Neural Networks, week 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ewad.errors import ConfigError
from ewad.expose.pictures import (
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    OPTIMIZER_COLOURS,
    ORANGE,
    PURPLE,
    RED,
    Axes,
    draw,
    readable,
)
from ewad.ingest import csv
from ewad.numeric.averages import ByCount, ExponentialAverage
from ewad.numeric.minibatches import Training
from ewad.numeric.network import Network
from ewad.numeric.offline import ewa
from ewad.numeric.optimizers import Adam, GradientDescent, Momentum, Optimizer, RMSprop
from ewad.numeric.recurrence import Floats, Runs
from ewad.numeric.saddle import SADDLE_START, saddle
from ewad.numeric.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    Manual,
    Schedule,
    Staircase,
)
from ewad.samples import sample_path

DAYS = 366  # the first year of the sample


def temperatures() -> Floats:
    """Return the daily highest temperatures of the sample's first year, Celsius."""
    with csv.read(sample_path("seattle_weather.csv")) as file:
        values = [chunk.value[chunk.stream == 0] for chunk in file]
    return np.concatenate(values)[:DAYS]


def daily_temperatures(axes: Axes) -> None:
    """Averages over about 2, 10 and 50 days: the longer, the smoother and the later."""
    x = temperatures()
    day = np.arange(1, len(x) + 1)
    axes.plot(day, x, ".", color=GREY, ms=4, label="daily maximum")
    for beta, colour, width in ((0.5, ORANGE, 1.2), (0.9, RED, 2.2), (0.98, GREEN, 2.6)):
        label = f"β = {beta}: about {1 / (1 - beta):.0f} days"
        axes.plot(day, ewa(x, beta), color=colour, lw=width, label=label)
    axes.set(
        title="Exponentially weighted averages of a year in Seattle",
        xlabel="day of 2012",
        ylabel="temperature, °C",
    )
    axes.set_xlim(0, DAYS)
    axes.legend(loc="upper left")


def weights(left: Axes, right: Axes) -> None:
    """What a sample of k days ago weighs, and why a window is 1 / (1 - beta) long."""
    beta, k = 0.9, np.arange(41)
    pulse = np.zeros(len(k))
    pulse[0] = 1.0  # the answer to one sample is its weight at every age
    average = ExponentialAverage(ByCount(beta), 1)
    answer = [_raw_after(average, x) for x in pulse]
    left.bar(k, answer, color=BLUE, width=0.8, label="(1 - β) βᵏ")
    left.axvline(10, color=RED, ls="--", lw=1.5)
    left.annotate(
        "1/(1 - β) = 10 samples ago:\n0.35 of the newest weight", (10.6, 0.072), color=RED, fontsize=11
    )
    left.set(title="Weights at β = 0.9", xlabel="age k, samples", ylabel="weight in the average")
    left.legend(loc="upper right")
    window = np.geomspace(2, 1000, 200)
    right.semilogx(window, (1 - 1 / window) ** window, color=BLUE, label="β to the power 1/(1 - β)")
    right.axhline(1 / np.e, color=GREY, ls="--", label="1/e = 0.368")
    for beta, colour in ((0.5, ORANGE), (0.9, RED), (0.98, GREEN)):
        right.plot(1 / (1 - beta), beta ** (1 / (1 - beta)), "o", ms=8, color=colour, label=f"β = {beta}")
    right.set(
        title="A window's end weighs 1/e", xlabel="window 1/(1 - β), samples", ylabel="weight of the newest"
    )
    right.set_ylim(0.2, 0.4)
    right.legend(loc="lower right")


def bias_correction(axes: Axes) -> None:
    """Without correction an average starts from zero; with it, from the first sample."""
    x, beta = temperatures()[:120], 0.98
    day = np.arange(1, len(x) + 1)
    average = ExponentialAverage(ByCount(beta), 1)
    axes.plot(day, x, ".", color=GREY, ms=5, label="daily maximum")
    axes.plot(day, [_raw_after(average, value) for value in x], color=PURPLE, label="v, not corrected")
    axes.plot(day, ewa(x, beta), color=GREEN, label="v / (1 - βᵗ), corrected")
    axes.set(
        title=f"Bias correction at β = {beta}",
        xlabel="day of 2012",
        ylabel="temperature, °C",
        xlim=(0, len(x)),
    )
    axes.legend(loc="upper left")


def batch_and_minibatch(left: Axes, right: Axes) -> None:
    """Batch descent falls at every iteration; mini-batch descent is noisy, and far ahead per example."""
    rng = np.random.default_rng(3)
    m = 8192
    X = rng.standard_normal((8, m))
    Y = np.tanh(rng.standard_normal((1, 8)) @ X) + 0.3 * rng.standard_normal((1, m))
    network = Network([8, 16, 1], "tanh")
    theta = network.initial(np.random.default_rng(4))
    for axes, size, epochs, colour, title in (
        (left, m, 150, BLUE, f"Batch: all {m} examples"),
        (right, 32, 1, RED, "Mini-batches of 32"),
    ):
        training = Training(network.gradient, theta, GradientDescent(), 0.1, batch_size=size)
        steps = list(training.run(X, Y, epochs, np.random.default_rng(5)))
        axes.plot([step.cost for step in steps], color=colour, lw=0.9 if size < m else 2, label="cost J")
        if size < m:
            axes.plot([step.loss for step in steps], color="black", lw=1.5, label="its average, β = 0.9")
        seen = epochs * m
        axes.set(title=title, xlabel=f"iteration ({seen:,} examples in all)", ylabel="cost J", ylim=(0, 0.8))
        axes.legend(loc="upper right")


def batch_sizes(axes: Axes) -> None:
    """One example a step wanders, all of them go straight at a price; in between lies the best of both."""
    rng = np.random.default_rng(1)
    m = 512
    X = rng.standard_normal((2, m)) * [[1.0], [2.0]]
    Y = np.array([[1.0, 1.0]]) @ X + 0.8 * rng.standard_normal((1, m))

    def gradient(theta: Floats, X: Floats, Y: Floats) -> tuple[float, Floats]:
        error = theta @ X - Y
        return float(np.mean(error**2)), 2.0 * (X @ error[0]) / Y.shape[1]

    def cost(theta: Floats) -> float:
        return gradient(theta, X, Y)[0]

    _contours(axes, cost, (-1.1, 2.0), (-0.4, 2.0))
    for size, rate, epochs, colour, width in (
        (1, 0.02, 1, PURPLE, 0.8),
        (32, 0.03, 4, GREEN, 1.8),
        (m, 0.06, 40, BLUE, 2.2),
    ):
        training = Training(gradient, np.array([-0.9, 0.0]), GradientDescent(), rate, batch_size=size)
        path = [training.theta.copy()]
        path += [training.theta.copy() for _ in training.run(X, Y, epochs, np.random.default_rng(7))]
        name = {1: "1: stochastic", m: f"{m} = m: batch"}.get(size, f"{size}: mini-batch")
        _path(axes, path, colour, f"batch size {name}, {len(path) - 1} steps", width)
    axes.set(title="Ways to the lowest cost", xlabel="weight w₁", ylabel="weight w₂")
    axes.legend(loc="upper left")


def optimizers(axes: Axes) -> None:
    """On an elongated bowl gradient descent swings across; the others damp the swing or scale it away."""

    def bowl(theta: Floats) -> tuple[float, Floats]:
        x, y = theta
        return float(0.05 * x * x + y * y), np.array([0.1 * x, 2.0 * y])

    _contours(axes, lambda theta: bowl(theta)[0], (-10.8, 3.6), (-2.9, 2.6))
    runs: tuple[tuple[str, Optimizer, float], ...] = (
        ("gradient_descent", GradientDescent(), 0.92),
        ("momentum", Momentum(), 1.6),
        ("rmsprop", RMSprop(0.9), 0.25),
        ("adam", Adam(), 0.5),
    )
    for name, optimizer, rate in runs:
        path = _descend(optimizer, bowl, np.array([-10.0, 2.0]), rate, 60)
        _path(axes, path, OPTIMIZER_COLOURS[name], f"{readable(name)}, rate {rate:g}", 1.8)
    axes.set(title="60 steps on J = 0.05 x² + y²", xlabel="x", ylabel="y")
    axes.legend(loc="lower left", ncols=2)


def schedules(axes: Axes) -> None:
    """The learning rate of each schedule, epoch by epoch."""
    epoch = np.arange(0, 41)
    kinds: tuple[tuple[str, Schedule], ...] = (
        ("constant", Constant()),
        ("inverse time, decay rate 1", InverseTime(1.0)),
        ("exponential, 0.95 per epoch", Exponential()),
        ("inverse square root", InverseSqrt()),
        ("staircase, half each 10", Staircase()),
        ("cosine, 40 epochs", Cosine(40)),
        ("manual, at 15 and 30", Manual(((15, 0.12), (30, 0.03)))),
    )
    for (name, schedule), colour in zip(kinds, (GREY, *COLOURS, "black"), strict=True):
        steps = name.startswith(("staircase", "manual"))
        axes.plot(
            epoch,
            schedule.rate(0.2, epoch, epoch),
            color=colour,
            drawstyle="steps-post" if steps else "default",
            ls="--" if name.startswith("manual") else "-",
            label=name,
        )
    axes.set(title="Learning-rate decay from 0.2", xlabel="epoch", ylabel="learning rate", xlim=(0, 40))
    axes.set_ylim(0, 0.21)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=11)


def saddle_point(left: Axes, right: Axes) -> None:
    """Beside a saddle gradient descent stands still for hundreds of steps; momentum and Adam leave."""
    xs, ys = np.meshgrid(np.linspace(-1.2, 1.2, 80), np.linspace(-1.8, 1.8, 80))
    J = [[saddle(np.array([x, y]))[0] for x, y in zip(*row, strict=True)] for row in zip(xs, ys, strict=True)]
    left.contour(xs, ys, J, levels=np.linspace(0, 2.4, 13), cmap="Greys_r", linewidths=0.9)
    left.plot(0, 0, "x", color="black", ms=10, mew=2.5)
    left.annotate("saddle", (0.06, -0.25))
    rate = 0.02
    runs: tuple[tuple[str, Optimizer, str], ...] = (
        ("momentum", Momentum(averaged=False), "momentum, not averaged"),
        ("gradient_descent", GradientDescent(), "gradient descent"),
        ("adam", Adam(), "Adam"),
    )
    for name, optimizer, label in runs:
        path = _descend(optimizer, saddle, np.array(SADDLE_START), rate, 450)
        _path(left, path, OPTIMIZER_COLOURS[name], None, 1.6)
        right.plot([saddle(theta)[0] for theta in path], color=OPTIMIZER_COLOURS[name], label=label)
    left.set(title="J = 1 + x² - y² + y⁴/4", xlabel="x", ylabel="y")
    right.set(title=f"Cost at learning rate {rate}", xlabel="step", ylabel="cost J", ylim=(-0.05, 2.05))
    right.legend(loc="upper right")


# file name -> what draws it, and on how many axes side by side
FIGURES: dict[str, tuple[Callable[..., None], int]] = {
    "daily_temperatures": (daily_temperatures, 1),
    "weights": (weights, 2),
    "bias_correction": (bias_correction, 1),
    "batch_and_minibatch": (batch_and_minibatch, 2),
    "batch_sizes": (batch_sizes, 1),
    "optimizers": (optimizers, 1),
    "schedules": (schedules, 1),
    "saddle": (saddle_point, 2),
}


def draw_all(folder: Path) -> Iterator[Path]:
    """Draw every figure as a PNG in the folder, which is made if need be; yield each path once it is there.

    Raises ConfigError without matplotlib, or where the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: can't make this folder: {error.strerror or error}") from error
    for name, (plot, columns) in FIGURES.items():
        path = folder / f"{name}.png"
        draw(path, plot, columns=columns)
        yield path


def _raw_after(average: ExponentialAverage, value: float) -> float:
    """Return the uncorrected average after one more sample."""
    average.update(Runs.of(np.zeros(1, dtype=np.int64)), np.ones(1), np.array([value]))
    return float(average.raw()[0])


def _descend(
    optimizer: Optimizer,
    surface: Callable[[Floats], tuple[float, Floats]],
    theta: Floats,
    rate: float,
    steps: int,
) -> list[Floats]:
    """Return theta before, and after each step."""
    path, state = [theta], optimizer.init(theta)
    for _ in range(steps):
        theta, state = optimizer.step(theta, surface(theta)[1], state, rate)
        path.append(theta)
    return path


def _contours(
    axes: Axes, cost: Callable[[Floats], float], x: tuple[float, float], y: tuple[float, float]
) -> None:
    xs, ys = np.meshgrid(np.linspace(*x, 60), np.linspace(*y, 60))
    J = np.array(
        [[cost(np.array(point)) for point in zip(*row, strict=True)] for row in zip(xs, ys, strict=True)]
    )
    levels = J.min() + (J.max() - J.min()) * np.linspace(0.02, 0.95, 12) ** 2
    axes.contour(xs, ys, J, levels=levels, colors=GREY, linewidths=0.7)
    axes.grid(visible=False)
    axes.set(xlim=x, ylim=y)


def _path(axes: Axes, path: list[Floats], colour: str, label: str | None, width: float) -> None:
    x, y = np.array(path).T
    dots = "o" if len(path) < 200 else ""
    axes.plot(x, y, color=colour, lw=width, marker=dots, ms=3, label=label)
    axes.plot(x[-1], y[-1], "o", color=colour, ms=8, mec="white", zorder=5)
