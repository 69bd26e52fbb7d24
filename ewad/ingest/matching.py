"""Which blocks take a topic: one walk through a tree of all their templates."""

from __future__ import annotations

from collections.abc import Sequence

from ewad.ingest.block import StreamBlock, Target
from ewad.ingest.topics import TopicTree

# The blocks of a topic that fits their templates, where each block's `exclude_topic` takes it out.
EXCLUDED: list[Target] = []


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
