import copy
import dataclasses
import pickle

# ruff: noqa: E501  (a table of messages, one a line)
from pathlib import Path

import msgspec
import pytest

from ewad.config import Secret, Secrets, effective, from_options, load, parse
from ewad.config.passwords import PasswordHash
from ewad.engine.settings import auto
from ewad.errors import ConfigError
from ewad.ingest.mqtt.from_configuration import connection_settings
from ewad.numeric.averages import ByCount, ByTime, Held
from ewad.numeric.optimizers import OPTIMIZERS, Adam, Momentum, RMSprop
from ewad.numeric.schedules import SCHEDULES, Exponential, InverseTime, Manual, Staircase

STREAM = '[[stream]]\nname = "t"\ntopic = "site/{room}/t"\n'
MODEL = STREAM + 'model = "m"\n[model.m]\n'


def problems(text, environ=None):
    with pytest.raises(ConfigError) as caught:
        parse(text, "ewad.toml", environ or {})
    return str(caught.value).splitlines()


def test_a_stream_with_a_topic_is_enough_and_has_the_documented_defaults():
    settings = parse(STREAM, "ewad.toml", {})
    assert settings.mqtt.url == "mqtt://localhost:1883"
    assert (settings.mqtt.version, settings.mqtt.qos, settings.mqtt.session_expiry_seconds) == ("5", 1, 3600)
    assert settings.http.listen == ("127.0.0.1", 9466)
    (block,) = settings.streams
    assert block.topics == ("site/{room}/t",)
    assert block.decays == (ByCount(0.9), ByCount(0.98))
    assert (block.stale_after_seconds, block.retained, block.out_of_order) == (900, "use", "drop")
    (group,) = settings.group_settings()
    assert (group.name, group.decays, group.model) == ("t", block.decays, None)


def test_a_model_of_named_experts_has_the_documented_defaults():
    model = parse(MODEL + 'experts = ["linear"]', "ewad.toml", {}).group_settings()[0].model
    assert (model.name, model.share, model.expert, model.lags, model.horizons) == (
        "m",
        "group",
        "linear",
        24,
        (1,),
    )
    assert (model.batch_size, model.batches_per_epoch, model.learning_rate, model.l2) == (64, 100, 0.001, 0.0)
    assert model.optimizer == Adam()
    assert model.schedule == InverseTime(1.0)


def test_an_empty_model_and_model_auto_are_the_model_that_needs_no_tuning():
    (empty,) = parse(MODEL, "ewad.toml", {}).group_settings()
    (named,) = parse(STREAM + 'model = "auto"', "ewad.toml", {}).group_settings()
    assert empty.model == dataclasses.replace(named.model, name="m")
    learning = ("persistence", "linear", "rls", "network", "seasonal", "seasonal_naive")
    assert named.model.experts == (*learning, "stack")
    assert (named.model.share, named.model.features, named.model.interval) == ("stream", "full", 0.9)


def test_inputs_bring_the_expert_that_sees_them():
    (chosen,) = parse(
        MODEL + 'experts = ["linear", "stack"]\ninputs = ["a/{b}"]', "ewad.toml", {}
    ).group_settings()
    (own,) = parse(MODEL + 'inputs = ["a/{b}"]', "ewad.toml", {}).group_settings()
    assert chosen.model.experts == ("linear", "inputs", "stack")
    assert own.model.experts[-2:] == ("inputs", "stack")
    assert own.model.inputs == ("a/{b}",)


def test_a_model_without_experts_takes_those_that_apply():
    (group,) = parse(MODEL + 'season = 24\nfeatures = "lags"', "ewad.toml", {}).group_settings()
    assert group.model.experts == ("persistence", "linear", "rls", "network", "seasonal_naive", "stack")


@pytest.mark.parametrize(
    ("line", "decays"),
    [
        ("beta = 0", (ByCount(0.0),)),
        ("beta = [0.5, 0.999]", (ByCount(0.5), ByCount(0.999))),
        ("window = 10", (ByCount(0.9),)),
        ("window = [1, 50]", (ByCount(0.0), ByCount(0.98))),
        ('half_life = "10m"', (ByTime(600.0),)),
        ('half_life = ["250ms", "1h30m"]', (ByTime(0.25), ByTime(5400.0))),
    ],
)
def test_the_decay_is_by_beta_or_window_or_half_life(line, decays):
    assert parse(STREAM + line, "ewad.toml", {}).streams[0].decays == decays


def test_values_are_held_by_elapsed_time_alone():
    (group,) = parse(STREAM + 'half_life = ["10m", "2h"]\nhold = true', "x", {}).group_settings()
    assert group.decays == (Held(600.0), Held(7200.0))
    assert group.beta_labels == ("half_life=10m", "half_life=2h")
    for line in ("", "window = 10\n"):
        with pytest.raises(ConfigError, match=r"stream\[0\]\.hold: needs half_life in the same block"):
            parse(STREAM + line + "hold = true", "x", {})


def test_a_field_with_a_beta_of_its_own_is_not_held():
    text = STREAM + 'format = "json"\nfield = ["a", "b", "c"]\nhalf_life = "10m"\nhold = true\n'
    text += 'fields = { b = { beta = 0.5 }, c = { half_life = "1h" } }\n'
    groups = parse(text, "x", {}).group_settings()
    assert [group.decays for group in groups] == [(Held(600.0),), (ByCount(0.5),), (Held(3600.0),)]


def test_fields_are_one_path_or_a_table_with_suffixes():
    text = STREAM + 'format = "json"\n'
    assert parse(text + 'field = "/a/b"', "x", {}).streams[0].fields == (("/a/b", ""),)
    assert parse(text + 'field = { "a.b" = "ab", c = "c" }', "x", {}).streams[0].fields == (
        ("a.b", "ab"),
        ("c", "c"),
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_known(name):
    model = parse(MODEL + f'optimizer = "{name}"\nbeta1 = 0.5\n', "x", {}).models["m"]
    assert type(model.optimizer) is OPTIMIZERS[name]
    assert getattr(model.optimizer, "beta1", 0.5) == 0.5


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ('{ kind = "inverse_time", decay_rate = 2 }', InverseTime(2.0)),
        ('{ kind = "exponential" }', Exponential(0.95)),
        ('{ kind = "staircase", factor = 0.1, every = 5 }', Staircase(0.1, 5)),
        ('{ kind = "manual", rates = [[0, 0.1], [10, 0.01]] }', Manual(((0, 0.1), (10, 0.01)))),
    ],
)
def test_a_schedule_takes_its_own_constants(text, schedule):
    assert parse(MODEL + f"schedule = {text}", "x", {}).models["m"].schedule == schedule


@pytest.mark.parametrize("name", ["out door", "a.b", 'a"b', "\x7f", "é", "a\\b"])
def test_a_name_of_any_characters_survives_the_effective_text(name):
    settings = parse({"stream": [{"name": "a", "topic": "a"}], "model": {name: {"lags": 4}}}, "test", {})
    assert parse(effective(settings), "again", {}) == settings


@pytest.mark.parametrize("kind", SCHEDULES)
def test_every_schedule_is_known_and_survives_the_effective_text(kind):
    rates = ", rates = [[1, 0.1]]" if kind == "manual" else ""
    settings = parse(MODEL + f'schedule = {{ kind = "{kind}"{rates} }}', "x", {})
    assert parse(effective(settings), "again", {}) == settings


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (STREAM + "beta = [0.9, 1.0]", "ewad.toml: stream[0].beta[1]: must be in [0, 1), got 1.0"),
        (STREAM + "beta = -0.1", "ewad.toml: stream[0].beta: must be in [0, 1), got -0.1"),
        (STREAM + "beta = nan", "ewad.toml: stream[0].beta: must be in [0, 1), got nan"),
        (STREAM + "beta = true", "ewad.toml: stream[0].beta: expected a number, got true"),
        (STREAM + 'beta = "0.9"', 'ewad.toml: stream[0].beta: expected a number, got "0.9"'),
        (STREAM + "beta = []", "ewad.toml: stream[0].beta: expected a list of one or more, got an empty list"),
        (STREAM + "beta = [0.9, 0.9]", "ewad.toml: stream[0].beta[1]: expected different values, got 0.9 twice"),
        (STREAM + "beta = 0.9\nwindow = 5", "ewad.toml: stream[0]: expected one of beta, window, half_life, got beta and window"),
        (STREAM + "window = 0", "ewad.toml: stream[0].window: must be in [1, 1e15], got 0"),
        (STREAM + "half_life = 600", 'ewad.toml: stream[0].half_life: expected a duration such as "5m", got 600'),
        (STREAM + 'half_life = "5 m"', 'ewad.toml: stream[0].half_life: expected a duration such as "250ms", "5m" or "1h30m", got "5 m"'),
        (STREAM + 'stale_after = "0s"', 'ewad.toml: stream[0].stale_after: must be in 1ms..36500d, got "0s"'),
        (STREAM + 'field = "a"', 'ewad.toml: stream[0].field: needs format = "json" in the same block, got "number"'),
        (STREAM + 'time_field = "a"', 'ewad.toml: stream[0].time_field: needs format = "json" in the same block, got "number"'),
        (STREAM + 'format = "jsn"', 'ewad.toml: stream[0].format: unknown "jsn"; did you mean "json"? known: csv, influx, json, keyvalue, number, senml, sparkplug'),
        (STREAM + "scale = 0", "ewad.toml: stream[0].scale: expected a number other than 0, got 0"),
        (STREAM + "scale = inf", "ewad.toml: stream[0].scale: must be in [-1e100, 1e100], got inf"),
        (STREAM + 'tpic = "a"', 'ewad.toml: stream[0].tpic: unknown key "tpic"; did you mean "topic"?'),
        (STREAM + 'forget_after = "0s"', 'ewad.toml: stream[0].forget_after: must be in 1ms..36500d, got "0s"'),
        (STREAM + "forget = 1", 'ewad.toml: stream[0].forget: unknown key "forget"'),
        (STREAM + 'model = "outdor"\n[model.outdoor]', 'ewad.toml: stream[0].model: unknown model "outdor"; did you mean "outdoor"? known: auto, outdoor'),
        (STREAM + 'model = "m"', 'ewad.toml: stream[0].model: unknown model "m"; known: auto'),
        (STREAM + STREAM, 'ewad.toml: stream[1].name: expected a name of its own, got "t" twice'),
        ('[[stream]]\nname = "t"', "ewad.toml: stream[0].topic: expected a value, got none"),
        ('[[stream]]\nname = "t"\ntopic = ["a", "a/#/b"]', 'ewad.toml: stream[0].topic[1]: expected # as the last level only, got "a/#/b"'),
        ('[[stream]]\nname = "t"\ntopic = "a/{beta}"', 'ewad.toml: stream[0].topic: {beta} in "a/{beta}": the label beta is reserved'),
        ('[[stream]]\nname = "t"\ntopic = 5', "ewad.toml: stream[0].topic: expected a text, got 5"),
        ("", "ewad.toml: stream: expected at least one [[stream]] block, got none"),
        ("stream = 5", "ewad.toml: stream: expected [[stream]] blocks, got 5"),
        ("[stream]", "ewad.toml: stream: expected [[stream]] blocks, got a table"),
        (STREAM + "[mqt]", 'ewad.toml: mqt: unknown key "mqt"; did you mean "mqtt"? known: files, http, limits, log, metrics, model, mqtt, otlp, publish, reload, shard, state, stream'),
        ("mqtt = 1\n" + STREAM, "ewad.toml: mqtt: expected a table, got 1"),
        (STREAM + "[mqtt]\nqos = 3", "ewad.toml: mqtt.qos: must be in 0..2, got 3"),
        (STREAM + "[mqtt]\nversion = 5", 'ewad.toml: mqtt.version: expected one of "5", "3.1.1", got 5'),
        (STREAM + '[mqtt]\nurl = "http://x"', "ewad.toml: mqtt.url: expected an address"),
        (STREAM + '[mqtt]\nca_file = "/nonexistent"', "ewad.toml: mqtt.ca_file: expected a readable file, got /nonexistent: No such file or directory"),
        (STREAM + '[http]\nlisten = "x"', 'ewad.toml: http.listen: expected "host:port"'),
        (STREAM + "[limits]\nmax_streams = 1.5", "ewad.toml: limits.max_streams: expected an integer, got 1.5"),
        (STREAM + '[log]\nlevel = "inf"', 'ewad.toml: log.level: unknown "inf"; did you mean "info"? known: debug, error, info, warning'),
        (MODEL + 'optimizer = "adm"', 'ewad.toml: model.m.optimizer: unknown "adm"; did you mean "adam"? known: adam, '),
        (MODEL + "lags = 0", "ewad.toml: model.m.lags: must be in 1..10000, got 0"),
        (MODEL + 'resample = "last"', 'ewad.toml: model.m.resample: needs every in the same table, such as every = "1m"'),
        (MODEL + 'every = "1s"\nmax_gap = "1h"', "ewad.toml: model.m.max_gap: expected at most 1000 times every"),
        (MODEL + "horizons = [6, 1]", "ewad.toml: model.m.horizons: expected them ascending, got [6, 1]"),
        (MODEL + "learning_rate = 0", "ewad.toml: model.m.learning_rate: must be in (0, inf), got 0"),
        (MODEL + 'experts = ["linear", "linear"]', 'ewad.toml: model.m.experts[1]: expected different values, got "linear" twice'),
        (MODEL + 'experts = ["seasonal"]', 'ewad.toml: model.m.experts: expected features = "full" beside "seasonal", got "lags"'),
        (MODEL + 'experts = ["linear", "inputs"]', 'ewad.toml: model.m.experts: needs inputs in the same table, such as inputs = ["outdoor/temperature"]'),
        (MODEL + 'external = ["a/#"]', 'ewad.toml: model.m.external[0]: expected a topic such as "forecast/{stream}", without + and #, got "a/#"'),
        (MODEL + 'experts = ["linear", "external"]', 'ewad.toml: model.m.experts: needs external in the same table, such as external = ["forecast/{stream}"]'),
        (MODEL + 'inputs = "outdoor"', 'ewad.toml: model.m.inputs: expected a list of one or more, got "outdoor"'),
        (MODEL + 'inputs = ["outdoor/+"]', 'ewad.toml: model.m.inputs[0]: expected the name of a stream, such as "weather/{room}/outdoor", without + and #, got "outdoor/+"'),
        (MODEL + "inputs = [" + '"x",' * 9 + "]", "ewad.toml: model.m.inputs: expected at most 8, got 9"),
        (MODEL + 'interval = 1.0', "ewad.toml: model.m.interval: must be in (0, 1), got 1.0"),
        (MODEL + 'schedule = { kind = "inverse_tme" }', 'ewad.toml: model.m.schedule.kind: unknown "inverse_tme"; did you mean "inverse_time"?'),
        (MODEL + 'schedule = { kind = "constant", base = 1 }', 'ewad.toml: model.m.schedule.base: unknown key "base"; known: kind'),
        (MODEL + 'schedule = { kind = "manual", rates = [[0, -1]] }', "ewad.toml: model.m.schedule.rates[0][1]: must be in (0, inf), got -1"),
        (STREAM + '[model."a.b"]\nlags = 0', 'ewad.toml: model."a.b".lags: must be in 1..10000, got 0'),
    ],
)  # fmt: skip
def test_every_error_names_file_key_expectation_and_what_came(text, line):
    (problem,) = problems(text)
    assert problem.startswith(line)
    assert len(problem) < 300


@pytest.mark.parametrize("topic", ["site/{room}/t", "a"])
def test_a_block_of_one_plain_topic_needs_no_name(topic):
    settings = parse(f'[[stream]]\ntopic = "{topic}"', "ewad.toml", {})
    assert settings.streams[0].name == settings.group_settings()[0].name == topic
    assert parse(effective(settings), "again", {}) == settings


@pytest.mark.parametrize("topic", ['"a/#"', '"+/b"', '["a", "b"]', '"$share/g/a"'])
def test_a_block_of_other_topics_needs_a_name(topic):
    (problem,) = problems(f"[[stream]]\ntopic = {topic}")
    why = "expected a value, got none: only one topic without + and # can be the name"
    assert problem == f"ewad.toml: stream[0].name: {why}"


def test_blocks_that_are_named_by_the_same_topic_are_told_apart_by_nothing():
    (problem,) = problems('[[stream]]\ntopic = "a"\n' * 2)
    assert problem == 'ewad.toml: stream[1].name: expected a name of its own, got "a" twice'


def test_all_problems_are_told_at_once_ten_at_most():
    lines = problems(STREAM + "beta = 2\nscale = 0\n[http]\nlisten = 1\n")
    assert [line.split(": ")[1] for line in lines] == ["stream[0].beta", "stream[0].scale", "http.listen"]
    many = problems(STREAM + "\n".join(f"x{i} = 1" for i in range(30)))
    assert len(many) == 11
    assert many[-1] == "ewad.toml: and 20 more"


def test_toml_errors_name_line_and_column():
    assert problems("[mqtt]\nurl = \n")[0].startswith("ewad.toml: line 2, column 7: ")
    assert problems("[mqtt")[0].startswith("ewad.toml: line 1")
    assert problems("x = " + "[" * 100_000)[0].startswith("ewad.toml: expected TOML")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "can't read the configuration: No such file or directory"),
        (b"[mqtt]\nurl = \"\xff\"", "line 2: expected UTF-8, got byte 0xff"),
        (b"\x7fELF\x00\x01", "expected a TOML file, got binary data"),
        (b"", "stream: expected at least one [[stream]] block, got none"),
    ],
)  # fmt: skip
def test_an_unreadable_file_is_one_clear_line(tmp_path, content, says):
    path = tmp_path / "ewad.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert str(caught.value) == f"{path}: {says}"
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path, {})


def test_environment_overrides_the_file():
    environ = {
        "EWAD_MQTT__URL": "mqtts://broker:1234",
        "EWAD_MQTT__CLIENT_ID": "5",
        "EWAD_MQTT__QOS": "0",
        "EWAD_STREAM__0__TOPIC": '["a/#", "b"]',
        "EWAD_STREAM__0__STALE_AFTER": "1h",
        "EWAD_STREAM__1__NAME": "new",
        "EWAD_STREAM__1__TOPIC": "x",
        "EWAD_MODEL__M__LAGS": "3",
        "EWAD_MODEL__M__SCHEDULE__KIND": "constant",
        "EWAD_HTTP__LISTEN": ":9000",
        "EWAD_OTHER": "left alone",
    }
    settings = parse(MODEL.replace("model.m", "model.M").replace('"m"', '"M"'), "ewad.toml", environ)
    assert settings.mqtt.address[:3] == ("tls", "broker", 1234)
    assert (settings.mqtt.client_id, settings.mqtt.qos) == ("5", 0)
    assert settings.streams[0].topics == ("a/#", "b")
    assert settings.streams[0].stale_after_seconds == 3600
    assert settings.streams[1].name == "new"
    assert settings.models["M"].lags == 3
    assert settings.models["M"].schedule == SCHEDULES["constant"]()
    assert settings.http.listen == ("", 9000)


def test_hidden_layers_of_a_network_may_be_of_one_size():
    text = MODEL + 'experts = ["network"]\nhidden = [64, 64]\n'
    assert parse(text, "ewad.toml", {}).models["m"].hidden == (64, 64)


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("EWAD_MQTT__QOS", "7", "EWAD_MQTT__QOS: must be in 0..2, got 7"),
        ("EWAD_MQTT__QOS", "x", 'EWAD_MQTT__QOS: expected an integer, got "x"'),
        ("EWAD_STREAM__0__BETA", "[0.5, 2]", "EWAD_STREAM__0__BETA[1]: must be in [0, 1), got 2"),
        ("EWAD_MQTT__URRL", "x", 'EWAD_MQTT__URRL: unknown key "urrl"; did you mean "url"?'),
        ("EWAD_MQT__URL", "x", 'EWAD_MQT__URL: unknown key "mqt"; did you mean "mqtt"?'),
        ("EWAD_STREAM__2__NAME", "x", 'EWAD_STREAM__2__NAME: expected an index in 0..1, got "2"'),
        ("EWAD_STREAM__A__NAME", "x", 'EWAD_STREAM__A__NAME: expected an index in 0..1, got "A"'),
        ("EWAD_STREAM__0__NAME__X", "x", 'EWAD_STREAM__0__NAME__X: expected no "X" below a single value'),
        ("EWAD_MQTT__URL", "a\nqos = 2", "EWAD_MQTT__URL: expected an address"),
    ],
)
def test_an_error_of_the_environment_names_the_variable(variable, value, line):
    (problem,) = problems(STREAM, {variable: value})
    assert problem.startswith(line)


def test_environment_alone_can_be_the_configuration():
    settings = load(None, {"EWAD_STREAM__0__NAME": "t", "EWAD_STREAM__0__TOPIC": "a"})
    assert settings.streams[0].topics == ("a",)


def test_password_comes_from_file_or_credential_or_url_and_is_never_shown(tmp_path):
    (tmp_path / "secret").write_text("hush\n")
    (tmp_path / "mqtt_password").write_text("credential\n")
    path = tmp_path / "ewad.toml"
    path.write_text(STREAM + '[mqtt]\nurl = "mqtt://me:in%40url@h"\n')
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    by_url, by_credential = load(path, {}), load(path, environ)
    path.write_text(path.read_text() + 'password_file = "secret"\n')
    by_file = load(path, environ)
    for settings, text in ((by_url, "in@url"), (by_credential, "credential"), (by_file, "hush")):
        assert settings.mqtt.username == "me"
        assert settings.secrets.mqtt_password == Secret(text)
        assert settings.secrets.mqtt_password.reveal() == text
        shown = repr(settings) + effective(settings) + str(settings.secrets.mqtt_password)
        assert text not in shown
        assert "in%40url" not in shown


def test_settings_are_pickled_and_copied_without_their_secrets(tmp_path):
    (tmp_path / "users").write_text(f"me:{PasswordHash.of('hush').text()}\n")
    raw = {
        "mqtt": {"url": "ws://me:hush@h/m?token=hush"},
        "stream": [{"topic": "a"}],
        "http": {"users_file": "users"},
    }
    settings = parse(raw, "ewad.toml", {}, base=tmp_path)
    assert (settings.secrets.mqtt_password, settings.secrets.mqtt_query) == (
        Secret("hush"),
        Secret("token=hush"),
    )
    pickled = pickle.dumps(settings)
    for trace in (b"hush", b"scrypt", settings.secrets.http_users["me"].text().encode()[-20:]):
        assert trace not in pickled
        assert trace not in repr(settings).encode()
    assert pickle.loads(pickled) == msgspec.structs.replace(settings, secrets=Secrets())
    assert copy.deepcopy(settings) == settings
    with pytest.raises(TypeError, match="a secret stays in the process"):
        pickle.dumps(settings.secrets.mqtt_password)
    connection = connection_settings(settings)
    assert (connection.path, connection.password.reveal()) == ("/m?token=hush", "hush")
    assert "hush" not in repr(connection).replace(connection.path, "")


def test_a_bad_url_does_not_show_its_password():
    assert "hush" not in problems(STREAM + '[mqtt]\nurl = "mqtx://me:hush@host"')[0]
    assert "hush" not in problems(STREAM + '[mqtt]\nurl = "mqtt://me:hush@host:99999"')[0]


def test_effective_text_reads_back_as_the_same_settings():
    text = MODEL + 'experts = ["persistence"]\n' + STREAM.replace('"t"', '"u"') + (
        'half_life = ["90m", "1h"]\nformat = "json"\nfield = { "a.b" = "x" }\ntime_field = "ts"\nunit = "é\\"\\\\"\n'
    )  # fmt: skip
    settings = parse(text, "ewad.toml", {})
    assert parse(effective(settings), "again", {}) == settings


def test_effective_text_shows_the_grid_of_a_model_and_when_streams_are_forgotten():
    text = MODEL + 'every = "1m"\nresample = "last"\nmax_gap = "15m"\n' + STREAM.replace('"t"', '"u"')
    settings = parse(text + 'forget_after = "7d"\n[reload]\npoll = "10s"', "ewad.toml", {})
    shown = effective(settings)
    for line in (
        'every = "1m"',
        'resample = "last"',
        'max_gap = "15m"',
        'forget_after = "7d"',
        'poll = "10s"',
    ):
        assert line in shown
    assert parse(shown, "again", {}) == settings


def test_a_key_in_the_wrong_table_is_told_its_own():
    with pytest.raises(ConfigError) as caught:
        parse('[[stream]]\nname = "a"\ntopic = "a"\nevery = "1m"\n[model.m]\nbeta = 0.9\n', "f", {})
    assert str(caught.value).splitlines() == [
        'f: stream[0].every: unknown key "every": it is one of [model.NAME]',
        'f: model.m.beta: unknown key "beta": it is one of [[stream]]',
    ]


def test_credentials_that_can_not_be_looked_at_are_told():
    environ = {"CREDENTIALS_DIRECTORY": "/x" * 3000}  # no such name can be asked for
    with pytest.raises(ConfigError, match=r"mqtt: can't read \$CREDENTIALS_DIRECTORY: /x/x.*too long"):
        parse('[[stream]]\nname = "a"\ntopic = "a"\n', "ewad.toml", environ)


def test_the_quickstart_sample_is_valid():
    settings = load(Path("samples/quickstart.toml"), {})
    assert settings.group_settings()[0].model is not None


def test_options_make_settings_without_a_file():
    settings = from_options(
        "mqtt://host", ["site/{room}/t"], environ={}, beta=[0.5], format="json", field="v"
    )
    assert settings.mqtt.address.host == "host"
    assert settings.streams[0].decays == (ByCount(0.5),)
    assert settings.streams[0].fields == (("v", ""),)


@pytest.mark.parametrize("model", ["auto", "linear"])
def test_the_model_of_the_options_is_that_of_a_file_which_says_no_more(model):
    experts = 'experts = ["linear"]\n' if model == "linear" else ""
    file = parse(
        f"[[stream]]\nname = 'a'\ntopic = '#'\nmodel = '{model}'\n[model.{model}]\n{experts}", "f", {}
    )
    settings = from_options(None, ["#"], environ={}, model=model)
    assert settings.models == file.models
    assert settings.streams[0].model == model
    further = from_options(None, ["#"], environ={}, model=model, horizons=[1, 24]).models[model]
    expected = dataclasses.replace(file.models[model], horizons=(1, 24))
    if model == "auto":  # has an expert of the nearest horizon, where there are others
        expected = auto(model, horizons=(1, 24))
    assert further == expected


def test_an_error_of_an_option_names_it():
    with pytest.raises(ConfigError) as caught:
        from_options("host", ["a/#/b"], environ={}, beta=[2], half_life=["x"], field="v", listen="x")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        "--url", "--topic[0]", "--beta[0]", "--half-life[0]", "--listen",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "optimizer"),
    [
        ('optimizer = "adam"\nweight_decay = 0.01', Adam(weight_decay=0.01)),
        ('optimizer = "momentum"\naveraged = false', Momentum(averaged=False)),
        ('optimizer = "rmsprop"\nepsilon_inside = true', RMSprop(epsilon_inside=True)),
    ],
)
def test_the_other_forms_of_an_optimizer_can_be_chosen_and_are_shown(keys, optimizer):
    text = f'[[stream]]\nname = "a"\ntopic = "a"\nmodel = "m"\n[model.m]\nmax_gradient_norm = 2.0\n{keys}\n'
    settings = parse(text, "ewad.toml", {})
    assert settings.models["m"].optimizer == optimizer
    assert settings.models["m"].max_gradient_norm == 2.0
    assert parse(effective(settings), "ewad.toml", {}) == settings


@pytest.mark.parametrize("line", ["learning_rate = 1" + "0" * 400, "lags = 1" + "0" * 5000])
def test_numbers_beyond_every_float_are_told_like_others(line):
    with pytest.raises(ConfigError, match=r"^ewad\.toml: "):
        parse(f'[[stream]]\nname = "a"\ntopic = "a"\n[model.m]\n{line}\n', "ewad.toml", {})
