"""The document: its tables, what becomes of each, and what must hold between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from ewad.config import checks
from ewad.config.blocks import streams
from ewad.config.checks import Invalid, Problem
from ewad.config.history import FILES, FilesSettings
from ewad.config.http import HTTP, http_settings
from ewad.config.metrics import METRICS, MetricsSettings
from ewad.config.model import AUTO, MODEL, models
from ewad.config.mqtt import CREDENTIAL, MQTT, mqtt_settings
from ewad.config.options import DocumentPlace
from ewad.config.publish import own_messages
from ewad.config.secret import Secrets
from ewad.config.section import Section, plainly
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
from ewad.config.sinks import SINKS, sections
from ewad.config.stream import STREAM
from ewad.engine.settings import auto

__all__ = ["AUTO", "CREDENTIAL", "SECTIONS", "settings_of", "told"]


# In the order of the reference page and of the effective settings. Secrets of those that are needed may come
# from elsewhere than the document.
SECTIONS: dict[str, Section] = {
    "mqtt": Section(MQTT, mqtt_settings, needed=True),
    "stream": Section(STREAM, plainly(dict), partial(streams, models=MODEL), attribute="streams"),
    "model": Section(MODEL, plainly(dict), partial(models, streams=STREAM), attribute="models"),
    "http": Section(HTTP, http_settings, needed=True),
    "metrics": Section(METRICS, plainly(MetricsSettings)),
    "limits": Section(LIMITS, plainly(LimitSettings)),
    "log": Section(LOG, plainly(LogSettings)),
    "reload": Section(RELOAD, plainly(ReloadSettings)),
    "state": Section(STATE, state_settings),
    "files": Section(FILES, plainly(FilesSettings)),
    **sections(),
    "shard": Section(SHARD, lambda values, place: shard_settings(values)),
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
    settings = {SECTIONS[name].attribute or name: values[name] for name in values.keys() - SINKS.keys()}
    if any(block.model == AUTO for block in settings["streams"]):
        settings["models"] = {AUTO: auto(AUTO)} | settings.get("models", {})
    models_by_name = settings.get("models", {})
    settings["streams"] = tuple(
        msgspec.structs.replace(block, external=models_by_name[block.model].external)
        if block.model
        else block
        for block in settings["streams"]
    )
    return Settings(
        **settings,
        sinks={name: values[name] for name in SINKS if name in values},
        secrets=Secrets(**place.secrets),
        deprecated=tuple(deprecated(raw)),
    )


def told(settings: Settings, name: str) -> Any:
    """Return what became of a section: its record, several, by name where they have names, or None."""
    return settings.sinks.get(name) if name in SINKS else getattr(settings, SECTIONS[name].attribute or name)


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
