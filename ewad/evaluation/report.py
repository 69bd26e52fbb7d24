"""What was measured, as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ewad.config.syntax import counted
from ewad.evaluation.evaluation import EWAD, Measured, Together, together
from ewad.evaluation.means import geometric_mean
from ewad.kernels.memory import Floats
from ewad.outputs.text import aligned

LARGE = 10_000.0  # errors beyond are told by three digits


def text(parts: Sequence[Measured]) -> str:
    """Return the tables of tasks of one protocol."""
    blocks = [_relative(parts), _of_intervals(parts)]
    blocks += [_of_task(part) for part in parts if part.task.comparable]
    if len(parts) > 1 and parts[0].task.comparable:
        blocks.append(_of_tasks(parts))
    return "\n\n".join("\n".join(block) for block in blocks if block)


def as_json(parts: Sequence[Measured]) -> str:
    """Return the same as JSON."""
    tasks = [
        {
            "task": part.task.name,
            "error": part.task.in_words,
            "horizons": list(part.task.horizons),
            "relative_to": part.task.baseline,
            "series": [
                {"name": series.name, "samples": len(series.value), "methods": _figures(part, place)}
                for place, series in enumerate(part.task.series)
            ],
        }
        for part in parts
    ]
    means = {
        name: {
            "series": each.n,
            **{key: _plain(getattr(each, key)) for key in ("mean", "low", "high")},
        }
        for name, each in together(parts).items()
    }
    return json.dumps({"tasks": tasks, "geometric_means": means}, indent=1)


def _figures(part: Measured, place: int) -> dict[str, Any]:
    """Return what is told of one series, by method."""
    found = {
        name: {"error": _plain(part.error[name][place]), "relative": _plain(part.ratio[name][place])}
        for name in part.errors
    }
    for key, kind in (("coverage", "inside"), ("local_coverage", "local"), ("winkler", "winkler")):
        found[EWAD][key] = _plain(part.mean(EWAD, kind)[place])
    return found


def _relative(parts: Sequence[Measured]) -> list[str]:
    """Return a row for each series: the errors of all methods, relative to the baseline."""
    first, means = parts[0].task, together(parts)
    names = [name for name in means if name != first.baseline]
    rows = [["series", "samples", *names]]
    for part in parts:
        for place, series in enumerate(part.task.series):
            label = (
                series.name
                if len(parts) == 1 or len(part.task.series) == 1
                else f"{part.task.name} {series.name}"
            )
            cells = [_cell(part.ratio[name][place]) if name in part.ratio else "-" for name in names]
            rows.append([label, f"{len(series.value):,}", *cells])
    if len(rows) > 2:
        rows.append(["geometric mean", "", *(_cell(means[name].mean) for name in names)])
        rows.append(["  95 % from", "", *(_cell(means[name].low) for name in names)])
        rows.append(["  95 % to", "", *(_cell(means[name].high) for name in names)])
    rows.append(["CPU us a sample", "", *(_cost(parts, name) for name in names)])
    steps = " / ".join(map(str, first.horizons))
    return [
        f"{first.in_words}",
        f"relative to {first.baseline}; mean of the steps 1 to H, H = {steps}",
        "",
        *aligned(rows),
        *_left_out(parts, means),
    ]


def _cost(parts: Sequence[Measured], name: str) -> str:
    """Return the CPU microseconds a sample that a method took, its scoring included."""
    seconds = sum(part.seconds.get(name, 0.0) for part in parts)
    samples = sum(
        len(series.value)
        for part in parts
        for series, found in zip(part.task.series, part.errors.get(name, ()), strict=False)
        if found is not None
    )
    return f"{1e6 * seconds / samples:,.0f}" if samples else "-"


def _left_out(parts: Sequence[Measured], means: dict[str, Together]) -> Iterator[str]:
    """Yield which geometric means stand for fewer than all series."""
    n = sum(len(part.task.series) for part in parts)
    for name, each in means.items():
        if each.n < n:
            yield (
                f"{name}: {n - each.n} series left out of the geometric mean: too short for it,"
                " diverged, or no error to compare with"
            )


def _of_intervals(parts: Sequence[Measured]) -> list[str]:
    """Return coverage, local coverage and Winkler score, in mean widths, of the intervals: medians."""
    inside = np.concatenate([part.mean(EWAD, "inside") for part in parts])
    winkler = np.concatenate([part.mean(EWAD, "winkler") for part in parts])
    width = np.concatenate([part.mean(EWAD, "width") for part in parts])
    known = np.isfinite(inside).all(axis=1) & (width > 0.0).all(axis=1)
    if not known.any():
        return []
    inside, scores = inside[known], (winkler[known] / width[known])
    least, most = inside.min(axis=0), inside.max(axis=0)
    spread = f"; from {_cell(least)} to {_cell(most)}" if len(inside) > 1 else ""
    local = np.concatenate([part.mean(EWAD, "local") for part in parts])[known]
    local = local[np.isfinite(local).all(axis=1)]
    windows = "windows of 100 values whose share inside is within 0.1 of what was asked for"
    return [
        f"intervals of {EWAD}: share of values inside {_cell(np.median(inside, axis=0))}{spread}",
        *([f"{windows}: {_cell(np.median(local, axis=0))}"] if len(local) else []),
        f"Winkler score in mean widths {_cell(np.median(scores, axis=0))}",
    ]


def _of_task(part: Measured) -> list[str]:
    """Return the mean errors of a task whose series have the same unit, beside published ones."""
    rows = [["method", "error", f"to {part.task.baseline}"]]
    baseline = part.error[part.task.baseline].mean(axis=0)
    for name, error in part.error.items():
        rows.append([name, _cell(error.mean(axis=0)), _cell(error.mean(axis=0) / baseline)])
    for name, values in part.task.published.items():
        rows.append([f"{name} (published)", _cell(np.array(values)), "-"])
    return [
        f"{part.task.name}: {counted(len(part.task.series), 'column')}; {part.task.in_words}",
        "",
        *aligned(rows),
    ]


def _of_tasks(parts: Sequence[Measured]) -> list[str]:
    """Return the geometric mean over tasks of the relative mean errors."""
    names = [name for name in parts[0].error if all(name in part.error for part in parts)]
    rows = [["method", f"to {parts[0].task.baseline}"]]
    for name in names:
        ratios = [
            part.error[name].mean(axis=0) / part.error[part.task.baseline].mean(axis=0) for part in parts
        ]
        rows.append([name, _cell(geometric_mean(np.array(ratios)))])
    return [f"geometric mean of {counted(len(parts), 'task')}", "", *aligned(rows)]


def _cell(values: Floats) -> str:
    """Return "0.717 / 0.518 / 0.537", and "-" where there is no number."""
    return " / ".join(
        "-" if np.isnan(value) else format(value, ".3f" if value < LARGE else ".3g")
        for value in np.atleast_1d(values)
    )


def _plain(values: Floats) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
