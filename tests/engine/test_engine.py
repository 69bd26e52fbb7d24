import json
import pickle
import zipfile
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from ewad.engine import REFUSED, Batch, ByCount, ByTime, Engine, GroupSettings, ModelSettings
from ewad.errors import StateError
from ewad.numeric.optimizers import Adam
from ewad.numeric.schedules import Constant
from tests.engine.scenarios import (
    Samples,
    assert_close,
    new_engine,
    observe_in_pieces,
    random_samples,
    state_of,
)

MODEL = ModelSettings(lags=3, horizons=(1, 2), batch_size=4)
GROUP = GroupSettings("plant", model=MODEL)


def batch(stream, time, value, arrival=None, group=0):
    return Batch(group, np.array(stream, np.int32), np.array(time, float), np.array(value, float), arrival)


def feed(engine, value, start=0.0):
    """Observe these values of stream 0, one second apart."""
    n = len(value)
    return engine.observe(batch(np.zeros(n), start + np.arange(n), value))


class TestStreams:
    def test_a_known_name_has_its_row_again(self):
        engine = Engine([GROUP])
        assert [engine.add_stream(0, name) for name in ("a", "b", "a")] == [0, 1, 0]
        assert engine.groups[0].streams.names == ["a", "b"]
        assert engine.n_streams == 2

    def test_keeps_the_labels_of_a_stream(self):
        engine = Engine([GROUP])
        engine.add_stream(0, "a", (("room", "1"), ("floor", "2")))
        assert engine.groups[0].streams.labels == [(("room", "1"), ("floor", "2"))]

    def test_groups_number_their_streams_apart(self):
        engine = Engine([GROUP, GroupSettings("other")])
        assert engine.add_stream(0, "a") == engine.add_stream(1, "a") == 0
        engine.observe(batch([0], [1.0], [5.0], group=1))
        assert [group.count[0] for group in engine.groups] == [0, 1]

    def test_past_max_streams_of_all_groups_new_ones_are_refused_and_counted_and_old_ones_found(self):
        engine = Engine([GROUP, GroupSettings("other")], max_streams=3)
        assert [engine.add_stream(0, "a"), engine.add_stream(0, "b"), engine.add_stream(1, "a")] == [0, 1, 0]
        assert [engine.add_stream(i, "new") for i in (0, 1, 0)] == [REFUSED] * 3
        assert engine.add_stream(0, "b") == 1
        assert engine.refused == 2  # the same one counts once
        assert engine.n_streams == 3

    @pytest.mark.parametrize("share", ["group", "stream"])
    def test_growth_keeps_the_state_of_earlier_streams(self, share):
        model = ModelSettings(lags=2, batch_size=2, share=share)
        group = GroupSettings("plant", (ByCount(0.9), ByTime(5.0)), model=model)
        grown, roomy = new_engine(group, 0), new_engine(group, 100)
        for n in range(100):  # room is made at 1, 17, 33 and 65 streams
            grown.add_stream(0, f"stream {n}")
            samples = random_samples(n, 40, n + 1)
            assert_close(observe_in_pieces(grown, samples), observe_in_pieces(roomy, samples), rel=0.0)
        grown_state, roomy_state = state_of(grown), state_of(roomy)
        assert_close(grown_state, roomy_state, rel=0.0)

    def test_a_stream_without_samples_says_so(self):
        group = new_engine(GROUP, 2).groups[0]
        assert group.count[:2].tolist() == [0, 0]
        assert np.isnan(group.forecaster.forecast[:2]).all()
        assert np.isnan(group.forecaster.skill()[:2]).all()
        assert all((average.weight[:2] == 0.0).all() for average in group.averages)


class TestObserve:
    def test_keeps_the_last_sample_its_time_and_its_arrival(self):
        engine = new_engine(GROUP, 2)
        engine.observe(batch([1, 0, 1], [10.0, 11.0, 12.0], [1.0, 2.0, 3.0], arrival=99.0))
        group = engine.groups[0]
        assert group.count[:2].tolist() == [1, 2]
        assert group.time[:2].tolist() == [11.0, 12.0]
        assert group.value[:2].tolist() == [2.0, 3.0]
        assert group.seen[:2].tolist() == [99.0, 99.0]

    def test_without_an_arrival_a_sample_is_seen_at_its_event_time(self):
        engine = new_engine(GROUP, 1)
        engine.observe(batch([0, 0], [10.0, 12.0], [1.0, 2.0]))
        assert engine.groups[0].seen[0] == 12.0

    def test_results_come_in_order_of_arrival(self):
        engine = new_engine(GroupSettings("plant", (ByCount(0.0), ByCount(0.5))), 3)
        value = [5.0, 1.0, 7.0, 2.0, 9.0]
        results = engine.observe(batch([2, 0, 2, 0, 1], np.arange(5), value))
        assert results.accepted.tolist() == [0, 1, 2, 3, 4]
        assert results.mean[:, 0].tolist() == value
        np.testing.assert_allclose(results.mean[:, 1], [5.0, 1.0, 19 / 3, 5 / 3, 9.0])
        assert np.isnan(results.stddev[[0, 1, 4], 1]).all()
        assert results.forecast is results.loss is results.learning_rate is None

    def test_the_last_results_are_what_the_group_shows(self):
        engine = new_engine(GROUP, 1)
        results = feed(engine, np.random.default_rng(1).normal(size=50))
        group = engine.groups[0]
        assert results.mean[-1].tolist() == [average.mean[0] for average in group.averages]
        assert results.stddev[-1].tolist() == [average.stddev()[0] for average in group.averages]
        assert results.forecast[-1].tolist() == group.forecaster.forecast[0].tolist()
        assert results.loss[-1] == group.forecaster.learner.loss[0]
        assert results.learning_rate[-1] == group.forecaster.learner.learning_rate[0]

    def test_does_not_change_the_batch(self):
        engine = new_engine(GROUP, 3)
        samples = random_samples(3, 50, 3)
        copy = Samples(samples.stream.copy(), samples.time.copy(), samples.value.copy())
        engine.observe(samples.batch())
        assert samples.stream.tolist() == copy.stream.tolist()
        assert samples.time.tolist() == copy.time.tolist()
        assert samples.value.tolist() == copy.value.tolist()

    @pytest.mark.parametrize("group", [GROUP, GroupSettings("plant")])
    def test_an_empty_batch_changes_nothing(self, group):
        engine = new_engine(group, 2)
        feed(engine, [1.0, 2.0])
        before = engine.dump()
        results = engine.observe(batch([], [], []))
        assert results.mean.shape == results.stddev.shape == (0, 2)
        assert engine.dump() == before

    @pytest.mark.parametrize(
        "bad",
        [
            batch([0, 0], [1.0], [1.0, 2.0]),
            batch([0, 0], [1.0, 2.0], [1.0]),
            batch([0], [1.0, 2.0], [1.0, 2.0]),
            batch([2], [1.0], [1.0]),
            batch([REFUSED], [1.0], [1.0]),
            batch([0, 15], [1.0, 2.0], [1.0, 2.0]),
            *(batch([0, 1], [10.0, 11.0], [1.0, x]) for x in (np.nan, np.inf, -np.inf)),
            *(batch([0, 1], [10.0, x], [1.0, 2.0]) for x in (np.nan, np.inf, -np.inf)),
        ],
        ids=lambda b: f"{b.stream} {b.time} {b.value}",
    )
    def test_a_batch_that_does_not_fit_raises_and_changes_nothing(self, bad):
        engine = new_engine(GROUP, 2)
        feed(engine, [1.0, 2.0, 3.0])
        before = engine.dump()
        with pytest.raises(ValueError, match="batch: "):
            engine.observe(bad)
        assert engine.dump() == before


class TestOutOfOrder:
    def test_drop_leaves_out_and_counts_what_is_older_than_the_last_of_its_stream(self):
        engine = new_engine(GroupSettings("plant", (ByCount(0.5),)), 2)
        late = batch([0, 1, 0, 0, 1, 0], [10, 4, 9, 10, 5, 9.5], [1, 2, 100, 3, 4, 100])
        results = engine.observe(late)
        assert results.accepted.tolist() == [0, 1, 3, 4]  # a tie is not late
        assert engine.groups[0].out_of_order == 2
        assert engine.groups[0].count[:2].tolist() == [2, 2]
        assert engine.groups[0].averages[0].mean[0] == pytest.approx((0.5 * 1 + 3) / 1.5)

    def test_drop_remembers_the_last_time_between_batches(self):
        engine = new_engine(GROUP, 1)
        feed(engine, [1.0, 2.0], start=100.0)
        assert feed(engine, [3.0, 4.0, 5.0], start=99.5).accepted.tolist() == [2]
        assert engine.groups[0].out_of_order == 2

    def test_times_before_1970_are_times(self):
        engine = new_engine(GROUP, 1)
        assert feed(engine, [1.0, 2.0], start=-5000.0).accepted.tolist() == [0, 1]

    @pytest.mark.parametrize("group", [GROUP, GroupSettings("plant")])
    def test_a_batch_that_is_all_late_changes_only_the_count_of_late_samples(self, group):
        engine = new_engine(group, 1)
        feed(engine, [1.0, 2.0], start=100.0)
        before = state_of(engine)
        results = feed(engine, [3.0, 4.0], start=0.0)
        assert len(results.accepted) == len(results.mean) == len(results.stddev) == 0
        if group.model:
            assert results.forecast.shape == (0, 2)
            assert len(results.loss) == len(results.learning_rate) == 0
        assert_close(state_of(engine), before, rel=0.0)
        assert engine.groups[0].out_of_order == 2

    def test_accept_takes_a_late_sample_as_if_it_came_with_the_newest(self):
        group = GroupSettings("plant", (ByTime(10.0),), out_of_order="accept")
        late, prompt = new_engine(group, 1), new_engine(group, 1)
        a = late.observe(batch([0] * 4, [0, 30, 20, 40], [1, 2, 3, 4]))
        b = prompt.observe(batch([0] * 4, [0, 30, 30, 40], [1, 2, 3, 4]))
        assert a.accepted.tolist() == [0, 1, 2, 3]
        assert a.mean.tolist() == b.mean.tolist()
        assert late.groups[0].out_of_order == 0


class TestHardInput:
    def test_a_constant_stream_is_smoothed_and_forecast_as_that_constant(self):
        engine = new_engine(GROUP, 1)
        results = feed(engine, np.full(400, 21.5))
        assert (results.mean == 21.5).all()
        assert (results.stddev[1:] == 0.0).all()
        assert (results.forecast[3:] == 21.5).all()
        assert np.isnan(engine.groups[0].forecaster.skill()[0]).all()  # 0 / 0: there is no ratio

    @pytest.mark.parametrize("at", [0, 1, 150])
    def test_a_spike_of_1e12_leaves_every_number_finite(self, at):
        engine = new_engine(GROUP, 1)
        value = np.random.default_rng(4).normal(20.0, 1.0, 400)
        value[at] = 1e12
        results = feed(engine, value)
        assert np.isfinite(results.mean).all()
        assert np.isfinite(results.stddev[1:]).all()
        assert np.isfinite(results.forecast[3:]).all()
        assert np.isfinite(engine.groups[0].forecaster.skill()[0]).all()
        assert engine.groups[0].averages[0].mean[0] == pytest.approx(20.0, abs=5.0)

    def test_every_stream_of_a_wide_batch_is_its_own(self):
        n = 70_000  # more rows than 16 bits count
        engine = new_engine(GroupSettings("plant", (ByCount(0.9),)), n)
        rows = np.random.default_rng(5).permutation(n)
        results = engine.observe(batch(rows, np.zeros(n), rows * 1.5))
        assert (results.mean[:, 0] == rows * 1.5).all()
        assert (engine.groups[0].value[:n] == np.arange(n) * 1.5).all()


def used_engine(*settings):
    engine = Engine(settings or [GROUP, GroupSettings("other", (ByTime(60.0),))])
    for i, group in enumerate(engine.groups):
        for row in range(3):
            engine.add_stream(i, f"{group.name}/{row}", (("room", 'caf\u00e9 "1"'),))
        samples = random_samples(i, 120, 3)
        engine.observe(Batch(i, samples.stream.astype(np.int32), samples.time, samples.value, 5.0))
    return engine


def fresh_engine():
    return Engine([GROUP, GroupSettings("other", (ByTime(60.0),))])


class TestDump:
    def test_a_loaded_engine_knows_all_that_was_dumped(self):
        engine, loaded = used_engine(), fresh_engine()
        engine.refused = 7
        dump = engine.dump()
        loaded.load(dump)
        assert loaded.dump() == dump
        assert loaded.refused == 7
        for mine, theirs in zip(loaded.groups, engine.groups, strict=True):
            assert mine.streams.names == theirs.streams.names
            assert mine.streams.labels == theirs.streams.labels
            assert mine.out_of_order == theirs.out_of_order > 0
        assert_close(state_of(loaded), state_of(engine), rel=0.0)
        assert loaded.add_stream(0, "plant/1") == 1
        assert loaded.add_stream(0, "new") == 3

    def test_an_engine_that_never_saw_a_stream_can_be_dumped_and_loaded(self):
        engine = fresh_engine()
        engine.load(fresh_engine().dump())
        assert engine.dump() == fresh_engine().dump()

    def test_is_a_zip_of_plain_arrays_and_json_without_pickle(self):
        with zipfile.ZipFile(BytesIO(used_engine().dump())) as archive:
            for name in archive.namelist():
                content = archive.read(name)
                assert content.startswith(b"\x93NUMPY")
                array = np.lib.format.read_array(BytesIO(content), allow_pickle=False)
                assert array.dtype.kind in "fiub"
            header = np.lib.format.read_array(BytesIO(archive.read("header.npy")), allow_pickle=False)
        assert json.loads(header.tobytes())["format"] == "ewad-engine"

    def test_a_pickle_is_refused_unread(self):
        class Bomb:
            def __reduce__(self):
                return pytest.fail, ("the pickle was read",)

        bombs = np.array([Bomb()], dtype=object)
        out = BytesIO()
        np.savez(out, header=bombs)
        for dump in (pickle.dumps(Bomb()), out.getvalue()):
            with pytest.raises(StateError):
                fresh_engine().load(dump)

    def test_truncated_anywhere_raises_state_error(self):
        dump = used_engine().dump()
        for length in [*range(64), *range(64, len(dump), 211), *range(len(dump) - 64, len(dump))]:
            with pytest.raises(StateError):
                fresh_engine().load(dump[:length])

    @pytest.mark.slow
    def test_a_flipped_byte_raises_state_error_or_is_none_of_the_state(self):
        dump = used_engine().dump()
        harmless = 0
        for position in [*range(0, len(dump), 97), *range(len(dump) - 300, len(dump))]:
            damaged = bytearray(dump)
            damaged[position] ^= 0xFF
            loaded = fresh_engine()
            try:
                loaded.load(bytes(damaged))
            except StateError:
                continue
            harmless += 1  # a time stamp of the zip, say: the state must then be whole
            assert loaded.dump() == dump
        assert harmless < len(dump) // 97

    def test_of_a_newer_version_raises_state_error_that_names_both(self):
        dump = with_header(used_engine().dump(), version=12)
        with pytest.raises(StateError, match="up to version 11, got ewad-engine version 12"):
            fresh_engine().load(dump)

    @pytest.mark.parametrize(
        "foreign",
        [b"", b"hello", b"PK\x05\x06" + bytes(18), b"\x93NUMPY", b"\x80\x04N."],
        ids=["empty", "text", "empty zip", "numpy", "pickle"],
    )
    def test_foreign_bytes_raise_state_error(self, foreign):
        with pytest.raises(StateError):
            fresh_engine().load(foreign)

    @pytest.mark.parametrize(
        "change",
        [
            {"format": "other"},
            {"version": "1"},
            {"version": None},
            {"groups": None},
            {"groups": [{"name": "plant"}, {"name": "other"}]},
            {"groups": [{"name": "plant", "streams": 3, "out_of_order": 0}] * 2},
        ],
        ids=str,
    )
    def test_a_header_that_makes_no_sense_raises_state_error(self, change):
        with pytest.raises(StateError):
            fresh_engine().load(with_header(used_engine().dump(), **change))

    def test_is_loaded_where_only_rates_differ(self):
        dump = used_engine(GROUP).dump()
        model = replace(
            MODEL, learning_rate=0.5, schedule=Constant(), l2=1.0, optimizer=Adam(0.8, epsilon=1e-6)
        )
        engine = Engine([replace(GROUP, model=model, out_of_order="accept")])
        assert engine.load(dump).dropped == []
        assert engine.groups[0].count[:3].sum() > 0
        assert engine.groups[0].forecaster.learner.learning_rate[0] == 0.5

    def test_is_not_loaded_over_streams_that_are_there_already(self):
        engine = used_engine()
        dump = engine.dump()
        with pytest.raises(ValueError, match="engine: expected a new one to load into"):
            engine.load(dump)
        assert engine.dump() == dump


def with_header(dump, **changes):
    with np.load(BytesIO(dump)) as arrays:
        content = dict(arrays)
    header = json.loads(content["header"].tobytes()) | changes
    content["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    out = BytesIO()
    np.savez(out, **content)
    return out.getvalue()
