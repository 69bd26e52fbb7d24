"""Addresses and certificates, right and wrong."""

from pathlib import Path

import pytest

from ewad.errors import ConfigError
from ewad.ingest.mqtt import MqttSettings, Subscription, make_source, parse_url
from ewad.ingest.mqtt_settings import tls_context

SUBSCRIPTIONS = (Subscription("a/#"),)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("mqtt://localhost", ("tcp", "localhost", 1883, "", None, None)),
        ("MQTT://LocalHost:2883", ("tcp", "localhost", 2883, "", None, None)),
        ("mqtts://broker.example", ("tls", "broker.example", 8883, "", None, None)),
        ("ws://h/mqtt", ("ws", "h", 80, "/mqtt", None, None)),
        ("wss://h:8443/a/b", ("wss", "h", 8443, "/a/b", None, None)),
        ("mqtt://[::1]:1884", ("tcp", "::1", 1884, "", None, None)),
        ("mqtt://me:p%40ss%3A@h", ("tcp", "h", 1883, "", "me", "p@ss:")),
        ("mqtt://me@h", ("tcp", "h", 1883, "", "me", None)),
    ],
)
def test_parse_url_returns_the_parts(url: str, parts: tuple[object, ...]) -> None:
    assert tuple(parse_url(url)) == parts


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://h", r'mqtt\.url: expected mqtt://, mqtts://, ws:// or wss:// and a host, got "http://h"'),
        ("localhost:1883", 'got "localhost:1883"'),
        ("", 'got ""'),
        ("mqtt://", "no host after mqtt://"),
        ("mqtt://:1883", "no host"),
        ("mqtt://h:99999", "Port out of range"),
        ("mqtt://h:http", "Port could not be cast"),
        ("mqtt://h:0", "expected a port in 1..65535, got 0"),
        ("mqtt://[::1", "Invalid IPv6"),
    ],
)
def test_parse_url_says_what_is_wrong(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_url(url)


def test_no_credentials_in_errors_reprs_and_the_url_for_logs() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_url("http://me:secret@h")
    settings = MqttSettings(host="::1", subscriptions=SUBSCRIPTIONS, username="me", password="secret")
    assert "secret" not in f"{caught.value} {settings!r} {settings.url}"
    assert settings.url == "mqtt://[::1]:1883"


def test_no_subscription_is_an_error() -> None:
    with pytest.raises(ConfigError, match="nothing to subscribe to"):
        MqttSettings(host="h", subscriptions=())


def test_certificates_for_a_plain_address_are_an_error() -> None:
    with pytest.raises(
        ConfigError, match=r"mqtt\.ca_file: used by mqtts:// and wss:// only, got mqtt://h:1883"
    ):
        MqttSettings(host="h", subscriptions=SUBSCRIPTIONS, ca_file="ca.pem")


class Nobody:
    def consume(self, messages: object, arrival: float) -> None: ...

    def commit(self) -> None: ...


@pytest.mark.parametrize("key", ["ca_file", "cert_file", "key_file"])
def test_a_missing_file_stops_the_start(key: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    files: dict[str, str] = {key: missing}
    settings = MqttSettings(host="h", transport="tls", subscriptions=SUBSCRIPTIONS, **files)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"mqtt.{key}: {missing}: No such file or directory"):
        make_source(settings, Nobody())


def test_files_that_are_not_pem_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nonsense")
    file = str(tmp_path / "x.pem")
    base = {"host": "h", "transport": "tls", "subscriptions": SUBSCRIPTIONS}
    with pytest.raises(ConfigError, match=r"mqtt\.ca_file: .*x\.pem: expected PEM certificates"):
        tls_context(MqttSettings(**base, ca_file=file))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"mqtt\.cert_file: .*x\.pem .*expected a PEM certificate"):
        tls_context(MqttSettings(**base, cert_file=file, key_file=file))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"mqtt\.key_file: needs mqtt\.cert_file"):
        tls_context(MqttSettings(**base, key_file=file))  # type: ignore[arg-type]
