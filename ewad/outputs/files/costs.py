"""What training cost, epoch by epoch, as a picture: each optimizer a line, in training and in validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ewad.outputs.files.pictures import COLOURS, OPTIMIZER_COLOURS, Axes, draw, readable

# Where the highest cost is so many times the lowest, a linear axis lays the lower ones on its floor.
LOGARITHMIC = 20.0
LINES = ("-", "--", "-.", ":")  # where two optimizers go the same way, both are seen
MARKS, SIZES = ("o", "s", "D", "o"), (15, 10, 6, 2)  # hollow, each within the one before


@dataclass(frozen=True, eq=False)
class CostCurve:
    """The costs of one optimizer after each epoch, and whether its training diverged after the last."""

    optimizer: str
    train: Sequence[float]
    validation: Sequence[float]
    diverged: bool = False


def draw_curves(
    curves: Sequence[CostCurve], train_persistence: float, validation_persistence: float, path: Path
) -> None:
    """Draw the curves beside what persistence costs. Raises what `draw` does."""
    draw(path, partial(plot_curves, curves, train_persistence, validation_persistence), columns=2)


def plot_curves(
    curves: Sequence[CostCurve],
    train_persistence: float,
    validation_persistence: float,
    left: Axes,
    right: Axes,
) -> None:
    """Draw the costs in training on the left, those in validation on the right."""
    _panel(left, curves, [curve.train for curve in curves], train_persistence)
    _panel(right, curves, [curve.validation for curve in curves], validation_persistence)
    left.set(title="Cost in training", ylabel="mean squared error, standardised")
    right.set(title="Cost in validation", ylabel="mean squared error, standardised")
    left.figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _panel(
    axes: Axes, curves: Sequence[CostCurve], costs: Sequence[Sequence[float]], persistence: float
) -> None:
    """Draw one kind of cost."""
    from matplotlib.ticker import MaxNLocator

    for i, (curve, cost) in enumerate(zip(curves, costs, strict=True)):
        name = readable(curve.optimizer)
        axes.plot(
            np.arange(1, len(cost) + 1),
            cost,
            color=OPTIMIZER_COLOURS.get(curve.optimizer, COLOURS[i % len(COLOURS)]),
            linestyle=LINES[i % len(LINES)],
            marker=MARKS[i % len(MARKS)] if curve.diverged or len(cost) == 1 else "",
            markevery=slice(-1, None),
            markersize=SIZES[i % len(SIZES)],
            markerfacecolor="none",
            markeredgewidth=2,
            label=f"{name}, diverged" if curve.diverged else name,
        )
    axes.axhline(persistence, color="black", lw=1, ls=(0, (1, 2)), label="persistence")
    axes.set_xlabel("epoch")
    axes.set_yscale(_scale([persistence, *(each for cost in costs for each in cost)]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if all(len(cost) <= 1 for cost in costs):
        axes.set_xticks([1])


def _scale(costs: Sequence[float]) -> str:
    """Return the scale on which all of these can be told apart."""
    known = np.array(costs)[np.isfinite(costs)]
    wide = len(known) > 0 and known.min() > 0.0 and known.max() > LOGARITHMIC * known.min()
    return "log" if wide else "linear"
