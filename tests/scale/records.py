"""Random records of a few streams, and the settings of an engine that takes them."""

from itertools import pairwise

import numpy as np

from ewad.engine import ByCount, ByTime, EngineSettings, GroupSettings, ModelSettings
from ewad.engine.settings import auto
from ewad.scale import Record
from ewad.scale.record import encoded_labels

LINEAR = ModelSettings("m", share="group", lags=3, horizons=(1, 2), batch_size=4)
SETTINGS = EngineSettings(
    (
        GroupSettings(
            "plant", (ByCount(0.9), ByTime(60.0)), forget_after_seconds=60.0, stale_after_seconds=20.0
        ),
        GroupSettings("air", model=LINEAR),
        GroupSettings("tank", model=auto("auto", lags=4), max_streams=3),
    ),
    max_streams=9,
)
BLOCKS = ("plant", "air", "tank")


def record(block, numbers, time, value, *, arrival=None, flags=(), **further):
    """Return a record of these samples; numbers: of the streams."""
    names, stream = np.unique(numbers, return_inverse=True)
    return Record(
        0,
        1,
        block,
        arrival,
        [f"{block}/{number}" for number in names],
        encoded_labels([(("n", str(number)),) for number in names]),
        stream.astype(np.uint32),
        np.asarray(time, dtype=np.float64),
        np.asarray(value, dtype=np.float64),
        np.asarray(flags, dtype=np.uint8),
        **further,
    )


def random_records(seed, n=40, streams=6):
    """Return records that a gateway could have made: retained copies, silences, limits that are passed."""
    random = np.random.default_rng(seed)
    now, records = 1.7e9, []
    for _ in range(n):
        now += float(random.exponential(5.0))
        size = int(random.integers(1, 30))
        numbers = random.integers(0, streams, size)
        value = np.round(random.normal(20.0, 3.0, size), 0)
        flags = random.choice([0, 0, 0, 1, 2], size) if random.random() < 0.4 else ()
        time = now - random.uniform(0.0, 8.0, size) if random.random() < 0.3 else np.full(size, now)
        further = {}
        if random.random() < 0.3:
            further["tick"] = now
        if random.random() < 0.05:
            further["moved"] = (-3.0, now)
        block = BLOCKS[int(random.integers(0, 3))]
        records.append(record(block, numbers, time, value, arrival=now, flags=flags, **further))
    return records


def cut(records, seed):
    """Cut records at random places."""
    random = np.random.default_rng(seed)
    for each in records:
        edges = np.sort(random.integers(0, len(each) + 1, int(random.integers(0, 4)))).tolist()
        places = sorted({0, *edges, len(each)})
        yield from (each.cut(a, z) for a, z in pairwise(places))
