"""The embedded broker and the publisher of samples, with real clients on real sockets."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice, pairwise
from pathlib import Path

import mqtt5
import pytest

from ewad.demonstration import broker as demo_broker
from ewad.demonstration.broker import embedded_broker
from ewad.demonstration.publisher import SAMPLE_STREAMS, payloads, publish_samples, readings
from ewad.errors import SourceError

pytestmark = pytest.mark.system


class RawClient:
    """An MQTT 5 client that sends and reads one packet at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.buffer = reader, writer, b""

    async def ask(self, packet):
        self.writer.write(packet.write())
        return await self.read()

    async def read(self):
        async with asyncio.timeout(60):
            while True:
                with suppress(IndexError):  # not enough bytes yet
                    packet, length = mqtt5.read(memoryview(self.buffer))
                    self.buffer = self.buffer[length:]
                    return packet
                received = await self.reader.read(65536)
                assert received, "the broker closed the connection"
                self.buffer += received


@asynccontextmanager
async def connected(url: str, **options) -> AsyncIterator[RawClient]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
    client = RawClient(reader, writer)
    reply = await client.ask(mqtt5.ConnectPacket("test", clean_start=True, keep_alive=30, **options))
    assert reply.reason_code == mqtt5.ConnAckReasonCode.SUCCESS
    yield client
    writer.close()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def children() -> set[int]:
    """The process ids of this process's children."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            if f"PPid:\t{os.getpid()}\n" in path.read_text():
                found.add(int(path.parent.name))
    return found


async def refuses(url: str) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it is ending at this very moment
        return False
    writer.close()
    return False


async def test_a_qos_1_message_makes_the_round_trip_with_explicit_receive_maximum_and_options():
    async with (
        embedded_broker() as url,
        connected(url, receive_max=65535, session_expiry_interval=3600) as client,
    ):
        wanted = mqtt5.TopicFilter(
            "site/+/temperature",
            max_qos=mqtt5.QoS.AT_LEAST_ONCE,
            retain_handling=mqtt5.RetainHandling.SEND_NEVER,
        )
        granted = await client.ask(mqtt5.SubscribePacket(1, [wanted]))
        assert granted.reason_codes == [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]

        sample = mqtt5.PublishPacket(
            "site/hall/temperature", b"21.5", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=7
        )
        received = {type(packet): packet for packet in (await client.ask(sample), await client.read())}
        assert received[mqtt5.PubAckPacket].packet_id == 7
        message = received[mqtt5.PublishPacket]
        assert (message.topic, bytes(message.payload)) == ("site/hall/temperature", b"21.5")

        client.writer.write(mqtt5.PubAckPacket(message.packet_id).write())
        assert isinstance(await client.ask(mqtt5.PingReqPacket()), mqtt5.PingRespPacket)


async def test_the_broker_and_its_port_are_gone_after_the_block():
    before = children()
    async with embedded_broker() as url:
        assert len(children() - before) == 1
        assert not await refuses(url)
    assert children() == before
    assert await refuses(url)


async def test_the_broker_is_gone_after_an_error_and_a_cancellation():
    before = children()
    with pytest.raises(RuntimeError, match="mine"):
        async with embedded_broker():
            raise RuntimeError("mine")
    started = asyncio.Event()

    async def use_broker() -> None:
        async with embedded_broker():
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(use_broker())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == before


async def test_two_brokers_run_side_by_side():
    async with embedded_broker() as one, embedded_broker() as other:
        assert one != other


async def test_the_broker_prints_nothing_and_leaves_no_file(capfd, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with embedded_broker() as url, connected(url):
        assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("child", "seconds", "message"),
    [
        ("raise SystemExit(1)", 60.0, "ended while starting"),  # however long Python takes to start
        ("import time; time.sleep(60)", 0.1, "not listening after"),
    ],
)
async def test_a_broker_that_does_not_start_is_a_source_error(child, seconds, message, monkeypatch):
    async def spawn() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", child), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )

    monkeypatch.setattr(demo_broker, "_spawn", spawn)
    monkeypatch.setattr(demo_broker, "START_TIMEOUT_SECONDS", seconds)
    with pytest.raises(SourceError, match=message):
        async with embedded_broker():
            pass


PARENT = """
import asyncio
import signal
from ewad.demonstration.broker import embedded_broker

async def main():
    async with embedded_broker() as url:
        print(url, flush=True)
        await asyncio.Event().wait()

signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests may have it ignored
asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_the_broker_ends_with_its_parent_however_that_ends(how):
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    async with asyncio.timeout(60):
        url = (await parent.stdout.readline()).decode().strip()
        assert not await refuses(url)
        os.kill(parent.pid, how)
        await parent.wait()
        while not await refuses(url):  # noqa: ASYNC110 - only the port can tell
            await asyncio.sleep(0.01)


def test_payloads_are_the_values_of_the_file_in_celsius_and_start_again_after_the_last():
    office = SAMPLE_STREAMS[0]
    assert list(islice(payloads(office), 2)) == ["21.04", "21.79"]  # 69.88 F, 71.22 F
    assert next(islice(payloads(office), 7267, None)) == "21.04"


def test_the_seam_of_every_series_is_an_ordinary_step():
    for stream in SAMPLE_STREAMS:
        length = 7267 if stream.file.startswith("ambient") else 1461
        values = list(islice(readings(stream), length + 1))
        steps = [abs(after - before) for before, after in pairwise(values)]
        assert steps[-1] <= max(steps[:-1]), stream.topic


async def test_each_round_publishes_the_next_sample_of_every_stream_and_waits_until_the_next_is_due():
    waits: list[float] = []
    rounds = asyncio.Event()

    async def pace(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            rounds.set()
            await asyncio.Event().wait()

    async with embedded_broker() as url, connected(url) as client:
        await client.ask(mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("#", max_qos=mqtt5.QoS.AT_MOST_ONCE)]))
        clock = iter([0.0, 0.02, 0.06, 9.0]).__next__  # at the start, and after each round: late in the third
        publisher = asyncio.create_task(publish_samples(url, samples_per_second=20, pace=pace, clock=clock))
        await rounds.wait()
        expected = [
            (stream.topic, payload)
            for position in range(3)
            for stream in SAMPLE_STREAMS
            for payload in islice(payloads(stream), position, position + 1)
            if payload is not None
        ]
        messages = [await client.read() for _ in expected]
        publisher.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publisher
    assert waits == pytest.approx([0.03, 0.04, 0.0])
    assert sorted((message.topic, bytes(message.payload).decode()) for message in messages) == sorted(
        expected
    )


async def test_a_publisher_without_a_broker_is_a_source_error_that_names_the_address():
    port = demo_broker._free_port()
    with pytest.raises(SourceError, match=f"mqtt://127.0.0.1:{port}"):
        await publish_samples(f"mqtt://127.0.0.1:{port}")


async def test_a_broker_that_goes_away_ends_the_publisher_with_a_source_error():
    first_round = asyncio.Event()

    async def pace(seconds: float) -> None:
        first_round.set()
        await asyncio.sleep(0)

    async with asyncio.timeout(60):
        async with embedded_broker() as url:
            publisher = asyncio.create_task(publish_samples(url, pace=pace))
            await first_round.wait()
        with pytest.raises(SourceError):
            await publisher


def test_a_demo_without_its_broker_says_how_to_get_one():
    program = "import sys; sys.modules['iotcore'] = None; from ewad.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program, "demo"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert (
        done.stderr
        == "ewad: the demo's broker needs iotcore, which is not installed: pip install 'ewad[demo]'\n"
    )
