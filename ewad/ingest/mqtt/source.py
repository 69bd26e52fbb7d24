"""The MQTT source: keeps one session alive for ever and tells its state; the network never makes it fail."""

import asyncio
import logging
import random as random_module
import time
from collections.abc import Callable

from ewad.errors import SourceError
from ewad.ingest.mqtt.consumer import Consumer, Message
from ewad.ingest.mqtt.deliveries import Deliveries
from ewad.ingest.mqtt.session import MqttSession, Subscribed
from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription, tls_digests

__all__ = [
    "ConnectionSettings",
    "Consumer",
    "Message",
    "MqttSource",
    "Subscription",
    "make_source",
]

log = logging.getLogger("ewad.ingest.mqtt")

FIRST_DELAY_SECONDS = 0.5  # a broker that restarts is back within a second or two
LONGEST_DELAY_SECONDS = 60.0
# Only a connection that lasted resets the delay: two daemons that share a client id by mistake take over each
# other's session at every connection, and would do so several times a second if SUBACK were enough.
STEADY_SECONDS = 10.0
# After so many connections in a row that did not last, the reason given says what it may be.
SUSPICIOUS = 3


class Backoff:
    """Delays between attempts: doubling, capped, with full jitter lest many clients come back at once."""

    def __init__(self, random: random_module.Random) -> None:
        self._random = random
        self._longest = FIRST_DELAY_SECONDS

    def next_seconds(self) -> float:
        """Return how long to wait before the next attempt."""
        longest = self._longest
        self._longest = min(2 * longest, LONGEST_DELAY_SECONDS)
        return self._random.uniform(0.0, longest)

    def reset(self) -> None:
        """Begin with short delays again."""
        self._longest = FIRST_DELAY_SECONDS


class MqttSource:
    """Messages of one broker for one consumer.

    `connected`: subscribed and receiving. `reconnects`: connections after the first. `status`: one sentence
    for a person. Raises ConfigError if a file of the settings doesn't serve.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        consumer: Consumer,
        clock: Callable[[], float] = time.time,
        random: random_module.Random | None = None,
        deliveries: Deliveries | None = None,
    ) -> None:
        self.connected = False
        self.reconnects = 0
        self._held_up_before = 0.0  # seconds, of a source before this one
        self.status = f"connecting to {settings.url}"
        self._settings = settings
        self._tls_digests = tls_digests(settings)  # first: a file changed since differs
        self._session = _open_session(settings, consumer, clock, deliveries or Deliveries())
        self._backoff = Backoff(random or random_module.Random())  # noqa: S311 (jitter is no secret)
        self._connections = 0
        self._subscribed_at: float | None = None
        self._last_failure = ""
        self._failures = 0  # since the last connection
        self._short = 0  # connections in a row that did not last
        self._tried = asyncio.Event()

    def fits(self, settings: ConnectionSettings) -> bool:
        """Whether it connects by these settings, and by what their TLS files hold now.

        Raises ConfigError if one of those can't be read.
        """
        return settings == self._settings and tls_digests(settings) == self._tls_digests

    @property
    def bytes_received(self) -> int:
        """Bytes read from the broker so far."""
        return self._session.bytes_received

    @property
    def held_up_seconds(self) -> float:
        """For how long nothing was read because the engine, the disk or a sink did not follow."""
        return self._held_up_before + self._session.held_up.seconds

    def go_on_from(self, former: "MqttSource") -> None:
        """Go on counting where another source of the same daemon ended."""
        self.reconnects = former.reconnects
        self._held_up_before = former.held_up_seconds

    async def run(self) -> None:
        """Hand messages to the consumer until cancelled; then commit, acknowledge and disconnect.

        Raises only what the consumer raises.
        """
        while True:
            self._subscribed_at = None
            try:
                await self._session.receive(self._on_subscribed)
            except SourceError as error:
                self._on_failure(str(error))
            finally:
                self.connected = False
            await asyncio.sleep(self._backoff.next_seconds())

    async def first_attempt(self) -> None:
        """Wait until `run` has connected or failed to, for the first time; `connected` and `status` tell."""
        await self._tried.wait()

    def _on_subscribed(self, subscribed: Subscribed) -> None:
        self._subscribed_at = asyncio.get_running_loop().time()
        self.connected = not subscribed.all_refused
        self.reconnects += self._connections > 0
        self._connections += 1
        for refused in subscribed.refused:
            log.warning('subscription refused url=%s reason="%s"', self._settings.url, refused)
        self.status = "; ".join((*(["connected"] if self.connected else []), *subscribed.refused))
        if self.connected:
            session_present = {None: "unknown", False: "false", True: "true"}[subscribed.session_present]
            facts = (self._settings.url, session_present, self._failures)
            log.info("connected url=%s session_present=%s failures=%d", *facts)
        self._failures = 0
        self._tried.set()

    def _on_failure(self, reason: str) -> None:
        """Tell the failure: as a warning when it is a new one, otherwise for those who look closely."""
        now = asyncio.get_running_loop().time()
        if self._subscribed_at is not None:
            if now - self._subscribed_at < STEADY_SECONDS:
                self._short += 1
            else:
                self._backoff.reset()
                self._last_failure = ""
                self._short = 0
        if self._short >= SUSPICIOUS:
            reason += f'; is there another client with client_id "{self._settings.client_id}"?'
        event = "connection failed" if self._subscribed_at is None else "connection lost"
        self._failures += 1
        level = logging.DEBUG if reason == self._last_failure else logging.WARNING
        log.log(level, '%s url=%s reason="%s" failures=%d', event, self._settings.url, reason, self._failures)
        self._last_failure = reason
        self.status = reason
        self._tried.set()


def make_source(
    settings: ConnectionSettings,
    consumer: Consumer,
    deliveries: Deliveries | None = None,
    clock: Callable[[], float] = time.time,
) -> MqttSource:
    """Return the source of these settings, with random numbers of the system. clock: the time of arrival."""
    return MqttSource(settings, consumer, clock, deliveries=deliveries)


def _open_session(
    settings: ConnectionSettings, consumer: Consumer, clock: Callable[[], float], deliveries: Deliveries
) -> MqttSession:
    """Return the fast session for MQTT 5 over TCP or TLS, aiomqtt's for all else; import only that one."""
    if settings.version == "5" and settings.transport in ("tcp", "tls"):
        from ewad.ingest.mqtt.mqtt5_session import Mqtt5Session

        return Mqtt5Session(settings, consumer, clock, deliveries)
    from ewad.ingest.mqtt.aiomqtt_session import AiomqttSession

    return AiomqttSession(settings, consumer, clock, deliveries)
