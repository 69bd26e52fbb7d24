"""Memory and start of `ewad run` behind a mosquitto.

Run: python -m tests.bench.bench_daemon [starts]
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.brokers import Broker, free_port, rss_mib
from tests.system.publisher import publish

CONFIG = """
[mqtt]
url = "mqtt://127.0.0.1:{port}"
qos = 0
session_expiry = "0s"
[[stream]]
name = "bench"
topic = "bench/{{sensor}}/temperature"
beta = [0.9, 0.98]
{model}
[http]
listen = "127.0.0.1:{http}"
"""
MODEL = 'model = "linear"\n[model.linear]\nexperts = ["linear"]\nlags = 24\nbatch_size = 64\n'
PER_STREAM = 30  # samples, more than the 25 before the model learns


@contextmanager
def daemon(broker: Broker, folder: Path, model: str) -> Iterator[tuple[int, str, float]]:
    """Yield process id, address of /metrics and seconds until its first answer."""
    config = folder / "ewad.toml"
    http = free_port()
    config.write_text(CONFIG.format(port=broker.port, http=http, model=model))
    url = f"http://127.0.0.1:{http}/metrics"
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "ewad", "run", "-c", str(config)], stderr=subprocess.DEVNULL
    )
    try:
        while not scrape(url):
            if process.poll() is not None:
                raise SystemExit(f"the daemon ended with status {process.returncode}")
            time.sleep(0.005)
        yield process.pid, url, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()


def scrape(url: str) -> bytes:
    """Return /metrics, empty while nothing listens."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return bytes(answer.read())
    except urllib.error.URLError:
        return b""


def wait_for(url: str, metric: str, value: float) -> None:
    """Return when the metric, one without labels, has the value."""
    line = re.compile(rf"^{metric} (\S+)$".encode(), re.MULTILINE)
    while not (found := line.search(scrape(url))) or float(found[1]) != value:
        time.sleep(1.0)


def memory(n_streams: int, model: str) -> float:
    """Return the resident MiB with so many streams of PER_STREAM samples, after three scrapes."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder))
        try:
            with daemon(broker, Path(folder), model) as (pid, url, _):
                wait_for(url, "ewad_mqtt_connected", 1)
                topics = [f"bench/{i:06d}/temperature" for i in range(n_streams)]
                for turn in range(PER_STREAM):
                    payload = f"{20 + turn % 7}.5".encode()
                    publish(broker.port, [(topic, payload) for topic in topics])
                wait_for(url, "ewad_messages_received_total", n_streams * PER_STREAM)
                for _ in range(3):
                    scrape(url)
                return rss_mib(pid)
        finally:
            broker.stop()


def starts(runs: int) -> list[float]:
    """Return the seconds from process start to the first successful scrape of several starts."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder))
        try:
            found = []
            for _ in range(runs):
                with daemon(broker, Path(folder), MODEL) as (_, _, seconds):
                    found.append(seconds)
            return found
        finally:
            broker.stop()


def main(arguments: list[str] | None = None) -> None:
    """Print memory and start-up beside what is to be reached."""
    arguments = sys.argv[1:] if arguments is None else arguments
    runs = int(arguments[0]) if arguments else 5
    print(f"first scrape       {statistics.median(starts(runs)):6.2f} s, median of {runs}  (to reach: 1.5)")
    for n_streams, model, target in ((1000, "", 90), (1000, MODEL, 90), (100_000, MODEL, 350)):
        kind = "24 lags and a model" if model else "smoothing"
        found = memory(n_streams, model)
        print(f"{n_streams:7,} streams, {kind:20}{found:6.0f} MiB  (to reach: {target})", flush=True)


if __name__ == "__main__":
    main()
