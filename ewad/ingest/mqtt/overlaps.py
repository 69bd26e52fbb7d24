"""Filters that overlap in part, such as a/+/c and a/b/+: which copy of a message counts."""

from collections.abc import Sequence
from functools import partial

from ewad.ingest.mqtt.mqtt5_packets import subscription_id
from ewad.ingest.mqtt.remembered import Remembered
from ewad.ingest.mqtt.settings import Subscription
from ewad.ingest.topics import TopicTemplate, TopicTree


class Overlaps:
    """Lets one copy of each message count.

    A broker may send one copy for each filter that takes a message, and mosquitto does, each with that
    filter's subscription identifier; or one copy with all of them (MQTT 5, 3.3.4). The copy that counts is
    the one under the first of our filters that takes the topic; of stored messages, the first that wants
    them. True if any filters overlap. $share filters are left alone: their copies go to other clients too.
    """

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self._tree: TopicTree[tuple[int, bool, int]] = TopicTree()  # place, stored ones wanted, identifier
        self._overlapping = False
        self._ids: set[int] = set()
        filters = [(place, each) for place, each in enumerate(subscriptions) if not _shared(each)]
        for place, each in sorted(filters, key=_wildcards_first):
            levels, number = TopicTemplate.parse(each.filter).levels, subscription_id(each.filter)
            self._overlapping = self._overlapping or any(True for _ in self._tree.overlapping(levels))
            self._tree.add(levels, (place, each.retained == "use", number))
            self._ids.add(number)
        self._first = {retain: Remembered(partial(self._find_first, retain)) for retain in (False, True)}

    def __bool__(self) -> bool:
        return self._overlapping

    def counts(self, topic: str, retain: bool, ids: Sequence[int]) -> bool:
        """Whether this copy is the one that counts. ids: of the filters it came by, if told."""
        first = self._first[retain][topic]
        return first is None or first in ids or self._ids.isdisjoint(ids)

    def _find_first(self, retain: bool, topic: str) -> int | None:
        taking = self._tree.taking(topic)
        wanted = (found for found in taking if found[1] or not retain)
        first = min(wanted, default=None)
        return None if first is None else first[2]


def _shared(subscription: Subscription) -> bool:
    return subscription.filter.startswith("$share/")


def _wildcards_first(numbered: tuple[int, Subscription]) -> list[bool]:
    """Sort what many others may overlap to the front: a look-up by a wildcard visits every branch."""
    return [level not in ("+", "#") for level in numbered[1].filter.split("/")]
