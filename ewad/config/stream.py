"""[[stream]]: which messages, how they are read, how their values are smoothed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ewad.config import checks, presets
from ewad.config.checks import fail
from ewad.config.formats import FORMATS
from ewad.config.judgement import ANOMALY, THRESHOLDS
from ewad.config.kinds import (
    Kind,
    boolean,
    checked,
    choice,
    duration,
    integer,
    list_of,
    number,
    one_or_list_of,
    text,
)
from ewad.config.options import Option, table_of
from ewad.config.payloads import (
    BOUNDS,
    DELIMITER,
    FIELDS,
    FINITE,
    LABELS,
    OWN_KEYS,
    PLACED_PATH,
    RANGE,
    RECORDS,
    STATES,
    TIME_FORMAT,
    TIME_ZONE,
)
from ewad.config.syntax import parse_topic
from ewad.numeric.anomaly import AnomalyPolicy
from ewad.numeric.averages import ByCount, ByTime, Decay, Held
from ewad.numeric.crossing import Threshold

TOPIC = checked(parse_topic, "topic template")
LONG = duration("1ms", "36500d")
KINDS = ("gauge", "counter", "state", "circular")


def _nonzero(value: Any) -> float:
    found = float(FINITE(value))
    if abs(found) < 1e-100:
        raise fail(f"expected a number other than 0, got {checks.shown(value)}")
    return found


def _by_count(decays: tuple[Decay, ...]) -> list[float] | None:
    return [decay.beta for decay in decays if isinstance(decay, ByCount)] or None


def _by_time(decays: tuple[Decay, ...]) -> list[float] | None:
    return [decay.half_life_seconds for decay in decays if isinstance(decay, ByTime)] or None


SCALE = Kind(_nonzero, "number other than 0", {"type": "number", "not": {"const": 0}})
BETA = one_or_list_of(number("[0, 1)")).into(lambda betas: tuple(map(ByCount, betas)), _by_count)
WINDOW = one_or_list_of(number("[1, 1e15]")).into(
    lambda windows: tuple(ByCount(1.0 - 1.0 / samples) for samples in windows), lambda decays: None
)
HALF_LIFE = one_or_list_of(LONG).into(lambda times: tuple(map(ByTime, times)), _by_time)


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One [[stream]] block: which messages, how they are read, how their values are smoothed.

    fields: (path, name) of each value in a payload; empty: what the format has for that, or the payload is
    the value. A value is number * scale + offset.  labels: (name, path) of what a payload tells of whose it
    is.  states: (word, number).
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
    preset: Annotated[
        str | None,
        Option(
            choice(*presets.names()),
            "The family of devices whose messages these are: its keys hold where the block has none.",
            example="zigbee2mqtt",
            of=lambda block: None,
        ),
    ] = None
    exclude_topics: Annotated[
        tuple[str, ...],
        Option(
            one_or_list_of(TOPIC),
            "Topics that the block does not take.",
            key="exclude_topic",
        ),
    ] = ()
    format: Annotated[
        str,
        Option(choice(*FORMATS), "How payloads are read."),
    ] = "number"
    columns: Annotated[
        tuple[str, ...],
        Option(
            list_of(text),
            "Names of the columns of a CSV payload; without them they have numbers from 1.",
            example=["device", "time", "value"],
        ),
    ] = ()
    delimiter: Annotated[
        str,
        Option(
            DELIMITER,
            "What stands between the cells of a CSV payload.",
            of=lambda block: block.delimiter if block.format == "csv" else None,
        ),
    ] = ","
    fields: Annotated[
        tuple[tuple[str, str], ...],
        Option(
            FIELDS,
            "Where the values are in a payload; a list or a table gives a stream for each path.",
            key="field",
            example={"sensor.temperature": "temperature", "/sensor/humidity": "humidity"},
        ),
    ] = ()
    own: Annotated[
        dict[str, Any] | None,
        Option(
            OWN_KEYS,
            "Keys of single fields: what is averaged or checked otherwise than the others.",
            key="fields",
            example={"power": {"unit": "watt", "scale": 0.1}},
            of=lambda block: None,
        ),
    ] = None
    exclude: Annotated[
        tuple[str, ...],
        Option(
            one_or_list_of(text),
            'Names, or patterns with *, that field = "*" leaves out.',
            example=["linkquality"],
        ),
    ] = ()
    labels: Annotated[
        tuple[tuple[str, str], ...],
        Option(
            LABELS,
            "Labels out of the payload: what tells the streams of one topic apart.",
            example={"model": "model", "id": "id"},
        ),
    ] = ()
    records: Annotated[
        str | None,
        Option(
            RECORDS,
            "The list, or the table by ids, whose elements are records; further paths begin there.",
            example="/values",
            default_text="the whole payload",
        ),
    ] = None
    states: Annotated[
        tuple[tuple[str, float], ...],
        Option(STATES, "Words and the numbers that they stand for.", example={"ON": 1, "OFF": 0}),
    ] = ()
    texts: Annotated[
        Literal["refuse", "skip"],
        Option(
            choice("refuse", "skip"),
            "Texts that are no number and none of `states`, also tables and lists: a fault, or absent, for"
            " topics of all kinds.",
        ),
    ] = "refuse"
    decimal: Annotated[
        Literal[".", ","], Option(choice(".", ","), "What stands before the decimals of a number in a text.")
    ] = "."
    strip_unit: Annotated[bool, Option(boolean, "Whether a unit may stand behind a number: 23.5 °C.")] = False
    valid: Annotated[
        tuple[float, float] | None,
        Option(
            RANGE,
            "Values outside are no measurement: they are left out, counted as `invalid_value`.",
            example=[-40, 80],
            default_text="every value",
        ),
    ] = None
    ignore: Annotated[
        tuple[float, ...],
        Option(
            one_or_list_of(FINITE),
            "Numbers, before scaling, that stand for a fault: left out, counted as `invalid_value`.",
            example=[-127, 85],
        ),
    ] = ()
    kind: Annotated[
        Literal["gauge", "counter", "state", "circular"],
        Option(
            choice(*KINDS),
            "Of a counter the growth counts, not the total; resets are recognised. A circular value, such as"
            " the direction of the wind, goes from 359 to 1 by 2.",
        ),
    ] = "gauge"
    per_seconds: Annotated[
        float,
        Option(
            LONG,
            "The time in which a counter's growth is told.",
            of=lambda block: block.per_seconds if block.kind == "counter" else None,
        ),
    ] = 1.0
    period: Annotated[
        float,
        Option(
            number("[1e-6, 1e9]"),
            "Of a circular value, after scaling: what comes after so much is 0 again.",
            of=lambda block: block.period if block.kind == "circular" else None,
        ),
    ] = 360.0
    time_field: Annotated[
        str | None,
        Option(
            PLACED_PATH,
            "Where the time is in a payload: Unix s, ms, us or ns, or RFC 3339.",
            default_text="the time of arrival",
        ),
    ] = None
    time_format: Annotated[
        str | None,
        Option(
            TIME_FORMAT,
            "How the time field is written.",
            example="%d.%m.%Y %H:%M:%S",
            default_text="Unix time or RFC 3339",
        ),
    ] = None
    time_zone: Annotated[
        str | None,
        Option(
            TIME_ZONE,
            "The zone of times without an offset.",
            example="Europe/Berlin",
            default_text="UTC",
        ),
    ] = None
    max_ahead_seconds: Annotated[
        float,
        Option(duration("0s", "36500d"), "A time further ahead is not believed: the time of arrival counts."),
    ] = 60.0
    max_streams: Annotated[
        int | None,
        Option(
            integer(1, 100_000_000),
            "The most streams that the block may have.",
            default_text="as many as [limits] allows",
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
    hold: Annotated[
        bool,
        Option(
            boolean,
            "With half_life: a value stands until the next one, and how long it did counts, not how often it"
            " was sent.",
            example=True,
            since="0.2.0",
        ),
    ] = False
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
    expose: Annotated[
        tuple[str, ...],
        Option(
            one_or_list_of(text),
            "The only metrics of its streams: their names behind `ewad_`, or beginnings of those.",
            example=["smoothed", "forecast"],
            default_text="all",
            since="0.2.0",
        ),
    ] = ()
    stuck_after_seconds: Annotated[
        float | None,
        Option(
            LONG,
            "A stream that reports the same value for so long is stuck.",
            example="6h",
            default_text="found out from how it moved before",
        ),
    ] = None
    anomaly: Annotated[
        AnomalyPolicy,
        Option(
            ANOMALY,
            "Which deviations count as anomalies: the way they go, how large they are, how long they last.",
            example={"direction": "up", "min_deviation": 0.5, "min_relative_deviation": 0.02, "for": "5m"},
        ),
    ] = AnomalyPolicy()
    bounds: Annotated[
        tuple[float, float] | None,
        Option(
            BOUNDS,
            "Forecasts and their intervals stay inside: what lies beyond is told as the bound. `[0, inf]` has"
            " no upper one.",
            example=[0, 100],
            default_text="none",
            since="0.2.0",
        ),
    ] = None
    thresholds: Annotated[
        tuple[Threshold, ...],
        Option(
            THRESHOLDS,
            "Values whose crossing is forecast: `ewad_threshold_seconds` tells in how long it is expected.",
            example={"frost": "< 0", "hot": "> 30"},
        ),
    ] = ()
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
    external: tuple[str, ...] = ()  # of its model

    @property
    def averaged(self) -> tuple[Decay, ...]:
        """The decays, those of held values where they are held."""
        if not self.hold:
            return self.decays
        return tuple(Held(each.half_life_seconds) for each in self.decays if isinstance(each, ByTime))

    @property
    def timed(self) -> bool:
        """Whether samples may have a time of their own, besides that of their arrival."""
        return self.time_field is not None or FORMATS[self.format].tells_times


STREAM = table_of("[[stream]]", "A block of streams; there may be many.", StreamSettings)
