"""[mqtt]: the broker, and how to speak to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from ewad.config import files
from ewad.config.checks import fail
from ewad.config.kinds import checked, choice, duration, integer, text
from ewad.config.options import DocumentPlace, Option, table_of
from ewad.config.secret import Secret
from ewad.config.syntax import BrokerAddress, mask_url, parse_url

CREDENTIAL = "mqtt_password"  # its file name in $CREDENTIALS_DIRECTORY

URL = checked(parse_url, "address: mqtt://, mqtts:// (TLS), ws:// or wss://")


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The broker and how to speak to it. url shows no secret; address: without user and query."""

    url: Annotated[str, Option(URL, "The broker.", example="mqtts://broker.example:8883")] = (
        "mqtt://localhost:1883"
    )
    address: BrokerAddress = BrokerAddress("tcp", "localhost", 1883, "", None, None)
    version: Annotated[
        Literal["5", "3.1.1"],
        Option(choice("5", "3.1.1"), "The protocol. Older brokers need 3.1.1, which takes a slower client."),
    ] = "5"
    client_id: Annotated[
        str,
        Option(text, "The session's name. Each daemon needs its own: a broker lets in one client of each."),
    ] = "ewad"
    qos: Annotated[
        Literal[0, 1, 2],
        Option(
            integer(0, 2),
            "1 and 2: messages are acknowledged after they have been observed and, with [state], stored.",
        ),
    ] = 1
    session_expiry_seconds: Annotated[
        float,  # the protocol counts seconds in 32 bits
        Option(duration("0s", "10000d"), "For how long the broker keeps messages for a daemon that is away."),
    ] = 3600.0
    username: Annotated[str | None, Option(text, "The user, if the url doesn't name it.")] = None
    password_file: Annotated[
        str | None,
        Option(
            text,
            "The file that holds the password, or $CREDENTIALS_DIRECTORY/mqtt_password, or the url does.",
        ),
    ] = None
    ca_file: Annotated[
        str | None, Option(text, "The certificates to trust, in PEM; without it the system's.")
    ] = None
    cert_file: Annotated[
        str | None, Option(text, "A client certificate, in PEM; a renewed one counts from `kill -HUP` on.")
    ] = None
    key_file: Annotated[str | None, Option(text, "The key of the client certificate.")] = None


MQTT = table_of("[mqtt]", "The broker, and how to speak to it.", MqttSettings)


def mqtt_settings(values: dict[str, Any], place: DocumentPlace) -> MqttSettings:
    """Return the settings of checked values. Raises Invalid."""
    address = parse_url(values.get("url", MqttSettings().url))
    if address.username:
        values.setdefault("username", address.username)
    files.resolve(values, place.base)
    check_tls(values, address)
    path, _, query = address.path.partition("?")
    password = password_of(values, address.password, place, CREDENTIAL)
    secrets = {"mqtt_password": password, "mqtt_query": query}
    place.secrets.update({name: Secret(text) for name, text in secrets.items() if text})
    if "url" in values:
        values["url"] = mask_url(values["url"])
    return MqttSettings(address=address._replace(username=None, password=None, path=path), **values)


def check_tls(values: Mapping[str, Any], address: BrokerAddress) -> None:
    """Raise Invalid where the TLS files of a table do not fit its address, or each other."""
    for key in ("ca_file", "cert_file", "key_file"):
        if key in values and address.transport not in ("tls", "wss"):
            url = mask_url(values.get("url", "none"))
            raise fail(f"needs an mqtts:// or wss:// url, got {url}", key)
    for key, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if key in values and other not in values:
            raise fail(f"needs {other} in the same table: set both, or neither", key)


def password_of(
    values: Mapping[str, Any], in_url: str | None, place: DocumentPlace, credential: str
) -> str | None:
    """Return the password of password_file, else of systemd's credential of that name, else of the url."""
    file = values.get("password_file") or files.credential(credential, place.environ)
    if file is None:
        return in_url
    return files.content(file, "password_file").rstrip("\r\n")
