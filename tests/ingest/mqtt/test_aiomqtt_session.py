"""The aiomqtt path against peers that misbehave, and Python 3.11's lost cancellations."""

import asyncio
import gc
import logging

import mqtt5
import pytest

from ewad.ingest.mqtt import source as mqtt
from ewad.ingest.mqtt.aiomqtt_client import insisting
from ewad.ingest.mqtt.aiomqtt_session import AiomqttSession
from tests.ingest.mqtt.peer import Peer, aliased, expect_end, publish, session

Reason = mqtt5.DisconnectReasonCode

CONNACK = b"\x20\x02\x00\x00"


async def probed(peer: Peer) -> None:
    """Play the broker whose address is probed."""
    await peer.reader.read()


@pytest.mark.parametrize("answer", [CONNACK, CONNACK * 2, b"\x20\x02\x00\x05"])
async def test_a_broker_that_hangs_up_is_told_by_the_source_and_by_nobody_else(
    answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def hangs_up(peer: Peer) -> None:
        await peer.reader.read(1000)
        await peer.send(answer)

    async with session(*[probed, hangs_up] * 2, version="3.1.1") as run:
        await run.done()
    gc.collect()
    await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
    assert any(record.levelno == logging.WARNING for record in caplog.records)


@pytest.mark.parametrize(
    ("alias", "topic", "reason"),
    [
        (0, b"t", "protocol error"),  # paho's own words; it hangs up without a DISCONNECT
        (1, b"t", "protocol violation by the broker: topic alias 1, where none is allowed"),
        (9, b"", "protocol violation by the broker: topic alias 9, where none is allowed"),
    ],
)
async def test_a_topic_alias_is_logged_and_followed_by_a_new_connection_that_loses_nothing(
    alias: int, topic: bytes, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as over websockets, which the scripted peer doesn't speak
    monkeypatch.setattr(mqtt, "_open_session", AiomqttSession)

    async def misuses(peer: Peer) -> None:
        await peer.accept()
        await peer.send(publish(1), aliased(alias, topic))
        told = [packet for packet in await expect_end(peer) if isinstance(packet, mqtt5.DisconnectPacket)]
        assert [packet.reason_code for packet in told] == [Reason.TOPIC_ALIAS_INVALID] * bool(alias)

    async def behaves(peer: Peer) -> None:
        await peer.accept(session_present=True)
        await peer.send(publish(1, duplicate=True), publish(6, duplicate=True))
        assert [(await peer.receive()).packet_id for _ in range(2)] == [2, 7]

    async with session(probed, misuses, probed, behaves) as run:
        await run.done()
        assert run.consumer.payloads == ["1", "6"]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f'reason="{reason}' in warning


async def test_a_cancellation_that_comes_together_with_the_answer_is_not_lost() -> None:
    answer = asyncio.get_running_loop().create_future()

    async def call() -> int:
        return await asyncio.wait_for(answer, 10)  # Python 3.11: the answer wins, the cancellation is gone

    task = asyncio.create_task(insisting(call()))
    await asyncio.sleep(0.01)
    answer.set_result(1)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
