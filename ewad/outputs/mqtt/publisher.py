"""The sink of [publish]: the state of each stream as a JSON document on a topic, its forecasts on another."""

from __future__ import annotations

import dataclasses
import logging
import math
import queue
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ewad.config import Settings
from ewad.config.publish import PublishSettings
from ewad.config.syntax import quoted
from ewad.engine import GroupSettings
from ewad.engine.streams import Streams
from ewad.ingest.mqtt.from_configuration import connection_settings
from ewad.ingest.mqtt.settings import BrokerSettings, tls_digests
from ewad.outputs.mqtt.client import PublishingClient
from ewad.outputs.mqtt.devices import Devices
from ewad.outputs.mqtt.home_assistant import Discovery
from ewad.outputs.mqtt.states import (
    Curves,
    States,
    last_samples,
    names_text,
    standing_states,
    states,
    topic_of,
)
from ewad.outputs.registry import Labels
from ewad.outputs.sinks import Observed, Sink, Standing, T, Tally

log = logging.getLogger("ewad.outputs.mqtt")


@dataclass(slots=True)
class _Published:
    """What the broker has of a stream. value: the one that was published last; NaN before the first.

    topics: of its state and its curve.  names: how its documents begin.  held: what stands, as topics and
    payloads, until it is published, and held_value its value.
    """

    labels: Labels
    topics: tuple[str, ...]
    names: bytes
    value: float = math.nan
    held: tuple[tuple[str, bytes], ...] = ()
    held_value: float = math.nan


class Publisher(Sink):
    """Publishes the latest state of streams with new samples. It waits for nobody: older states give way."""

    waits = False

    def __init__(self, settings: Settings) -> None:
        """Take settings that have [publish]. Raises ConfigError where they can't work."""
        self._all = settings
        self._settings: PublishSettings = settings.sinks["publish"]
        self._units = {block.name: block.unit for block in settings.streams}
        self._groups = {group.name: group for group in settings.group_settings()}
        self._fresh: dict[str, bytes] = {}  # by topic, to be sent at the next flush
        self._told: dict[tuple[str, str], _Published] = {}  # by group and stream
        self._curves = Curves()
        self._connection = publishing_settings(settings)
        self._tls_digests = tls_digests(self._connection)
        self._devices = self._new_devices()
        listens = () if self._devices is None else [*self._devices.listens]
        self._client = PublishingClient(self._connection, self._settings.availability_topic, listens)
        self._timed = False

    @property
    def tally(self) -> Tally:
        """States that a later one of their stream replaced before they were sent, or the broker refused."""
        return Tally(superseded=self._client.superseded, failures=self._client.refused)

    def fits(self, settings: Settings) -> bool:
        """Whether nothing that it depends on differs, the certificates in its files neither."""
        same = _depends_on(settings) == _depends_on(self._all)
        return same and tls_digests(self._connection) == self._tls_digests

    def succeed(self, earlier: Sink) -> None:
        """Know the other one's streams, and take back what it has told of them that is not told any more."""
        if not isinstance(earlier, Publisher) or not _same_broker(earlier._connection, self._connection):
            return
        if earlier._settings.availability_topic != self._settings.availability_topic:
            self._take_back([earlier._settings.availability_topic])
        if self._devices is not None and earlier._devices is not None:
            self._devices.succeed(earlier._devices)
        for (group, stream), told in earlier._told.items():
            before, settings = {*told.topics}, self._groups.get(group)
            if settings is not None:
                before -= {*self._new(settings, stream, told.labels).topics}
            if earlier._devices is not None and (settings is None or self._devices is None):
                self._take_back(earlier._devices.topics_of(group, stream))
            self._take_back(before)

    def next(self, items: queue.SimpleQueue[T]) -> T:
        """Publish until something is put, and return it; where more is there already, between two of them."""
        self._client.begin()  # before the look at the items: what is put after it wakes the loop
        if not self._timed and self._settings.interval_seconds is not None:
            self._timed = True
            self._release_later()
        if not items.empty():
            self._client.turn()
        while items.empty():
            self._client.run()
        return items.get()

    def wake(self) -> None:
        """End the wait."""
        self._client.wake()

    def stands(self, standing: Standing) -> None:
        """Publish how streams stand: an earlier process may have been killed before it could, and a publisher
        of other settings has told nothing on these topics.

        Curves wait for a sample: their times are not known yet.
        """
        found = standing_states(standing, self._units.get(standing.settings.name))
        self._take(standing.settings, standing.streams, found)

    def observed(self, observed: Observed) -> None:
        """Take the last state of each stream of the batch."""
        settings, last = observed.settings, last_samples(observed)
        found = states(observed, last, self._units.get(settings.name))
        curves = () if self._settings.forecast_topic is None else self._curves.take(observed, last)
        self._take(settings, observed.streams, found, curves)

    def _take(
        self, settings: GroupSettings, streams: Streams, found: States, curves: Iterable[bytes | None] = ()
    ) -> None:
        """Hold states, and publish those that are due at once. curves: of the same streams, or nothing."""
        group, deadband, on_change = settings.name, self._settings.deadband, self._settings.on_change
        known, curve = self._told, iter(curves)
        for row, value, text in zip(*found, strict=True):
            stream, labels = streams.names[row], streams.labels[row]
            told = known.get((group, stream))
            if told is None or told.labels != labels:  # which a reload may change
                told = self._known(settings, stream, labels)
            told.held, told.held_value = ((told.topics[0], told.names + text),), value
            if (ahead := next(curve, None)) is not None:
                told.held += ((told.topics[1], ahead),)
            # the difference to NaN, before the first, is no small one
            if on_change and (deadband == 0.0 or not abs(value - told.value) <= deadband):
                self._let_go(told)

    def _let_go(self, told: _Published) -> None:
        """Have what is held of a stream published."""
        if told.held:
            told.value = told.held_value
            self._fresh.update(told.held)
            told.held = ()

    def _known(self, settings: GroupSettings, stream: str, labels: Labels) -> _Published:
        """Know a stream by these labels; if it had others, take back what was published by them."""
        before = self._told.get((settings.name, stream))
        told = self._new(settings, stream, labels)
        self._take_back(() if before is None else {*before.topics} - {*told.topics})
        return told

    def _new(self, settings: GroupSettings, stream: str, labels: Labels) -> _Published:
        """Know a stream, and tell Home Assistant of it."""
        group = settings.name
        topics = self._topics(group, stream, labels)
        told = self._told[group, stream] = _Published(labels, topics, names_text(group, stream, labels))
        if self._devices is not None:
            self._devices.tell(settings, stream, topics[0], self._units.get(group))
        return told

    def _topics(self, group: str, stream: str, labels: Labels) -> tuple[str, ...]:
        """Return the topics of a stream's state and of its curve, if that is published."""
        templates = (self._settings.topic, self._settings.forecast_topic)
        return tuple(topic_of(each, group, stream, labels) for each in templates if each is not None)

    def _new_devices(self) -> Devices | None:
        publish = self._settings
        if not publish.home_assistant:
            return None
        own = self._connection.client_id
        prefix, availability = publish.discovery_prefix, publish.availability_topic
        found = Discovery(prefix, publish.discovery, own, availability, publish.temperature_delta)
        return Devices(found, lambda topic, payload: self._client.publish(topic, payload, retain=True))

    def _take_back(self, topics: Iterable[str]) -> None:
        """Let the broker forget what it keeps there."""
        for topic in topics:
            self._client.publish(topic, b"", retain=True)

    def forgotten(self, settings: GroupSettings, streams: Mapping[str, Labels]) -> None:
        """Let the broker forget what it keeps of these streams, and Home Assistant its devices.

        Of some the broker knows from an earlier process, and this one has had no sample.
        """
        for stream, labels in streams.items():
            told = self._told.pop((settings.name, stream), None)
            topics = self._topics(settings.name, stream, labels) if told is None else told.topics
            for topic in topics:
                self._fresh.pop(topic, None)
            self._take_back(topics if self._settings.retain else ())
            if self._devices is not None:
                self._devices.take_back(settings, stream)
            self._curves.forget(settings.name, stream)

    def request(self, topic: str, payload: bytes) -> None:
        """Ask the sender, if that is allowed."""
        if self._settings.rebirth:
            log.info("births asked for topic=%s", quoted(topic, 200))
            self._client.publish(topic, payload, retain=False)

    def flush(self) -> None:
        """Send what is due."""
        fresh, self._fresh = self._fresh, {}
        self._client.publish_all(fresh.items(), self._settings.retain)
        self._client.pump()

    def _release_later(self) -> None:
        """Release at the end of each interval from now on."""

        def release() -> None:
            self._release()
            self._release_later()

        self._client.begin().call_later(self._settings.interval_seconds or 0.0, release)

    def _release(self) -> None:
        """Publish what was held back, at the end of an interval."""
        for told in self._told.values():
            self._let_go(told)
        self.flush()

    def close(self) -> None:
        """Publish what is held back, say that nobody is there, and disconnect."""
        self._release()
        self._client.close()


def _depends_on(settings: Settings) -> object:
    return settings.sinks.get("publish"), settings.mqtt, settings.streams, settings.models, settings.secrets


def _same_broker(mine: BrokerSettings, other: BrokerSettings) -> bool:
    return (mine.host, mine.port) == (other.host, other.port)


def publishing_settings(settings: Settings) -> BrokerSettings:
    """Return the settings of the connection that publishes: those of [mqtt], or of another broker."""
    publish: PublishSettings = settings.sinks["publish"]
    mqtt = connection_settings(settings)
    named = publish.client_id or f"{mqtt.client_id}-publish"
    shared = {field.name: getattr(mqtt, field.name) for field in dataclasses.fields(BrokerSettings)}
    own = BrokerSettings(**shared | {"client_id": named, "qos": publish.qos})
    if publish.address is None:
        return own
    address = publish.address
    return dataclasses.replace(
        own,
        host=address.host,
        port=address.port,
        transport=address.transport,
        path=address.path,
        username=publish.username,
        password=settings.secrets.publish_password,
        ca_file=publish.ca_file,
        cert_file=publish.cert_file,
        key_file=publish.key_file,
        table="publish",
    )
