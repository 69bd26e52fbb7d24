"""Whether the daemon in this container answers, by http or by https: exit status 0 if so."""

import os
import ssl
import sys
import urllib.request

TIMEOUT_SECONDS = 1.0


def answers(port: str) -> bool:
    """Return whether /healthz does. Its certificate is for other names than this one: it is not checked."""
    context = ssl._create_unverified_context()  # noqa: S323  (what answers on our own loopback)
    for scheme in ("http", "https"):
        try:
            with urllib.request.urlopen(  # noqa: S310  (one of these two schemes)
                f"{scheme}://127.0.0.1:{port}/healthz", timeout=TIMEOUT_SECONDS, context=context
            ):
                return True
        except OSError:
            continue
    return False


if __name__ == "__main__":
    sys.exit(not answers(os.environ["EWAD_HTTP__LISTEN"].rpartition(":")[2]))
