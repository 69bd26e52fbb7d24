"""[publish]: topics that no message can go to, or that would come back as samples."""

import pytest

from ewad.config import parse
from ewad.errors import ConfigError


def settings(publish, topic="site/{room}/t", **mqtt):
    return parse({"stream": [{"topic": topic, "name": "t"}], "publish": publish, "mqtt": mqtt}, "test", {})


def test_it_is_off_without_a_table_and_has_defaults_with_one():
    assert parse({"stream": [{"topic": "a", "name": "t"}]}, "test", {}).sinks == {}
    assert settings({}).sinks["publish"].topic == "ewad/{stream}"


@pytest.mark.parametrize("taken", ["#", "ewad/#", "ewad/{what}", "+/+/t", "ewad/site/+/t"])
def test_a_topic_that_would_come_back_is_refused(taken):
    with pytest.raises(ConfigError, match=r"publish\.topic: expected a topic that no \[\[stream\]\]"):
        settings({}, taken)


@pytest.mark.parametrize("taken", ["site/#", "+", "site/ewad/a"])
def test_a_topic_that_no_block_takes_is_fine(taken):
    settings({"availability_topic": "other/there"}, taken)


def test_what_goes_to_another_broker_does_not_come_back():
    settings({"url": "mqtt://elsewhere"}, "#", url="mqtt://here")
    with pytest.raises(ConfigError, match=r"publish\.topic"):
        settings({"url": "mqtt://here:1883"}, "#", url="mqtt://here")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_a_broker_on_this_machine_is_the_same_one_by_any_of_its_names(host):
    with pytest.raises(ConfigError, match=r"publish\.topic"):
        settings({"url": f"mqtt://{host}"}, "#", url="mqtt://localhost")


@pytest.mark.parametrize("taken", ["$share/some/ewad/#", "$share/g/+/+", ["a", "ewad/+"]])
def test_subscriptions_that_are_shared_or_one_of_several_count_as_well(taken):
    with pytest.raises(ConfigError, match=r"publish\.(topic|availability_topic): expected a topic that no"):
        settings({}, taken)


@pytest.mark.parametrize(
    "taken", ["homeassistant/#", "homeassistant/sensor/+/+/config", "homeassistant/device/#"]
)
def test_what_home_assistant_is_told_does_not_come_back_either(taken):
    settings({}, taken)
    with pytest.raises(ConfigError, match=r"publish\.discovery_prefix: expected a topic that no"):
        settings({"home_assistant": True}, taken)
    settings({"home_assistant": True}, "homeassistant/sensor/{entity}/state")


def test_another_broker_has_a_user_and_certificates_of_its_own(tmp_path):
    for name in ("ca", "cert", "key", "word"):
        (tmp_path / name).write_text(f"{name}\n")
    own = {f"{key}_file": str(tmp_path / key) for key in ("ca", "cert", "key")}
    own |= {"url": "mqtts://elsewhere", "username": "me", "password_file": str(tmp_path / "word")}
    found = settings(own, url="mqtt://u:p@here")
    publish = found.sinks["publish"]
    assert (publish.username, publish.ca_file, publish.key_file) == ("me", own["ca_file"], own["key_file"])
    assert found.secrets.publish_password.reveal() == "word"
    for changed, expected in (
        ({"url": "mqtt://elsewhere"}, r"publish\.ca_file: needs an mqtts:// or wss:// url"),
        ({"key_file": None}, r"publish\.cert_file: needs key_file in the same table"),
        ({"url": None}, r"publish\.username: expected url beside it"),
        ({"ca_file": str(tmp_path / "none")}, r"publish\.ca_file: expected a readable file"),
    ):
        values = {key: value for key, value in (own | changed).items() if value is not None}
        with pytest.raises(ConfigError, match=expected):
            settings(values)


@pytest.mark.parametrize(
    "topic", ["", "ewad", "ewad/+/{stream}", "ewad/{stream}/#", "$SYS/{stream}", "{stream"]
)
def test_a_topic_that_no_message_can_go_to_is_refused(topic):
    with pytest.raises(ConfigError, match=r"publish\.topic: expected"):
        settings({"topic": topic})


def test_nothing_is_ever_published_without_change_and_interval():
    with pytest.raises(ConfigError, match=r"publish\.on_change: expected interval beside"):
        settings({"on_change": False})


def test_a_password_in_the_address_is_shown_nowhere():
    found = settings({"url": "mqtt://ewad:secret@elsewhere"})
    assert "secret" not in repr(found.sinks)
    assert found.secrets.publish_password.reveal() == "secret"


def test_nodes_are_asked_where_they_listen():
    assert settings({"rebirth": True}).sinks["publish"].rebirth
    with pytest.raises(ConfigError, match=r"publish\.rebirth: expected no url beside it"):
        settings({"rebirth": True, "url": "mqtt://elsewhere"}, url="mqtt://here")
