"""ewad's intervals beside other online conformal methods, on the same forecasts: coverage, local and Winkler.

Run: python -m tests.bench intervals --data DIR [--rows 3000] [--horizons 1,24,48]
DIR holds series as CSV files with the columns time and x; without it there is nothing to measure. The peers
are written here from their papers, with the constants that those name; ECI has errors in units of their mean.
Each takes the absolute errors of ewad's own forecasts, as they come: the error of a forecast h steps ahead is
known h steps later. An interval that a method would make infinite reaches as far as the largest error that it
remembers.

Sources: ACI: Gibbs & Candes 2021. FACI: Gibbs & Candes 2024 (DtACI). SAOCP: Bhatnagar, Wang, Xiong & Bai
2023. ECI: Wu, Hu, Bao, Xia & Zou 2025.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import tests.bench.measure  # noqa: F401  (before numpy: one thread each)

import numpy as np  # isort: skip
import pandas as pd  # isort: skip

from ewad.engine import Batch, Engine, GroupSettings
from ewad.engine.settings import auto

MISS = 0.1  # of values outside
MEMORY = 1000  # errors that quantiles are of
WINDOW = 100


class Remembered:
    """The last errors, sorted on demand."""

    def __init__(self):
        self.errors = []

    def add(self, error):
        self.errors = [*self.errors[-MEMORY + 1 :], error]

    def quantile(self, level):
        if not self.errors:
            return 0.0
        return float(np.quantile(self.errors, min(max(level, 0.0), 1.0)))


class Aci:
    """One share of misses that follows them by a fixed step."""

    step = 0.005

    def __init__(self):
        self.known, self.share = Remembered(), MISS

    def radius(self):
        return self.known.quantile(1.0 - self.share)

    def learn(self, error, radius):
        self.share += self.step * (MISS - (error > radius))
        self.known.add(error)


class Faci(Aci):
    """Eight of those, weighed by their pinball losses."""

    steps = 0.001 * 2.0 ** np.arange(8)
    reach = 500  # samples that weights look back

    def __init__(self):
        super().__init__()
        self.shares, self.weights = np.full(8, MISS), np.full(8, 1 / 8)
        squares = (1.0 - MISS) ** 2 * MISS**3 + MISS**2 * (1.0 - MISS) ** 3
        self.rate = math.sqrt(3.0 / self.reach * (math.log(8 * self.reach) + 2.0) / squares)
        self.mixing = 1.0 / (2.0 * self.reach)

    def learn(self, error, radius):
        seen = self.known.errors
        beta = np.mean(np.array(seen) >= error) if seen else MISS
        behind = beta - self.shares
        weights = self.weights * np.exp(-self.rate * (MISS * behind - np.minimum(0.0, behind)))
        weights /= weights.sum()
        self.weights = (1.0 - self.mixing) * weights + self.mixing / 8.0
        self.shares += self.steps * (MISS - (self.shares > beta))
        self.share = float(self.weights @ self.shares)
        self.known.add(error)


def slope(radius, error):
    """Return the gradient of the pinball loss by the radius."""
    return MISS - 1.0 if error > radius else MISS


def pinball(radius, error):
    return max((1.0 - MISS) * (error - radius), MISS * (radius - error))


class Saocp:
    """Scale-free gradient steps of experts that live for 8 times a power of two samples each."""

    def __init__(self):
        self.experts, self.number, self.largest, self.last = [], 0, 1e-9, 0.0

    def radius(self):
        kept = [(each["prior"] * max(each["weight"], 0.0), each["at"]) for each in self.experts]
        total = sum(weight for weight, _ in kept)
        if total > 0.0:
            self.last = sum(weight * at for weight, at in kept) / total
        elif kept:
            priors = [each["prior"] for each in self.experts]
            self.last = float(np.average([at for _, at in kept], weights=priors))
        return self.last

    def learn(self, error, radius):
        self.number += 1
        self.largest = max(self.largest, error)
        n = self.number
        life = 8 * (n & -n)
        prior = 1.0 / (n**2 * (1 + int(math.log2(n))))
        self.experts.append(
            {"born": n, "end": n + life, "at": radius, "squares": 0.0, "weight": 0.0, "prior": prior}
            | {"gains": 0.0, "bets": 0.0}
        )
        self.experts = [each for each in self.experts if each["end"] > n]
        for each in self.experts:
            gain = (pinball(radius, error) - pinball(each["at"], error)) / self.largest
            gain = gain if each["weight"] > 0.0 else max(gain, 0.0)
            each["gains"] += gain
            each["bets"] += each["weight"] * gain
            each["weight"] = each["gains"] / (n - each["born"] + 1) * (1.0 + each["bets"])
            gradient = slope(each["at"], error)
            each["squares"] += gradient**2
            each["at"] -= self.largest / math.sqrt(3.0) * gradient / math.sqrt(each["squares"])


class Eci:
    """A quantile that follows misses, and by how much they were ones."""

    def __init__(self):
        self.at, self.known = 0.0, Remembered()

    def radius(self):
        return max(self.at, 0.0)

    def learn(self, error, radius):
        self.known.add(error)
        lately = self.known.errors[-WINDOW:]
        rate = 0.1 * (max(lately) - min(lately))
        size = max(float(np.mean(lately)), 1e-12)
        far = (error - self.at) / size
        bell = 1.0 / (1.0 + math.exp(-min(max(far, -30.0), 30.0)))
        self.at += rate * ((error > self.at) - MISS + far * bell * (1.0 - bell))


PEERS = {"ACI": Aci, "FACI": Faci, "SAOCP": Saocp, "ECI": Eci}


def by_peer(peer, error, h):
    """Return the radius in force when each forecast was made; error: of the one made then."""
    method, radii = peer(), np.zeros(len(error))
    for t in range(len(error)):
        if t >= h and np.isfinite(error[t - h]):
            method.learn(abs(error[t - h]), radii[t - h])
        radii[t] = method.radius()
    return radii


def told(error, below, above):
    """Return coverage, share of windows of 100 within .8-1, the worst of them, the mean Winkler score."""
    inside = (-below <= error) & (error <= above)
    outside = np.maximum(-below - error, 0.0) + np.maximum(error - above, 0.0)
    windows = inside[: len(inside) // WINDOW * WINDOW].reshape(-1, WINDOW).mean(axis=1)
    winkler = float(np.mean(below + above + 2.0 / MISS * outside))
    return float(inside.mean()), float(np.mean(windows >= 0.8 - 1e-9)), float(windows.min()), winkler


def one_series(path, horizons, rows):
    """Yield horizon, method and what is told of it."""
    frame = pd.read_csv(path, parse_dates=["time"]).dropna().iloc[:rows]
    time = frame["time"].to_numpy("datetime64[ns]").astype(np.int64) / 1e9
    value = frame["x"].to_numpy(np.float64)
    engine = Engine([GroupSettings("g", model=auto("m", horizons=horizons))])
    row = np.full(len(value), engine.add_stream(0, path.stem), np.int32)
    made = engine.observe(Batch(0, row, time, value))
    for i, h in enumerate(horizons):
        error = np.full(len(value), np.nan)
        error[:-h] = value[h:] - made.forecast[:-h, i]
        scored = np.arange(len(value)) >= len(value) // 4
        scored &= np.isfinite(error)
        below, above = made.forecast[:, i] - made.lower[:, i], made.upper[:, i] - made.forecast[:, i]
        yield h, "ewad", told(error[scored], below[scored], above[scored])
        for name, peer in PEERS.items():
            radius = by_peer(peer, error, h)
            yield h, name, told(error[scored], radius[scored], radius[scored])


def main():
    """Print a table for each horizon: medians of the series; of the score the geometric mean to ewad's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--horizons", default="1,24,48")
    options = parser.parse_args()
    if options.data is None:
        print("left out: needs --data DIR")
        return
    horizons = tuple(int(each) for each in options.horizons.split(","))
    found = {}
    files = sorted(options.data.glob("*.csv"))
    for path in files:
        for h, name, figures in one_series(path, horizons, options.rows):
            found.setdefault((h, name), []).append(figures)
    for h in horizons:
        print(f"\nhorizon {h}, {len(files)} series: coverage, 100s in .8-1, worst 100, Winkler to ewad's")
        own = np.array(found[h, "ewad"])
        for name in ("ewad", *PEERS):
            each = np.array(found[h, name])
            middle = np.median(each[:, :3], axis=0)
            score = np.exp(np.mean(np.log(each[:, 3] / own[:, 3])))
            print(f"{name:6} {middle[0]:.3f}  {middle[1]:.3f}  {middle[2]:.2f}  {score:.3f}")


if __name__ == "__main__":
    main()
