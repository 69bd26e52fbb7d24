"""[shard]: one of several daemons that share the streams of one broker."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from ewad.config import checks
from ewad.config.checks import Problem, fail
from ewad.config.kinds import checked, integer
from ewad.config.options import Option, table_of

TOPIC, HASH_TOPIC = "topic", "hash_topic"
LABEL = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _by(text: str) -> str:
    if text in (TOPIC, HASH_TOPIC) or LABEL.fullmatch(text):
        return text
    raise ValueError(f'expected "topic", "{{label}}" or "hash_topic", got {checks.shown(text)}')


BY = checked(_by, '"topic", "{label}" or "hash_topic"')


class ShardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which shard of how many. index None: of a gateway, or of `ewad spark`, which have all of them."""

    count: Annotated[
        int, Option(integer(1, 65_536), "How many shards there are.", required=True, since="0.2.0", example=4)
    ] = 1
    index: Annotated[
        int | None,
        Option(
            integer(0, 65_535),
            "Which of them this daemon is, counted from 0. A gateway needs none.",
            since="0.2.0",
            example=0,
        ),
    ] = None
    by: Annotated[
        str,
        Option(
            BY,
            'What topics are dealt out by: "topic"; "{label}", so that topics with the same value of a label '
            'meet in one shard; "hash_topic": the broker deals them out, to the members of a $share group.',
            since="0.2.0",
        ),
    ] = TOPIC

    @property
    def label(self) -> str | None:
        """The label that topics are dealt out by, None if it is none."""
        found = LABEL.fullmatch(self.by)
        return None if found is None else found[1]


SHARD = table_of(
    "[shard]",
    "One of several daemons that share the streams: see [Scaling](../howto/scaling.md). Each has the same "
    "configuration, but an index of its own.",
    ShardSettings,
)


def shard_settings(values: dict[str, Any]) -> ShardSettings:
    """Return the settings of checked values. Raises Invalid."""
    found = ShardSettings(**values)
    if found.index is not None and found.index >= found.count:
        raise fail(f"expected less than count, {found.count}, got {found.index}", "index")
    return found


def shard_problems(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what topics are not fit to be dealt out."""
    shard, blocks = raw.get("shard"), raw.get("stream")
    if not isinstance(shard, dict) or not isinstance(blocks, list):
        return
    by, keeps_state = shard.get("by", TOPIC), "index" in shard
    for index, block in enumerate(blocks):
        topics = block.get("topic", []) if isinstance(block, dict) else []
        for topic in [topics] if isinstance(topics, str) else topics:
            if (
                isinstance(topic, str)
                and isinstance(by, str)
                and (problem := _problem(topic, by, keeps_state))
            ):
                yield ("stream", index, "topic"), problem


def _problem(topic: str, by: str, keeps_state: bool) -> str | None:
    """Return what is wrong with a topic. keeps_state: whether it is a daemon's; a gateway keeps nothing."""
    shared = topic.startswith("$share/")
    if by == HASH_TOPIC and not shared:
        return f'expected $share/GROUP/... beside shard.by = "hash_topic", got {checks.shown(topic)}'
    if by != HASH_TOPIC and shared and keeps_state:
        return (
            f"expected a topic without $share beside [shard], got {checks.shown(topic)}: a broker gives each "
            f"message to any member, so that no daemon would see all of a stream; if yours deals topics out "
            f'by hash, say shard.by = "hash_topic"'
        )
    if LABEL.fullmatch(by) and by not in topic:
        return f"expected the label {by} of shard.by in each topic, got {checks.shown(topic)}"
    return None
