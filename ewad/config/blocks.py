"""[[stream]] tables -> blocks: presets applied, fields with keys of their own apart, keys held together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Any, cast

import msgspec

from ewad.config import checks, presets
from ewad.config.checks import fail
from ewad.config.options import DocumentPlace, Table
from ewad.config.stream import STREAM, StreamSettings
from ewad.config.syntax import check_payload_label, parse_topic
from ewad.numeric.averages import ByTime

# What [stream.fields.NAME] can't have: it belongs to the messages, not to one of their fields.
OF_MESSAGES = ("name", "preset", "topic", "exclude_topic", "retained")
NOT_OF_FIELDS = (*OF_MESSAGES, *presets.OF_PAYLOADS, *presets.OF_TIMES)
OF_FIELDS = Table(
    "[stream.fields.NAME]",
    "Keys of one field.",
    tuple(option for option in STREAM.options if option.key not in NOT_OF_FIELDS),
)
DECAYS = ("beta", "window", "half_life")


def streams(raw: Any, place: DocumentPlace, models: Table) -> tuple[StreamSettings, ...]:
    """Return the settings of each [[stream]] block. Raises Invalid."""
    if not isinstance(raw, list):
        raise fail(f"expected [[stream]] blocks, got {checks.shown(raw)}")
    blocks = ((index, partial(_blocks, item, models)) for index, item in enumerate(raw))
    return tuple(block for found in checks.each(blocks) for block in found)


def _blocks(raw: Any, models: Table) -> list[StreamSettings]:
    """Return what one [[stream]] table comes to: with a preset, or fields with keys of their own, several."""
    found: list[StreamSettings] = []
    for item in presets.applied(raw):
        block = cast(StreamSettings, STREAM.take(item, _stream, models))
        own = item.get("fields", {})
        apart = checks.each((name, partial(_apart, item, block, name, keys)) for name, keys in own.items())
        found += _without(block, own) if own else [block]
        found += apart
    return found


def _apart(item: dict[str, Any], block: StreamSettings, name: str, keys: Any) -> StreamSettings:
    """Return the block of a field that has keys of its own: it is averaged apart from the others."""
    path = next((path for path, own in block.fields if name in (path, own)), None)
    if path is None and not any(path.endswith("*") for path, _ in block.fields):
        raise fail(f"expected a field of the block, got {checks.shown(name)}")
    OF_FIELDS.take(keys, dict)
    instead: tuple[str, ...] = DECAYS if any(key in keys for key in DECAYS) else ()
    instead += ("hold",) if any(key in keys for key in ("beta", "window")) else ()
    rest = {key: value for key, value in item.items() if key not in (*instead, "fields", "exclude")}
    merged = rest | keys | {"name": f"{block.name}.{name}", "field": {path or name: name}}
    return cast(StreamSettings, STREAM.take(merged, _stream))


def _without(block: StreamSettings, apart: Iterable[str]) -> list[StreamSettings]:
    """Return the block without the fields that are averaged apart; nothing if none is left."""
    names = set(apart)
    left = tuple(pair for pair in block.fields if not names & set(pair))
    exclude = (*block.exclude, *apart) if any(path.endswith("*") for path, _ in left) else block.exclude
    return [msgspec.structs.replace(block, fields=left, exclude=exclude)] if left else []


def _stream(values: dict[str, Any]) -> StreamSettings:
    form = values.get("format", "number")
    own = values.pop("own", None)
    if own and "fields" not in values:
        raise fail('needs field in the same block, such as field = "*"', "fields")
    for key in ("field", "time_field", "records", "labels", "exclude"):
        if {"field": "fields"}.get(key, key) in values and form == "number":
            raise fail('needs format = "json" in the same block, got "number"', key)
    for key in ("columns", "delimiter"):
        if key in values and form != "csv":
            raise fail(f'needs format = "csv" in the same block, got "{form}"', key)
    for key in ("time_format", "time_zone"):
        if key in values and "time_field" not in values:
            raise fail("needs time_field in the same block: where is the time?", key)
    if values.get("hold") and not all(isinstance(each, ByTime) for each in values.get("decays", [None])):
        raise fail('needs half_life in the same block, such as "10m"', "hold")
    if "thresholds" in values and "model" not in values:
        raise fail(
            'needs model in the same block, such as "auto": forecasts tell when one is crossed', "thresholds"
        )
    if "bounds" in values and "model" not in values:
        raise fail('needs model in the same block, such as "auto": forecasts stay inside them', "bounds")
    if "per_seconds" in values and values.get("kind") != "counter":
        raise fail('needs kind = "counter" in the same block', "per")
    if "period" in values and values.get("kind") != "circular":
        raise fail('needs kind = "circular" in the same block', "period")
    if "bounds" in values and values.get("kind") == "circular":
        raise fail("expected none with circular values: forecasts stay on the circle", "bounds")
    if values.get("thresholds") and values.get("kind") == "circular":
        raise fail("expected none with circular values: a circle has no above and below", "thresholds")
    _check_labels(values)
    if "name" not in values:
        values["name"] = _plain(values["topics"])
    return StreamSettings(**values)


_CAPTURE = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")


def _check_labels(values: dict[str, Any]) -> None:
    """Raise Invalid where a label is told twice, or where ewad has one of that name itself."""
    told = [name for name, _ in values.get("labels", ())]
    told += _captures(values.get("records", ""), "records")
    of_fields = {path: _captures(path, "field") for path, _ in values.get("fields", ())}
    told += (shared := next(iter(of_fields.values()), []))
    for path, names in of_fields.items():
        if names != shared:
            where = f"{checks.shown(next(iter(of_fields)))} and {checks.shown(path)}"
            raise fail(
                f"expected fields that capture the same labels, got {where}; write a block each", "field"
            )
    for name in told:
        if told.count(name) > 1:
            raise fail(f"expected each label once, got {name} twice", "labels")
    for topic in values["topics"]:
        for name in set(told).intersection(parse_topic(topic).names):
            where = checks.shown(topic)
            raise fail(f"expected a label that the topic does not capture, got {name} in {where}", "labels")


def _captures(path: str, key: str) -> list[str]:
    """Return the labels that a path captures."""
    names = _CAPTURE.findall(path)
    for name in names:
        if names.count(name) > 1:
            raise fail(f"expected each {{name}} once, got {{{name}}} twice in {checks.shown(path)}", key)
        try:
            check_payload_label(name)
        except ValueError as error:
            raise fail(f"{{{name}}} in {checks.shown(path)}: {error}", key) from error
    return names


def _plain(topics: tuple[str, ...]) -> str:
    """Return the topic that can be a block's name."""
    if len(topics) == 1 and not {"+", "#", "$share"} & {*topics[0].split("/")}:
        return topics[0]
    raise fail("expected a value, got none: only one topic without + and # can be the name", "name")
