"""What the daemon is put together from, made of its settings."""

from __future__ import annotations

import logging
from typing import Any

from ewad import __version__, kernels
from ewad.config import Settings
from ewad.config.syntax import counted
from ewad.engine import Engine
from ewad.errors import ConfigError, StateError
from ewad.ingest.intake import Intake
from ewad.ingest.sharding import belonging
from ewad.outputs.http.server import HttpServer
from ewad.outputs.prometheus.exposition import Exposition
from ewad.outputs.registry import check_exposed
from ewad.store.model_file import start_models

log = logging.getLogger("ewad.daemon")


def new_engine(settings: Settings) -> Engine:
    """Return an engine without streams.

    Raises ConfigError if a model can't start from its file, or a block exposes what there is not.
    """
    check_exposed(settings)
    needed = settings.engine_settings()
    engine = Engine(needed.groups, needed.max_streams)
    start_models(engine)
    return engine


def new_intake(engine: Engine, settings: Settings) -> Intake:
    """Return what hands the engine the messages of these settings, those of its shard."""
    belongs = belonging(settings.shard, settings.streams)
    return Intake(engine, settings.streams, settings.limits.max_payload_bytes, belongs)


def refuse_foreign(intake: Intake, engine: Engine, settings: Settings) -> None:
    """Raise StateError if the engine has streams of other shards: they would get no sample any more.

    Raises ConfigError if a daemon of several is not told which one it is.
    """
    belongs = belonging(settings.shard, settings.streams)
    if settings.shard is not None and settings.shard.index is None:
        raise ConfigError(
            f"shard.index: expected which of the {settings.shard.count} shards this daemon is, got none: "
            f"set it here, or EWAD_SHARD__INDEX"
        )
    if belongs is None or settings.shard is None:
        return
    names = (
        (name, block.topic_of_stream(name))
        for block in intake.blocks
        for name in engine.groups[block.group].streams.names
    )
    foreign = [name for name, topic in names if topic is not None and not belongs(topic)]
    if foreign:
        raise StateError(
            f"state: expected streams of shard {settings.shard.index} of {settings.shard.count}, got "
            f"{counted(len(foreign), 'stream')} of others, such as {foreign[0]}: has shard.count changed? "
            f"`ewad state split` moves streams to where they belong"
        )


def of_engine(settings: Settings) -> object:
    """Return what of the settings an engine is made of."""
    return settings.streams, settings.models, settings.limits, settings.metrics


def session_of(settings: Settings) -> str:
    """Return which broker's session the daemon has under these settings."""
    return f"{settings.client_id} at {settings.mqtt.url}"


def warn_of_share(settings: Settings) -> None:
    """Say that other members of a $share group take samples of the same streams, if there are any."""
    if settings.shard is not None:  # which refuses it, or the broker deals out whole topics
        return
    for block in settings.streams:
        for topic in block.topics:
            if topic.startswith("$share/"):
                log.warning(
                    'topic "%s" is shared: if another client is in its group, each gets a part of a '
                    "stream's samples, and averages and forecasts are wrong; see [shard]",
                    topic,
                )


def units_of(settings: Settings) -> list[str | None]:
    """Return the unit of each group's values, None where it is not told."""
    return [block.unit for block in settings.streams]


def exposition_of(engine: Engine, settings: Settings) -> Exposition:
    """Return what writes the engine's series."""
    return Exposition(
        engine,
        [block.stale_after_seconds for block in settings.streams],
        None if settings.shard is None else settings.shard.index,
        settings.metrics.labels,
        [block.expose for block in settings.streams],
    )


async def served(server: HttpServer, settings: Settings) -> list[str]:
    """Start the server, and return and log where it listens. Raises ConfigError when that can't be."""
    addresses = [
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in await server.start()
    ]
    scheme = "http" if settings.http.cert_file is None else "https"
    if not kernels.COMPILED:
        log.warning("kernels run interpreted and slowly: reinstall with a C compiler and Python's headers")
    log.info("serving metrics at %s://%s/metrics version=%s", scheme, addresses[0], __version__)
    return addresses


def let_go(*owners: list[Any]) -> None:
    """Free what the lists hold, one thing at a time, in a thread: the event loop has its turns between."""
    for owner in owners:
        while owner:
            owner.pop()
