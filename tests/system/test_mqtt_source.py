"""The MQTT source against a real mosquitto."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ewad.config.secret import Secret
from ewad.errors import StateError
from ewad.ingest.mqtt import aiomqtt_session
from ewad.ingest.mqtt.source import ConnectionSettings, MqttSource, Subscription
from tests.ingest.mqtt.peer import STOP_SECONDS, NoJitter, Recorder, stop
from tests.system.certificates import Certificates, make_certificates
from tests.system.mosquitto import Mosquitto, accepts, free_port, running

pytestmark = pytest.mark.system

PATHS: dict[str, dict[str, Any]] = {
    "MQTT 5": {},
    "MQTT 3.1.1": {"version": "3.1.1"},
    "MQTT 5 over websockets": {"transport": "ws"},
    "MQTT 3.1.1 over websockets": {"transport": "ws", "version": "3.1.1"},
}
every_path = pytest.mark.parametrize("path", PATHS)


class Watched(Random):
    """Randomness that notices each back-off, keeps the status of that moment, and makes the delay short."""

    def __init__(self) -> None:
        self.source: MqttSource | None = None
        self.statuses: list[str] = []
        self.failed = asyncio.Event()

    def uniform(self, a: float, b: float) -> float:
        assert self.source is not None
        assert not self.source.connected
        self.statuses.append(self.source.status)
        self.failed.set()
        return 0.02


@asynccontextmanager
async def source(port: int, consumer: Recorder, **keys: Any) -> AsyncIterator[MqttSource]:
    chosen = {"host": "localhost", "subscriptions": (Subscription("t/#"),), **keys}
    watched = Watched()
    settings = ConnectionSettings(port=port, **chosen)
    made = MqttSource(settings, consumer, random=watched)
    watched.source = made
    task = asyncio.create_task(made.run())
    made.task, made.watched = task, watched  # type: ignore[attr-defined]
    try:
        yield made
    finally:
        await stop(task)


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition that has no event of its own."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def until_failed(made: MqttSource) -> str:
    async with asyncio.timeout(60):
        await made.watched.failed.wait()  # type: ignore[attr-defined]
    return made.watched.statuses[0]  # type: ignore[attr-defined]


def port_of(broker: Mosquitto, keys: dict[str, Any]) -> int:
    return broker.websocket_port if keys.get("transport") in ("ws", "wss") else broker.port  # type: ignore[return-value]


@pytest.fixture
def broker(tmp_path: Path) -> Any:
    with running(tmp_path / "broker", websockets=True, options=["max_queued_messages 0"]) as started:
        yield started


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@every_path
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_all_messages_arrive_once_and_in_order(broker: Mosquitto, path: str, qos: int) -> None:
    keys, consumer = PATHS[path], Recorder()
    numbers = [str(i) for i in range(5000 if path == "MQTT 5" else 500)]
    async with source(port_of(broker, keys), consumer, qos=qos, **keys) as made:
        await until(lambda: made.connected)
        assert made.status == "connected"
        await asyncio.to_thread(broker.publish, "t/a", *numbers, qos=qos)
        await consumer.until_received(len(numbers))
    assert consumer.payloads == numbers
    assert {message.topic for message in consumer.messages} == {"t/a"}
    assert made.bytes_received > 0


@every_path
async def test_qos_2_is_asked_for_only_where_a_crash_loses_none_of_it(
    broker: Mosquitto, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    keys, consumer = PATHS[path], Recorder()
    async with source(port_of(broker, keys), consumer, qos=2, **keys) as made:
        await until(lambda: made.connected)
        await asyncio.to_thread(broker.publish, "t/a", "1", qos=2)
        await consumer.until_received(1)
    told = sum("subscribing at qos 1 instead of 2" in line for line in caplog.messages)
    assert [int(message.qos) for message in consumer.messages] == [2 - told]  # type: ignore[attr-defined]
    assert told == (path != "MQTT 5")


@every_path
async def test_a_broker_that_comes_late_and_is_killed_is_only_a_state(broker: Mosquitto, path: str) -> None:
    keys, consumer = PATHS[path], Recorder()
    broker.kill()
    async with source(port_of(broker, keys), consumer, **keys) as made:
        assert await until_failed(made) == f"connection refused (localhost:{port_of(broker, keys)})"
        broker.start()
        await until(lambda: made.connected)
        assert made.reconnects == 0
        await asyncio.to_thread(broker.publish, "t/a", "1")
        await consumer.until_received(1)
        broker.kill()
        await until(lambda: not made.connected)
        broker.start()
        await until(lambda: made.connected)
        assert made.reconnects == 1
        await asyncio.to_thread(broker.publish, "t/a", "2")
        await consumer.until_received(2)
        assert consumer.payloads == ["1", "2"]


@every_path
async def test_a_session_that_the_broker_has_lost_is_noted_before_anything_of_the_new_one(
    broker: Mosquitto, path: str
) -> None:
    keys, consumer = PATHS[path], Recorder()
    async with source(port_of(broker, keys), consumer, **keys) as made:
        await until(lambda: made.connected)
        await asyncio.to_thread(broker.publish, "t/a", "1")
        await consumer.until_received(1)
        broker.restart()
        await until(lambda: made.reconnects == 1)
        await asyncio.to_thread(broker.publish, "t/a", "2")
        await consumer.until_received(2)
    noted = [pending for pending in consumer.pending if pending.pubacks or pending.session_lost]
    assert [pending.session_lost for pending in noted] == [False, True, False]
    assert not noted[1].pubacks


@every_path
async def test_a_wrong_password_is_a_state_without_the_password(
    tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    keys = PATHS[path]
    with running(tmp_path, users={"me": "right"}, websockets=True) as broker:
        port = port_of(broker, keys)
        login = {"username": "me", "password": Secret("s3cret"), **keys}
        async with source(port, Recorder(), **login) as made:
            status = await until_failed(made)
        assert status in (
            f"not authorized (localhost:{port})",
            f"bad user name or password (localhost:{port})",
        )
        assert "s3cret" not in caplog.text
        async with source(port, Recorder(), **{**login, "password": Secret("right")}) as made:
            await until(lambda: made.connected)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_tls_works_with_the_right_authority_only(
    tmp_path: Path, certificates: Certificates, version: str
) -> None:
    tls: dict[str, Any] = {"transport": "tls", "version": version}
    server = {"ca": certificates.ca, "cert": certificates.server_cert, "key": certificates.server_key}
    with running(tmp_path, **server, options=["max_queued_messages 0"]) as broker:
        consumer = Recorder()
        async with source(broker.port, consumer, ca_file=str(certificates.ca), **tls) as made:
            await until(lambda: made.connected)
            publisher = ["--cafile", str(certificates.ca)]
            numbers = [str(i) for i in range(2000)]
            await asyncio.to_thread(broker.publish, "t/a", *numbers, arguments=publisher)
            await consumer.until_received(len(numbers))
            assert consumer.payloads == numbers
        async with source(broker.port, Recorder(), ca_file=str(certificates.other_ca), **tls) as made:
            status = await until_failed(made)
            assert status.startswith("certificate verify failed: ")
            assert status.endswith(f"(localhost:{broker.port})")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_client_certificates_open_the_door(
    tmp_path: Path, certificates: Certificates, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiomqtt_session, "CONNECT_SECONDS", 1.0)  # TLS 1.3 refuses late, and aiomqtt waits
    tls: dict[str, Any] = {"transport": "tls", "version": version, "ca_file": str(certificates.ca)}
    server = {"ca": certificates.ca, "cert": certificates.server_cert, "key": certificates.server_key}
    with running(tmp_path, **server, client_certificates=True) as broker:
        client = {"cert_file": str(certificates.client_cert), "key_file": str(certificates.client_key)}
        async with source(broker.port, Recorder(), **tls, **client) as made:
            await until(lambda: made.connected)
        async with source(broker.port, Recorder(), **tls) as made:
            await until_failed(made)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_encrypted_websockets_work_with_client_certificates(
    tmp_path: Path, certificates: Certificates, version: str
) -> None:
    server = {"ca": certificates.ca, "cert": certificates.server_cert, "key": certificates.server_key}
    client = {"cert_file": str(certificates.client_cert), "key_file": str(certificates.client_key)}
    with running(tmp_path, **server, client_certificates=True, websockets=True) as broker:
        wss: dict[str, Any] = {"transport": "wss", "version": version, "ca_file": str(certificates.ca)}
        consumer, port = Recorder(), port_of(broker, wss)
        async with source(port, consumer, **wss, **client) as made:
            await until(lambda: made.connected)
            arguments = ["--cafile", str(certificates.ca)]
            arguments += ["--cert", client["cert_file"], "--key", client["key_file"]]
            await asyncio.to_thread(broker.publish, "t/a", "1", "2", arguments=arguments)
            await consumer.until_received(2)
        assert consumer.payloads == ["1", "2"]


async def test_plain_text_to_a_tls_listener_and_the_reverse_are_states(
    tmp_path: Path, certificates: Certificates, broker: Mosquitto
) -> None:
    async with source(broker.port, Recorder(), transport="tls", ca_file=str(certificates.ca)) as made:
        assert await until_failed(made)
    server = {"ca": certificates.ca, "cert": certificates.server_cert, "key": certificates.server_key}
    with running(tmp_path / "tls", **server) as encrypted:
        async with source(encrypted.port, Recorder()) as made:
            assert await until_failed(made)


@every_path
async def test_an_unknown_host_is_a_state(path: str) -> None:
    keys = {"host": "no-such-host.invalid", **PATHS[path]}
    async with source(1883, Recorder(), **keys) as made:
        status = await until_failed(made)
    assert status.startswith("host name not found: ")
    assert status.endswith("(no-such-host.invalid:1883)")


@every_path
@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".invalid"])
async def test_a_host_that_dns_cannot_express_is_a_state(path: str, host: str) -> None:
    async with source(1883, Recorder(), **{"host": host, **PATHS[path]}) as made:
        status = await until_failed(made)
    assert status.startswith("not a host name: ")
    assert status.endswith(f"({host}:1883)")


@every_path
async def test_a_stop_loses_nothing_that_was_acknowledged(
    broker: Mosquitto, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiomqtt_session, "PACE_SECONDS", 60)  # so that messages wait when the stop comes
    keys, first, second = PATHS[path], Recorder(), Recorder()
    numbers = [str(i) for i in range(500)]
    async with source(port_of(broker, keys), first, **keys) as made:
        await until(lambda: made.connected)
        await asyncio.to_thread(broker.publish, "t/a", *numbers[:1])
        await first.until(lambda: first.payloads == ["0"])
        await asyncio.to_thread(broker.publish, "t/a", *numbers[1:])
        # Some in the queue, as many as are in flight unacknowledged, the others on their way.
        waiting = getattr(made._session, "_waiting", None)
        await until(lambda: waiting is None or waiting.qsize() > 10)
    monkeypatch.undo()
    async with source(port_of(broker, keys), second, **keys) as made:
        await until(lambda: made.connected)
        await asyncio.to_thread(broker.publish, "t/a", "last")
        await second.until(lambda: "last" in second.payloads)
    assert first.committed == len(first.messages)
    # A few may come twice: those that had arrived, but whose acknowledgements hadn't left.
    assert list(dict.fromkeys([*first.payloads, *second.payloads])) == [*numbers, "last"]


@every_path
async def test_what_the_broker_had_queued_is_committed_though_nothing_follows(
    broker: Mosquitto, path: str
) -> None:
    keys, consumer = PATHS[path], Recorder()
    async with source(port_of(broker, keys), Recorder(), **keys) as made:
        await until(lambda: made.connected)
    await asyncio.to_thread(broker.publish, "t/a", "while away")
    async with source(port_of(broker, keys), consumer, **keys):
        await consumer.until_received(1)


def test_the_process_can_end_while_a_websocket_is_awaited() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            arrived.set()
        await gone.wait()
        writer.close()

    async def main() -> float:
        server = await asyncio.start_server(deaf, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with source(port, Recorder(), host="127.0.0.1", transport="ws"):
            async with asyncio.timeout(60):
                await arrived.wait()
            began = time.monotonic()
        server.close()
        gone.set()
        await asyncio.sleep(0)
        return began

    arrived, gone = asyncio.Event(), asyncio.Event()
    began = asyncio.run(main())  # ends when the executor's threads have ended
    assert time.monotonic() - began < STOP_SECONDS


async def test_a_peer_without_websockets_is_told_in_one_line() -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 404 Not\x1b Found\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with source(port, Recorder(), host="127.0.0.1", transport="ws") as made:
        status = await until_failed(made)
        server.close()
    assert status == f'no websocket there: it answered "HTTP/1.1 404 Not\\x1b Found" (127.0.0.1:{port})'


@every_path
async def test_a_stop_while_the_broker_says_nothing_is_quick(path: str) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        writer.close()

    arrived = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with source(server.sockets[0].getsockname()[1], Recorder(), host="127.0.0.1", **PATHS[path]):
        async with asyncio.timeout(60):
            await arrived.wait()
    server.close()


@every_path
@pytest.mark.parametrize(("session_expiry_seconds", "missed"), [(60, ["while away"]), (0, [])])
async def test_a_clean_stop_leaves_the_session_as_configured(
    broker: Mosquitto, path: str, session_expiry_seconds: int, missed: list[str]
) -> None:
    keys = {"session_expiry_seconds": session_expiry_seconds, **PATHS[path]}
    port, consumer = port_of(broker, PATHS[path]), Recorder()
    async with source(port, Recorder(), **keys) as made:
        await until(lambda: made.connected)
    await asyncio.to_thread(broker.publish, "t/a", "while away")
    async with source(port, consumer, **keys) as made:
        await until(lambda: made.connected)
        await asyncio.to_thread(broker.publish, "t/a", "afterwards")
        await consumer.until_received(len(missed) + 1)
    assert consumer.payloads == [*missed, "afterwards"]


@pytest.mark.parametrize("qos", [1, 2])
async def test_a_message_whose_commit_failed_comes_again(broker: Mosquitto, qos: int) -> None:
    consumer = Recorder()
    consumer.fault = StateError("disk full")
    made = MqttSource(
        ConnectionSettings(host="localhost", port=broker.port, qos=qos, subscriptions=(Subscription("t/#"),)),  # type: ignore[arg-type]
        consumer,
        random=NoJitter(),
    )
    task = asyncio.create_task(made.run())
    await until(lambda: made.connected)
    await asyncio.to_thread(broker.publish, "t/a", "1", "2", "3", qos=2)
    async with asyncio.timeout(60):
        with pytest.raises(StateError, match="disk full"):
            await task
    consumer = Recorder()
    async with source(broker.port, consumer, qos=qos):
        await consumer.until_received(3)
    assert consumer.payloads == ["1", "2", "3"]


@pytest.mark.parametrize(("retained", "expected"), [("use", ["old", "new"]), ("ignore", ["new"])])
async def test_stored_messages_come_when_wanted(
    broker: Mosquitto, retained: Any, expected: list[str]
) -> None:
    broker.publish("t/a", "old", retain=True)
    consumer = Recorder()
    async with source(broker.port, consumer, subscriptions=(Subscription("t/#", retained),)) as made:
        await until(lambda: made.connected)
        await asyncio.to_thread(broker.publish, "t/a", "new", retain=True)
        await consumer.until_received(len(expected))
    assert [(m.payload.decode(), m.retain) for m in consumer.messages] == [(p, p == "old") for p in expected]


async def test_a_second_daemon_with_the_same_client_id_is_told(broker: Mosquitto) -> None:
    async with source(broker.port, Recorder()) as first:
        await until(lambda: first.connected)
        async with source(broker.port, Recorder()):
            # mosquitto 2.0.11 just hangs up; others say "session taken over" (see test_mqtt.py)
            assert (await until_failed(first)).startswith("the broker ")


@pytest.mark.parametrize("path", ["MQTT 5", "MQTT 5 over websockets"])
async def test_filters_of_an_earlier_configuration_bring_nothing_twice_and_nothing_unwanted(
    broker: Mosquitto, path: str
) -> None:
    async def seen(copies: int, topics: str, *filters: str) -> list[str]:
        """Return what counts of the topics' messages; wait for so many copies lest the next one gets some."""
        consumer, chosen = Recorder(), tuple(map(Subscription, filters))
        async with source(port_of(broker, PATHS[path]), consumer, subscriptions=chosen, **PATHS[path]) as it:
            await until(lambda: it.connected)
            for topic in topics:
                await asyncio.to_thread(broker.publish, f"t/{topic}", topic)
            await consumer.until(lambda: sum(len(pending.pubacks) for pending in consumer.pending) == copies)
        return consumer.payloads

    assert await seen(1, "a", "t/a") == ["a"]
    await asyncio.to_thread(broker.publish, "t/a", "while away")
    assert await seen(1 + 2 + 1 + 2, "aba", "t/+") == ["while away", "a", "b", "a"]
    assert await seen(2 + 2 + 1 + 2, "abcb", "t/b") == ["b", "b"]
    await asyncio.to_thread(broker.publish, "t/b", "1", "2")
    assert await seen(2 + 2, "", "t/b") == ["1", "2"]
    assert await seen(2 + 2 + 2, "abc", "t/c") == ["c"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_message_that_several_filters_take_counts_once(
    broker: Mosquitto, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    filters = Subscription("t/+/c"), Subscription("t/b/+"), Subscription("t/+/+/d")
    consumer = Recorder()
    connection = {"subscriptions": filters, "client_id": f"overlap {path}", **PATHS[path]}
    async with source(port_of(broker, PATHS[path]), consumer, **connection) as made:
        await until(lambda: made.connected)
    # queued while away, then live
    await asyncio.to_thread(broker.publish, "t/b/c", "1", "2")
    async with source(port_of(broker, PATHS[path]), consumer, **connection) as made:
        await until(lambda: made.connected)
        for topic in ("t/b/c", "t/x/c", "t/b/x", "t/b/c/d", "t/b/c"):
            await asyncio.to_thread(broker.publish, topic, "3", "4")
        await asyncio.to_thread(broker.publish, "t/b/x", "last")
        await consumer.until(lambda: "last" in consumer.payloads)
    assert len(consumer.payloads) == 2 + 2 * 5 + 1
    # over MQTT 3.1.1 it is mosquitto that sends one copy; other brokers may not
    assert ("topic filters overlap" in caplog.text) == ("MQTT 5" not in path)


async def test_messages_in_flight_when_the_broker_is_killed_come_again_after_its_restart(
    tmp_path: Path,
) -> None:
    options = ["autosave_interval 1", "autosave_on_changes true", "max_queued_messages 0"]
    with running(tmp_path, persistence=True, options=options) as broker:
        consumer = Recorder()
        async with source(broker.port, consumer) as made:
            await until(lambda: made.connected)
            numbers = [str(i) for i in range(200)]
            await asyncio.to_thread(broker.publish, "t/a", *numbers)
            await consumer.until_received(200)
            broker.restart()
            await until(lambda: made.reconnects == 1)
            await asyncio.to_thread(broker.publish, "t/a", "last")
            await consumer.until(lambda: "last" in consumer.payloads)
        assert set(consumer.payloads) == {*numbers, "last"}


async def test_the_helpers_see_the_broker_come_and_go(tmp_path: Path) -> None:
    with running(tmp_path) as broker:
        assert accepts(broker.port)
    assert not accepts(broker.port)
    assert not accepts(free_port())
