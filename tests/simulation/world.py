"""A daemon, a broker and a network between them, in one process, driven by one seeded schedule.

The daemon is the real core and ledger over a consumer that counts and a disk that can be behind. What a kill
leaves is what the disk has: how often each message has been counted, and what had been taken. After a number
of steps with faults everything works again, until the broker has nothing left; then each message must have
been counted once.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from random import Random

from ewad.errors import SourceError
from ewad.ingest.mqtt.consumer import Message as Received
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.ingest.mqtt.ledger import Ledger
from ewad.ingest.mqtt.mqtt5_core import ConnectionState, Ended, Event, Mqtt5Core
from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription
from ewad.store.records import Head
from tests.simulation.broker import ANEW, NUMBERINGS, Broker, Link, Message

STEPS = 120
MOST_MESSAGES = 5 * STEPS
WINDOWS = (1, 2, 3, 5, 20, 65535)
DRAIN_STEPS = 20_000  # far more than it takes; not reached unless something waits for ever


class Disk:
    """What survives a kill: counts of messages by topic and payload, and what was taken."""

    def __init__(self) -> None:
        self.counted: Counter[tuple[str, bytes]] = Counter()
        self._head = Head.of("", Deliveries())

    def deliveries(self) -> Deliveries:
        """Return what had been taken, as a state file gives it back."""
        return self._head.deliveries()

    def write(self, messages: Sequence[Received], notes: Acknowledgements) -> None:
        """Keep one commit."""
        self.counted.update((message.topic, message.payload) for message in messages)
        deliveries = self.deliveries()
        deliveries.record(notes)
        self._head = Head.of("", deliveries)


class Daemon:
    """One process: a consumer, a ledger, and at most one connection at a time."""

    busy = False
    patience_seconds = math.inf
    bulk = None

    def __init__(self, disk: Disk, settings: ConnectionSettings) -> None:
        self.core: Mqtt5Core | None = None
        self.link: Link | None = None
        self.sent = bytearray()  # on their way to the broker
        self.jobs: deque[tuple[list[Received], Acknowledgements, Callable[[], None]]] = deque()
        self._disk = disk
        self._settings = settings
        self._waiting: list[Received] = []
        self._ledger = Ledger(settings, self, lambda: 0.0, disk.deliveries())

    # ---- as a consumer

    def consume(self, messages: Sequence[Received], arrival: float) -> None:
        """Keep messages for the next commit."""
        self._waiting += messages

    def commit(self, notes: Acknowledgements, done: Callable[[], None]) -> None:
        """Hand the disk what waits."""
        self.jobs.append((self._waiting, notes, done))
        self._waiting = []

    # ---- what happens to it

    def connect(self, link: Link, now: float) -> None:
        """Open a connection."""
        self.link, self.sent = link, bytearray()
        self.core = Mqtt5Core(self._settings, self._ledger, self.sent.extend, self._on_event)
        self.core.open(now)

    def receive(self, data: bytes, now: float) -> None:
        """Read bytes of the broker."""
        if self.core is not None:
            self.core.buffer.free[: len(data)] = data
            self.core.received(len(data), now)

    def lose(self) -> None:
        """Lose the connection."""
        if self.core is not None:
            self.core.end(SourceError("cut"))

    def store(self) -> None:
        """Let the disk do its oldest job."""
        messages, notes, done = self.jobs.popleft()
        self._disk.write(messages, notes)
        done()

    def stop(self) -> None:
        """Finish, as at SIGTERM; what it sent then arrives, as the broker closes the connection."""
        if self.core is None or self.link is None:
            return
        core, link = self.core, self.link
        core.finish()
        while self.jobs:
            self.store()
        core.part()
        link.receive(bytes(self.sent))

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Ended):
            if type(event.error) is not SourceError:
                raise event.error
            self.core = self.link = None


class World:
    """All of it. trace: what happened, in words."""

    def __init__(self, seed: int, numbering: str = "") -> None:
        """numbering: of the broker; one of the conforming ones where none is named."""
        self.random = random = Random(seed)
        self.trace: list[str] = []
        self.disk = Disk()
        self.now = 0.0
        drawn, window = random.choice(NUMBERINGS), random.choice(WINDOWS)
        numbering = numbering or drawn
        marks, self.qos = random.random() < 0.5, random.choice((1, 1, 2))
        # The same payload for ever, on more topics in turn than the window is wide. With ids at random the
        # same id, topic and payload may meet: there messages differ.
        self.alike = numbering not in ("random", ANEW) and random.random() < 0.5
        self.may_double = numbering == ANEW
        self.topics = min(window, MOST_MESSAGES) + 1 + random.randint(0, 2)
        self.settings = ConnectionSettings(
            host="h", subscriptions=(Subscription("t/#"),), qos=self.qos, commit_interval_seconds=0.05
        )
        self.broker = Broker(random, numbering, window, marks=marks)
        self.daemon = Daemon(self.disk, self.settings)
        self.doubled = 0  # messages, at the end
        self.published: list[Message] = []
        self.lost: list[Message] = []  # with the broker's session
        self._say(f"{numbering=} {window=} {marks=} qos={self.qos} alike={self.alike}")
        self.connect()
        self.drain()  # subscribed: from here on the broker keeps messages

    def run(self) -> None:
        """Let things happen and go wrong, then let all come to an end. Raises AssertionError."""
        actions, weights = zip(*self._actions(), strict=True)
        for action in self.random.choices(actions, weights, k=STEPS):
            self._say(action.__name__)
            self.now += self.random.choice((0.001, 0.01, 0.1))
            action()
        self._say("no more faults")
        self.drain()
        self.check()

    def _actions(self) -> list[tuple[Callable[[], None], float]]:
        return [
            (self.publish, 20),
            (self.to_daemon, 25),
            (self.to_broker, 25),
            (self.commit, 12),
            (self.store, 14),
            (self.connect, 8),
            (self.cut, 3),
            (self.kill, 4),
            (self.stop, 1),
            (self.crash, 2),
            (self.lose_session, 0.2),
            (self.keep_alive, 1),
        ]

    # ---- what may happen

    def publish(self) -> None:
        """Publish some messages."""
        for _ in range(self.random.randint(1, 5)):
            number = len(self.published)
            payload = b"1" if self.alike else b"%d" % number
            qos = self.random.randint(1, self.qos)
            message = Message(number, f"t/{number % self.topics}", payload, qos)
            self.published.append(message)
            if not self.broker.publish(message):
                self.lost.append(message)

    def to_daemon(self) -> None:
        """Let some bytes of the broker arrive."""
        link = self.daemon.link
        if link is not None and link.outgoing:
            n = self.random.choice((1, 10, 100, 10_000))
            data = bytes(link.outgoing[:n])
            del link.outgoing[:n]
            self.daemon.receive(data, self.now)
        elif link is not None and not link.open:
            self.daemon.lose()

    def to_broker(self) -> None:
        """Let some bytes of the daemon arrive."""
        daemon = self.daemon
        if daemon.link is not None:
            n = self.random.choice((1, 4, 50, 10_000))
            data = bytes(daemon.sent[:n])
            del daemon.sent[:n]
            daemon.link.receive(data)

    def commit(self) -> None:
        """Commit, as after a pause."""
        if self.daemon.core is not None:
            self.daemon.core.commit(self.now)

    def store(self) -> None:
        """Let the disk do a job."""
        if self.daemon.jobs:
            self.daemon.store()

    def connect(self) -> None:
        """Connect, if there is no connection. The broker may believe that there is an older one."""
        if self.daemon.link is None:
            self.daemon.connect(self.broker.connect(), self.now)

    def cut(self) -> None:
        """Lose the connection and what is on its way."""
        self.daemon.lose()

    def kill(self) -> None:
        """Kill the daemon; another one starts."""
        self.daemon = Daemon(self.disk, self.settings)

    def stop(self) -> None:
        """Stop the daemon; another one starts."""
        self.daemon.stop()
        self.kill()

    def crash(self) -> None:
        """Let the broker crash; it may forget acknowledgements."""
        self.broker.crash(lambda n: self.random.randint(0, n))

    def lose_session(self) -> None:
        """Let the broker lose the session, where messages differ.

        That the session is lost is put on record while it is subscribed anew, so that messages queue there
        even if the disk is slow. A kill in that moment leaves the old record, and the new session's first
        message may be the like of one on it: see "What remains" in docs/explanation/brokers.md.
        """
        if not self.alike:
            self.lost += self.broker.lose_session()

    def keep_alive(self) -> None:
        """Look at the keep-alive, after a while."""
        self.now += 10
        if self.daemon.core is not None:
            self.daemon.core.keep_alive(self.now)

    # ---- the end

    def drain(self) -> None:
        """Let everything work until nothing is left to do."""
        for _ in range(DRAIN_STEPS):
            self.connect()
            self.to_broker()
            self.to_daemon()
            self.commit()
            self.store()
            if self._at_rest():
                return
        raise AssertionError(f"not at rest: {self.broker.in_flight} {list(self.broker.queue)}")

    def _at_rest(self) -> bool:
        daemon = self.daemon
        receiving = daemon.core is not None and daemon.core.state is ConnectionState.RECEIVING
        idle = daemon.link is not None and daemon.link.open and not daemon.link.outgoing
        return receiving and idle and not daemon.sent and not daemon.jobs and self.broker.drained

    def check(self) -> None:
        """Nothing the broker had is lost, or counted twice where it may not be. Raises AssertionError."""
        most = Counter((message.topic, message.payload) for message in self.published)
        least = most - Counter((message.topic, message.payload) for message in self.lost)
        counted = self.disk.counted
        doubled, missing = counted - most, least - counted
        self.doubled = sum(doubled.values())
        assert not doubled or self.may_double, f"counted too often: {dict(doubled)}"
        assert not missing, f"lost: {dict(missing)}"

    def _say(self, text: str) -> None:
        self.trace.append(f"{self.now:.3f} {text}")


def simulate(seed: int) -> None:
    """Run one world. Raises AssertionError with the way to replay it."""
    world = World(seed)
    try:
        world.run()
    except Exception as error:
        raise AssertionError(
            f"seed {seed}: {error}; replay: python -m tests.simulation --seed {seed}"
        ) from error
