"""Which series there are, and which labels all have: [metrics] labels, expose, and the units of groups."""

import subprocess

import pytest

from ewad.config import parse
from ewad.daemon.parts import exposition_of, new_engine
from ewad.errors import ConfigError
from ewad.outputs.prometheus.exposition import Exposition
from tests.deploy.test_monitoring import promtool
from tests.outputs.engines import INF, feed, instruments, mixture_engine, model_engine
from tests.outputs.prometheus.test_exposition import names, series

CONSTANT = (("site", "north"), ("room", "everywhere"))


def whole(engine, *, openmetrics=False, constant=CONSTANT, **options):
    """Return the whole document of /metrics."""
    exposition = Exposition(engine, [INF] * len(engine.groups), constant=constant, **options)
    own = instruments(engine, constant=lambda: constant, units=lambda: [("temperature", "celsius")])
    return b"".join([own.render(openmetrics), *exposition.render(lambda: 0.0, openmetrics)]).decode()


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize("share", ["group", "stream"])
def test_every_series_has_the_constant_labels_but_a_stream_s_own_win(openmetrics, share):
    engine = model_engine(share)  # whose streams have a label room
    found = series(whole(engine, openmetrics=openmetrics), openmetrics)
    assert found
    for name, labels in found:
        told = dict(labels)
        assert told["site"] == "north", name
        assert told["room"] == ({"a": "x", "b": "y"}[told["stream"]] if "stream" in told else "everywhere")


def test_a_block_exposes_what_it_is_asked_to_alone():
    engine = mixture_engine()
    exposition = Exposition(engine, [INF], exposed=[("smoothed", "forecast_value", "loss")])
    assert names(b"".join(exposition.render(lambda: 0.0, False)).decode()) == {
        "ewad_smoothed_value",
        "ewad_smoothed_stddev",
        "ewad_forecast_value",
        "ewad_loss",
    }


def test_a_word_is_not_the_beginning_of_another_one():
    engine = mixture_engine()
    assert "ewad_value" in names(whole(engine, exposed=[("value",)]))
    assert "ewad_samples_total" not in names(whole(engine, exposed=[("sample",)]))


def test_what_is_exposed_must_be_something():
    block = {"name": "t", "topic": "t", "expose": ["smoothed", "forcast"]}
    with pytest.raises(ConfigError, match=r'stream\[0\]\.expose: .*got "forcast"; did you mean "forecast'):
        new_engine(parse({"stream": [block]}, "test", {}))


def test_the_settings_of_a_block_are_those_of_its_series():
    blocks = [{"name": "t", "topic": "t", "expose": "value"}, {"name": "u", "topic": "u"}]
    settings = parse({"stream": blocks, "metrics": {"labels": {"site": "north"}}}, "test", {})
    engine = new_engine(settings)
    feed(engine, 0, "t", [1.0])
    feed(engine, 1, "u", [2.0])
    found = series(b"".join(exposition_of(engine, settings).render(lambda: 0.0, False)).decode())
    told = {(name, dict(labels).get("stream"), dict(labels)["site"]) for name, labels in found}
    assert {name for name, stream, _ in told if stream == "t"} == {"ewad_value"}
    assert ("ewad_samples_total", "u", "north") in told


@pytest.mark.parametrize("labels", [{"stream": "x"}, {"9": "x"}, {"__x": "y"}, {"a": ""}, {}, {"a": 1}])
def test_a_label_that_can_not_be_is_refused(labels):
    with pytest.raises(ConfigError, match=r"metrics\.labels"):
        parse({"stream": [{"name": "t", "topic": "t"}], "metrics": {"labels": labels}}, "test", {})


@pytest.mark.parametrize("openmetrics", [False, True])
def test_the_unit_of_a_group_is_told_once(openmetrics):
    found = series(whole(mixture_engine(), openmetrics=openmetrics, constant=()), openmetrics)
    key = "ewad_group_info", frozenset({"group": "temperature", "unit": "celsius"}.items())
    assert found[key] == 1.0


def test_promtool_finds_no_fault_with_all_that_is_exposed():
    promtool("--version")  # skips without it
    command = ["promtool", "check", "metrics"]
    done = subprocess.run(command, input=whole(mixture_engine()), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["model", "part", "threshold", "shard"])
def test_a_label_that_some_series_have_of_themselves_is_no_label_of_all(name):
    with pytest.raises(
        ConfigError, match=f"the label {name} is reserved; choose another name, such as site_"
    ):
        parse({"stream": [{"name": "t", "topic": "t"}], "metrics": {"labels": {name: "x"}}}, "test", {})
