"""Settings of one MQTT connection, checked: addresses, credentials, certificates, subscriptions."""

import ssl
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from ewad.config import Secret
from ewad.config.syntax import SCHEMES, Transport, mask_url
from ewad.errors import ConfigError

Version = Literal["5", "3.1.1"]
TLS_FILES = ("ca_file", "cert_file", "key_file")
SCHEME_OF: dict[Transport, str] = {transport: scheme for scheme, (transport, _) in SCHEMES.items()}


@dataclass(frozen=True)
class Subscription:
    """A topic filter, and whether messages that the broker had stored before are wanted."""

    filter: str
    retained: Literal["use", "ignore"] = "use"


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """What any connection to a broker needs. Raises ConfigError if it can't work."""

    host: str
    port: int = 1883
    transport: Transport = "tcp"
    path: str = ""
    version: Version = "5"
    client_id: str = "ewad"
    qos: Literal[0, 1, 2] = 1
    username: str | None = None
    password: Secret | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    keep_alive_seconds: int = 30
    table: str = "mqtt"  # of the configuration, which errors name

    def __post_init__(self) -> None:
        if self.encrypted:
            return
        for key in TLS_FILES:
            if getattr(self, key) is not None:
                raise ConfigError(f"{self.table}.{key}: used by mqtts:// and wss:// only, got {self.url}")

    @property
    def encrypted(self) -> bool:
        """Whether the transport is TLS."""
        return self.transport in ("tls", "wss")

    @property
    def url(self) -> str:
        """The address without credentials and without the query, which may hold some, for logs."""
        return mask_url(f"{SCHEME_OF[self.transport]}://{self.peer}{self.path}")

    @property
    def peer(self) -> str:
        """host:port, with brackets around an IPv6 host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class ConnectionSettings(BrokerSettings):
    """What a connection that receives needs. Raises ConfigError if it can't work."""

    subscriptions: tuple[Subscription, ...]
    session_expiry_seconds: float = 3600.0
    commit_interval_seconds: float = 0.05

    def __post_init__(self) -> None:
        if not self.subscriptions:
            raise ConfigError("mqtt: nothing to subscribe to: expected at least one topic filter")
        super().__post_init__()


def tls_context(settings: BrokerSettings) -> ssl.SSLContext | None:
    """Return the connection's TLS settings, None without TLS. Raises ConfigError for unfit files."""
    if not settings.encrypted:
        return None
    tls_digests(settings)  # names the file that can't be read, which OpenSSL doesn't
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"{settings.table}.ca_file: {settings.ca_file}: expected PEM certificates: {error}"
        ) from error
    if settings.cert_file is None:
        if settings.key_file is not None:
            raise ConfigError(f"{settings.table}.key_file: needs {settings.table}.cert_file as well")
        return context
    try:
        # An empty password makes an encrypted key an error; without one OpenSSL would ask on the terminal.
        context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except (ssl.SSLError, OSError) as error:
        files = f"{settings.cert_file} and {settings.key_file or 'no key_file'}"
        expected = f"expected a PEM certificate and its unencrypted key: {error}"
        raise ConfigError(f"{settings.table}.cert_file: {files}: {expected}") from error
    return context


def tls_digests(settings: BrokerSettings) -> dict[str, bytes]:
    """Return the SHA-256 of each TLS file, by its key. Raises ConfigError for one that can't be read."""
    files = {key: getattr(settings, key) for key in TLS_FILES}
    return {
        key: sha256(_content(f"{settings.table}.{key}", file)).digest()
        for key, file in files.items()
        if file is not None
    }


def _content(key: str, file: str) -> bytes:
    """Return what the file holds. Raises ConfigError, naming the key, if it can't be read."""
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: {file}: {error.strerror}") from error
