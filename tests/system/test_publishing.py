"""[publish] on a real broker: what others see of streams, of the daemon's end, and of what is forgotten."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ewad.ingest.mqtt.settings import BrokerSettings
from ewad.outputs.mqtt import client
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.certificates import make_certificates
from tests.system.polling import until
from tests.system.publisher import publish

pytestmark = pytest.mark.system

SETTINGS = """
[[stream]]
name = "plant"
topic = "plant/{{room}}/t"
unit = "celsius"
beta = [0.5]
model = "m"
{block}

[model.m]
experts = ["persistence"]
lags = 1
horizons = [1, 3]
interval = 0.9

[publish]
topic = "out/{{group}}/{{room}}/{{stream}}"
availability_topic = "out/there"
{publish}
"""


class Subscriber:
    """What a client of the broker has seen: topic -> the payloads in order, None for an empty one."""

    def __init__(self, broker: mosquitto.Mosquitto) -> None:
        command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", "out/#", "-q", "1"]
        command += ["-t", "homeassistant/#"]
        self._file = broker.directory / "seen"
        with self._file.open("wb") as seen:
            self.process = subprocess.Popen([*command, "-F", "%t %p"], stdout=seen)

    @property
    def seen(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in self._file.read_text().splitlines():
            topic, _, payload = line.partition(" ")
            found.setdefault(topic, []).append(payload)
        return found

    def until(self, topic: str, expected: object) -> None:
        """Wait until the last payload of the topic is this, or its document has this value."""

        def last() -> object:
            payload = self.seen.get(topic, [None])[-1]
            return json.loads(payload).get("value") if payload and payload.startswith("{") else payload

        until(lambda: last() == expected, lambda: f"{topic}: {self.seen.get(topic)} of {[*self.seen]}")

    def documents(self, topic: str) -> list[dict]:
        return [json.loads(payload) for payload in self.seen[topic] if payload]


@contextmanager
def subscribed(broker: mosquitto.Mosquitto) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker)
    try:
        yield subscriber
    finally:
        subscriber.process.kill()
        subscriber.process.wait()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[mosquitto.Mosquitto]:
    with mosquitto.running(tmp_path / "broker", persistence=True) as started:
        yield started


def running(path: Path, broker: mosquitto.Mosquitto, publish: str = "", block: str = "", **options: object):
    settings = SETTINGS.format(publish=publish, block=block)
    return daemons.running(path, f"mqtt://127.0.0.1:{broker.port}", settings, **options)


TOPIC = "out/plant/hall/plant/hall/t"
TIMED = 'format = "json"\nfield = "v"\ntime_field = "ts"\nstale_after = "36500d"'


def test_a_stream_s_state_is_a_document_on_a_topic_of_its_own(tmp_path, broker) -> None:
    with subscribed(broker) as subscriber, running(tmp_path, broker) as daemon:
        subscriber.until("out/there", "online")
        for value in (10, 20, 30, 20):
            publish(broker.port, [("plant/hall/t", b"%d" % value)], qos=1)
            subscriber.until(TOPIC, value)
        document = subscriber.documents(TOPIC)[-1]
        assert document["labels"] == {"room": "hall"}
        assert (document["group"], document["stream"], document["unit"]) == (
            "plant",
            "plant/hall/t",
            "celsius",
        )
        assert document["time"] == pytest.approx(daemon.value("ewad_last_sample_timestamp_seconds"))
        assert document["smoothed"] == {"0.5": pytest.approx(daemon.value("ewad_smoothed_value", beta="0.5"))}
        assert document["stddev"] == {"0.5": pytest.approx(daemon.value("ewad_smoothed_stddev", beta="0.5"))}
        assert document["forecast"]["3"]["value"] == daemon.value("ewad_forecast_value", horizon="3")
        assert set(document["forecast"]["1"]) == {"value", "lower", "upper", "skill"}
        daemon.until_value("ewad_sink_samples_total", 4.0, sink="publish")
        assert daemon.end() == 0
        subscriber.until("out/there", "offline")


def test_labels_with_what_no_topic_may_have_cost_no_connection(tmp_path, broker) -> None:
    block = 'format = "json"\nfield = "v"\nlabels = { id = "id" }'
    names = {
        "a+b": "a%2Bb",
        "x#y": "x%23y",
        "s/t": "s%2Ft",
        "n\0l": "n%00l",
        "b\7l": "b%07l",
        'q"ö\\': 'q"ö\\',
    }
    with subscribed(broker) as subscriber, running(tmp_path, broker, block=block):
        subscriber.until("out/there", "online")
        for number, (name, written) in enumerate(names.items()):
            document = json.dumps({"v": number, "id": name}).encode()
            publish(broker.port, [("plant/hall/t", document)], qos=1)
            subscriber.until(f"{TOPIC}/{written}", number)
            assert subscriber.documents(f"{TOPIC}/{written}")[-1]["labels"] == {"room": "hall", "id": name}
        assert subscriber.seen["out/there"] == ["online"]


def test_the_whole_forecast_is_a_list_on_a_topic_of_its_own(tmp_path, broker) -> None:
    curve = 'forecast_topic = "out/curve/{stream}"'
    with (
        subscribed(broker) as subscriber,
        running(tmp_path, broker, publish=curve, block=TIMED) as daemon,
    ):
        subscriber.until("out/there", "online")
        for second, value in enumerate((10, 20, 30, 20)):
            publish(
                broker.port, [("plant/hall/t", b'{"v":%d,"ts":%d}' % (value, 1.7e9 + 10 * second))], qos=1
            )
            subscriber.until(TOPIC, value)
        until(
            lambda: len(subscriber.seen.get("out/curve/plant/hall/t", [])) == 3,  # none of the first sample
            lambda: f"{[*subscriber.seen]}",
        )
        *_, last = map(json.loads, subscriber.seen["out/curve/plant/hall/t"])
        assert [each["time"] for each in last] == [1.7e9 + 40, 1.7e9 + 60]
        assert [set(each) for each in last] == [{"time", "value", "lower", "upper"}] * 2
        path = "/api/v1/streams/plant/hall/t/forecast"
        expected = json.loads(daemon.get(path)[1])["forecast"]
        assert last == [{key: each[key] for key in ("time", "value", "lower", "upper")} for each in expected]


def test_a_template_may_have_every_label(tmp_path, broker) -> None:
    block = TIMED + '\nlabels = { unit = "unit" }'
    topic = 'forecast_topic = "out/{unit}/{room}/{group}/{absent}/{stream}"'
    with subscribed(broker) as subscriber, running(tmp_path, broker, publish=topic, block=block):
        subscriber.until("out/there", "online")
        both = [("plant/hall/t", b'{"v":1,"ts":%d,"unit":"C"}' % second) for second in (1, 2)]
        publish(broker.port, both, qos=1)
        until(lambda: len(subscriber.seen) == 3, lambda: f"{[*subscriber.seen]}")
        name = "plant/hall/t/C"
        expected = {"out/there", f"out/plant/hall/{name}", f"out/C/hall/plant//{name}"}
        assert set(subscriber.seen) == expected


def test_a_stream_that_is_forgotten_after_a_restart_leaves_nothing_at_the_broker(tmp_path, broker) -> None:
    block = 'stale_after = "1s"\nforget_after = "6s"'  # later than all is seen, on a busy machine too
    everything = 'forecast_topic = "out/{room}/curve/{stream}"\nhome_assistant = true'
    publish_and_state = f'{everything}\n[state]\npath = "{tmp_path}/ewad.db"'
    with running(tmp_path, broker, clean=False, block=block, publish=publish_and_state) as daemon:
        with subscribed(broker) as subscriber:
            publish(broker.port, [("plant/hall/t", b"6"), ("plant/hall/t", b"7")], qos=1)
            subscriber.until(TOPIC, 7)
            until(lambda: len(subscriber.seen) == 4, lambda: f"{[*subscriber.seen]}")
            daemon.kill()
        daemon.start()
        with subscribed(broker) as subscriber:
            emptied = lambda: [seen[-1] for seen in subscriber.seen.values()].count("")  # noqa: E731
            until(lambda: emptied() == 3, lambda: f"{[*subscriber.seen]}")
    with subscribed(broker) as late:
        late.until("out/there", "offline")
        assert set(late.seen) == {"out/there"}


def test_a_kill_before_a_state_could_be_published_is_made_up_for(tmp_path, broker) -> None:
    away = mosquitto.Mosquitto(tmp_path / "away", persistence=True)
    settings = f'url = "mqtt://127.0.0.1:{away.port}"\nhome_assistant = true\n[state]'
    with running(tmp_path, broker, clean=False, publish=settings) as daemon:
        publish(broker.port, [("plant/hall/t", b"6"), ("plant/hall/t", b"7")], qos=1)
        daemon.until_value("ewad_value", 7)
        until(lambda: daemon.value("ewad_state_commit_seconds_count") > 0, lambda: daemon.stderr)
        daemon.kill()
        away.start()
        daemon.start()
        try:
            with subscribed(away) as subscriber:
                subscriber.until(TOPIC, 7)
                document = subscriber.documents(TOPIC)[-1]
                smoothed = daemon.value("ewad_smoothed_value")
                assert document["smoothed"] == {"0.5": pytest.approx(smoothed)}
                assert set(document["forecast"]["1"]) == {"value", "lower", "upper", "skill"}
                until(lambda: any(t.startswith("homeassistant/") for t in subscriber.seen))
        finally:
            daemon.end()
            away.kill()


@pytest.mark.parametrize("form", ["device", "single"])
def test_what_a_reload_drops_is_taken_back(tmp_path, broker, form) -> None:
    discovery = f'home_assistant = true\ndiscovery = "{form}"\nforecast_topic = "out/c/{{stream}}"'
    with (
        subscribed(broker) as subscriber,
        running(tmp_path, broker, publish=discovery) as daemon,
    ):
        subscriber.until("out/there", "online")
        publish(broker.port, [("plant/hall/t", b"7"), ("plant/cellar/t", b"8")], qos=1)
        subscriber.until("out/plant/cellar/plant/cellar/t", 8)
        until(
            lambda: any(t.startswith("homeassistant/") for t in subscriber.seen),
            lambda: f"{[*subscriber.seen]}",
        )
        before = daemon.config.read_text()
        after = before.replace("horizons = [1, 3]", "horizons = [1]").replace("out/c/", "out/curve/")
        daemon.config.write_text(after.replace('topic = "plant/{room}/t"', 'topic = "plant/hall/t"'))
        daemon.process.send_signal(signal.SIGHUP)
        subscriber.until("out/plant/cellar/plant/cellar/t", "")
        subscriber.until("out/c/plant/cellar/t", "")
        subscriber.until("out/there", "online")
        publish(broker.port, [("plant/hall/t", b"9")], qos=1)
        subscriber.until("out/plant//plant/hall/t", 9)
    with subscribed(broker) as late:
        late.until("out/there", "offline")
        told = {topic: seen[-1] for topic, seen in late.seen.items() if topic.startswith("homeassistant/")}
        assert len(told) == (1 if form == "device" else 8)
        if form == "device":  # what is gone has to be said of a component
            (device,) = map(json.loads, told.values())
            gone = {key for key, entity in device["components"].items() if entity == {"platform": "sensor"}}
            assert gone == {"forecast_3", "lower_3", "upper_3"}
        else:
            assert "forecast_3" not in "".join(told)
        assert set(late.seen) - set(told) == {
            "out/there",
            "out/plant//plant/hall/t",
            "out/curve/plant/hall/t",
        }


def test_states_stand_on_other_topics_after_a_reload_without_another_sample(tmp_path, broker) -> None:
    with subscribed(broker) as subscriber, running(tmp_path, broker) as daemon:
        publish(broker.port, [("plant/hall/t", b"7"), ("plant/cellar/t", b"8")], qos=1)
        subscriber.until("out/plant/cellar/plant/cellar/t", 8)
        daemon.config.write_text(daemon.config.read_text().replace("out/{group}/{room}/", "out/{room}/"))
        daemon.process.send_signal(signal.SIGHUP)
        subscriber.until("out/hall/plant/hall/t", 7)
        subscriber.until("out/cellar/plant/cellar/t", 8)
        subscriber.until(TOPIC, "")


def test_another_broker_s_certificate_is_checked_and_asked_for_by_files_of_its_own(tmp_path, broker) -> None:
    (folder := tmp_path / "certificates").mkdir()
    made = make_certificates(folder)
    server = {"ca": made.ca, "cert": made.server_cert, "key": made.server_key, "client_certificates": True}
    server["options"] = [f"listener {(plain := mosquitto.free_port())} 127.0.0.1"]  # for the subscriber
    with mosquitto.running(tmp_path / "other", users={"me": "word"}, **server) as other:
        (tmp_path / "word").write_text("word\n")
        lines = [f'url = "mqtts://me@localhost:{other.port}"', f'password_file = "{tmp_path}/word"']
        lines += [f'cert_file = "{made.client_cert}"', f'key_file = "{made.client_key}"']
        foreign = "\n".join([*lines, f'ca_file = "{made.other_ca}"'])
        with running(tmp_path, broker, publish=foreign) as daemon:
            until(lambda: "certificate verify failed" in daemon.stderr, lambda: daemon.stderr)
            assert daemon.value("ewad_mqtt_connected") == 1  # the samples' broker is another
            daemon.config.write_text(daemon.config.read_text().replace(str(made.other_ca), str(made.ca)))
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: "publishing url=mqtts" in daemon.stderr, lambda: daemon.stderr)
            publish(broker.port, [("plant/hall/t", b"7")], qos=1)
            command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(plain), "-t", TOPIC, "-C", "1"]
            told = subprocess.check_output([*command, "-u", "me", "-P", "word"], timeout=120, text=True)
            assert json.loads(told)["value"] == 7


def test_a_killed_daemon_is_offline_and_the_last_states_stay_at_the_broker(tmp_path, broker) -> None:
    with running(tmp_path, broker, clean=False) as daemon:
        publish(broker.port, [("plant/hall/t", b"7")], qos=1)
        with subscribed(broker) as subscriber:
            subscriber.until(TOPIC, 7)
            daemon.kill()
            subscriber.until("out/there", "offline")
    with subscribed(broker) as late:
        late.until(TOPIC, 7)


def test_a_stream_that_is_forgotten_leaves_nothing_at_the_broker(tmp_path, broker) -> None:
    block = 'stale_after = "1s"\nforget_after = "2s"'
    with subscribed(broker) as subscriber, running(tmp_path, broker, block=block) as daemon:
        publish(broker.port, [("plant/hall/t", b"7")], qos=1)
        subscriber.until(TOPIC, 7)
        daemon.until_value("ewad_streams", 0)
        subscriber.until(TOPIC, "")
    with subscribed(broker) as late:
        late.until("out/there", "offline")
        assert TOPIC not in late.seen


def test_no_state_is_lost_over_a_restart_of_the_broker(tmp_path, broker) -> None:
    with running(tmp_path, broker) as daemon:
        publish(broker.port, [("plant/hall/t", b"1")], qos=1)
        daemon.until_value("ewad_value", 1)
        broker.stop()
        broker.start()
        daemon.until_value("ewad_mqtt_connected", 1)
        publish(broker.port, [(f"plant/{n}/t", b"5") for n in range(300)] + [("plant/hall/t", b"2")], qos=1)
        with subscribed(broker) as subscriber:
            subscriber.until("out/there", "online")
            subscriber.until(TOPIC, 2)
            for n in range(300):
                subscriber.until(f"out/plant/{n}/plant/{n}/t", 5)


def test_what_is_published_just_before_the_end_is_sent_once_there_is_a_connection(
    tmp_path, broker, monkeypatch
) -> None:
    monkeypatch.setattr(client, "CLOSE_SECONDS", 60.0)
    with subscribed(broker) as subscriber:
        settings = BrokerSettings(host="127.0.0.1", port=broker.port)
        publishing = client.PublishingThread(settings, "out/there")
        publishing.start()
        for number in range(20):
            publishing.publish(f"out/{number}", b"20.5", retain=True)
        publishing.close()
        subscriber.until("out/there", "offline")
        until(lambda: len(subscriber.seen) == 21, lambda: f"{[*subscriber.seen]}")


def test_a_thread_that_publishes_tells_whether_the_broker_has_all(tmp_path) -> None:
    with mosquitto.running(tmp_path / "broker", persistence=True) as broker:
        publishing = client.PublishingThread(BrokerSettings(host="127.0.0.1", port=broker.port), "out/there")
        publishing.start()
        assert publishing.flush(60.0)
        for number in range(500):
            publishing.publish(f"out/{number}", b"20.5", retain=True)
        assert publishing.flush(60.0)
        with subscribed(broker) as subscriber:  # all are retained by now
            until(lambda: len(subscriber.seen) == 501, lambda: f"{len(subscriber.seen)}")
    publishing.publish("out/0", b"21.0", retain=True)
    assert not publishing.flush(0.1)
    publishing.close()


def test_a_small_change_waits_for_the_interval(tmp_path, broker) -> None:
    with (
        subscribed(broker) as subscriber,
        running(tmp_path, broker, publish='deadband = 1.0\ninterval = "1s"'),
    ):
        subscriber.until("out/there", "online")
        for value in (10, 10.5, 12, 12.4):  # the second and the fourth are held back
            publish(broker.port, [("plant/hall/t", b"%r" % value)], qos=1)
            subscriber.until(TOPIC, value)
        assert [document["value"] for document in subscriber.documents(TOPIC)] == [10, 10.5, 12, 12.4]


def test_without_an_interval_a_small_change_is_not_published(tmp_path, broker) -> None:
    with subscribed(broker) as subscriber, running(tmp_path, broker, publish="deadband = 1.0") as daemon:
        subscriber.until("out/there", "online")
        for number, value in enumerate((10, 10.5, 12)):
            publish(broker.port, [("plant/hall/t", b"%r" % value)], qos=1)
            daemon.until_value("ewad_samples_total", number + 1)
        subscriber.until(TOPIC, 12)
        assert [document["value"] for document in subscriber.documents(TOPIC)] == [10, 12]


@pytest.mark.parametrize("form", ["device", "single"])
def test_home_assistant_is_told_of_a_stream_until_it_is_forgotten(tmp_path, broker, form) -> None:
    block = 'stale_after = "1s"\nforget_after = "6s"'  # later than all is seen, on a busy machine too
    discovery = f'home_assistant = true\ndiscovery = "{form}"'
    with (
        subscribed(broker) as subscriber,
        running(tmp_path, broker, publish=discovery, block=block) as daemon,
    ):
        subscriber.until("out/there", "online")
        publish(broker.port, [("plant/hall/t", b"7")], qos=1)
        subscriber.until(TOPIC, 7)
        told = {topic: seen for topic, seen in subscriber.seen.items() if topic.startswith("homeassistant/")}
        assert len(told) == (1 if form == "device" else 11)
        publish(broker.port, [("homeassistant/status", b"online")])
        topic = next(iter(told))
        until(lambda: len(subscriber.seen[topic]) == 2, lambda: daemon.stderr)
        assert len(set(subscriber.seen[topic])) == 1
        for each in told:
            subscriber.until(each, "")
    with subscribed(broker) as late:
        late.until("out/there", "offline")
        assert set(late.seen) == {"out/there"}
