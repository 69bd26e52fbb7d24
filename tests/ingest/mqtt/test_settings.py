"""Credentials and certificates, right and wrong."""

from pathlib import Path

import pytest

from ewad.config import Secret
from ewad.errors import ConfigError
from ewad.ingest.mqtt.settings import TLS_FILES, tls_context, tls_digests
from ewad.ingest.mqtt.source import ConnectionSettings, Subscription, make_source

SUBSCRIPTIONS = (Subscription("a/#"),)


def test_no_credentials_in_reprs_and_the_url_for_logs() -> None:
    settings = ConnectionSettings(
        host="::1", subscriptions=SUBSCRIPTIONS, username="me", password=Secret("secret")
    )
    assert "secret" not in f"{settings!r} {settings.url}"
    assert settings.url == "mqtt://[::1]:1883"
    websocket = ConnectionSettings(
        host="h", subscriptions=SUBSCRIPTIONS, transport="ws", port=80, path="/m?token=secret"
    )
    assert websocket.url == "ws://h:80/m?***"


def test_no_subscription_is_an_error() -> None:
    with pytest.raises(ConfigError, match="nothing to subscribe to"):
        ConnectionSettings(host="h", subscriptions=())


def test_certificates_for_a_plain_address_are_an_error() -> None:
    with pytest.raises(
        ConfigError, match=r"mqtt\.ca_file: used by mqtts:// and wss:// only, got mqtt://h:1883"
    ):
        ConnectionSettings(host="h", subscriptions=SUBSCRIPTIONS, ca_file="ca.pem")


class Nobody:
    def consume(self, messages: object, arrival: float) -> None: ...

    def commit(self) -> None: ...


@pytest.mark.parametrize("key", ["ca_file", "cert_file", "key_file"])
def test_a_missing_file_stops_the_start(key: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    files: dict[str, str] = {key: missing}
    settings = ConnectionSettings(host="h", transport="tls", subscriptions=SUBSCRIPTIONS, **files)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"mqtt.{key}: {missing}: No such file or directory"):
        make_source(settings, Nobody())


@pytest.mark.parametrize("key", TLS_FILES)
def test_a_file_renewed_under_its_path_has_another_digest(key: str, tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in TLS_FILES}
    for name in TLS_FILES:
        (tmp_path / name).write_text("old")
    settings = ConnectionSettings(host="h", transport="tls", subscriptions=SUBSCRIPTIONS, **files)  # type: ignore[arg-type]
    old = tls_digests(settings)
    assert tls_digests(settings) == old
    (tmp_path / key).write_text("new")
    assert [name for name in TLS_FILES if tls_digests(settings)[name] != old[name]] == [key]


def test_files_that_are_not_pem_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nonsense")
    file = str(tmp_path / "x.pem")
    base = {"host": "h", "transport": "tls", "subscriptions": SUBSCRIPTIONS}
    with pytest.raises(ConfigError, match=r"mqtt\.ca_file: .*x\.pem: expected PEM certificates"):
        tls_context(ConnectionSettings(**base, ca_file=file))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"mqtt\.cert_file: .*x\.pem .*expected a PEM certificate"):
        tls_context(ConnectionSettings(**base, cert_file=file, key_file=file))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"mqtt\.key_file: needs mqtt\.cert_file"):
        tls_context(ConnectionSettings(**base, key_file=file))  # type: ignore[arg-type]
