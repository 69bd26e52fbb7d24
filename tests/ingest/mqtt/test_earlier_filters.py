from dataclasses import dataclass

from ewad.ingest.mqtt.earlier_filters import EarlierFilters
from ewad.ingest.mqtt.mqtt5_packets import subscription_id
from ewad.ingest.mqtt.settings import Subscription


@dataclass
class Message:
    topic: str
    subscription_ids: list[int]


def came(topic, *filters):
    return Message(topic, [subscription_id(each) for each in filters])


def wanted(earlier, *messages):
    """Return the positions of the wanted ones, of messages that come in one list."""
    earlier.note(messages)
    left = earlier.wanted(list(messages))
    return [i for i, message in enumerate(messages) if any(message is each for each in left)]


def made(*filters):
    return EarlierFilters([Subscription(each) for each in filters])


def test_all_that_an_earlier_filter_had_queued_is_wanted_if_ours_are_new():
    assert wanted(made("a"), came("a", "+"), came("b", "+"), came("a", "#")) == [0, 1, 2]


def test_a_copy_beside_one_by_a_filter_of_ours_is_not_wanted_whichever_comes_first():
    assert wanted(made("a"), came("a", "+"), came("a", "a"), came("b", "+")) == [1, 2]
    assert wanted(made("+"), came("a", "+"), came("a", "a"), came("c/d", "#")) == [0, 2]
    assert wanted(made("a"), came("a", "+", "a")) == [0]


def test_what_a_list_told_holds_for_the_following():
    earlier = made("a")
    assert wanted(earlier, came("a", "a")) == [0]
    assert wanted(earlier, came("a", "+")) == []


def test_copies_of_a_shared_filter_go_to_others_too_so_that_all_are_wanted():
    assert wanted(made("$share/g/a"), came("a", "$share/g/a"), came("a", "+")) == [0, 1]


def test_once_subscribed_only_what_came_by_filters_of_ours_is_wanted():
    earlier = made("a", "b")
    earlier.subscribed()
    assert wanted(earlier, came("a", "+"), came("b", "b"), came("c", "+"), came("a", "+", "a")) == [1, 3]


def test_a_broker_that_tells_no_filters_is_believed():
    earlier = made("a")
    assert wanted(earlier, came("a"), came("b")) == [0, 1]
    earlier.subscribed()
    assert wanted(earlier, came("a"), came("b")) == [0, 1]
