"""A daemon with few file descriptors: a crowd of connections neither takes them all nor fills the log."""

import socket
import sys
from pathlib import Path

import pytest

from tests.system import daemon as daemons
from tests.system.polling import until

pytestmark = pytest.mark.system

STREAM = '[[stream]]\nname = "t"\ntopic = "t"\n'
LIMITED = ("sh", "-c", f'ulimit -n 64; exec "{sys.executable}" -W error -m ewad "$@"', "ewad")


def is_well(daemon: daemons.Daemon) -> bool:
    """Whether it says so; connections of the crowd may still wait to be accepted, and found closed."""
    try:
        return daemon.get("/healthz") == (200, "ok\n")
    except OSError:
        return False


def test_a_crowd_of_connections_takes_half_of_the_descriptors_and_fills_no_log(tmp_path: Path) -> None:
    with daemons.running(tmp_path, "mqtt://127.0.0.1:1", STREAM, ready=False, command=LIMITED) as daemon:
        host, port = daemon.address.split(":")
        open_descriptors = Path(f"/proc/{daemon.process.pid}/fd")
        for _ in range(3):
            crowd = [socket.create_connection((host, int(port))) for _ in range(100)]
            until(lambda: "http connections refused" in daemon.stderr, lambda: daemon.stderr)
            assert len(list(open_descriptors.iterdir())) < 64
            for connection in crowd:
                connection.close()
        until(lambda: len(list(open_descriptors.iterdir())) < 32)
        until(lambda: is_well(daemon), lambda: daemon.stderr)
        assert len(daemon.stderr.splitlines()) < 40
