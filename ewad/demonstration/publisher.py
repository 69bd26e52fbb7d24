"""The sample files as live sensors: their values published to several topics, faster than real time."""

import asyncio
import csv
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from ewad.demonstration import story
from ewad.demonstration.samples import sample_path
from ewad.demonstration.story import Trouble
from ewad.errors import SourceError
from ewad.ingest.mqtt.settings import BrokerSettings
from ewad.outputs.mqtt.client import publishing

LONGEST_LAG_SECONDS = 1.0  # a machine that can't keep up makes up for no more


@dataclass(frozen=True)
class SampleStream:
    """One column of a sample file as a sensor. A reading is value * scale + offset, from row `start` on.

    trouble: what happens to it.
    """

    topic: str
    file: str
    column: str
    scale: float = 1.0
    offset: float = 0.0
    start: int = 0
    trouble: Trouble = story.none


def _office(room: str, start: int, trouble: Trouble) -> SampleStream:
    """Return the office's readings of another time as another room's: degrees Celsius of Fahrenheit."""
    topic, column = f"site/{room}/temperature", "ambient_temperature"
    return SampleStream(topic, f"{column}.csv", column, 5 / 9, -32 * 5 / 9, start, trouble)


SAMPLE_STREAMS = (
    _office("office", 0, story.none),
    _office("hall", 1000, story.spikes),
    _office("cellar", 2000, story.steps),
    _office("attic", 3000, story.fails),
    _office("porch", 4000, story.sticks),
    SampleStream("site/seattle/wind_speed", "seattle_weather.csv", "wind_speed"),
    SampleStream("site/front/door", "seattle_weather.csv", "wind_speed", trouble=story.door),
)


def readings(stream: SampleStream) -> Iterator[float]:
    """Yield the stream's readings in file order and for ever: the first follows the last.

    The weather covers whole years and the office's last reading is within 2 C of its first, so the seam is an
    ordinary step of the series.
    """
    with sample_path(stream.file).open(newline="", encoding="utf-8") as file:
        values = [float(row[stream.column]) for row in csv.DictReader(file)]
    turned = values[stream.start :] + values[: stream.start]
    return itertools.cycle([value * stream.scale + stream.offset for value in turned])


def payloads(stream: SampleStream) -> Iterator[str | None]:
    """Yield what the sensor publishes, reading by reading; None where it is silent."""
    return stream.trouble(readings(stream))


async def publish_samples(
    url: str,
    *,
    samples_per_second: float = 50.0,
    pace: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Publish the next reading of every stream, `samples_per_second` times a second, until cancelled.

    After each round `pace` is awaited with the seconds until the next is due by the clock. Raises SourceError
    if the broker is gone.
    """
    address = urlsplit(url)
    host, port = address.hostname or "localhost", address.port or 1883
    settings = BrokerSettings(host=host, port=port, client_id="", qos=0)
    series = [(stream.topic, payloads(stream)) for stream in SAMPLE_STREAMS]
    try:
        async with publishing(settings) as publish:
            due = clock()
            while True:
                for topic, texts in series:
                    text = next(texts)
                    if text is not None:
                        await publish(topic, text.encode())
                now, due = clock(), due + 1.0 / samples_per_second
                due = max(due, now - LONGEST_LAG_SECONDS)
                await pace(max(0.0, due - now))
    except SourceError as error:
        raise SourceError(f"sample publisher: expected a broker at {url}: {error}") from error
