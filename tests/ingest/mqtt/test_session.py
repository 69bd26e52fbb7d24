import pytest

from ewad.ingest.mqtt.session import failure
from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription

SETTINGS = ConnectionSettings(host="h", subscriptions=(Subscription("#"),))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (ConnectionResetError(), "connection reset by peer"),  # asyncio's own, where TLS ends early
        (ConnectionAbortedError("SSL handshake is taking too long"), "SSL handshake is taking too long"),
        (OSError("Multiple exceptions: [Errno 111] x, [Errno 111] y"), "connection refused"),
        (OSError(), "OSError"),
        (TimeoutError(), "no answer within 10 s"),
        (ValueError(), "ValueError"),
    ],
)
def test_every_failure_has_words_and_the_address(error: Exception, words: str) -> None:
    said = str(failure(error, SETTINGS))
    assert said.startswith(words)
    assert said.endswith(" (h:1883)")
