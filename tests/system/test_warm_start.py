"""History of a real Prometheus, a state warmed up by it, and a daemon on a real broker that goes on."""

import csv
import math
import subprocess
import time
from pathlib import Path

import pytest

from tests import components
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.daemon import ewad
from tests.system.prometheus import scraping

pytestmark = pytest.mark.system

SETTINGS = """
[[stream]]
name = "t"
topic = "site/{room}/t"
model = "m"
[model.m]
lags = 4
horizons = [1, 3]
experts = ["linear"]
interval = 0.9
[state]
path = "ewad.db"
"""
ROOMS = {"hall": 20.0, "attic": -5.0}
N = 240


def history(now: float) -> dict[tuple[str, float], float]:
    """Return the value of each room at each minute of four hours, which end a minute ago."""
    return {
        (room, now - 60.0 * (N - i)): level + 5.0 * math.sin(2.0 * math.pi * i / 24.0)
        for room, level in ROOMS.items()
        for i in range(N)
    }


def blocks_of(samples: dict[tuple[str, float], float], folder: Path) -> None:
    """Write the samples as blocks of a Prometheus, as `promtool` makes them of OpenMetrics."""
    promtool = components.program("promtool", "Debian's prometheus")
    lines = [
        f'temperature{{room="{room}",job="x"}} {value!r} {moment!r}\n'
        for (room, moment), value in samples.items()
    ]
    openmetrics = folder.with_suffix(".om")
    openmetrics.write_text("# TYPE temperature gauge\n" + "".join(lines) + "# EOF\n")
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", openmetrics, folder]
    subprocess.run(command, check=True, capture_output=True)


def rows(path: Path) -> dict[tuple[str, float], float]:
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    found = {(row["stream"], float(row["time"])): float(row["value"]) for row in table}
    assert len(found) == len(table)  # none twice
    return found


def test_a_daemon_forecasts_at_its_first_live_sample_from_what_prometheus_had(tmp_path: Path) -> None:
    samples = history(math.floor(time.time() / 60.0) * 60.0)
    folder = tmp_path / "prometheus"
    folder.mkdir()
    blocks_of(samples, folder / "data")
    with (
        scraping(folder, "127.0.0.1:1") as prometheus,
        mosquitto.running(tmp_path / "mosquitto") as broker,
    ):
        daemon = daemons.Daemon(tmp_path / "ewad", f"mqtt://127.0.0.1:{broker.port}", SETTINGS)
        state = tmp_path / "ewad" / "ewad.db"

        def warm_up(name: str) -> tuple[str, dict[tuple[str, float], float]]:
            done = ewad(
                "replay", "-c", daemon.config, "--state", state, "-o", tmp_path / name,
                "--from-prometheus", prometheus.url, "--query", "temperature", "--last", "6h", "--step", "1m",
                "--stream-column", "room", "--stream-name", "site/{room}/t", "--results-time-format", "unix",
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stderr, rows(tmp_path / name)

        _, kept = warm_up("first.csv")
        for (room, moment), value in samples.items():
            assert kept[f"site/{room}/t", moment] == value
        # a second time nothing is taken again; a minute may have begun meanwhile
        said, further = warm_up("second.csv")
        assert f"left out: {len(kept)} that the state file has already" in said
        assert not kept.keys() & further.keys()

        daemon.start()
        try:
            for room, level in ROOMS.items():
                labels = {"stream": f"site/{room}/t", "room": room, "group": "t"}
                n = sum(stream == labels["stream"] for stream, _ in [*kept, *further])
                assert daemon.value("ewad_samples_total", **labels) == n
                daemon.until_ready()
                broker.publish(labels["stream"], repr(level))
                daemon.until_value("ewad_samples_total", n + 1.0, **labels)
                assert daemon.value("ewad_value", **labels) == level
                for horizon in "13":
                    lower, forecast, upper = (
                        daemon.value(f"ewad_forecast_{name}value", horizon=horizon, **labels)
                        for name in ("lower_", "", "upper_")
                    )
                    assert level - 20.0 < lower < forecast < upper < level + 20.0
            assert daemon.end() == 0, daemon.stderr
        finally:
            daemon.kill()
