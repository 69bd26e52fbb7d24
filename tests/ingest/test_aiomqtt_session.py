"""The aiomqtt path against peers that misbehave, and Python 3.11's lost cancellations."""

import asyncio
import gc
import logging

import pytest

from ewad.ingest.aiomqtt_session import _insisting
from tests.ingest.peer import Peer, session

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


async def test_a_cancellation_that_comes_together_with_the_answer_is_not_lost() -> None:
    answer = asyncio.get_running_loop().create_future()

    async def call() -> int:
        return await asyncio.wait_for(answer, 10)  # Python 3.11: the answer wins, the cancellation is gone

    task = asyncio.create_task(_insisting(call()))
    await asyncio.sleep(0.01)
    answer.set_result(1)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
