"""Discovery by Home Assistant: a device for each stream, with an entity for each number that is published.

Source: Home Assistant, "MQTT discovery": the device-based form (2024.11 and later), and one message for each
entity, which earlier versions and other programs read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from ewad import __version__
from ewad.engine import GroupSettings

Entity = dict[str, Any]

PREFIX: Final = "ewad_"  # of the names of devices
DIGITS: Final = 2  # behind the point, of quantities that it knows: an average has sixteen otherwise

# unit -> as Home Assistant writes it, and its device class; other units are shown as they are
UNITS: Final[dict[str, tuple[str, str | None]]] = {
    "celsius": ("°C", "temperature"),
    "°C": ("°C", "temperature"),
    "fahrenheit": ("°F", "temperature"),
    "°F": ("°F", "temperature"),
    "kelvin": ("K", "temperature"),
    "percent": ("%", None),
    "watt": ("W", "power"),
    "kilowatt": ("kW", "power"),
    "volt": ("V", "voltage"),
    "ampere": ("A", "current"),
    "hertz": ("Hz", "frequency"),
    "pascal": ("Pa", "pressure"),
    "hectopascal": ("hPa", "pressure"),
    "lux": ("lx", "illuminance"),
    "ppm": ("ppm", "carbon_dioxide"),
}

# A degree of each unit in kelvins, for templates. Home Assistant shows temperatures in its user's unit; if
# it converted a difference like one, 1 °C of it would be 33.8 °F.
KELVINS: Final = {"°C": "1", "°F": "5 / 9", "K": "1"}


@dataclass(frozen=True, slots=True)
class Discovery:
    """What is told to Home Assistant of a stream. expire_seconds: silence after which it is unavailable."""

    prefix: str
    form: Literal["device", "single"]
    daemon: str  # its client id: two daemons may publish the same stream
    availability_topic: str
    temperature_delta: bool = False  # whether it knows differences of temperatures

    @property
    def filters(self) -> tuple[str, str]:
        """Where devices are told, and single entities."""
        return f"{self.prefix}/device/+/config", f"{self.prefix}/+/+/+/config"

    @property
    def birth_topic(self) -> str:
        """Where Home Assistant says `online` when it starts."""
        return f"{self.prefix}/status"

    def messages(
        self, settings: GroupSettings, stream: str, topic: str, unit: str | None
    ) -> Iterator[tuple[str, Any]]:
        """Yield topics and documents that tell of a stream whose state is published on topic."""
        node = self.node(settings.name, stream)
        common = {
            "state_topic": topic,
            "availability_topic": self.availability_topic,
            "expire_after": max(1, round(settings.stale_after_seconds)),
        }
        entities = {
            key: entity | common | {"unique_id": f"{node}_{key}"}
            for key, entity in _entities(settings, unit, self.temperature_delta)
        }
        origin = {"name": "ewad", "sw_version": __version__}
        device = {"identifiers": [node], "name": stream, "manufacturer": "ewad", "model": settings.name}
        if self.form == "device":
            document = {"device": device, "origin": origin, "components": entities}
            yield f"{self.prefix}/device/{node}/config", document
            return
        for key, entity in entities.items():
            platform = entity.pop("platform")
            yield self._single(platform, node, key), entity | {"device": device, "origin": origin}

    def node(self, group: str, stream: str) -> str:
        """Return the stream's name among devices: the same after each restart, whatever its labels are."""
        name = "\0".join((self.daemon, group, stream)).encode(errors="surrogatepass")
        return f"{PREFIX}{hashlib.sha256(name).hexdigest()[:16]}"

    def _single(self, platform: str, node: str, key: str) -> str:
        return f"{self.prefix}/{platform}/{node}/{key}/config"


def _entities(
    settings: GroupSettings, unit: str | None, temperature_delta: bool
) -> Iterator[tuple[str, Entity]]:
    """Yield a key and what is particular of each entity of a stream."""
    yield "value", _sensor("Value", "value_json.value", unit)
    for beta in settings.beta_labels:
        key = _key(beta)
        yield f"smoothed_{key}", _sensor(f"Smoothed {beta}", f"value_json.smoothed['{beta}']", unit)
        deviation = _sensor(f"Deviation {beta}", f"value_json.stddev['{beta}']", unit)
        yield f"stddev_{key}", _difference(deviation, temperature_delta)
    yield "anomaly", _problem("Anomaly", "value_json.anomalous")
    yield "stuck", _problem("Stuck", "value_json.stuck")
    if settings.model is None:
        return
    for threshold in settings.thresholds:
        key = f"threshold_{_key(threshold.name)}"
        seconds = _sensor(f"Time to {threshold.name}", f"value_json.threshold['{threshold.name}']", None)
        yield key, seconds | {"unit_of_measurement": "s", "device_class": "duration"}
    parts = {"value": "Forecast"} | (
        {} if settings.model.interval is None else {"lower": "Lower", "upper": "Upper"}
    )
    for horizon in settings.model.horizons:
        for part, word in parts.items():
            path = f"value_json.forecast['{horizon}'].{part}"
            key = f"forecast_{horizon}" if part == "value" else f"{part}_{horizon}"
            yield key, _sensor(f"{word} {horizon}", path, unit)


def _problem(name: str, path: str) -> Entity:
    """Return a sensor of something that is wrong or not."""
    return {
        "platform": "binary_sensor",
        "name": name,
        "device_class": "problem",
        "value_template": f"{{{{ 'ON' if {path} else 'OFF' }}}}",
    }


def _sensor(name: str, path: str, unit: str | None) -> Entity:
    """Return a sensor; a null in its place makes it unknown."""
    found: Entity = {
        "platform": "sensor",
        "name": name,
        "value_template": f"{{{{ {path} }}}}",
        "state_class": "measurement",
    }
    if unit is not None:
        written, device_class = UNITS.get(unit, (unit, None))
        found["unit_of_measurement"] = written
        if device_class is not None:
            found["device_class"] = device_class
            found["suggested_display_precision"] = DIGITS
    return found


def _difference(sensor: Entity, temperature_delta: bool) -> Entity:
    """Return a sensor as one of differences of what it shows: of temperatures in kelvins, which stay kelvins.

    temperature_delta: by the class for them, which Home Assistant converts as it does temperatures, without
    their zero.
    """
    if sensor.get("device_class") != "temperature":
        return sensor
    if temperature_delta:
        return sensor | {"device_class": "temperature_delta"}
    path = sensor["value_template"].strip("{} ")
    kelvins = f"{path} * {KELVINS[sensor.pop('unit_of_measurement')]} if {path} is number else none"
    sensor.pop("device_class")
    return sensor | {"unit_of_measurement": "K", "value_template": f"{{{{ {kelvins} }}}}"}


def _key(label: str) -> str:
    """Return a decay's label as part of a topic: 0.9 gives 0_9, half_life=10m half_life_10m."""
    return "".join(letter if letter.isalnum() else "_" for letter in label)
