import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ewad.engine import Batch, ByCount, ByTime, Engine, GroupSettings
from ewad.engine.settings import auto
from ewad.numeric.crossing import Threshold
from ewad.outputs.http.history import PointHistory
from ewad.outputs.http.view import View
from ewad.outputs.prometheus import exposition
from ewad.outputs.prometheus.exposition import Exposition, escape
from tests.outputs.engines import INF, feed, mixture_engine, model_engine, smoothing_engine, wide_engine


def render(engine, *, stale_after=None, now=0.0, openmetrics=False):
    stale_after = stale_after or [INF] * len(engine.groups)
    return b"".join(Exposition(engine, stale_after).render(lambda: now, openmetrics)).decode()


def series(text, openmetrics=False):
    """Return {(name, labels): value} by prometheus_client's own parser."""
    families = (parse_openmetrics if openmetrics else parse_text)(text)
    found = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"series twice: {key}"
            found[key] = sample.value
    return found


def key(name, **labels):
    return name, frozenset(labels.items())


def names(text):
    return {name for name, _ in series(text)}


@pytest.mark.parametrize("openmetrics", [False, True])
def test_every_stream_has_value_average_deviation_count_and_time(openmetrics):
    engine = Engine([GroupSettings("temperature", (ByCount(0.98),))])
    feed(engine, 0, "site/a", [40.0, 49.0, 45.0], labels=(("room", "a"),), at=100.5)
    labels = {"stream": "site/a", "room": "a", "group": "temperature"}
    found = series(render(engine, openmetrics=openmetrics), openmetrics)
    average = found.pop(key("ewad_smoothed_value", beta="0.98", **labels))
    assert average == pytest.approx(44.700041, abs=1e-6)  # 2.62872 / (1 - 0.98**3)
    assert found.pop(key("ewad_smoothed_stddev", beta="0.98", **labels)) > 0
    assert found == {
        key("ewad_value", **labels): 45.0,
        key("ewad_anomaly", **labels): 0.0,
        key("ewad_anomalous_streams", group="temperature"): 0.0,
        key("ewad_stream_stuck", **labels): 0.0,
        key("ewad_samples_total", **labels): 3.0,
        key("ewad_last_sample_timestamp_seconds", **labels): 100.5,
    }


def test_a_label_of_a_stream_that_a_family_has_too_is_told_once():
    engine = Engine([GroupSettings("press", (ByCount(0.98),))])
    feed(engine, 0, "press/left", [40.0], labels=(("part", "left"),))
    feed(engine, 0, "press/rest", [40.0])
    engine.groups[0].anomalies.left[0] = 1
    lines = [line for line in render(engine).splitlines() if "ewad_part=" in line]
    assert [line.partition("{")[2].split(",ewad_part=")[0] for line in lines] == [
        'stream="press/left",part="left",group="press"'
    ]
    assert all(line.count(",part=") <= 1 for line in render(engine).splitlines())


def test_an_average_that_is_new_has_no_series_before_its_first_sample():
    before = smoothing_engine()
    feed(before, 0, "site/a", [40.0, 49.0], at=100.0)
    engine = Engine([GroupSettings("temperature", (ByCount(0.98), ByCount(0.5)))])
    engine.take_over(before.snapshot())
    labels = {"stream": "site/a", "group": "temperature"}
    old, new = (key("ewad_smoothed_value", beta=beta, **labels) for beta in ("0.98", "0.5"))
    found = series(render(engine))
    assert old in found
    assert new not in found
    feed(engine, 0, "site/a", [45.0], at=101.0)
    assert series(render(engine))[new] == 45.0


def test_a_model_without_intervals_shows_none_of_an_earlier_one_that_had_them():
    before = mixture_engine()
    settings = before.groups[0].settings
    engine = Engine([replace(settings, model=replace(settings.model, interval=None))])
    engine.take_over(before.snapshot())
    found = names(render(engine))
    assert "ewad_forecast_value" in found
    assert not {"ewad_forecast_lower_value", "ewad_forecast_upper_value"} & found
    view = View(engine, lambda group: np.ones(2, np.bool_), [None], PointHistory(), lambda: 0.0)
    assert view.streams([view.find("a")])[0].forecasts[0].lower is None


def test_text_is_what_prometheus_documents():
    engine = Engine([GroupSettings("g", (ByCount(0.9),))])
    feed(engine, 0, "s", [21.5], at=3.0)
    assert render(engine).splitlines() == [
        "# HELP ewad_value Last accepted sample.",
        "# TYPE ewad_value gauge",
        'ewad_value{stream="s",group="g"} 21.5',
        "# HELP ewad_smoothed_value Bias-corrected exponentially weighted average; beta weights the past.",
        "# TYPE ewad_smoothed_value gauge",
        'ewad_smoothed_value{stream="s",group="g",beta="0.9"} 21.5',
        "# HELP ewad_anomaly Whether the stream is in an anomaly: it begins with a score above 1.",
        "# TYPE ewad_anomaly gauge",
        'ewad_anomaly{stream="s",group="g"} 0.0',
        "# HELP ewad_stream_stuck Whether the stream reports the same value for longer than stuck_after, or, "
        "unset, than it ever did.",
        "# TYPE ewad_stream_stuck gauge",
        'ewad_stream_stuck{stream="s",group="g"} 0.0',
        "# HELP ewad_anomalous_streams Streams of the group that are in an anomaly.",
        "# TYPE ewad_anomalous_streams gauge",
        'ewad_anomalous_streams{group="g"} 0',
        "# HELP ewad_samples_total Accepted samples.",
        "# TYPE ewad_samples_total counter",
        'ewad_samples_total{stream="s",group="g"} 1.0',
        "# HELP ewad_last_sample_timestamp_seconds Event time of the last accepted sample.",
        "# TYPE ewad_last_sample_timestamp_seconds gauge",
        'ewad_last_sample_timestamp_seconds{stream="s",group="g"} 3.0',
    ]


def test_openmetrics_names_a_counters_family_without_total_and_ends_with_eof():
    engine = smoothing_engine()
    feed(engine, 0, "s", [1.0])
    text = render(engine, openmetrics=True)
    assert "# TYPE ewad_samples counter\n" in text
    assert "\newad_samples_total{" in text
    assert text.endswith("\n# EOF\n")
    assert text.count("# EOF") == 1


def test_an_engine_without_samples_has_no_series():
    assert render(smoothing_engine()) == ""
    assert render(smoothing_engine(), openmetrics=True) == "# EOF\n"


def test_a_stream_without_a_sample_has_no_series():
    engine = smoothing_engine()
    engine.add_stream(0, "silent", ())
    assert render(engine) == ""


def test_each_average_is_labelled_by_its_beta_or_half_life():
    engine = Engine([GroupSettings("g", (ByCount(0.9), ByCount(0.98), ByTime(600.0)))])
    feed(engine, 0, "s", [1.0, 2.0])
    found = series(render(engine))
    for index, beta in enumerate(["0.9", "0.98", "half_life=10m"]):
        average = engine.groups[0].averages[index]
        assert found[key("ewad_smoothed_value", stream="s", group="g", beta=beta)] == average.mean[0]
        assert found[key("ewad_smoothed_stddev", stream="s", group="g", beta=beta)] == average.stddev()[0]


def test_families_are_contiguous_over_groups_with_help_and_type_once():
    engine = smoothing_engine("one", "two")
    feed(engine, 0, "a", [1.0, 2.0], labels=(("room", "x"),))
    feed(engine, 1, "a", [1.0, 2.0], labels=(("site", "y"), ("floor", "2")))
    lines = render(engine).splitlines()
    families = [line.split("{")[0] if line[0] != "#" else line.split()[2] for line in lines]
    runs = [name for i, name in enumerate(families) if i == 0 or families[i - 1] != name]
    assert len(runs) == len(set(runs))
    assert len([line for line in lines if line.startswith("# TYPE")]) == len(runs)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_shared_model_has_series_of_its_own_without_stream(openmetrics):
    engine = model_engine("group")
    learner = engine.groups[0].forecaster.learner
    found = series(render(engine, openmetrics=openmetrics), openmetrics)
    labels = {"model": "outdoor", "group": "temperature"}
    assert found[key("ewad_loss", **labels)] == learner.loss[0]
    assert found[key("ewad_batch_loss", **labels)] == learner.batch_loss[0]
    assert found[key("ewad_learning_rate", **labels)] == learner.learning_rate[0]
    assert found[key("ewad_epoch", **labels)] == 0.0
    assert found[key("ewad_batches_total", **labels)] == learner.batches[0] > 0
    assert found[key("ewad_gradient_norm", **labels)] == learner.gradient_norm[0]


@pytest.mark.parametrize("share", ["group", "stream"])
def test_a_shared_model_of_one_shard_is_told_from_those_of_others(share):
    text = b"".join(Exposition(model_engine(share), [INF], 2).render(lambda: 0.0, False)).decode()
    labelled = {name for name, labels in series(text) if ("shard", "2") in labels}
    of_models = {name for name in names(text) if name.startswith(("ewad_loss", "ewad_epoch", "ewad_batch"))}
    assert len(of_models) == 4
    assert labelled & of_models == (of_models if share == "group" else set())
    assert "ewad_anomalous_streams" in labelled, "a count of each shard's own streams"
    assert "ewad_value" in names(text) - labelled


def test_a_plateau_is_1_while_it_lasts():
    engine = model_engine("stream")
    labels = {"model": "outdoor", "stream": "a", "room": "x", "group": "temperature"}
    assert series(render(engine))[key("ewad_plateau", **labels)] == 0.0
    learner = engine.groups[0].forecaster.learner
    walk = np.random.default_rng(1).normal(size=20 * 100 * 4).cumsum()  # nothing to learn in 20 epochs
    feed(engine, 0, "a", walk, labels=(("room", "x"),), at=1e6)
    assert learner.plateau[0]
    assert series(render(engine))[key("ewad_plateau", **labels)] == 1.0


def test_a_model_of_each_stream_has_series_with_its_labels():
    engine = model_engine("stream")
    learner = engine.groups[0].forecaster.learner
    found = series(render(engine))
    labels = {"model": "outdoor", "stream": "a", "room": "x", "group": "temperature"}
    assert found[key("ewad_loss", **labels)] == learner.loss[0]
    assert found[key("ewad_batches_total", **labels)] == learner.batches[0] > 0
    untrained = {"model": "outdoor", "stream": "b", "room": "y", "group": "temperature"}
    assert found[key("ewad_batches_total", **untrained)] == 0.0
    assert key("ewad_loss", **untrained) not in found


def test_forecasts_and_skill_are_absent_while_warming_up():
    engine = model_engine("group")
    forecaster = engine.groups[0].forecaster
    found = series(render(engine))
    for column, horizon in enumerate("13"):
        labels = {"stream": "a", "room": "x", "group": "temperature", "horizon": horizon}
        assert found[key("ewad_forecast_value", **labels)] == forecaster.forecast[0, column]
        assert found[key("ewad_forecast_skill_ratio", **labels)] == forecaster.skill()[0, column]
    forecasts = {name for name, labels in found if ("stream", "b") in labels}
    assert not any(name.startswith("ewad_forecast") for name in forecasts)


def test_a_missing_value_is_an_absent_series_never_nan():
    assert "nan" not in render(model_engine("stream")).lower()


def test_no_sample_carries_a_timestamp():
    for line in render(model_engine("stream")).splitlines():
        assert line.startswith("#") or len(line.rpartition("}")[2].split()) == 1


def test_an_overflow_is_shown_as_infinity():
    engine = smoothing_engine()
    feed(engine, 0, "s", [1.0])
    engine.groups[0].value[0] = -INF
    assert series(render(engine))[key("ewad_value", stream="s", group="temperature")] == -INF
    assert (
        series(render(engine, openmetrics=True), True)[key("ewad_value", stream="s", group="temperature")]
        == -INF
    )


def test_stale_streams_leave_every_family_of_streams_and_come_back():
    engine = model_engine("stream")
    feed(engine, 0, "fresh", [1.0], at=90.0)
    found = series(render(engine, stale_after=[10.0], now=100.0))
    assert {dict(labels)["stream"] for name, labels in found if name != "ewad_anomalous_streams"} == {"fresh"}
    feed(engine, 0, "a", [1.0], at=100.0)
    found = series(render(engine, stale_after=[10.0], now=100.0))
    assert {dict(labels)["stream"] for name, labels in found if name != "ewad_anomalous_streams"} == {
        "fresh",
        "a",
    }


def test_a_shared_model_outlives_its_stale_streams():
    assert names(render(model_engine("group"), stale_after=[10.0], now=1e9)) >= {"ewad_loss", "ewad_epoch"}
    assert "ewad_value" not in names(render(model_engine("group"), stale_after=[10.0], now=1e9))


def test_each_group_has_its_own_stale_after():
    engine = smoothing_engine("quick", "slow")
    feed(engine, 0, "a", [1.0])
    feed(engine, 1, "b", [1.0])
    found = series(render(engine, stale_after=[10.0, INF], now=1e12))
    assert {dict(labels)["group"] for _, labels in found} == {"slow"}


def test_exactly_stale_after_is_not_yet_stale():
    engine = smoothing_engine()
    feed(engine, 0, "a", [1.0], at=90.0)
    assert render(engine, stale_after=[10.0], now=100.0) != ""
    assert render(engine, stale_after=[10.0], now=100.001) == ""


HOSTILE = (
    "".join(map(chr, range(0x20))) + "\x7f\x85\u2028\u2029",
    'a"b\\c\\n\n\\"}',
    "\\",
    '"',
    "\n",
    "🌡️ 温度 \u202e\ufeff\uffff\U0010ffff",
    '"} 1\newad_value{stream="forged',
    "# EOF\n",
    "",
)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_hostile_topics_come_back_as_they_were(openmetrics):
    engine = smoothing_engine()
    for name in HOSTILE:
        feed(engine, 0, name, [1.0], labels=(("level", name),))
    text = render(engine, openmetrics=openmetrics)
    found = [dict(labels) for name, labels in series(text, openmetrics) if name == "ewad_value"]
    assert sorted(labels["stream"] for labels in found) == sorted(HOSTILE)
    assert all(labels["level"] == labels["stream"] for labels in found)


def test_surrogates_are_replaced_for_utf8_has_none():
    engine = smoothing_engine()
    feed(engine, 0, "surrogate\ud800", [1.0])
    assert key("ewad_value", stream="surrogate\ufffd", group="temperature") in series(render(engine))


@given(st.text())
def test_an_escaped_label_parses_to_the_same_text(text):
    expected = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    line = f'm{{a="{escape(text)}",b="{escape(text)}"}} 1.0\n'
    line.encode()
    for parse, document in ((parse_text, line), (parse_openmetrics, f"# TYPE m gauge\n{line}# EOF\n")):
        (family,) = parse(document)
        assert family.samples[0].labels == {"a": expected, "b": expected}


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=5))
def test_values_come_back_to_the_last_bit(values):
    engine = smoothing_engine()
    for index in range(len(values)):
        feed(engine, 0, str(index), [1.0])
    engine.groups[0].value[: len(values)] = values
    found = series(render(engine))
    for index, value in enumerate(values):
        shown = found.get(key("ewad_value", stream=str(index), group="temperature"), math.nan)
        assert shown == value or (math.isnan(shown) and math.isnan(value))


@pytest.fixture
def slice_rows(monkeypatch):
    """Give how many rows a slice has here: as many slices as with the real number, of fewer streams."""
    monkeypatch.setattr(exposition, "SLICE_ROWS", 128)
    return exposition.SLICE_ROWS


def test_slices_stay_short(slice_rows):
    slices = list(Exposition(wide_engine(3 * slice_rows), [INF]).render(lambda: 0.0, False))
    assert len(slices) >= 18  # 6 columns of 3 times slice_rows
    assert max(part.count(b"\n") for part in slices) <= 2 * slice_rows


def test_stale_streams_do_not_make_a_slice_long(slice_rows):
    slices = list(Exposition(wide_engine(3 * slice_rows), [1.0]).render(lambda: 1e9, True))
    assert len(slices) >= 18
    assert b"".join(slices) == b"# EOF\n"


def test_streams_and_samples_may_come_between_slices(slice_rows):
    engine = wide_engine(slice_rows + 1)
    engine.max_streams = 10 * slice_rows
    parts = []
    for index, part in enumerate(Exposition(engine, [INF]).render(lambda: 0.0, True)):
        parts.append(part)
        for extra in range(slice_rows if index == 0 else 1):  # arrays grow and move
            feed(engine, 0, f"new{index}/{extra}", [1.0, 2.0])
    found = series(b"".join(parts).decode(), True)
    values = [labels for name, labels in found if name == "ewad_value"]
    times = [labels for name, labels in found if name == "ewad_last_sample_timestamp_seconds"]
    assert len(values) == slice_rows + 1
    assert len(times) > 2 * slice_rows


def test_a_clock_that_is_followed_between_slices_makes_no_stream_stale(slice_rows):
    engine = wide_engine(4 * slice_rows)
    engine.groups[0].seen[:] = now = 1e9
    slices = Exposition(engine, [60.0]).render(lambda: now, False)
    first = next(slices)
    engine.move_times(-3600.0, now := now - 3600.0)
    found = series((first + b"".join(slices)).decode())
    times = [labels for name, labels in found if name == "ewad_last_sample_timestamp_seconds"]
    assert len(times) == 4 * slice_rows


def test_a_column_is_as_it_was_when_its_turn_came(slice_rows):
    engine = wide_engine(4 * slice_rows)
    group = engine.groups[0]
    before = group.value[: 4 * slice_rows].tolist()
    slices = Exposition(engine, [INF]).render(lambda: 0.0, False)
    first = next(slices)
    group.value[:] = -1.0
    found = series((first + b"".join(slices)).decode())
    shown = [value for (name, _), value in found.items() if name == "ewad_value"]
    assert shown == before


def test_a_later_scrape_shows_new_streams_and_new_values():
    engine = smoothing_engine()
    exposition = Exposition(engine, [INF])
    feed(engine, 0, "a", [1.0])
    list(exposition.render(lambda: 0.0, False))
    feed(engine, 0, "a", [2.0], at=1.0)
    feed(engine, 0, "b", [3.0], at=1.0)
    found = series(b"".join(exposition.render(lambda: 1.0, False)).decode())
    assert found[key("ewad_value", stream="a", group="temperature")] == 2.0
    assert found[key("ewad_value", stream="b", group="temperature")] == 3.0


def test_labels_follow_streams_that_are_replaced():
    engine, other = smoothing_engine(), smoothing_engine()
    exposition = Exposition(engine, [INF])
    feed(engine, 0, "a", [1.0])
    list(exposition.render(lambda: 0.0, False))
    feed(other, 0, "b", [1.0])
    engine.groups[0] = other.groups[0]
    assert b'stream="b"' in b"".join(exposition.render(lambda: 0.0, False))


def test_a_loaded_state_is_shown():
    engine = model_engine("stream")
    loaded = Engine([engine.groups[0].settings])
    loaded.load(engine.dump())
    assert render(loaded) == render(engine)


def test_promtool_accepts_all_families(promtool_check):
    engine = model_engine("stream")
    for name in (*HOSTILE, "surrogate\ud800"):
        feed(engine, 0, name, [1.0, 2.0], labels=(("room", name),))
    assert promtool_check(render(engine)) == ""


def test_values_of_a_batch_are_those_of_the_engine():
    engine = smoothing_engine()
    rows = np.array([engine.add_stream(0, name) for name in "ab"], np.int32)
    engine.observe(Batch(0, rows, np.zeros(2), np.array([0.1, 1e100]), 0.0))
    text = render(engine)
    assert 'ewad_value{stream="a",group="temperature"} 0.1\n' in text
    assert 'ewad_value{stream="b",group="temperature"} 1e+100\n' in text


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_mixture_shows_intervals_coverage_anomaly_and_weights_of_streams_that_have_them(openmetrics):
    engine = mixture_engine()
    forecaster = engine.groups[0].forecaster
    found = series(render(engine, openmetrics=openmetrics), openmetrics)
    labels = {"stream": "a", "room": "x", "group": "temperature"}
    for i, horizon in enumerate(("1", "3")):
        said, lower, upper, coverage = (
            found[key(f"ewad_forecast_{name}", horizon=horizon, **labels)]
            for name in ("value", "lower_value", "upper_value", "coverage_ratio")
        )
        assert (lower, upper) == (forecaster.lower[0, i], forecaster.upper[0, i])
        assert lower < said < upper
        assert 0.0 < coverage < 1.0
        weights = [
            found[key("ewad_expert_weight", horizon=horizon, expert=expert, **labels)]
            for expert in ("persistence", "linear", "rls")
        ]
        assert sum(weights) == pytest.approx(1.0)
    assert found[key("ewad_anomaly_score", **labels)] > 1.0
    assert found[key("ewad_anomaly", **labels)] == 1.0
    (reason,) = (dict(pairs) for name, pairs in found if name == "ewad_anomaly_reason")
    assert reason.pop("part") in ("jump", "run")
    assert reason == labels
    of_b = {name for name, pairs in found if ("stream", "b") in pairs}
    assert of_b.isdisjoint(
        {"ewad_forecast_lower_value", "ewad_forecast_coverage_ratio", "ewad_anomaly_score"}
    )


def test_one_expert_has_no_weights_and_a_short_record_no_score():
    assert names(render(model_engine("group"))).isdisjoint({"ewad_expert_weight", "ewad_anomaly_score"})


def test_a_label_model_of_a_stream_stands_in_the_series_of_its_model():
    model = auto("m", lags=2)
    engine = Engine([GroupSettings("g", model=model)])
    engine.add_stream(0, "a/1", (("model", "Prologue"),))
    for i in range(5):
        engine.observe(
            Batch(0, np.array([0], np.int32), np.array([float(i)]), np.array([20.0 + i]), float(i))
        )
    text = b"".join(Exposition(engine, [1e9]).render(lambda: 5.0, False)).decode()
    series = [line for line in text.splitlines() if line.startswith("ewad_epoch{")]
    assert series
    assert all(line.count('model="') == 1 and 'model="Prologue"' in line for line in series)


def test_a_group_tells_how_many_of_its_streams_that_are_shown_are_anomalous():
    engine = mixture_engine()
    key_of_group = key("ewad_anomalous_streams", group="temperature")
    assert series(render(engine))[key_of_group] == 1.0
    engine.groups[0].mark_normal(0)
    assert series(render(engine))[key_of_group] == 0.0


def test_a_threshold_tells_seconds_while_the_forecast_crosses_it_and_nothing_else():
    settings = mixture_engine().groups[0].settings
    thresholds = (Threshold("high", True, 15.0), Threshold("never", True, 1e6))
    engine = Engine([replace(settings, thresholds=thresholds)])
    feed(engine, 0, "a", 20.0 + np.sin(np.arange(80.0)))
    found = series(render(engine))
    labels = {"stream": "a", "group": "temperature"}
    assert found[key("ewad_threshold_seconds", threshold="high", **labels)] == 0.0  # it is past it
    assert not [pairs for name, pairs in found if "never" in dict(pairs).values()]
    group = Engine([replace(settings, model=None, thresholds=thresholds)])
    feed(group, 0, "a", [20.0])
    assert "ewad_threshold_seconds" not in names(render(group))
