"""What Home Assistant is told of streams, and what it has been told before and is to forget.

What the broker has retained of an earlier process, or under another configuration, is looked at first: an
entity that is no more has to be taken back by name. Source: Home Assistant, "MQTT discovery": a component of
which only the platform is told is removed; an empty message removes what was told on its topic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ewad.engine import GroupSettings
from ewad.outputs.mqtt.home_assistant import PREFIX, Discovery

Documents = dict[str, dict[str, Any]]  # by topic
Kept = dict[str, dict[str, str]]  # topic -> component -> platform


class Devices:
    """Tells of devices by `publish(topic, payload)`, which has to retain."""

    def __init__(self, discovery: Discovery, publish: Callable[[str, bytes], None]) -> None:
        self._discovery = discovery
        self._publish = publish
        self._told: dict[str, Documents] = {}  # by node
        self._kept: dict[str, Kept] = {}  # by node: what the broker has beside that

    @property
    def listens(self) -> Iterator[tuple[str, Callable[[str, bytes, bool], None]]]:
        """Yield filters to subscribe to, and what takes topic and payload, and whether it was retained."""
        yield self._discovery.birth_topic, self._born
        for topic_filter in self._discovery.filters:
            yield topic_filter, self._saw

    def tell(self, settings: GroupSettings, stream: str, topic: str, unit: str | None) -> None:
        """Tell of a stream whose state is published on topic."""
        node = self._discovery.node(settings.name, stream)
        self._told[node] = dict(self._discovery.messages(settings, stream, topic, unit))
        self._tell(node)

    def take_back(self, settings: GroupSettings, stream: str) -> None:
        """Take back all that was told of a stream, now or before."""
        node = self._discovery.node(settings.name, stream)
        usual = dict(self._discovery.messages(settings, stream, "", None))
        for topic in {**self._told.pop(node, usual), **self._kept.pop(node, {})}:
            self._publish(topic, b"")

    def topics_of(self, group: str, stream: str) -> list[str]:
        """Return where a stream was told of."""
        return [*self._told.get(self._discovery.node(group, stream), {})]

    def succeed(self, earlier: Devices) -> None:
        """Know what another one has told."""
        for node, documents in earlier._told.items():
            self._kept[node] = {topic: _components(document) for topic, document in documents.items()}

    def _tell(self, node: str) -> None:
        kept, told = self._kept.get(node, {}), self._told[node]
        for topic, document in told.items():
            self._publish(topic, msgspec.json.encode(_without(document, kept.get(topic, {}))))
        for topic in kept.keys() - told.keys():
            self._publish(topic, b"")

    def _born(self, topic: str, payload: bytes, retained: bool) -> None:
        """Tell of all again: Home Assistant has started."""
        if payload == b"online" and not retained:
            for node in self._told:
                self._tell(node)

    def _saw(self, topic: str, payload: bytes, retained: bool) -> None:
        """Note what the broker has retained; what this process has told comes back too, and is none of it."""
        node = topic.removeprefix(f"{self._discovery.prefix}/").split("/")[1]
        if not retained or not payload or not node.startswith(PREFIX):
            return
        try:
            components = _components(msgspec.json.decode(payload))
        except (ValueError, RecursionError, AttributeError, TypeError):  # also of msgspec
            components = {}
        self._kept.setdefault(node, {})[topic] = components
        document = self._told.get(node, {}).get(topic, {})
        if node in self._told and (not document or components.keys() - _components(document).keys()):
            self._tell(node)


def _components(document: Any) -> dict[str, str]:
    """Return the components of a device and their platforms; of a message of one entity nothing."""
    found = document.get("components", {}).items()
    return {str(key): str(entity.get("platform", "sensor")) for key, entity in found}


def _without(document: dict[str, Any], kept: dict[str, str]) -> dict[str, Any]:
    """Return a device that also takes back the components that it has no more."""
    components = document.get("components")
    if components is None:
        return document
    gone = {key: {"platform": kept[key]} for key in kept.keys() - components.keys()}
    return document | {"components": components | gone}
