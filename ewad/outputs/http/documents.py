"""What the HTTP API says, as records: each becomes a JSON document, and a schema in the OpenAPI document.

A number that is not known is null, never NaN. Times are Unix seconds; values are in their stream's unit.
"""

from __future__ import annotations

import msgspec

Number = float | None


class Forecast(msgspec.Struct):
    """A forecast so many samples ahead (with `every`: grid steps), and what such forecasts were worth.

    skill: 1 - MSE / MSE of persistence.  coverage: the share of values inside their prediction intervals.
    """

    horizon: int
    value: Number
    lower: Number
    upper: Number
    skill: Number
    coverage: Number


class ThresholdCrossing(msgspec.Struct):
    """A threshold of a stream, and when it is forecast to be crossed: null if not as far as is forecast.

    above: whether it is not to be exceeded.  time: when it is expected.  earliest, latest: when the first
    bound of the prediction interval crosses it, and when both have.
    """

    name: str
    above: bool
    value: float
    time: Number
    earliest: Number
    latest: Number


class Stream(msgspec.Struct):
    """How one stream stands. smoothed, deviation: by beta.  stale: silent for longer than stale_after.

    anomalous: whether it is in an anomaly; reasons: what was the rarest in it.  stuck: whether it reports one
    value for too long.  thresholds: and when it crosses them.  recent: its last values, where asked for.
    """

    stream: str
    group: str
    labels: dict[str, str]
    unit: str | None
    samples: int
    time: Number
    value: Number
    stale: bool
    smoothed: dict[str, Number]
    deviation: dict[str, Number]
    forecasts: list[Forecast]
    anomaly: Number
    anomalous: bool
    reasons: list[str]
    stuck: bool
    thresholds: list[ThresholdCrossing]
    recent: list[Number] = []


class StreamsPage(msgspec.Struct):
    """A page of streams. total: how many fit the search.  next: where the next page begins (`after`)."""

    streams: list[Stream]
    total: int
    next: str | None


class GroupSummary(msgspec.Struct):
    """One block of streams. streams: those with samples.  anomalous: those in an anomaly."""

    group: str
    unit: str | None
    streams: int
    anomalous: int


class Groups(msgspec.Struct):
    """All blocks, in the order of the configuration."""

    groups: list[GroupSummary]


class ExpertWeight(msgspec.Struct):
    """One expert of a model: its weight at each horizon, and its training where it takes steps."""

    name: str
    weights: dict[str, Number]
    loss: Number
    learning_rate: Number
    epoch: Number
    plateau: bool


class Model(msgspec.Struct):
    """The model of a stream as it is configured, and how its experts stand."""

    name: str
    share: str
    lags: int
    horizons: list[int]
    every_seconds: Number
    interval: Number
    optimizer: str
    experts: list[ExpertWeight]


class StreamDetail(msgspec.Struct):
    """One stream, what is configured for it, and how its model stands; model: null without one."""

    now: Stream
    topics: list[str]
    windows: list[str]
    stale_after_seconds: Number
    model: Model | None


class History(msgspec.Struct):
    """The last points of a stream, the oldest first; all lists are of one length.

    forecast, lower, upper: what had been forecast for each point, at the nearest horizon.  anomaly: how far
    outside of its interval the value fell, in half-widths, above 1: outside.  score: how rare it was, as
    `ewad_anomaly_score`; an anomaly begins above 1.
    """

    stream: str
    group: str
    number: list[int]
    time: list[float]
    value: list[float]
    smoothed: dict[str, list[Number]]
    forecast: list[Number]
    lower: list[Number]
    upper: list[Number]
    anomaly: list[Number]
    score: list[Number]


class ExpertLearning(msgspec.Struct):
    """One expert over time: lists as long as the times, empty where it has none.

    weight: at the nearest horizon.  plateau: 1 where the loss had stopped falling.
    """

    name: str
    weight: list[Number]
    loss: list[Number]
    learning_rate: list[Number]
    plateau: list[Number]


class Learning(msgspec.Struct):
    """How the model of a stream has learned, from the stream's first sample in this process on.

    time: of the stream's last sample before each record.  coverage: at the nearest horizon.
    """

    stream: str
    group: str
    time: list[float]
    coverage: list[Number]
    experts: list[ExpertLearning]


class Ahead(msgspec.Struct):
    """One point of a forecast curve. time: null while the typical interval of the samples is not known."""

    horizon: int
    time: Number
    value: Number
    lower: Number
    upper: Number


class Curve(msgspec.Struct):
    """The forecasts of a stream, the nearest first."""

    stream: str
    group: str
    made: Number
    forecast: list[Ahead]


class Status(msgspec.Struct):
    """How the daemon is. ready: null when all is well, else why not.  rejected: messages, by reason.

    examples: one of them, of each reason.
    """

    version: str
    connected: bool
    ready: str | None
    streams: int
    received: int
    rejected: dict[str, int]
    examples: dict[str, Example]
    refused: int
    forgotten: int
    reconnects: int
    redelivered: int
    reload_successful: bool
    state: State | None


class Example(msgspec.Struct):
    """A message that was not used: its topic, and the block and the field of it, where they are known."""

    topic: str
    block: str
    field: str


class State(msgspec.Struct):
    """The state file. snapshot_time: when the newest snapshot was made; null before the first."""

    writable: bool
    snapshot_time: Number
    file_bytes: int
    damaged: int


class Done(msgspec.Struct):
    """What an action has done."""

    done: str


class Problem(msgspec.Struct):
    """Why a request could not be answered."""

    error: str
