"""Which of several engines a topic belongs to: by a hash that every process computes alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zlib import crc32

from ewad.config.settings import ShardSettings, StreamSettings
from ewad.config.shard import HASH_TOPIC
from ewad.ingest.formats.point import itself
from ewad.ingest.formats.table import FORMATS
from ewad.ingest.mqtt.remembered import Remembered
from ewad.ingest.topics import TopicTemplate, TopicTree

# Knuth's multiplier: CRC-32 is linear, so that names which differ in one digit could share few remainders.
SPREADING = 0x9E3779B1
ALL = 0xFFFFFFFF


def shard_of(key: str, count: int) -> int:
    """Return which of `count` shards a key belongs to: always the same one, whoever asks."""
    return ((crc32(key.encode(errors="surrogatepass")) * SPREADING & ALL) * count) >> 32


def sharding(settings: ShardSettings, blocks: Sequence[StreamSettings]) -> Callable[[str], int]:
    """Return what gives the shard of a topic, the same one always.

    Topics of one sender belong together, such as those of a node of Sparkplug.
    """
    count = settings.count
    if settings.label is None and all(FORMATS[block.format].sender is itself for block in blocks):
        return lambda topic: shard_of(topic, count)
    keys = _Keys(settings.label, blocks)
    return lambda topic: shard_of(keys.key(topic), count)


def belonging(
    settings: ShardSettings | None, blocks: Sequence[StreamSettings]
) -> Callable[[str], bool] | None:
    """Return what tells whether a topic is one of this shard's; None: all that come are."""
    if settings is None or settings.index is None or settings.by == HASH_TOPIC:
        return None
    index, shard = settings.index, sharding(settings, blocks)
    return Remembered(lambda topic: shard(topic) == index).__getitem__


class _Keys:
    """What topics are dealt out by: a label that the first template captures, or else the sender."""

    def __init__(self, label: str | None, blocks: Sequence[StreamSettings]) -> None:
        self._label = label
        self._templates: TopicTree[int] = TopicTree()
        self._known = [(TopicTemplate.parse(topic), block) for block in blocks for topic in block.topics]
        for index, (template, _) in enumerate(self._known):
            self._templates.add(template.levels, index)

    def key(self, topic: str) -> str:
        """Return the key of a topic."""
        taking = sorted(self._templates.taking(topic))
        if not taking:
            return topic
        template, block = self._known[taking[0]]
        found = dict(template.labels(topic))
        return found[self._label] if self._label in found else FORMATS[block.format].sender(topic)
