import tracemalloc
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from ewad.ingest.mqtt.mqtt5_packets import subscription_id
from ewad.ingest.mqtt.overlaps import Overlaps
from ewad.ingest.mqtt.settings import Subscription
from ewad.ingest.topics import TopicTemplate

LEVEL = st.sampled_from(["a", "b", "+"])
FILTERS = st.lists(
    st.tuples(st.lists(LEVEL, min_size=1, max_size=3), st.sampled_from(["", "/#"])).map(
        lambda parts: "/".join(parts[0]) + parts[1]
    ),
    min_size=1,
    max_size=4,
    unique=True,
)
TOPIC = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map("/".join)


def takes(topic_filter: str, topic: str) -> bool:
    return TopicTemplate.parse(topic_filter).match(topic) is not None


@given(FILTERS, TOPIC, st.booleans(), st.randoms())
def test_one_copy_of_a_message_counts_however_the_broker_deals_them_out(filters, topic, one_each, random):
    overlaps = Overlaps([Subscription(each) for each in filters])
    ids = [subscription_id(each) for each in filters if takes(each, topic)]
    random.shuffle(ids)
    copies = [[number] for number in ids] if one_each else [ids]
    counted = [overlaps.counts(topic, False, copy) for copy in copies]
    assert sum(counted) == 1 or not ids
    assert bool(overlaps) or len(ids) < 2


def test_of_stored_messages_counts_the_copy_of_a_filter_that_wants_them():
    overlaps = Overlaps([Subscription("a/+/c", "ignore"), Subscription("a/b/+", "use")])
    ignores, wants = subscription_id("a/+/c"), subscription_id("a/b/+")
    assert [overlaps.counts("a/b/c", True, [each]) for each in (ignores, wants)] == [False, True]
    assert [overlaps.counts("a/b/c", False, [each]) for each in (ignores, wants)] == [True, False]


def test_what_cannot_be_told_apart_counts():
    overlaps = Overlaps([Subscription("a/+/c"), Subscription("a/b/+")])
    assert overlaps.counts("a/b/c", False, [])  # no identifiers
    assert overlaps.counts("a/b/c", False, [7])  # of a filter that is not ours


def test_shared_subscriptions_are_left_alone():
    overlaps = Overlaps([Subscription("$share/g/a/+"), Subscription("a/b")])
    assert not overlaps
    assert overlaps.counts("a/b", False, [subscription_id("$share/g/a/+")])


@given(FILTERS)
def test_overlaps_are_known_whatever_the_order_of_the_filters(filters):
    templates = [TopicTemplate.parse(each) for each in filters]
    expected = any(one.overlaps(two) for one, two in combinations(templates, 2))
    assert bool(Overlaps([Subscription(each) for each in filters])) is expected


def test_long_topics_take_no_more_room_than_short_ones():
    overlaps = Overlaps([Subscription("a/#"), Subscription("+/b/#")])
    number = subscription_id("a/#")
    tracemalloc.start()
    for i in range(2000):
        assert overlaps.counts(f"a/b/{i}/{'x' * 60_000}", False, [number])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 20e6  # 120 MB of topics were seen


def test_topics_seen_before_and_after_the_memory_was_full_are_treated_alike():
    overlaps = Overlaps([Subscription("a/+/#"), Subscription("a/b/#")])
    ids = [subscription_id("a/+/#"), subscription_id("a/b/#")]
    for _ in range(2):
        for i in range(400):
            topic = f"a/b/{i}/{'x' * 60_000}"
            assert [overlaps.counts(topic, False, [each]) for each in ids] == [True, False]
