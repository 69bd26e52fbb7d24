import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.config.settings import StreamSettings
from ewad.errors import DecodeError
from ewad.ingest.formats.json import _BARE
from ewad.ingest.formats.reasons import ABSENT, REASONS
from ewad.ingest.formats.records import PayloadReader
from ewad.ingest.formats.table import FORMATS
from ewad.ingest.formats.times import unix_seconds
from ewad.ingest.formats.values import decode_number

MOMENT = 1700000000.0


def block(**keys):
    return StreamSettings(name="test", topics=("a",), **keys)


class build:  # noqa: N801  (as a function: the reader of a block)
    def __init__(self, settings, max_bytes):
        self.reader = PayloadReader(settings, max_bytes)
        self.value = self.reader.quick

    def record(self, payload):
        """Return values, None where absent, and the time. Raises the first error if there is no value."""
        records = self.reader.read("a", payload, MOMENT)
        values = [record.value for record in records]
        if not any(isinstance(value, float) for value in values):
            raise values[0]
        absent = [isinstance(value, DecodeError) and value.reason in ABSENT for value in values]
        return [None if gone else value for gone, value in zip(absent, values, strict=True)], records[0].time


def json_value(payload, path="v", max_bytes=65536):
    """The value by the quick reader, which must agree with the careful one."""
    reader = PayloadReader(block(format="json", fields=((path, ""),)), max_bytes)
    outcomes = []
    for read in (reader.quick, reader._only_value):
        try:
            outcomes.append(read(payload))
        except DecodeError as error:
            outcomes.append((error.reason, str(error)))
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


def reason(function, *arguments):
    with pytest.raises(DecodeError) as caught:
        function(*arguments)
    assert caught.value.reason in REASONS | ABSENT
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()
    return caught.value.reason


@given(st.floats(-1e149, 1e149))
def test_number_reads_back_every_float_exactly(value):
    assert struct.pack("d", decode_number(repr(value).encode())) == struct.pack("d", value)


@pytest.mark.parametrize("payload", [b"21.5", b"  21.5\r\n", b"\t2.15e1", b"+21.5", b"0021.50", b"215E-1"])
def test_number_allows_white_space_and_scientific_notation(payload):
    assert decode_number(payload) == 21.5
    assert build(block(), 100).value(payload) == 21.5


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"1_000", "not_a_number"),
        (b"0x1F", "not_a_number"),
        (b"on", "not_a_number"),
        (b"21,5", "not_a_number"),
        (b"21.5 C", "not_a_number"),
        (b"\xff\xfe\x00", "not_a_number"),
        (b"1\x002", "not_a_number"),
        ("٣".encode(), "not_a_number"),
        (b"nan", "not_finite"),
        (b"-Infinity", "not_finite"),
        (b"inf", "not_finite"),
        (b"1e150", "out_of_range"),
        (b"-1e999", "out_of_range"),
        (b"9" * 500, "out_of_range"),
        (b"1" * 2000, "too_large"),
    ],
)
def test_number_refuses_with_its_reason(payload, why):
    assert reason(decode_number, payload, 1000) == why
    assert reason(build(block(), 1000).value, payload) == why
    assert reason(build(block(), 1000).record, payload) == why


@given(st.binary(max_size=40))
def test_any_bytes_give_a_finite_number_or_a_known_reason(payload):
    for form in FORMATS:
        reader = PayloadReader(block(format=form), 30)
        try:
            records = reader.read("spBv1.0/group/NBIRTH/node", payload, 1.0)
            assert all(isinstance(r.value, DecodeError) or math.isfinite(r.value) for r in records)
        except DecodeError as error:
            assert error.reason in REASONS | ABSENT


def test_message_shows_at_most_forty_characters_of_the_payload():
    with pytest.raises(DecodeError) as caught:
        decode_number(b"x" * 1000)
    assert str(caught.value) == f'expected a number, got "{"x" * 40}"...'


def test_scale_and_offset_do_not_carry_a_value_out_of_range():
    value = build(block(scale=1e100), 1000).value
    assert value(b"1e49") == 1e49
    assert reason(value, b"1e51") == "out_of_range"


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("v", {"v": 21.5}),
        ("v", {"x": [1, {"v": 3}], "v": 21.5, "z": "é"}),
        ("v", {"v": "21.5"}),
        ("v", {"v": " 2.15e1 "}),
        ("a.b.v", {"a": {"b": {"v": 21.5}}}),
        ("/a/b/v", {"a": {"b": {"v": 21.5}}}),
        ("a.1.v", {"a": [0, {"v": 21.5}]}),
        ("/a/0", {"a": [21.5]}),
        ("a.0", {"a": {"0": 21.5}}),
        ("/a~1b~0", {"a/b~": 21.5}),
        ("/", {"": 21.5}),
        ('/"\\', {'"\\': 21.5}),
    ],
)
def test_json_field_is_found_by_pointer_or_dotted_path(path, document):
    assert json_value(json.dumps(document).encode(), path) == 21.5


def test_json_of_an_integer_is_its_float():
    assert json_value(b'{"v": 21}') == 21.0
    assert isinstance(json_value(b'{"v": 21}'), float)


def test_json_without_a_field_is_the_number_itself():
    value = build(block(format="json"), 1000).value
    assert value(b" 21.5 ") == 21.5
    assert value(b'"21.5"') == 21.5
    assert reason(value, b'{"v": 1}') == "wrong_type"


def test_json_takes_the_last_of_duplicate_fields():
    assert json_value(b'{"v": 1, "v": 2}') == 2.0


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b"{", "invalid_json"),
        (b"on", "invalid_json"),
        (b"\x00\xff", "invalid_json"),
        (b'{"v": NaN}', "not_finite"),
        (b'{"v": -inf}', "not_finite"),
        (b'{"v": 1} x', "invalid_json"),
        (b"[" * 100_000, "unsupported"),
        (b'{"v":' * 100_000, "unsupported"),
        (b'{"w":' + b"[" * 100_000 + b"]" * 100_000 + b', "v": 1}', "unsupported"),
        (b'{"v": 1e400}', "out_of_range"),
        (b'{"v": 1e200}', "out_of_range"),
        (b'{"v": -1' + b"0" * 400 + b"}", "out_of_range"),
        (b'{"v": ' + b"9" * 5_000 + b"}", "out_of_range"),
        (b'{"v": "1e200"}', "out_of_range"),
        (b"{}", "missing_field"),
        (b"21.5", "missing_field"),
        (b'{"w": 1}', "missing_field"),
        (b'{"v": null}', "null"),
        (b'{"v": [1]}', "wrong_type"),
        (b'{"v": {}}', "wrong_type"),
        (b'{"v": "on"}', "not_a_number"),
        (b'{"v": "\\u00b5"}', "not_a_number"),
        (b'{"v": "1_0"}', "not_a_number"),
        (b'{"v": ""}', "empty"),
        (b'{"v": "NaN"}', "not_finite"),
        (b'{"v": 1, "w": "' + b"x" * 600_000 + b'"}', "too_large"),
    ],
)
def test_json_refuses_with_its_reason(payload, why):
    outcome = json_value(payload, max_bytes=550_000)
    assert outcome[0] == why if isinstance(outcome, tuple) else outcome == why
    assert why in REASONS | ABSENT


def test_json_message_names_the_field_and_what_came():
    assert json_value(b'{"v": "NaN"}')[1] == 'field "v": expected a finite number, got "NaN"'
    assert json_value(b'{"v": null}')[1] == 'field "v": expected a number, got null'


def test_several_fields_give_a_value_each():
    record = build(block(format="json", fields=(("t", "temp"), ("h.rel", "hum"))), 1000).record
    assert record(b'{"t": 21.5, "h": {"rel": 40}}') == ([21.5, 40.0], None)
    assert record(b'{"t": 21.5}') == ([21.5, None], None)
    assert record(b'{"h": {"rel": 40}, "t": null}') == ([None, 40.0], None)
    assert reason(record, b"{}") == "missing_field"


def test_a_bad_field_leaves_its_neighbours_valid():
    record = build(block(format="json", fields=(("t", "temp"), ("h", "hum"))), 1000).record
    (temp, hum), _ = record(b'{"t": "offline", "h": 40}')
    assert isinstance(temp, DecodeError)
    assert temp.reason == "not_a_number"
    assert hum == 40.0
    assert reason(record, b'{"t": "offline"}') == "not_a_number"


@pytest.mark.parametrize(
    "time",
    [
        "1700000000",
        "1700000000.0",
        "1700000000000",
        "1700000000000000",
        "1700000000000000000",
        '"1700000000"',
        '"2023-11-14T22:13:20Z"',
        '"2023-11-14T22:13:20"',
        '"2023-11-14 22:13:20.000+00:00"',
        '"2023-11-14T23:13:20+01:00"',
        '"2023-11-14t22:13:20z"',
    ],
)
def test_time_field_is_unix_time_in_any_unit_or_rfc_3339(time):
    decoders = build(block(format="json", fields=(("v", ""),), time_field="t"), 1000)
    assert decoders.value is None
    assert decoders.record(b'{"v": 1, "t": ' + time.encode() + b"}") == ([1.0], MOMENT)


@pytest.mark.parametrize(
    "time",
    [
        '"yesterday"',
        '""',
        "null",
        "true",
        "[]",
        "1e30",
        "9" * 300,
        '"nan"',
        '"2023-13-01T00:00:00Z"',
        '"0000-01-01T00:00:00Z"',
        '"2023-11-14"',
    ],
)
def test_a_bad_time_refuses_the_message(time):
    record = build(block(format="json", fields=(("v", ""),), time_field="t"), 1000).record
    assert reason(record, b'{"v": 1, "t": ' + time.encode() + b"}") == "invalid_time"
    assert reason(record, b'{"v": 1}') == "invalid_time"


@pytest.mark.parametrize(
    "time",
    [
        "253402300800",  # year 10000 in seconds, once read as 1978 in milliseconds
        "253402300799000",  # and its last moment before in milliseconds, once 1978 in microseconds
        "253402300799000000",
        "9300000000",
        "9300000000000",
        '"9999-12-31T23:59:59Z"',
        '"2263-01-01T00:00:00Z"',
    ],
)
def test_a_time_beyond_the_year_2262_is_refused(time):
    assert unix_seconds(json.loads(time)) is None


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_the_unit_is_told_by_the_size_from_2001_to_2262(unit):
    for seconds in (1_000_000_000, 9_223_372_036):
        assert unix_seconds(seconds * unit) == seconds


@given(st.integers(-(10**9), 9_223_372_036))
def test_unix_seconds_are_themselves(seconds):
    assert unix_seconds(seconds) == seconds


def test_times_before_1970_are_negative():
    assert unix_seconds("1969-12-31T23:59:59Z") == -1.0
    assert unix_seconds(-1000.5) == -1000.5


@pytest.mark.parametrize("ending", ["", "\\", '\\"'])
def test_a_text_without_an_end_is_gone_through_once(ending):
    text = 'a b="' + '\\"' * 30_000 + ending
    assert [found.span() for found in _BARE.finditer(text)] == [(4, len(text))]
    assert json_value(text.encode(), max_bytes=100_000)[0] == "invalid_json"


def test_bare_words_are_found_around_texts():
    assert json_value(b'{"a\\"nan":"inf","v":21.5,"w":nan,"x":-Infinity}') == 21.5
