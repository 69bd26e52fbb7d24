"""The effective settings as text in the form of the configuration file, secrets masked."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from typing import Any

from ewad.config.settings import Settings, StateSettings, StreamSettings
from ewad.config.syntax import format_duration
from ewad.engine import ModelSettings
from ewad.numeric.averages import ByCount, ByTime
from ewad.numeric.optimizers import OPTIMIZERS
from ewad.numeric.schedules import SCHEDULES


def effective(settings: Settings) -> str:
    """Return every setting in force, defaults included, as TOML that `load` reads back."""
    sections = [
        _section("[mqtt]", _mqtt(settings)),
        *(_section("[[stream]]", _stream(block)) for block in settings.streams),
        *(_section(f"[model.{_key(model.name)}]", _model(model)) for model in settings.models.values()),
        _section("[http]", _http(settings)),
        _section("[limits]", _attributes(settings.limits)),
        _section("[log]", _attributes(settings.log)),
        _section("[reload]", _reload(settings)),
        *([] if settings.state is None else [_section("[state]", _state(settings.state))]),
    ]
    return "\n".join(sections)


def _section(title: str, keys: Iterable[tuple[str, Any]]) -> str:
    return "".join([f"{title}\n", *(f"{key} = {_toml(value)}\n" for key, value in keys if value is not None)])


def _attributes(struct: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(struct, name)) for name in struct.__struct_fields__]


def _mqtt(settings: Settings) -> Iterator[tuple[str, Any]]:
    for name, value in _attributes(settings.mqtt):
        if name == "session_expiry_seconds":
            yield "session_expiry", format_duration(value)
        elif name not in ("address", "password"):
            yield name, value


def _http(settings: Settings) -> Iterator[tuple[str, Any]]:
    for name, value in _attributes(settings.http):
        if name == "listen":
            host = f"[{value.host}]" if ":" in value.host else value.host
            yield "listen", f"{host}:{value.port}"
        elif name != "users":
            yield name, value


def _state(state: StateSettings) -> Iterator[tuple[str, Any]]:
    for name, value in _attributes(state):
        key = name.removesuffix("_seconds")
        yield key, (value if key == name else format_duration(value))


def _reload(settings: Settings) -> Iterator[tuple[str, Any]]:
    poll = settings.reload.poll_seconds
    yield "poll", None if poll is None else format_duration(poll)


def _stream(block: StreamSettings) -> Iterator[tuple[str, Any]]:
    for name, value in _attributes(block):
        if name == "topics":
            yield "topic", list(value)
        elif name == "fields":
            single = len(value) == 1 and not value[0][1]
            yield "field", (value[0][0] if single else dict(value)) if value else None
        elif name == "decays":
            counts = [decay.beta for decay in value if isinstance(decay, ByCount)]
            times = [format_duration(decay.half_life_seconds) for decay in value if isinstance(decay, ByTime)]
            yield ("beta", counts) if counts else ("half_life", times)
        elif name == "stale_after_seconds":
            yield "stale_after", format_duration(value)
        elif name == "forget_after_seconds":
            yield "forget_after", None if value is None else format_duration(value)
        else:
            yield name, value


def _model(model: ModelSettings) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(model):
        value = getattr(model, field.name)
        if field.name in ("every_seconds", "max_gap_seconds"):
            yield field.name.removesuffix("_seconds"), None if value is None else format_duration(value)
        elif field.name == "resample":
            yield "resample", value if model.every_seconds else None
        elif field.name == "optimizer":
            yield "optimizer", next(name for name, kind in OPTIMIZERS.items() if kind is type(value))
            yield from _constants(value)
        elif field.name == "schedule":
            kind = next(name for name, kind in SCHEDULES.items() if kind is type(value))
            yield "schedule", {"kind": kind, **dict(_constants(value))}
        elif field.name != "name" and value is not None:
            yield field.name, value


def _constants(record: Any) -> Iterator[tuple[str, Any]]:
    return ((field.name, getattr(record, field.name)) for field in dataclasses.fields(record))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else json.dumps(name, ensure_ascii=False)
