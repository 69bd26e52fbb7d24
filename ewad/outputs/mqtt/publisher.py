"""The sink of [publish]: the state of each stream as a JSON document on a topic of its own."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from ewad.config import Settings
from ewad.config.publish import PLACEHOLDER
from ewad.engine import GroupSettings
from ewad.ingest.mqtt.from_configuration import connection_settings
from ewad.ingest.mqtt.settings import ConnectionSettings
from ewad.outputs.mqtt.client import PublishingClient
from ewad.outputs.mqtt.home_assistant import Discovery
from ewad.outputs.registry import result_values
from ewad.outputs.sinks import Observed, Sink, Tally

Document = dict[str, Any]


class Publisher(Sink):
    """Publishes the latest state of streams with new samples. It waits for nobody: older states give way."""

    waits = False

    def __init__(self, settings: Settings) -> None:
        """Take settings that have [publish]. Raises ConfigError where they can't work."""
        assert settings.publish is not None  # noqa: S101 (who has none makes no sink)
        self._all = settings
        self._settings = settings.publish
        self._encode = msgspec.json.Encoder().encode
        self._units = {block.name: block.unit for block in settings.streams}
        self._fresh: dict[str, Document] = {}  # topic -> to be sent at the next flush
        self._held: dict[str, Document] = {}  # at the end of the interval
        self._told: dict[str, float] = {}  # topic -> the value that was published last
        self._streams: dict[str, tuple[str, str]] = {}  # topic -> group and name
        self._lock = threading.Lock()  # of the four, which the timer's thread sees too
        connection = publishing_settings(settings)
        self._discovery: Discovery | None = None
        self._devices: dict[str, bytes] = {}  # topic -> what Home Assistant was told
        if self._settings.home_assistant:
            self._discovery = Discovery(
                self._settings.discovery_prefix,
                self._settings.discovery,
                connection.client_id,
                self._settings.availability_topic,
            )
        born = None if self._discovery is None else (self._discovery.birth_topic, self._born)
        self._client = PublishingClient(connection, self._settings.availability_topic, born)
        self._timer = _Timer(self._settings.interval_seconds, self._release)
        self._started = False

    @property
    def tally(self) -> Tally:
        """States that a later one of their stream replaced before they were sent."""
        return Tally(superseded=self._client.superseded)

    def fits(self, settings: Settings) -> bool:
        """Whether nothing that it depends on differs."""
        mine = self._all
        given = settings.publish, settings.mqtt, settings.streams, settings.secrets
        return given == (mine.publish, mine.mqtt, mine.streams, mine.secrets)

    def open(self, groups: Sequence[GroupSettings]) -> None:
        """Connect at the first time."""
        if not self._started:
            self._started = True
            self._client.start()
            self._timer.start()

    def observed(self, observed: Observed) -> None:
        """Take the last state of each stream of the batch."""
        with self._lock:
            for topic, document in self._documents(observed):
                self._discover(observed.settings, topic, document)
                if self._due(topic, document["value"]):
                    self._held.pop(topic, None)
                    self._fresh[topic] = document
                else:
                    self._held[topic] = document

    def _due(self, topic: str, value: float) -> bool:
        if not self._settings.on_change:
            return False
        return not abs(value - self._told.get(topic, math.inf)) <= self._settings.deadband or (
            self._settings.deadband == 0.0
        )

    def _documents(self, observed: Observed) -> Iterator[tuple[str, Document]]:
        """Yield topic and state of each stream, after its last sample of the batch."""
        batch, results, streams, settings, anomaly = observed
        rows = batch.stream[results.accepted]
        _, from_end = np.unique(rows[::-1], return_index=True)
        last = np.sort(len(rows) - 1 - from_end)
        columns = {
            name: np.asarray(values)[last].tolist()
            for name, values in result_values(settings, results).items()
        }
        times, values = (
            batch.time[results.accepted][last].tolist(),
            batch.value[results.accepted][last].tolist(),
        )
        scores = None if anomaly is None else anomaly[last].tolist()
        for index, row in enumerate(rows[last].tolist()):
            name, labels = streams.names[row], dict(streams.labels[row])
            document = {"time": times[index], "stream": name, "group": settings.name, "labels": labels}
            document |= {"value": values[index], "unit": self._units.get(settings.name)}
            document |= _nested({column: cells[index] for column, cells in columns.items()})
            if scores is not None:
                document["anomaly"] = scores[index]
            topic = self._topic(settings.name, name, labels)
            self._streams[topic] = settings.name, name
            yield topic, document

    def _topic(self, group: str, name: str, labels: dict[str, str]) -> str:
        """Return the topic of a stream; a label that it does not have is left empty."""
        known = {**labels, "group": group, "stream": name}
        return PLACEHOLDER.sub(lambda found: known.get(found[1], ""), self._settings.topic)

    def _discover(self, settings: GroupSettings, topic: str, document: Document) -> None:
        """Tell Home Assistant of a stream at its first state."""
        if self._discovery is None or topic in self._told or topic in self._held or topic in self._fresh:
            return
        told = self._discovery.messages(settings, document["stream"], topic, document["unit"])
        for place, device in told:
            self._devices[place] = self._encode(device)
            self._client.publish(place, self._devices[place], retain=True)

    def _born(self, payload: bytes) -> None:
        """Tell Home Assistant of all streams again: it has started."""
        if payload == b"online":
            with self._lock:
                for place, device in self._devices.items():
                    self._client.publish(place, device, retain=True)

    def forgotten(self, settings: GroupSettings, streams: Sequence[str]) -> None:
        """Let the broker forget what it keeps of these streams, and Home Assistant its devices."""
        with self._lock:
            known = {stream: topic for topic, stream in self._streams.items()}
            for name in streams:
                topic = known.get((settings.name, name)) or self._topic(settings.name, name, {})
                for each in (self._fresh, self._held, self._told, self._streams):
                    each.pop(topic, None)
                if self._settings.retain and not set(topic.split("/")) & {""}:
                    self._client.publish(topic, b"", retain=True)
                for place in () if self._discovery is None else self._discovery.gone(settings, name):
                    self._devices.pop(place, None)
                    self._client.publish(place, b"", retain=True)

    def flush(self) -> None:
        """Hand on what is due."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
            for topic, document in fresh.items():
                self._told[topic] = document["value"]
                self._client.publish(topic, self._encode(document), self._settings.retain)

    def _release(self) -> None:
        """Publish what was held back, at the end of an interval."""
        with self._lock:
            self._fresh |= self._held
            self._held.clear()
        self.flush()

    def close(self) -> None:
        """Publish what is held back, say that nobody is there, and disconnect."""
        self._timer.end()
        self._release()
        if self._started:
            self._client.close()


def publishing_settings(settings: Settings) -> ConnectionSettings:
    """Return the settings of the connection that publishes: those of [mqtt], or of another broker."""
    publish, mqtt = settings.publish, connection_settings(settings)
    assert publish is not None  # noqa: S101 (as above)
    named = publish.client_id or f"{mqtt.client_id}-publish"
    own = dataclasses.replace(mqtt, client_id=named, qos=publish.qos)
    if publish.address is None:
        return own
    address = publish.address
    return dataclasses.replace(
        own,
        host=address.host,
        port=address.port,
        transport=address.transport,
        path=address.path,
        username=address.username,
        password=settings.secrets.publish_password,
        ca_file=None,
        cert_file=None,
        key_file=None,
    )


def _nested(columns: dict[str, Any]) -> Document:
    """Return columns such as smoothed_0.9 and lower_6 as objects, by decay and by horizon."""
    found: Document = {}
    for column, value in columns.items():
        kind, _, key = column.partition("_")
        if kind in ("smoothed", "stddev"):
            found.setdefault(kind, {})[key] = value
        elif kind in ("forecast", "lower", "upper"):
            found.setdefault("forecast", {}).setdefault(key, {})["value" if kind == "forecast" else kind] = (
                value
            )
        else:
            found[column] = value
    return found


class _Timer(threading.Thread):
    """Calls release every so often, in a thread of its own; never without an interval."""

    def __init__(self, seconds: float | None, release: Callable[[], None]) -> None:
        super().__init__(name="publish interval", daemon=True)
        self._seconds = seconds
        self._release = release
        self._ending = threading.Event()

    def run(self) -> None:
        """Call it until the end."""
        while not self._ending.wait(self._seconds):
            self._release()

    def end(self) -> None:
        """Call it no more."""
        self._ending.set()
