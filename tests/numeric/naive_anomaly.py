"""The anomaly score by its definition: deviations in standard deviations, a logarithm for each of them.

A second form of `ewad.kernels.anomaly`, which compares squares instead. All deviations count here.
"""

import math
from dataclasses import dataclass, field

LONG, KNOWN, KNEE, TAIL = 10_000.0, 20.0, 0.3, 0.05


@dataclass
class Part:
    """How rare deviations of one kind are; mean: None where they are measured from 0."""

    mean: float | None = None
    square: float = 0.0
    quantile: float = 2.7
    excess: float = 0.25

    def rarity(self, y: float, n: int) -> float:
        """Take in a number, the n-th from 0; return 1 for once in 1,000."""
        share = max(1.0 / (n + 1), 1.0 / LONG)
        off = y - (self.mean or 0.0)
        root = math.sqrt(self.square)
        z = abs(off) / root if root else 100.0 * (abs(off) > 2.0**-46 * abs(y))
        step = math.copysign(min(abs(off), 4.0 * root), off) if root and n >= 20 else off
        new = step * step
        if self.mean is not None:
            self.mean += share * step
            new *= 1.0 - share
        self.square += share * (new - self.square)
        return self._of(1.0 + min(z, 1e12) / KNEE, n)

    def _of(self, y: float, n: int) -> float:
        common, unit = math.log(1.0 / TAIL), math.log(1000.0)
        pace = 3.0 * max(1.0 / (n + KNOWN), 1.0 / LONG)
        quantile = self.quantile
        self.quantile = max(quantile * (1.0 + pace * ((y > quantile) - TAIL)), 1.01)
        if y <= quantile:
            return common / unit * (y - 1.0) / (quantile - 1.0)
        beyond = math.log(y / quantile)
        rarity = (common + beyond / self.excess) / unit
        heard = min(beyond, 10.0 * self.excess)
        self.excess = max(self.excess + (heard - self.excess) / (TAIL * min(n + KNOWN, LONG)), 0.05)
        return rarity


@dataclass
class NaiveScore:
    """The record of one stream."""

    n: int = 0
    recent: list[float] = field(default_factory=lambda: [0.0] * 3)
    errors: list[Part] = field(default_factory=lambda: [Part(), Part(), Part()])
    level: Part = field(default_factory=lambda: Part(mean=0.0))
    spread: Part = field(default_factory=lambda: Part(mean=0.0))
    now: float = 0.0
    energy: float = 0.0
    high: float = -math.inf
    low: float = math.inf
    leaves: float = 0.0
    bar: float = 0.0
    lasts: int = 0  # samples for which an anomaly does

    def take(self, x: float, expected: float) -> float:
        """Return the score of a value, of samples a minute apart; NaN before the 100th."""
        n, share = self.n, 1.0 / (self.n + 1)
        rarest = max(self._of_error(x - expected, share), self._of_level(x, share))
        score = max(rarest + self._outside(x, share) - self.bar, 0.0)
        self.n += 1
        if n + 1 < 100:
            return math.nan
        self.bar = max(self.bar - 1e-4 + 0.1 * (score > 1.0 and not self.lasts), 0.0)
        self.lasts = 20 if score > 1.0 else max(self.lasts - 1, 0)
        return score

    def _of_error(self, error: float, share: float) -> float:
        if error != error:
            return 0.0
        found = []
        for k, span in enumerate((1.0, 5.0, 20.0)):
            self.recent[k] += (error - self.recent[k]) * max(share, 1.0 / span)
            found.append(self.errors[k].rarity(self.recent[k], self.n))
        if self.errors[0].square > 0.0:
            energy = min(error * error / self.errors[0].square, 25.0)
            self.energy += (energy - self.energy) * max(share, 0.01)
            found.append(self.spread.rarity(math.log(self.energy + 1e-3), self.n))
        return max(found)

    def _of_level(self, x: float, share: float) -> float:
        self.now += (x - self.now) * max(share, 0.05)
        return self.level.rarity(self.now, self.n)

    def _outside(self, x: float, share: float) -> float:
        beyond = max(x - self.high, self.low - x)
        far = self.n >= 20 and beyond > 0.01 * (self.high - self.low)
        self.high, self.low = max(self.high, x), min(self.low, x)
        if self.n < 20:
            return 0.0
        novelty = -math.log(max(self.leaves, share)) / math.log(1000.0) if far else 0.0
        novelty *= min((self.n + 1) / 1000, 1.0)
        self.leaves += (far - self.leaves) * max(share, 0.001)
        return novelty
