"""What Home Assistant is told of a stream: a device, its entities, and what is taken back."""

import dataclasses
import json

import pytest

from ewad.engine import ByCount, ByTime, GroupSettings, ModelSettings
from ewad.outputs.mqtt.devices import Devices
from ewad.outputs.mqtt.home_assistant import Discovery

MODEL = ModelSettings("m", horizons=(1, 6), interval=0.9)
GROUP = GroupSettings("plant", (ByCount(0.9), ByTime(600.0)), model=MODEL, stale_after_seconds=900.0)
STREAM, TOPIC = "site/hall/t", "ewad/site/hall/t"
DEVICE = Discovery("homeassistant", "device", "ewad", "ewad/availability")
SINGLE = dataclasses.replace(DEVICE, form="single")


def told(discovery, group=GROUP, stream=STREAM, unit="celsius"):
    return {
        topic: json.loads(json.dumps(each)) for topic, each in discovery.messages(group, stream, TOPIC, unit)
    }


def test_a_stream_is_a_device_of_one_message_with_an_entity_for_each_number():
    ((topic, document),) = told(DEVICE).items()
    assert topic == f"homeassistant/device/{document['device']['identifiers'][0]}/config"
    assert document["origin"]["name"] == "ewad"
    entities = document["components"]
    assert set(entities) == {
        *("value", "smoothed_0_9", "stddev_0_9", "smoothed_half_life_10m", "stddev_half_life_10m"),
        *("forecast_1", "lower_1", "upper_1", "forecast_6", "lower_6", "upper_6"),
        *("anomaly", "stuck"),
    }
    smoothed = entities["smoothed_0_9"]
    assert smoothed["value_template"] == "{{ value_json.smoothed['0.9'] }}"
    assert (smoothed["unit_of_measurement"], smoothed["device_class"]) == ("°C", "temperature")
    assert smoothed["suggested_display_precision"] == 2
    assert smoothed["state_topic"] == TOPIC
    assert smoothed["availability_topic"] == "ewad/availability"
    assert smoothed["expire_after"] == 900
    for key, path in (("anomaly", "anomalous"), ("stuck", "stuck")):
        assert entities[key]["platform"] == "binary_sensor"
        assert entities[key]["value_template"] == f"{{{{ 'ON' if value_json.{path} else 'OFF' }}}}"
    assert len({entity["unique_id"] for entity in entities.values()}) == len(entities)


def test_the_form_of_single_messages_says_the_same():
    ((_, document),) = told(DEVICE).items()
    messages = told(SINGLE)
    for key, entity in document["components"].items():
        topic = f"homeassistant/{entity['platform']}/{document['device']['identifiers'][0]}/{key}/config"
        expected = {name: value for name, value in entity.items() if name != "platform"}
        assert messages.pop(topic) == expected | {"device": document["device"], "origin": document["origin"]}
    assert messages == {}


def test_streams_of_other_names_groups_and_daemons_are_other_devices():
    other = dataclasses.replace(GROUP, name="lab")
    nodes = {
        DEVICE.node("plant", STREAM),
        DEVICE.node("plant", "site/hall/u"),
        DEVICE.node(other.name, STREAM),
        dataclasses.replace(DEVICE, daemon="ewad-2").node("plant", STREAM),
    }
    assert len(nodes) == 4


def test_a_unit_that_home_assistant_does_not_know_is_shown_as_it_is():
    ((_, document),) = told(DEVICE, unit="furlong").items()
    assert document["components"]["value"]["unit_of_measurement"] == "furlong"
    assert "device_class" not in document["components"]["value"]
    assert "suggested_display_precision" not in document["components"]["value"]  # it may be of any size
    ((_, document),) = told(DEVICE, unit=None).items()
    assert "unit_of_measurement" not in document["components"]["value"]


def test_without_a_model_there_is_nothing_to_forecast():
    ((_, document),) = told(DEVICE, dataclasses.replace(GROUP, model=None)).items()
    assert "forecast_1" not in document["components"]
    assert {"anomaly", "stuck"} <= set(document["components"])


@pytest.mark.parametrize(
    ("unit", "factor"), [("celsius", "1"), ("°C", "1"), ("fahrenheit", "5 / 9"), ("kelvin", "1")]
)
def test_a_difference_of_temperatures_is_in_kelvins_and_not_converted(unit, factor):
    ((_, document),) = told(DEVICE, unit=unit).items()
    deviation, path = document["components"]["stddev_0_9"], "value_json.stddev['0.9']"
    assert "device_class" not in deviation  # by which it would be converted, zero and all
    assert deviation["unit_of_measurement"] == "K"
    assert deviation["value_template"] == f"{{{{ {path} * {factor} if {path} is number else none }}}}"


def test_a_home_assistant_that_knows_differences_of_temperatures_converts_them_itself():
    newer = dataclasses.replace(DEVICE, temperature_delta=True)
    ((_, document),) = told(newer, unit="fahrenheit").items()
    deviation, value = document["components"]["stddev_0_9"], document["components"]["value"]
    assert (deviation["unit_of_measurement"], deviation["device_class"]) == ("°F", "temperature_delta")
    assert deviation["value_template"] == "{{ value_json.stddev['0.9'] }}"
    assert value["device_class"] == "temperature"


def test_other_differences_have_the_unit_and_class_of_their_quantity():
    ((_, document),) = told(DEVICE, unit="watt").items()
    deviation = document["components"]["stddev_0_9"]
    assert (deviation["unit_of_measurement"], deviation["device_class"]) == ("W", "power")
    ((_, document),) = told(DEVICE, unit=None).items()
    assert "unit_of_measurement" not in document["components"]["stddev_0_9"]


@pytest.mark.parametrize("payload", [b"{", b"\xff", b'"\xff"', b"[" * 60_000, b"[1]", b'{"components": 3}'])
def test_what_stands_there_and_is_no_device_is_taken_back_with_the_stream_all_the_same(payload):
    published = []
    devices = Devices(DEVICE, lambda topic, payload: published.append((topic, payload)))
    ((topic, _),) = told(DEVICE).items()
    for _, saw in list(devices.listens)[1:]:
        saw(topic, payload, True)
    devices.tell(GROUP, STREAM, TOPIC, None)
    devices.take_back(GROUP, STREAM)
    assert [each for each, _ in published] == [topic, topic]
    assert published[-1] == (topic, b"")
