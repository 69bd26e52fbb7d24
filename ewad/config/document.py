"""The document: its tables, what becomes of each, and what must hold between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec

from ewad.config import checks
from ewad.config.blocks import streams
from ewad.config.checks import Check, Invalid, Problem
from ewad.config.history import FILES, FilesSettings
from ewad.config.http import HTTP, http_settings
from ewad.config.metrics import METRICS, MetricsSettings
from ewad.config.model import AUTO, MODEL, models
from ewad.config.mqtt import CREDENTIAL, MQTT, mqtt_settings
from ewad.config.options import DocumentPlace, Table
from ewad.config.otlp import OTLP, otlp_settings
from ewad.config.publish import PUBLISH, own_messages, publish_settings
from ewad.config.secret import Secrets
from ewad.config.service import (
    LIMITS,
    LOG,
    RELOAD,
    STATE,
    LimitSettings,
    LogSettings,
    ReloadSettings,
    state_settings,
)
from ewad.config.settings import Settings
from ewad.config.shard import SHARD, shard_problems, shard_settings
from ewad.config.stream import STREAM
from ewad.engine.settings import auto

__all__ = ["AUTO", "CREDENTIAL", "SECTIONS", "Section", "settings_of"]


class Section(NamedTuple):
    """A table of the document, the attribute of `Settings` that it becomes, and how.

    build: makes a single table's record of its values by attribute.  take: None, or what takes the raw value,
    where there may be several such tables.  needed: whether it is built even if the document lacks it.
    """

    table: Table
    attribute: str
    build: Callable[[dict[str, Any], DocumentPlace], Any]
    take: Callable[[Any, DocumentPlace], Any] | None = None
    needed: bool = False

    def check(self, place: DocumentPlace) -> Check:
        """Return what takes the raw value of this section in a document at place."""
        take = self.take
        if take is not None:
            return lambda raw: take(raw, place)
        return lambda raw: self.table.take(raw, lambda values: self.build(values, place))


def _plainly(record: Callable[..., Any]) -> Callable[[dict[str, Any], DocumentPlace], Any]:
    return lambda values, place: record(**values)


# In the order of the reference page and of the effective settings. Secrets of those that are needed may come
# from elsewhere than the document.
SECTIONS: dict[str, Section] = {
    "mqtt": Section(MQTT, "mqtt", mqtt_settings, needed=True),
    "stream": Section(STREAM, "streams", _plainly(dict), partial(streams, models=MODEL)),
    "model": Section(MODEL, "models", _plainly(dict), partial(models, streams=STREAM)),
    "http": Section(HTTP, "http", http_settings, needed=True),
    "metrics": Section(METRICS, "metrics", _plainly(MetricsSettings)),
    "limits": Section(LIMITS, "limits", _plainly(LimitSettings)),
    "log": Section(LOG, "log", _plainly(LogSettings)),
    "reload": Section(RELOAD, "reload", _plainly(ReloadSettings)),
    "state": Section(STATE, "state", state_settings),
    "files": Section(FILES, "files", _plainly(FilesSettings)),
    "publish": Section(PUBLISH, "publish", publish_settings),
    "otlp": Section(OTLP, "otlp", otlp_settings),
    "shard": Section(SHARD, "shard", lambda values, place: shard_settings(values)),
}


def settings_of(raw: Mapping[str, Any], place: DocumentPlace) -> Settings:
    """Return the settings that a raw document at this place means. Raises Invalid."""
    found = {name: raw.get(name, {}) for name, each in SECTIONS.items() if each.needed or name in raw}
    document = found | dict(raw)
    problems = [*_cross_checks(raw), *own_messages(raw), *shard_problems(raw)]
    values: dict[str, Any] = {}
    try:
        values = checks.table(document, {name: section.check(place) for name, section in SECTIONS.items()})
    except Invalid as invalid:
        problems = [*invalid.problems, *problems]
    if problems:
        raise Invalid(*problems)
    settings = {SECTIONS[name].attribute: value for name, value in values.items()}
    if any(block.model == AUTO for block in settings["streams"]):
        settings["models"] = {AUTO: auto(AUTO)} | settings.get("models", {})
    models_by_name = settings.get("models", {})
    settings["streams"] = tuple(
        msgspec.structs.replace(block, external=models_by_name[block.model].external)
        if block.model
        else block
        for block in settings["streams"]
    )
    return Settings(**settings, secrets=Secrets(**place.secrets), deprecated=tuple(deprecated(raw)))


def deprecated(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a valid raw document has keys that will go, each with what to write instead."""
    for name, section in SECTIONS.items():
        tables = raw.get(name, {})
        going = [option for option in section.table.options if option.instead]
        places = [(name, tables)]
        if isinstance(tables, list):
            places = [(f"{name}[{index}]", table) for index, table in enumerate(tables)]
        elif section.table.depth > 1:
            places = [(f"{name}.{key}", table) for key, table in tables.items()]
        for place, table in places:
            yield from (f"{place}.{each.key}: {each.instead}" for each in going if each.key in table)


def _cross_checks(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong between sections; parts that are wrong in themselves are reported elsewhere."""
    blocks, models = raw.get("stream", []), raw.get("model", {})
    if blocks == []:
        yield ("stream",), "expected at least one [[stream]] block, got none"
    known = [*models, AUTO] if isinstance(models, dict) else [AUTO]
    names: set[str] = set()
    for index, block in enumerate(blocks if isinstance(blocks, list) else []):
        found = block if isinstance(block, dict) else {}
        name, model = found.get("name", found.get("topic")), found.get("model")
        if isinstance(name, str) and name in names:
            yield ("stream", index, "name"), f"expected a name of its own, got {checks.shown(name)} twice"
        if isinstance(name, str):
            names.add(name)
        if isinstance(model, str) and model and model not in known:
            yield ("stream", index, "model"), checks.unknown(model, known, "model ").problems[0][1]
