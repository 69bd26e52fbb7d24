"""[[stream]]: which messages, how they are read, how their values are smoothed."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from ewad.config import checks
from ewad.config.checks import fail
from ewad.config.kinds import Kind, checked, choice, duration, number, one_or_list_of, text
from ewad.config.options import Option, Place, Table, table_of
from ewad.config.syntax import parse_field, parse_topic
from ewad.numeric.averages import ByCount, ByTime, Decay

PATH = checked(parse_field, "JSON pointer or dotted path")
TOPIC = checked(parse_topic, "topic template")
LONG = duration("1ms", "36500d")
FINITE = number("[-1e100, 1e100]")


def _fields(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        return ((PATH(value), ""),)
    if not value:
        raise fail("expected a table of {field = stream suffix}, got an empty one")

    def pair(key: str) -> tuple[str, str]:
        suffix = text(value[key])
        if "/" in suffix:  # topic + "/" + suffix must stay unique
            raise fail(f"expected a suffix without /, got {checks.shown(suffix)}")
        return PATH(key), suffix

    pairs = checks.each((key, partial(pair, key)) for key in value)
    suffixes = [suffix for _, suffix in pairs]
    for key, suffix in pairs:
        if suffixes.count(suffix) > 1:
            raise fail(f"expected different suffixes, got {checks.shown(suffix)} twice", key)
    return tuple(pairs)


def _written_fields(fields: tuple[tuple[str, str], ...]) -> Any:
    if not fields:
        return None
    return fields[0][0] if len(fields) == 1 and not fields[0][1] else dict(fields)


def _nonzero(value: Any) -> float:
    found = float(FINITE(value))
    if abs(found) < 1e-100:
        raise fail(f"expected a number other than 0, got {checks.shown(value)}")
    return found


def _by_count(decays: tuple[Decay, ...]) -> list[float] | None:
    return [decay.beta for decay in decays if isinstance(decay, ByCount)] or None


def _by_time(decays: tuple[Decay, ...]) -> list[float] | None:
    return [decay.half_life_seconds for decay in decays if isinstance(decay, ByTime)] or None


FIELDS = Kind(
    _fields,
    "JSON pointer or dotted path, or a table { path = suffix }",
    {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": "string", "minLength": 1},
            },
        ]
    },
    _written_fields,
)
SCALE = Kind(_nonzero, "number other than 0", {"type": "number", "not": {"const": 0}})
BETA = one_or_list_of(number("[0, 1)")).into(lambda betas: tuple(map(ByCount, betas)), _by_count)
WINDOW = one_or_list_of(number("[1, 1e15]")).into(
    lambda windows: tuple(ByCount(1.0 - 1.0 / samples) for samples in windows), lambda decays: None
)
HALF_LIFE = one_or_list_of(LONG).into(lambda times: tuple(map(ByTime, times)), _by_time)


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One [[stream]] block: which messages, how they are read, how their values are smoothed.

    fields: (path, suffix) of each value in a JSON payload; empty: the payload is the value. A value is
    number * scale + offset.
    """

    name: Annotated[
        str,
        Option(
            text,
            "The label `group` of its series, and what [state] knows it by. Without it, topic is the name.",
            default_text="the topic, if it is one plain template",
        ),
    ]
    topics: Annotated[
        tuple[str, ...],
        Option(
            one_or_list_of(TOPIC),
            "The topics: `{name}` captures a level as a label; `+` stands for a level, `#` for any rest.",
            key="topic",
            example="site/{room}/temperature",
            required=True,
        ),
    ]
    format: Annotated[
        Literal["number", "json"], Option(choice("number", "json"), "How payloads are read.")
    ] = "number"
    fields: Annotated[
        tuple[tuple[str, str], ...],
        Option(
            FIELDS,
            "Where the value is in a JSON document; a table gives a stream for each path.",
            key="field",
            example={"sensor.temperature": "temperature", "/sensor/humidity": "humidity"},
        ),
    ] = ()
    time_field: Annotated[
        str | None,
        Option(
            PATH,
            "Where the time is in a JSON document: Unix s, ms, us or ns, or RFC 3339.",
            default_text="the time of arrival",
        ),
    ] = None
    unit: Annotated[str | None, Option(text, "The unit of the values, for pictures.", example="celsius")] = (
        None
    )
    scale: Annotated[float, Option(SCALE, "A sample is value * scale + offset.")] = 1.0
    offset: Annotated[float, Option(FINITE, "A sample is value * scale + offset.")] = 0.0
    decays: Annotated[
        tuple[Decay, ...],
        Option(BETA, "The averages: the weight of the past in each, by samples.", key="beta"),
        Option(
            WINDOW,
            "Instead of beta: averages over about so many samples, beta = 1 - 1 / window.",
            key="window",
            example=[10, 50],
        ),
        Option(
            HALF_LIFE,
            "Instead of beta: averages by elapsed time, in which a sample weighs half after so long.",
            key="half_life",
            example="10m",
        ),
    ] = (ByCount(0.9), ByCount(0.98))
    stale_after_seconds: Annotated[
        float, Option(LONG, "A stream that is silent for so long leaves `/metrics` until its next sample.")
    ] = 900.0
    forget_after_seconds: Annotated[
        float | None,
        Option(
            LONG,
            "A stream that is silent for so long is forgotten, its memory returned.",
            example="7d",
            default_text="never",
        ),
    ] = None
    retained: Annotated[
        Literal["use", "ignore"],
        Option(choice("use", "ignore"), "Whether messages count that the broker had stored before."),
    ] = "use"
    out_of_order: Annotated[
        Literal["drop", "accept"],
        Option(choice("drop", "accept"), "What becomes of a sample that is older than its stream's newest."),
    ] = "drop"
    model: Annotated[
        str | None,
        Option(text, 'The [model.NAME] that forecasts, or "auto", which needs no tuning.', example="auto"),
    ] = None


STREAM = table_of("[[stream]]", "A block of streams; there may be many.", StreamSettings)


def streams(raw: Any, place: Place, models: Table) -> tuple[StreamSettings, ...]:
    """Return the settings of each [[stream]] block. Raises Invalid."""
    if not isinstance(raw, list):
        raise fail(f"expected [[stream]] blocks, got {checks.shown(raw)}")
    blocks = ((index, partial(STREAM.take, item, _stream, models)) for index, item in enumerate(raw))
    return tuple(checks.each(blocks))


def _stream(values: dict[str, Any]) -> StreamSettings:
    for key, attribute in (("field", "fields"), ("time_field", "time_field")):
        if attribute in values and values.get("format", "number") == "number":
            raise fail('expected format = "json" beside it, got "number"', key)
    if "name" not in values:
        values["name"] = _plain(values["topics"])
    return StreamSettings(**values)


def _plain(topics: tuple[str, ...]) -> str:
    """Return the topic that can be a block's name."""
    if len(topics) == 1 and not {"+", "#", "$share"} & {*topics[0].split("/")}:
        return topics[0]
    raise fail("expected a value, got none: only one topic without + and # can be the name", "name")
