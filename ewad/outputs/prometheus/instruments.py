"""The daemon's own metrics, by prometheus_client on a registry of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    exposition,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector

from ewad import kernels
from ewad.config.metrics import Labels
from ewad.ingest.faults import Rejection
from ewad.outputs.http.documents import Example, State, Status
from ewad.outputs.running import Count
from ewad.outputs.text import utf8

# A batch of one sample takes about 100 us, one of 100,000 some 100 ms; past 50 ms the loop is held up.
OBSERVE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


# An SSD's fsync takes 0.5 to 5 ms, a memory card's up to some 100.
COMMIT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class StateFacts(Protocol):
    """What is told of the state file."""

    @property
    def writable(self) -> bool: ...  # noqa: D102

    @property
    def snapshot_time(self) -> float: ...  # noqa: D102

    @property
    def file_bytes(self) -> int: ...  # noqa: D102

    @property
    def damaged(self) -> int: ...  # noqa: D102


class Instruments:
    """Metrics of the daemon itself. Counts that live elsewhere as plain numbers are read at scrape.

    observe_seconds and commit_seconds alone are written to: `instruments.observe_seconds.observe(seconds)`.
    """

    def __init__(
        self,
        *,
        version: str,
        reasons: Iterable[str],
        received: Callable[[], int],
        rejected: Callable[[], Mapping[str, int]],
        streams: Callable[[], int],
        refused: Callable[[], int],
        forgotten: Callable[[], int],
        connected: Callable[[], bool],
        reconnects: Callable[[], int],
        reload_successful: Callable[[], bool],
        held_up: Callable[[], float] = lambda: 0.0,
        repeated: Callable[[], int] = lambda: 0,
        examples: Callable[[], Mapping[str, Rejection]] = dict,
        absent: Callable[[], int] = lambda: 0,
        ahead: Callable[[], int] = lambda: 0,
        foreign: Callable[[], int] = lambda: 0,
        state: Callable[[], StateFacts | None] = lambda: None,
        sinks: Callable[[], Iterable[Count]] = lambda: (),
        units: Callable[[], Iterable[tuple[str, str | None]]] = lambda: (),
        constant: Callable[[], Labels] = lambda: (),
    ) -> None:
        """Take the version, the known reasons of rejections (they start at 0) and where each count is.

        units: groups and the units of their values.  constant: labels of all series.
        """
        self.version = version
        self.streams = streams
        self.connected = connected
        self._reasons = tuple(reasons)
        self._received = received
        self._rejected = rejected
        self._refused = refused
        self._forgotten = forgotten
        self._reconnects = reconnects
        self._reload_successful = reload_successful
        self._held_up = held_up
        self._repeated = repeated
        self._examples = examples
        self._absent = absent
        self._ahead = ahead
        self._foreign = foreign
        self._state = state
        self._sinks = sinks
        self._units = units
        self._constant = constant
        self.actions: Counter[tuple[str, str]] = Counter()  # by action and outcome
        self._registry = CollectorRegistry()
        self._registry.register(_Counts(self._counts))
        self.observe_seconds = Histogram(
            "ewad_observe_seconds",
            "Time to average, forecast and learn from all that waited for a commit.",
            buckets=OBSERVE_BUCKETS,
            registry=self._registry,
        )
        self.commit_seconds = Histogram(
            "ewad_state_commit_seconds",
            "Time to write what had been observed to the state file.",
            buckets=COMMIT_BUCKETS,
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self, openmetrics: bool) -> bytes:
        """Return the text of all instruments, without the # EOF that ends an OpenMetrics document."""
        shown = _Shown(self._registry, dict(self._constant()), created=openmetrics)
        if openmetrics:
            document: bytes = openmetrics_exposition.generate_latest(shown)  # type: ignore[no-untyped-call]
            return document.removesuffix(b"# EOF\n")
        return exposition.generate_latest(shown)

    def status(self, not_ready: str | None) -> Status:
        """Return the same counts for people. not_ready: why ewad is not ready; None: it is."""
        state, examples = self._state(), self._examples()
        return Status(
            version=self.version,
            connected=self.connected(),
            ready=not_ready,
            streams=self.streams(),
            received=self._received(),
            rejected={reason: count for reason, count in self._all_rejected().items() if count},
            examples={reason: Example(*map(utf8, one)) for reason, one in examples.items()},
            refused=self._refused(),
            forgotten=self._forgotten(),
            reconnects=self._reconnects(),
            redelivered=self._repeated(),
            reload_successful=self._reload_successful(),
            state=None
            if state is None
            else State(state.writable, state.snapshot_time or None, state.file_bytes, state.damaged),
        )

    def _all_rejected(self) -> dict[str, int]:
        return dict.fromkeys(self._reasons, 0) | dict(self._rejected())

    def _counts(self) -> Iterator[Metric]:
        build = {"version": self.version, "kernels": kernels.HOW}
        yield InfoMetricFamily("ewad_build", "The version that runs, and how its kernels do.", build)
        yield CounterMetricFamily("ewad_messages_received", "MQTT messages received.", self._received())
        yield self._group_units()
        yield self._rejections()
        yield CounterMetricFamily(
            "ewad_messages_absent",
            "Messages without any of the fields that blocks read, or whose topic is excluded: no fault.",
            self._absent(),
        )
        yield CounterMetricFamily(
            "ewad_samples_ahead",
            "Samples that counted at their arrival, since their time was further ahead than max_ahead.",
            self._ahead(),
        )
        yield CounterMetricFamily(
            "ewad_messages_foreign", "Messages of topics that belong to other shards.", self._foreign()
        )
        yield GaugeMetricFamily("ewad_streams", "Streams known.", self.streams())
        yield CounterMetricFamily("ewad_streams_refused", "Streams past limits.max_streams.", self._refused())
        yield CounterMetricFamily(
            "ewad_streams_forgotten", "Streams forgotten after long silence.", self._forgotten()
        )
        yield GaugeMetricFamily("ewad_mqtt_connected", "Whether the broker is connected.", self.connected())
        yield CounterMetricFamily("ewad_mqtt_reconnects", "Connections after the first.", self._reconnects())
        yield CounterMetricFamily(
            "ewad_mqtt_held_up_seconds",
            "Time in which nothing was read from the broker because the engine, the disk or a sink did not "
            "follow: the broker drops what its queue does not hold.",
            self._held_up(),
        )
        yield CounterMetricFamily(
            "ewad_messages_redelivered",
            "Messages that the broker sent again and that had been counted before: not counted again.",
            self._repeated(),
        )
        state = self._state()
        if state is not None:
            yield from _state_facts(state)
        if sinks := list(self._sinks()):
            yield from _sink_facts(sinks)

        actions = CounterMetricFamily(
            "ewad_actions", "Actions asked for over HTTP, by what came of them.", labels=["action", "outcome"]
        )
        for labels, count in self.actions.items():
            actions.add_metric(labels, count)
        yield actions
        yield GaugeMetricFamily(
            "ewad_config_last_reload_successful",
            "Whether the last reload of the configuration succeeded.",
            self._reload_successful(),
        )

    def _group_units(self) -> Metric:
        family = InfoMetricFamily("ewad_group", "The unit of a group's values.", labels=["group"])
        for group, unit in self._units():
            if unit is not None:
                family.add_metric([group], {"unit": unit})
        return family

    def _rejections(self) -> Metric:
        family = CounterMetricFamily(
            "ewad_messages_rejected", "Messages or samples that were not used, by reason.", labels=["reason"]
        )
        for reason, count in self._all_rejected().items():
            family.add_metric([reason], count)
        return family


def _state_facts(state: StateFacts) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "ewad_state_writable", "Whether the state file could be written at the last attempt.", state.writable
    )
    if state.snapshot_time:
        yield GaugeMetricFamily(
            "ewad_state_snapshot_timestamp_seconds", "When the newest snapshot was made.", state.snapshot_time
        )
    yield GaugeMetricFamily("ewad_state_file_bytes", "Size of the state file.", state.file_bytes)
    yield CounterMetricFamily("ewad_state_damaged", "Damaged state files set aside.", state.damaged)


class _Shown(CollectorRegistry):
    """A registry's metrics with the constant labels; created: whether with `_created`, which the text format
    does not know: there they would be gauges.
    """

    def __init__(self, registry: CollectorRegistry, constant: Mapping[str, str], created: bool) -> None:
        super().__init__()
        self._whole, self._constant, self._created = registry, constant, created

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the registry."""
        for metric in self._whole.collect():
            metric.samples = [
                each._replace(labels={**self._constant, **each.labels}) if self._constant else each
                for each in metric.samples
                if self._created or not each.name.endswith("_created")
            ]
            yield metric


def _sink_facts(sinks: Sequence[Count]) -> Iterator[Metric]:
    def counter(name: str, text: str, value: Callable[[Count], int]) -> Metric:
        family = CounterMetricFamily(f"ewad_sink_{name}", text, labels=["sink"])
        for sink in sinks:
            family.add_metric([sink.name], value(sink))
        return family

    yield counter("samples", "Samples that the sink has written.", lambda sink: sink.written)
    yield counter("lost_samples", "Samples that the sink has lost.", lambda sink: sink.lost)
    yield counter(
        "superseded", "Results replaced by later ones before they left.", lambda sink: sink.superseded
    )
    yield counter("failures", "Attempts of the sink to write that failed.", lambda sink: sink.failures)
    waiting = GaugeMetricFamily(
        "ewad_sink_waiting_samples", "Samples that the sink has yet to write.", labels=["sink"]
    )
    for sink in sinks:
        waiting.add_metric([sink.name], sink.waiting)
    yield waiting


class _Counts(Collector):
    """What prometheus_client asks for at each scrape."""

    def __init__(self, counts: Callable[[], Iterator[Metric]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Yield the current counts."""
        return self._counts()
