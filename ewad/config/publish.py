"""[publish]: results back to a broker."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from ewad.config import files
from ewad.config.checks import Problem, fail, shown
from ewad.config.kinds import boolean, checked, choice, duration, integer, number, text
from ewad.config.mqtt import URL, check_tls, password_of
from ewad.config.options import DocumentPlace, Option, table_of
from ewad.config.secret import Secret
from ewad.config.section import Section
from ewad.config.syntax import BrokerAddress, mask_url, parse_topic, parse_url, quoted

CREDENTIAL = "publish_password"  # its file name in $CREDENTIALS_DIRECTORY
OF_BROKER = ("username", "password_file", "ca_file", "cert_file", "key_file")

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _parse_template(template: str) -> str:
    """Return the template. Raises ValueError if no message can be published to what it gives."""
    rest = PLACEHOLDER.sub("x", template)
    if not template or set(rest) & set("+#{}\0") or rest.startswith("$"):
        expected = 'expected a topic such as "ewad/{stream}", without + and #'
        raise ValueError(f"{expected}, got {quoted(template)}")
    if "stream" not in PLACEHOLDER.findall(template):
        raise ValueError(
            f"expected {{stream}} in it, so that each stream has its own, got {quoted(template)}"
        )
    return template


def _plain(topic: str) -> str:
    if not topic or set(topic) & set("+#{}\0"):
        raise ValueError(f"expected a topic without +, # and braces, got {quoted(topic)}")
    return topic


TEMPLATE = checked(_parse_template, "topic with {stream}, {group} and the labels of the stream's topic")


class PublishSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is published of each stream, where and when. address: None: the broker of [mqtt]."""

    topic: Annotated[
        str,
        Option(TEMPLATE, "The topic of each stream's state, a JSON document.", since="0.2.0"),
    ] = "ewad/{stream}"
    forecast_topic: Annotated[
        str | None,
        Option(
            TEMPLATE,
            "The topic of each stream's forecasts, a list of `{time, value, lower, upper}`.",
            example="ewad/{stream}/forecast",
            default_text="not published",
            since="0.2.0",
        ),
    ] = None
    url: Annotated[
        str | None,
        Option(
            URL, "Another broker than that of [mqtt], with a user and certificates of its own.", since="0.2.0"
        ),
    ] = None
    address: BrokerAddress | None = None
    username: Annotated[
        str | None, Option(text, "The user at that broker, if the url doesn't name it.", since="0.2.0")
    ] = None
    password_file: Annotated[
        str | None,
        Option(
            text,
            "The file that holds the password, or $CREDENTIALS_DIRECTORY/publish_password, or the url does.",
            since="0.2.0",
        ),
    ] = None
    ca_file: Annotated[
        str | None,
        Option(text, "The certificates to trust, in PEM; without it the system's.", since="0.2.0"),
    ] = None
    cert_file: Annotated[
        str | None,
        Option(
            text, "A client certificate, in PEM; a renewed one counts from `kill -HUP` on.", since="0.2.0"
        ),
    ] = None
    key_file: Annotated[str | None, Option(text, "The key of the client certificate.", since="0.2.0")] = None
    client_id: Annotated[
        str | None,
        Option(
            text, "The name of the connection.", default_text="that of [mqtt] with -publish", since="0.2.0"
        ),
    ] = None
    qos: Annotated[Literal[0, 1, 2], Option(integer(0, 2), "The quality of service.", since="0.2.0")] = 1
    retain: Annotated[
        bool, Option(boolean, "Whether the broker keeps each stream's last state.", since="0.2.0")
    ] = True
    on_change: Annotated[
        bool, Option(boolean, "Whether a new sample is published at once.", since="0.2.0")
    ] = True
    deadband: Annotated[
        float,
        Option(
            number("[0, inf)"),
            "A value that differs by no more from the last published one is not published at once.",
            since="0.2.0",
        ),
    ] = 0.0
    interval_seconds: Annotated[
        float | None,
        Option(
            duration("100ms", "1d"),
            "How often to publish the last state of streams that have samples not published yet.",
            since="0.2.0",
        ),
    ] = None
    rebirth: Annotated[
        bool,
        Option(
            boolean,
            "Whether Sparkplug nodes whose births or messages are missing are asked for their births (NCMD).",
            since="0.2.0",
        ),
    ] = False
    availability_topic: Annotated[
        str,
        Option(
            checked(_plain, "topic"),
            "Where `online` stands while the daemon is there, and `offline` otherwise.",
            since="0.2.0",
        ),
    ] = "ewad/availability"
    home_assistant: Annotated[
        bool,
        Option(
            boolean,
            "Whether Home Assistant is told of each stream, which is a device there.",
            since="0.2.0",
        ),
    ] = False
    discovery: Annotated[
        Literal["device", "single"],
        Option(
            choice("device", "single"),
            "How: `device` needs Home Assistant 2024.11; `single` is a message for each entity.",
            since="0.2.0",
        ),
    ] = "device"
    temperature_delta: Annotated[
        bool,
        Option(
            boolean,
            "Whether deviations of temperatures have the device class of that name, which needs Home "
            "Assistant 2025.11; otherwise they are in kelvins.",
            since="0.2.0",
        ),
    ] = False
    discovery_prefix: Annotated[
        str, Option(checked(_plain, "topic"), "Where Home Assistant looks for devices.", since="0.2.0")
    ] = "homeassistant"


PUBLISH = table_of("[publish]", "Results back to a broker. Without this table nothing is.", PublishSettings)


def publish_settings(values: dict[str, Any], place: DocumentPlace) -> PublishSettings:
    """Return the settings of checked values. Raises Invalid."""
    if not values.get("on_change", True) and "interval_seconds" not in values:
        raise fail("expected interval beside on_change = false: nothing would ever be published", "on_change")
    if values.get("forecast_topic") == values.get("topic", PublishSettings().topic):
        raise fail("expected another topic than that of the state", "forecast_topic")
    files.resolve(values, place.base)
    if "url" in values:
        _take_broker(values, place)
    elif found := [key for key in OF_BROKER if key in values]:
        raise fail(
            "expected url beside it: without one the broker and all of this are those of [mqtt]", found[0]
        )
    return PublishSettings(**values)


def _take_broker(values: dict[str, Any], place: DocumentPlace) -> None:
    """Put the address and the user of another broker among the values, its password among the secrets."""
    address = parse_url(values["url"])
    check_tls(values, address)
    if address.username:
        values.setdefault("username", address.username)
    if password := password_of(values, address.password, place, CREDENTIAL):
        place.secrets["publish_password"] = Secret(password)
    values["address"] = address._replace(username=None, password=None)
    values["url"] = mask_url(values["url"])


SECTION = Section(PUBLISH, publish_settings)


def own_messages(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what of [publish] in a raw document would come back as a sample, or reach nobody."""
    publish = raw.get("publish")
    if not isinstance(publish, dict):
        return
    if _another_broker(publish, raw.get("mqtt", {})):
        if publish.get("rebirth"):
            yield ("publish", "rebirth"), "expected no url beside it: nodes listen at the broker of [mqtt]"
        return
    for key, topic in _own_topics(publish):
        for where, taken in _taken(raw):
            if isinstance(topic, str) and _meet(topic, taken):
                got = f"but {where} takes {shown(taken)}"
                yield ("publish", key), f"expected a topic that no [[stream]] block takes, {got}"


def _own_topics(publish: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the templates of what a raw [publish] sends, each with the key that it follows from."""
    yield "topic", publish.get("topic", "ewad/{stream}")
    yield "availability_topic", publish.get("availability_topic", "ewad/availability")
    yield "forecast_topic", publish.get("forecast_topic")
    if publish.get("home_assistant"):
        prefix = publish.get("discovery_prefix", "homeassistant")
        yield "discovery_prefix", f"{prefix}/device/+/config"
        yield "discovery_prefix", f"{prefix}/+/+/+/config"


def _taken(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the topics of raw blocks and models, each with where it stands."""
    blocks, models = raw.get("stream"), raw.get("model")
    for name, model in models.items() if isinstance(models, dict) else ():
        external = model.get("external") if isinstance(model, dict) else None
        for each in external if isinstance(external, list) else ():
            if isinstance(each, str):
                yield f"model.{name}.external", each.partition("{stream}")[0] + "#" * ("{stream}" in each)
    for index, block in enumerate(blocks if isinstance(blocks, list) else []):
        taken = block.get("topic") if isinstance(block, dict) else None
        for each in taken if isinstance(taken, list) else [taken]:
            if isinstance(each, str):
                yield f"stream[{index}]", each


def _another_broker(publish: Mapping[str, Any], mqtt: Any) -> bool:
    try:
        mine = parse_url(publish["url"])
        theirs = parse_url(mqtt.get("url", "mqtt://localhost:1883"))
    except (KeyError, ValueError, AttributeError, TypeError):
        return "url" in publish
    return (_machine(mine.host), mine.port) != (_machine(theirs.host), theirs.port)


def _machine(host: str) -> str:
    """Return one name for all names of this machine."""
    return "localhost" if host in ("::1", "localhost") or host.startswith("127.") else host.lower()


def _meet(template: str, taken: str) -> bool:
    """Whether a topic of this template of ours may match that of a block.

    {stream} may be several levels, + is one.
    """
    try:
        levels = parse_topic(taken).levels
    except ValueError:  # told where it stands
        return False
    return _levels_meet([PLACEHOLDER.sub("{}", level) for level in template.split("/")], list(levels))


def _levels_meet(mine: Sequence[str], theirs: Sequence[str]) -> bool:
    if not mine or not theirs:
        return not mine and (not theirs or list(theirs) == ["#"])
    if "{}" in mine[0] or theirs[0] == "#":  # what is left may be anything
        return theirs[0] in ("#", "+") or "{}" in mine[0]
    return (mine[0] == "+" or theirs[0] in ("+", mine[0])) and _levels_meet(mine[1:], theirs[1:])
