"""From the configuration to the settings of one connection: broker, credentials, subscriptions."""

from __future__ import annotations

from ewad.config import Settings
from ewad.ingest.mqtt_settings import MqttSettings, Subscription
from ewad.ingest.topics import TopicTemplate


def connection_settings(settings: Settings) -> MqttSettings:
    """Return what a source needs of the configuration. Raises ConfigError where it can't work.

    A filter that several blocks share is subscribed to once; stored messages are wanted if any block wants
    them.
    """
    wanted: dict[str, bool] = {}
    for block in settings.streams:
        for topic in block.topics:
            topic_filter = TopicTemplate.parse(topic).filter
            wanted[topic_filter] = wanted.get(topic_filter, False) or block.retained == "use"
    mqtt = settings.mqtt
    return MqttSettings(
        host=mqtt.address.host,
        port=mqtt.address.port,
        transport=mqtt.address.transport,
        path=mqtt.address.path,
        version=mqtt.version,
        client_id=mqtt.client_id,
        qos=mqtt.qos,
        session_expiry_seconds=mqtt.session_expiry_seconds,
        username=mqtt.username,
        password=None if mqtt.password is None else mqtt.password.reveal(),
        ca_file=mqtt.ca_file,
        cert_file=mqtt.cert_file,
        key_file=mqtt.key_file,
        subscriptions=tuple(
            Subscription(topic_filter, "use" if use else "ignore") for topic_filter, use in wanted.items()
        ),
    )
