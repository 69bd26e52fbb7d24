"""Which blocks take a topic: one walk through a tree of all their templates."""

from __future__ import annotations

from collections.abc import Sequence

from ewad.config.syntax import quoted
from ewad.errors import DecodeError
from ewad.ingest.block import StreamBlock, Target
from ewad.ingest.faults import LOGGED_TOPIC
from ewad.ingest.topics import TopicTree

# The blocks of a topic that fits their templates, where each block's `exclude_topic` takes it out.
EXCLUDED: list[Target] = []
# A topic is a label value of every series of its stream; MQTT would allow 64 KiB.
MAX_TOPIC_BYTES = 1024


def too_long(topic: str) -> DecodeError | None:
    """Return the refusal of a topic, if it is too long."""
    if len(topic) <= MAX_TOPIC_BYTES // 4 or (size := len(topic.encode())) <= MAX_TOPIC_BYTES:
        return None
    expected = f"expected a topic of at most {MAX_TOPIC_BYTES} bytes"
    return DecodeError("topic_too_long", f"{expected}, got {size}")


def unknown_topic(topic: str) -> DecodeError:
    """Return the refusal of a topic that is of no block."""
    shown = quoted(topic, LOGGED_TOPIC)
    return DecodeError("unknown_topic", f"{shown}: no [[stream]] block takes this topic")


class Matching:
    """The templates of all blocks."""

    def __init__(self, blocks: Sequence[StreamBlock]) -> None:
        """blocks: each at the place of its group."""
        self._blocks = blocks
        self._templates: TopicTree[tuple[int, int]] = TopicTree()  # the place of a block, of its template
        for block in blocks:
            for place, template in enumerate(block.templates):
                self._templates.add(template.levels, (block.group, place))

    def targets(self, topic: str) -> list[Target]:
        """Return the blocks that take a topic, each by its first template that does, or EXCLUDED."""
        first = dict(sorted(self._templates.taking(topic), reverse=True))
        found = []
        for group, place in sorted(first.items()):
            block = self._blocks[group]
            if block.takes(topic):
                found.append(Target(block, block.templates[place].labels(topic)))
        return found if found or not first else EXCLUDED
