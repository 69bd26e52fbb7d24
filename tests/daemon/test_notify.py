"""The words that systemd hears."""

import asyncio
import os
import socket
import uuid

import pytest

from ewad.daemon.notify import Notifier


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver


def notifier(manager, **environ: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": manager.getsockname(), **environ})


async def words_of(manager, n: int) -> list[str]:
    """Return the next n words that the manager hears."""
    loop = asyncio.get_running_loop()
    return [(await loop.sock_recv(manager, 4096)).decode() for _ in range(n)]


def test_ready_and_its_status_are_one_datagram(manager):
    notifier(manager).ready("listening on 127.0.0.1:9466")
    assert manager.recv(4096) == b"READY=1\nSTATUS=listening on 127.0.0.1:9466"


def test_ready_needs_no_status(manager):
    notifier(manager).ready()
    assert manager.recv(4096) == b"READY=1"


def test_stopping_says_so(manager):
    notifier(manager).stopping("SIGTERM")
    assert manager.recv(4096) == b"STOPPING=1\nSTATUS=SIGTERM"


def test_a_status_can_be_set_and_cleared(manager):
    words = notifier(manager)
    words.status("connected")
    words.status("")
    assert [manager.recv(4096), manager.recv(4096)] == [b"STATUS=connected", b"STATUS="]


def test_a_status_can_not_smuggle_in_another_assignment(manager):
    notifier(manager).status("broken\nMAINPID=1")
    assert manager.recv(4096) == b"STATUS=broken MAINPID=1"


def test_watchdog_says_alive(manager):
    notifier(manager).watchdog()
    assert manager.recv(4096) == b"WATCHDOG=1"


async def test_the_first_status_waits_for_the_first_attempt_and_tells_what_came_of_it(manager):
    tried, said = asyncio.Event(), ["connecting"]
    task = asyncio.create_task(notifier(manager).report(tried.wait, lambda: said[-1]))
    await asyncio.sleep(0)
    with pytest.raises(BlockingIOError):
        manager.recv(4096)
    said.append("connected")
    tried.set()
    assert await words_of(manager, 2) == ["WATCHDOG=1", "STATUS=connected"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_attempt_that_takes_long_holds_up_no_word_for_longer_than_a_pause(manager):
    alive = notifier(manager, WATCHDOG_USEC="20000")
    task = asyncio.create_task(alive.report(asyncio.Event().wait, lambda: "connecting"))
    assert await words_of(manager, 4) == ["WATCHDOG=1", "STATUS=connecting"] * 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_an_at_sign_stands_for_an_abstract_socket():
    name = f"ewad-test-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name)
        receiver.setblocking(False)
        Notifier({"NOTIFY_SOCKET": "@" + name}).ready()
        assert receiver.recv(4096) == b"READY=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_outside_systemd_every_word_is_dropped_without_a_warning(environ, caplog):
    words = Notifier({**environ, "WATCHDOG_USEC": "30000000"})
    words.ready()
    words.watchdog()
    words.status("x")
    words.stopping()
    assert words.watchdog_interval_seconds is None
    assert caplog.text == ""


def test_a_manager_that_is_gone_is_a_warning_not_an_error(tmp_path, caplog):
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert "systemd notification failed message=READY=1" in caplog.text


def test_a_manager_that_does_not_read_can_not_hold_up_the_daemon(manager, caplog):
    words = notifier(manager)
    for _ in range(10_000):  # net.unix.max_dgram_qlen is 10 to 512
        words.watchdog()
        if caplog.text:
            break
    assert "systemd notification failed message=WATCHDOG=1" in caplog.text


def test_the_watchdog_is_fed_at_half_of_its_limit(manager):
    assert notifier(manager, WATCHDOG_USEC="30000000").watchdog_interval_seconds == 15.0


@pytest.mark.parametrize("limit", ["", "0", "-1", "soon"])
def test_an_unusable_limit_means_no_watchdog(manager, limit):
    assert notifier(manager, WATCHDOG_USEC=limit).watchdog_interval_seconds is None


def test_a_watchdog_meant_for_another_process_is_not_fed(manager):
    mine = notifier(manager, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid()))
    other = notifier(manager, WATCHDOG_USEC="30000000", WATCHDOG_PID="1")
    assert mine.watchdog_interval_seconds == 15.0
    assert other.watchdog_interval_seconds is None
