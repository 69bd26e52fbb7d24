"""`ewad init`: a first configuration, written by looking at a broker for a while."""

from __future__ import annotations

import asyncio
import math
import os
import shlex
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from zoneinfo import available_timezones

import click

from ewad.commands.options import DEFAULT_CONFIG
from ewad.commands.shapes import ProposedBlocks, described
from ewad.config import Settings, parse
from ewad.config.syntax import counted, quoted
from ewad.errors import ConfigError, SourceError
from ewad.ingest.formats.reasons import quote_payload
from ewad.ingest.mqtt.consumer import Message
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.ingest.mqtt.from_configuration import connection_settings
from ewad.ingest.mqtt.session import OLDER_BROKER
from ewad.ingest.mqtt.settings import Subscription
from ewad.ingest.mqtt.source import make_source

CONNECT_SECONDS = 12.0  # one whole attempt of the source, and its end
MOST_TOPICS = 20_000  # that are looked at
NOTHING = (
    "no message in {seconds:g} s from {url}: devices that publish rarely, or only on a change, show nothing"
    " meanwhile. Listen for longer, such as by --seconds {longer:g}, and let a device publish; check the"
    " address (--url), and that its user may read all topics"
)
NO_NUMBER = (
    "{told}, but no number in them, such as {topic} with {payload}. `ewad explain TOPIC PAYLOAD` says how"
    " a payload can be read; listen for longer, such as by --seconds {longer:g}, if others are to come"
)
LONGER = 10  # times
ONCE = "what other topics send later is not read: look again by a restart, or write a file by `ewad init`"


@click.command("init")
@click.option("--url", help="Look at this broker, such as mqtt://localhost:1883.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1),
    default=30.0,
    show_default=True,
    help="Listen for so many seconds.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    help="Write this new file; by default ewad.toml.",
)
def command(url: str | None, seconds: float, output: Path) -> None:
    """Look at a broker for a while, and write a configuration for what its devices send."""
    click.echo(write(url, seconds, output))


class _Listener:
    """Keeps the last payload of each topic."""

    busy = False
    patience_seconds = math.inf
    bulk = None

    def __init__(self) -> None:
        self.payloads: dict[str, bytes] = {}
        self.first: dict[str, bytes] = {}
        self.arrivals: dict[str, float] = {}  # Unix seconds, of those that were not retained
        self.messages = 0

    def consume(self, messages: Sequence[Message], arrival: float) -> None:
        self.messages += len(messages)
        for message in messages:
            known = message.topic in self.payloads
            if message.payload and (known or len(self.payloads) < MOST_TOPICS):
                self.payloads[message.topic] = message.payload
                self.first.setdefault(message.topic, message.payload)
                if not message.retain:
                    self.arrivals[message.topic] = arrival

    @property
    def told(self) -> str:
        """How many messages of how many topics there were."""
        return f"{counted(self.messages, 'message')} of {counted(len(self.payloads), 'topic')}"

    def commit(self, pending: Acknowledgements, done: Callable[[], None]) -> None:
        done()


def write(url: str | None, seconds: float, output: Path) -> str:
    """Write a configuration for what the broker sends; return what was found. Never overwrites a file.

    Raises ConfigError if the file exists, SourceError if the broker can't be reached or sends nothing.
    """
    if output.exists():
        raise ConfigError(f"{output}: expected a new file, got one that exists; name another one by -o")
    if not output.parent.is_dir():
        raise ConfigError(f"{output}: expected a new file in a folder that exists; name another one by -o")
    text, found = discovered(url, seconds)
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise SourceError(f"{output}: can't write it: {error.strerror}") from error
    given = "" if output == DEFAULT_CONFIG else f" -c {shlex.quote(str(output))}"
    return f"{found.summary}\nwritten: {output}; see `ewad check{given}`, then `ewad run{given}`"


def settings(url: str | None, listen: str | None, seconds: float) -> Settings:
    """Return the settings for what the broker sends. Raises ConfigError, SourceError."""
    text, found = discovered(url, seconds)
    print(f"{found.summary}\n{ONCE}", file=sys.stderr)
    document = tomllib.loads(text) | ({"http": {"listen": listen}} if listen else {})
    if url is not None:
        document["mqtt"]["url"] = url  # the text masks a password
    return parse(document, "what the broker sends", os.environ)


def discovered(url: str | None, seconds: float) -> tuple[str, ProposedBlocks]:
    """Return a configuration for what the broker sends in so many seconds, and what was found."""
    everything, listener = _heard(url, seconds)
    at, longer = everything.mqtt.url, LONGER * seconds
    if not listener.payloads:
        raise SourceError(NOTHING.format(seconds=seconds, url=at, longer=longer))
    found = described(
        listener.payloads,
        at,
        everything.mqtt.version,
        arrivals=listener.arrivals,
        zone=local_zone(),
        first=listener.first,
    )
    if not found.blocks:
        topic, payload = next(iter(listener.payloads.items()))
        one = {"topic": quoted(topic), "payload": quote_payload(payload)}
        raise SourceError(NO_NUMBER.format(told=listener.told, longer=longer, **one))
    return found.text, found


def local_zone() -> str | None:
    """Return the name of this machine's time zone, None if it can't be known."""
    named = os.environ.get("TZ", "").removeprefix(":") or os.path.realpath("/etc/localtime")
    name = named.rpartition("zoneinfo/")[2]
    return name if name in available_timezones() else None


def _heard(url: str | None, seconds: float) -> tuple[Settings, _Listener]:
    """Return what was heard, and by which settings: by MQTT 3.1.1 where the broker may speak no other."""
    mqtt = {} if url is None else {"url": url}
    first: SourceError | None = None
    for version in ({}, {"version": "3.1.1"}):
        block = {"name": "all", "topic": "#"}
        everything = parse({"mqtt": mqtt | version, "stream": [block]}, "command line", os.environ)
        listener = _Listener()
        try:
            asyncio.run(_listen(everything, listener, seconds))
        except SourceError as error:
            if first is not None:
                raise first from error
            if OLDER_BROKER not in str(error):
                raise
            first = error
        else:
            return everything, listener
    raise AssertionError


async def _listen(everything: Settings, listener: _Listener, seconds: float) -> None:
    connection = replace(
        connection_settings(everything),
        client_id=f"{everything.mqtt.client_id}-init-{os.getpid()}",
        session_expiry_seconds=0.0,
        qos=0,
        subscriptions=(Subscription("#", "use"),),
    )
    source = make_source(connection, listener)
    running = asyncio.create_task(source.run(), name="mqtt")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await source.first_attempt()
        if source.status != "connected":
            raise SourceError(source.status)
        await _wait(listener, seconds)
    except TimeoutError as error:
        raise SourceError(f"no answer within {CONNECT_SECONDS:g} s ({source.status})") from error
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _wait(listener: _Listener, seconds: float) -> None:
    """Wait, with a line on a terminal that tells how it goes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    terminal = sys.stderr.isatty()
    if not terminal:
        print(f"listening for {seconds:g} s", file=sys.stderr, flush=True)
    while (left := end - loop.time()) > 0.0:
        if terminal:
            sys.stderr.write(f"\rlistening: {left:3.0f} s left, {listener.told} ")
            sys.stderr.flush()
        await asyncio.sleep(min(left, 0.5))
    if terminal:
        sys.stderr.write("\n")
