"""A client that publishes: the latest payload of each topic, over as many connections as it takes.

paho does the protocol, in a thread of its own; it comes with aiomqtt. Another thread hands it what waits, so
that at most IN_FLIGHT messages are on their way and a slow broker costs no memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ewad.ingest.mqtt.settings import ConnectionSettings, tls_context

log = logging.getLogger("ewad.outputs.mqtt")

IN_FLIGHT: Final = 200  # mosquitto takes 20 at a time; more only wait here instead of in `_waiting`
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 1, 60
CLOSE_SECONDS: Final = 0.8  # for what waits when the daemon ends
KEEP_ALIVE_SECONDS: Final = 30


def _handing_on(take: Callable[[str, bytes, bool], None]) -> Callable[[Any, Any, Any], None]:
    return lambda client, userdata, message: take(message.topic, message.payload, message.retain)


class PublishingClient:
    """Publishes to one broker; `availability` has "online" while it is connected, retained.

    superseded: payloads that a later one of their topic replaced before they were sent.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        availability: str,
        listen: Sequence[tuple[str, Callable[[str, bytes, bool], None]]] = (),
    ) -> None:
        """Take the connection's settings. Raises ConfigError if its TLS files are unfit.

        listen: filters to subscribe to before anything is published, and what takes topics and payloads, and
        whether they were retained.
        """
        self.superseded = 0
        self._settings = settings
        self._availability = availability
        self._listen = listen
        self._waiting: dict[str, tuple[bytes, bool]] = {}  # topic -> payload, retained
        self._lock = threading.Lock()  # of _waiting
        self._wake = threading.Event()
        self._idle = threading.Event()  # nothing waits or is on its way
        self._idle.set()
        self._ending = False
        self._open = False  # connected, and subscribed
        self._sent = self._answered = 0  # by the thread, and by paho's
        self._failed = False
        self._client = self._new_client(settings)
        self._thread = threading.Thread(target=self._run, name="publish", daemon=True)

    def _new_client(self, settings: ConnectionSettings) -> paho.Client:
        transport: Any = "websockets" if settings.transport in ("ws", "wss") else "tcp"
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=settings.client_id, clean_session=True, transport=transport
        )
        client.will_set(self._availability, "offline", qos=1, retain=True)
        password = None if settings.password is None else settings.password.reveal()
        client.username_pw_set(settings.username, password)
        if (context := tls_context(settings)) is not None:
            client.tls_set_context(context)
        if settings.path:
            client.ws_set_options(path=settings.path)
        client.max_inflight_messages_set(IN_FLIGHT)  # of those that we let it have
        client.reconnect_delay_set(FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS)
        client.on_connect = self._connected
        client.on_connect_fail = lambda *_: self._trouble("no connection")
        client.on_disconnect = self._disconnected
        client.on_publish = self._published
        for topic_filter, take in self._listen:
            client.message_callback_add(topic_filter, _handing_on(take))
        return client

    def start(self) -> None:
        """Connect, and publish from now on."""
        self._client.connect_async(self._settings.host, self._settings.port, KEEP_ALIVE_SECONDS)
        self._client.loop_start()
        self._thread.start()

    def publish(self, topic: str, payload: bytes, retain: bool) -> None:
        """Publish this, unless a later payload of the topic comes before it can be sent."""
        with self._lock:
            self.superseded += topic in self._waiting
            self._waiting[topic] = payload, retain
            self._idle.clear()
        self._wake.set()

    def close(self) -> None:
        """Send what waits, within a bound, then say "offline" and disconnect."""
        if self._client.is_connected():
            self._idle.wait(CLOSE_SECONDS)
            self._client.publish(self._availability, "offline", qos=1, retain=True).wait_for_publish(0.2)
        self._ending = True
        self._wake.set()
        self._client.disconnect()
        self._client.loop_stop()

    # ---- the thread

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait()
            self._wake.clear()
            while self._open and self._client.is_connected() and self._sent - self._answered < IN_FLIGHT:
                with self._lock:
                    if not self._waiting:
                        break
                    topic = next(iter(self._waiting))
                    payload, retain = self._waiting.pop(topic)
                self._client.publish(topic, payload, qos=self._settings.qos, retain=retain)
                self._sent += 1
            self._note_idle()

    def _note_idle(self) -> None:
        with self._lock:
            if not self._waiting and self._sent == self._answered:
                self._idle.set()

    # ---- what paho calls, in its thread

    def _connected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._trouble(str(reason))
            return
        self._failed = False
        log.info("publishing url=%s", self._settings.url)
        client.publish(self._availability, "online", qos=1, retain=True)
        self._sent += 1
        for topic_filter, _ in self._listen:
            client.subscribe(topic_filter)
        self._open = True
        self._wake.set()

    def _disconnected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._open = False
        if not self._ending:
            self._trouble(str(reason))

    def _published(self, *_: Any) -> None:
        self._answered += 1
        on_their_way = self._sent - self._answered
        if on_their_way == IN_FLIGHT // 2 or not on_their_way:  # a wake-up costs as much as a message
            self._wake.set()

    def _trouble(self, reason: str) -> None:
        if not self._failed:
            log.warning('publishing failed url=%s reason="%s": trying again', self._settings.url, reason)
        self._failed = True
