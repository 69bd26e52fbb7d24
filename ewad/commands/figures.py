"""`ewad figures`: the pictures of the optimization course, drawn from what the project's own code computes.

Source of what they show: A. Ng, Improving Deep Neural Networks, week 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from ewad.demonstration.samples import sample_path
from ewad.errors import ConfigError
from ewad.ingest import files
from ewad.kernels.memory import Floats
from ewad.numeric.averages import ByCount, ExponentialAverage
from ewad.numeric.minibatches import Training
from ewad.numeric.network import Network
from ewad.numeric.offline import ewa
from ewad.numeric.optimizers import Adam, GradientDescent, Momentum, Optimizer, RMSprop
from ewad.numeric.saddle import SADDLE_START, saddle
from ewad.numeric.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    Manual,
    ReduceOnPlateau,
    Schedule,
    Staircase,
)
from ewad.outputs.files.pictures import (
    BLUE,
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

DAYS = 366  # the first year of the sample


@click.command("figures")
@click.argument("folder", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Draw the figures of the optimization course, computed by ewad itself."""
    for path in draw_all(folder):
        click.echo(path)


def temperatures() -> Floats:
    """Return the daily highest temperatures of the sample's first year, Celsius."""
    with files.read(sample_path("seattle_weather.csv")) as file:
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
    rate = 0.1
    for axes, size, epochs, colour, title in (
        (left, m, 150, BLUE, f"Batch: all {m:,} examples"),
        (right, 32, 1, RED, "Mini-batches of 32"),
    ):
        training = Training(network.gradient, theta, GradientDescent(), rate, batch_size=size)
        steps = list(training.run(X, Y, epochs, np.random.default_rng(5)))
        iteration = np.arange(1, len(steps) + 1)
        costs = [step.cost for step in steps]
        axes.plot(iteration, costs, color=colour, lw=0.9 if size < m else 2, label=f"cost J, rate {rate}")
        if size < m:
            averages = [step.loss for step in steps]
            axes.plot(iteration, averages, color="black", lw=1.5, label="its average, β = 0.9")
        seen = epochs * m
        axes.set(title=title, xlabel=f"iteration ({seen:,} examples in all)", ylabel="cost J, logarithmic")
        axes.set(yscale="log", ylim=(0.04, 2.0), yticks=(0.05, 0.1, 0.2, 0.5, 1.0, 2.0))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
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
        _path(axes, path, colour, f"batch size {name}, {len(path) - 1} steps at rate {rate}", width)
    _start(axes, path[0], (8, -16))
    axes.set(title="Ways to the lowest cost", xlabel="weight w₁", ylabel="weight w₂")
    axes.legend(loc="upper left")


def optimizers(axes: Axes) -> None:
    """On an elongated bowl gradient descent swings across; the others damp the swing or scale it away."""

    def bowl(theta: Floats) -> tuple[float, Floats]:
        x, y = theta
        return float(0.05 * x * x + y * y), np.array([0.1 * x, 2.0 * y])

    _contours(axes, lambda theta: bowl(theta)[0], (-10.8, 3.6), (-4.3, 2.9))
    momentum, rmsprop, adam = Momentum(), RMSprop(0.9), Adam()
    runs: tuple[tuple[str, Optimizer, float, str], ...] = (
        ("gradient_descent", GradientDescent(), 0.92, ""),
        ("momentum", momentum, 1.6, f", β = {momentum.beta1}"),
        ("rmsprop", rmsprop, 0.25, f", β₂ = {rmsprop.beta2}"),
        ("adam", adam, 0.5, f", β = {adam.beta1}, {adam.beta2}"),
    )
    for name, optimizer, rate, settings in runs:
        path = _descend(optimizer, bowl, np.array([-10.0, 2.0]), rate, 60)
        _path(axes, path, OPTIMIZER_COLOURS[name], f"{readable(name)} {rate:g}{settings}", 1.6)
    _start(axes, path[0], (7, 1))
    axes.set(title="60 steps on J = 0.05 x² + y²", xlabel="x", ylabel="y")
    axes.legend(loc="lower center", ncols=2, fontsize=9.5, title="by learning rate and β", title_fontsize=9.5)


def schedules(left: Axes, right: Axes) -> None:
    """The learning rate of each schedule: those that fall all the time, and those that fall in steps."""
    epochs, per_epoch, initial = 40, 10, 0.2
    epoch = np.arange(epochs + 1)
    falling: tuple[tuple[str, Schedule], ...] = (
        ("cosine, to 0 in 40 epochs", Cosine(epochs)),
        ("exponential, 0.95 an epoch", Exponential()),
        ("inverse square root, k = 1", InverseSqrt()),
        ("inverse time, decay rate 1", InverseTime(1.0)),
        (f"k / √t, k = 1, {per_epoch} steps an epoch", InverseSqrt(per="batch")),
    )
    for (name, schedule), colour in zip(falling, (PURPLE, RED, GREEN, BLUE, "black"), strict=True):
        batch = np.arange(epochs * per_epoch + 1) if schedule.by_batch else per_epoch * epoch
        left.plot(
            batch / per_epoch,
            schedule.rate(initial, batch // per_epoch, batch),
            color=colour,
            lw=1.6,
            ls="--" if schedule.by_batch else "-",
            label=name,
        )
    met = (8, 19, 27)  # plateaus, for the picture's sake
    plateaus = np.searchsorted(met, epoch, side="right")
    stepping: tuple[tuple[str, Schedule, NDArray[np.int64], str, float], ...] = (
        ("constant", Constant(), epoch, GREY, 7.0),
        ("staircase, half each 10", Staircase(), epoch, ORANGE, 4.5),
        (f"on plateaus, half, met at {met[0]}, {met[1]}, {met[2]}", ReduceOnPlateau(), plateaus, BLUE, 2.2),
        ("manual, at 0, 15 and 30", Manual(((0, 0.15), (15, 0.08), (30, 0.02))), epoch, "black", 1.2),
    )
    for name, schedule, count, colour, width in stepping:
        rate = schedule.rate(initial, count, epoch * per_epoch)
        # the last epoch shown ends where the picture does: what comes then is not in it
        right.stairs(rate[:-1], epoch, baseline=None, color=colour, lw=width, label=name)
    for axes, title in ((left, f"Decay from {initial}"), (right, f"In steps from {initial}")):
        axes.set(title=title, xlabel="epoch", ylabel="learning rate", xlim=(0, epochs), ylim=(0, 0.32))
        axes.legend(loc="upper right", fontsize=11)


def saddle_point(left: Axes, right: Axes) -> None:
    """Beside a saddle gradient descent stands still for hundreds of steps; momentum and Adam leave."""
    xs, ys = np.meshgrid(np.linspace(-1.3, 1.3, 80), np.linspace(-2.1, 2.1, 100))
    J = [[saddle(np.array([x, y]))[0] for x, y in zip(*row, strict=True)] for row in zip(xs, ys, strict=True)]
    left.contour(xs, ys, J, levels=np.linspace(0, 2.4, 9), colors=GREY, linewidths=0.6)
    rate = 0.02
    # momentum and gradient descent go the same way: the one lies broad below the other
    runs: tuple[tuple[str, Optimizer, str, float], ...] = (
        ("momentum", Momentum(averaged=False), "momentum, not averaged", 5.0),
        ("gradient_descent", GradientDescent(), "gradient descent", 1.6),
        ("adam", Adam(), "Adam", 1.6),
    )
    for name, optimizer, label, width in runs:
        path = np.array(_descend(optimizer, saddle, np.array(SADDLE_START), rate, 450))
        left.plot(*path.T, color=OPTIMIZER_COLOURS[name], lw=width, solid_capstyle="butt", label=label)
        right.plot([saddle(theta)[0] for theta in path], color=OPTIMIZER_COLOURS[name], lw=1.8, label=label)
    _start(left, SADDLE_START, (-14, -15))
    left.plot(0, 0, "x", color="black", ms=8, mew=2, zorder=6)
    left.annotate("saddle", (0, 0), xytext=(5, -15), textcoords="offset points")
    left.grid(visible=False)
    left.set(title="J = 1 + x² - y² + y⁴/4", xlabel="x", ylabel="y", xlim=(-1.3, 1.3), ylim=(-2.1, 2.1))
    right.set(title=f"450 steps, rate {rate}", xlabel="step", ylabel="cost J")
    left.figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)


# file name -> what draws it, and on how many axes side by side
FIGURES: dict[str, tuple[Callable[..., None], int]] = {
    "daily_temperatures": (daily_temperatures, 1),
    "weights": (weights, 2),
    "bias_correction": (bias_correction, 1),
    "batch_and_minibatch": (batch_and_minibatch, 2),
    "batch_sizes": (batch_sizes, 1),
    "optimizers": (optimizers, 1),
    "schedules": (schedules, 2),
    "saddle": (saddle_point, 2),
}
# These stand side by side in the README, at half their size: so much larger is what is in them.
ENLARGED = {"optimizers": 1.5, "saddle": 1.5}


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
        draw(path, plot, columns=columns, enlarged=ENLARGED.get(name, 1.0))
        yield path


def _raw_after(average: ExponentialAverage, value: float) -> float:
    """Return the uncorrected average after one more sample."""
    average.update(np.zeros(1, dtype=np.int64), np.ones(1), np.array([value]))
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


def _start(axes: Axes, theta: Floats | tuple[float, float], offset: tuple[float, float]) -> None:
    """Mark where the paths begin; offset: of the word, in points."""
    axes.plot(*theta, "o", color="black", ms=6, zorder=6)
    axes.annotate("start", tuple(theta), xytext=offset, textcoords="offset points")


def _path(axes: Axes, path: list[Floats], colour: str, label: str | None, width: float) -> None:
    x, y = np.array(path).T
    dots = "o" if len(path) < 200 else ""
    axes.plot(x, y, color=colour, lw=width, marker=dots, ms=3, label=label)
    axes.plot(x[-1], y[-1], "o", color=colour, ms=8, mec="white", zorder=5)
