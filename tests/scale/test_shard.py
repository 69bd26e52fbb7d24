"""The contract of a shard: the same records give the same bytes, however they are cut, moved or taken up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.engine import Engine, EngineSettings, GroupSettings
from ewad.errors import StateError
from ewad.scale import Record, Shard
from ewad.scale.shard import merged
from tests.scale.records import SETTINGS, cut, random_records, record

seeds = st.integers(0, 2**32 - 1)


def applied(records, shard=None):
    shard = shard or Shard(SETTINGS)
    for each in records:
        shard.apply(each)
    return shard


@settings(max_examples=12, deadline=None)
@given(seed=seeds, other=seeds)
def test_records_cut_anywhere_give_the_same_dump(seed, other):
    records = random_records(seed)
    whole = applied(records)
    assert whole.engine.refused > 0 or whole.engine.n_streams < SETTINGS.max_streams
    assert applied(cut(records, other)).dump() == whole.dump()


@settings(max_examples=8, deadline=None)
@given(seed=seeds, at=st.integers(0, 40))
def test_a_shard_goes_on_from_its_dump_as_if_it_had_never_stopped(seed, at):
    records = random_records(seed)
    stopped = Shard(SETTINGS, applied(records[:at]).dump())
    assert applied(records[at:], stopped).dump() == applied(records).dump()


@settings(max_examples=12, deadline=None)
@given(seed=seeds, step=st.integers(1, 9))
@pytest.mark.slow
def test_changed_rows_let_a_copy_catch_up(seed, step):
    shard, copy = Shard(SETTINGS), Shard(SETTINGS)
    records = random_records(seed)
    for start in range(0, len(records), step):
        changed = {}
        for each in records[start : start + step]:
            changed = merged(changed, shard.apply(each))
        copy.apply_rows(shard.dump_rows(changed))
        assert copy.dump() == shard.dump()
    random_record = records[0]
    assert shard.apply(random_record).keys() == copy.apply(random_record).keys()
    assert copy.dump() == shard.dump()


def test_only_what_has_changed_is_dumped():
    shard = Shard(SETTINGS)
    shard.apply(record("plant", range(6), np.arange(6.0), np.arange(6.0)))
    changed = shard.apply(record("plant", [2, 4], [7.0, 8.0], [1.0, 2.0]))
    assert {index: rows.tolist() for index, rows in changed.items()} == {0: [2, 4]}
    assert len(shard.dump_rows(changed)) < len(shard.dump()) / 5


def test_a_stream_that_a_record_names_without_a_sample_has_not_changed():
    shard = Shard(SETTINGS)
    named = record("plant", range(4), np.arange(4.0), np.arange(4.0))
    shard.apply(named)
    one = replace(named, stream=named.stream[2:3], time=np.array([9.0]), value=np.array([1.0]))
    assert {index: rows.tolist() for index, rows in shard.apply(one).items()} == {0: [2]}


def test_rows_of_several_records_are_merged_in_order():
    parts = [{0: np.array([3, 5])}, {1: np.array([0])}, {0: np.array([1, 5])}, {}]
    assert {index: rows.tolist() for index, rows in merged(*parts).items()} == {0: [1, 3, 5], 1: [0]}
    assert merged() == {}


def test_rows_that_are_not_all_that_is_missing_are_refused():
    shard, copy = Shard(SETTINGS), Shard(SETTINGS)
    shard.apply(record("plant", [0], [1.0], [1.0]))
    changed = shard.apply(record("plant", [1], [1.0], [1.0]))
    with pytest.raises(StateError, match="plant: expected row 0 among the rows, got none"):
        copy.apply_rows(shard.dump_rows(changed))


def test_rows_of_other_settings_are_refused():
    shard, other = Shard(SETTINGS), Shard(EngineSettings((GroupSettings("plant"),)))
    changed = shard.apply(record("plant", [0], [1.0], [1.0]))
    with pytest.raises(StateError, match="as it is set, got another one's"):
        other.apply_rows(shard.dump_rows(changed))


def test_damaged_rows_are_refused():
    with pytest.raises(StateError, match="damaged bytes"):
        Shard(SETTINGS).apply_rows(b"\x93none")


def test_a_dump_of_other_settings_is_refused():
    dump = applied(random_records(1)).dump()
    other = EngineSettings(SETTINGS.groups, SETTINGS.max_streams + 1)
    with pytest.raises(StateError, match="the configuration has changed"):
        Shard(other, dump)


def test_a_dump_without_a_digest_is_refused_where_that_counts():
    engine = Engine(SETTINGS.groups, SETTINGS.max_streams)
    with pytest.raises(StateError, match="got one of unknown ones"):
        Engine(SETTINGS.groups, SETTINGS.max_streams).load(engine.snapshot().to_bytes(), strict=True)


def test_a_record_of_a_block_that_is_not_configured_is_refused():
    with pytest.raises(StateError, match='got block "other": gateway and shards need the same configuration'):
        Shard(SETTINGS).apply(record("other", [0], [1.0], [1.0]))


def test_a_retained_copy_of_the_last_sample_is_no_sample():
    shard = Shard(SETTINGS)
    shard.apply(record("plant", [0, 0], [1.0, 2.0], [5.0, 6.0]))
    shard.apply(record("plant", [0, 0, 0], [9.0, 10.0, 11.0], [6.0, 7.0, 7.0], flags=[1, 1, 1]))
    assert shard.engine.groups[0].count[0] == 3  # 5, 6 and 7
    shard.apply(record("plant", [0], [12.0], [7.0], flags=[2]))  # its own time is a newer one
    assert shard.engine.groups[0].count[0] == 4


def test_refusals_are_a_part_of_the_state():
    shard = Shard(SETTINGS)
    shard.apply(record("plant", range(20), np.arange(20.0), np.arange(20.0)))
    again = Shard(SETTINGS, shard.dump())
    for each in (shard, again):
        each.apply(record("plant", range(20), np.arange(20.0), np.arange(20.0)))
    assert (again.engine.n_streams, again.engine.refused) == (9, 11)
    assert again.dump() == shard.dump()


def test_a_blocks_own_limit_holds_in_the_shard():
    shard = Shard(SETTINGS)
    shard.apply(record("tank", range(5), np.arange(5.0), np.arange(5.0)))
    assert shard.engine.groups[2].streams.names == ["tank/0", "tank/1", "tank/2"]


def test_the_latest_table_has_what_stands_for_the_rows():
    shard = Shard(SETTINGS)
    changed = shard.apply(record("plant", [0, 1, 1], [1.0, 2.0, 3.0], [10.0, 20.0, 30.0]))
    table = shard.latest(changed)
    assert table["stream"] == ["plant/0", "plant/1"]
    assert table["labels"] == ['{"n":"0"}', '{"n":"1"}']
    assert table["samples"] == [1, 2]
    assert table["value"] == [10.0, 30.0]
    assert table["smoothed_0.9"] == [pytest.approx(10.0), pytest.approx((0.9 * 20 + 30) / 1.9)]
    assert table["stddev_0.9"][0] is None
    assert table["forecast_1"] == [None, None]
    assert len({len(column) for column in table.values()}) == 1


def test_rows_that_have_left_are_not_told():
    shard = Shard(SETTINGS)
    changed = shard.apply(record("plant", [0, 1], [1.0, 1.0], [1.0, 1.0], arrival=1.0))
    shard.apply(Record(0, 1, tick=1000.0))
    assert shard.engine.n_streams == 0
    assert shard.latest(changed)["stream"] == []
