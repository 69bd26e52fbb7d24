"""Filters that overlap in part, such as a/+/c and a/b/+: which copy of a message counts."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

from ewad.ingest.mqtt.mqtt5_packets import subscription_id
from ewad.ingest.mqtt.settings import Subscription
from ewad.ingest.topics import TopicTemplate

REMEMBERED_TOPICS = 100_000


class Overlaps:
    """Lets one copy of each message count.

    A broker may send one copy for each filter that takes a message, and mosquitto does, each with that
    filter's subscription identifier; or one copy with all of them (MQTT 5, 3.3.4). The copy that counts is
    the one under the first of our filters that takes the topic; of stored messages, the first that wants
    them. True if any filters overlap. $share filters are left alone: their copies go to other clients too.
    """

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        filters = [
            (TopicTemplate.parse(each.filter), each.retained, subscription_id(each.filter))
            for each in subscriptions
            if not each.filter.startswith("$share/")
        ]
        pairs = combinations([template for template, _, _ in filters], 2)
        self._overlapping = any(one.overlaps(other) for one, other in pairs)
        self._filters = filters
        self._ids = {number for _, _, number in filters}
        self._first = lru_cache(REMEMBERED_TOPICS)(self._find_first)

    def __bool__(self) -> bool:
        return self._overlapping

    def counts(self, topic: str, retain: bool, ids: Sequence[int]) -> bool:
        """Whether this copy is the one that counts. ids: of the filters it came by, if told."""
        first = self._first(topic, retain)
        return first is None or first in ids or self._ids.isdisjoint(ids)

    def _find_first(self, topic: str, retain: bool) -> int | None:
        taking = (
            number
            for template, retained, number in self._filters
            if not (retain and retained == "ignore") and template.mismatch(topic) is None
        )
        return next(taking, None)
