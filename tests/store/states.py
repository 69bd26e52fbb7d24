"""Stores on real files in a real event loop, and engines to compare."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from ewad.config import StateSettings
from ewad.engine import Batch, Engine, GroupSettings, ModelSettings
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.store.records import Change
from ewad.store.store import Store

GROUPS = (
    GroupSettings("plant", model=ModelSettings("m", lags=3, batch_size=4)),
    GroupSettings("lab"),
)
LIMIT_SECONDS = 60.0  # an upper bound that only failures reach


def new_engine() -> Engine:
    return Engine(GROUPS)


def new_store(path: Path, groups: Sequence[GroupSettings] = GROUPS, **settings: object) -> Store:
    state = StateSettings(path=str(path), **settings)
    return Store(state, "ewad at test", lambda: Engine(groups), lambda seconds: None)


@asynccontextmanager
async def running(path: Path, **settings: object) -> AsyncIterator[Store]:
    """Yield a started store; close it."""
    store = new_store(path, **settings)
    store.start()
    try:
        yield store
    finally:
        await store.close()


def batch(engine: Engine, seed: int, n: int = 50) -> tuple[list, list[Batch]]:
    """Return new streams and a batch of random samples of one group; the streams are in the engine then."""
    rng = np.random.default_rng(seed)
    group = seed % 2
    name = f"stream {seed // 4}"
    new = [] if engine.groups[group].streams.find(name) is not None else [(group, name, (("k", name),))]
    engine.add_stream(group, name, (("k", name),))
    rows = rng.integers(0, len(engine.groups[group].streams), n).astype(np.int32)
    time = 1.7e9 + 100 * seed + np.arange(n, dtype=float)
    return new, [Batch(group, rows, time, rng.normal(20.0, 5.0, n), 1.7e9 + 100.0 * seed)]


async def keep(
    store: Store, seed: int, pending: Acknowledgements | None = None, *, wait: bool = True
) -> asyncio.Event:
    """Let the store's engine observe random samples, and record them; wait until they are kept."""
    streams, batches = batch(store.engine, seed)
    for each in batches:
        store.touch(each)
        store.engine.observe(each)
    done = asyncio.Event()
    store.record(Change(streams, batches), pending or Acknowledgements(), done.set)
    if wait:
        async with asyncio.timeout(LIMIT_SECONDS):
            await done.wait()
    return done


def uninterrupted(seeds: range) -> Engine:
    """Return an engine that observed the same without a store."""
    engine = new_engine()
    for seed in seeds:
        for each in batch(engine, seed)[1]:
            engine.observe(each)
    return engine


async def snapshot(store: Store, *, whole: bool = False) -> None:
    """Let the store write a snapshot; wait until it is complete."""
    store.snapshot(whole=whole)
    number = store._writer.begun
    await until(lambda: store._writer.finished == number)


def crashed(path: Path) -> Path:
    """Return a copy of the file, and of the one before it, as a kill would leave them."""
    copy = path.with_name("crashed") / path.name
    copy.parent.mkdir(exist_ok=True)
    for suffix in ("", ".previous", "-wal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    return copy


async def until(condition) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110 (a thread changes it)
            await asyncio.sleep(0.005)
