"""The source and the MQTT 5 session against a scripted peer: what a real broker wouldn't do."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from types import SimpleNamespace

import mqtt5
import pytest

from ewad.errors import StateError
from ewad.ingest.mqtt import mqtt5_session
from ewad.ingest.mqtt.mqtt5_buffer import READ_BYTES
from ewad.ingest.mqtt.source import (
    LONGEST_DELAY_SECONDS,
    Backoff,
    ConnectionSettings,
    Message,
    MqttSource,
    Subscription,
)
from tests.ingest.mqtt.peer import (
    LIMIT_SECONDS,
    QOS1,
    QOS2,
    NoJitter,
    Peer,
    Recorder,
    aliased,
    expect_end,
    publish,
    session,
    stop,
)

NOT_AUTHORIZED = mqtt5.SubAckReasonCode.NOT_AUTHORIZED
GRANTED_1 = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE


async def healthy(peer: Peer) -> None:
    """Play a broker that sends one message and then waits for the client to leave."""
    await peer.accept()
    await peer.send(mqtt5.PublishPacket("healthy", b"recovered"))
    await expect_end(peer)


async def test_many_packets_of_one_segment_come_in_one_list_with_the_clocks_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(*(publish(i) for i in range(1000)))
        acknowledged = [(await peer.receive()).packet_id for _ in range(1000)]
        assert acknowledged == list(range(1, 1001))

    async with session(script) as run:
        await run.done()
        assert run.consumer.payloads == [str(i) for i in range(1000)]
        assert len(run.consumer.calls) < 10


async def test_a_packet_larger_than_the_buffer_arrives_and_the_buffer_shrinks_back() -> None:
    big = mqtt5.PublishPacket("big", b"x" * (3 * READ_BYTES + 17))

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(big, publish(1), big, publish(2))
        assert [(await peer.receive()).packet_id for _ in range(2)] == [2, 3]
        await peer.send(publish(3))
        assert (await peer.receive()).packet_id == 4

    async with session(script) as run:
        await run.done()
        assert [message.topic for message in run.consumer.messages] == ["big", "t/1", "big", "t/2", "t/3"]
        assert run.consumer.messages[0].payload == big.payload


VIOLATIONS = {
    "garbage": (b"\x00" * 20, "malformed packet", 0x81),
    "invalid QoS": (b"\x36\x05\x00\x01a\x00\x01", "malformed packet: Invalid QoS", 0x81),
    "topic of invalid UTF-8": (b"\x30\x05\x00\x02\xff\xfe\x00", "text that is not UTF-8", 0x81),
    "topic longer than its packet": (b"\x30\x04\x00\x09ab", "malformed packet", 0x81),
    "length of five bytes": (b"\x30\xff\xff\xff\xff\x01", "malformed packet", 0x81),
    "packet of 256 MiB": (b"\x30\xff\xff\xff\x7f\x00", "more than the 16777216 announced", 0x95),
    "topic alias 0": (aliased(0), "malformed packet: Topic alias must be != 0", 0x81),
    "topic alias above the maximum": (aliased(1), "topic alias 1, where none is allowed", 0x94),
    "unknown topic alias": (aliased(9, b""), "topic alias 9, where none is allowed", 0x94),
    "no topic and no alias": (b"\x30\x04\x00\x00\x001", "malformed packet: Topic alias must be set", 0x81),
    "second CONNACK": (mqtt5.ConnAckPacket().write(), "unexpected ConnAckPacket", 0x82),
    "client's packet": (mqtt5.PingReqPacket().write(), "unexpected PingReqPacket", 0x82),
}


# Where text isn't UTF-8 the codec both panics and reports an exception that nobody can catch.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", VIOLATIONS)
async def test_a_violation_is_logged_told_to_the_broker_and_followed_by_a_new_connection(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    data, reason, code = VIOLATIONS[name]

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(publish(1), data)
        puback, disconnect = await expect_end(peer)
        assert isinstance(puback, mqtt5.PubAckPacket)  # what came before the violation isn't lost
        assert isinstance(disconnect, mqtt5.DisconnectPacket)
        assert int(disconnect.reason_code) == code

    async with session(script, healthy) as run:
        await run.consumer.until_received(2)
        assert run.consumer.payloads == ["1", "recovered"]
        assert (run.source.reconnects, run.source.connected) == (1, True)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "protocol violation" in warnings[0]
    assert reason in warnings[0]


async def test_a_message_before_connack_is_a_violation() -> None:
    async def script(peer: Peer) -> None:
        await peer.receive()
        await peer.send(publish(1))

    async with session(script, healthy) as run:
        await run.consumer.until_received(1)
        assert run.consumer.payloads == ["recovered"]


async def test_the_brokers_disconnect_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        reason = mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
        await peer.send(mqtt5.DisconnectPacket(reason_code=reason, reason_str="other client"))

    async with session(script, healthy) as run:
        await run.consumer.until_received(1)
    assert 'reason="the broker disconnected: session taken over: "other client""' in caplog.text


async def test_a_brokers_words_stay_within_one_line_of_bounded_length(
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = "x\n2026-01-01T00:00:00Z INFO forged\r\x1b[31m\u2028" + "y" * 1000
    statuses: list[str] = []

    async def refuses(peer: Peer) -> None:
        await peer.receive()
        code = mqtt5.ConnAckReasonCode.NOT_AUTHORIZED
        await peer.send(mqtt5.ConnAckPacket(reason_code=code, reason_str=words))

    async def grants_nothing(peer: Peer) -> None:
        await peer.receive()
        await peer.send(mqtt5.ConnAckPacket())
        packet_id = (await peer.receive()).packet_id
        await peer.send(mqtt5.SubAckPacket(packet_id, [NOT_AUTHORIZED], reason_str=words), publish(1))
        await peer.receive()
        statuses.append(run.source.status)
        await peer.send(mqtt5.DisconnectPacket(reason_str=words))

    async with session(refuses, grants_nothing, healthy) as run:
        await run.consumer.until_received(2)
    told = [*statuses, *(record.getMessage() for record in caplog.records)]
    assert sum("forged" in text for text in told) >= 4
    assert all(text.isprintable() and len(text) < 500 for text in told)


CONNACKS = {
    "not authorized": (mqtt5.ConnAckReasonCode.NOT_AUTHORIZED, "not authorized (127"),
    "password": (mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, "bad user name or password (127"),
    "banned": (mqtt5.ConnAckReasonCode.BANNED, "banned (127"),
    "version": (
        mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
        'unsupported protocol version: set mqtt.version = "3.1.1" (127',
    ),
}


@pytest.mark.parametrize("name", CONNACKS)
async def test_a_refused_connection_is_a_state_and_tried_again(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    code, status = CONNACKS[name]

    async def script(peer: Peer) -> None:
        await peer.receive()
        await peer.send(mqtt5.ConnAckPacket(reason_code=code))

    async with session(script, script, healthy) as run:
        await run.consumer.until_received(1)
        assert run.source.reconnects == 0
        assert run.source.status == "connected"
    levels = [record.levelno for record in caplog.records if status in record.getMessage()]
    assert levels[:1] == [logging.WARNING]
    assert logging.WARNING not in levels[1:]  # told once


async def test_the_answer_of_an_mqtt_3_broker_gives_the_hint(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive()
        await peer.send(b"\x20\x02\x00\x01")

    async with session(script, healthy) as run:
        await run.consumer.until_received(1)
    assert 'unsupported protocol version: set mqtt.version = "3.1.1"' in caplog.text


@pytest.mark.parametrize("silent", [True, False])
async def test_a_broker_that_does_not_answer_connect_gives_the_hint(
    silent: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt5_session, "CONNECT_SECONDS", 0.1)

    async def script(peer: Peer) -> None:
        await peer.receive()
        if silent:
            await peer.receive()

    async def speaks(peer: Peer) -> None:
        await peer.accept()
        await peer.send(publish(1))
        await peer.receive()

    hint = '; if the broker speaks MQTT 3.1.1 only, set mqtt.version = "3.1.1"'
    async with session(script, speaks, script) as run:
        await run.consumer.until_received(1)
        told = [record.getMessage() for record in caplog.records if hint in record.getMessage()]
        await run.done()
    assert len(told) == 1
    later = [record.getMessage() for record in caplog.records if hint in record.getMessage()]
    assert later == told  # it has spoken MQTT 5 meanwhile


async def test_one_refused_filter_is_told_and_the_others_work(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(granted=[GRANTED_1, NOT_AUTHORIZED])
        await peer.send(publish(1))
        await peer.receive()

    async with session(script, subscriptions=(Subscription("a"), Subscription("b"))) as run:
        await run.consumer.until_received(1)
        assert run.source.connected
        assert run.source.status == 'connected; the broker refused the subscription "b": not authorized'
    assert "subscription refused" in caplog.text


async def test_all_filters_refused_is_not_connected_but_stays() -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept(granted=[NOT_AUTHORIZED])
        await peer.send(mqtt5.PublishPacket("a", b"proof that the SUBACK was read"))
        await left.wait()

    async with session(script) as run:
        await run.consumer.until_received(1)
        assert not run.source.connected
        assert run.source.status == 'the broker refused the subscription "#": not authorized'
        left.set()


async def test_a_lower_granted_qos_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(granted=[GRANTED_1])
        await peer.send(publish(1))
        await peer.receive()

    async with session(script, qos=2) as run:
        await run.done()
    assert 'lower qos granted filter="#" qos=1' in caplog.text


async def test_silence_is_a_half_open_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        ping = await peer.receive()
        assert isinstance(ping, mqtt5.PingReqPacket)
        await expect_end(peer)

    async with session(script, healthy, keep_alive_seconds=1) as run:
        await run.consumer.until_received(1)
        assert run.consumer.payloads == ["recovered"]
    assert "half-open" in caplog.text


async def test_the_servers_keep_alive_wins_and_answered_pings_keep_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(server_keep_alive=1)
        for _ in range(3):  # longer than one and a half keep-alives
            assert isinstance(await peer.receive(), mqtt5.PingReqPacket)
            await peer.send(mqtt5.PingRespPacket())
        await peer.send(publish(1))
        assert isinstance(await peer.receive(), mqtt5.PubAckPacket)

    async with session(script) as run:
        await run.done()
        assert run.source.reconnects == 0


async def test_qos_2_completes_and_a_redelivered_id_is_answered_but_not_delivered_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(publish(1, qos=QOS2, packet_id=5))
        assert isinstance(await peer.receive(), mqtt5.PubRecPacket)
        await peer.send(publish(1, qos=QOS2, packet_id=5, duplicate=True))
        assert isinstance(await peer.receive(), mqtt5.PubRecPacket)
        # The id is free again after PUBREL, even for a message of the same segment.
        await peer.send(mqtt5.PubRelPacket(5), publish(2, qos=QOS2, packet_id=5))
        answers = {type(await peer.receive()) for _ in range(2)}
        assert answers == {mqtt5.PubCompPacket, mqtt5.PubRecPacket}

    async with session(script, qos=2) as run:
        await run.done()
        assert run.consumer.payloads == ["1", "2"]


@pytest.mark.parametrize(("session_present", "delivered"), [(True, ["1", "2"]), (False, ["1", "1", "2"])])
async def test_qos_2_ids_live_as_long_as_the_brokers_session(
    session_present: bool, delivered: list[str]
) -> None:
    async def first(peer: Peer) -> None:
        await peer.accept()
        await peer.send(publish(1, qos=QOS2))
        assert isinstance(await peer.receive(), mqtt5.PubRecPacket)

    async def second(peer: Peer) -> None:
        await peer.accept(session_present=session_present)
        await peer.send(publish(1, qos=QOS2, duplicate=True), publish(2, qos=QOS2))
        assert [(await peer.receive()).packet_id for _ in range(2)] == [2, 3]

    async with session(first, second, qos=2) as run:
        await run.done()
        assert run.consumer.payloads == delivered


async def test_a_duplicate_of_qos_1_is_delivered() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(publish(1), publish(1, duplicate=True))
        assert [(await peer.receive()).packet_id for _ in range(2)] == [2, 2]

    async with session(script) as run:
        await run.done()
        assert run.consumer.payloads == ["1", "1"]


async def test_messages_of_a_kept_session_are_acknowledged_though_qos_is_now_0() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept(session_present=True)
        await peer.send(publish(1))
        assert isinstance(await peer.receive(), mqtt5.PubAckPacket)

    async with session(script, qos=0) as run:
        await run.done()


async def test_nothing_is_acknowledged_when_the_commit_fails_and_the_fault_ends_the_source() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(publish(1))
        (disconnect,) = await expect_end(peer)
        assert isinstance(disconnect, mqtt5.DisconnectPacket)
        assert disconnect.reason_code == mqtt5.DisconnectReasonCode.IMPLEMENTATION_SPECIFIC_ERROR

    async with session(script) as run:
        run.consumer.fault = StateError("disk full")
        await run.done()
        with pytest.raises(StateError, match="disk full"):
            await run.task


async def test_an_index_error_of_the_consumer_is_not_taken_for_an_incomplete_packet() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(publish(1))
        await expect_end(peer)

    async with session(script) as run:
        run.consumer.fault = IndexError("a bug")
        await run.done()
        with pytest.raises(IndexError, match="a bug"):
            await run.task


async def test_an_os_error_of_the_consumer_is_not_taken_for_a_network_failure() -> None:
    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(publish(1))
        await expect_end(peer)

    async with session(script) as run:
        run.consumer.fault = OSError("read-only file system")
        with pytest.raises(OSError, match="read-only"):
            await run.task


async def test_a_stop_commits_acknowledges_and_disconnects_in_that_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mqtt5_session, "IDLE_SECONDS", 60)  # so that the stop finds something uncommitted
    last: list[object] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(publish(1))
        last.extend(await expect_end(peer))

    async with session(script, commit_interval_seconds=60) as run:
        await run.consumer.until(lambda: run.consumer.payloads == ["1"])
        assert run.consumer.committed == 0
        await stop(run.task)
        await run.done()
        assert run.consumer.committed == 1
        assert not run.source.connected
    puback, disconnect = last
    assert isinstance(puback, mqtt5.PubAckPacket)
    assert isinstance(disconnect, mqtt5.DisconnectPacket)
    assert int(disconnect.reason_code) == 0


async def test_the_socket_is_not_read_while_the_consumer_works() -> None:
    flood = b"".join(publish(i).write() for i in range(1, 1000)) * 2000  # 24 MB, more than the sockets hold
    blocked, over = threading.Event(), threading.Event()
    seen: list[int] = []

    class Slow(Recorder):
        def consume(self, messages: Sequence[Message], arrival: float) -> None:
            if not blocked.is_set():
                blocked.set()
                over.wait(10)
                seen.append(run.source.bytes_received)
            super().consume(messages, arrival)

    def push(server: socket.socket) -> int:
        """Send until nothing more is taken; return how many bytes were."""
        peer, _ = server.accept()
        with peer:
            peer.settimeout(60)
            peer.recv(65536)
            peer.sendall(mqtt5.ConnAckPacket().write())
            packet_id = mqtt5.read(memoryview(peer.recv(65536)))[0].packet_id
            peer.sendall(mqtt5.SubAckPacket(packet_id, [GRANTED_1]).write() + publish(0).write())
            assert blocked.wait(10)
            peer.setblocking(False)
            sent = 0
            with suppress(BlockingIOError):
                while sent < len(flood):
                    sent += peer.send(flood[sent : sent + 65536])
            over.set()
        return sent

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        port = server.getsockname()[1]
        settings = ConnectionSettings(host="127.0.0.1", port=port, subscriptions=(Subscription("#"),))
        run = SimpleNamespace(source=MqttSource(settings, Slow(), random=NoJitter()))
        task = asyncio.create_task(run.source.run())
        sent = await asyncio.to_thread(push, server)
        await stop(task)
    assert sent < len(flood)  # TCP held the peer back
    assert seen[0] < READ_BYTES


async def test_a_stop_ends_within_two_seconds_though_the_broker_is_deaf() -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(publish(1))
        await left.wait()

    async with session(script) as run:
        await run.consumer.until_received(1)
        await stop(run.task)
        left.set()


async def test_the_commit_waits_for_the_interval_while_data_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt5_session, "IDLE_SECONDS", 60)

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(*(publish(i) for i in range(4095)))
        await run.consumer.until(lambda: len(run.consumer.messages) == 4095)
        assert run.consumer.committed == 0
        await peer.send(publish(4095))  # 4,096 wait: now it is time
        assert (await peer.receive()).packet_id == 1

    async with session(script, commit_interval_seconds=60) as run:
        await run.done()


@pytest.mark.parametrize("session_present", [True, False])
async def test_what_only_filters_of_earlier_configurations_take_is_acknowledged_and_dropped(
    session_present: bool,
) -> None:
    def under(number: int, ids: list[int]) -> mqtt5.PublishPacket:
        return publish(number, subscription_ids=ids)

    async def script(peer: Peer) -> None:
        _, subscribes = await peer.accept(session_present=session_present, granted=[GRANTED_1] * 2)
        a, b = (subscribe.subscription_id for subscribe in subscribes)
        assert len({a, b, 7}) == 3
        await peer.send(under(1, [a]), under(2, [7]), under(3, [7, b]), under(4, []), under(5, [7]))
        assert [(await peer.receive()).packet_id for _ in range(5)] == [2, 3, 4, 5, 6]

    async with session(script, subscriptions=(Subscription("a"), Subscription("b"))) as run:
        await run.done()
        # A new session has no earlier filters: nothing is looked at.
        assert run.consumer.payloads == (["1", "3", "4"] if session_present else ["1", "2", "3", "4", "5"])


async def test_what_a_kept_session_had_queued_before_the_subscription_is_taken() -> None:
    async def script(peer: Peer) -> None:
        await peer.receive()
        await peer.send(mqtt5.ConnAckPacket(session_present=True), publish(1, subscription_ids=[7]))
        subscribe = await peer.receive()
        suback = mqtt5.SubAckPacket(subscribe.packet_id, [GRANTED_1])
        await peer.send(publish(2, subscription_ids=[7]), suback, publish(3, subscription_ids=[7]))
        acknowledged = []
        while len(acknowledged) < 3:
            acknowledged.append((await peer.receive()).packet_id)
        assert acknowledged == [2, 3, 4]

    async with session(script) as run:
        await run.done()
        assert run.consumer.payloads == ["1", "2"]


async def test_no_subscription_identifier_where_the_broker_has_none() -> None:
    async def script(peer: Peer) -> None:
        _, (subscribe,) = await peer.accept(session_present=True, subscription_id_available=False)
        assert subscribe.subscription_id is None
        await peer.send(publish(1))
        assert (await peer.receive()).packet_id == 2

    async with session(script) as run:
        await run.done()
        assert run.consumer.payloads == ["1"]


async def test_retained_and_qos_choose_the_subscriptions_options() -> None:
    seen: list[mqtt5.TopicFilter] = []

    async def script(peer: Peer) -> None:
        _, subscribes = await peer.accept(granted=[GRANTED_1] * 2)
        for subscribe in subscribes:
            seen.extend(subscribe.topic_filters)

    async with session(script, subscriptions=(Subscription("a"), Subscription("b", "ignore"))) as run:
        await run.done()
    handling = mqtt5.RetainHandling
    assert [f.pattern for f in seen] == ["a", "b"]
    assert [f.retain_handling for f in seen] == [
        handling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
        handling.SEND_NEVER,
    ]
    assert [(f.max_qos, f.retain_as_published) for f in seen] == [(QOS1, False)] * 2


def test_delays_double_up_to_the_cap_and_begin_again_after_a_reset() -> None:
    class Longest(Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    backoff = Backoff(Longest())
    delays = [backoff.next_seconds() for _ in range(10)]
    assert delays[:4] == [0.5, 1.0, 2.0, 4.0]
    assert delays[-1] == LONGEST_DELAY_SECONDS
    backoff.reset()
    assert backoff.next_seconds() == 0.5


async def test_a_connection_that_did_not_last_keeps_the_delay_growing() -> None:
    bounds: list[float] = []

    class Noting(Random):
        def uniform(self, a: float, b: float) -> float:
            bounds.append(b)
            return 0.0

    async def brief(peer: Peer) -> None:
        await peer.accept()

    async with session(brief, brief, brief, healthy) as run:
        run.source._backoff._random = Noting()
        await run.consumer.until_received(1)
    assert bounds[:3] == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("keys", [{"version": "3.1.1"}, {"transport": "ws"}, {}])
async def test_nothing_listening_is_one_clear_sentence(keys: dict[str, str], unused_tcp_port: int) -> None:
    settings = ConnectionSettings(
        host="127.0.0.1", port=unused_tcp_port, subscriptions=(Subscription("#"),), **keys
    )  # type: ignore[arg-type]
    failed = asyncio.Event()

    class Noticing(Random):
        def uniform(self, a: float, b: float) -> float:
            failed.set()
            return b

    source = MqttSource(settings, Recorder(), random=Noticing())
    assert source.status.startswith("connecting to ")
    task = asyncio.create_task(source.run())
    async with asyncio.timeout(60):
        await failed.wait()
    assert source.status == f"connection refused (127.0.0.1:{unused_tcp_port})"
    await stop(task)


async def test_messages_of_qos_0_do_not_wait_for_the_disk_and_those_to_be_acknowledged_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mqtt5_session, "MAX_UNSTORED", 10)
    kept: list[Callable[[], None]] = []  # what is to be called when it is on the disk

    async def script(peer: Peer) -> None:
        await peer.accept()
        for first in (0, 100):
            await peer.send(*(publish(i, qos=mqtt5.QoS.AT_MOST_ONCE) for i in range(first, first + 100)))
            await run.consumer.until_received(first + 100)
        assert run.source.held_up_seconds == 0.0
        await peer.send(*(publish(i) for i in range(200, 220)))
        await run.consumer.until_received(220)
        await peer.send(publish(220))  # after which the source looks at what waits
        await until_held_up(0.0)
        await peer.send(publish(221))
        await until_held_up(run.source.held_up_seconds)
        assert len(run.consumer.messages) == 221
        released = len(kept)
        for done in kept[:released]:
            done()
        assert [(await peer.receive()).packet_id for _ in range(20)] == list(range(201, 221))
        await run.consumer.until_received(222)
        for done in kept[released:]:  # a stop waits for them
            done()

    async def until_held_up(before: float) -> None:
        """Wait until reading has been held up once more."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while run.source.held_up_seconds <= before:  # noqa: ASYNC110 (it adds up a little at a time)
                await asyncio.sleep(0.001)

    async with session(script) as run:
        take = run.consumer.commit
        monkeypatch.setattr(
            run.consumer, "commit", lambda pending, done: take(pending, lambda: kept.append(done))
        )
        await run.done()
