"""The cost of forecasting live, a step per sample, beside river's models on the same series.

Run: python -m tests.bench forecast [--samples N]
The model mixes persistence, linear, RLS and network on 24 lags, with intervals. Cost is CPU per sample after
the warm-up, in the median lap of 100 samples a stream, ewad's and river's alike: on a shared machine some
laps are slower. Live means that a call takes one sample of each stream; a stream alone is also measured
catching up, many samples a call. River's models are one each, without intervals: beside them stands what the
best of ewad's experts costs alone, without them too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import ModuleType

from tests.bench.measure import at_least, at_most, peer

import numpy as np  # isort: skip

from ewad.engine import Batch, Engine, GroupSettings, ModelSettings
from ewad.engine.settings import auto

LAGS, EXPERTS, BEST = 60, ("persistence", "linear", "rls", "network"), "rls"

WARM_UP = LAGS + 40  # samples of each stream that are not timed
N_STREAMS = 1000
HORIZONS = tuple(range(1, 25))
RIVER_RATE = 0.0003  # the best of 0.1 (its own), 0.01, 0.003, 0.001 and this
RUNS = 3  # whose median counts
LONGER = 2.5  # the cost of HORIZONS, to that of horizon 1


@dataclass(frozen=True)
class Case:
    """A way to run the model, and the microseconds a sample that it may cost.

    samples: of each stream, in a call.
    """

    name: str
    n_streams: int
    share: str
    batch_size: int
    bound: float
    samples: int = 1


CASES = (
    Case("one stream, one sample a call, a step per sample", 1, "stream", 1, 150.0),
    Case("one stream, 1,024 samples a call, a step per sample", 1, "stream", 1, 150.0, 1024),
    Case(f"{N_STREAMS:,} streams, a model each, a step per sample", N_STREAMS, "stream", 1, 60.0),
    Case(f"{N_STREAMS:,} streams that share a model, a step per 64 samples", N_STREAMS, "group", 64, 12.0),
)


def model(case: Case, horizons: tuple[int, ...]) -> ModelSettings:
    return auto(
        "bench",
        share=case.share,
        batch_size=case.batch_size,
        horizons=horizons,
        experts=EXPERTS,
        lags=LAGS,
        features="lags",
    )


def best_expert() -> ModelSettings:
    """Return the best of the experts alone, of one stream."""
    return replace(model(CASES[0], (1,)), experts=(BEST,), interval=None)


def series(n: int) -> np.ndarray:
    """Return hourly values: a day's wave, and noise that remembers what it was."""
    rng, noise = np.random.default_rng(5), np.empty(n)
    noise[0] = 0.0
    for i, shock in enumerate(rng.normal(size=n - 1)):
        noise[i + 1] = 0.9 * noise[i] + shock
    return 5.0 * np.sin(2.0 * np.pi * np.arange(n) / 24.0) + noise


def blocks(starts: range, size: int) -> Iterator[range]:
    """Yield so many starts at a time."""
    return (starts[i : i + size] for i in range(0, len(starts), size))


def live(
    settings: ModelSettings, n_streams: int, n_batches: int, samples: int = 1
) -> Iterator[tuple[float, float, float]]:
    """Yield CPU seconds of a batch, its first value, and the forecast made after that.

    Batches of WARM_UP samples are timed together, as peers' are: asking for the time costs some itself.
    """
    engine = Engine([GroupSettings("bench", model=settings)])
    for i in range(n_streams):
        engine.add_stream(0, f"stream {i}")
    stream, ahead = np.repeat(np.arange(n_streams, dtype=np.int32), samples), np.arange(samples)
    shifts = (
        np.random.default_rng(6).integers(0, 1000, n_streams) if n_streams > 1 else np.zeros(1, dtype=int)
    )
    values = series(n_batches * samples + 1000)

    def batch(i: int) -> Batch:
        value = values[(shifts[:, None] + i + ahead).ravel()]
        return Batch(0, stream, 3600.0 * np.tile(i + ahead, n_streams), value, arrival=3600.0 * i)

    for together in blocks(range(0, n_batches * samples, samples), max(1, WARM_UP // len(stream))):
        batches = [batch(i) for i in together]
        started = time.process_time()
        results = [engine.observe(batch) for batch in batches]
        seconds = (time.process_time() - started) / len(batches)
        for observed, result in zip(batches, results, strict=True):
            yield seconds, observed.value[0], result.forecast[0, 0]


def cost(case: Case, horizons: tuple[int, ...], n_samples: int) -> float:
    """Return the microseconds a sample after the warm-up."""
    a_call, warm_up = case.n_streams * case.samples, -(-WARM_UP // case.samples)
    n_batches = warm_up + max(100 // case.samples, n_samples // a_call)
    batches = live(model(case, horizons), case.n_streams, n_batches, case.samples)
    seconds = [each[0] for each in batches][warm_up:]
    return statistics.median(seconds) / a_call * 1e6


def mean_squared_error(values: np.ndarray, forecasts: np.ndarray) -> float:
    """Return that of the last 75 %; forecasts: of the next value, made after each."""
    error = (values[1:] - forecasts[:-1])[len(values) // 4 :]
    return float(np.mean(error**2))


def a_sample(stamps: list[float]) -> float:
    """Return the microseconds a sample of the median lap of WARM_UP samples, between these times."""
    return float(np.median(np.diff(stamps))) / WARM_UP * 1e6


def river_linear(river: ModuleType, values: np.ndarray) -> tuple[float, float]:
    """Return microseconds a sample, and MSE, of LinearRegression with Adam on differenced, scaled lags."""
    regression = river.linear_model.LinearRegression(optimizer=river.optim.Adam(RIVER_RATE))
    pipeline = river.preprocessing.StandardScaler() | regression
    window: list[float] = []
    forecasts, x = np.full(len(values), np.nan), None
    stamps: list[float] = []
    for i, value in enumerate(values.tolist()):
        if i % WARM_UP == 0:
            stamps.append(time.process_time())
        if x is not None:
            pipeline.learn_one(x, value - window[-1])
        window = [*window[-LAGS:], value]
        if len(window) > LAGS:
            x = {lag: window[lag + 1] - window[lag] for lag in range(LAGS)}
            forecasts[i] = value + pipeline.predict_one(x)
    return a_sample(stamps), mean_squared_error(values, forecasts)


def river_snarimax(river: ModuleType, values: np.ndarray) -> tuple[float, float]:
    """Return microseconds a sample, and MSE, of SNARIMAX(60, 1, 0)."""
    snarimax = river.time_series.SNARIMAX(p=LAGS, d=1, q=0)
    forecasts = np.full(len(values), np.nan)
    stamps: list[float] = []
    for i, value in enumerate(values.tolist()):
        if i % WARM_UP == 0:
            stamps.append(time.process_time())
        snarimax.learn_one(value)
        if i > LAGS:
            forecasts[i] = snarimax.forecast(horizon=1)[0]
    return a_sample(stamps), mean_squared_error(values, forecasts)


def of_one_stream(settings: ModelSettings, n: int) -> tuple[np.ndarray, float, float]:
    """Return the values of a stream, microseconds a sample, and MSE."""
    seconds, values, forecasts = np.array(list(live(settings, 1, WARM_UP + n))).T
    return values, float(np.median(seconds[WARM_UP:])) * 1e6, mean_squared_error(values, forecasts)


def beside_river(n: int, costs: dict[str, float]) -> None:
    """Print error and cost of one stream by ewad and by river, to which many streams cost the same each.

    costs: of the cases, in microseconds a sample. Where samples come in numbers the mixture is held to
    river's time, and where they come alone its best expert is; the ratio of the mixture of four is told.
    """
    values, mixture, error = of_one_stream(model(CASES[0], (1,)), n)
    _, best, best_error = of_one_stream(best_expert(), n)
    print(f"one stream, {len(values):,} samples, horizon 1: MSE of the last 75 %, us a sample")
    print(f"  {'ewad, the mixture':34}{error:8.4f} {mixture:8.1f}")
    print(f"  {f'ewad, {BEST} alone':34}{best_error:8.4f} {best:8.1f}")
    river = peer("river.time_series") and peer("river.linear_model") and peer("river")
    if river is None:
        return
    for name, run in (("LinearRegression + Adam", river_linear), ("SNARIMAX", river_snarimax)):
        microseconds, its_error = run(river, values)
        print(f"  {'river, ' + name:34}{its_error:8.4f} {microseconds:8.1f}")
        at_least(f"{name} / ewad, MSE", its_error / error, 1.0)
        at_least(f"{name} / ewad's {BEST} alone, MSE", its_error / best_error, 1.0)
        at_least(f"{name} / ewad's {BEST} alone, cost, one sample a call", microseconds / best, 1.0)
        for case in CASES:
            ratio = microseconds / costs[case.name]
            if case is CASES[0]:
                print(f"  {name} / ewad, cost, {case.name}: {ratio:.2f}")
            else:
                at_least(f"{name} / ewad, cost, {case.name}", ratio, 1.0)


def main() -> None:
    """Print costs beside their bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=200_000, help="of each case; one stream: a tenth")
    n_samples = parser.parse_args().samples
    costs = {}
    for case in CASES:
        samples = n_samples // 10 if case.n_streams == 1 else n_samples
        near, far = (
            statistics.median(cost(case, horizons, samples) for _ in range(RUNS))
            for horizons in ((1,), HORIZONS)
        )
        costs[case.name] = near
        print(f"{case.name}: {near:.1f} us a sample, {far:.1f} with {len(HORIZONS)} horizons", flush=True)
        at_most("us a sample", near, case.bound)
        at_most(f"horizons 1..{len(HORIZONS)} / horizon 1", far / near, LONGER)
    beside_river(n_samples // 20, costs)


if __name__ == "__main__":
    main()
