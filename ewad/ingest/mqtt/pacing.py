"""How long a connection rests after a read, so that messages gather and yet no broker waits in vain."""

import logging

log = logging.getLogger("ewad.ingest.mqtt")

# A rest after each read gathers messages; without it a fast broker wakes the process per message (EWA + parse
# cost 2.7 us per message instead of 1.3).
QUIET_PACE_SECONDS = (
    0.010  # after small reads: at 10,000 messages/s a quarter of the CPU, invisible to a scrape
)
BUSY_PACE_SECONDS = 0.002  # after reads this large a wake-up's cost is spread enough, and the kernel's
BUSY_READ_BYTES = 64 * 1024  # receive buffer (128 KiB by default) mustn't fill during the rest
# Where much comes: two thirds of the CPU per message of 10 ms at 30,000 messages/s, and invisible still.
LONG_PACE_SECONDS = 0.040
MUCH_BYTES_A_SECOND = 200_000  # some 5,000 messages
GATHERED_BYTES = 48 * 1024  # that a long rest shall bring at most: some 1,200 messages
# Rests in a row that brought much: a broker that waits for acknowledgements pauses more often than that.
STEADY_RESTS = 4
HELD_UP_SECONDS = 1.0  # brokers' queues hold some 1,000 messages
TOLD_AGAIN_SECONDS = 60.0
# Data so soon after an acknowledgement are an answer to it.
PROMPT_SECONDS = 0.010
# Messages in flight: with as many for each rest of 12 ms a broker sends 2,600 messages/s. That a faster one
# pauses for longer than a rest means that it, or its publishers, had no CPU.
SMALL_WINDOW = 32
# Reads in a row without a rest. One rest in so many asks again whether messages gather: with a broker that
# sends one message at a time it costs 12 ms of some 100, with a fast one the reads between cost little.
MOST_UNRESTED = 256


class Pacing:
    """Decides whether to rest after a read. Times are seconds of one monotonic clock.

    Some brokers keep only one message in flight, or a few: while acknowledgements are owed, nothing gathers.
    That shows in a rest that brought nothing, and in data that come promptly after the acknowledgements. The
    next reads then go without a rest, twice as many each time, until a rest brings something or no data come
    promptly.

    Rests are longer while each brings much, unless somebody waits for what the messages give.
    """

    def __init__(self) -> None:
        self._steady = 0  # rests in a row that brought much
        self._read = float("-inf")  # when, the last time
        self._unrested = 0  # reads in a row that go without a rest, at present
        self._left = 0  # of them
        self._rested = False  # the last read was followed by a rest
        self._vain = False  # nothing came during that, though acknowledgements were owed
        self._acknowledged = float("-inf")

    def acknowledged(self, now: float) -> None:
        """Note that acknowledgements were sent."""
        self._acknowledged = now

    def rested_in_vain(self, owed: int) -> None:
        """Note that a rest is over and that nothing came. owed: acknowledgements."""
        self._vain = 0 < owed <= SMALL_WINDOW
        self._steady = 0

    def seconds(self, nbytes: int, owed: int, now: float, patience_seconds: float) -> float:
        """Return how long to rest after a read of nbytes; 0: commit at once and read on.

        owed: acknowledgements, if all that the broker sent has been read; else 0.  patience_seconds: for how
        long messages may gather.
        """
        a_second = nbytes / max(now - self._read, BUSY_PACE_SECONDS)
        self._steady = self._steady + 1 if self._rested and a_second >= MUCH_BYTES_A_SECOND else 0
        self._read = now
        if self._rested or now - self._acknowledged > PROMPT_SECONDS:
            prompt = self._vain and now - self._acknowledged <= PROMPT_SECONDS
            self._unrested = min(max(1, 2 * self._unrested), MOST_UNRESTED) if prompt else 0
            self._left = self._unrested
        self._vain = False
        self._rested = not (self._left and 0 < owed <= SMALL_WINDOW)
        if not self._rested:
            self._left -= 1
            return 0.0
        busy = min(nbytes / BUSY_READ_BYTES, 1.0)
        short = QUIET_PACE_SECONDS + busy * (BUSY_PACE_SECONDS - QUIET_PACE_SECONDS)
        if self._steady < STEADY_RESTS or patience_seconds < LONG_PACE_SECONDS:
            return short
        return max(short, min(LONG_PACE_SECONDS, GATHERED_BYTES / a_second))


class HeldUp:
    """For how long nothing was read because the engine, the disk or a sink did not follow: `seconds`.

    A broker keeps meanwhile what its queue holds, and drops the rest in silence: a warning tells of it, at
    most once a minute. Times are seconds of one monotonic clock.
    """

    def __init__(self, url: str) -> None:
        self.seconds = 0.0
        self._url = url
        self._since: float | None = None  # of the present one
        self._counted = 0.0  # up to when it is in `seconds`
        self._told = float("-inf")

    def note(self, held_up: bool, now: float) -> None:
        """Note whether reading is held up at the moment."""
        if self._since is not None:
            self.seconds += now - self._counted
        elif held_up:
            self._since = now
        self._counted = now
        if not held_up:
            self._since = None
        elif self._since is not None and now - self._since >= HELD_UP_SECONDS:
            self._tell(now)

    def _tell(self, now: float) -> None:
        if now - self._told >= TOLD_AGAIN_SECONDS:
            self._told = now
            log.warning(
                'reading held up url=%s reason="the engine, the disk or a sink does not follow": '
                "the broker may drop messages, and does at QoS 0",
                self._url,
            )
