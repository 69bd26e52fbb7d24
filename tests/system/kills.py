"""A daemon that is killed again and again while numbered samples are published, and what it must end with."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from ewad import config
from ewad.engine import Engine
from ewad.store.recovery import read
from tests.system import mosquitto
from tests.system.brokers import Kind
from tests.system.daemon import EWAD, UNMEASURED, Daemon
from tests.system.numbered import NumberedPublisher, same, topic, undisturbed
from tests.system.polling import until

SETTINGS = """
[[stream]]
name = "plant"
topic = "plant/{sensor}/value"
format = "json"
field = "v"
time_field = "ts"
beta = [0.9, 0.98]
model = "m"
[model.m]
experts = ["persistence", "linear", "rls"]
lags = 8
batch_size = 16
[state]
path = "ewad.db"
commit_interval = "20ms"
snapshot_interval = "1s"
"""
# None: a random moment; after after_commit it tells what was recognised
ROUND = (
    "before_commit", "after_commit", None, "during_snapshot", "before_snapshot_ends", "during_change", None,
)  # fmt: skip
STILL_SECONDS = 8.0  # without anything new: the broker has nothing more
OF_ARRIVAL = "seen"  # another one at each delivery


def survive(
    directory: Path, kills: int, seed: int, *, qos: int = 1, version: str = "5", scheme: str = "mqtt"
) -> str:
    """Kill a daemon so many times, then assert that nothing is lost or doubled; return a word on it.

    qos: of the messages and of the subscription. version, scheme: how the daemon reaches the broker.
    """
    random, options = Random(seed), ["max_queued_messages 0"]
    with mosquitto.running(directory / "mosquitto", options=options, websockets=True) as broker:
        url = f"{scheme}://127.0.0.1:{broker.websocket_port if scheme == 'ws' else broker.port}"
        daemon = Daemon(
            directory,
            url,
            SETTINGS,
            mqtt=[f"qos = {qos}", f'version = "{version}"'],
            client_id="kills",
            command=(*EWAD[:-1], "tests.system.crashing"),
            environ=UNMEASURED,
        )
        daemon.start()
        daemon.until_ready()
        repeated = 0.0
        with NumberedPublisher(broker.port, qos) as publisher:
            for number in range(kills):
                repeated += kill_once(daemon, ROUND[number % len(ROUND)], random)
        daemon.start()
        try:
            daemon.until_total("ewad_samples_total", publisher.sent)
            assert daemon.end() == 0, daemon.stderr
        finally:
            daemon.kill()
        assert "Traceback" not in daemon.stderr
    assert repeated > 0, "no redelivery came to be recognised: nothing was tested"
    assert_equal(directory, publisher.sent)
    return f"{kills} kills, {publisher.sent} samples, {repeated:.0f} redelivered and recognised"


@dataclass(frozen=True)
class Count:
    """What came of kills with one broker. recognised: messages that came again and were recognised."""

    version: str
    messages: int
    kills: int
    recognised: int
    lost: int
    doubled: int


SAME = """
[[stream]]
name = "same"
topic = "same/{sensor}/value"
beta = [0.9]
[state]
path = "ewad.db"
commit_interval = "20ms"
snapshot_interval = "1s"
"""


def count(directory: Path, kind: Kind, kills: int, seed: int) -> Count:
    """Kill a daemon so many times while messages with one and the same payload come, by topics in turn."""
    random, recognised = Random(seed), 0.0
    with kind.run(directory) as place:
        daemon = Daemon(
            directory / "ewad",
            f"mqtt://127.0.0.1:{place.port}",
            SAME,
            mqtt=[f'version = "{kind.mqtt_version}"', *place.mqtt],
            client_id="kills",
            command=(*EWAD[:-1], "tests.system.crashing"),
            environ=UNMEASURED,
        )
        daemon.start()
        daemon.until_ready()
        pace = {"pause_seconds": kind.pause_seconds, "login": place.login}
        with NumberedPublisher(place.publish_port, message=same, **pace) as publisher:
            for number in range(kills):
                recognised += kill_once(daemon, ROUND[number % len(ROUND)], random, most=300)
        daemon.start()
        try:
            _until_still(daemon, publisher.sent)
            recognised += daemon.value("ewad_messages_redelivered_total") or 0
            assert daemon.end() == 0, daemon.stderr
        finally:
            daemon.kill()
    assert "Traceback" not in daemon.stderr
    net = _counted(directory / "ewad")
    net.subtract(Counter(same(number)[0] for number in range(publisher.sent)))
    lost, doubled = sum((-net).values()), sum((+net).values())
    return Count(place.version, publisher.sent, kills, int(recognised), lost, doubled)


def _until_still(daemon: Daemon, messages: int) -> None:
    """Wait until the daemon has so many samples, or nothing has come for a while."""
    seen, since = -1.0, time.monotonic()
    while (
        total := daemon.total("ewad_samples_total")
    ) < messages or time.monotonic() - since < STILL_SECONDS / 4:
        if total != seen:
            seen, since = total, time.monotonic()
        if time.monotonic() - since > STILL_SECONDS:
            return
        time.sleep(0.1)


def _counted(directory: Path) -> Counter[str]:
    """Return how many samples of each stream a stopped daemon's state file holds."""
    settings = config.load(directory / "ewad.toml", {})
    found = read(directory / "ewad.db", "", lambda: Engine(settings.group_settings()))
    assert not found.damage
    group = found.engine.groups[0]
    return Counter(dict(zip(group.streams.names, map(int, group.count), strict=False)))


def kill_once(daemon: Daemon, point: str | None, random: Random, most: int = 1500) -> float:
    """Let the daemon, stopped or not, come to its next end; return what it had recognised at a last look.

    most: messages, after which it is killed at the latest where no point is named.
    """
    daemon.kill()
    if point is not None:
        daemon.environ["CRASH_AT"] = f"{point}:{random.randint(1, 6)}"
    daemon.start()
    if point is None:
        at = random.randint(1, most)
        until(lambda: (daemon.value("ewad_messages_received_total") or 0) >= at, lambda: daemon.stderr)
        repeated = daemon.value("ewad_messages_redelivered_total") or 0
        daemon.kill()
        return repeated
    until(lambda: daemon.process.poll() is not None, lambda: f"{point}\n{daemon.stderr}")
    assert daemon.process.returncode == -9, daemon.stderr
    del daemon.environ["CRASH_AT"]
    return 0.0


def assert_equal(directory: Path, samples: int) -> None:
    """Compare a stopped daemon's state file with what an engine makes of the samples in one go."""
    settings = config.load(directory / "ewad.toml", {})
    found = read(directory / "ewad.db", "", lambda: Engine(settings.group_settings()))
    assert not found.damage
    expected = undisturbed(Engine(settings.group_settings()), samples)
    group = found.engine.groups[0]
    assert group.streams.names == [topic(number) for number in range(len(group.streams))]
    got, wanted = found.engine.snapshot().arrays, expected.snapshot().arrays
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        if not name.endswith(f"/{OF_ARRIVAL}"):
            np.testing.assert_allclose(got[name], array, rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=name)
