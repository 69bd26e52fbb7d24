"""CPU per message of `ewad run` and its peers behind a mosquitto at full speed, beside mosquitto's own."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.bench.brokers import Broker, Load, find, free_port, under_load
from tests.bench.measure import at_most

SMOOTHING = """
[mqtt]
url = "mqtt://127.0.0.1:{port}"
qos = {qos}
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

STATE = '[state]\npath = "{}/ewad.db"\n'


def ewad(model: str, directory: Path, port: int, qos: int) -> list[str]:
    """Return the command of the daemon, for smoothing alone or with a model."""
    config = directory / "ewad.toml"
    config.write_text(SMOOTHING.format(port=port, qos=qos, model=model, http=free_port()))
    return [sys.executable, "-m", "ewad", "run", "-c", str(config)]


def gateway(directory: Path, port: int, qos: int) -> list[str]:
    """Return the command of the gateway: eight shards, everything on the disk before it is acknowledged."""
    ewad("", directory, port, qos)
    config = directory / "ewad.toml"
    config.write_text(config.read_text() + '[shard]\ncount = 8\n[state]\ncommit_interval = "250ms"\n')
    return [sys.executable, "-m", "ewad", "gateway", "-c", str(config), "--log", str(directory / "log")]


def mosquitto_sub(directory: Path, port: int, qos: int) -> list[str] | None:
    """Return the command of the C subscriber; it prints to nowhere."""
    program = find("mosquitto_sub")
    return program and [program, "-p", str(port), "-q", str(qos), "-t", "bench/#", "-V", "5"]  # type: ignore


def go_exporter(directory: Path, port: int, qos: int) -> list[str] | None:
    """Return the command of Debian's prometheus-mqtt-exporter (Go)."""
    program = find("prometheus-mqtt-exporter", "mqtt-exporter")
    if program is None:
        return None
    config = directory / "exporter.yaml"
    config.write_text(
        textwrap.dedent(f"""\
        mqtt:
          server: tcp://127.0.0.1:{port}
          topic_path: bench/+/temperature
          device_id_regex: "bench/(?P<deviceid>[^/]*)/.*"
          qos: {qos}
          client_id: exporter
        cache:
          timeout: 24h
        json_parsing:
          separator: .
        metrics:
          - prom_name: temperature
            mqtt_name: temperature
            help: temperature
            type: gauge
        """)
    )
    return [program, "-config", str(config), "-listen-address", "127.0.0.1", "-listen-port", str(free_port())]


def collectd(directory: Path, port: int, qos: int) -> list[str] | None:
    """Return the command of collectd with its mqtt and write_prometheus plugins."""
    program = find("collectd")
    if program is None:
        return None
    config = directory / "collectd.conf"
    config.write_text(
        textwrap.dedent(f"""\
        BaseDir "{directory}"
        PIDFile "{directory}/collectd.pid"
        TypesDB "/usr/share/collectd/types.db"
        LoadPlugin mqtt
        LoadPlugin write_prometheus
        <Plugin mqtt>
          <Subscribe "bench">
            Host "127.0.0.1"
            Port {port}
            QoS {qos}
            Topic "bench/#"
          </Subscribe>
        </Plugin>
        <Plugin write_prometheus>
          Port "{free_port()}"
        </Plugin>
        """)
    )
    return [program, "-f", "-C", str(config)]


GO_EXPORTER = "mqtt exporter (Go)"
TARGETS = {
    "ewad, smoothing": (0.10, 0.12),
    "ewad, with [state]": (0.10, 0.12),
    "ewad, linear model": (0.15, 0.16),
}  # QoS 0, QoS 1
SUBSCRIBERS: dict[str, Callable[[Path, int, int], list[str] | None]] = {
    "ewad, smoothing": lambda *at: ewad("", *at),
    "ewad, with [state]": lambda directory, *at: ewad(STATE.format(directory), directory, *at),
    "ewad, linear model": lambda *at: ewad(MODEL, *at),
    "ewad, gateway": gateway,
    "mosquitto_sub (C)": mosquitto_sub,
    GO_EXPORTER: go_exporter,
    "collectd (C)": collectd,
}


def received(config: Path) -> int:
    """Return how many messages the daemon of this configuration says it received."""
    address = config.read_text().rpartition('listen = "')[2].partition('"')[0]
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return int(
        float(next(line.split()[1] for line in lines if line.startswith("ewad_messages_received_total")))
    )


def measure(name: str, qos: int, n: int, warmup: int) -> Load | None:
    """Return what n messages cost one subscriber behind a fresh broker; None if it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        broker = Broker(directory)
        try:
            command = SUBSCRIBERS[name](directory, broker.port, qos)
            if command is None:
                return None
            lost: Callable[[], int] | None = None
            if name.startswith("ewad"):
                lost = lambda: warmup + n - received(directory / "ewad.toml")  # noqa: E731
            return under_load(command, broker, qos, n, warmup, lost)
        finally:
            broker.stop()


def main(arguments: list[str] | None = None) -> None:
    """Print a table of medians: microseconds of CPU per message, the ratio to mosquitto's, and losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="subscribers whose name contains this")
    options = parser.parse_args(arguments)
    print(f"CPU per message, {options.messages} messages on 1,000 topics, medians of {options.runs} runs")
    heads = (
        ("qos", 4),
        ("us", 8),
        ("mosquitto us", 14),
        ("ratio", 8),
        ("messages/s", 12),
        ("MiB", 6),
        ("lost", 6),
    )
    print(" " * 22 + "".join(head.rjust(width) for head, width in heads))
    for qos in (0, 1):
        runs: dict[str, list[Load]] = {name: [] for name in SUBSCRIBERS if options.only in name}
        for _ in range(options.runs):
            for name, loads in runs.items():
                load = measure(name, qos, options.messages, 50_000)
                loads += [load] if load else []
        for name, loads in runs.items():
            if loads:
                print_row(name, qos, loads)
            else:
                print(f"{name:22s}  not installed")
        judge(qos, runs)


def median(loads: list[Load], of: Callable[[Load], float]) -> float:
    """Return the median of a figure over the runs."""
    return statistics.median(map(of, loads))


def judge(qos: int, runs: dict[str, list[Load]]) -> None:
    """Print the ratios beside what they should be."""
    for name, targets in TARGETS.items():
        loads = runs.get(name)
        if not loads:
            continue
        ratio = median(loads, lambda load: load.subscriber / load.broker)
        at_most(f"{name}, QoS {qos}: of mosquitto's CPU", ratio, targets[qos])
        if peer := runs.get(GO_EXPORTER):
            own, other = (median(each, lambda load: load.subscriber) for each in (loads, peer))
            at_most(f"{name}, QoS {qos}: of the Go exporter's CPU", own / other, 1.0)
        at_most(f"{name}, QoS {qos}: messages lost", max(load.lost or 0 for load in loads), 0)


def print_row(name: str, qos: int, loads: list[Load]) -> None:
    """Print the medians of one subscriber's runs."""

    own = median(loads, lambda load: load.subscriber / load.messages * 1e6)
    broker = median(loads, lambda load: load.broker / load.messages * 1e6)
    ratio = median(loads, lambda load: load.subscriber / load.broker)
    rate = median(loads, lambda load: load.messages / load.seconds)
    lost = "?" if loads[0].lost is None else str(max(load.lost or 0 for load in loads))
    memory = median(loads, lambda load: load.rss_mib)
    print(
        f"{name:22s}{qos:4d}{own:8.2f}{broker:14.2f}{ratio:8.2f}{rate:12.0f}{memory:6.0f}{lost:>6s}",
        flush=True,
    )


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"({time.perf_counter() - started:.0f} s)")
