"""`ewad check`: whether a configuration is valid and what it comes to, before anything runs on it."""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ewad.commands.options import CONFIG, broker_options, settings_of, stream_options
from ewad.config import Settings, effective
from ewad.config.syntax import parse_topic
from ewad.engine import Engine
from ewad.errors import SourceError
from ewad.ingest.formats.records import PayloadReader
from ewad.ingest.mqtt.consumer import Message
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.ingest.mqtt.from_configuration import connection_settings
from ewad.ingest.mqtt.settings import Subscription, tls_context
from ewad.ingest.mqtt.source import make_source
from ewad.outputs.http.access import server_tls
from ewad.outputs.registry import check_exposed
from ewad.store.model_file import start_models
from ewad.store.place import hindrance

SCRAPED = {"instance", "job"}  # labels that Prometheus gives to all series of a target
CONNECT_SECONDS = 12.0  # one whole attempt of the source, and its end


@click.command("check")
@CONFIG
@broker_options
@stream_options
@click.option("--connect", is_flag=True, help="Also connect and subscribe to the broker once.")
def command(config: Path | None, connect: bool, **options: Any) -> None:
    """Say whether a configuration is valid, and what it comes to."""
    click.echo(check(settings_of(config, options), connect))


def check(settings: Settings, connect: bool) -> str:
    """Return the effective settings as text, after connecting and subscribing once if asked to.

    Raises ConfigError for files that can't be used, SourceError for a broker that can't.
    """
    connection = connection_settings(settings)
    tls_context(connection)
    server_tls(settings.http)
    check_exposed(settings)
    start_models(Engine(settings.group_settings()))
    if "publish" in settings.sinks:
        from ewad.outputs.mqtt.publisher import publishing_settings  # only where it is used

        tls_context(publishing_settings(settings))
    found = [*_verdict(settings), *(f"deprecated: {each}" for each in settings.deprecated)]
    found += _overwritten(settings)
    if connect:
        with _quiet():
            asyncio.run(_connect(settings))
        found.append(f"connected and subscribed at {connection.url}")
    return effective(settings) + "".join(f"\n# {line}" for line in found)


@contextmanager
def _quiet() -> Iterator[None]:
    """Log errors only: the outcome is told once, by this command."""
    log = logging.getLogger("ewad")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _verdict(settings: Settings) -> list[str]:
    """Return whether the configuration is valid, and what would keep a daemon from starting here."""
    why = "" if settings.state is None else hindrance(Path(settings.state.path))
    if settings.state is None or not why:
        return ["configuration is valid"]
    would_not = "configuration is valid, but on this machine, and for this user, `ewad run` would not start"
    return [f"{would_not}: state.path: {settings.state.path}: {why}"]


def _overwritten(settings: Settings) -> Iterator[str]:
    """Yield what Prometheus makes of labels that it has itself."""
    for block in settings.streams:
        told = set(PayloadReader(block, settings.limits.max_payload_bytes).label_names)
        for name in sorted(told.union(*(parse_topic(topic).names for topic in block.topics)) & SCRAPED):
            yield (
                f"stream {block.name}: Prometheus has a label {name} itself"
                f" and shows this one as exported_{name}: choose another name, such as device_{name}"
            )


class _Ignored:
    """Takes messages and does nothing with them."""

    busy = False
    patience_seconds = math.inf
    bulk = None

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        pass

    def commit(self, pending: Acknowledgements, done: Callable[[], None]) -> None:
        done()


async def _connect(settings: Settings) -> None:
    # Not the daemon's own client id: the broker would end the daemon's session.
    connection = connection_settings(settings)
    connection = replace(
        connection,
        client_id=f"{settings.mqtt.client_id}-check-{os.getpid()}",
        session_expiry_seconds=0.0,
        subscriptions=tuple(Subscription(_alone(each.filter), "ignore") for each in connection.subscriptions),
    )
    source = make_source(connection, _Ignored())
    running = asyncio.create_task(source.run(), name="mqtt")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await source.first_attempt()
    except TimeoutError as error:
        raise SourceError(f"no answer within {CONNECT_SECONDS:g} s ({source.status})") from error
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    if source.status != "connected":  # it failed, or some subscriptions were refused
        raise SourceError(source.status)


def _alone(topic_filter: str) -> str:
    """Return the filter without "$share/group/": the broker would deal this command the group's messages."""
    return topic_filter.split("/", 2)[2] if topic_filter.startswith("$share/") else topic_filter
