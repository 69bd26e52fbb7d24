"""The publishing client on real brokers, by every way in, and on one that knows an older MQTT only."""

import asyncio
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ewad import config
from ewad.errors import SourceError
from ewad.ingest.mqtt.settings import BrokerSettings
from ewad.outputs.mqtt.client import PublishingThread, publishing
from ewad.outputs.mqtt.publisher import Publisher
from tests.system import mosquitto
from tests.system.certificates import make_certificates
from tests.system.polling import until
from tests.system.test_publishing import Subscriber, subscribed

pytestmark = pytest.mark.system


@contextmanager
def client(settings: BrokerSettings) -> Iterator[PublishingThread]:
    started = PublishingThread(settings, "out/there")
    started.start()
    try:
        yield started
    finally:
        started.close()


def seen(subscriber: Subscriber, topic: str, expected: str) -> None:
    until(lambda: subscriber.seen.get(topic, [None])[-1] == expected, lambda: f"{[*subscriber.seen]}")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("transport", ["tcp", "ws"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_each_version_transport_and_qos_brings_every_message(tmp_path: Path, version, transport, qos) -> None:
    with mosquitto.running(tmp_path / "broker", websockets=True) as broker, subscribed(broker) as subscriber:
        port = broker.websocket_port if transport == "ws" else broker.port
        settings = BrokerSettings(host="127.0.0.1", port=port, transport=transport, version=version, qos=qos)
        with client(settings) as started:
            seen(subscriber, "out/there", "online")
            for n in range(300):
                started.publish(f"out/{n}", b"%d" % n, retain=True)
            seen(subscriber, "out/299", "299")
            assert {f"out/{n}" for n in range(300)} <= subscriber.seen.keys()
        seen(subscriber, "out/there", "offline")


@pytest.mark.parametrize("transport", ["tls", "wss"])
def test_an_encrypted_connection_checks_who_is_there(tmp_path: Path, transport, caplog) -> None:
    (folder := tmp_path / "certificates").mkdir()
    made = make_certificates(folder)
    server = {"ca": made.ca, "cert": made.server_cert, "key": made.server_key}
    with mosquitto.running(tmp_path / "broker", websockets=True, **server) as broker:
        port = broker.websocket_port if transport == "wss" else broker.port
        own = {"host": "localhost", "port": port, "transport": transport}

        async def publish(ca: Path) -> None:
            async with publishing(BrokerSettings(**own, ca_file=str(ca))) as publish:
                await publish("out/a", b"1")

        asyncio.run(publish(made.ca))
        with pytest.raises(SourceError, match="certificate verify failed"):
            asyncio.run(publish(made.other_ca))


def test_a_broker_that_knows_an_older_version_only_is_asked_by_that(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                peer, _ = server.accept()
                with peer:
                    connect = peer.recv(4096)
                    heard.append(connect[8:9])
                    if connect[8] == 5:
                        peer.sendall(b"\x20\2\0\1")  # unacceptable protocol version
                        continue
                    peer.sendall(b"\x20\2\0\0")
                    data = peer.recv(4096)
                    heard.append(data)
                    peer.sendall(b"\x40\2" + data[7:9])
                    peer.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()

        async def publish() -> None:
            settings = BrokerSettings(host="127.0.0.1", port=server.getsockname()[1])
            async with publishing(settings) as publish:
                await publish("a/b", b"1")

        asyncio.run(publish())
        thread.join()
    assert heard == [b"\5", b"\4", b"\x32\x08\0\3a/b\0\1" + b"1"]


async def test_a_lost_connection_is_told_to_who_publishes_in_order(tmp_path: Path) -> None:
    lost = "closed the connection|broken pipe|reset"
    with mosquitto.running(tmp_path / "broker") as broker, pytest.raises(SourceError, match=lost):
        async with publishing(BrokerSettings(host="127.0.0.1", port=broker.port)) as publish:
            await publish("a/b", b"1")
            broker.kill()
            async with asyncio.timeout(60):
                while True:
                    await publish("a/b", b"2")
                    await asyncio.sleep(0)


def test_messages_of_one_topic_that_cannot_be_sent_give_way(tmp_path: Path) -> None:
    broker = mosquitto.Mosquitto(tmp_path / "broker")
    with client(BrokerSettings(host="127.0.0.1", port=broker.port)) as started:
        for n in range(5):
            started.publish("out/a", b"%d" % n, retain=True)
        broker.start()
        try:
            with subscribed(broker) as subscriber:
                seen(subscriber, "out/a", "4")
                assert subscriber.seen["out/a"] == ["4"]
                assert started.client.superseded == 4
        finally:
            broker.kill()


def publisher_of(port: int) -> Publisher:
    document = {
        "mqtt": {"url": f"mqtt://127.0.0.1:{port}"},
        "stream": [{"name": "plant", "topic": "plant/#"}],
        "publish": {"availability_topic": "out/there"},
    }
    return Publisher(config.parse(document, "test", {}))


def test_a_sink_is_woken_by_what_is_put_right_after_its_first_look() -> None:
    sink = publisher_of(mosquitto.free_port())
    looks: list[bool] = []

    class Late(queue.Queue):
        def empty(self) -> bool:
            looks.append(found := super().empty())
            if len(looks) == 2:  # the one before it waits
                self.put(1)
                sink.wake()
            return found

    def wait() -> None:
        assert sink.next(Late()) == 1  # type: ignore[type-var]
        sink.close()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(90.0)
    assert not thread.is_alive()
    assert looks[:2] == [True, True]


def test_a_sink_for_which_something_waits_all_the_time_hears_the_broker_too(tmp_path: Path) -> None:
    with mosquitto.running(tmp_path / "broker") as broker, subscribed(broker) as subscriber:
        sink = publisher_of(broker.port)
        items: queue.SimpleQueue[int] = queue.SimpleQueue()
        items.put(0)

        def online() -> bool:
            items.put(sink.next(items))
            return subscriber.seen.get("out/there") == ["online"]

        until(online, lambda: f"{subscriber.seen}")
        sink.close()
        seen(subscriber, "out/there", "offline")
