"""`hold = true` over a restart: averages scraped after it are of a value that stood all the while."""

import json
import math
import signal
import time
from pathlib import Path

import pytest

from tests.system import daemon as daemons
from tests.system import mosquitto

pytestmark = pytest.mark.system

HELD = """
[[stream]]
name = "held"
topic = "held"
format = "json"
field = "value"
time_field = "at"
half_life = "10m"
hold = true
"""
CLOCKS_APART = 1.0  # s: the daemon follows the system's clock step by step


def average(first: float, second: float, now: float) -> float:
    """Return the time-weighted average of 10 from the first time on and 20 from the second on."""
    since_first, since_second = (1.0 - math.exp2((start - now) / 600.0) for start in (first, second))
    return (10.0 * (since_first - since_second) + 20.0 * since_second) / since_first


def test_the_average_of_the_case_is_as_it_is_known() -> None:
    assert [round(average(-3600.0, 0.0, now), 3) for now in (0.0, 600.0, 1200.0)] == [10.0, 15.039, 17.529]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_value_is_held_while_the_daemon_is_down(tmp_path: Path, number: int) -> None:
    settings = f'[state]\npath = "{tmp_path / "ewad.db"}"\n{HELD}'
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path / "before", url, settings) as daemon:
            second = time.time() - 600.0
            first = second - 3000.0
            for value, at in ((10.0, first), (20.0, second)):
                broker.publish("held", json.dumps({"value": value, "at": at}))
            daemon.until_value("ewad_samples_total", 2.0)
            daemon.process.send_signal(number)
            daemon.process.wait()
        with daemons.running(tmp_path / "after", url, settings, client_id=daemon.client_id) as successor:
            successor.until_value("ewad_samples_total", 2.0)  # from the state, or sent once more
            earliest = time.time() - CLOCKS_APART
            found = successor.value("ewad_smoothed_value")
            latest = time.time() + CLOCKS_APART
            assert average(first, second, earliest) <= found <= average(first, second, latest)
            assert successor.value("ewad_smoothed_stddev") > 4.9
