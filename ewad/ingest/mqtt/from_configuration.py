"""From the configuration to the settings of one connection: broker, credentials, subscriptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ewad.config import Settings, StateSettings
from ewad.config.syntax import parse_external
from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription
from ewad.ingest.topics import TopicTemplate, TopicTree


def connection_settings(settings: Settings) -> ConnectionSettings:
    """Return what a source needs of the configuration. Raises ConfigError where it can't work.

    What several blocks take is subscribed to once; stored messages are wanted if any of them wants them.
    """
    wanted = [
        (TopicTemplate.parse(topic), block.retained == "use")
        for block in settings.streams
        for topic in block.topics
    ]
    wanted += [
        (TopicTemplate.parse(parse_external(topic).filter), True)
        for block in settings.streams
        for topic in block.external
    ]
    mqtt, secrets = settings.mqtt, settings.secrets
    return ConnectionSettings(
        host=mqtt.address.host,
        port=mqtt.address.port,
        transport=mqtt.address.transport,
        path=mqtt.address.path + (f"?{secrets.mqtt_query.reveal()}" if secrets.mqtt_query else ""),
        version=mqtt.version,
        client_id=settings.client_id,
        qos=mqtt.qos,
        session_expiry_seconds=mqtt.session_expiry_seconds,
        username=mqtt.username,
        password=secrets.mqtt_password,
        ca_file=mqtt.ca_file,
        cert_file=mqtt.cert_file,
        key_file=mqtt.key_file,
        commit_interval_seconds=(settings.state or StateSettings()).commit_interval_seconds,
        subscriptions=tuple(
            Subscription(topic_filter, "use" if use else "ignore")
            for topic_filter, use in _without_covered(wanted).items()
        ),
    )


def _without_covered(wanted: Sequence[tuple[TopicTemplate, bool]]) -> dict[str, bool]:
    """Return the filters that no other one covers; true if stored messages are wanted of any it covers.

    A broker may send a message once for each of the filters that take it: mosquitto does.
    """
    trees: dict[str, TopicTree[str]] = defaultdict(TopicTree)  # by $share group
    for topic_filter, template in {template.filter: template for template, _ in wanted}.items():
        trees[template.share].add(template.levels, topic_filter)
    found = [(one, use, {*trees[one.share].covering(one.levels)}) for one, use in wanted]
    kept = {one.filter: False for one, _, covering in found if covering == {one.filter}}
    for _, use, covering in found:
        for topic_filter in covering & kept.keys():
            kept[topic_filter] |= use
    return kept
