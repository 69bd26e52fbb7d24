"""kill -9 at random moments and at each named point: 0 lost, 0 doubled. `make chaos` has the long form."""

import os
import socket
from pathlib import Path

import mqtt5
import pytest

from tests import components
from tests.system.brokers import KINDS, MissingError
from tests.system.kills import count, survive
from tests.system.numbered import BURST, NumberedPublisher, same

pytestmark = pytest.mark.system
FEW = 7  # each named point once

WAYS = {
    "MQTT 5 at QoS 1": (15, {}),
    "MQTT 5 at QoS 2": (5, {"qos": 2}),
    "MQTT 3.1.1 at QoS 2": (5, {"qos": 2, "version": "3.1.1"}),
    "websockets at QoS 2": (5, {"qos": 2, "scheme": "ws"}),
}


def test_a_few_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    print(survive(tmp_path, kills=FEW, seed=4))


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_kills_lose_and_double_nothing(tmp_path: Path, way: str) -> None:
    few, options = WAYS[way]
    print(survive(tmp_path, kills=int(os.environ.get("KILLS", few)), seed=5, **options))


OWN = "own, lowest free identifier, window 20"
# aedes sends new messages before those in flight: docs/explanation/brokers.md tells what comes of that
# rumqttd gives other identifiers to what it sends again, see the test below: docs/explanation/brokers.md
MAY_DOUBLE = ("rumqttd",)
# mosquitto as it comes is killed above; aedes loses
OTHERS = [name for name in KINDS if name != OWN and name.partition(",")[0] not in ("mosquitto", "aedes")]
OTHERS.append("mosquitto, window 65535")


def test_kills_with_a_broker_that_gives_the_lowest_free_identifier(tmp_path: Path) -> None:
    kill_with(OWN, tmp_path, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_kills_with_other_brokers_lose_nothing_and_double_nothing_but_where_told(
    name: str, tmp_path: Path
) -> None:
    kill_with(name, tmp_path, 5)


def test_rumqttd_sends_again_in_order_but_under_other_identifiers_and_without_dup(tmp_path: Path) -> None:
    """What docs/explanation/brokers.md says of it. If this fails, a later rumqttd may not double any more."""
    try:
        with KINDS["rumqttd"].run(tmp_path) as place:
            taken(place.port, 0, answered=0)  # a session, before anything is published
            with NumberedPublisher(place.publish_port, message=same) as publisher:
                first = taken(place.port, 3 * BURST, answered=2 * BURST)
            assert publisher.sent >= 3 * BURST
            again = taken(place.port, BURST, answered=0)
    except MissingError as reason:
        components.missing(f"rumqttd is not installed: {reason}")
    unanswered = first[2 * BURST :]
    assert [each.topic for each in again] == [each.topic for each in unanswered]
    assert [each.packet_id for each in unanswered] == [*range(2 * BURST + 1, 3 * BURST + 1)]
    assert [each.packet_id for each in again] == [*range(1, BURST + 1)]
    assert not any(each.duplicate for each in again)


def taken(port: int, messages: int, *, answered: int) -> list[mqtt5.PublishPacket]:
    """Return so many messages of a kept session; acknowledge the first of them, and cut the connection."""
    found: list[mqtt5.PublishPacket] = []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(
            mqtt5.ConnectPacket(
                "looks", clean_start=False, session_expiry_interval=3600, keep_alive=60
            ).write()
        )
        connection.sendall(mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("same/#")]).write())
        data, subscribed = b"", False
        while len(found) < messages or not subscribed:
            try:
                packet, size = mqtt5.read(memoryview(data))
            except IndexError:
                more = connection.recv(1 << 16)
                assert more, "the broker closed the connection"
                data += more
                continue
            data = data[size:]
            subscribed |= isinstance(packet, mqtt5.SubAckPacket)
            if isinstance(packet, mqtt5.PublishPacket) and len(found) < messages:
                found.append(packet)
                if len(found) <= answered:
                    connection.sendall(mqtt5.PubAckPacket(packet.packet_id).write())
    return found


def kill_with(name: str, directory: Path, kills: int) -> None:
    """Kill the daemon so many times with this broker: all messages are alike but for their topics."""
    try:
        row = count(directory, KINDS[name], kills, seed=6)
    except MissingError as reason:
        components.missing(f"{name} is not installed: {reason}")
    print(row)
    assert (row.lost, 0 if name in MAY_DOUBLE else row.doubled) == (0, 0), row
