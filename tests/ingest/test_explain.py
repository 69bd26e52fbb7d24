"""`ewad explain` says of one message what the daemon says of it."""

from typing import ClassVar

import pytest

from ewad.config import parse
from ewad.engine import Engine
from ewad.ingest.explain import explain
from ewad.ingest.formats.reasons import ABSENT, REASONS
from ewad.ingest.intake import Intake
from tests.ingest.formats.test_sparkplug import metric
from tests.ingest.formats.test_sparkplug import payload as sparkplug
from tests.ingest.test_intake import Message
from tests.ingest.test_live_messages import NOW, Daemon

JSON = {"format": "json"}
TIMED = JSON | {"field": "v", "time_field": "t", "records": "."}
POINT = b'{"time":1,"value":1}'
# reason -> keys of the block, topic and payload of the first message ever
OF_ONE_MESSAGE = {
    "empty": ({}, "t", b""),
    "not_a_number": ({}, "t", b"warm"),
    "not_finite": ({}, "t", b"nan"),
    "out_of_range": ({}, "t", b"1e999"),
    "invalid_value": ({"valid": [0, 1]}, "t", b"2"),
    "invalid_json": (JSON | {"field": "v"}, "t", b'{"v":'),
    "invalid_payload": ({"format": "senml"}, "t", b"5"),
    "unsupported": ({"format": "senml"}, "t", b'[{"n":"a","s":5}]'),
    "unknown_alias": (
        {"format": "sparkplug", "topic": "spBv1.0/#"},
        "spBv1.0/g/NDATA/n",
        sparkplug(metric(alias=1, value=(10, 5))),
    ),
    "wrong_type": (JSON | {"field": "v"}, "t", b'{"v":[]}'),
    "invalid_label": (JSON | {"field": "v", "labels": {"id": "id"}}, "t", b'{"v":5,"id":[]}'),
    "invalid_time": (TIMED, "t", b'[{"v":5,"t":"soon"}]'),
    "too_large": ({}, "t", b"0" * 100_000),
    "topic_too_long": ({}, f"t/{'a' * 1100}", b"5"),
    "unknown_topic": ({}, "other", b"5"),
    "too_many_points": ({}, "external", b"[%s]" % b",".join([POINT] * 513)),
    "stream_limit": (JSON | {"field": "*", "max_streams": 1}, "t", b'{"a":5,"b":5}'),
    "out_of_order": (TIMED, "t", b'[{"v":5,"t":%d},{"v":5,"t":%d}]' % (NOW, NOW - 60)),
}
# What depends on messages before, on the broker's store or on the streams that there are.
OF_OTHERS = {"sequence_gap", "retained", "unknown_stream"}


class Both:
    """A daemon of one block and the same configuration for `ewad explain`."""

    def __init__(self, keys, max_streams=1000):
        block = {"name": "s", "topic": "t/#", "model": "m"} | keys
        self.settings = parse(
            {"stream": [block], "model": {"m": {"horizons": [1], "external": ["external"]}}}, "test", {}
        )
        self.max_streams = max_streams

    def intake(self):
        engine = Engine(self.settings.group_settings(), self.max_streams)
        return engine, Intake(engine, self.settings.streams)

    def counted(self, topic, payload):
        """Return what the daemon rejects of a message that is its first one, and how many values it takes."""
        engine, intake = self.intake()
        intake.consume([Message(topic, payload)], NOW)
        intake.observe()
        late = sum(group.out_of_order for group in engine.groups)
        counts = intake.rejected | {"out_of_order": late}
        n = sum(int(group.count[: len(group.streams)].sum()) for group in engine.groups)
        return {reason for reason, n in counts.items() if n}, n

    def told(self, topic, payload):
        return explain(self.intake()[1], topic, payload, NOW)


def test_of_each_reason_of_rejection_it_is_known_whether_one_message_has_it():
    assert {*OF_ONE_MESSAGE, *OF_OTHERS} == {*REASONS, "out_of_order"}


@pytest.mark.parametrize("reason", OF_ONE_MESSAGE)
def test_what_the_daemon_rejects_is_told_with_the_same_reason(reason):
    keys, topic, payload = OF_ONE_MESSAGE[reason]
    both = Both(keys)
    counted, n_values = both.counted(topic, payload)
    explanation = both.told(topic, payload)
    assert counted == {reason}
    assert explanation.rejected
    assert str(explanation).count(f"rejected: {reason}: ") == 1
    assert str(explanation).count(" value: ") == n_values
    assert explanation.taken == (n_values > 0)


class TestSeveralOfOneMessage:
    KEYS: ClassVar = {"format": "json", "field": "*"}

    def test_the_limit_of_all_streams_counts_as_well(self):
        both = Both(self.KEYS, max_streams=2)
        message = "t", b'{"a":1,"b":2,"c":3}'
        assert both.counted(*message) == ({"stream_limit"}, 2)
        assert str(both.told(*message)).count("rejected: stream_limit: expected at most 2 streams") == 1

    def test_a_sample_that_comes_late_is_taken_where_the_block_says_so(self):
        keys = TIMED | {"out_of_order": "accept"}
        both, (_, *message) = Both(keys), OF_ONE_MESSAGE["out_of_order"]
        assert both.counted(*message) == (set(), 2)
        assert not both.told(*message).rejected

    def test_two_samples_of_the_same_time_are_none_that_come_late(self):
        both, message = Both(TIMED), ("t", b'[{"v":5,"t":%d},{"v":6,"t":%d}]' % (NOW, NOW))
        assert both.counted(*message) == (set(), 2)
        assert not both.told(*message).rejected


def nested(levels, inner="5"):
    return ('{"a":' * levels + inner + "}" * levels).encode()


class TestDeepDocuments:
    EVERY: ClassVar = {"format": "json", "field": "*"}
    TOLD = "expected a number, got a table or list below 32 levels of others, which ewad does not read"

    @pytest.mark.parametrize("levels", [33, 100, 500, 1100, 2000])
    def test_what_is_nested_too_deeply_is_refused_for_what_it_is(self, levels, caplog):
        both = Both(self.EVERY)
        assert both.counted("t", nested(levels)) == ({"unsupported"}, 0)
        (line,) = [record.message for record in caplog.records]
        assert "too deep JSON" in line
        told = str(both.told("t", nested(levels)))
        expected = self.TOLD if levels < 1000 else "expected fewer levels of JSON, got "
        assert expected in told
        assert "rejected: unsupported: " in told
        assert "no number is in it" not in told

    def test_the_other_fields_of_a_document_count(self):
        message = "t", b'{"v":5,"deep":%s}' % nested(40)
        assert Both(self.EVERY).counted(*message) == ({"unsupported"}, 1)
        assert Both(self.EVERY | {"exclude": "deep.*"}).counted(*message) == (set(), 1)

    @pytest.mark.parametrize("keys", [{"field": "v"}, {"field": ["v", "w"]}])
    @pytest.mark.parametrize(("levels", "refused"), [(500, set()), (2000, {"unsupported"})])
    def test_quick_ways_count_as_the_general_one_does(self, keys, levels, refused):
        both = Both(JSON | keys)
        message = b'{"v":5,"w":6,"deep":%s}' % nested(levels)
        _, intake = both.intake()
        shallow = Message("t", b'{"v":5,"w":6,"deep":{}}')
        for each in (shallow, shallow, shallow, Message("t", message)):
            intake.consume([each], NOW)
            intake.observe()
        assert {reason for reason, n in intake.rejected.items() if n} == refused
        assert both.counted("t", message)[0] == refused
        assert both.told("t", message).rejected == bool(refused)

    def test_a_path_leads_further_down(self):
        both = Both(JSON | {"field": ".".join("a" * 40)})
        assert both.counted("t", nested(40)) == (set(), 1)
        assert not both.told("t", nested(40)).rejected

    def test_32_levels_are_read(self):
        assert Both(self.EVERY).counted("t", nested(32)) == (set(), 1)
        assert Both(self.EVERY).counted("t", nested(32, "{}")) == (set(), 0)

    def test_where_json_is_not_expected_it_is_told_that_there_are_more_levels(self):
        assert Both({}).told("t", nested(40)).lines[-1] == "it has more than 32 levels"


class TestWhatIsLeftOut:
    def told(self, payload, **keys):
        daemon = Daemon({"preset": "shelly"} | keys)
        return daemon.explained("shellyplus-1/status/input:0", payload.encode()).lines

    def test_no_field_is_advised_that_the_block_leaves_out(self):
        lines = self.told('{"id":0,"state":null}')
        assert lines[-1] == "no number is in it that `exclude` does not leave out"
        assert not any("id" in line for line in lines[2:])

    def test_the_others_are_advised(self):
        lines = self.told('{"id":0,"apower":8.9}', field="output")
        assert lines[-1] == 'field = "apower"'
        assert "  apower = 8.9" in lines
        assert "  id = 0" not in lines


def test_a_topic_that_each_block_leaves_out_is_no_fault_for_either():
    both = Both({"exclude_topic": "t/x"})
    assert both.counted("t/x", b"5") == (set(), 0)
    assert 'left alone: "t/x": no [[stream]] block takes this topic' in str(both.told("t/x", b"5"))


def test_reasons_that_are_no_fault_are_told_as_left_alone():
    for reason, payload in (("missing_field", b'{"w":1}'), ("null", b'{"v":null}')):
        assert reason in ABSENT
        both = Both(JSON | {"field": "v"})
        assert both.counted("t", payload) == (set(), 0)
        assert "left alone: " in str(both.told("t", payload))
        assert "rejected: " not in str(both.told("t", payload))


def test_numbers_that_a_preset_leaves_out_are_named_but_not_those_that_another_block_of_it_reads():
    settings = parse({"stream": [{"preset": "tasmota"}]}, "test", {})
    intake = Intake(Engine(settings.group_settings(), 100), settings.streams)
    time = b'{"Time":"2026-03-01T11:00:00",'
    payload = time + b'"ENERGY":{"Total":12.3,"Power":100},"DS18B20":{"Temperature":12.5}}'
    lines = explain(intake, "tele/plug/SENSOR", payload, NOW).lines
    assert lines[-1] == 'left out by exclude: "tele/plug/SENSOR/ENERGY.Total"'
    plain = explain(intake, "tele/plug/SENSOR", time + b'"ENERGY":{"Power":100}}', NOW).lines
    assert not [line for line in plain if "left out" in line]
