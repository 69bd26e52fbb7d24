"""Which shard a topic belongs to: evenly, for ever the same, and together what belongs together."""

from collections import Counter

import pytest

from ewad import config
from ewad.config import ShardSettings
from ewad.errors import ConfigError
from ewad.ingest.sharding import belonging, shard_of, sharding


def parsed(topic="site/{room}/t", **shard):
    block = {"name": "s", "topic": topic}
    return config.parse({"stream": [block], "shard": {"count": 4} | shard}, "ewad.toml", {})


def test_a_hash_never_changes():
    assert [shard_of(f"site/{i}/t", 8) for i in range(6)] == [2, 5, 1, 6, 1, 7]


@pytest.mark.parametrize("count", [2, 3, 8, 100])
@pytest.mark.parametrize("name", ["plant/{}/value", "device-{:08d}", "{:x}"])
def test_topics_are_dealt_out_evenly(count, name):
    n = 20_000
    found = Counter(shard_of(name.format(i), count) for i in range(n))
    assert len(found) == count
    assert max(found.values()) < 1.35 * n / count


def test_each_topic_belongs_to_one_shard():
    shards = [belonging(parsed(index=index).shard, parsed().streams) for index in range(4)]
    for i in range(100):
        assert sum(belongs(f"site/{i}/t") for belongs in shards) == 1


def test_by_a_label_what_has_the_same_value_meets():
    settings = parsed(topic=["site/{room}/t", "site/{room}/h/{x}"], by="{room}")
    of = sharding(settings.shard, settings.streams)
    assert all(of(f"site/{i}/t") == of(f"site/{i}/h/9") for i in range(50))
    assert of("site/kitchen/t") == shard_of("kitchen", 4)


def test_all_messages_of_a_node_of_sparkplug_and_its_devices_meet():
    block = {"name": "s", "topic": "spBv1.0/+/+/{node}/#", "format": "sparkplug"}
    settings = config.parse({"stream": [block], "shard": {"count": 64}}, "ewad.toml", {})
    of = sharding(settings.shard, settings.streams)
    for i in range(50):
        topics = ("NBIRTH/n{}", "NDATA/n{}", "NDEATH/n{}", "DBIRTH/n{}/d", "DDATA/n{}/e")
        assert len({of(f"spBv1.0/g/{topic.format(i)}") for topic in topics}) == 1


def test_without_an_index_or_by_the_brokers_hash_all_that_comes_belongs():
    assert belonging(None, parsed().streams) is None
    assert belonging(ShardSettings(count=4), parsed().streams) is None
    settings = parsed(topic="$share/g/site/{room}/t", by="hash_topic", index=1)
    assert belonging(settings.shard, settings.streams) is None


@pytest.mark.parametrize(
    ("further", "said"),
    [
        ({"index": 4}, "shard.index: expected less than count, 4, got 4"),
        ({"by": "room"}, 'shard.by: expected "topic", "{label}" or "hash_topic", got "room"'),
        ({"by": "{site}"}, 'stream[0].topic: expected the label {site} of shard.by in each topic, got "site'),
        (
            {"topic": "$share/g/a/{room}", "index": 1},
            "stream[0].topic: expected a topic without $share beside [shard]",
        ),
        (
            {"by": "hash_topic"},
            'expected $share/GROUP/... beside shard.by = "hash_topic", got "site/',
        ),
    ],
)
def test_what_can_not_be_dealt_out_is_told(further, said):
    with pytest.raises(ConfigError) as error:
        parsed(**further)
    assert said in str(error.value)


def test_gateways_may_share_topics_for_they_keep_nothing_of_streams():
    assert parsed(topic="$share/g/a/{room}").streams[0].topics == ("$share/g/a/{room}",)


def test_each_shard_has_a_session_of_its_own():
    assert parsed(index=2).client_id == "ewad-2"
    assert parsed().client_id == "ewad"
