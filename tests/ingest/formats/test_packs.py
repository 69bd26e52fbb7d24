"""Packs of SenML by the quick way: the samples that the general way gives, whatever came before."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from ewad.config import parse
from ewad.engine import Engine
from ewad.ingest.files.messages import RecordedMessage
from ewad.ingest.formats import known
from ewad.ingest.intake import Intake

NOW = 1.8e9


def intake(**block):
    settings = parse({"stream": [{"name": "s", "topic": "t", "format": "senml", **block}]}, "t", {})
    return Intake(Engine(settings.group_settings()), settings.streams)


def taken(one, document):
    """What one message gives: stream, value and time of each sample, and whether something else counted."""
    before = sum(one.rejected.values()), one.absent
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    one.consume([RecordedMessage(NOW, "t", payload)], NOW)
    streams, found = one.engine.groups[0].streams.names, []
    while (batch := one.take_batch()) is not None:
        columns = batch.stream.tolist(), batch.value.tolist(), batch.time.tolist()
        found += [(streams[row], value, time) for row, value, time in zip(*columns, strict=True)]
    return found, (sum(one.rejected.values()), one.absent) != before


numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
stamps = st.sampled_from([0, -60, 5, 1e-3, 2**28, 2**28 - 1, 1_790_000_000, 1_900_000_000.5, 1e300])
names = st.sampled_from(["", "a", "b", ":t1", "é"])
record = st.fixed_dictionaries({}, optional={"n": names, "v": numbers, "t": stamps, "u": names})
odd = st.fixed_dictionaries(
    {},
    optional={
        "bn": names,
        "bt": stamps,
        "bu": names,
        "bv": numbers,
        "vb": st.booleans(),
        "vs": names,
        "vd": names,
        "s": numbers,
        "bver": st.just(10),
        "x": names,
    },
)
base = st.fixed_dictionaries({}, optional={"bn": names, "bt": stamps, "bu": names})
first = st.builds(lambda own, of_all: own | of_all, record, base)
plain = st.builds(lambda head, rest: [head, *rest], first, st.lists(record, max_size=3))
packs = st.one_of(plain, st.lists(st.builds(lambda a, b: a | b, record, odd), max_size=3))
BASE = {"bn": "d", "bt": 1_790_000_000}


@given(st.lists(packs, min_size=1, max_size=4), st.sampled_from([{}, {"valid": [0, 50]}, {"field": "t"}]))
@example(
    [[{"n": "a", "v": 1}], [{"n": "a", "v": 1, "bv": 2}], [{"n": "b", "v": 1}], [{"n": "a", "v": 1e200}]], {}
)
@example(
    [[BASE | {"n": "a", "v": 1}, {"n": "b", "v": 2, "t": 1e9}], [{"n": "a", "v": 1}, {"n": "b", "v": 2}]], {}
)
@example([[{"n": "a", "v": 1}], [{"n": "a", "v": 2, "t": -1e10}], [{"n": "a", "v": 3, "t": 1e10}]], {})
@example([[{"n": "a", "v": 1}], [{"n": "a", "v": 2, "t": -9.2e9}], [{"n": "a", "v": 3, "bt": -1e300}]], {})
def test_the_quick_way_gives_the_samples_of_the_general_one(documents, block):
    """The second intake is made anew for each message, so that it knows no pack."""
    one = intake(**block)
    for document in documents * 3:
        assert taken(one, document) == taken(intake(**block), document)


pieces = [
    b" ", b"\t", b"\n", b"\0", b"-", b"-0", b"-0.0", b"0", b"01", b".5", b"1.", b"1e5", b"1E+3", b"1e-400",
    b"1e999", b"12345678901234567890", b"0.1234567890123456789", b"nan", b"true", b"null", b'"', b"\\",
    b"\\u0061", b"\xff", "é".encode(), b"{", b"}", b"[", b"]", b",", b":", b'"n":"a"', b'"bn":"x"', b'"bt":5',
    b'"v":2', b'"bv":1', b"\x7f",
]  # fmt: skip
PLAIN = b'[{"bn":"d:","bt":1790000000,"n":"a","v":20.5},{"n":"b","v":-3,"t":-60}]'
damaged = st.tuples(st.integers(0, len(PLAIN)), st.integers(0, 4), st.sampled_from(pieces)).map(
    lambda cut: PLAIN[: cut[0]] + cut[2] + PLAIN[cut[0] + cut[1] :]
)
numbered = st.sampled_from(pieces).map(lambda piece: PLAIN.replace(b"20.5", piece).replace(b"-60", piece))


@given(st.lists(st.one_of(damaged, numbered), min_size=1, max_size=3))
def test_damaged_packs_are_read_as_by_the_general_way(payloads):
    one = intake()
    for payload in (PLAIN, PLAIN, *payloads * 2, PLAIN):
        assert repr(taken(one, payload)) == repr(taken(intake(), payload))


def test_names_and_numbers_come_in_any_order_and_number():
    one = intake()
    taken(one, PLAIN)
    taken(one, PLAIN)
    way = one._laid_out["t"]
    assert way.take(b' [ { "v" : 1 , "n" : "a" , "bn" : "d:" } ] ', NOW) == 1
    assert (
        way.take(b'[{"bn":"d:"},{"v":1,"n":"b"},{"v":2,"n":"a","u":"Cel"},{"bn":"","n":"d:a","v":3}]', NOW)
        == 3
    )
    names = [one.engine.groups[0].streams.names[row] for row in one.blocks[0].rows]
    assert names == ["t/d:a", "t/d:b", "t/d:a", "t/d:a"]


def test_names_beyond_the_bound_are_forgotten_and_learnt_again(monkeypatch):
    monkeypatch.setattr(known, "MOST_ENTRIES", 100)
    one = intake()
    for first in (0, 60, 120):
        pack = [{"n": f"s{n}", "v": n} for n in range(first, first + 60)]
        for _ in range(3):
            assert len(taken(one, pack)[0]) == 60
        assert one._laid_out["t"].take(json.dumps(pack).encode(), NOW) == 60
        for column in (one.blocks[0].rows, one.blocks[0].values, one.blocks[0].times):
            del column[:]
        assert len(one._laid_out["t"].way._known) <= 100


def test_a_pack_of_many_records_has_room():
    one = intake()
    pack = [{"n": f"s{n}", "v": n} for n in range(2000)]
    for _ in range(2):
        assert len(taken(one, pack)[0]) == 2000
    assert one._laid_out["t"].take(json.dumps(pack).encode(), NOW) == 2000


def test_known_names_go_the_quick_way():
    one = intake()
    pack = [BASE | {"n": ":t1", "u": "Cel", "v": 23.1}, {"n": ":t2", "v": 23.9, "t": -60}]
    for _ in range(2):
        taken(one, pack)
    way, waiting = one._laid_out["t"].way, one.blocks[0]
    assert way.take(json.dumps(pack).replace("23.9", "24").encode(), NOW, NOW) == 2
    assert waiting.values.tolist() == [23.1, 24.0]
    assert waiting.times.tolist() == [1_790_000_000.0, 1_789_999_940.0]
    others = [pack[::-1], [*pack, {"n": "x", "v": 1}], [pack[0], {"n": ":t3", "v": 1}]]
    others += [[pack[0], pack[1] | {"t": 2e8}], [pack[0], pack[1] | {"v": "1"}]]
    assert [way.take(json.dumps(each).encode(), NOW, NOW) for each in others] == [0] * len(others)


def test_a_time_below_2_to_the_28_counts_from_the_arrival():
    """RFC 8428, 4.5.3."""
    one = intake()
    for _ in range(3):
        found, _ = taken(one, [{"n": "a", "v": 1, "t": -60}, {"n": "b", "v": 2}])
        assert found == [("t/a", 1.0, NOW - 60.0), ("t/b", 2.0, NOW)]
    assert one._laid_out["t"].take(b'[{"n":"a","v":1,"t":-60},{"n":"b","v":2}]', NOW) == 2
