"""What devices say outlasts SIGHUP and a kill: zones, presets, records, states, births, totals."""

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.ingest.formats.test_sparkplug import metric, payload
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.daemon import Daemon
from tests.system.mosquitto import Mosquitto
from tests.system.polling import until
from tests.system.publisher import publish

pytestmark = pytest.mark.system

BLOCKS = """
[[stream]]
name = "zone"
topic = "zone/{device}"
format = "json"
field = "power"
time_field = "at"
time_zone = "Asia/Tokyo"

[[stream]]
name = "records"
topic = "kepware/{line}"
format = "json"
records = "values"
labels = { sensor = "id" }
field = "v"
time_field = "t"

[[stream]]
preset = "rtl_433"

[[stream]]
name = "states"
topic = "door/{door}"
states = { OPEN = 1, SHUT = 0 }

[[stream]]
name = "held"
topic = "held/{device}"
half_life = "1000h"
hold = true

[[stream]]
name = "meter"
topic = "meter/{meter}"
format = "json"
field = "total"
time_field = "at"
kind = "counter"

[[stream]]
name = "packs"
topic = "packs/{device}"
format = "senml"

[[stream]]
name = "bounded"
topic = "bounded/{host}"
format = "json"
labels = { id = "id" }
field = "v"
max_streams = 2

[[stream]]
name = "plant"
topic = "spBv1.0/{group_id}/+/{edge_node}/#"
format = "sparkplug"
"""
NODE = "spBv1.0/g/{}/press"
METRICS = (
    metric(name="Speed", alias=1, kind=3, value=(10, -7)),
    metric(name="Heat", alias=2, kind=10, value=(11, 9)),
)


class Devices:
    """Devices of each family, that tell a further value each time, at a further second."""

    def __init__(self, broker: Mosquitto) -> None:
        self.port, self.told, self.births = broker.port, 0, 0
        self.start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)

    def be_born(self) -> None:
        """Tell what the aliases of the node mean."""
        self.births += 1
        publish(self.port, [(NODE.format("NBIRTH"), payload(*METRICS, sequence=self.told))], qos=1)

    def tell(self, n: int = 1) -> None:
        """Say what is next, n times."""
        for _ in range(n):
            self.told += 1
            publish(self.port, self._messages(float(self.told)), qos=1)

    def _messages(self, v: float) -> list[tuple[str, bytes]]:
        at = self.start + timedelta(seconds=v)
        local = at.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%Y-%m-%dT%H:%M:%S")
        list_ = [{"id": f"{line}.temp", "v": v, "t": int(at.timestamp() * 1000)} for line in "ab"]
        documents = {
            "zone/plug": {"at": local, "power": v},
            "kepware/hall": {"values": list_},
            "meter/gas": {"at": at.timestamp(), "total": 5.0 * v},
            "rtl_433/host/events": {"model": "Prologue-TH", "id": 5, "temperature_C": v},
            "packs/roof": [{"bn": "urn:x:", "bt": at.timestamp(), "n": "t1", "v": v}, {"n": "t2", "v": -v}],
        } | {f"bounded/h{host}": {"id": host, "v": v} for host in range(4)}
        plain = {"door/front": "OPEN" if v % 2 else "SHUT", "held/tank": str(10.0 * v)}
        data = payload(
            metric(alias=1, value=(10, -int(v))), metric(alias=2, value=(11, int(v))), sequence=int(v)
        )
        return [
            *((topic, json.dumps(document).encode()) for topic, document in documents.items()),
            *((topic, text.encode()) for topic, text in plain.items()),
            (NODE.format("NDATA"), data),
        ]


def expected(daemon: Daemon, devices: Devices) -> None:
    """Wait until each stream has as many samples as its device has told, and see what they are."""
    v = float(devices.told)
    values = {
        ("zone", "device", "plug"): v,
        ("records", "sensor", "a.temp"): v,
        ("records", "sensor", "b.temp"): v,
        ("rtl_433.events", "id", "5"): v,
        ("states", "door", "front"): v % 2,
        ("held", "device", "tank"): 10.0 * v,
        ("packs", "stream", "packs/roof/urn:x:t1"): v,
        ("packs", "stream", "packs/roof/urn:x:t2"): -v,
        ("bounded", "id", "0"): v,
        ("bounded", "id", "1"): v,
        ("plant", "field", "Speed"): -v,
        ("plant", "field", "Heat"): v,
    }
    values["meter", "meter", "gas"] = 5.0  # a second; the first total tells no rate
    for (group, label, value), number in values.items():
        more = {"plant": devices.births, "meter": -1}.get(group, 0)
        daemon.until_value("ewad_samples_total", v + more, group=group, **{label: value})
        assert daemon.value("ewad_value", group=group, **{label: value}) == number, group
    time = daemon.value("ewad_last_sample_timestamp_seconds", group="zone")
    assert time == (devices.start + timedelta(seconds=v)).timestamp()
    assert daemon.total("ewad_messages_rejected_total") == daemon.value(
        "ewad_messages_rejected_total", reason="stream_limit"
    ), daemon.stderr


def limits_told(daemon: Daemon) -> int:
    return daemon.stderr.count("stream refused")


def reload(daemon: Daemon, old: str, new: str) -> None:
    text = daemon.config.read_text()
    assert old in text
    daemon.config.write_text(text.replace(old, new, 1))
    seen = daemon.stderr.count("reload")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.stderr.count("reload") > seen, lambda: daemon.stderr)
    daemon.until_value("ewad_config_last_reload_successful", 1)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto.running(tmp_path / "mosquitto") as started:
        yield started


def test_what_devices_say_outlasts_a_reload_and_a_kill(tmp_path: Path, broker: Mosquitto) -> None:
    settings = BLOCKS + f'[state]\npath = "{tmp_path / "ewad.db"}"\n'
    with daemons.running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", settings) as daemon:
        devices = Devices(broker)
        devices.be_born()
        devices.tell(3)
        expected(daemon, devices)
        assert limits_told(daemon) == 1
        assert 'stream "bounded".max_streams=2' in daemon.stderr
        # groups change their numbers, and a setting of one of them
        reload(daemon, "[[stream]]", '[[stream]]\nname = "extra"\ntopic = "extra/#"\n[[stream]]')
        reload(daemon, "hold = true", 'hold = true\nstale_after = "1h"')
        devices.tell(3)
        expected(daemon, devices)
        assert limits_told(daemon) == 1
        daemon.kill()
        devices.tell(2)  # the broker keeps them
        daemon.start()
        daemon.until_ready()
        devices.tell(1)
        expected(daemon, devices)


KINDS = """
[[stream]]
name = "wind"
topic = "wind"
kind = "circular"
period = 360
beta = [0.9]

[[stream]]
name = "gas"
topic = "gas"
format = "json"
field = "total"
time_field = "at"
kind = "counter"
per = "1h"

[[stream]]
name = "held"
topic = "held"
half_life = "1s"
hold = true

[[stream]]
name = "codes"
topic = "codes"
valid = [-40, 80]
ignore = [21]
"""


def test_directions_totals_held_values_and_codes_are_what_they_mean(
    tmp_path: Path, broker: Mosquitto
) -> None:
    start = int(datetime.now(UTC).timestamp()) - 4 * 3600
    totals = [100.0, 104.0, 1.0, 3.0]  # an hour apart; the meter begins anew before the third one
    messages = [("wind", str(direction)) for direction in (350, 355, 5, 10, 2, 358, 1, 359)]
    messages += [("gas", f'{{"at": {start + 3600 * n}, "total": {total}}}') for n, total in enumerate(totals)]
    messages += [("held", "10"), *(("codes", text) for text in ("20", "-127", "21", "20.5"))]
    with daemons.running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", KINDS) as daemon:
        publish(broker.port, [(topic, text.encode()) for topic, text in messages], qos=1)
        daemon.until_value("ewad_samples_total", 2.0, stream="codes")
        direction = daemon.value("ewad_smoothed_value", stream="wind")
        assert direction == pytest.approx(0.32, abs=0.05)
        assert daemon.value("ewad_samples_total", stream="gas") == 3
        assert daemon.value("ewad_value", stream="gas") == 2.0
        assert daemon.value("ewad_messages_rejected_total", reason="invalid_value") == 2
        publish(broker.port, [("held", b"20")], qos=1)
        daemon.until_value("ewad_value", 20.0, stream="held")
        # nothing more is told, and the average moves on
        daemon.until_at_least("ewad_smoothed_value", 19.0, stream="held")
