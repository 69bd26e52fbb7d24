"""Messages as devices send them, and the samples that they should be."""

import gzip
import json
import logging
import struct
import tomllib
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from ewad.config import effective, parse
from ewad.engine import Engine
from ewad.errors import ConfigError
from ewad.ingest.explain import explain
from ewad.ingest.intake import Intake
from tests.ingest.test_intake import Message

NOW = 1_772_359_200.0  # 2026-03-01T10:00:00Z
JSON = {"name": "s", "format": "json"}


class Daemon:
    """An intake and its engine, fed with messages a second apart."""

    def __init__(self, *blocks, now=NOW):
        self.settings = parse({"stream": list(blocks)}, "test", {})
        assert parse(effective(self.settings), "again", {}) == self.settings
        self.engine = Engine(self.settings.group_settings())
        self.intake = Intake(self.engine, self.settings.streams)
        self.now = now

    def feed(self, *messages):
        for topic, payload in messages:
            payload = payload if isinstance(payload, bytes) else payload.encode()
            self.intake.consume([Message(topic, payload)], self.now)
            self.intake.observe()
            self.now += 1.0
        return self

    @property
    def values(self):
        return {
            name: group.value[row].item()
            for group in self.engine.groups
            for row, name in enumerate(group.streams.names)
        }

    @property
    def times(self):
        return {
            name: group.time[row].item()
            for group in self.engine.groups
            for row, name in enumerate(group.streams.names)
        }

    @property
    def labels(self):
        return {
            name: dict(labels)
            for group in self.engine.groups
            for name, labels in zip(group.streams.names, group.streams.labels, strict=True)
        }

    @property
    def rejected(self):
        return {reason: n for reason, n in self.intake.rejected.items() if n}

    def explained(self, topic, payload):
        return explain(self.intake, topic, payload, self.now)


def one(payload, **keys):
    """Return the value of a payload under keys of a block, or the reason of its rejection."""
    daemon = Daemon({"name": "s", "topic": "t", **keys}).feed(("t", payload))
    return daemon.values.get("t", next(iter(daemon.rejected), None))


class TestWordsForNumbersThatAreNone:
    FIELDS: ClassVar = {
        "SI7021-00.Temperature": "t0",
        "SI7021-02.Temperature": "t2",
        "DS18B20-1.Temperature": "d1",
    }

    @pytest.mark.parametrize("word", ["nan", "-nan", "NaN", "inf", "Infinity", "-Infinity", "-inf"])
    def test_cost_their_own_field_alone(self, word):
        payload = (
            f'{{"SI7021-00":{{"Temperature":17.4}},"SI7021-02":{{"Temperature":{word},"Humidity":-nan}},'
            '"DS18B20-1":{"Temperature":44.9}}'
        )
        daemon = Daemon(JSON | {"topic": "tele/{device}/SENSOR", "field": self.FIELDS})
        daemon.feed(("tele/attic/SENSOR", payload))
        assert daemon.values == {"tele/attic/SENSOR/t0": 17.4, "tele/attic/SENSOR/d1": 44.9}
        assert daemon.rejected == {"not_finite": 1}

    def test_in_texts_are_texts(self):
        daemon = Daemon(JSON | {"topic": "t", "field": ["a", "b"]})
        daemon.feed(("t", '{"name":"nan, \\" inf","a":1,"c":nan,"b":2}'))
        assert daemon.values == {"t/a": 1.0, "t/b": 2.0}

    def test_an_error_shows_the_text_around_the_byte_that_it_names(self):
        daemon = Daemon(JSON | {"topic": "t", "field": "v"})
        text = str(daemon.explained("t", b'{"head":' + b"1" * 100 + b', "broken": tru, "v": 1}'))
        assert "invalid_json" in text
        assert "tru" in text


class TestStates:
    def test_true_and_false_are_1_and_0(self):
        daemon = Daemon(JSON | {"topic": "zigbee2mqtt/{device}", "field": "contact"})
        daemon.feed(("zigbee2mqtt/door", '{"contact":true}'), ("zigbee2mqtt/window", '{"contact":false}'))
        assert daemon.values == {"zigbee2mqtt/door": 1.0, "zigbee2mqtt/window": 0.0}

    @pytest.mark.parametrize(("payload", "expected"), [("ON", 1.0), ("OFF", 0.0), ("Online", "not_a_number")])
    def test_words_are_what_the_block_says(self, payload, expected):
        assert one(payload, states={"ON": 1, "OFF": 0}, kind="state") == expected

    def test_true_may_be_another_number(self):
        assert one('{"v":true}', format="json", field="v", states={"true": 0, "false": 1}) == 0.0

    @pytest.mark.parametrize(
        ("form", "true", "false"),
        [
            ("json", '{"v":true,"w":1}', '{"v":false,"w":1}'),
            ("influx", "m v=true,w=1", "m v=false,w=1"),
            ("senml", '[{"n":"v","vb":true}]', '[{"n":"v","vb":false}]'),
        ],
    )
    def test_true_and_false_are_what_the_block_says_however_often_they_come(self, form, true, false):
        field = {"field": "*"} if form == "json" else {}
        daemon = Daemon(
            {"name": "s", "topic": "t", "format": form, "states": {"true": 1, "false": -1}} | field
        )
        daemon.feed(*[("t", true)] * 3, ("t", false))
        assert min(daemon.values.values()) == -1.0


class TestIdentity:
    RTL: ClassVar = JSON | {
        "topic": "rtl_433/{host}/events",
        "labels": {"model": "model", "id": "id"},
        "field": "temperature_C",
    }

    def test_devices_of_one_topic_are_told_apart_by_the_document(self):
        daemon = Daemon(self.RTL)
        for a, b in ((16.2, -3.1), (16.3, -3.0), (16.2, -3.1)):
            for ident, value in ((5, a), (201, b)):
                document = f'{{"model":"Prologue-TH","id":{ident},"temperature_C":{value},"humidity":40}}'
                daemon.feed(("rtl_433/host/events", document))
        names = ["rtl_433/host/events/Prologue-TH/5", "rtl_433/host/events/Prologue-TH/201"]
        assert daemon.values == dict(zip(names, (16.2, -3.1), strict=True))
        assert daemon.labels[names[1]] == {"host": "host", "model": "Prologue-TH", "id": "201"}
        assert daemon.rejected == {}

    @pytest.mark.parametrize("ident", ["a/b", "50%2F", "ü+#", "x=1,y=2", "", 5, -1.5, True])
    def test_a_name_leads_back_to_topic_and_labels(self, ident):

        daemon = Daemon(self.RTL | {"field": ["a.b", "c"]})
        daemon.feed(("rtl_433/host/events", json.dumps({"model": "m/1", "id": ident, "a": {"b": 1}, "c": 2})))
        (block,) = daemon.intake.blocks
        assert len(daemon.labels) == 2
        for name, labels in daemon.labels.items():
            assert dict(block.labels_of_stream(name)) == labels
            assert block.topics_of_stream(name) == ["rtl_433/host/events"]

    @pytest.mark.parametrize("ident", ["[1]", "{}", '"' + "x" * 257 + '"'])
    def test_what_is_no_label_is_told(self, ident):
        daemon = Daemon(self.RTL)
        daemon.feed(("rtl_433/host/events", f'{{"model":"m","id":{ident},"temperature_C":1}}'))
        assert daemon.values == {}
        assert daemon.rejected == {"invalid_label": 1}

    def test_what_no_utf_8_can_carry_is_a_question_mark(self):
        daemon = Daemon(self.RTL | {"field": "*", "exclude": ["id"]})
        document = r'{"model":"\ud83d\ude00\ud800","id":"\udfff","\udabc":1,"\\ud800":2}'
        daemon.feed(*[("rtl_433/h/events", document)] * 3)
        known = "rtl_433/h/events/\U0001f600\ufffd/\ufffd"
        assert daemon.values == {f"{known}/\ufffd": 1.0, rf"{known}/\ud800": 2.0}
        packs = Daemon({"name": "s", "topic": "t", "format": "senml"})
        packs.feed(*[("t", r'[{"n":"\ud800","v":1}]')] * 3)
        assert packs.values == {"t/\ufffd": 1.0}

    def test_identities_are_bounded_by_the_block_and_told_once(self, caplog):
        daemon = Daemon(self.RTL | {"max_streams": 3})
        for ident in range(10):
            daemon.feed(("rtl_433/h/events", f'{{"model":"m","id":{ident},"temperature_C":1}}'))
        assert len(daemon.values) == 3
        assert daemon.rejected == {"stream_limit": 7}
        assert [r.message for r in caplog.records] == [
            'stream refused topic="rtl_433/h/events" stream "s".max_streams=3 (further ones are counted)'
        ]

    def test_a_label_of_the_document_may_not_be_one_of_the_topic(self):
        with pytest.raises(ConfigError, match="a label that the topic does not capture, got host"):
            Daemon(self.RTL | {"labels": {"host": "host"}})

    @pytest.mark.parametrize("name", ["stream", "group", "le", "9a", "__x"])
    def test_a_label_that_ewad_needs_is_refused_with_a_remedy(self, name):
        with pytest.raises(ConfigError, match=r"choose another name, such as device_|letters, digits"):
            Daemon(self.RTL | {"labels": {name: "x"}})

    @pytest.mark.parametrize(
        ("keys", "problem"),
        [
            ({"field": "x/{group}/y"}, r"\{group\} in .*: the label group is reserved; choose another name"),
            ({"field": "{a}/{a}"}, r"expected each \{name\} once, got \{a\} twice"),
            ({"field": "{a}/v", "labels": {"a": "x"}}, "expected each label once, got a twice"),
            ({"field": "{a}/v", "records": "/{a}"}, "expected each label once, got a twice"),
            ({"field": ["a/{x}/v", "b/{y}/v"]}, "fields that capture the same labels, got .*a block each"),
            ({"field": ["a/{x}/v", "w"]}, "fields that capture the same labels"),
        ],
    )
    def test_a_capture_that_is_no_label_of_its_own_is_refused(self, keys, problem):
        with pytest.raises(ConfigError, match=problem):
            Daemon(JSON | {"topic": "t"} | keys)

    @pytest.mark.parametrize(
        ("keys", "payload", "labels"),
        [
            (
                {"format": "influx"},
                "m,device=x,a\\ b=c,a_b=d v=1",
                {"measurement": "m", "a_b": "c", "field": "v"},
            ),
            ({"format": "senml", "topic": "t/{name}"}, '[{"n":"x","v":1}]', {}),
            ({"format": "json", "topic": "t/{id}", "records": ".", "field": "v"}, '{"x":{"v":1}}', {}),
            (
                {"format": "json", "labels": {"field": "of"}, "field": ["v", "w"]},
                '{"of":"x","v":1}',
                {"field": "x"},
            ),
        ],
    )
    def test_a_label_is_told_once_whatever_the_payload_tells(self, keys, payload, labels):
        daemon = Daemon({"name": "s", "topic": "t/{device}"} | keys).feed(("t/1", payload))
        streams = daemon.engine.groups[0].streams
        (name,), (found,) = streams.names, streams.labels
        captured = keys.get("topic", "t/{device}")[3:-1]
        assert found == ((captured, "1"), *labels.items())
        assert daemon.intake.blocks[0].labels_of_stream(name) == found
        assert f'{captured}="1"' in str(daemon.explained("t/1", payload.encode()))


class TestRecords:
    def test_ids_as_keys_by_a_capture(self):
        daemon = Daemon(JSON | {"topic": "tele/{bridge}/SENSOR", "field": "ZbReceived/{id}/Temperature"})
        daemon.feed(("tele/bridge/SENSOR", '{"ZbReceived":{"0x1A2B":{"Temperature":21.5,"Endpoint":1}}}'))
        assert daemon.values == {"tele/bridge/SENSOR/0x1A2B": 21.5}
        assert daemon.labels["tele/bridge/SENSOR/0x1A2B"] == {"bridge": "bridge", "id": "0x1A2B"}

    @pytest.mark.parametrize(("records", "label"), [(".", "id"), ("", "id"), ("/{sensor}", "sensor")])
    def test_a_table_by_ids(self, records, label):
        daemon = Daemon(JSON | {"topic": "ems/sensors", "records": records, "field": "temp"})
        daemon.feed(("ems/sensors", '{"28-1":{"temp":48.2},"28-2":{"temp":31.0}}'))
        assert daemon.values == {"ems/sensors/28-1": 48.2, "ems/sensors/28-2": 31.0}
        assert daemon.labels["ems/sensors/28-2"] == {label: "28-2"}
        block = daemon.intake.blocks[0]
        assert dict(block.labels_of_stream("ems/sensors/28-2")) == {label: "28-2"}

    def test_a_list_whose_elements_have_times_of_their_own(self):
        daemon = Daemon(JSON | {"topic": "tedge/measure", "field": "temperature", "time_field": "time"})
        daemon.feed(
            (
                "tedge/measure",
                '[{"time":"2026-03-01T09:58:00Z","temperature":25},'
                '{"time":"2026-03-01T09:59:00Z","temperature":26}]',
            )
        )
        group = daemon.engine.groups[0]
        assert (group.count[0], group.value[0], group.time[0]) == (2, 26.0, NOW - 60.0)

    def test_a_list_within_a_document_and_a_path_to_the_document(self):
        daemon = Daemon(
            JSON
            | {
                "topic": "kepware",
                "records": "/values",
                "labels": {"tag": "id", "gateway": "^gw"},
                "field": "v",
                "time_field": "t",
            }
        )
        daemon.feed(
            (
                "kepware",
                '{"timestamp":1772359200000,"gw":"g1","values":['
                '{"id":"line1.temp","v":71.5,"q":true,"t":1772359200000},'
                '{"id":"line1.rpm","v":1480,"q":true,"t":1772359200000}]}',
            )
        )
        assert daemon.values == {"kepware/line1.temp/g1": 71.5, "kepware/line1.rpm/g1": 1480.0}
        assert daemon.labels["kepware/line1.rpm/g1"] == {"tag": "line1.rpm", "gateway": "g1"}
        assert set(daemon.times.values()) == {NOW}

    def test_senml_is_resolved_record_by_record(self):
        daemon = Daemon({"name": "s", "topic": "plc/senml", "format": "senml"}, now=NOW + 5.0)
        daemon.feed(
            (
                "plc/senml",
                '[{"bn":"urn:dev:ow:10e2073a","bt":1772359200,"bu":"Cel","n":":t1","v":23.1},'
                '{"n":":t2","v":23.9,"t":-60}]',
            )
        )
        assert daemon.values == {
            "plc/senml/urn:dev:ow:10e2073a:t1": 23.1,
            "plc/senml/urn:dev:ow:10e2073a:t2": 23.9,
        }
        assert list(daemon.times.values()) == [NOW, NOW - 60.0]
        assert daemon.labels["plc/senml/urn:dev:ow:10e2073a:t1"] == {"name": "urn:dev:ow:10e2073a:t1"}

    def test_times_of_one_message_are_explained_from_the_first_to_the_last(self):
        daemon = Daemon({"name": "s", "topic": "t", "format": "senml"})
        text = str(daemon.explained("t", b'[{"bt":1772359200,"n":"a","v":1},{"n":"b","v":2,"t":-60}]'))
        times = "times: 1772359140.0 (2026-03-01T09:59:00Z) to 1772359200.0 (2026-03-01T10:00:00Z)"
        assert times in text

    @pytest.mark.parametrize(
        ("pack", "reason", "got"),
        [
            ('[{"bver":11,"n":"a","v":1}]', "unsupported", 'version (bver) 10 at most, got "11"'),
            ('[{"n":"a","v":1},{"n":"b","v":1,"must_":2}]', "unsupported", 'be understood, got "must_"'),
            ('[{"n":"a","v":1,"t":-1e300}]', "invalid_time", "from 1677 to 2262, got -1e+300 s"),
            ('[{"n":"a","v":1,"t":1e300}]', "invalid_time", "from 1677 to 2262, got 1e+300 s"),
            ('[{"n":"a","v":1,"t":LARGE}]', "invalid_time", "from 1677 to 2262, got inf s"),
            ('[{"bt":-LARGE,"n":"a","v":1}]', "invalid_time", "from 1677 to 2262, got -inf s"),
            ('[{"bv":LARGE,"n":"a","v":1}]', "out_of_range", "a number below 1e"),
            ('[{"bv":1,"n":"a","v":-LARGE}]', "out_of_range", "a number below 1e"),
            ('[{"bv":LARGE,"n":"a"}]', "out_of_range", "a number below 1e"),
            ('[{"bv":LARGE,"n":"a","v":-LARGE}]', "not_finite", "got NaN"),
            (
                '[{"n":"a","v":"1"},{"bv":null,"n":"b","v":1}]',
                "invalid_payload",
                "numbers in bt, t, v and bv",
            ),
            ('{"n":"a","v":1}', "invalid_payload", "a list of SenML records, got an object"),
            ('[{"n":"a","v":1},5]', "invalid_payload", "a list of SenML records, got others in it"),
        ],
    )
    def test_a_pack_of_senml_that_must_not_be_used_is_refused(self, pack, reason, got):
        pack = pack.replace("LARGE", "9" * 310)  # more than a float holds
        daemon = Daemon({"name": "s", "topic": "t", "format": "senml"}).feed(("t", pack))
        assert (daemon.values, daemon.rejected) == ({}, {reason: 1})
        assert got in str(daemon.explained("t", pack.encode()))

    def test_versions_and_keys_of_senml_that_are_known_or_need_not_be_are_read(self):
        daemon = Daemon({"name": "s", "topic": "t", "format": "senml"})
        daemon.feed(("t", '[{"bver":5,"n":"a","v":1,"other":2}]'))
        assert daemon.values == {"t/a": 1.0}

    def test_a_sum_of_senml_is_refused_clearly(self):
        daemon = Daemon({"name": "s", "topic": "t", "format": "senml"}).feed(("t", '[{"n":"a","s":5}]'))
        assert daemon.rejected == {"unsupported": 1}


class TestNoMeasurements:
    def test_error_codes_stay_out_of_averages_and_are_counted_apart(self):
        for keys in ({"valid": [-40, 80]}, {"ignore": [-127, 85]}):
            daemon = Daemon({"name": "s", "topic": "t", "beta": 0.9, **keys})
            for i in range(78):
                daemon.feed(("t", f"{20.0 + 0.1 * (i % 3)}"))
            daemon.feed(("t", "-127.00"), ("t", "-127.00"), ("t", "85.00"), ("t", "20.1"))
            mean = daemon.engine.groups[0].averages[0].mean[0]
            assert mean == pytest.approx(20.1, abs=0.1)
            assert daemon.rejected == {"invalid_value": 3}

    def test_valid_holds_after_scaling_and_ignore_before(self):
        assert one("400", scale=0.1, valid=[0, 50]) == 40.0
        assert one("600", scale=0.1, valid=[0, 50]) == "invalid_value"
        assert one("-1270", scale=0.1, ignore=[-1270]) == "invalid_value"


class TestTimes:
    def at(self, text, arrival, **keys):
        daemon = Daemon(JSON | {"topic": "t", "field": "v", "time_field": "t", **keys}, now=arrival)
        daemon.feed(("t", f'{{"v":1,"t":"{text}"}}'))
        return daemon.times.get("t", daemon.rejected)

    def test_a_local_time_is_of_its_zone_also_in_the_hour_that_the_clocks_repeat(self):
        keys = {"time_zone": "Europe/Berlin"}
        assert self.at("2026-03-01T11:00:00", NOW, **keys) == NOW
        first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()  # 02:30, summer time
        assert self.at("2026-10-25T02:30:00", first + 5.0, **keys) == first
        assert self.at("2026-10-25T02:30:00", first + 3605.0, **keys) == first + 3600.0

    @pytest.mark.parametrize(
        ("text", "keys"),
        [
            ("2026-03-01T11:00:00 +0100", {}),
            ("20260301T100000Z", {}),
            ("01.03.2026 10:00:00", {"time_format": "%d.%m.%Y %H:%M:%S"}),
            ("01.03.2026 11:00:00", {"time_format": "%d.%m.%Y %H:%M:%S", "time_zone": "Europe/Berlin"}),
            ("2026/03/01 10:00:00", {"time_format": "%Y/%m/%d %H:%M:%S"}),
            ("260301110000W", {"time_format": "dsmr"}),
            ("260301110000W", {"time_format": "dsmr", "time_zone": "Europe/Amsterdam"}),
        ],
    )
    def test_forms_of_one_moment(self, text, keys):
        assert self.at(text, NOW, **keys) == NOW

    def test_the_first_late_sample_is_logged(self, caplog):
        daemon = Daemon(JSON | {"topic": "t", "field": "v", "time_field": "t"})
        daemon.feed(*[("t", f'{{"v":1,"t":{NOW - 100 + t}}}') for t in (0, -60.5, -30)])
        (line,) = [r.message for r in caplog.records]
        assert 'stream="t" block="s" reason=out_of_order why="it is 60.500 s older than' in line

    @pytest.mark.parametrize(
        ("hours", "told"), [(-5, "5 h before their arrival"), (5.75, "5.75 h after their arrival")]
    )
    def test_times_that_are_constantly_off_as_zones_differ_are_logged_once(self, caplog, hours, told):
        block = JSON | {"topic": "t", "field": "v", "time_field": "t", "max_ahead": "1d"}
        reads_nothing = block | {"name": "other", "field": ["w", "x"]}
        daemon = Daemon(block, reads_nothing, now=NOW + 7)
        for _ in range(7):
            local = datetime.fromtimestamp(daemon.now + 3600 * hours - 2, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            daemon.feed(("t", f'{{"v":1,"t":"{local}"}}'))
        (line,) = [r.message for r in caplog.records]
        assert line.startswith('times are off topic="t" block="s" why="5 times in a row were ' + told)

    @pytest.mark.parametrize(
        ("hours", "told"), [((0, -1), ("b", "1 h")), ((-5, -4), ("a", "5 h")), ((-1, 0), ("a", "1 h"))]
    )
    def test_times_of_one_topic_that_are_off_are_told_whatever_others_tell(self, caplog, hours, told):
        daemon = Daemon(JSON | {"topic": "{device}", "field": "v", "time_field": "t"}, now=NOW + 7)
        for n in range(14):
            daemon.feed(("ab"[n % 2], f'{{"v":1,"t":{daemon.now + 3600 * hours[n % 2]}}}'))
        (line,) = [r.message for r in caplog.records]
        assert line.startswith(
            f'times are off topic="{told[0]}" block="s" why="5 times in a row were {told[1]} before'
        )

    @pytest.mark.parametrize("later", [0, -7200, 90])
    def test_a_topic_that_was_off_once_stands_before_no_other(self, caplog, later):
        daemon = Daemon(JSON | {"topic": "{device}", "field": "v", "time_field": "t"}, now=NOW + 7)
        daemon.feed(*[("a", f'{{"v":1,"t":{daemon.now + n + off}}}') for n, off in enumerate((-3600, later))])
        daemon.feed(*[("b", f'{{"v":1,"t":{daemon.now + n - 3600}}}') for n in range(5)])
        assert 'times are off topic="b" block="s"' in caplog.records[-1].message

    @pytest.mark.parametrize(
        "off", [lambda n: -2, lambda n: -3600 - 50 * n, lambda n: -3600 * (n % 2), lambda n: -1000]
    )
    def test_other_times_are_not(self, caplog, off):
        daemon = Daemon(
            JSON | {"topic": "t", "field": "v", "time_field": "t", "out_of_order": "accept"}, now=NOW + 7
        )
        daemon.feed(*[("t", f'{{"v":1,"t":{NOW + 7 + n + off(n)}}}') for n in range(9)])
        assert caplog.records == []

    def test_a_whole_quarter_of_an_hour_is_the_beginning_of_an_interval_not_another_zone(self, caplog):
        daemon = Daemon(JSON | {"topic": "t", "field": "v", "time_field": "t"})
        for n in range(9):
            daemon.now = NOW + 900 * n + 3
            daemon.feed(("t", f'{{"v":1,"t":{NOW + 900 * (n - 1)}}}'))
        assert caplog.records == []

    @pytest.mark.parametrize("keys", [{}, {"time_format": "%d.%m.%Y"}, {"time_format": "dsmr"}])
    def test_another_form_is_refused(self, keys):
        assert self.at("noon", NOW, **keys) == {"invalid_time": 1}

    def test_unknown_zones_and_formats_are_told(self):
        for keys, said in (
            ({"time_zone": "Europe/Berln"}, "Europe/Berlin"),
            ({"time_format": "H:M"}, "%H:%M"),
            ({"time_format": "%H:%M"}, "it tells no date with a year"),
            ({"time_format": "%d.%m. %H:%M"}, "it tells no date with a year"),
        ):
            with pytest.raises(ConfigError, match=said):
                self.at("", NOW, **keys)


class TestTrimmings:
    @pytest.mark.parametrize("payload", [b"23.5\0", b"\xef\xbb\xbf23.5", b'"23.5"', b" 23.5\r\n\0"])
    def test_nul_byte_order_mark_and_quotes_are_no_data(self, payload):
        assert one(payload) == 23.5

    def test_nor_are_they_around_json(self):
        assert one(b'\xef\xbb\xbf{"temperature":23.5}\0', format="json", field="temperature") == 23.5

    @pytest.mark.parametrize(
        ("payload", "value"),
        [("21,5", 21.5), ("-1.234,5", -1234.5), ("21.5", 21.5), ("1,2,3", "not_a_number")],
    )
    def test_a_decimal_comma_where_the_block_says_so(self, payload, value):
        assert one(payload, decimal=",") == value
        assert one("21,5") == "not_a_number"

    @pytest.mark.parametrize(
        ("payload", "value"),
        [
            ("23.5 °C", 23.5),
            ("12345 seconds", 12345.0),
            ("0.32%", 0.32),
            ("244 V", 244.0),
            ("-7e-3 m/s", -0.007),
            ("12:30", "not_a_number"),
            ("2026-03-01", "not_a_number"),
            ("V 244", "not_a_number"),
        ],
    )
    def test_a_unit_behind_the_number_where_the_block_says_so(self, payload, value):
        assert one(payload, strip_unit=True) == value
        assert one("244 V") == "not_a_number"

    def test_both(self):
        assert one('{"t":"21,5 °C"}', format="json", field="t", decimal=",", strip_unit=True) == 21.5


class TestOneVerdict:
    @pytest.mark.parametrize("other", [b'"\xff"', b"1e999", b"nan", b'"\\ud800"', b"9" * 500])
    def test_unread_fields_are_nobodys_business(self, other):
        payload = b'{"w":' + other + b',"v":1}'
        for fields in ("v", {"v": "a"}, ["v", "x"]):
            daemon = Daemon(JSON | {"topic": "t", "field": fields})
            for retain in (True, False, True, False):
                daemon.intake.consume([Message("t", payload, retain)], daemon.now)
                daemon.intake.observe()
                assert not daemon.explained("t", payload).rejected
            assert set(daemon.values.values()) == {1.0}
            assert set(daemon.rejected) <= {"retained"}


class TestAbsence:
    BLOCKS: ClassVar = [
        JSON | {"name": name, "topic": "zigbee2mqtt/{device}", "field": name}
        for name in ("temperature", "humidity", "power")
    ]

    def test_a_message_of_which_a_block_took_a_value_is_not_rejected(self, caplog):
        caplog.set_level(logging.INFO)
        daemon = Daemon(*self.BLOCKS)
        for _ in range(10):
            daemon.feed(
                ("zigbee2mqtt/hall", '{"temperature":21.5,"humidity":40}'),
                ("zigbee2mqtt/plug", '{"power":3}'),
                ("zigbee2mqtt/remote", '{"action":"toggle"}'),
            )
        assert daemon.rejected == {}
        assert (daemon.intake.received, daemon.intake.absent) == (30, 10)
        (line,) = [r for r in caplog.records if "absent" in r.message]
        assert line.levelno == logging.INFO
        assert 'block="temperature" field="temperature"' in line.message

    def test_the_log_of_a_rejection_names_block_and_field(self, caplog):
        daemon = Daemon(*self.BLOCKS)
        daemon.feed(("zigbee2mqtt/hall", '{"temperature":"warm","humidity":40}'))
        assert 'block="temperature" field="temperature" reason=not_a_number' in caplog.text


class TestSeveralFields:
    def test_the_label_field_tells_them_apart(self):
        daemon = Daemon(
            JSON | {"topic": "{device}", "field": {"temperature": "temperature", "humidity": "humidity"}}
        )
        daemon.feed(("hall", '{"temperature":21.5,"humidity":40}'))
        assert daemon.labels == {
            "hall/temperature": {"device": "hall", "field": "temperature"},
            "hall/humidity": {"device": "hall", "field": "humidity"},
        }

    def test_each_number_but_the_excluded(self):
        daemon = Daemon(JSON | {"topic": "t", "field": "*", "exclude": ["linkquality", "color.*"]})
        daemon.feed(
            ("t", '{"temperature":21.5,"on":true,"color":{"x":1},"linkquality":9,"sub":{"a":[1,2]},"s":"5"}')
        )
        assert daemon.values == {"t/temperature": 21.5, "t/on": 1.0, "t/sub.a.0": 1.0, "t/sub.a.1": 2.0}

    @pytest.mark.parametrize(
        ("keys", "payload", "names"),
        [
            ({"field": "*"}, '{"ts":1772359200,"id":5,"temp":21,"sub":{"ts":3}}', ["t/5/temp", "t/5/sub.ts"]),
            ({"field": "sub.*", "time_field": "sub.ts"}, '{"id":5,"sub":{"ts":1772359200,"v":1}}', ["t/5/v"]),
            ({"field": "*", "records": "of"}, '{"of":[{"ts":1772359200,"id":5,"v":1}]}', ["t/5/v"]),
            (
                {"field": "*", "records": "of", "time_field": "^ts"},
                '{"ts":1772359200,"of":[{"ts":3,"id":5}]}',
                ["t/5/ts"],
            ),
            ({"field": ["ts", "temp"]}, '{"ts":1772359200,"id":5,"temp":21}', ["t/5/ts", "t/5/temp"]),
            ({"format": "keyvalue", "field": "*"}, "ts=1772359200 id=5 temp=21", ["t/5/temp"]),
        ],
    )
    def test_time_and_labels_are_no_measurements_unless_they_are_named(self, keys, payload, names):
        daemon = Daemon(JSON | {"topic": "t", "time_field": "ts", "labels": {"id": "id"}} | keys)
        assert list(daemon.feed(*[("t", payload)] * 3).values) == names

    @pytest.mark.parametrize(("field", "payload"), [("*", "21.5"), ("a.*", '{"a":21.5}')])
    def test_a_bare_number_where_each_is_asked_for_is_called_value(self, field, payload):
        daemon = Daemon(JSON | {"topic": "t/#", "field": field})
        daemon.feed(*[("t/a", payload)] * 3, ("t/b", '{"a":{"value":3},"value":3}'))
        assert daemon.values["t/a/value"] == 21.5
        assert daemon.labels["t/a/value"] == {"field": "value"}
        excluded = Daemon(JSON | {"topic": "t/#", "field": field, "exclude": ["value"]})
        assert excluded.feed(*[("t/a", payload)] * 3).values == {}

    def test_a_field_may_have_keys_of_its_own(self):
        daemon = Daemon(
            JSON
            | {
                "topic": "t",
                "field": ["power", "voltage", "current"],
                "beta": [0.9],
                "fields": {
                    "power": {"scale": 0.1, "beta": [0.5], "unit": "watt"},
                    "voltage": {"valid": [200, 250]},
                },
            }
        )
        daemon.feed(("t", '{"power":1234,"voltage":0,"current":2}'))
        assert daemon.values == {"t/current": 2.0, "t/power": pytest.approx(123.4)}
        assert [(b.name, b.unit) for b in daemon.settings.streams] == [
            ("s", None), ("s.power", "watt"), ("s.voltage", None),
        ]  # fmt: skip
        assert daemon.settings.streams[1].decays[0].beta == 0.5

    def test_a_table_of_names_written_the_other_way_round_is_told(self):
        daemon = Daemon(JSON | {"topic": "t", "field": {"temp": "SI7021.Temperature"}})
        text = str(daemon.explained("t", b'{"SI7021":{"Temperature":20}}'))
        assert 'write "SI7021.Temperature" = "temp"' in text


class TestFirstContact:
    def test_json_under_number_is_recognised_and_the_lines_to_write_are_told(self):
        explanation = Daemon({"name": "s", "topic": "t"}).explained(
            "t", b'{"temperature":21.5,"a":{"b.c":44}}'
        )
        assert explanation.rejected
        text = str(explanation)
        for line in ("this looks like JSON", "temperature = 21.5", "/a/b.c = 44", 'format = "json"'):
            assert line in text
        assert 'field = "temperature"' in text

    @pytest.mark.parametrize(
        ("payload", "lines"),
        [
            ("weather,station=roof temp=21.4,hum=44i", ['format = "influx"']),
            ("temp=21.4 hum=44", ['format = "keyvalue"']),
            ("21.4,44,7", ['format = "csv"']),
            ('[{"bn":"urn:x","n":":t","v":23.1}]', ['format = "senml"']),
            ("21,5", ['decimal = ","']),
            ("23.5 °C", ["strip_unit = true"]),
            ("21,5 °C", ['decimal = ","', "strip_unit = true"]),
            ("Online", ["states = { Online = 1 }"]),
        ],
    )
    def test_other_forms_under_number_are_recognised(self, payload, lines):
        explanation = Daemon({"name": "s", "topic": "t"}).explained("t", payload.encode())
        assert explanation.lines[-len(lines) :] == lines
        keys = tomllib.loads("\n".join(lines))
        assert Daemon({"name": "s", "topic": "t"} | keys).feed(("t", payload)).values

    def test_a_time_that_is_not_believed_is_no_fault_of_the_sample_which_counts_at_its_arrival(self, caplog):
        daemon = Daemon(JSON | {"topic": "t", "field": "v", "time_field": "ts"})
        payload = json.dumps({"v": 5, "ts": NOW + 7200}).encode()
        explanation = daemon.explained("t", payload)
        assert (explanation.taken, explanation.rejected) == (True, False)
        told = "its time is 7200 s ahead, more than max_ahead (60 s): is a clock or time_zone wrong?"
        assert f'stream: "t" value: 5.0, at its arrival: {told}' in explanation.lines
        assert daemon.feed(("t", payload), ("t", payload)).rejected == {}
        assert daemon.intake.faults.ahead == 2
        assert daemon.times == {"t": NOW + 1}
        (line,) = [r.message for r in caplog.records]
        assert line.startswith('sample counts at its arrival topic="t" block="s" why="its time is 7200 s')
        assert not daemon.explained("t", json.dumps({"v": 5, "ts": NOW + 60}).encode()).rejected

    @pytest.mark.parametrize(
        ("payload", "keys"),
        [
            (b"90", {"valid": [-40, 80]}),
            (b"-127", {"ignore": [-127]}),
            (b"nan", {}),
            (b"1e999", {}),
            (b'{"v":5,"ts":"soon"}', {"format": "json", "field": "v", "time_field": "ts"}),
            (b'{"v":5,"id":[]}', {"format": "json", "field": "v", "labels": {"id": "id"}}),
        ],
    )
    def test_no_other_way_to_read_it_is_told_of_what_is_understood_and_refused(self, payload, keys):
        explanation = Daemon({"name": "s", "topic": "t"} | keys).explained("t", payload)
        assert explanation.rejected
        assert "rejected: " in str(explanation)
        assert "to read it" not in str(explanation)

    def test_a_birth_of_sparkplug_under_number_is_recognised(self):
        topic = "spBv1.0/g/NBIRTH/n"
        birth = b"\x08\x01\x12\x11\x0a\x04temp\x20\x0ai" + struct.pack("<d", 21.5) + b"\x18\x00"
        explanation = Daemon({"name": "s", "topic": "#"}).explained(topic, birth)
        assert explanation.lines[-1] == 'format = "sparkplug"'

    @pytest.mark.parametrize("payload", ["12:30", "a b c", "?", "", "nan", "{", "1e999"])
    def test_what_nothing_reads_has_no_remedy(self, payload):
        lines = Daemon({"name": "s", "topic": "t"}).explained("t", payload.encode()).lines
        assert "to read it:" not in lines

    def test_no_remedy_is_told_where_another_block_takes_the_message(self):
        blocks = JSON | {"topic": "t", "field": "a"}, JSON | {"name": "other", "topic": "t", "field": "b"}
        explanation = Daemon(*blocks).explained("t", b'{"a":1}')
        assert not explanation.rejected
        assert "to read it:" not in explanation.lines

    @pytest.mark.parametrize(
        ("path", "meant"),
        [
            ("$.temperature", "temperature"),
            ("*.temp", "{name}.temp"),
            ("sensors[0].temp", "sensors.0.temp"),
            ("{{ value_json.x }}", "x"),
            ("{{ value_json.a.b | float }}", "a.b"),
            ("$['a']['b']", "a.b"),
            ("value_json.x", "x"),
            ("{{ value_json['x'] }}", "x"),
            ("a.*.b", "a.{name}.b"),
            ("sensors.#.temp", "sensors.{name}.temp"),
            ("$.a[*].b[*].c", "a.{name}.b.{name2}.c"),
            (".values[].v", "values.{name}.v"),
            ("sensors.[0].temp", "sensors.0.temp"),
        ],
    )
    def test_notations_of_other_programs_are_recognised(self, path, meant):
        with pytest.raises(ConfigError) as caught:
            Daemon(JSON | {"topic": "t", "field": path})
        assert f'expected a path such as "{meant}", got ' in str(caught.value)

    @pytest.mark.parametrize("records", ["$.values[*]", "values[*]", ".values[]", "values.*"])
    def test_records_are_named_by_the_path_of_their_list(self, records):
        with pytest.raises(ConfigError, match='expected the path of the list, such as "values", got '):
            Daemon(JSON | {"topic": "t", "records": records, "field": "v"})

    def test_a_pointer_takes_keys_as_they_are(self):
        daemon = Daemon(JSON | {"topic": "t", "field": "/a/*/b"}).feed(("t", '{"a":{"*":{"b":1}}}'))
        assert daemon.values == {"t": 1.0}

    def test_excluded_topics_are_not_taken_and_are_no_fault(self):
        daemon = Daemon({"name": "s", "topic": "z/#", "exclude_topic": ["z/bridge/#", "z/+/availability"]})
        daemon.feed(("z/hall", "1"), *[("z/bridge/state", "1"), ("z/hall/availability", "1"), ("y", "1")] * 2)
        assert daemon.values == {"z/hall": 1.0}
        assert (daemon.rejected, daemon.intake.absent) == ({"unknown_topic": 2}, 4)
        assert "exclude_topic" in str(daemon.explained("z/bridge/state", b"1"))


class TestFormats:
    def test_the_line_protocol(self):
        daemon = Daemon({"name": "s", "topic": "w", "format": "influx"})
        daemon.feed(
            (
                "w",
                "# comment\nweather,station=roof,a\\ b=c\\,d temp=21.4,hum=44i,on=t,"
                'text="x, y=1 \\" z" 1772359100000000000\n'
                "other value=3u",
            )
        )
        series = "w/weather,a_b=c%2Cd,station=roof"
        assert daemon.values == {
            f"{series}/temp": 21.4,
            f"{series}/hum": 44.0,
            f"{series}/on": 1.0,
            "w/other/value": 3.0,
        }
        assert daemon.times[f"{series}/hum"] == NOW - 100.0
        assert daemon.times["w/other/value"] == NOW
        labels = {"measurement": "weather", "a_b": "c,d", "station": "roof", "field": "hum"}
        assert daemon.labels[f"{series}/hum"] == labels
        assert dict(daemon.intake.blocks[0].labels_of_stream(f"{series}/hum")) == labels

    @pytest.mark.parametrize(
        "line", ["weather", "weather temp", "weather temp=x1", "w,t temp=1", "w temp=1 noon", ""]
    )
    def test_what_is_no_line_is_refused(self, line):
        daemon = Daemon({"name": "s", "topic": "w", "format": "influx"}).feed(("w", line))
        assert daemon.values == {}
        assert set(daemon.rejected) <= {"invalid_payload", "empty"}
        assert daemon.rejected

    def test_pairs(self):
        daemon = Daemon({"name": "s", "topic": "t", "format": "keyvalue"})
        daemon.feed(("t", 'temp=21.4 hum=44, state="on"; n: 3'))
        assert daemon.values == {"t/temp": 21.4, "t/hum": 44.0, "t/n": 3.0}

    def test_a_value_behind_a_time(self):
        keys = {"format": "csv", "delimiter": ":", "field": "2", "time_field": "1"}
        daemon = Daemon({"name": "s", "topic": "collectd/{host}", **keys}).feed(
            ("collectd/a", b"1772359199.985:3\0")
        )
        assert daemon.values == {"collectd/a": 3.0}
        assert daemon.times == {"collectd/a": 1772359199.985}

    @pytest.mark.parametrize("columns", [(), ("device", "time", "channel", "value")])
    def test_cells_by_number_or_name(self, columns):
        names = columns or ("1", "2", "3", "4")
        keys = {"columns": list(columns)} if columns else {}
        keys |= {
            "labels": {"device": names[0], "channel": names[2]},
            "time_field": names[1],
            "field": names[3],
        }
        daemon = Daemon({"name": "s", "topic": "t", "format": "csv", **keys})
        daemon.feed(("t", "A003W0001,2026-03-01T10:00:00Z,C1,026.9\r\n"))
        assert daemon.values == {"t/A003W0001/C1": 26.9}
        assert daemon.times == {"t/A003W0001/C1": NOW}

    @pytest.mark.parametrize(
        ("keys", "payload"),
        [
            ({"format": "csv", "labels": {"id": "2"}, "field": "1"}, "21.4,0042"),
            ({"format": "csv", "columns": ["v", "id"], "labels": {"id": "id"}}, "21.4, 0042 "),
            ({"format": "keyvalue", "labels": {"id": "id"}}, "v=21.4 id=0042"),
            ({"format": "keyvalue", "labels": {"id": "/id"}, "field": "v"}, "v=21.4 id=0042"),
        ],
    )
    def test_a_number_that_is_a_label_stays_as_it_is_spelled(self, keys, payload):
        daemon = Daemon({"name": "s", "topic": "t"} | keys).feed(("t", payload))
        (labels,) = daemon.labels.values()
        assert labels["id"] == "0042"
        assert list(daemon.values.values()) == [21.4]

    @pytest.mark.parametrize(
        ("keys", "values"),
        [
            (
                {"records": "d", "field": "^*", "labels": {"i": "id"}},
                {"t/5/id": 9.0, "t/5/time": 60.0, "t/5/a": 1.0},
            ),
            ({"records": "d", "field": "*", "labels": {"i": "id"}}, {"t/5/a": 7.0}),
            ({"records": "d", "field": "*", "labels": {"i": "^id"}}, {"t/9/id": 5.0, "t/9/a": 7.0}),
            ({"records": ".", "field": "*", "labels": {"i": "^id"}, "time_field": "^time"}, {"t/9/a": 1.0}),
            ({"field": "^*", "labels": {"i": "id"}, "time_field": "time"}, {"t/9/a": 1.0}),
        ],
    )
    def test_each_number_is_told_but_those_that_are_its_own_time_and_labels(self, keys, values):
        daemon = Daemon({"name": "s", "topic": "t", "format": "json", "exclude": ["d.*"]} | keys)
        daemon.feed(("t", b'{"id":9,"time":60,"a":1,"d":{"id":5,"a":7}}'))
        assert daemon.values == values

    def test_gzip_is_known_by_its_first_bytes(self):
        daemon = Daemon(JSON | {"topic": "t", "field": ["a", "b"]})
        daemon.feed(("t", gzip.compress(b'{"a":1,"b":2}')))
        assert daemon.values == {"t/a": 1.0, "t/b": 2.0}
        daemon.feed(("t", gzip.compress(b'{"a":' + b" " * 70_000 + b"1}")), ("t", gzip.compress(b"{}")[:-9]))
        assert daemon.rejected == {"too_large": 1, "invalid_payload": 1}


class TestCounters:
    def test_a_total_becomes_its_rate_and_a_reset_is_recognised(self):
        daemon = Daemon({"name": "s", "topic": "t", "kind": "counter"})
        rates = []
        for total in (104_512, 104_514, 104_517, 3, 5):
            daemon.feed(("t", str(total)))
            rates.append(daemon.values.get("t"))
        assert rates == [None, 2.0, 3.0, 3.0, 2.0]
        assert daemon.rejected == {}

    def test_a_reload_keeps_the_totals(self):
        block = {"name": "s", "topic": "t", "kind": "counter"}
        before = Daemon(block).feed(("t", "10"))
        after = Daemon(block | {"per": "1m"}, now=before.now)
        after.intake.go_on_from(before.intake)
        after.feed(("t", "12"))
        assert after.values == {"t": 120.0}

    def test_per_hour_and_by_the_times_of_the_payload(self):
        keys = {"kind": "counter", "per": "1h", "field": "v", "time_field": "t"}
        daemon = Daemon(JSON | {"topic": "t", **keys})
        for v, t in ((10, 0), (11, 60), (11, 60), (12, 30), (14, 120)):
            daemon.feed(("t", f'{{"v":{v},"t":{NOW - 1000 + t}}}'))
        assert daemon.values == {"t": 180.0}
        assert daemon.engine.groups[0].count[0] == 2


class TestTextsThatAreNoNumbers:
    @pytest.mark.parametrize("payload", ["sunny", "2026-03-01", '"eco"', "255,0,0", '{"a": 1}'])
    def test_they_are_absent_where_a_block_says_so_and_else_a_fault(self, payload):
        assert one(payload) == "not_a_number"
        skipping = Daemon({"name": "s", "topic": "t", "texts": "skip"}).feed(("t", payload))
        assert (skipping.rejected, skipping.intake.absent) == ({}, 1)

    @pytest.mark.parametrize(("payload", "outcome"), [("21.5", 21.5), ("ON", 1.0), ("nan", "not_finite")])
    def test_what_is_a_number_stays_one_and_a_dead_sensor_a_fault(self, payload, outcome):
        assert one(payload, texts="skip", states={"ON": 1}) == outcome

    def test_a_named_field_of_a_document_may_be_a_text_too(self):
        keys = {"topic": "t", "field": "v", "texts": "skip"}
        daemon = Daemon(JSON | keys).feed(("t", '{"v": "idle"}'), ("t", '{"v": 2}'), ("t", '{"v": "idle"}'))
        assert (daemon.values, daemon.rejected, daemon.intake.absent) == ({"t": 2.0}, {}, 2)

    @pytest.mark.parametrize("payload", ["Dimmer", "1.2.3", " 2026-03-01T10:00:00Z", "-"])
    def test_a_bare_text_where_json_may_stand_is_absent_where_texts_are(self, payload):
        assert one(payload, format="json", field="v") == "invalid_json"
        daemon = Daemon(JSON | {"topic": "t", "field": "v", "texts": "skip"}).feed(("t", payload))
        assert (daemon.rejected, daemon.intake.absent) == ({}, 1)
        assert "which `texts` skips" in str(daemon.explained("t", payload.encode()))

    @pytest.mark.parametrize("payload", ['{"v": 1', '[{"v": 1}', '"idle', '\ufeff{"v"'])
    def test_a_broken_document_is_a_fault_all_the_same(self, payload):
        assert one(payload, format="json", field="v", texts="skip") == "invalid_json"

    @pytest.mark.parametrize("found", ['{"unit": "s"}', "[1, 2]"])
    def test_a_table_or_a_list_in_a_named_field_is_absent_where_texts_are(self, found):
        document = f'{{"v": {found}}}'
        assert one(document, format="json", field="v") == "wrong_type"
        daemon = Daemon(JSON | {"topic": "t", "field": "v", "texts": "skip"}).feed(("t", document))
        assert (daemon.rejected, daemon.intake.absent) == ({}, 1)


def test_a_document_without_anything_that_is_asked_for_needs_no_time():
    daemon = Daemon(JSON | {"topic": "t", "field": ["a", "b.*"], "time_field": "at"})
    daemon.feed(("t", '{"other": {"c": 1}}'))
    assert (daemon.rejected, daemon.intake.absent) == ({}, 1)
    daemon.feed(("t", '{"b": {"c": 1}}'))
    assert daemon.rejected == {"invalid_time": 1}


def test_a_document_without_records_is_absent_and_a_number_beside_them_is_none():
    daemon = Daemon(JSON | {"topic": "t", "records": "params/{part}", "field": "*"})
    daemon.feed(("t", '{"other": 1}'))
    assert (daemon.rejected, daemon.intake.absent) == ({}, 1)
    daemon.feed(("t", '{"params": {"ts": 17, "switch": {"power": 9}}}'))
    assert daemon.values == {"t/switch/power": 9.0}
