"""What a kept session delivers for filters of earlier configurations: which of it is wanted."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from ewad.ingest.mqtt.mqtt5_packets import subscription_id
from ewad.ingest.mqtt.settings import Subscription
from ewad.ingest.topics import TopicTemplate, TopicTree


class Identified(Protocol):
    """A message with the identifiers of the filters that it came by; none if the broker doesn't tell."""

    @property
    def topic(self) -> str: ...  # noqa: D102

    @property
    def subscription_ids(self) -> Sequence[int]: ...  # noqa: D102


M = TypeVar("M", bound=Identified)


class EarlierFilters:
    """Leaves out what only filters of earlier configurations brought; one for all connections of a session.

    The broker's kept session still has them, and mosquitto delivers a message once per filter. Each filter of
    ours therefore has its own identifier. What comes under others only is a copy, or unwanted, once the
    broker has answered our SUBSCRIBEs. What it had queued before is wanted, unless a filter of ours that
    takes the topic has brought something too: then the session had it, and brought a copy by it.

    A copy that the end of a process cut off from ours, which was acknowledged, counts at the next start.

    ids: of our filters.
    """

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self.ids = {subscription_id(each.filter) for each in subscriptions}
        self._tree: TopicTree[int] = TopicTree()
        for each in subscriptions:
            if not each.filter.startswith("$share/"):  # their copies go to other clients too
                self._tree.add(TopicTemplate.parse(each.filter).levels, subscription_id(each.filter))
        self._seen: set[int] = set()  # identifiers on deliveries
        self._subscribed = False

    @property
    def looks_at_identifiers_alone(self) -> bool:
        """Whether all that comes by a filter of ours, or tells of none, is wanted."""
        return self._subscribed

    def note(self, messages: Iterable[Identified]) -> None:
        """Note what filters messages came by, before any of them is asked for by `wanted`."""
        if not self._subscribed:
            for message in messages:
                self._seen.update(message.subscription_ids)

    def subscribed(self) -> None:
        """Note that the broker's session has all filters of ours from here on."""
        self._subscribed = True

    def wanted(self, messages: Iterable[M]) -> list[M]:
        """Return the messages without those that aren't wanted."""
        ours = self.ids
        if self._subscribed:
            return [m for m in messages if not (ids := m.subscription_ids) or not ours.isdisjoint(ids)]
        return [
            m
            for m in messages
            if not (ids := m.subscription_ids)
            or not ours.isdisjoint(ids)
            or self._seen.isdisjoint(self._tree.taking(m.topic))
        ]
