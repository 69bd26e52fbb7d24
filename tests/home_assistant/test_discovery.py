"""What a real Home Assistant makes of ewad: its entities, their states, and that nothing is left behind."""

import math
import signal
from pathlib import Path

import pytest

from tests.home_assistant import hass
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.publisher import publish

pytestmark = [pytest.mark.system, pytest.mark.slow]

SETTINGS = """
[[stream]]
name = "plant"
topic = "plant/{{room}}/t"
unit = "{unit}"
beta = [0.5]
model = "m"

[model.m]
experts = ["persistence", "linear"]
lags = 2
horizons = [1, 3]
interval = 0.9

[publish]
topic = "out/{{stream}}"
availability_topic = "out/there"
home_assistant = true
discovery = "{form}"
"""
SENSORS = ("value", "smoothed_0_5", "deviation_0_5")
AHEAD = ("forecast", "lower", "upper")


def entities(stream: str, horizons: tuple[int, ...] = (1, 3)) -> set[str]:
    """Return the entity ids of a stream, as Home Assistant makes them of the names."""
    device = stream.replace("/", "_")
    names = [*SENSORS, *(f"{name}_{horizon}" for name in AHEAD for horizon in horizons)]
    problems = {f"binary_sensor.{device}_{name}" for name in ("anomaly", "stuck")}
    return {f"sensor.{device}_{name}" for name in names} | problems


def is_known(entity: str, state: str) -> bool:
    if entity.startswith("binary_sensor."):
        return state in ("on", "off")
    try:
        return math.isfinite(float(state))
    except ValueError:
        return False


@pytest.mark.parametrize(
    ("form", "unit", "kelvins"), [("device", "celsius", 1.0), ("single", "fahrenheit", 5 / 9)]
)
def test_entities_come_have_numbers_and_go(tmp_path: Path, form: str, unit: str, kelvins: float) -> None:
    with (
        mosquitto.running(tmp_path / "broker") as broker,
        hass.running(tmp_path / "hass", broker.port) as home,
        daemons.running(
            tmp_path / "ewad",
            f"mqtt://127.0.0.1:{broker.port}",
            SETTINGS.format(form=form, unit=unit),
            environ={"EWAD_HTTP__LISTEN": f"127.0.0.1:{mosquitto.free_port()}"},
            clean=False,
        ) as daemon,
    ):

        def feed(*rooms: str) -> None:
            for n in range(40):
                publish(broker.port, [(f"plant/{room}/t", b"%d" % (20 + n * 7 % 5)) for room in rooms], qos=1)

        def until_states(expected: set[str], known: bool) -> None:
            """Wait until there are these entities alone, and all of them are known, or unavailable."""

            def right() -> bool:
                states = {name: found["state"] for name, found in home.states().items()}
                return set(states) == expected and all(
                    is_known(name, state) if known else state == "unavailable"
                    for name, state in states.items()
                )

            home.until(right, f"{sorted(expected)} known={known}, got {home.states()}")

        feed("hall", "cellar")
        both = entities("plant/hall/t") | entities("plant/cellar/t")
        until_states(both, known=True)
        value = home.states()["sensor.plant_hall_t_value"]
        assert value["attributes"]["unit_of_measurement"] == "°C"
        assert value["attributes"]["device_class"] == "temperature"
        assert value["attributes"]["state_class"] == "measurement"
        if unit == "celsius":  # which a new Home Assistant shows temperatures in
            assert float(value["state"]) == daemon.value("ewad_value", stream="plant/hall/t")
        deviation = home.states()["sensor.plant_hall_t_deviation_0_5"]
        assert deviation["attributes"]["unit_of_measurement"] == "K"
        stddev = daemon.value("ewad_smoothed_stddev", stream="plant/hall/t")
        assert float(deviation["state"]) == pytest.approx(stddev * kelvins)

        daemon.kill()
        until_states(both, known=False)
        daemon.start()
        until_states(both, known=True)

        text = daemon.config.read_text()
        daemon.config.write_text(text.replace("{room}", "{place}").replace("[1, 3]", "[1]"))
        daemon.process.send_signal(signal.SIGHUP)
        feed("hall", "cellar")
        until_states(entities("plant/hall/t", (1,)) | entities("plant/cellar/t", (1,)), known=True)

        forgotten = daemons.ewad("ctl", "-c", daemon.config, "forget", "plant/cellar/t", **daemon.environ)
        assert forgotten.returncode == 0, forgotten.stderr
        until_states(entities("plant/hall/t", (1,)), known=True)

        assert daemon.end() == 0
        until_states(entities("plant/hall/t", (1,)), known=False)
