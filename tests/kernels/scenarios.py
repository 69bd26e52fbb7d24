"""Settings of groups that between them use every kernel, and what an engine makes of samples under each."""

import hashlib
from array import array
from dataclasses import replace

import numpy as np

from ewad.config.settings import StreamSettings
from ewad.engine import ByCount, ByTime, GroupSettings, ModelSettings
from ewad.engine.settings import auto
from ewad.errors import DecodeError
from ewad.ingest.formats.point import Key, WaitingSamples
from ewad.ingest.formats.records import PayloadReader
from ewad.ingest.plain import PlainTopics
from ewad.kernels.averages import AverageKernel
from ewad.numeric.experts import EXPERTS
from ewad.numeric.optimizers import Adam, GradientDescent, Momentum, RMSprop
from ewad.numeric.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    Manual,
    ReduceOnPlateau,
    Staircase,
)
from tests.engine.scenarios import new_engine, observe_in_pieces, random_samples
from tests.ingest.formats.test_sparkplug import metric, payload

OPTIMIZERS = [GradientDescent(), Momentum(), RMSprop(), Adam(weight_decay=0.1)]
SCHEDULES = [
    Constant(),
    InverseTime(0.5),
    Exponential(0.9),
    InverseSqrt(per="batch"),
    Staircase(0.5, 2),
    Manual(((1, 0.004), (3, 0.001))),
    Cosine(5, 0.1),
    ReduceOnPlateau(),
]


def of(model):
    return GroupSettings("plant", (ByCount(0.9),), model=model)


SCENARIOS = {
    "averages": GroupSettings("plant", (ByCount(0.9), ByTime(30.0), ByCount(0.0))),
    "averages, late ones accepted": GroupSettings("plant", (ByCount(0.98),), out_of_order="accept"),
    "all experts": of(
        auto("m", experts=EXPERTS, lags=4, horizons=(1, 3), season=5, batch_size=2, hidden=(3, 2))
    ),
    "shared, found season": of(auto("m", share="group", lags=3, horizons=(2,), batch_size=3)),
    "on a grid": of(
        auto("m", lags=3, horizons=(1, 4), batch_size=1, every_seconds=20.0, max_gap_seconds=60.0)
    ),
    "inputs": of(auto("m", lags=3, horizons=(1, 3), batch_size=2, inputs=("stream 0", "stream 2"))),
    "bounds": replace(of(auto("m", lags=3, horizons=(1, 3), batch_size=2)), lowest=-10.0, highest=10.0),
    "gaps": of(auto("m", lags=3, features="lags", max_gap_seconds=30.0, max_gradient_norm=0.1)),
    **{
        f"{type(optimizer).__name__}, {type(schedule).__name__}": of(
            ModelSettings(
                lags=2, batch_size=2, batches_per_epoch=3, l2=0.1, optimizer=optimizer, schedule=schedule
            )
        )
        for optimizer, schedule in zip(OPTIMIZERS * 2, SCHEDULES, strict=True)
    },
    "diverging": of(ModelSettings(lags=2, batch_size=1, optimizer=GradientDescent(), learning_rate=1e150)),
}


def run(group, n=400, n_streams=3, cuts=()):
    """Return the bytes of all results and of the state after n samples, cut into batches at these places."""
    engine = new_engine(group, n_streams)
    results = observe_in_pieces(engine, random_samples(5, n, n_streams), cuts)
    return b"".join(np.ascontiguousarray(each).tobytes() for each in results.values()) + engine.dump()


def whole_series_averaged() -> str:
    """Return a digest of the averages of series that are cut into segments, one that is not finite too."""
    rng, taken = np.random.default_rng(5), hashlib.sha256()
    for x in (rng.normal(size=5_003).cumsum(), np.append(rng.normal(size=2_000), [np.nan] * 1_000)):
        for beta in (0.1, 0.8):
            means = np.empty_like(x)
            AverageKernel(beta, np.inf, False, None).smooth(x, means)
            taken.update(means.tobytes())
    return taken.hexdigest()


def taken_of_hostile_bytes() -> str:
    """Return a digest of the messages that the kernel of frames takes of packets, and of damaged ones."""
    topics, rng, digest = (
        PlainTopics(),
        np.random.default_rng(3),
        hashlib.sha256(),
    )
    for row in range(40):
        topics.add(f"site/{row}", row % 3, row)
    sent = b"".join(
        b"\x32%c\x00\x06site/%c%c%c\x02\x0b%c%s"
        % (20, 48 + i % 10, i % 7, i % 11, 1 + i % 3, b"%07.3f" % (i * 0.37) if i % 5 else b"-1.5e3.")
        for i in range(300)
    )
    ids = np.array([1, 2])
    for _ in range(300):
        data = np.frombuffer(sent, dtype=np.uint8).copy()
        data[rng.integers(0, len(data), 20)] = rng.integers(0, 256, 20)
        at = 0
        while at < len(data):
            found, at = topics.take(data, at, len(data), ids, 1, 12345)
            columns = found.group, found.row, found.value, found.tag
            counts = found.answered, found.alike, at
            digest.update(b"".join(column.tobytes() for column in columns) + repr(counts).encode())
            at += 22  # a packet
    return digest.hexdigest()


def lines_of_hostile_bytes() -> str:
    """Return a digest of what the kernel of line protocol reads of lines, and of damaged ones."""
    reader = PayloadReader(StreamSettings(name="s", topics=("t",), format="influx"), 65_536)
    rng, digest, out = (
        np.random.default_rng(4),
        hashlib.sha256(),
        WaitingSamples(array("q"), array("d"), array("d")),
    )
    assert reader.topic_way is not None
    way = reader.topic_way("t", out)
    assert way is not None
    for i in range(600):
        line = b'm%d,t=a\\ %d f=%.3f,g=%di,h=t,k="x\\"",l=%r 177235920000000%d\n'
        data = np.frombuffer(line % (i % 5, i % 7, i / 7, i, i / 3, i) * 3, dtype=np.uint8).copy()
        if i % 3:
            data[rng.integers(0, len(data), 2)] = rng.choice(
                np.frombuffer(b' ,=\\"\n1ti.#\0\xff', np.uint8), 2
            )
        try:
            records = reader.read("t", data.tobytes(), 1.0)
        except DecodeError as error:
            records = ()
            digest.update(str(error).encode())
        samples = [(each.key, each.value) for each in records if isinstance(each.value, float)]
        digest.update(repr([(each.key, each.value, each.time) for each in records]).encode())
        digest.update(b"%d" % way.take(data.tobytes(), 1.0, 1e300))
        way.learn(data.tobytes(), samples, {key: row for row, (key, _) in enumerate(samples)})
        digest.update(b"%d" % way.take(data.tobytes(), 1.0, 1e300))
    assert len(out.rows) > 1000
    return digest.hexdigest() + hashlib.sha256(b"".join(each.tobytes() for each in out)).hexdigest()


def metrics_of_hostile_bytes() -> str:
    """Return a digest of what the kernel of Sparkplug reads of data, and of damaged ones."""
    birth, topic = "spBv1.0/g/NBIRTH/n", "spBv1.0/g/NDATA/n"
    reader = PayloadReader(StreamSettings(name="s", topics=("+/+/+/+/#",), format="sparkplug"), 65_536)
    rng, digest, out = (
        np.random.default_rng(6),
        hashlib.sha256(),
        WaitingSamples(array("q"), array("d"), array("d")),
    )
    kinds = (1, 10), (2, 10), (3, 10), (4, 11), (8, 11), (9, 12), (10, 13), (11, 14)
    reader.read(
        birth, payload(*(metric(name=f"m{n}", alias=n, kind=kind[0]) for n, kind in enumerate(kinds))), 1.0
    )
    assert reader.topic_way is not None
    way = reader.topic_way(topic, out)
    assert way is not None
    rows: dict[Key, int] = {}
    for i in range(600):
        values = -i, i, -i, -(i << 40), (1 << 63) + i, ("<f", i / 7), ("<d", i / 7), i % 2
        told = [
            metric(name="" if i % 2 else f"m{n}", alias=n, time=i * 1000, value=(kind[1], value))
            for n, (kind, value) in enumerate(zip(kinds, values, strict=True))
        ]
        data = np.frombuffer(payload(*told, sequence=i), dtype=np.uint8).copy()
        if i % 3 == 2:
            data[rng.integers(0, len(data), 2)] = rng.integers(0, 256, 2)
        digest.update(b"%d" % way.take(data.tobytes(), 1.0, 1e300))
        try:
            records = reader.read(topic, data.tobytes(), 1.0)
        except DecodeError as error:
            digest.update(str(error).encode())
            continue
        digest.update(repr([(each.key, each.value, each.time) for each in records]).encode())
        samples = [(each.key, each.value) for each in records if isinstance(each.value, float)]
        for key, _ in samples:
            rows.setdefault(key, len(rows))
        way.learn(data.tobytes(), samples, rows)
    assert len(out.rows) > 1000
    return digest.hexdigest() + hashlib.sha256(b"".join(each.tobytes() for each in out)).hexdigest()


def packs_of_hostile_bytes() -> str:
    """Return a digest of what the kernel of SenML takes of packs, and of damaged ones."""
    reader = PayloadReader(StreamSettings(name="s", topics=("t",), format="senml"), 65_536)
    rng, digest = np.random.default_rng(7), hashlib.sha256()
    out = WaitingSamples(array("q"), array("d"), array("d"))
    assert reader.topic_way is not None
    way = reader.topic_way("t", out)
    assert way is not None
    rows: dict[Key, int] = {}
    for i in range(900):
        pack = (
            b'[{"bn":"d%d:","bt":%d,"n":"a","v":%.3f}, {"n":"b","t":-6%d,"v":%re-2},{"u":"m","v":%d,"n":"c"}]'
        )
        data = np.frombuffer(
            pack % (i % 5, (i % 2) * 1_790_000_000, i / 7, i % 7, i / 3, -i), np.uint8
        ).copy()
        if i % 3:
            data[rng.integers(0, len(data), 2)] = rng.choice(
                np.frombuffer(b' ,:"{}[]0-.eE\\\xff', np.uint8), 2
            )
        payload = data.tobytes()
        digest.update(b"%d" % way.take(payload, 1.8e9, 1e300))
        try:
            records = reader.read("t", payload, 1.8e9)
        except DecodeError:
            continue
        samples = [(each.key, each.value) for each in records if isinstance(each.value, float)]
        for key, _ in samples:
            rows.setdefault(key, len(rows))
        way.learn(payload, samples, rows)
    assert len(out.rows) > 500
    return digest.hexdigest() + hashlib.sha256(b"".join(each.tobytes() for each in out)).hexdigest()
