from hypothesis import given

from ewad import config
from ewad.ingest.mqtt.from_configuration import connection_settings
from ewad.ingest.mqtt.settings import Subscription
from ewad.ingest.topics import TopicTemplate
from tests.ingest.test_topics import TOPICS, templates


def subscriptions(*blocks: tuple[str | list[str], str]) -> tuple[Subscription, ...]:
    stream = [{"name": f"b{i}", "topic": topic, "retained": r} for i, (topic, r) in enumerate(blocks)]
    return connection_settings(config.parse({"stream": stream}, "test", {})).subscriptions


def test_a_filter_that_another_covers_is_not_subscribed_to():
    assert subscriptions(
        ("a/{x}/t", "ignore"), ("a/{x}/{y}", "ignore"), ("b/#", "ignore"), ("b", "ignore")
    ) == (
        Subscription("a/+/+", "ignore"),
        Subscription("b/#", "ignore"),
    )


def test_filters_that_overlap_in_part_are_both_subscribed_to():
    assert [s.filter for s in subscriptions((["a/+/c", "a/b/+"], "use"))] == ["a/+/c", "a/b/+"]


def test_stored_messages_are_wanted_if_any_covered_block_wants_them():
    assert subscriptions(("a/{x}", "use"), ("a/#", "ignore")) == (Subscription("a/#", "use"),)
    assert subscriptions(("a/#", "ignore"), ("a/{x}", "use"), ("b", "ignore")) == (
        Subscription("a/#", "use"),
        Subscription("b", "ignore"),
    )


def test_a_shared_subscription_stays_beside_a_plain_one():
    filters = [s.filter for s in subscriptions((["$share/g/a/+", "a/+", "$share/g/a/b"], "use"))]
    assert filters == ["$share/g/a/+", "a/+"]


@given(templates(), templates(), TOPICS)
def test_what_is_covered_is_taken_by_the_one_that_covers(one, other, topic):
    covering, covered = TopicTemplate.parse(one), TopicTemplate.parse(other)
    if covering.covers(covered) and covered.match(topic) is not None:
        assert covering.match(topic) is not None


@given(templates())
def test_every_filter_covers_itself(text):
    template = TopicTemplate.parse(text)
    hidden = template.levels[0] in ("+", "#")
    assert template.covers(template)
    assert TopicTemplate.parse("#").covers(template) is (hidden or not template.levels[0].startswith("$"))
