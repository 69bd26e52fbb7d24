"""Results as data points of OTLP: gauges at the times of their samples, and sums since a stream began.

Source: OpenTelemetry protocol, metrics/v1/metrics.proto. Names are those of /metrics, so that the same
queries work, and without units, which Prometheus would append to them.
"""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from ewad import __version__
from ewad.outputs.prometheus.exposition import besides, given_way
from ewad.outputs.registry import QUANTITIES, Array, Labels, Quantity, told_results
from ewad.outputs.sinks import Observed
from ewad.outputs.text import utf8

REQUEST_POINTS: Final = 8192  # some 1.5 MB before compression; receivers refuse bodies of many megabytes
TOLD: Final = {quantity.name: quantity for quantity in QUANTITIES}
SAMPLES: Final = TOLD["samples_total"]

Attributes = tuple[tuple[str, str], ...]
Row = tuple[float, list[float]]  # time, and a number for each column of the group; NaN: none


class Packed(NamedTuple):
    """One request. samples: whose first data points are in it."""

    body: bytes
    samples: int


# The wire form of what differs from point to point, field by field: making a message of each takes 15 us,
# most of it for attributes that are always the same. time_unix_nano (3) and as_double (4):
GAUGE_POINT: Final = struct.Struct("<BQBd")
TIME, DOUBLE = 3 << 3 | 1, 4 << 3 | 1
# start_time_unix_nano (2), time_unix_nano and as_int (6):
SUM_POINT: Final = struct.Struct("<BQBQBq")
START, INT = 2 << 3 | 1, 6 << 3 | 1


class _Stream:
    """What waits of one stream. start: of its sum, the time of its first sample.  total: samples since then.

    heads: of each column, and of the sum: how a data point begins, in a list of them.
    """

    def __init__(self, attributes: Attributes, columns: Sequence[Labels], start: float) -> None:
        self.start = start
        self.total = 0
        self.rows: list[Row] = []
        self.sum: tuple[float, int] | None = None  # time and number of the last one
        taken = dict(attributes)
        self.heads = [_head((*attributes, *given_way(labels, taken)), GAUGE_POINT.size) for labels in columns]
        self.heads.append(_head(attributes, SUM_POINT.size))


class DataPoints:
    """Takes results, and gives them as requests. last: keep the last sample of each stream only."""

    def __init__(self, resource: Attributes, last: bool, constant: Attributes = ()) -> None:
        """constant: further attributes of all data points, but of streams that have one of that name."""
        self.waiting = 0  # samples
        self._resource = Resource(attributes=_key_values(resource))
        self._last = last
        self._constant = constant
        self._columns: dict[str, list[Quantity]] = {}  # group -> what the numbers of its rows are
        self._streams: dict[tuple[str, str], _Stream] = {}  # group and name
        self._waiting: dict[tuple[str, str], _Stream] = {}  # those with something that waits

    def take(self, observed: Observed) -> None:
        """Take the results of a batch."""
        columns = [*_columns(observed)]
        group = observed.settings.name
        self._columns[group] = [quantity for quantity, _, _ in columns]
        labels = [each for _, each, _ in columns]
        at = observed.batch.stream[observed.results.accepted].tolist()
        times = observed.batch.time[observed.results.accepted].tolist()
        cells = np.column_stack([values for _, _, values in columns]).tolist()
        for row, time, values in zip(at, times, cells, strict=True):
            name = observed.streams.names[row]
            stream = self._streams.get((group, name))
            if stream is None:
                own = observed.streams.labels[row]
                attributes = (("stream", name), *own, ("group", group), *besides(self._constant, own))
                stream = self._streams[group, name] = _Stream(attributes, labels, time)
            self._waiting[group, name] = stream
            self._add(stream, time, values)

    def _add(self, stream: _Stream, time: float, values: list[float]) -> None:
        stream.total += 1
        stream.sum = time, stream.total
        if self._last and stream.rows:
            stream.rows.clear()
            self.waiting -= 1
        stream.rows.append((time, values))
        self.waiting += 1

    def forget(self, group: str, names: Iterable[str]) -> None:
        """Let go of streams that are no more, and of what waits of them."""
        for name in names:
            stream = self._streams.pop((group, name), None)
            self._waiting.pop((group, name), None)
            self.waiting -= 0 if stream is None else len(stream.rows)

    def pack(self) -> Iterator[Packed]:
        """Yield all that waits as requests, each small enough for a receiver."""
        points: dict[Quantity, list[bytes]] = defaultdict(list)
        samples = n = 0
        streams, self._waiting = self._waiting, {}
        for (group, _), stream in streams.items():
            n += _put(points, self._columns[group], stream)
            samples += len(stream.rows)
            stream.rows, stream.sum = [], None
            if n >= REQUEST_POINTS:
                yield Packed(self._request(points), samples)
                points.clear()
                samples = n = 0
        self.waiting = 0
        if n:
            yield Packed(self._request(points), samples)

    def _request(self, points: dict[Quantity, list[bytes]]) -> bytes:
        metrics = [_metric(quantity, b"".join(found)) for quantity, found in points.items()]
        scope = ScopeMetrics(scope=InstrumentationScope(name="ewad", version=__version__), metrics=metrics)
        resource = ResourceMetrics(resource=self._resource, scope_metrics=[scope])
        body: bytes = ExportMetricsServiceRequest(resource_metrics=[resource]).SerializeToString()
        return body


def _columns(observed: Observed) -> Iterator[tuple[Quantity, Labels, Array]]:
    """Yield what there is to tell of streams at each of their samples: (m,) numbers; NaN: none."""
    batch, results, _, settings, standing = observed
    yield TOLD["value"], (), batch.value[results.accepted]
    for quantity, labels, values in told_results(settings, results):
        if not quantity.of_models:
            yield quantity, labels, np.asarray(values)
    rows = batch.stream[results.accepted].tolist()
    last = [*dict(zip(rows, range(len(rows)), strict=True)).values()]
    for quantity, labels, values in standing:  # as it is after the batch: after a stream's last sample
        found = np.full(len(rows), np.nan)
        found[last] = values[last]
        yield quantity, labels, found


def _put(points: dict[Quantity, list[bytes]], columns: Sequence[Quantity], stream: _Stream) -> int:
    """Add the data points of a stream to those of its quantities, as wire bytes; return how many."""
    n = 0
    times = [_nanoseconds(time) for time, _ in stream.rows]
    for index, quantity in enumerate(columns):
        head = stream.heads[index]
        found = [
            head + GAUGE_POINT.pack(TIME, time, DOUBLE, values[index])
            for time, (_, values) in zip(times, stream.rows, strict=True)
            if math.isfinite(values[index])
        ]
        if found:
            points[quantity] += found
            n += len(found)
    if stream.sum is not None and stream.sum[0] >= stream.start:
        time, total = stream.sum
        fields = START, _nanoseconds(stream.start), TIME, _nanoseconds(time), INT, total
        points[SAMPLES].append(stream.heads[-1] + SUM_POINT.pack(*fields))
        n += 1
    return n


def _metric(quantity: Quantity, points: bytes) -> Metric:
    """Return a metric with its data points, given as a list of them stands in Gauge and Sum."""
    metric = Metric(name=quantity.metric, description=quantity.help)
    if quantity.kind == "gauge":
        metric.gauge.MergeFromString(points)
        return metric
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    metric.sum.is_monotonic = True
    metric.sum.MergeFromString(points)
    return metric


def _head(attributes: Attributes, further_bytes: int) -> bytes:
    """Return how a data point begins as an element of data_points (1), with so many bytes behind it."""
    told: bytes = NumberDataPoint(attributes=_key_values(attributes)).SerializeToString()
    return b"\x0a" + _varint(len(told) + further_bytes) + told


def _varint(number: int) -> bytes:
    """Return a number seven bits a byte, the lowest first, as protobuf has it."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _key_values(pairs: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=utf8(value))) for key, value in pairs]


def _nanoseconds(seconds: float) -> int:
    """Return Unix nanoseconds, to the microsecond that a float holds."""
    return max(0, round(seconds * 1e6) * 1000)
