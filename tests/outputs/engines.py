"""Engines with known streams and samples, shared by the tests of ewad.outputs."""

from collections.abc import Sequence

import numpy as np

from ewad.engine import Batch, ByCount, Engine, GroupSettings, ModelSettings
from ewad.ingest.faults import Rejection
from ewad.outputs.prometheus.instruments import Instruments

INF = float("inf")
Labels = tuple[tuple[str, str], ...]


def feed(
    engine: Engine, group: int, name: str, values: Sequence[float], *, labels: Labels = (), at: float = 0.0
):
    """Observe the values one second apart, the last of them at `at`, which is also their arrival."""
    n = len(values)
    row = engine.add_stream(group, name, labels)
    time = at - np.arange(n - 1, -1, -1, dtype=float)
    engine.observe(Batch(group, np.full(n, row, np.int32), time, np.asarray(values, float), at))


def smoothing_engine(*names: str) -> Engine:
    return Engine([GroupSettings(name) for name in names or ("temperature",)])


def model_engine(share: str) -> Engine:
    model = ModelSettings(name="outdoor", share=share, lags=2, horizons=(1, 3), batch_size=4)
    engine = Engine([GroupSettings("temperature", (ByCount(0.9),), model=model)])
    values = 20.0 + np.sin(np.arange(40.0))
    feed(engine, 0, "a", values, labels=(("room", "x"),))
    feed(engine, 0, "b", values[:1], labels=(("room", "y"),))
    return engine


def mixture_engine() -> Engine:
    """Return an engine whose model mixes three experts, with intervals; its last value is far off."""
    model = ModelSettings(
        name="outdoor",
        experts=("persistence", "linear", "rls"),
        lags=2,
        horizons=(1, 3),
        interval=0.9,
        batch_size=4,
    )
    engine = Engine([GroupSettings("temperature", (ByCount(0.9),), model=model)])
    feed(engine, 0, "a", np.append(20.0 + np.sin(np.arange(120.0)), 200.0), labels=(("room", "x"),))
    feed(engine, 0, "b", [20.0], labels=(("room", "y"),))
    return engine


def wide_engine(n_streams: int, n_samples: int = 2, betas: Sequence[float] = (0.9, 0.98)) -> Engine:
    """Return an engine of one group with that many streams and as many samples of each."""
    engine = Engine([GroupSettings("temperature", tuple(map(ByCount, betas)))], max_streams=n_streams)
    rows = np.array(
        [
            engine.add_stream(0, f"site/room{i}/temperature", (("room", f"room{i}"),))
            for i in range(n_streams)
        ],
        np.int32,
    )
    random = np.random.default_rng(1)
    for second in range(n_samples):
        values = 20.0 + random.standard_normal(n_streams)
        engine.observe(Batch(0, rows, np.full(n_streams, float(second)), values, float(second)))
    return engine


def instruments(engine: Engine, **changes: object) -> Instruments:
    sources: dict[str, object] = {
        "version": "1.2.3",
        "reasons": ("not_a_number", "too_large"),
        "received": lambda: 7,
        "rejected": lambda: {"too_large": 2},
        "examples": lambda: {"too_large": Rejection("site/<b>hall</b>/\udcff", "temperature", "")},
        "streams": lambda: engine.n_streams,
        "refused": lambda: engine.refused,
        "forgotten": lambda: engine.forgotten,
        "connected": lambda: True,
        "reconnects": lambda: 3,
        "reload_successful": lambda: True,
        "held_up": lambda: 1.25,
    }
    return Instruments(**(sources | changes))
