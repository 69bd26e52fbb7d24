"""Configuration: TOML and environment in, typed settings out; every error names its place.

syntax: the small notations.  settings: the typed result.  checks, document: what each key takes.
reading, environment: where values come from.  effective: the settings as text again.
"""

from ewad.config.effective import effective
from ewad.config.reading import from_options, load, parse
from ewad.config.settings import (
    HttpSettings,
    LimitSettings,
    LogSettings,
    MqttSettings,
    Secret,
    Settings,
    StateSettings,
    StreamSettings,
)

__all__ = [
    "HttpSettings",
    "LimitSettings",
    "LogSettings",
    "MqttSettings",
    "Secret",
    "Settings",
    "StateSettings",
    "StreamSettings",
    "effective",
    "from_options",
    "load",
    "parse",
]
