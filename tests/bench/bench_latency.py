"""From a message's publication to its stream's row at a sink: MQTT -> gateway -> log -> Spark -> MQTT.

A thousand streams have a sample each five seconds, so that nearly each sample has a row of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

from tests.bench.bench_scale import family
from tests.bench.brokers import Broker, cpu_seconds, free_port
from tests.bench.measure import at_most

STREAMS, EVERY_SECONDS = 1000, 5.0
CONFIGURATION = """
[mqtt]
url = "mqtt://127.0.0.1:{port}"
[[stream]]
name = "bench"
topic = "bench/{{n}}/sent"
[shard]
count = 4
[publish]
topic = "out/{{stream}}"
retain = false
[http]
listen = "127.0.0.1:{http}"
"""


@contextmanager
def running(said: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of ewad until the end of the block."""
    with said.open("wb") as output:
        command = [sys.executable, "-m", "ewad", *arguments]
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def client(port: int) -> paho.Client:
    """Return a client that is connected."""
    made = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    made.connect("127.0.0.1", port)
    made.loop_start()
    return made


def publish(port: int, ended: threading.Event) -> None:
    """Publish the time, as the value of one stream after another."""
    publisher = client(port)
    for number in itertools.cycle(range(STREAMS)):
        if ended.wait(EVERY_SECONDS / STREAMS):
            break
        publisher.publish(f"bench/{number}/sent", f"{time.time():.4f}", qos=1)
    publisher.disconnect()


def spent_by(pid: int) -> float:
    """Return the CPU seconds of a process and all below it."""
    spent = 0.0
    for each in family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            spent += cpu_seconds(each)
    return spent


def latencies(directory: Path, trigger: str, warm: float, seconds: float) -> tuple[list[float], float]:
    """Return the seconds that samples took after the first `warm` rows' ones, and CPU seconds a second."""
    broker, found, ended = Broker(directory), list[float](), threading.Event()
    newest: dict[str, float] = {}  # of each stream's rows
    (directory / "ewad.toml").write_text(CONFIGURATION.format(port=broker.port, http=free_port()))
    common = "-c", str(directory / "ewad.toml"), "--log", str(directory / "log")
    spark = "--checkpoint", str(directory / "checkpoint"), "--partitions", "2", "--sink", "mqtt"
    receiver = client(broker.port)

    def on_message(_: paho.Client, __: Any, message: paho.MQTTMessage) -> None:
        sent = json.loads(message.payload)["value"]
        if newest.get(message.topic) != sent:  # else a row that came again
            newest[message.topic] = sent
            found.append(time.time() - sent)

    receiver.on_message = on_message
    receiver.subscribe("out/#")
    publisher = threading.Thread(target=publish, args=(broker.port, ended), daemon=True)
    try:
        with running(directory / "gateway", "gateway", *common):
            broker.wait_for_subscriber()  # of bench/...
            publisher.start()
            with running(directory / "spark", "spark", *common, *spark, "--trigger", trigger) as process:
                while not found:
                    if process.poll() is not None:
                        raise SystemExit((directory / "spark").read_text()[-3000:])
                    time.sleep(0.1)
                time.sleep(warm)
                found.clear()
                before = spent_by(process.pid)
                time.sleep(seconds)
                return found[:], (spent_by(process.pid) - before) / seconds
    finally:
        ended.set()
        receiver.disconnect()
        broker.stop()


def main(arguments: list[str] | None = None) -> None:
    """Print the median and the ninth decile for some triggers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--triggers", default="750 milliseconds,1 second,0 seconds", help="of `ewad spark --trigger`"
    )
    parser.add_argument("--warm", type=float, default=40.0, help="seconds from the first row on left out")
    parser.add_argument("--seconds", type=float, default=40.0)
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("pyspark") is None:
        print("left out: pyspark isn't installed (make scale)")
        return
    print(f"{'trigger':18s}{'rows':>8s}{'median s':>10s}{'90 % s':>10s}{'CPU':>6s}")
    for trigger in options.triggers.split(","):
        with tempfile.TemporaryDirectory() as folder:
            found, cpu = latencies(Path(folder), trigger, options.warm, options.seconds)
        median, most = statistics.median(found), statistics.quantiles(found, n=10)[-1]
        print(f"{trigger:18s}{len(found):8d}{median:10.2f}{most:10.2f}{cpu:6.2f}", flush=True)
        at_most(f"trigger {trigger}: median seconds to the sink", median, 1.2)


if __name__ == "__main__":
    main()
