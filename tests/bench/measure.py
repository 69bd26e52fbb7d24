"""Side-by-side measurement: interleaved runs, medians, ratios; one thread each.

Import this before numpy: linear algebra libraries read their number of threads when they are loaded.
"""

from __future__ import annotations

import importlib
import os
import statistics
import time
from collections.abc import Callable, Mapping
from types import ModuleType

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

Work = Callable[[], object]


def medians(works: Mapping[str, Work], runs: int = 7, run_seconds: float = 0.05) -> dict[str, float]:
    """Return the median CPU seconds of a call of each; a run repeats a call for about run_seconds.

    The works take turns, and CPU time is counted: what else the machine does falls on none, or on all alike.
    """
    repeats = {name: max(1, round(run_seconds / _seconds(work, 1))) for name, work in works.items()}
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            times[name].append(_seconds(work, repeats[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def peer(name: str) -> ModuleType | None:
    """Return the module if it is installed; else say that it is left out, and return None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"  ({name.split('.')[0]} is not installed: left out)")
        return None


def ratio(name: str, value: float, target: str, reached: bool) -> None:
    """Print a ratio beside what it should be."""
    print(f"  {name}: {value:.2f} (target: {target}){'' if reached else '  MISSED'}")


def at_least(name: str, value: float, target: float) -> None:
    """Print a ratio that should be target or more."""
    ratio(name, value, f"{target:g} or more", value >= target)


def at_most(name: str, value: float, target: float) -> None:
    """Print a ratio that should be target or less."""
    ratio(name, value, f"{target:g} or less", value <= target)


def _seconds(work: Work, repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats
