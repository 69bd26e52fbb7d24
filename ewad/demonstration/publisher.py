"""The sample files as live sensors: their values published to several topics, faster than real time."""

import asyncio
import csv
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ewad.demonstration.samples import sample_path
from ewad.errors import SourceError

if TYPE_CHECKING:
    import aiomqtt

_unheard = logging.getLogger(f"{__name__}.paho")
_unheard.disabled = True  # it would report, once more, what comes as an exception, and how connections end

KEEP_ALIVE_SECONDS = 30  # the embedded broker refuses zero
LONGEST_LAG_SECONDS = 1.0  # a machine that can't keep up makes up for no more
TIMEOUT_SECONDS = 2.0  # on loopback; how soon a broker that went away is noticed


@dataclass(frozen=True)
class SampleStream:
    """One column of a sample file as a sensor; a payload is value * scale + offset."""

    topic: str
    file: str
    column: str
    scale: float = 1.0
    offset: float = 0.0


FAHRENHEIT_TO_CELSIUS = (5 / 9, -32 * 5 / 9)  # scale, offset: all temperatures of the demo share one unit

SAMPLE_STREAMS = (
    SampleStream(
        "site/office/temperature", "ambient_temperature.csv", "ambient_temperature", *FAHRENHEIT_TO_CELSIUS
    ),
    SampleStream("site/seattle_max/temperature", "seattle_weather.csv", "temperature_max"),
    SampleStream("site/seattle_min/temperature", "seattle_weather.csv", "temperature_min"),
    SampleStream("site/seattle/wind_speed", "seattle_weather.csv", "wind_speed"),
)


def payloads(stream: SampleStream) -> Iterator[str]:
    """Yield the stream's values as payloads, in file order and for ever: the first follows the last.

    The weather covers whole years and the office's last reading is within 2 C of its first, so the seam is an
    ordinary step of the series.
    """
    with sample_path(stream.file).open(newline="", encoding="utf-8") as file:
        values = [float(row[stream.column]) for row in csv.DictReader(file)]
    return itertools.cycle([f"{value * stream.scale + stream.offset:.2f}" for value in values])


async def publish_samples(
    url: str,
    *,
    samples_per_second: float = 50.0,
    pace: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Publish the next sample of every stream, `samples_per_second` times a second, until cancelled.

    After each round `pace` is awaited with the seconds until the next is due by the clock. Raises SourceError
    if the broker is gone.
    """
    import aiomqtt  # 0.1 s: only when it is used

    address = urlsplit(url)
    series = [(stream.topic, payloads(stream)) for stream in SAMPLE_STREAMS]
    try:
        client = aiomqtt.Client(
            address.hostname or "localhost",
            address.port or 1883,
            protocol=aiomqtt.ProtocolVersion.V5,
            keepalive=KEEP_ALIVE_SECONDS,
            timeout=TIMEOUT_SECONDS,
            logger=_unheard,
        )
        async with _connected(client):
            due = clock()
            while True:
                for topic, values in series:
                    await client.publish(topic, next(values))
                now, due = clock(), due + 1.0 / samples_per_second
                due = max(due, now - LONGEST_LAG_SECONDS)
                await pace(max(0.0, due - now))
    except aiomqtt.MqttError as error:
        raise SourceError(f"sample publisher: expected a broker at {url}: {error}") from error


@asynccontextmanager
async def _connected(client: "aiomqtt.Client") -> AsyncIterator[None]:
    """Be connected in the block. Even when cancelled, connecting is waited for: else its callbacks fail."""
    connecting = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(connecting)
        yield
    finally:
        await asyncio.wait([connecting])  # TIMEOUT_SECONDS at most
        if connecting.exception() is None:
            await client.__aexit__(None, None, None)
