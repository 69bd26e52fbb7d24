"""The document: every section and key, what each takes, and what must hold between them."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from ewad.config import checks, files
from ewad.config.checks import Check, Invalid, Problem, fail
from ewad.config.http import HTTP_KEYS, http_settings
from ewad.config.settings import (
    LimitSettings,
    LogSettings,
    MqttSettings,
    ReloadSettings,
    Secret,
    Settings,
    StateSettings,
    StreamSettings,
)
from ewad.config.syntax import mask_url, parse_field, parse_topic, parse_url
from ewad.engine import MAX_HELD, ModelSettings
from ewad.engine.settings import auto
from ewad.numeric.averages import ByCount, ByTime
from ewad.numeric.experts import EXPERTS
from ewad.numeric.optimizers import OPTIMIZERS
from ewad.numeric.schedules import SCHEDULES, Schedule

CREDENTIAL = "mqtt_password"  # its file name in $CREDENTIALS_DIRECTORY

AUTO = "auto"  # a model that every [[stream]] block may name
RATE = checks.number("(0, inf)")
FRACTION = checks.number("[0, 1)")


def _checked(parse: Callable[[str], Any]) -> Check:
    """Take a text that parse understands, as it is."""

    def check(value: Any) -> str:
        checks.parsed(parse)(value)
        return str(value)

    return check


def _fields(value: Any) -> tuple[tuple[str, str], ...]:
    path = _checked(parse_field)
    if not isinstance(value, dict):
        return ((path(value), ""),)
    if not value:
        raise fail("expected a table of {field = stream suffix}, got an empty one")

    def pair(key: str) -> tuple[str, str]:
        suffix = checks.text(value[key])
        if "/" in suffix:  # topic + "/" + suffix must stay unique
            raise fail(f"expected a suffix without /, got {checks.shown(suffix)}")
        return path(key), suffix

    pairs = checks.each((key, partial(pair, key)) for key in value)
    suffixes = [suffix for _, suffix in pairs]
    for key, suffix in pairs:
        if suffixes.count(suffix) > 1:
            raise fail(f"expected different suffixes, got {checks.shown(suffix)} twice", key)
    return tuple(pairs)


def _nonzero(value: Any) -> float:
    number = float(checks.number("[-1e100, 1e100]")(value))
    if abs(number) < 1e-100:
        raise fail(f"expected a number other than 0, got {checks.shown(value)}")
    return number


def _horizons(value: Any) -> tuple[int, ...]:
    horizons: tuple[int, ...] = checks.one_or_list_of(checks.integer(1, 1000))(value)
    if list(horizons) != sorted(horizons):
        raise fail(f"expected them ascending, got {list(horizons)}")
    return horizons


def _hidden(value: Any) -> tuple[int, ...]:
    return tuple(checks.one_or_list_of(checks.integer(1, 4096), repeats=True)(value))


def _rates(value: Any) -> tuple[tuple[int, float], ...]:
    def pair(item: Any) -> tuple[int, float]:
        if not isinstance(item, list) or len(item) != 2:
            raise fail(f"expected [epoch, rate], got {checks.shown(item)}")
        epoch, rate = checks.each(
            [
                (0, lambda: checks.integer(0, 10**9)(item[0])),
                (1, lambda: RATE(item[1])),
            ]
        )
        return int(epoch), float(rate)

    pairs: tuple[tuple[int, float], ...] = checks.list_of(pair)(value)
    epochs = [epoch for epoch, _ in pairs]
    if epochs != sorted(set(epochs)):
        raise fail(f"expected ascending epochs, got {epochs}")
    return pairs


SCHEDULE_KEYS: dict[str, Check] = {
    "decay_rate": checks.number("[0, inf)"),
    "base": checks.number("(0, 1]"),
    "k": RATE,
    "per": checks.choice("epoch", "batch"),
    "factor": checks.number("(0, 1]"),
    "every": checks.integer(1, 10**9),
    "epochs": checks.integer(1, 10**9),
    "floor": checks.number("[0, 1]"),
    "rates": _rates,
}


def _schedule(value: Any) -> Schedule:
    if not isinstance(value, dict) or "kind" not in value:
        raise fail(f'expected a table such as {{ kind = "constant" }}, got {checks.shown(value)}')
    kind = checks.each([("kind", lambda: checks.choice(*SCHEDULES)(value["kind"]))])[0]
    schedule = SCHEDULES[kind]
    names = {field.name for field in dataclasses.fields(schedule)}
    keys = {"kind": checks.text} | {key: check for key, check in SCHEDULE_KEYS.items() if key in names}
    constants = checks.table(value, keys, required=("rates",) if "rates" in names else ())
    del constants["kind"]
    return schedule(**constants)


MQTT_KEYS: dict[str, Check] = {
    "url": _checked(parse_url),
    "version": checks.choice("5", "3.1.1"),
    "client_id": checks.text,
    "qos": checks.integer(0, 2),
    "session_expiry": checks.duration("0s", "10000d"),  # the protocol counts seconds in 32 bits
    "username": checks.text,
    "password_file": checks.text,
    "ca_file": checks.text,
    "cert_file": checks.text,
    "key_file": checks.text,
}
STREAM_KEYS: dict[str, Check] = {
    "name": checks.text,
    "topic": checks.one_or_list_of(_checked(parse_topic)),
    "format": checks.choice("number", "json"),
    "field": _fields,
    "time_field": _checked(parse_field),
    "unit": checks.text,
    "scale": _nonzero,
    "offset": checks.number("[-1e100, 1e100]"),
    "beta": checks.one_or_list_of(FRACTION),
    "window": checks.one_or_list_of(checks.number("[1, 1e15]")),
    "half_life": checks.one_or_list_of(checks.duration("1ms", "36500d")),
    "stale_after": checks.duration("1ms", "36500d"),
    "forget_after": checks.duration("1ms", "36500d"),
    "retained": checks.choice("use", "ignore"),
    "out_of_order": checks.choice("drop", "accept"),
    "model": checks.text,
}
OPTIMIZER_KEYS: dict[str, Check] = {
    "beta1": FRACTION,
    "beta2": FRACTION,
    "epsilon": RATE,
    "weight_decay": checks.number("[0, inf)"),
    "averaged": checks.boolean,
    "epsilon_inside": checks.boolean,
}
MODEL_KEYS: dict[str, Check] = {
    "share": checks.choice("group", "stream"),
    "every": checks.duration("1ms", "36500d"),
    "resample": checks.choice("mean", "last"),
    "max_gap": checks.duration("1ms", "36500d"),
    "lags": checks.integer(1, 10_000),
    "horizons": _horizons,
    "experts": checks.one_or_list_of(checks.choice(*EXPERTS)),
    "features": checks.choice("lags", "full"),
    "season": checks.integer(2, 10_000),
    "interval": checks.number("(0, 1)"),
    "hidden": _hidden,
    "batch_size": checks.integer(1, 10**6),
    "batches_per_epoch": checks.integer(1, 10**9),
    "optimizer": checks.choice(*OPTIMIZERS),
    "learning_rate": RATE,
    **OPTIMIZER_KEYS,
    "max_gradient_norm": RATE,
    "l2": checks.number("[0, inf)"),
    "schedule": _schedule,
    "start_from": checks.text,
}
LIMIT_KEYS: dict[str, Check] = {
    "max_streams": checks.integer(1, 100_000_000),
    "max_payload_bytes": checks.integer(1, 268_435_455),  # MQTT's largest packet
}
RELOAD_KEYS: dict[str, Check] = {"poll": checks.duration("1s", "365d")}
STATE_KEYS: dict[str, Check] = {
    "path": checks.text,
    "commit_interval": checks.duration("1ms", "10s"),
    "snapshot_interval": checks.duration("1s", "1d"),
    "durability": checks.choice("power", "process", "off"),
    "on_disk_error": checks.choice("wait", "continue"),
}
LOG_KEYS: dict[str, Check] = {
    "level": checks.choice("debug", "info", "warning", "error"),
    "format": checks.choice("text", "json"),
}
SECTIONS: dict[str, dict[str, Check]] = {
    "mqtt": MQTT_KEYS,
    "stream": STREAM_KEYS,
    "model": MODEL_KEYS,
    "http": HTTP_KEYS,
    "limits": LIMIT_KEYS,
    "log": LOG_KEYS,
    "reload": RELOAD_KEYS,
    "state": STATE_KEYS,
}
# key -> attribute, where the attribute says more than the key
ATTRIBUTES = {
    "topic": "topics",
    "field": "fields",
    "stale_after": "stale_after_seconds",
    "forget_after": "forget_after_seconds",
    "session_expiry": "session_expiry_seconds",
    "commit_interval": "commit_interval_seconds",
    "snapshot_interval": "snapshot_interval_seconds",
    "poll": "poll_seconds",
    "every": "every_seconds",
    "max_gap": "max_gap_seconds",
}
DECAYS: dict[str, Callable[[float], ByCount | ByTime]] = {
    "beta": ByCount,
    "window": lambda samples: ByCount(1.0 - 1.0 / samples),
    "half_life": ByTime,
}


OF_MODELS, OF_STREAMS = ("[model.NAME]", MODEL_KEYS), ("[[stream]]", STREAM_KEYS)  # told of what is misplaced


def settings_of(raw: Mapping[str, Any], base: pathlib.Path, environ: Mapping[str, str]) -> Settings:
    """Return the settings that a raw document means; paths in it are relative to base. Raises Invalid."""
    sections: dict[str, Callable[[Any], Any]] = {
        "mqtt": partial(checks.table, checks=MQTT_KEYS, build=partial(_mqtt, base=base, environ=environ)),
        "stream": _streams,
        "model": partial(_models, base=base),
        "http": partial(
            checks.table, checks=HTTP_KEYS, build=partial(http_settings, base=base, environ=environ)
        ),
        "limits": partial(checks.table, checks=LIMIT_KEYS, build=lambda values: LimitSettings(**values)),
        "log": partial(checks.table, checks=LOG_KEYS, build=lambda values: LogSettings(**values)),
        "reload": partial(
            checks.table, checks=RELOAD_KEYS, build=lambda values: ReloadSettings(**_attributes(values))
        ),
        "state": partial(checks.table, checks=STATE_KEYS, build=partial(_state, base)),
    }
    # secrets may come from elsewhere than these sections
    document = {"mqtt": {}, **raw, "http": raw.get("http", {})}
    problems = list(_cross_checks(raw))
    values: dict[str, Any] = {}
    try:
        values = checks.table(document, sections)
    except Invalid as invalid:
        problems = [*invalid.problems, *problems]
    if problems:
        raise Invalid(*problems)
    models = values.pop("model", {})
    if any(block.model == AUTO for block in values["stream"]):
        models = {AUTO: auto(AUTO)} | models
    return Settings(
        streams=values.pop("stream"),
        models=models,
        **values,
    )


def _streams(raw: Any) -> tuple[StreamSettings, ...]:
    if not isinstance(raw, list):
        raise fail(f"expected [[stream]] blocks, got {checks.shown(raw)}")
    blocks = (
        (index, partial(checks.table, item, STREAM_KEYS, ("name", "topic"), _stream, OF_MODELS))
        for index, item in enumerate(raw)
    )
    return tuple(checks.each(blocks))


def _stream(values: dict[str, Any]) -> StreamSettings:
    kinds = [kind for kind in DECAYS if kind in values]
    if len(kinds) > 1:
        raise fail(f"expected one of beta, window, half_life, got {' and '.join(kinds)}")
    for key in ("field", "time_field"):
        if key in values and values.get("format", "number") == "number":
            raise fail('expected format = "json" beside it, got "number"', key)
    for kind in kinds:
        values["decays"] = tuple(DECAYS[kind](value) for value in values.pop(kind))
    return StreamSettings(**_attributes(values))


def _models(raw: Any, base: pathlib.Path) -> dict[str, ModelSettings]:
    if not isinstance(raw, dict) or any(not isinstance(item, dict) for item in raw.values()):
        raise fail("expected [model.NAME] tables")
    tables = (
        (name, partial(checks.table, item, MODEL_KEYS, (), partial(_model, name, base), OF_STREAMS))
        for name, item in raw.items()
    )
    return {model.name: model for model in checks.each(tables)}


def _model(name: str, base: pathlib.Path, values: dict[str, Any]) -> ModelSettings:
    if "resample" in values and "every" not in values:
        raise fail("expected every beside it, got none", "resample")
    if "every" in values and values.get("max_gap", 0.0) > MAX_HELD * values["every"]:
        raise fail(f"expected at most {MAX_HELD} times every", "max_gap")
    optimizer = OPTIMIZERS[values.pop("optimizer", "adam")]
    names = {field.name for field in dataclasses.fields(optimizer)}
    # a constant that this optimizer lacks stays unused: the optimizer is the key that people vary
    constants = {key: values.pop(key) for key in OPTIMIZER_KEYS if key in values}
    if "start_from" in values:
        step = ("start_from", partial(files.readable, base, values["start_from"]))
        values["start_from"] = str(checks.each([step])[0])
    values["optimizer"] = optimizer(**{k: v for k, v in constants.items() if k in names})
    values = _attributes(values)
    model = ModelSettings(name, **values) if "experts" in values else auto(name, **values)
    if "seasonal" in model.experts and model.features != "full":
        raise fail('expected features = "full" beside "seasonal", got "lags"', "experts")
    return model


def _mqtt(values: dict[str, Any], base: pathlib.Path, environ: Mapping[str, str]) -> MqttSettings:
    address = parse_url(values.get("url", MqttSettings().url))
    if address.username:
        values.setdefault("username", address.username)
    files.resolve(values, base)
    for key in ("ca_file", "cert_file", "key_file"):
        if key in values and address.transport not in ("tls", "wss"):
            raise fail(
                f"expected an mqtts:// or wss:// url beside it, got {mask_url(values.get('url', 'none'))}",
                key,
            )
    for key, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if key in values and other not in values:
            raise fail(f"expected {other} beside it, got none", key)
    password = _password(values, address.password, environ)
    if "url" in values:
        values["url"] = mask_url(values["url"])
    return MqttSettings(
        address=address._replace(username=None, password=None), password=password, **_attributes(values)
    )


def _password(values: dict[str, Any], in_url: str | None, environ: Mapping[str, str]) -> Secret | None:
    """Return the password of password_file, else of systemd's credential, else of the url."""
    file = values.get("password_file") or files.credential(CREDENTIAL, environ)
    if file is None:
        return Secret(in_url) if in_url else None
    return Secret(files.content(file, "password_file").rstrip("\r\n"))


def _state(base: pathlib.Path, values: dict[str, Any]) -> StateSettings:
    values["path"] = str(base / values.get("path", StateSettings().path))
    return StateSettings(**_attributes(values))


def _attributes(values: dict[str, Any]) -> dict[str, Any]:
    return {ATTRIBUTES.get(key, key): value for key, value in values.items()}


def _cross_checks(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong between sections; parts that are wrong in themselves are reported elsewhere."""
    streams, models = raw.get("stream", []), raw.get("model", {})
    if streams == []:
        yield ("stream",), "expected at least one [[stream]] block, got none"
    known = [*models, AUTO] if isinstance(models, dict) else [AUTO]
    names: set[str] = set()
    for index, block in enumerate(streams if isinstance(streams, list) else []):
        name, model = (block.get(key) if isinstance(block, dict) else None for key in ("name", "model"))
        if isinstance(name, str) and name in names:
            yield ("stream", index, "name"), f"expected a name of its own, got {checks.shown(name)} twice"
        if isinstance(name, str):
            names.add(name)
        if isinstance(model, str) and model and model not in known:
            yield ("stream", index, "model"), checks.unknown(model, known, "model ").problems[0][1]
