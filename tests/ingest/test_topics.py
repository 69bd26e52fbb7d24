import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.ingest.topics import TopicTemplate, TopicTree

WORDS = st.sampled_from(["a", "b", "c", "", "$SYS"])
TOPICS = st.lists(WORDS, min_size=1, max_size=5).map("/".join).filter(bool)


@st.composite
def templates(draw):
    levels = draw(st.lists(st.one_of(WORDS, st.sampled_from(["+", "{x}"])), min_size=1, max_size=5))
    levels = [f"{{x{i}}}" if level == "{x}" else level for i, level in enumerate(levels)]
    if draw(st.booleans()):
        levels.append("#")
    return "/".join(levels) or "a"


def reference_match(levels, topic):
    """The rule of MQTT 5.0, section 4.7, by recursion; {x} is read as +."""
    if levels == ["#"]:
        return True
    if not levels or not topic:
        return not levels and not topic
    first = levels[0] == "+" or levels[0].startswith("{") or levels[0] == topic[0]
    return first and reference_match(levels[1:], topic[1:])


@given(templates(), TOPICS)
def test_match_agrees_with_a_naive_reference(template, topic):
    levels = template.split("/")
    hidden = topic.startswith("$") and (levels[0] in ("+", "#") or levels[0].startswith("{"))
    expected = reference_match(levels, topic.split("/")) and not hidden
    assert (TopicTemplate.parse(template).match(topic) is not None) is expected


@given(templates(), TOPICS)
def test_captured_labels_are_the_topics_own_levels(template, topic):
    labels = TopicTemplate.parse(template).match(topic)
    if labels is not None:
        places = [i for i, level in enumerate(template.split("/")) if level.startswith("{")]
        assert labels == tuple((f"x{i}", topic.split("/")[i]) for i in places)


@given(templates())
def test_a_filter_parsed_again_is_itself_and_takes_the_same_topics(template):
    parsed = TopicTemplate.parse(template)
    again = TopicTemplate.parse(parsed.filter)
    assert again.filter == parsed.filter
    assert again.levels == parsed.levels


@given(templates(), TOPICS)
def test_shared_subscription_takes_what_its_filter_takes(template, topic):
    shared = TopicTemplate.parse(f"$share/g/{template}")
    assert shared.filter == "$share/g/" + TopicTemplate.parse(template).filter
    assert shared.match(topic) == TopicTemplate.parse(template).match(topic)


@given(templates(), templates(), TOPICS)
def test_templates_that_take_one_topic_overlap(template, other, topic):
    one, two = TopicTemplate.parse(template), TopicTemplate.parse(other)
    if not one.mismatch(topic) and not two.mismatch(topic):
        assert one.overlaps(two)
        assert two.overlaps(one)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("a/+/c", "a/b/+", True),
        ("a/#", "a", True),
        ("+/b", "a/#", True),
        ("a/b", "a/c", False),
        ("a/+", "a/b/c", False),
        ("a/+/c", "b/#", False),
    ],
)
def test_filters_overlap_where_a_topic_fits_both(one, other, overlap):
    assert TopicTemplate.parse(one).overlaps(TopicTemplate.parse(other)) is overlap


def test_names_become_labels():
    template = TopicTemplate.parse("site/{room}/+/{kind}")
    assert template.filter == "site/+/+/+"
    assert template.match("site/kitchen/x/temp") == (("room", "kitchen"), ("kind", "temp"))
    assert template.match("site/kitchen/x") is None


def test_multilevel_wildcard_takes_its_parent_too():
    assert TopicTemplate.parse("a/#").match("a") == ()
    assert TopicTemplate.parse("a/{b}/#").match("a/x") == (("b", "x"),)
    assert TopicTemplate.parse("a/{b}/#").match("a") is None


def test_mismatch_names_the_first_level_that_differs():
    template = TopicTemplate.parse("site/{room}/temperature")
    assert template.mismatch("site/kitchen/temp") == (3, '"temperature"', "temp")
    assert template.mismatch("site") == (2, "a level", None)
    assert template.mismatch("site/a/temperature/b") == (4, "no further level", "b")
    assert template.mismatch("site/a/temperature") is None
    assert TopicTemplate.parse("#").mismatch("$SYS/x") == (1, "a level without $", "$SYS")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("a/#/b", "last level only"),
        ("a/b+", "whole level"),
        ("a#", "whole level"),
        ("a/x{b}", "whole level"),
        ("a/{b}/{b}", "twice"),
        ("a/{0b}", "label name"),
        ("a/{__b}", "label name"),
        ("a/{}", "label name"),
        ("a/{beta}", "reserved"),
        ("a/\0", "NUL"),
        ("a/\udcff", "UTF-8"),
        ("a" * 65536, "65535"),
        ("$share/g", "$share/group/topic"),
        ("$share//a", "$share/group/topic"),
        ("$share/+/a", "$share/group/topic"),
    ],
)
def test_a_template_that_mqtt_or_prometheus_forbids_is_refused(text, says):
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        TopicTemplate.parse(text)
    assert len(str(caught.value)) < 250


def tree_of(templates):
    tree = TopicTree()
    for place, template in enumerate(templates):
        tree.add(template.levels, place)
    return tree


@given(st.lists(templates(), max_size=8), TOPICS)
def test_a_tree_finds_the_filters_that_take_a_topic(texts, topic):
    many = [TopicTemplate.parse(text) for text in texts]
    expected = [place for place, each in enumerate(many) if each.mismatch(topic) is None]
    assert sorted(tree_of(many).taking(topic)) == expected


@pytest.mark.parametrize("topic", ["+", "#", "a/+", "a/#", "+/b"])
def test_a_tree_takes_topics_that_no_broker_should_send_as_a_template_does(topic):
    many = [TopicTemplate.parse(text) for text in ("+", "#", "a/+", "a/#", "+/b", "+/+", "a/b")]
    expected = [place for place, each in enumerate(many) if each.mismatch(topic) is None]
    assert sorted(tree_of(many).taking(topic)) == expected


@given(st.lists(templates(), max_size=8), templates())
def test_a_tree_finds_the_filters_that_cover_or_overlap_another(texts, text):
    many, other = [TopicTemplate.parse(text) for text in texts], TopicTemplate.parse(text)
    tree = tree_of(many)
    covering = [place for place, each in enumerate(many) if each.covers(other)]
    overlapping = [place for place, each in enumerate(many) if each.overlaps(other)]
    assert sorted(tree.covering(other.levels)) == covering
    assert sorted(tree.overlapping(other.levels)) == overlapping


def test_a_look_up_in_a_tree_visits_as_many_nodes_however_many_filters_there_are():
    steps = []
    for n in (10, 1000):
        tree = tree_of([TopicTemplate.parse(f"site/{{room}}/sensor{i}/#") for i in range(n)])
        assert [*tree.taking("site/kitchen/sensor7/x")] == [7]
        assert [*tree.covering(("site", "+", "sensor7", "#"))] == [7]
        assert [*tree.overlapping(("site", "kitchen", "+"))] == [*range(n)][::-1]
        steps.append(tree.steps - n)  # the last look-up found n
    assert steps[0] == steps[1]
