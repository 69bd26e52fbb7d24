"""[publish] measured: its CPU beside that of receiving, and how soon a forecast is back on MQTT.

Run: python -m tests.bench.bench_publishing [seconds]
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench.measure import at_most
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.publisher import publish

STREAMS, RATE = 10_000, 2_000
ROUND_TRIP_RATE = 1_000
STEPS = 20  # a second: so many messages at a time
SETTINGS = """
[[stream]]
name = "bench"
topic = "in/{sensor}"
beta = [0.9, 0.98]
model = "m"
[model.m]
experts = ["persistence"]
lags = 1
[state]
[limits]
max_streams = 20000
"""
PUBLISH = '[publish]\ntopic = "out/{stream}"\navailability_topic = "there"\n'


class Listener:
    """A subscriber of out/#, which notes how long each value took to the daemon, and from there back."""

    def __init__(self, port: int) -> None:
        self.delays: list[tuple[float, float]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("out/#", qos=0)
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _take(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        now, state = time.time(), json.loads(message.payload)
        self.delays.append((state["time"] - state["value"], now - state["time"]))

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Cost(NamedTuple):
    """CPU seconds of a process, and of its first thread, which is the event loop's, among them."""

    all: float
    loop: float

    @classmethod
    def of(cls, pid: int) -> Cost:
        """Return what a process has cost so far."""
        threads = {path.name: path / "schedstat" for path in Path(f"/proc/{pid}/task").iterdir()}
        spent = {name: int(path.read_text().split()[0]) / 1e9 for name, path in threads.items()}
        return cls(sum(spent.values()), spent[str(pid)])


def paced(port: int, rate: int, seconds: float) -> int:
    """Publish values that are the time of their sending, at random streams; return how many."""
    generator, n, started = random.Random(1), rate // STEPS, time.monotonic()
    for step in range(round(seconds * STEPS)):
        pause = started + step / STEPS - time.monotonic()
        time.sleep(max(0.0, pause))
        # made one by one as they are written: the time to connect is none of theirs
        publish(port, ((f"in/{generator.randrange(STREAMS)}", b"%.6f" % time.time()) for _ in range(n)))
    return n * round(seconds * STEPS)


@contextmanager
def running(*settings: str) -> Iterator[tuple[mosquitto.Mosquitto, list[daemons.Daemon]]]:
    """Run daemons of these settings on one broker; all streams are there."""
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in settings]
        options = ["max_queued_messages 0"]
        broker = stack.enter_context(mosquitto.running(folders[0] / "broker", options=options))
        url = f"mqtt://127.0.0.1:{broker.port}"
        parts = zip(folders, settings, strict=True)
        started = [stack.enter_context(daemons.running(folder, url, each)) for folder, each in parts]
        publish(broker.port, [(f"in/{n}", b"1") for n in range(STREAMS)])
        for daemon in started:
            daemon.until_total("ewad_messages_received_total", STREAMS)
        yield broker, started


def costs(seconds: float, *settings: str) -> list[Cost]:
    """Return the CPU seconds a message, at RATE, of daemons of these settings.

    They run beside each other, so that whatever else the machine does is the same for all.
    """
    with running(*settings) as (broker, started):
        pids = [daemon.process.pid for daemon in started if daemon.process is not None]
        time.sleep(2.0)  # what start-up has left to publish
        before = [Cost.of(pid) for pid in pids]
        n = paced(broker.port, RATE, seconds)
        time.sleep(1.0)
        after = [Cost.of(pid) for pid in pids]
        for daemon, each in zip(started, settings, strict=True):
            daemon.until_total("ewad_messages_received_total", STREAMS + n)  # a scrape, which costs, too
            if "[publish]" in each:
                superseded = daemon.value("ewad_sink_superseded_total", sink="publish")
                print(f"  of {n:,} states {superseded:,.0f} gave way to later ones of their stream")
        pairs = zip(before, after, strict=True)
        return [Cost((new.all - old.all) / n, (new.loop - old.loop) / n) for old, new in pairs]


def round_trip(seconds: float) -> list[tuple[float, float]]:
    """Return the seconds from each sample's sending to the daemon, and from there to its state's arrival."""
    with running(SETTINGS + PUBLISH) as (broker, _):
        listener = Listener(broker.port)
        time.sleep(2.0)
        listener.delays.clear()
        paced(broker.port, ROUND_TRIP_RATE, seconds)
        time.sleep(1.0)
        listener.stop()
        return listener.delays


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    received, published = costs(seconds, SETTINGS, SETTINGS + PUBLISH)
    print(f"{STREAMS:,} streams, {RATE:,} messages/s, CPU us a message:")
    print(f"  receiving {received.all * 1e6:.0f}, and publishing each state {published.all * 1e6:.0f}")
    at_most("with publishing, to receiving alone, CPU", published.all / received.all, 2.0)
    sooner = published.loop / received.loop
    at_most(
        "the event loop's thread, which commits sooner where there is a sink, to that without", sooner, 1.5
    )
    parts = round_trip(seconds)
    for name, part in zip(
        ("to the daemon", "from there to the subscriber"), zip(*parts, strict=True), strict=True
    ):
        print(f"  median {name}, ms: {statistics.median(part) * 1e3:.1f}")
    delays = sorted(map(sum, parts))
    print(f"round trip at {ROUND_TRIP_RATE:,} messages/s, ms, of {len(delays):,}:")
    late = delays[len(delays) * 99 // 100]
    print(f"  median {statistics.median(delays) * 1e3:.1f}, 99 % within {late * 1e3:.1f}")
    at_most("median, ms", statistics.median(delays) * 1e3, 30.0)


if __name__ == "__main__":
    main()
