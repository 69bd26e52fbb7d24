"""Sparkplug B, by payloads that a few lines here encode from the specification."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.errors import DecodeError
from ewad.ingest.formats.protobuf import fields, float32, signed
from ewad.ingest.formats.sparkplug import owner, sender
from tests.daemon.test_many_blocks import calls
from tests.ingest.test_intake import Message
from tests.ingest.test_live_messages import NOW, Daemon

BLOCK = {"name": "s", "topic": "spBv1.0/{group_id}/+/{node}/#", "format": "sparkplug"}
NODE = "spBv1.0/plant/{}/press"


def varint(value):
    value &= 2**64 - 1
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def field(number, value):
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, tuple):  # of a fixed size
        return varint(number << 3 | (1 if value[0] == "<d" else 5)) + struct.pack(*value)
    return varint(number << 3) + varint(value)


def metric(*, name="", alias=None, time=None, kind=None, null=False, value=()):
    parts = [field(1, name.encode())] if name else []
    parts += [field(n, x) for n, x in ((2, alias), (3, time), (4, kind)) if x is not None]
    parts += [field(7, 1)] if null else []
    parts += [field(*value)] if value else []
    return field(2, b"".join(parts))


def payload(*metrics, time=int(NOW * 1000), sequence=0):
    return field(1, time) + b"".join(metrics) + field(3, sequence)


METRICS = (
    metric(name="bdSeq", kind=4, value=(11, 0)),
    metric(name="Node Control/Rebirth", kind=11, value=(14, 0)),
    metric(name="Temperature", alias=1, kind=9, value=(12, ("<f", 21.4))),
    metric(name="Motor/Speed", alias=2, kind=3, value=(10, -1480)),
    metric(name="Running", alias=3, kind=11, value=(14, 1)),
    metric(name="Serial", alias=4, kind=12, value=(15, b"A-7")),
)
BIRTH = payload(*METRICS)


def test_a_birth_tells_names_values_and_types():
    daemon = Daemon(BLOCK).feed((NODE.format("NBIRTH"), BIRTH))
    topic = NODE.format("NDATA")
    assert daemon.values == {
        f"{topic}/Temperature": 21.4,
        f"{topic}/Motor%2FSpeed": -1480.0,
        f"{topic}/Running": 1.0,
    }
    assert daemon.labels[f"{topic}/Motor%2FSpeed"] == {
        "group_id": "plant",
        "node": "press",
        "field": "Motor/Speed",
    }
    assert daemon.rejected == {}


def test_data_name_metrics_by_alias_and_values_of_the_past_have_their_times():
    birth = payload(*METRICS, time=int((NOW - 120) * 1000))
    daemon = Daemon(BLOCK).feed((NODE.format("NBIRTH"), birth))
    past = int((NOW - 60) * 1000)
    data = payload(
        metric(alias=1, time=past, value=(13, ("<d", 20.5))), metric(alias=2, null=True), time=int(NOW * 1000)
    )
    daemon.feed((NODE.format("NDATA"), data))
    assert daemon.values[NODE.format("NDATA") + "/Temperature"] == 20.5
    assert daemon.times[NODE.format("NDATA") + "/Temperature"] == NOW - 60.0
    assert daemon.values[NODE.format("NDATA") + "/Motor%2FSpeed"] == -1480.0  # of the birth
    assert daemon.engine.groups[0].count[:3].tolist() == [2, 1, 1]
    for topic in (NODE.format("NDATA"), NODE.format("NBIRTH")):
        assert topic in daemon.intake.blocks[0].topics_of_stream(NODE.format("NDATA") + "/Temperature")


def test_data_before_any_birth_say_what_is_missing_and_so_do_those_after_a_death():
    data = payload(metric(alias=1, value=(10, 5)))
    daemon = Daemon(BLOCK).feed((NODE.format("NDATA"), data))
    assert daemon.rejected == {"unknown_alias": 1}
    assert "Node Control/Rebirth" in str(daemon.explained(NODE.format("NDATA"), data))
    daemon.feed(
        (NODE.format("NBIRTH"), BIRTH), (NODE.format("NDEATH"), payload()), (NODE.format("NDATA"), data)
    )
    assert daemon.rejected == {"unknown_alias": 2}


def stale(daemon):
    """Return the names of the streams that /metrics leaves out."""
    settings, group = daemon.settings.streams[0], daemon.engine.groups[0]
    return {
        name
        for row, name in enumerate(group.streams.names)
        if daemon.now - group.seen[row] > settings.stale_after_seconds
    }


SPEED = metric(name="Speed", value=(10, 7))
DEVICES = [NODE.format("DBIRTH") + f"/{name}" for name in ("a", "b")]


def life(number):
    return metric(name="bdSeq", kind=4, value=(11, number))


def born():
    other = "spBv1.0/plant/NBIRTH/saw"
    births = [(topic, payload(SPEED, sequence=n)) for n, topic in enumerate(DEVICES, 1)]
    return Daemon(BLOCK).feed(
        (NODE.format("NBIRTH"), payload(SPEED, life(3))), *births, (other, payload(SPEED))
    )


def test_a_death_of_a_node_makes_it_and_its_devices_stale_until_their_next_values():
    daemon = born()
    assert stale(daemon) == set()
    daemon.feed((NODE.format("NDEATH"), payload(life(3))))
    mine = {f"{NODE.format('DDATA')}/{name}/Speed" for name in "ab"} | {NODE.format("NDATA") + "/Speed"}
    assert stale(daemon) == mine
    assert daemon.rejected == {}
    daemon.feed((NODE.format("NBIRTH"), payload(SPEED, life(4))))
    assert stale(daemon) == mine - {NODE.format("NDATA") + "/Speed"}


def test_a_death_of_a_device_makes_it_alone_stale():
    death = DEVICES[0].replace("DBIRTH", "DDEATH")
    daemon = born().feed((death, payload(sequence=3)))
    assert stale(daemon) == {NODE.format("DDATA") + "/a/Speed"}
    assert str(daemon.explained(death, payload(sequence=4))).endswith(
        "ends: DDEATH: the device is gone, its streams are stale"
    )
    assert not daemon.explained(NODE.format("NDEATH"), payload(life(3))).rejected


def test_a_death_of_an_earlier_life_changes_nothing():
    daemon = born().feed((NODE.format("NDEATH"), payload(life(2))))
    assert stale(daemon) == set()
    daemon.feed((NODE.format("NDEATH"), payload()))  # which life is not told
    assert len(stale(daemon)) == 3


def plant(n):
    """Return a daemon with n nodes, a stream each."""
    return Daemon(BLOCK).feed(*((f"spBv1.0/plant/NBIRTH/n{i}", payload(SPEED)) for i in range(n)))


def adopted(n):
    """Return a daemon that has the streams of n nodes from another one."""
    daemon, before = Daemon(BLOCK), plant(n)
    daemon.engine.take_over(before.engine.snapshot())
    assert daemon.intake.adopt() == []
    return daemon.feed(("spBv1.0/plant/NBIRTH/n0", payload(SPEED)))


def forgetful(n):
    """Return a daemon that has forgotten one of n nodes, so that another has moved."""
    daemon = plant(n)
    daemon.intake.forget_stream(0, "spBv1.0/plant/NDATA/n1/Speed")
    return daemon


@pytest.mark.parametrize("made", [plant, adopted, forgetful])
def test_a_death_costs_no_more_where_there_are_more_streams(made):
    few, many = made(10), made(100)
    death = Message("spBv1.0/plant/NDEATH/n0", payload())
    counts = [calls(lambda each=each: each.intake.consume([death], each.now)) for each in (few, many)]
    assert counts[1] <= counts[0]
    assert [ending.streams for ending in many.intake.take_ended()] == [["spBv1.0/plant/NDATA/n0/Speed"]]


STEPS = st.tuples(
    st.sampled_from(["NBIRTH", "DBIRTH", "NDEATH", "DDEATH", "forget", "from elsewhere"]),
    st.integers(0, 2),
    st.integers(0, 3),
)


@given(st.lists(STEPS, max_size=30))
def test_deaths_end_the_streams_of_their_owners_whatever_was_forgotten(steps):
    daemon = plant(2)
    for kind, node, other in steps:
        streams = daemon.engine.groups[0].streams
        if kind == "forget":
            if len(streams):
                daemon.intake.forget_stream(0, streams.names[other % len(streams)])
            continue
        name = f"spBv1.0/plant/DDATA/n{node}/e/m{other}"
        if kind == "from elsewhere":  # as files are replayed
            if streams.find(name) is None:
                daemon.engine.add_stream(0, name)
            continue
        topic = f"spBv1.0/plant/{kind}/n{node}" + (f"/{'de'[other % 2]}" if kind[0] == "D" else "")
        daemon.intake.consume([Message(topic, payload(SPEED))], daemon.now)
        homes = {each: each.rpartition("/")[0] for each in streams.names}
        mine = [each for each, home in homes.items() if owner(topic) in (sender(home), owner(home))]
        found = [each for ending in daemon.intake.take_ended() for each in ending.streams]
        assert sorted(found) == (sorted(mine) if "DEATH" in kind else [])
        daemon.intake.observe()


def test_a_birth_right_behind_a_death_keeps_its_streams():
    daemon = born()
    messages = [Message(NODE.format("NDEATH"), payload()), Message(NODE.format("NBIRTH"), payload(SPEED))]
    daemon.intake.consume(messages, daemon.now)
    daemon.intake.observe()
    assert stale(daemon) == {f"{NODE.format('DDATA')}/{name}/Speed" for name in "ab"}


def numbered(sequence, *metrics):
    return payload(*metrics or (metric(name="Speed", value=(10, sequence)),), sequence=sequence)


def test_a_lost_message_is_told_once_and_the_values_after_it_count():
    device = NODE.format("DDATA") + "/motor"
    daemon = Daemon(BLOCK).feed(
        (NODE.format("NBIRTH"), numbered(0)),
        (NODE.format("NDATA"), numbered(1)),
        (device, numbered(3)),  # 2 is lost
        (NODE.format("NDATA"), numbered(4)),
        (NODE.format("NDATA"), numbered(4)),  # sent again
    )
    assert daemon.rejected == {"sequence_gap": 1}
    assert daemon.values == {NODE.format("NDATA") + "/Speed": 4.0, device + "/Speed": 3.0}


def test_numbers_begin_anew_after_255_and_at_a_birth():
    daemon = Daemon(BLOCK).feed(
        (NODE.format("NDATA"), numbered(77)),  # of a life whose birth nobody saw
        (NODE.format("NBIRTH"), numbered(254)),
        (NODE.format("NDATA"), numbered(255)),
        (NODE.format("NDATA"), numbered(0)),
        (NODE.format("NBIRTH"), numbered(9)),
        (NODE.format("NDATA"), numbered(10)),
        (NODE.format("NDEATH"), payload()),
        (NODE.format("NDATA"), numbered(40)),
    )
    assert daemon.rejected == {}


def test_the_death_of_a_device_has_a_number_too():
    death = NODE.format("DDEATH") + "/motor"
    daemon = Daemon(BLOCK).feed((NODE.format("NBIRTH"), numbered(0)), (death, payload(sequence=1)))
    assert (daemon.rejected, daemon.intake.absent) == ({}, 1)
    daemon.feed((NODE.format("NDATA"), numbered(2)), (death, payload(sequence=4)))
    assert daemon.rejected == {"sequence_gap": 1}
    assert "Node Control/Rebirth" in str(daemon.explained(death, payload(sequence=9)))


@pytest.mark.parametrize(
    "keys",
    [
        {"topic": ["spBv1.0/+/NBIRTH/#", "spBv1.0/+/NDATA/#"]},
        {"topic": "spBv1.0/+/+/+"},
        {"topic": "$share/g/spBv1.0/#"},
        {"exclude_topic": "spBv1.0/+/DDATA/#"},
    ],
)
def test_a_block_that_takes_some_messages_of_a_node_misses_none(keys):
    daemon = Daemon(BLOCK | keys)
    daemon.feed((NODE.format("NBIRTH"), numbered(0)), (NODE.format("NDATA"), numbered(7)))
    assert daemon.rejected == {}
    assert len(daemon.values) == 1


def test_births_and_numbers_outlast_a_reload_that_changes_something_else():
    before = Daemon(BLOCK).feed((NODE.format("NBIRTH"), BIRTH))
    after, other = Daemon(BLOCK | {"beta": 0.5}), Daemon(BLOCK | {"topic": "spBv1.0/{group_id}/+/+/#"})
    data = payload(metric(alias=1, value=(10, 5)), sequence=3)
    for daemon in (after, other):
        daemon.intake.go_on_from(before.intake)
        daemon.feed((NODE.format("NDATA"), data))
    assert after.values == {NODE.format("NDATA") + "/Temperature": 5.0}
    assert after.rejected == {"sequence_gap": 1}
    assert other.rejected == {"unknown_alias": 1}


@pytest.mark.parametrize(("number", "kind", "what"), [(17, 16, "a data set"), (18, 19, "a template")])
@pytest.mark.parametrize("keys", [{"field": "T"}, {}])
def test_templates_and_data_sets_are_refused_by_name_beside_their_neighbours(number, kind, what, keys):
    daemon = Daemon(BLOCK | keys)
    birth = payload(metric(name="T", kind=kind, value=(number, field(1, b"x"))), SPEED)
    daemon.feed((NODE.format("NBIRTH"), birth))
    assert daemon.rejected == {"unsupported": 1}
    assert len(daemon.values) == (0 if keys else 1)
    assert f"got {what}, which ewad does not read" in str(daemon.explained(NODE.format("NBIRTH"), birth))


@pytest.mark.parametrize("number", [15, 17, 18])
def test_a_template_of_any_bytes_costs_itself_alone(number):
    daemon = Daemon(BLOCK)
    daemon.feed((NODE.format("NBIRTH"), payload(metric(name="T", kind=19, value=(number, b"\x0b")), SPEED)))
    assert (daemon.rejected, len(daemon.values)) == ({"unsupported": 1}, 1)


def test_what_templates_are_is_no_measurement_and_a_template_can_be_left_out():
    definition = metric(name="_types_/T", kind=19, value=(18, field(1, b"x") + field(5, 1)))
    template = metric(name="T1", kind=19, value=(18, field(1, b"x")))
    daemon = Daemon(BLOCK | {"field": "*", "exclude": ["T?"]})
    daemon.feed((NODE.format("NBIRTH"), payload(definition, template, SPEED)))
    assert (daemon.rejected, len(daemon.values)) == ({}, 1)


@pytest.mark.parametrize(
    ("kind", "number", "sent", "value"),
    [
        (1, 10, 0xFF, -1.0),
        (2, 10, 0xFFFF_FFFE, -2.0),
        (3, 10, 2**32 - 1480, -1480.0),
        (4, 11, -(2**40), -(2.0**40)),
        (7, 10, 2**32 - 1, 2.0**32 - 1),
        (8, 11, 2**64 - 1, 2.0**64),
    ],
)
@pytest.mark.parametrize("alias", [5, None])
def test_data_have_the_types_that_the_birth_told(kind, number, sent, value, alias):
    birth = payload(metric(name="Speed", alias=alias, kind=kind, value=(number, 1)))
    data = metric(name="" if alias else "Speed", alias=alias, value=(number, sent))
    daemon = Daemon(BLOCK).feed((NODE.format("NBIRTH"), birth))
    for count in range(1, 4):  # the last one by the quick way
        daemon.feed((NODE.format("NDATA"), payload(data, sequence=count)))
        assert daemon.values == {NODE.format("NDATA") + "/Speed": value}


def test_metrics_that_nobody_has_named_do_not_cost_those_that_are_known():
    daemon = Daemon(BLOCK).feed((NODE.format("NBIRTH"), BIRTH))
    daemon.feed(
        (NODE.format("NDATA"), numbered(1, metric(alias=9, value=(10, 1)), metric(alias=2, value=(10, 4))))
    )
    assert daemon.rejected == {"unknown_alias": 1}
    assert daemon.values[NODE.format("NDATA") + "/Motor%2FSpeed"] == 4.0


@pytest.mark.parametrize("content", [b"\x12\xff", b"\x80" * 12, b"\x0b", b"\x12\x7f1"])
def test_bytes_that_are_no_message_are_refused(content):
    daemon = Daemon(BLOCK).feed((NODE.format("NDATA"), content))
    assert daemon.rejected == {"invalid_payload": 1}


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_refused(content):
    try:
        list(fields(content))
    except DecodeError as error:
        assert error.reason == "invalid_payload"


@given(st.integers(-(2**31), 2**31 - 1))
def test_signed_integers_read_back(value):
    assert signed(value & 0xFFFFFFFF, 32) == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_of_four_bytes_read_back_as_the_same_four_bytes(value):
    assert struct.pack("<f", float32(struct.pack("<f", value))) == struct.pack("<f", value)


def test_a_node_whose_birth_or_message_is_missing_is_asked_for_its_births_once_a_minute():
    daemon = Daemon(BLOCK)
    requests, data = daemon.intake.requests, payload(metric(alias=1, value=(10, 5)))
    for kind in ("NDATA", "DDATA/x"):
        daemon.feed((f"site/spBv1.0/plant/{kind.split('/')[0]}/press", data))
    assert requests.take(NOW) == []  # no block takes these
    daemon.feed((NODE.format("NDATA"), data), (NODE.format("DDATA") + "/motor", data))
    ((topic, command),) = requests.take(NOW)
    assert topic == NODE.format("NCMD")
    rebirth = field(1, b"Node Control/Rebirth") + field(4, 11) + field(14, 1)
    assert command == field(1, int(NOW * 1000)) + field(2, rebirth)
    daemon.feed((NODE.format("NDATA"), data))
    assert requests.take(NOW + 59.0) == []
    daemon.feed((NODE.format("NDATA"), data))
    assert [topic for topic, _ in requests.take(NOW + 60.0)] == [NODE.format("NCMD")]
    daemon.feed((NODE.format("NBIRTH"), BIRTH), (NODE.format("NDATA"), numbered(5)))
    assert daemon.rejected == {"unknown_alias": 4, "sequence_gap": 1, "unknown_topic": 2}
    assert len(requests.take(NOW + 200.0)) == 1


def test_deaths_and_commands_are_no_absent_fields_but_a_wrong_path_still_is(caplog):
    caplog.set_level("INFO")
    daemon = Daemon(BLOCK | {"field": "Speed"})
    death, command = (NODE.format("NDEATH"), payload()), (NODE.format("NCMD"), payload())
    daemon.feed((NODE.format("NBIRTH"), payload(SPEED)), death, command)
    assert daemon.intake.absent == 2
    assert "field absent" not in caplog.text
    daemon.feed((NODE.format("NBIRTH"), payload(metric(name="Heat", value=(10, 7)))))
    assert 'field absent topic="spBv1.0/plant/NBIRTH/press" block="s" field="Speed"' in caplog.text
