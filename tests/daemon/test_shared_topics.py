"""What a daemon says of $share: other members of the group would take samples of its streams."""

import pytest

from ewad import config
from ewad.daemon.parts import warn_of_share


@pytest.mark.parametrize(
    ("topic", "shard", "warned"),
    [
        ("$share/g/site/{room}", None, True),
        ("site/{room}", None, False),
        ("$share/g/site/{room}", {"count": 2, "index": 0, "by": "hash_topic"}, False),
    ],
)
def test_a_shared_topic_is_warned_of_unless_the_broker_deals_out_whole_topics(caplog, topic, shard, warned):
    raw = {"stream": [{"name": "s", "topic": topic}]} | ({} if shard is None else {"shard": shard})
    warn_of_share(config.parse(raw, "test", {}))
    assert (f'topic "{topic}" is shared' in caplog.text) == warned
