"""The settings, typed and frozen. Their defaults are those of a configuration that leaves the key out."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from ewad.config.passwords import PasswordHash
from ewad.config.syntax import BrokerAddress, ListenAddress
from ewad.engine import GroupSettings, ModelSettings
from ewad.numeric.averages import ByCount, Decay


class Secret:
    """A text that no message, log or repr shows; reveal() gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return '"***"'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The broker and how to speak to it. url shows no password; address is where it leads, without user."""

    url: str = "mqtt://localhost:1883"
    address: BrokerAddress = BrokerAddress("tcp", "localhost", 1883, "", None, None)
    version: Literal["5", "3.1.1"] = "5"
    client_id: str = "ewad"
    qos: Literal[0, 1, 2] = 1
    session_expiry_seconds: float = 3600.0
    username: str | None = None
    password: Secret | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One [[stream]] block: which messages, how they are read, how their values are smoothed.

    fields: (path, suffix) of each value in a JSON payload; empty: the payload is the value. A value is
    number * scale + offset.
    """

    name: str
    topics: tuple[str, ...]
    format: Literal["number", "json"] = "number"
    fields: tuple[tuple[str, str], ...] = ()
    time_field: str | None = None
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    decays: tuple[Decay, ...] = (ByCount(0.9), ByCount(0.98))
    stale_after_seconds: float = 900.0
    forget_after_seconds: float | None = None
    retained: Literal["use", "ignore"] = "use"
    out_of_order: Literal["drop", "accept"] = "drop"
    model: str | None = None


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the metrics are served, by which certificate (none: without TLS), to whom (nobody: everyone)."""

    listen: ListenAddress = ListenAddress("127.0.0.1", 9466)
    cert_file: str | None = None
    key_file: str | None = None
    users_file: str | None = None
    users: dict[str, PasswordHash] = {}


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds the daemon's memory."""

    max_streams: int = 100_000
    max_payload_bytes: int = 65_536


class StateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how state is kept; see docs/state.md for what each durability survives."""

    path: str = "ewad.db"
    commit_interval_seconds: float = 0.05
    snapshot_interval_seconds: float = 60.0
    durability: Literal["power", "process", "off"] = "power"
    on_disk_error: Literal["wait", "continue"] = "wait"


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class ReloadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When the configuration is read again besides at SIGHUP: every so often, if at all."""

    poll_seconds: float | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an operator can set. streams[i] is group i of the engine; state None: none is kept."""

    streams: tuple[StreamSettings, ...]
    models: dict[str, ModelSettings] = {}
    mqtt: MqttSettings = MqttSettings()
    http: HttpSettings = HttpSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()
    state: StateSettings | None = None
    reload: ReloadSettings = ReloadSettings()

    def group_settings(self) -> list[GroupSettings]:
        """Return what the engine needs of each block, in order."""
        return [
            GroupSettings(
                name=block.name,
                topics=block.topics,
                decays=block.decays,
                stale_after_seconds=block.stale_after_seconds,
                forget_after_seconds=block.forget_after_seconds or math.inf,
                out_of_order=block.out_of_order,
                times_are_arrivals=block.time_field is None,
                model=None if block.model is None else self.models[block.model],
            )
            for block in self.streams
        ]
