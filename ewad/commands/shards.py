"""`ewad state split` and `merge`: the streams of some state files, dealt out to others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from ewad.config import Settings, ShardSettings
from ewad.config.shard import HASH_TOPIC
from ewad.config.syntax import counted
from ewad.daemon.parts import new_engine, new_intake, session_of
from ewad.engine import Engine
from ewad.engine.dealing import add_counts, copy_models, copy_streams, has_models
from ewad.engine.group import Group
from ewad.errors import ConfigError, StateError
from ewad.ingest.mqtt.deliveries import Deliveries
from ewad.ingest.sharding import sharding
from ewad.ingest.told import told_of_streams
from ewad.store.recovery import Recovered, read
from ewad.store.seeding import Seeding

ShardOf = Callable[[Group, str], int]


def split(settings: Settings, sources: Sequence[Path], into: Path) -> str:
    """Deal the streams of state files out to one file for each shard of [shard]; return what was done.

    Raises ConfigError if there is no [shard], or a file is there already; StateError if one can't be read.
    """
    shard = settings.shard
    if shard is None or shard.by == HASH_TOPIC:
        raise ConfigError('state split: expected a [shard] table with count, and by = "topic" or "{label}"')
    of_topic, intake = sharding(shard, settings.streams), new_intake(new_engine(settings), settings)
    blocks = {block.settings.name: block for block in intake.blocks}

    def shard_of(group: Group, name: str) -> int:
        topic = blocks[group.name].topic_of_stream(name)
        return of_topic(name if topic is None else topic)

    targets = [into / f"shard-{index}.db" for index in range(shard.count)]
    return _deal(settings, sources, targets, shard, shard_of)


def merge(settings: Settings, sources: Sequence[Path], target: Path) -> str:
    """Put the streams of state files into one; return what was done. Raises as `split` does."""
    return _deal(settings, sources, [target], None, lambda group, name: 0)


def _deal(
    settings: Settings,
    sources: Sequence[Path],
    targets: Sequence[Path],
    shard: ShardSettings | None,
    shard_of: ShardOf,
) -> str:
    for path in targets:
        if path.exists():
            raise ConfigError(f"{path}: expected a file that does not exist yet")
        path.parent.mkdir(parents=True, exist_ok=True)
    found = [_recovered(settings, path) for path in sources]
    engines, told = (
        [each.engine for each in found],
        [entry for each in found for entry in each.told.entries()],
    )
    blocks = new_intake(new_engine(settings), settings).blocks
    dealt = [_dealt(new_engine(settings), engines, index, shard_of) for index in range(len(targets))]
    lines = [*_told_models(engines, sources)]
    for index, (path, engine) in enumerate(zip(targets, dealt, strict=True)):
        own = None if shard is None else msgspec.structs.replace(shard, index=index)
        session = session_of(msgspec.structs.replace(settings, shard=own))
        with closing(Seeding(path, session, partial(_itself, engine), time.time())) as seeding:
            seeding.told.note(told_of_streams(blocks, engine.groups, told))
            seeding.keep(time.time(), _deliveries(settings, sources, session))
        lines.append(f"{path}  {counted(engine.n_streams, 'stream')}")
    return "\n".join(lines)


def _itself(engine: Engine) -> Engine:
    return engine


def _recovered(settings: Settings, path: Path) -> Recovered:
    if not path.is_file():
        raise StateError(f"{path}: no such file")
    recovered = read(path, "", partial(new_engine, settings))
    if recovered.damage:
        raise StateError(recovered.damage)
    return recovered


def _deliveries(settings: Settings, sources: Sequence[Path], session: str) -> Deliveries:
    """Return what had been taken from this session, which is one source's at most."""
    found = (read(path, session, partial(new_engine, settings)).deliveries for path in sources)
    return next((each for each in found if each.taken or each.unreleased), Deliveries())


def _dealt(target: Engine, sources: Sequence[Engine], shard: int, shard_of: ShardOf) -> Engine:
    """Put the streams of one shard into a new engine, and the models that they share; return it."""
    for source in sources:
        for mine, theirs in zip(target.groups, source.groups, strict=True):
            rows = [row for row, name in enumerate(theirs.streams.names) if shard_of(theirs, name) == shard]
            copy_streams(theirs, np.array(rows, dtype=np.int64), mine)
    for index, group in enumerate(target.groups):
        copy_models(sources[_most_samples(sources, index)].groups[index], group)
    add_counts(sources if shard == 0 else [], target)
    return target


def _most_samples(engines: Sequence[Engine], group: int) -> int:
    """Return which engine has seen the most samples of a group: its shared model has learnt the most."""
    counts = [
        int(engine.groups[group].count[: len(engine.groups[group].streams)].sum()) for engine in engines
    ]
    return counts.index(max(counts))


def _told_models(engines: Sequence[Engine], sources: Sequence[Path]) -> Iterator[str]:
    """Yield a line for each group whose shared models can't all be kept."""
    for index, group in enumerate(engines[0].groups):
        if len(engines) > 1 and has_models(group):
            kept = sources[_most_samples(engines, index)]
            yield f"group {group.name}: its streams share a model from now on: that of {kept}"
