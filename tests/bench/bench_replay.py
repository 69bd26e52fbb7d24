"""Samples a second of `ewad replay` on a generated wide file, without an output.

Run: python -m tests.bench.bench_replay [rows] [runs]
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

N_STREAMS = 50
SMOOTHING = '[[stream]]\nname = "bench"\ntopic = "#"\nbeta = [0.9, 0.98]\n'
KINDS = {  # configuration, samples a second to reach
    "smoothing": (SMOOTHING, 200_000),
    "linear model": (
        SMOOTHING + 'model = "m"\n[model.m]\nexperts = ["linear"]\nlags = 24\nbatch_size = 64\n',
        60_000,
    ),
}


def write_wide(path: Path, n_rows: int) -> None:
    """Write a file of N_STREAMS random walks."""
    walks = np.cumsum(np.random.default_rng(1).normal(size=(n_rows, N_STREAMS)), axis=0)
    times = np.arange(n_rows).astype("datetime64[m]").astype(str)
    with path.open("w") as file:
        file.write(",".join(["time", *(f"sensor_{i}" for i in range(N_STREAMS))]) + "\n")
        for time, row in zip(times, walks, strict=True):
            file.write(f"{time}," + ",".join([f"{value:.3f}" for value in row]) + "\n")


def samples_a_second(file: Path, config: Path) -> float:
    """Return what the command says of itself: reading, decoding and learning, without its start."""
    command = [sys.executable, "-m", "ewad", "replay", str(file), "-c", str(config)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.search(r"\(([\d,]+)/s\)", told)
    if found is None:
        raise SystemExit(f"no rate in: {told}")
    return float(found[1].replace(",", ""))


def main(arguments: list[str] | None = None) -> None:
    """Print medians of interleaved runs."""
    arguments = sys.argv[1:] if arguments is None else arguments
    n_rows = int(arguments[0]) if arguments else 40_000
    runs = int(arguments[1]) if len(arguments) > 1 else 3
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "wide.csv"
        write_wide(file, n_rows)
        rates: dict[str, list[float]] = {name: [] for name in KINDS}
        for _ in range(runs):
            for name, (text, _) in KINDS.items():
                config = Path(folder) / "ewad.toml"
                config.write_text(text)
                rates[name].append(samples_a_second(file, config))
    print(f"{n_rows:,} rows x {N_STREAMS} streams, samples a second, median of {runs}")
    for name, found in rates.items():
        print(f"  {name:16}{statistics.median(found):12,.0f}  (to reach: {KINDS[name][1]:,})")


if __name__ == "__main__":
    main()
