"""An embedded MQTT 5 broker (rumqttd, packaged as iotcore) in a child process, for the demo."""

import asyncio
import os
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ewad.errors import SourceError, needs

if TYPE_CHECKING:
    from iotcore import IotCoreBroker

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.01  # rumqttd has no way to say "ready"; it needs about 0.15 s

# rumqttd's own configuration; only a v5 listener speaks MQTT 5.
BROKER_CONFIG = """\
id = 0

[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 200
max_segment_size = 1048576
max_segment_count = 10

[v5.demo]
name = "demo"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.demo.connections]
connection_timeout_ms = 5000
max_payload_size = 262144
max_inflight_count = 1000
dynamic_filters = true
"""


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[str]:
    """Run an MQTT 5 broker in a child process and yield its address, such as mqtt://127.0.0.1:40001.

    Clients need a keep-alive other than zero. The child ends with the block, and by itself when this process
    is gone. Raises ConfigError if the broker is not installed, SourceError if it does not start.
    """
    needs("iotcore", "demo", "the demo's broker")
    process = await _spawn()
    try:
        yield f"mqtt://{HOST}:{await _listening_port(process)}"
    finally:
        await _stop(process)


async def _spawn() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        # -P: a module in the working directory can't take the place of one that the broker imports
        *(sys.executable, "-P", "-m", "ewad.demonstration.broker"),
        stdin=asyncio.subprocess.PIPE,  # held open by this process only: the child ends when it closes
        stdout=asyncio.subprocess.PIPE,  # one line: the port
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # a terminal's Ctrl-C is for this process: the broker leaves last
    )


async def _listening_port(process: asyncio.subprocess.Process) -> int:
    """Return the port once it accepts connections. Raises SourceError if the process ends or is too slow."""
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    try:
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            line = await process.stdout.readline()
            while line and process.returncode is None:
                if await _accepts(int(line)):
                    return int(line)
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        raise SourceError(f"embedded broker: not listening after {START_TIMEOUT_SECONDS:g} s") from error
    raise SourceError("embedded broker: its process ended while starting")


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()  # nothing to save: all its state is in memory
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()


def serve() -> None:
    """Be the broker on a free port, printed, until killed or until stdin closes: the parent is gone."""
    threading.Thread(target=_exit_when_stdin_closes, name="parent-watch", daemon=True).start()
    port = _free_port()
    broker = _configured_broker(port)
    print(port, flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads further lines
    broker.run_forever()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _configured_broker(port: int) -> "IotCoreBroker":
    from iotcore import IotCoreBroker  # 0.1 s: only the child needs it

    descriptor, path = tempfile.mkstemp(prefix="ewad-broker-", suffix=".toml")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(BROKER_CONFIG.format(host=HOST, port=port))
        return IotCoreBroker(config_path=path)
    finally:
        Path(path).unlink()  # it has been read: no file stays behind, however the process ends


def _exit_when_stdin_closes() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    serve()
