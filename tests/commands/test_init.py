"""Messages of a broker -> a first configuration."""

import gzip

import pytest

from ewad.commands import presets as presets_command
from ewad.commands.init import local_zone
from ewad.commands.shapes import described
from ewad.config import parse, presets
from ewad.engine import Engine
from ewad.ingest.intake import Intake
from tests.console import ewad
from tests.ingest.formats.test_sparkplug import metric, payload
from tests.ingest.test_intake import Message

MESSAGES = {
    "zigbee2mqtt/hall": b'{"temperature":21.5,"linkquality":7}',
    "zigbee2mqtt/bridge/info": b'{"version":"1"}',
    "tele/plug/STATE": b'{"Time":"2026-03-01T10:00:00","UptimeSec":5,"POWER":"ON"}',
    "site/kitchen/temperature": b"21.5",
    "site/hall/temperature": b"19.0",
    "site/hall/humidity": b"44",
    "sensors/7/data": b'{"t":1,"deep":{"a.b":2}}',
    "sensors/8/data": b'{"t":3,"deep":{"a.b":4}}',
    "telegraf/one/cpu": b"cpu,host=one usage=12.5,cores=4i 1772359200000000000",
    "telegraf/two/cpu": b"cpu,host=two usage=7.5,cores=8i 1772359200000000000",
    "pairs/x": b"temp=21.4 hum=44",
    "plc/pack": b'[{"bn":"urn:dev:1","bt":1772359200,"n":":t1","v":23.1},{"n":":t2","v":24.5}]',
    "N/c0619ab12345/battery/512/Dc/0/Voltage": b'{"value":13.2}',
    "door/lock": b"jammed",
    "odd/{x}/y": b"1",
    "zigbee2mqtt/hall/set": b'{"brightness":7}',
    "meter/comma": b"21,5",
    "meter/unit": b"-3.5 kWh",
    "meter/both": "21,5 °C".encode(),
    "packed/a": gzip.compress(b'{"level":7}'),
    "spBv1.0/plant/NBIRTH/press": payload(metric(name="oil", alias=1, kind=10, value=(13, ("<d", 2.5)))),
    "spBv1.0/plant/NDATA/press": payload(metric(alias=1, value=(13, ("<d", 3.5))), sequence=1),
}


def values(text):
    settings = parse(text, "test", {})
    engine = Engine(settings.group_settings())
    intake = Intake(engine, settings.streams)
    intake.consume([Message(topic, payload) for topic, payload in MESSAGES.items()], 1_772_359_205.0)
    intake.observe()
    return {
        name: group.value[row].item()
        for group in engine.groups
        for row, name in enumerate(group.streams.names)
    }


def test_presets_and_shapes_are_recognised_and_every_number_is_read():
    found = described(MESSAGES, "mqtt://localhost:1883")
    text = found.text
    for line in (
        'preset = "zigbee2mqtt"',
        'preset = "tasmota"',
        'topic = "site/{level2}/temperature"',
        'topic = "site/hall/humidity"',
        'topic = "sensors/{sensor}/data"',
        'field = ["/deep/a.b", "t"]',
        'preset = "victron"',
        'topic = "telegraf/{level2}/cpu"\nformat = "influx"',
        'topic = "pairs/x"\nformat = "keyvalue"',
        'topic = "plc/pack"\nformat = "senml"',
        'topic = "meter/comma"\ndecimal = ","\n',
        'topic = "meter/unit"\nstrip_unit = true\n',
        'topic = "meter/both"\ndecimal = ","\nstrip_unit = true\n',
        'topic = "packed/a"\nformat = "json"\nfield = "level"',
        'topic = "spBv1.0/#"\nformat = "sparkplug"',
    ):
        assert line in text
    assert 'a number in a form that `ewad init` knows, and so in no block: "door/lock"\n' in text
    left_out = '"zigbee2mqtt/bridge/info", "zigbee2mqtt/hall/set"'
    assert f"# Left out by these presets, as no measurements or as totals: {left_out}\n" in text
    assert values(text) == dict(found.streams)
    assert values(text)["zigbee2mqtt/hall/temperature"] == 21.5
    assert values(text)["sensors/8/data/deep.a.b"] == 4.0
    assert values(text)["odd/{x}/y"] == 1.0
    assert values(text)["telegraf/two/cpu/cpu,host=two/usage"] == 7.5
    assert values(text)["N/c0619ab12345/battery/512/Dc/0/Voltage"] == 13.2
    assert values(text)["pairs/x/hum"] == 44.0
    assert values(text)["plc/pack/urn:dev:1:t2"] == 24.5
    assert values(text)["meter/both"] == 21.5
    assert values(text)["packed/a"] == 7.0


PLUG = {
    "tele/plug/STATE": b'{"Time":"2026-03-01T11:00:05","Heap":25}',
    "tele/old/STATE": b'{"Time":"2026-02-01T10:00:00","Heap":24}',  # retained: it has no arrival
}
ARRIVAL = {"tele/plug/STATE": 1_772_359_207.0}  # 10:00:07 UTC


def test_local_times_without_a_zone_are_read_in_the_zone_of_the_machine_where_that_explains_them():
    text = described(PLUG, "mqtt://localhost", "5", ARRIVAL, "Europe/Berlin").text
    assert 'preset = "tasmota"\ntime_zone = "Europe/Berlin"  # this machine' in text
    assert {block.time_zone for block in parse(text, "t", {}).streams if block.time_field} == {
        "Europe/Berlin"
    }


@pytest.mark.parametrize("zone", ["America/New_York", "Etc/UTC", None])
def test_local_times_of_another_zone_are_told_with_the_remedy(zone):
    text = described(PLUG, "mqtt://localhost", "5", ARRIVAL, zone).text
    assert "\n# A time was 1 h after its arrival: set time_zone to what the devices are set to" in text
    assert {block.time_zone for block in parse(text, "t", {}).streams} == {None}


def test_times_that_are_right_ask_for_no_zone():
    for arrivals in ({"tele/plug/STATE": 1_772_362_806.0}, {}):
        text = described(PLUG, "mqtt://localhost", "5", arrivals, "Europe/Berlin").text
        assert "time_zone" not in text


@pytest.mark.parametrize(
    ("given", "zone"),
    [("Europe/Berlin", "Europe/Berlin"), (":Asia/Kolkata", "Asia/Kolkata"), ("XYZ-3", None)],
)
def test_the_zone_of_the_machine_is_what_it_says(monkeypatch, given, zone):
    monkeypatch.setenv("TZ", given)
    assert local_zone() == zone


METER = {
    "house/meter/data": b'{"energy_total":812.5,"power":85,"uptime":600}',
    "house/heater/data": b'{"energy_total":12.5,"power":0,"uptime":60}',
    "house/well/water_total": b"31.25",
    "house/well/uptime": b"600",
    "lab/a/energy": b"7.5",
    "lab/b/energy": b"3.5",
}


def blocks_of(text):
    return {block.name: (block.kind, block.fields) for block in parse(text, "t", {}).streams}


def test_totals_are_counters_and_uptimes_are_left_out():
    text = described(METER, "mqtt://localhost").text
    assert blocks_of(text) == {
        "house-data": ("counter", (("energy_total", "energy_total"),)),
        "house-data-2": ("gauge", (("power", ""),)),
        "house-well-water_total": ("counter", ()),
        "lab-energy": ("gauge", ()),
    }
    assert '# Left out, since an uptime\'s growth tells nothing: "house/heater/data: uptime", ' in text


def test_an_energy_that_grows_meanwhile_is_a_total_and_what_falls_is_none():
    first = METER | {
        "lab/a/energy": b"7.25",
        "house/well/water_total": b"40",
        "house/meter/data": b'{"power":7}',
    }
    kinds = blocks_of(described(METER, "mqtt://localhost", first=first).text)
    assert {name: kind for name, (kind, _) in kinds.items()} == {
        "house-data": "counter",
        "house-data-2": "gauge",
        "house-well-water_total": "gauge",
        "lab-energy": "counter",
    }


@pytest.mark.parametrize(
    "name", ["total_power", "energy_price_total", "water/temperature", "memory/total", "total"]
)
def test_other_names_are_not_taken_for_totals(name):
    assert "counter" not in described({f"a/b/{name}": b"7"}, "u", first={f"a/b/{name}": b"6"}).text


def test_keys_that_other_programs_would_take_for_paths_are_written_as_pointers():
    payload = b'{"$t":1,"a":{"#":{"v":2}},"b[0]":3,"msg.payload.x":4,"plain":5}'
    found = described({"device/1/state": payload}, "mqtt://localhost")
    assert 'field = ["/$t", "/a/#/v", "/b[0]", "/msg.payload.x", "plain"]' in found.text
    assert sorted(value for _, value in found.streams) == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_keys_that_mean_something_else_in_a_path_are_left_out():
    hostile = b'{"{x}":3,"{stream}":4,"*":5,"^y":6,"a":{"*":{"c":7},"b":8}}'
    found = described({"a/b": hostile, "a/c": b'{"{x}":3}'}, "mqtt://localhost")
    assert sorted(value for _, value in found.streams) == [7.0, 8.0]
    assert found.unread == ["a/c"]


def test_an_existing_file_is_never_overwritten(tmp_path):
    (tmp_path / "ewad.toml").write_text("mine")
    done = ewad("init", "--url", "mqtt://127.0.0.1:1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "ewad.toml: expected a new file, got one that exists" in done.stderr
    assert (tmp_path / "ewad.toml").read_text() == "mine"


def test_a_folder_that_is_not_there_is_told_before_listening(tmp_path):
    done = ewad("init", "--url", "mqtt://127.0.0.1:1", "-o", "conf/ewad.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "ewad: conf/ewad.toml: expected a new file in a folder that exists; name another one by -o\n"
    )


def test_presets_are_listed_and_printed(tmp_path):
    listed = ewad("presets", cwd=tmp_path)
    names = [line.split()[0] for line in listed.stdout.splitlines() if not line.startswith(" ")]
    assert names == list(presets.names())
    assert ewad("presets", "tasmota", cwd=tmp_path).stdout.strip() == presets.text("tasmota").strip()
    done = ewad("presets", "tasmotta", cwd=tmp_path)
    assert (
        done.returncode,
        done.stderr.startswith('ewad: unknown preset "tasmotta"; did you mean "tasmota"?'),
    ) == (2, True)
    assert presets_command.shown("tasmota") == presets.text("tasmota")


def test_labels_that_prometheus_overwrites_are_told(tmp_path):
    (tmp_path / "ewad.toml").write_text('[[stream]]\nname = "v"\ntopic = "N/{portal}/{instance}/#"\n')
    done = ewad("check", cwd=tmp_path)
    assert done.returncode == 0
    assert "shows this one as exported_instance: choose another name, such as device_instance" in done.stdout


def test_a_label_out_of_a_path_that_prometheus_overwrites_is_told_too(tmp_path):
    block = '[[stream]]\nname = "v"\ntopic = "v"\nformat = "json"\nfield = "jobs/{job}/seconds"\n'
    (tmp_path / "ewad.toml").write_text(block)
    done = ewad("check", cwd=tmp_path)
    assert done.returncode == 0
    assert "shows this one as exported_job: choose another name, such as device_job" in done.stdout


@pytest.mark.parametrize("options", [("--topic", "a"), ("--format", "json"), ("-c", "x.toml")])
def test_discovery_goes_with_an_address_alone(options, tmp_path):
    done = ewad("run", "--discover", *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "ewad: --discover: only together with --url, --listen and --seconds\n",
    )


def test_what_was_found_is_counted_in_words():
    assert described({"a/b": b"1"}, "mqtt://localhost").summary == (
        "1 topic: 1 block, 1 stream; 0 topics in no block"
    )
