"""Configuration: TOML and environment in, typed settings out; every error names its place.

syntax: the small notations.  checks, kinds: what a value must be.  options: the table of options, which mqtt,
stream, model, http and service fill and document puts together.  settings: the typed result.  reading,
environment: where values come from.  effective, schema: the settings, and all options, as text again.
"""

from ewad.config.effective import effective
from ewad.config.reading import from_options, load, parse
from ewad.config.settings import (
    HttpSettings,
    LimitSettings,
    LogSettings,
    MqttSettings,
    Secret,
    Secrets,
    Settings,
    ShardSettings,
    StateSettings,
    StreamSettings,
)

__all__ = [
    "HttpSettings",
    "LimitSettings",
    "LogSettings",
    "MqttSettings",
    "Secret",
    "Secrets",
    "Settings",
    "ShardSettings",
    "StateSettings",
    "StreamSettings",
    "effective",
    "from_options",
    "load",
    "parse",
]
