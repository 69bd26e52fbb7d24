"""What messages have told outlasts a restart: births, numbers of messages, totals of counters."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.ingest import counters, told
from ewad.ingest.counters import Counters
from ewad.ingest.formats import sparkplug_nodes
from ewad.ingest.told import Memory, Told, move_totals, recall, take_told
from tests.ingest.formats.test_sparkplug import BLOCK, life, metric, numbered, payload
from tests.ingest.test_live_messages import Daemon

TEMP = metric(name="Temp", alias=1, kind=3, value=(10, 20))


def restarted(daemon: Daemon, block: dict) -> Daemon:
    """Return a daemon that knows what another one kept: by one record a message, or by a snapshot."""
    memory = Memory(take_told(daemon.intake.remembering))
    after = Daemon(block, now=daemon.now)
    recall(after.intake.remembering, Memory(memory.entries()).entries())
    assert take_told(after.intake.remembering) == []  # it is kept already
    return after


def born() -> Daemon:
    return Daemon(BLOCK).feed(
        ("spBv1.0/g/NBIRTH/n", payload(life(7), TEMP, sequence=0)),
        ("spBv1.0/g/DBIRTH/n/d", payload(metric(name="rpm", alias=2, kind=3, value=(10, 5)), sequence=1)),
    )


def test_metrics_are_known_by_their_aliases_after_a_restart():
    after = restarted(born(), BLOCK)
    after.feed(
        ("spBv1.0/g/NDATA/n", numbered(2, metric(alias=1, value=(10, 2**32 - 3)))),
        ("spBv1.0/g/DDATA/n/d", numbered(3, metric(alias=2, value=(10, 6)))),
    )
    assert after.values == {"spBv1.0/g/NDATA/n/Temp": -3, "spBv1.0/g/DDATA/n/d/rpm": 6}
    assert after.rejected == {}


def test_messages_lost_over_a_restart_are_noticed():
    after = restarted(born(), BLOCK)
    after.feed(("spBv1.0/g/NDATA/n", numbered(9, metric(alias=1, value=(10, 3)))))
    assert after.rejected == {"sequence_gap": 1}
    after.feed(("spBv1.0/g/NDATA/n", numbered(10, metric(alias=1, value=(10, 4)))))
    assert after.values == {"spBv1.0/g/NDATA/n/Temp": 4}
    assert after.rejected == {"sequence_gap": 1}


def test_a_number_that_only_the_quick_way_saw_is_kept():
    daemon = born()
    for number in range(2, 8):
        daemon.feed(("spBv1.0/g/NDATA/n", numbered(number, metric(alias=1, value=(10, number)))))
    after = restarted(daemon, BLOCK)
    after.feed(("spBv1.0/g/NDATA/n", numbered(8, metric(alias=1, value=(10, 3)))))
    assert after.rejected == {}


def test_a_death_of_an_earlier_life_changes_nothing_after_a_restart():
    after = restarted(born(), BLOCK)
    after.feed(
        ("spBv1.0/g/NDEATH/n", payload(life(6))),
        ("spBv1.0/g/NDATA/n", numbered(2, metric(alias=1, value=(10, 4)))),
    )
    assert after.values == {"spBv1.0/g/NDATA/n/Temp": 4}


@pytest.mark.parametrize("number", [0, 255, 2**63 - 1, 2**64 - 1, 2**64 - 7])
@pytest.mark.parametrize("kind", [1, 2, 3, 4, 8])
def test_a_life_of_any_number_and_type_is_known_again(kind, number):
    alive = metric(name="bdSeq", kind=kind, value=(11, number))
    before = Daemon(BLOCK).feed(("spBv1.0/g/NBIRTH/n", payload(alive, TEMP, sequence=0)))
    data = "spBv1.0/g/NDATA/n", numbered(1, metric(alias=1, value=(10, 4)))
    after = restarted(before, BLOCK).feed(("spBv1.0/g/NDEATH/n", payload(life(17))), data)
    assert after.values == {"spBv1.0/g/NDATA/n/Temp": 4}  # of another life
    after.feed(("spBv1.0/g/NDEATH/n", payload(alive)), data)
    assert after.rejected == {"unknown_alias": 1}


def test_what_a_death_ended_is_forgotten_after_a_restart():
    daemon = born()
    kept = Memory(take_told(daemon.intake.remembering))
    daemon.feed(("spBv1.0/g/NDEATH/n", payload(life(7))))
    kept.note(take_told(daemon.intake.remembering))
    assert kept.entries() == []


def test_all_births_are_forgotten_where_there_are_too_many(monkeypatch):
    monkeypatch.setattr(sparkplug_nodes, "MOST_BYTES", 1_300)
    daemon = born()
    kept = Memory(take_told(daemon.intake.remembering))
    assert len(kept.entries()) == 3  # two births, a number
    daemon.feed(("spBv1.0/g/NBIRTH/m", payload(TEMP)))
    kept.note(take_told(daemon.intake.remembering))
    assert {entry.key for entry in kept.entries()} == {"g/m", "g/m/#"}


def test_births_that_come_again_and_lives_that_are_over_take_no_room(monkeypatch):
    monkeypatch.setattr(sparkplug_nodes, "MOST_BYTES", 2_100)
    daemon = born()
    for number in range(100):
        name = f"spBv1.0/g/{{}}/m{number % 10}"
        daemon.feed((name.format("NBIRTH"), payload(TEMP)), (name.format("NDEATH"), payload()))
        daemon.feed(("spBv1.0/g/DBIRTH/n/d", payload(TEMP, sequence=1)))
    daemon.feed(("spBv1.0/g/NDATA/n", numbered(2, metric(alias=1, value=(10, 4)))))
    assert daemon.values["spBv1.0/g/NDATA/n/Temp"] == 4
    assert "unknown_alias" not in daemon.rejected


def test_births_of_many_metrics_fill_the_room_as_do_many_births(monkeypatch):
    monkeypatch.setattr(sparkplug_nodes, "MOST_BYTES", 100_000)
    daemon = born()
    data = "spBv1.0/g/NDATA/n", numbered(2, metric(alias=1, value=(10, 4)))
    for number in range(2):
        daemon.feed(data)
        many = [metric(name="x" * 10, alias=alias) for alias in range(300)]
        daemon.feed((f"spBv1.0/g/NBIRTH/m{number}", payload(*many)))
    daemon.feed(data)
    assert daemon.rejected["unknown_alias"] == 1


def test_nodes_that_are_gone_are_forgotten_where_nobody_takes_what_is_told(monkeypatch):
    monkeypatch.setattr(sparkplug_nodes, "MOST_UNTOLD", 50)
    daemon = born()
    for number in range(100):
        name = f"spBv1.0/g/{{}}/m{number}"
        daemon.feed((name.format("NBIRTH"), payload(TEMP)), (name.format("NDEATH"), payload()))
    assert len(take_told(daemon.intake.remembering)) <= 53


def nodes_born(n, *blocks):
    """Return a daemon whose nodes n0, n1, ... were born, and whose data by alias go the quick way already."""
    daemon = Daemon(*(blocks or (BLOCK,)))
    daemon.feed(*((f"spBv1.0/g/NBIRTH/n{i}", payload(TEMP, sequence=0)) for i in range(n)))
    return daemon.feed(*((f"spBv1.0/g/NDATA/n{i}", data(number)) for number in (1, 2) for i in range(n)))


def data(number):
    return numbered(number, metric(alias=1, value=(10, number)))


def taken(daemon):
    return [(entry.key, entry.content) for entry in take_told(daemon.intake.remembering)]


def looked_at_all(daemon):
    """Return what is to be told as a look at each node finds it, and let it be told."""
    (block,) = daemon.intake.remembering
    nodes = block.reader.remembering.nodes
    new, nodes._new = nodes._new, {}
    for names, node in nodes._known.items():
        if (last := int(node.kept[0])) != node.told:
            node.told = last
            new["/".join((*names, "#"))] = bytes([last])
    return [*new.items()]


class TestWhatACommitCosts:
    @pytest.fixture
    def looks(self, monkeypatch):
        """The nodes that were looked at for what is to be told, once each time."""
        looks = []

        class Watched(sparkplug_nodes.Node):
            @property
            def told(self):
                looks.append(self)
                return self.told_last

            @told.setter
            def told(self, number):
                self.told_last = number

        monkeypatch.setattr(sparkplug_nodes, "Node", Watched)
        return looks

    def test_no_node_is_looked_at_where_nothing_was_told(self, looks):
        daemon = nodes_born(50)
        take_told(daemon.intake.remembering)
        looks.clear()
        assert (taken(daemon), looks) == ([], [])

    @pytest.mark.parametrize("number", [3, 4])  # 4: one was lost, which the general way tells
    def test_only_nodes_that_have_sent_something_are_looked_at(self, looks, number):
        daemon = nodes_born(50)
        take_told(daemon.intake.remembering)
        looks.clear()
        daemon.feed(*((f"spBv1.0/g/NDATA/n{i}", data(number)) for i in (31, 7, 40)))
        assert taken(daemon) == [(f"g/n{i}/#", bytes([number])) for i in (7, 31, 40)]
        assert len({*looks}) == len(looks) == 3
        looks.clear()
        assert (taken(daemon), looks) == ([], [])

    def test_no_node_is_looked_at_after_a_restart(self, looks):
        after = restarted(nodes_born(20), BLOCK)
        looks.clear()
        assert (taken(after), looks) == ([], [])
        after.feed(("spBv1.0/g/NDATA/n5", data(3)))
        assert (taken(after), len(looks)) == ([("g/n5/#", b"\3")], 1)


def test_what_was_sent_before_a_reload_is_told_after_it_with_what_came_then():
    before = nodes_born(3)
    take_told(before.intake.remembering)
    before.feed(("spBv1.0/g/NDATA/n2", data(3)))
    after = Daemon(BLOCK | {"beta": 0.5}, now=before.now)
    after.intake.go_on_from(before.intake)
    for number in (3, 4, 5):  # the general way, learnt from, the quick way
        after.feed(("spBv1.0/g/NDATA/n0", data(number)))
    assert taken(after) == [("g/n0/#", b"\5"), ("g/n2/#", b"\3")]
    after.feed(("spBv1.0/g/NDATA/n0", data(6)))
    assert taken(after) == [("g/n0/#", b"\6")]


def test_a_node_that_died_after_its_last_number_is_told_as_gone_alone():
    daemon = nodes_born(2)
    take_told(daemon.intake.remembering)
    daemon.feed(("spBv1.0/g/NDATA/n1", data(3)), ("spBv1.0/g/NDEATH/n1", payload()))
    assert taken(daemon) == [("g/n1", b""), ("g/n1/#", b"")]
    assert taken(daemon) == []


def test_a_node_whose_streams_are_forgotten_is_told_of_all_the_same():
    daemon = nodes_born(2)
    take_told(daemon.intake.remembering)
    daemon.intake.forget_stream(0, "spBv1.0/g/NDATA/n1/Temp")
    assert taken(daemon) == []
    for number in (3, 4, 5):
        daemon.feed(("spBv1.0/g/NDATA/n1", data(number)))
    assert taken(daemon) == [("g/n1/#", b"\5")]


def test_each_block_tells_of_its_own_nodes_in_the_order_of_blocks():
    lines = [BLOCK | {"name": name, "topic": f"spBv1.0/{name}/+/{{node}}/#"} for name in ("a", "b")]
    daemon = Daemon(*lines, COUNTER)
    birth = payload(TEMP, sequence=0)
    daemon.feed(("t", "1"), *((f"spBv1.0/{name}/NBIRTH/n", birth) for name in "ba"))
    assert [entry[:3] for entry in take_told(daemon.intake.remembering)] == [
        *((name, "birth", key) for name in "ab" for key in (f"{name}/n", f"{name}/n/#")),
        ("s", "total", "t"),
    ]
    for number in (1, 2, 3):
        daemon.feed(("spBv1.0/b/NDATA/n", data(number)))
    assert [entry[:4] for entry in take_told(daemon.intake.remembering)] == [("b", "birth", "b/n/#", b"\3")]


MESSAGES = st.one_of(
    st.tuples(st.just("data"), st.integers(0, 3), st.integers(1, 3)),
    st.tuples(
        st.sampled_from(["NBIRTH", "NDEATH", "DBIRTH", "DDEATH", "take"]), st.integers(0, 3), st.just(0)
    ),
)


@given(st.lists(MESSAGES, max_size=40), st.sampled_from([2_000, 1 << 20]))
def test_what_is_told_is_what_a_look_at_each_node_finds(sent, most_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparkplug_nodes, "MOST_BYTES", most_bytes)
        one, other = nodes_born(3), nodes_born(3)
        numbers = dict.fromkeys(range(4), 2)
        for kind, node, step in sent:
            if kind == "take":
                assert taken(one) == looked_at_all(other)
                continue
            numbers[node] = 0 if kind == "NBIRTH" else numbers[node] + step
            device = "/d" if kind[0] == "D" else ""
            content = data(numbers[node]) if kind == "data" else payload(TEMP, sequence=numbers[node])
            topic = f"spBv1.0/g/{'NDATA' if kind == 'data' else kind}/n{node}{device}"
            for daemon in (one, other):
                daemon.feed((topic, content))
        assert taken(one) == looked_at_all(other)


COUNTER = {"name": "s", "topic": "t", "kind": "counter"}


def test_a_rate_spans_a_restart():
    before = Daemon(COUNTER).feed(("t", "10"))
    after = restarted(before, COUNTER)
    after.now += 9.0  # and a second for the message
    after.feed(("t", "30"))
    assert after.values == {"t": 2.0}


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 17])
def test_what_is_no_total_is_left_out_and_told(content, caplog):
    daemon = Daemon(COUNTER)
    with caplog.at_level(logging.WARNING):
        recall(daemon.intake.remembering, [Told("s", "total", "t", content, daemon.intake.blocks[0].reading)])
    assert f'state dropped: block "s": total of "t": expected a total and its time, got {len(content)}' in (
        caplog.text
    )


def test_what_was_told_to_blocks_that_are_gone_is_left_alone():
    daemon = Daemon(COUNTER)
    recall(daemon.intake.remembering, [Told("other", "total", "t", b"x"), Told("s", "birth", "g/n", b"x")])
    assert take_told(daemon.intake.remembering) == []


@pytest.mark.parametrize(
    "other", [{"field": "wh"}, {"topic": "+"}, {"exclude_topic": ["u"]}, {"labels": {"id": "id"}}]
)
def test_totals_of_another_field_or_topic_are_not_known_after_a_restart(other):
    block = COUNTER | {"format": "json", "field": "kwh"}
    document = '{"kwh": 12, "wh": 12000, "id": 1}'
    before = Daemon(block).feed(("t", document))
    memory = Memory(take_told(before.intake.remembering))
    after = Daemon(block | other, now=before.now)
    recall(after.intake.remembering, memory.entries())
    after.feed(("t", document))
    assert after.values == {}
    memory.note(take_told(after.intake.remembering))
    assert {entry.reading for entry in memory.entries()} == {after.intake.blocks[0].reading}


def test_totals_follow_the_clock_where_arrival_is_their_time():
    daemon = Daemon(COUNTER).feed(("t", "10"))
    take_told(daemon.intake.remembering)
    move_totals(daemon.intake.remembering, -3600.0, daemon.now - 3600.0)
    after = restarted(daemon, COUNTER)
    for moved in (daemon, after):
        moved.now -= 3600.0
        moved.feed(("t", "12"))
        assert moved.values == {"t": 2.0}


def test_totals_with_times_of_their_own_stay_where_the_clock_is_set():
    block = COUNTER | {"format": "json", "field": "v", "time_field": "at"}
    daemon = Daemon(block)
    daemon.feed(("t", f'{{"v": 10, "at": {daemon.now}}}'))
    move_totals(daemon.intake.remembering, -3600.0, daemon.now - 3600.0)
    daemon.feed(("t", f'{{"v": 14, "at": {daemon.now + 1.0}}}'))
    assert daemon.values["t"] == pytest.approx(2.0, rel=0.6)


def test_totals_that_were_forgotten_for_others_are_not_kept(monkeypatch):
    monkeypatch.setattr(counters, "MOST", 2)
    totals = Counters(1.0)
    kept = Memory()
    for name in "abc":
        totals.rate(name, 1.0, 1.0)
        kept.note(Told("s", "total", *entry) for entry in totals.take_told())
    assert [entry.key for entry in kept.entries()] == ["c"]


class TestMemory:
    def test_the_last_word_counts_and_nothing_is_forgotten_by_it(self):
        memory = Memory([Told("s", "total", "a", b"1"), Told("s", "total", "b", b"2")])
        memory.note([Told("s", "total", "a", b"3"), Told("s", "total", "b", b"")])
        assert memory.entries() == [Told("s", "total", "a", b"3")]

    def test_its_size_is_bounded_and_that_is_told_once(self, monkeypatch, caplog):
        monkeypatch.setattr(told, "MOST_BYTES", 3 * (told.ENTRY_BYTES + 2))
        memory = Memory()
        with caplog.at_level(logging.WARNING):
            for turn in range(3):
                memory.note(Told("s", "birth", str(n), b"%d" % turn) for n in range(5))
        assert [(entry.key, entry.content) for entry in memory.entries()] == [
            (str(n), b"2") for n in range(3)
        ]
        assert caplog.text.count("births and totals not kept") == 1

    def test_other_blocks_are_forgotten(self):
        memory = Memory([Told("s", "total", "a", b"1"), Told("t", "total", "b", b"2")])
        memory.keep_only(["t", "u"])
        assert memory.entries() == [Told("t", "total", "b", b"2")]

    def test_noting_an_entry_walks_through_no_others(self):
        class Walked(dict):
            def __iter__(self):
                raise AssertionError

            keys = values = items = __iter__

        memory = Memory(Told("s", "birth", f"g/n{i}/#", b"\1", 7) for i in range(9))
        known = memory._known["s", "birth"] = Walked(memory._known["s", "birth"])
        memory.note([Told("s", "birth", f"g/n{i}/#", b"\2", 7) for i in (4, 10)])
        assert (len(known), known["g/n4/#"].content) == (10, b"\2")
