"""What stays of a dumped state when the configuration has changed, and what is said of the rest."""

import dataclasses
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from ewad.engine import Batch, ByCount, ByTime, Engine, GroupSettings, ModelSettings
from ewad.engine.settings import auto
from ewad.errors import StateError
from ewad.numeric.optimizers import Momentum
from tests.engine.scenarios import (
    Samples,
    assert_close,
    groups,
    new_engine,
    observe_in_pieces,
    random_samples,
    state_of,
)
from tests.engine.test_laws import seeds

# Examples wait in single precision since version 11: before, they were learnt from as they were.
SINGLE = 1e-6
MODEL = ModelSettings("outdoor", lags=3, horizons=(1, 2), batch_size=4)
GROUP = GroupSettings("plant", (ByCount(0.9), ByTime(60.0)), model=MODEL, topics=("site/+",))


def used(*groups):
    """Return an engine whose groups have three streams and 150 samples each, like version1."""
    engine = Engine(groups)
    for i in range(len(groups)):
        for row in range(3):
            engine.add_stream(i, f"site/{row}", (("room", str(row)),))
        samples = random_samples(i + 1, 150, 3)
        engine.observe(Batch(i, samples.stream.astype(np.int32), samples.time, samples.value, 5.0))
    return engine


def loaded(engine, *groups):
    new = Engine(groups)
    return new, new.load(engine.dump())


def kinds(dropped):
    """Return what the lines say was dropped, by group and kind."""
    return [line.split(" dropped: ")[0] for line in dropped]


def assert_same_average(mine, theirs):
    for name in ("mean", "weight", "pairs", "scatter"):
        np.testing.assert_array_equal(getattr(mine, name)[:3], getattr(theirs, name)[:3])


def test_averages_are_found_by_their_decay_in_whatever_order():
    old = used(GROUP)
    new, what = loaded(old, replace(GROUP, decays=(ByTime(60.0), ByCount(0.5), ByCount(0.9))))
    assert what.dropped == []
    assert what.groups == [0]
    by_time, added, by_count = new.groups[0].averages
    assert_same_average(by_count, old.groups[0].averages[0])
    assert_same_average(by_time, old.groups[0].averages[1])
    assert (added.weight == 0.0).all()


def test_a_decay_that_is_gone_is_named():
    new, what = loaded(used(GROUP), replace(GROUP, decays=(ByCount(0.9), ByCount(0.95))))
    assert what.dropped == [
        "group plant: average dropped: ByTime(half_life_seconds=60.0);"
        " now ByCount(beta=0.9); ByCount(beta=0.95)"
    ]
    assert new.groups[0].forecaster.learner.batches[0] > 0


ALL_OF_THE_MODEL = ["anomaly", "scores", "pending", "parameters", "moments", "mini-batch"]


@pytest.mark.parametrize(
    ("change", "dropped"),
    [
        ({"lags": 4}, ALL_OF_THE_MODEL),
        ({"lags": 2}, ALL_OF_THE_MODEL),
        ({"horizons": (1, 5)}, ALL_OF_THE_MODEL),
        ({"share": "stream"}, ALL_OF_THE_MODEL),
        ({"experts": ("network",)}, ALL_OF_THE_MODEL),
        ({"name": "other"}, ALL_OF_THE_MODEL),
        ({"optimizer": Momentum()}, ["moments"]),
        ({"batch_size": 2}, ["mini-batch"]),
        ({"hidden": (5,), "batches_per_epoch": 7, "learning_rate": 0.3}, []),
    ],
    ids=str,
)
def test_of_a_changed_model_what_fits_stays_and_the_rest_is_named(change, dropped):
    old = used(GROUP)
    new, what = loaded(old, replace(GROUP, model=replace(MODEL, **change)))
    assert kinds(what.dropped) == [f"group plant: {kind}" for kind in dropped]
    mine, theirs = new.groups[0].forecaster, old.groups[0].forecaster
    np.testing.assert_array_equal(mine.features.count[:3], theirs.features.count[:3])
    np.testing.assert_array_equal(mine.scale.square[:3], theirs.scale.square[:3])
    if "parameters" not in dropped:
        np.testing.assert_array_equal(mine.learner.theta, theirs.learner.theta)
    observe_in_pieces(new, random_samples(9, 100, 3))


def test_the_hidden_units_of_a_network_are_part_of_its_meaning():
    network = replace(GROUP, model=replace(MODEL, experts=("network",), hidden=(3,)))
    changed = replace(GROUP, model=replace(MODEL, experts=("network",), hidden=(4,)))
    _, what = loaded(used(network), changed)
    assert kinds(what.dropped) == [f"group plant: {kind}" for kind in ALL_OF_THE_MODEL]


@pytest.mark.parametrize(("lags", "warming_up"), [(2, 0), (3, 0), (5, 0), (9, 4)])
def test_windows_of_other_lags_reach_as_far_as_what_was_kept(lags, warming_up):
    old = new_engine(GROUP, 1)  # keeps 3 + 2 values
    value = np.random.default_rng(3).normal(size=40)
    samples = Samples(np.zeros(40, int), np.arange(40.0), value)
    observe_in_pieces(old, Samples(*(x[:20] for x in dataclasses.astuple(samples))))
    model = replace(MODEL, lags=lags)
    new, _ = loaded(old, replace(GROUP, model=model))
    rest = Samples(*(x[20:] for x in dataclasses.astuple(samples)))
    forecast = observe_in_pieces(new, rest)["forecast"][:, 0]
    assert np.isnan(forecast).tolist() == [True] * warming_up + [False] * (20 - warming_up)


def test_groups_are_found_by_name_wherever_they_stand():
    other = GroupSettings("other")
    old = used(GROUP, other)
    new, what = loaded(old, other, GROUP)
    assert what.groups == [1, 0]
    assert what.dropped == []
    assert_close(state_of(loaded(new, GROUP, other)[0]), state_of(old), rel=0.0)


def test_a_group_that_is_gone_is_dropped_with_its_streams_and_named():
    new, what = loaded(used(GROUP, GroupSettings("other")), GROUP)
    assert what.groups == [0, None]
    assert what.dropped == ["group other: dropped with 3 streams: no block of its name or topics"]
    assert what.misfits == [(what.dropped[0], True)]
    assert new.n_streams == 3


def test_a_group_of_another_name_and_the_same_topics_is_the_same_renamed():
    old = used(GROUP)
    new, what = loaded(old, GroupSettings("extra"), replace(GROUP, name="boiler"))
    assert what.groups == [1]
    assert what.dropped == ["group plant: is now boiler, of the same topics"]
    assert new.groups[1].streams.names == old.groups[0].streams.names
    np.testing.assert_array_equal(new.groups[1].count[:3], old.groups[0].count[:3])


def test_a_group_whose_name_lives_on_is_not_taken_for_renamed():
    _, what = loaded(used(GROUP), replace(GROUP, name="boiler"), replace(GROUP, topics=("other/+",)))
    assert what.groups == [1]


def test_a_model_that_came_or_went_leaves_averages_alone():
    plain = replace(GROUP, model=None)
    old = used(GROUP)
    new, what = loaded(old, plain)
    assert len(what.dropped) == 8  # anomaly scores too: they were made of its errors
    assert_same_average(new.groups[0].averages[0], old.groups[0].averages[0])
    newer, what = loaded(new, GROUP)
    assert kinds(what.dropped) == ["group plant: anomaly"]
    assert newer.groups[0].forecaster.features.count[0] == 0


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"decays": (ByCount(0.9), ByCount(0.95))},
            "begins anew: average (1 of 2); before: ByTime(half_life_seconds=60.0); now: ByCount(beta=0.95)",
        ),
        (
            {"model": replace(MODEL, lags=4, season=5)},
            "begins anew: anomaly, scores, pending, parameters, moments, mini-batch;"
            " before: lags=3; now: lags=4, season=5",
        ),
        (
            {"model": replace(MODEL, optimizer=Momentum())},
            "begins anew: moments; before: Adam; now: Momentum",
        ),
        (
            {"model": None},
            "begins anew: anomaly; gone: window, scale, scores, pending, parameters, moments, mini-batch;"
            " before: outdoor, share=group, linear, lags=3, horizons=(1, 2), Adam, batch_size=4",
        ),
        ({"name": "boiler"}, "is now boiler, of the same topics"),
    ],
    ids=str,
)
def test_what_a_change_of_settings_has_cost_a_group_is_told_in_a_line(change, line):
    _, what = loaded(used(GROUP, GroupSettings("other")), replace(GROUP, **change), GroupSettings("other"))
    assert what.misfits == [(f"group plant: {line}", "name" not in change)]


@settings(max_examples=60, deadline=None)
@given(before=groups, after=groups, seed=seeds)
def test_any_state_loads_into_any_configuration_and_goes_on(before, after, seed):
    samples = random_samples(seed, 80, 3)
    old = new_engine(before, 3)
    observe_in_pieces(old, samples)
    new = new_engine(after, 0)
    new.load(old.dump())
    assert new.groups[0].streams.names == old.groups[0].streams.names
    observe_in_pieces(new, random_samples(seed + 1, 80, 3))
    at_once = new_engine(after, 0)
    at_once.take_over(new.snapshot())
    assert at_once.dump() == new.dump()
    again = new_engine(after, 0)
    assert again.load(new.dump()).dropped == []
    assert again.dump() == new.dump()


def test_of_a_dump_of_version_1_all_but_pending_forecasts_and_the_newest_moves_is_loaded():
    model = replace(MODEL, experts=("network",), hidden=(3,), share="stream")
    settings = replace(GROUP, model=model, topics=()), GroupSettings("smoothed")
    engine = Engine(settings)
    what = engine.load((Path(__file__).parent / "version1.npz").read_bytes())
    assert what.dropped == []
    got, expected = (
        {
            name: array
            for name, array in state_of(each).items()
            if not re.search("pending|scale/(recent|size)|anomaly|rest/", name)
        }
        for each in (engine, used(*settings))
    )
    assert_close(got, expected, rel=1e-12)


def test_of_a_dump_of_version_2_all_but_what_the_seasonal_expert_knew_is_loaded():
    model = replace(
        MODEL, experts=("persistence", "linear", "seasonal"), features="full", share="stream", interval=0.9
    )
    engine = Engine([replace(GROUP, model=model, topics=()), replace(GROUP, name="lags", topics=())])
    what = engine.load((Path(__file__).parent / "version2.npz").read_bytes())
    linear, meaning = (
        f"outdoor, share=stream, {name}, lags=3, horizons=(1, 2), features=full{of}"
        for name, of in (("linear", ""), ("seasonal", ", of version 2"))
    )
    assert [line.split("; now")[0] for line in what.dropped] == [
        f"group plant: mini-batch dropped: batch_size=4, {linear}",  # examples wait where the seasonal's did
        f"group plant: parameters dropped: {meaning}",
        f"group plant: mini-batch dropped: batch_size=4, {meaning}",
    ]
    full, lags = (group.forecaster for group in engine.groups)
    assert (full.learners["linear"].batches[:3] > 0).all()
    assert (full.learners["seasonal"].theta == 0.0).all()
    assert lags.learner.batches[0] > 0
    np.testing.assert_array_equal(full.scale.last[:3], full.scale.steady[:3])
    for i in range(2):
        engine.observe(replace(random_samples(9, 100, 3).batch(), group=i))


@pytest.mark.parametrize("version", [3, 4])
def test_a_dump_of_version_3_or_4_is_loaded_but_for_waiting_examples(version):
    model = replace(
        MODEL, experts=("persistence", "linear", "seasonal"), features="full", share="stream", interval=0.9
    )
    settings = replace(GROUP, model=model, topics=())
    engine = Engine([settings])
    what = engine.load((Path(__file__).parent / f"version{version}.npz").read_bytes())
    assert what.dropped == [LINEAR, SEASONAL]
    # What both versions keep of the same samples; forecasts, and what follows from them, may differ.
    got, expected = (
        {
            name: array
            for name, array in state_of(each).items()
            if re.search("context|window|theta|scale/(?!recent|size)", name)
        }
        for each in (engine, used(settings))
    )
    assert {"level", "sums", "weights"} <= {name.split("/")[-1] for name in got}
    assert_close(got, expected, rel=SINGLE)
    scale = engine.groups[0].forecaster.scale
    np.testing.assert_allclose(
        scale.size, np.sqrt(2.0 / np.pi * scale.square * scale.weight)
    )  # of normal moves
    calibration = engine.groups[0].forecaster.calibration
    assert (calibration.record[:3, 4] > 0.0).all()
    engine.observe(random_samples(9, 100, 3).batch())
    assert np.isfinite(calibration.record).all()


def test_after_an_outage_averages_by_time_have_decayed_by_it_and_those_by_count_have_not():
    engine = new_engine(GroupSettings("plant", (ByCount(0.9), ByTime(60.0))), 1)
    engine.observe(Samples(np.zeros(2, int), np.array([0.0, 60.0]), np.array([1.0, 1.0])).batch())
    resumed = new_engine(engine.groups[0].settings, 0)
    resumed.load(engine.dump())
    late = Samples(np.zeros(1, int), np.array([60.0 + 600.0]), np.array([2.0])).batch()
    by_count, by_time = resumed.observe(late).mean[0]
    assert by_count == pytest.approx((0.81 + 0.9 + 2.0) / (0.81 + 0.9 + 1.0))
    left = 0.5**10  # ten half-lives
    assert by_time == pytest.approx((left * 1.5 + 2.0) / (left * 1.5 + 1.0))


def test_after_an_outage_windows_restart_if_it_is_longer_than_max_gap_and_parameters_stay():
    group = GroupSettings("plant", model=replace(MODEL, max_gap_seconds=60.0))
    engine = new_engine(group, 1)
    observe_in_pieces(engine, Samples(np.zeros(50, int), np.arange(50.0), np.arange(50.0) % 7))
    theta = engine.groups[0].forecaster.learner.theta.copy()
    for outage, restarted in ((60.0, False), (61.0, True)):
        resumed = new_engine(group, 0)
        resumed.load(engine.dump())
        forecast = resumed.observe(
            Samples(np.zeros(1, int), np.array([49.0 + outage]), np.array([1.0])).batch()
        ).forecast
        assert np.isnan(forecast).all() == restarted
        assert (resumed.groups[0].forecaster.features.position[0] == 1) == restarted
        if restarted:
            np.testing.assert_array_equal(resumed.groups[0].forecaster.learner.theta, theta)


@pytest.mark.parametrize(
    ("whole", "damaged"), [(b'"refused"', b'"rexused"'), (b'"refused":0', b'"refused":[]')]
)
def test_a_head_without_its_counts_is_damage(whole, damaged):
    """Found by fuzzing."""
    with np.load(io.BytesIO(Engine([GroupSettings("a")]).dump())) as archive:
        arrays = {name: archive[name] for name in archive.files}
    head = arrays["header"].tobytes()
    assert whole in head
    arrays["header"] = np.frombuffer(head.replace(whole, damaged), np.uint8)
    dump = io.BytesIO()
    np.savez(dump, **arrays)
    with pytest.raises(StateError, match=r"^state: expected "):
        Engine([GroupSettings("a")]).load(dump.getvalue())


LINEAR, SEASONAL = (
    f"group plant: mini-batch dropped: batch_size=4, outdoor, share=stream, {name}, lags=3, horizons=(1, 2),"
    " features=full; now batch_size=4, outdoor, share=stream, persistence+linear+seasonal, lags=3,"
    " horizons=(1, 2), features=full"
    for name in ("linear", "seasonal")
)


def without_waiting(engine):
    """Return the engine, none of its examples waiting: of some not all was kept before version 10."""
    examples = engine.groups[0].forecaster.examples
    for array in examples.rows(examples.n_rows).values():
        array[:] = 0
    return engine


# Anomalies are of version 7, quick records of version 8: forecasts, and what follows from them, are others.
LATER = "anomaly|rest/|lately|scores/(?!squared_change)|pending|calibration/(?!began)|intervals"


# How far forecasts are followed, and what follows from it, is other in samples-4; what is learnt is not.
TOLD = "calibration/share|scores/(?!squared_change)|pending|intervals|anomaly"
# What the auto of versions 6 to 10 was, and what a dump of version 10 is of.
UNTUNED = auto("outdoor", lags=3, hidden=(16,), horizons=(1, 2), batch_size=4, season=5)
STANDS = 40  # samples of three streams, until each share has been worked out anew


def known_then(arrays, later=LATER):
    """Return the arrays that earlier arithmetic filled with the same numbers."""
    return {name: array for name, array in arrays.items() if not re.search(later, name)}


def test_a_dump_of_version_5_goes_on_with_what_this_arithmetic_would_have_learnt():
    model = replace(
        MODEL, experts=("persistence", "linear", "seasonal"), features="full", share="stream", interval=0.9
    )
    settings = replace(GROUP, model=model, topics=())
    loaded, stayed = Engine([settings]), without_waiting(used(settings))
    what = loaded.load((Path(__file__).parent / "version5.npz").read_bytes())
    assert what.dropped == [LINEAR, SEASONAL]
    assert what.notes == ['state was computed by the arithmetic "batches", and goes on by "samples-5"']
    assert_close(known_then(state_of(loaded)), known_then(state_of(stayed)), rel=SINGLE)
    assert (loaded.groups[0].anomalies.count == 0).all()  # a new record
    samples = random_samples(9, 200, 3)
    samples.time[:] += 1e7
    assert np.isfinite(observe_in_pieces(loaded, samples)["forecast"]).all()
    observe_in_pieces(stayed, samples)
    assert_close(known_then(state_of(loaded)), known_then(state_of(stayed)), rel=SINGLE)
    assert Engine([settings]).load(loaded.dump()).notes == []


def test_a_dump_of_version_6_goes_on_with_a_new_record_of_what_is_rare():
    model = replace(
        MODEL, experts=("persistence", "linear", "seasonal"), features="full", share="stream", interval=0.9
    )
    settings = replace(GROUP, model=model, topics=())
    engine, stayed = Engine([settings]), without_waiting(used(settings))
    what = engine.load((Path(__file__).parent / "version6.npz").read_bytes())
    assert what.dropped == [LINEAR, SEASONAL]
    assert what.notes == ['state was computed by the arithmetic "samples-1", and goes on by "samples-5"']
    assert_close(known_then(state_of(engine)), known_then(state_of(stayed)), rel=SINGLE)
    group = engine.groups[0]
    assert (group.anomalies.count == 0).all()
    assert np.isnan(group.anomalies.score()).all()
    samples = random_samples(9, 400, 3)
    samples.time[:] += 1e7
    observe_in_pieces(engine, samples)
    assert np.isfinite(group.anomalies.score()[group.anomalies.count >= 100]).all()


def test_a_dump_of_version_6_goes_on_with_the_experts_that_came_later():
    settings = replace(GROUP, model=UNTUNED, topics=())
    engine = Engine([settings])
    what = engine.load((Path(__file__).parent / "version6_auto.npz").read_bytes())
    assert what.dropped == []
    weights = engine.groups[0].forecaster.weights()[:3]
    np.testing.assert_allclose(weights.sum(axis=2), 1.0)
    samples = random_samples(9, 300, 3)
    samples.time[:] += 1e7
    forecast = observe_in_pieces(engine, samples)["forecast"]
    assert np.isfinite(forecast).all()  # the windows are full from the start
    assert engine.groups[0].forecaster.learners["stack"].theta[:3].any()
    assert Engine([settings]).load(engine.dump()).dropped == []


def test_a_dump_of_version_7_goes_on_and_tells_which_experts_begin_anew():
    settings = replace(GROUP, model=UNTUNED, topics=())
    engine = Engine([settings])
    what = engine.load((Path(__file__).parent / "version7_auto.npz").read_bytes())
    gone = "parameters", "moments", "mini-batch", "parameters", "slots' errors"
    assert len(what.dropped) == len(gone)
    assert all("of version 7" in line for line in what.dropped)
    begun = "slots' errors, parameters (2 of 6), moments (1 of 3), mini-batch (1 of 2)"
    assert what.misfits == [(f"group plant: begins anew: {begun}; before: of version 7", False)]
    weights = engine.groups[0].forecaster.weights()[:3]
    np.testing.assert_allclose(weights.sum(axis=2), 1.0)
    samples = random_samples(9, 300, 3)
    samples.time[:] += 1e7
    forecast = observe_in_pieces(engine, samples)["forecast"]
    assert np.isfinite(forecast).all()  # the windows are full from the start
    assert Engine([settings]).load(engine.dump()).dropped == []


def test_a_dump_of_version_8_goes_on_with_what_its_slots_remembered():
    settings = replace(GROUP, model=UNTUNED, topics=())
    engine, stayed = Engine([settings]), Engine([settings])
    what = engine.load((Path(__file__).parent / "version8_auto.npz").read_bytes())
    stayed.load((Path(__file__).parent / "version10_auto.npz").read_bytes())
    assert what.dropped == []
    mine, theirs = (each.groups[0].forecaster.slots for each in (engine, stayed))
    levels = [(each.base[:, None, None, None] + each.kept)[:3] for each in (mine, theirs)]
    assert np.isfinite(levels[0]).any()
    np.testing.assert_allclose(*levels, rtol=0.0, atol=1e-5)
    np.testing.assert_allclose(mine.errors[:3], theirs.errors[:3], rtol=0.0, atol=1e-5)
    samples = random_samples(9, 300, 3)
    samples.time[:] += 1e7
    found = [observe_in_pieces(each, samples)["forecast"][STANDS:] for each in (engine, stayed)]
    np.testing.assert_allclose(*found, rtol=0.0, atol=1e-3)


def test_a_dump_of_version_9_goes_on_with_the_examples_that_were_waiting():
    settings = replace(GROUP, model=UNTUNED, topics=())
    engine, stayed = Engine([settings]), Engine([settings])
    what = engine.load((Path(__file__).parent / "version9_auto.npz").read_bytes())
    stayed.load((Path(__file__).parent / "version10_auto_later.npz").read_bytes())
    assert what.dropped == []
    assert what.notes == ['state was computed by the arithmetic "samples-3", and goes on by "samples-5"']
    assert engine.groups[0].forecaster.examples.collected[:3].tolist() == [1, 2, 2]
    assert_close(known_then(state_of(engine), TOLD), known_then(state_of(stayed), TOLD), rel=1e-9)
    samples = random_samples(9, 300, 3)
    samples.time[:] += 2e7
    for each in (engine, stayed):
        observe_in_pieces(each, samples)
    assert_close(known_then(state_of(engine), TOLD), known_then(state_of(stayed), TOLD), rel=1e-6)


def test_what_a_version_has_changed_of_auto_is_told_in_a_line_that_says_what_to_set_to_keep_it():
    tuned = auto("outdoor", horizons=(1, 2), batch_size=4, season=5)
    what = Engine([replace(GROUP, model=tuned, topics=())]).load(
        (Path(__file__).parent / "version10_auto.npz").read_bytes()
    )
    assert len(what.dropped) == 18
    begun = (
        "anomaly, scores, pending, slots' errors, track record, calibration, intervals, mini-batch,"
        " parameters, moments"
    )
    changed = "before: lags=3, hidden=(16,); now: lags=24, hidden=(8,)"
    assert what.misfits == [(f"group plant: begins anew: {begun}; {changed}", True)]


# What each expert of version 10 forecast after one more sample of each stream: in the order of UNTUNED.
SAID_BY_VERSION_10 = [
    [11.588879, 11.125561, 10.896902, 11.069401, 7.103886, 4.88477, 10.983981, 10.024885],
    [1.335576, 1.737682, 2.088671, 1.322669, 1.927287, 3.662637, 1.263371, 2.871972],
    [-55.61745, -56.195885, -57.124247, -56.577945, -64.11647, -53.401836, -56.044579, -57.507668],
]


def test_a_dump_of_version_10_goes_on_with_experts_that_say_what_they_said():
    settings = replace(GROUP, model=UNTUNED, topics=())
    engine = Engine([settings])
    what = engine.load((Path(__file__).parent / "version10_auto_later.npz").read_bytes())
    assert what.dropped == []
    assert what.notes == ['state was computed by the arithmetic "samples-4", and goes on by "samples-5"']
    forecaster = engine.groups[0].forecaster
    values = forecaster.scale.steady[:3] + np.array([0.5, -0.5, 0.25])
    engine.observe(Batch(0, np.arange(3, dtype=np.int32), np.full(3, 3e7), values, 3e7))
    said = forecaster.pending.forecasts[:3, 0, -len(UNTUNED.experts) :]
    np.testing.assert_allclose(said, SAID_BY_VERSION_10, rtol=0.0, atol=1e-6)
    samples = random_samples(9, 300, 3)
    samples.time[:] += 4e7
    assert np.isfinite(observe_in_pieces(engine, samples)["forecast"]).all()
    assert forecaster.learners["rls"].theta[:3, 2:10].any()  # learnt of a season before
    assert Engine([settings]).load(engine.dump()).dropped == []
