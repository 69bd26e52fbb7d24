"""What a daemon says of $share: other members of the group would take samples of its streams."""

import pytest

from ewad import config
from ewad.daemon.daemon import Daemon
from ewad.daemon.parts import warn_of_share
from ewad.errors import ConfigError


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


def test_a_daemon_of_several_has_to_know_which_one_it_is():
    raw = {"stream": [{"name": "s", "topic": "site/{room}"}], "shard": {"count": 4}}
    with pytest.raises(ConfigError, match=r"shard.index: expected which of the 4 shards this daemon is"):
        Daemon(config.parse(raw, "test", {}))
