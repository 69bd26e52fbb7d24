"""The settings, typed and frozen. Their defaults are those of a configuration that leaves the key out.

Each table of the configuration has a module, where its record declares its options.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from ewad.config.history import FilesSettings
from ewad.config.http import HttpSettings
from ewad.config.metrics import MetricsSettings
from ewad.config.mqtt import MqttSettings
from ewad.config.secret import Secret, Secrets
from ewad.config.service import LimitSettings, LogSettings, ReloadSettings, StateSettings
from ewad.config.shard import ShardSettings
from ewad.config.stream import StreamSettings
from ewad.engine import EngineSettings, GroupSettings, ModelSettings

__all__ = [
    "HttpSettings",
    "LimitSettings",
    "LogSettings",
    "MetricsSettings",
    "MqttSettings",
    "ReloadSettings",
    "Secret",
    "Secrets",
    "Settings",
    "ShardSettings",
    "StateSettings",
    "StreamSettings",
]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an operator can set. streams[i] is group i of the engine; state None: none is kept.

    sinks: those that are on, by name, each with what is set of it. That of jsonl is a path,
    or "-" for standard output.
    deprecated: where the configuration has keys that will go, each with what to write instead.
    Secrets stand apart: the other records can be shown, pickled and sent.
    """

    streams: tuple[StreamSettings, ...]
    models: dict[str, ModelSettings] = {}
    mqtt: MqttSettings = MqttSettings()
    http: HttpSettings = HttpSettings()
    metrics: MetricsSettings = MetricsSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()
    state: StateSettings | None = None
    reload: ReloadSettings = ReloadSettings()
    files: FilesSettings | None = None
    shard: ShardSettings | None = None
    sinks: dict[str, Any] = {}
    deprecated: tuple[str, ...] = ()
    secrets: Secrets = Secrets()

    @property
    def client_id(self) -> str:
        """The name of the broker's session; each shard has its own."""
        index = None if self.shard is None else self.shard.index
        return self.mqtt.client_id if index is None else f"{self.mqtt.client_id}-{index}"

    def with_sink(self, name: str, options: Any) -> Settings:
        """Return the same with this sink on, set like this."""
        return msgspec.structs.replace(self, sinks=self.sinks | {name: options})

    def engine_settings(self) -> EngineSettings:
        """Return what the engine needs of all this."""
        return EngineSettings(tuple(self.group_settings()), self.limits.max_streams)

    def group_settings(self) -> list[GroupSettings]:
        """Return what the engine needs of each block, in order."""
        return [
            GroupSettings(
                name=block.name,
                topics=block.topics,
                decays=block.averaged,
                stale_after_seconds=block.stale_after_seconds,
                forget_after_seconds=block.forget_after_seconds or math.inf,
                out_of_order=block.out_of_order,
                times_are_arrivals=not block.timed,
                anomaly=block.anomaly,
                stuck_after_seconds=block.stuck_after_seconds or math.inf,
                thresholds=block.thresholds,
                lowest=-math.inf if block.bounds is None else block.bounds[0],
                highest=math.inf if block.bounds is None else block.bounds[1],
                max_streams=block.max_streams,
                period=block.period if block.kind == "circular" else None,
                model=None if block.model is None else self.models[block.model],
            )
            for block in self.streams
        ]
