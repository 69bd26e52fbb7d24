"""A shard in a state store: killed, retried and moved, it is what it would have been."""

import pytest

from ewad.errors import StateError
from ewad.scale import Shard, kept_shard
from ewad.scale.kept_shard import AtHand, apply
from ewad.scale.shard import merged
from tests.scale.records import SETTINGS, random_records

KEY = ("query", 0)


class Store:
    """A state store in memory; `copy` is what a commit has made of it."""

    def __init__(self, at=None, snapshot=b"", journal=()):
        self.where, self.dump, self.records = at, snapshot, [*journal]
        self.snapshots = 0

    def copy(self):
        return Store(self.where, self.dump, self.records)

    def at(self):
        return self.where

    def put_at(self, at):
        self.where = at

    def snapshot(self):
        return self.dump

    def put_snapshot(self, dump):
        self.dump, self.records = dump, []
        self.snapshots += 1

    def journal(self):
        return self.records

    def append(self, records):
        self.records += records


def encoded(seed=3, n=60):
    return [each.encode() for each in random_records(seed, n)]


def replayed(records):
    shard = Shard(SETTINGS)
    for each in random_records(3, 60)[: len(records)]:
        shard.apply(each)
    return shard.dump()


def test_an_engine_at_hand_counts_only_where_it_stands(monkeypatch):
    records, at_hand, store = encoded(), AtHand(), Store()
    apply(SETTINGS, store, records[:20], at_hand, KEY)
    committed = store.copy()
    apply(SETTINGS, store, records[20:40], at_hand, KEY)  # of a task that is killed before its commit
    done = apply(SETTINGS, committed, records[20:60], at_hand, KEY)
    assert done.shard.dump() == replayed(records)
    elsewhere = apply(SETTINGS, committed, [], AtHand(), KEY)
    assert elsewhere.shard.dump() == replayed(records)


def test_an_engine_at_hand_is_not_read_back(monkeypatch):
    records, at_hand, store = encoded(), AtHand(), Store()
    first = apply(SETTINGS, store, records[:20], at_hand, KEY)
    monkeypatch.setattr(kept_shard, "_read_back", lambda *_: pytest.fail("read back"))
    assert apply(SETTINGS, store, records[20:40], at_hand, KEY).shard is first.shard


def test_an_engine_that_failed_half_way_is_not_used_again():
    records, at_hand, store = encoded(), AtHand(), Store()
    apply(SETTINGS, store, records[:20], at_hand, KEY)
    with pytest.raises(StateError, match="record"):
        apply(SETTINGS, store, [records[20], b"damaged"], at_hand, KEY)
    assert apply(SETTINGS, store, records[20:60], at_hand, KEY).shard.dump() == replayed(records)


def test_a_snapshot_is_written_when_the_records_weigh_as_much(monkeypatch):
    monkeypatch.setattr(kept_shard, "LEAST_JOURNAL_BYTES", 0)
    records, store = encoded(), Store()
    for at in range(0, 60, 2):
        apply(SETTINGS, store, records[at : at + 2], AtHand(), KEY)
    assert 1 <= store.snapshots < 15
    assert apply(SETTINGS, store, [], AtHand(), KEY).shard.dump() == replayed(records)


def test_all_rows_of_a_shard_that_was_read_back_are_told():
    records, at_hand, store = encoded(), AtHand(), Store()
    apply(SETTINGS, store, records, at_hand, KEY)
    assert apply(SETTINGS, store, [], at_hand, KEY).changed == {}
    again = apply(SETTINGS, store, [], AtHand(), KEY)
    assert sum(map(len, again.changed.values())) == again.shard.engine.n_streams


def test_only_so_many_engines_are_at_hand():
    at_hand = AtHand(2)
    for number in range(3):
        at_hand.put(("q", number), b"", Shard(SETTINGS))
    assert at_hand.take(("q", 0)) is None
    assert at_hand.take(("q", 2)) is not None


def test_an_engine_that_another_worker_has_passed_catches_up_and_tells_of_no_more_than_is_new(monkeypatch):
    records, store, workers = encoded(), Store(), (AtHand(), AtHand())
    for at in range(0, 20, 10):  # both have the shard at hand
        apply(SETTINGS, store, records[at : at + 10], workers[at // 10], KEY)
    monkeypatch.setattr(kept_shard, "_read_back", lambda *_: pytest.fail("read back"))
    for at, worker in ((20, 0), (22, 1), (24, 1), (30, 0)):
        done = apply(SETTINGS, store, records[at : at + 2], workers[worker], KEY)
        if at == 30:
            break
    alone = Shard(SETTINGS)
    for each in random_records(3, 60)[:26]:
        alone.apply(each)
    told = merged(*(alone.apply(each) for each in random_records(3, 60)[30:32]))
    assert {index: rows.tolist() for index, rows in done.changed.items()} == {
        index: rows.tolist() for index, rows in told.items()
    }
    assert done.shard.dump() == alone.dump()


def test_an_engine_that_is_older_than_the_snapshot_is_read_back(monkeypatch):
    records, store, workers = encoded(), Store(), (AtHand(), AtHand())
    apply(SETTINGS, store, records[:10], workers[0], KEY)
    with monkeypatch.context() as patched:
        patched.setattr(kept_shard, "LEAST_JOURNAL_BYTES", 0)
        apply(SETTINGS, store, records[10:30], workers[1], KEY)
    assert store.snapshots == 1
    assert apply(SETTINGS, store, records[30:40], workers[0], KEY).shard.dump() == replayed(records[:40])


def test_an_engine_at_hand_does_not_catch_up_by_a_journal_without_marks():
    records, at_hand, store = encoded(), AtHand(), Store()
    apply(SETTINGS, store, records[:20], at_hand, KEY)
    apply(SETTINGS, store, records[20:30], AtHand(), KEY)
    store.records = [each for each in store.records if each[:3] == b"EWR"]
    assert apply(SETTINGS, store, records[30:40], at_hand, KEY).shard.dump() == replayed(records[:40])
