"""`python -m ewad`, and the command `ewad`."""

import sys


def main() -> None:
    """Run the command line; the daemon's signals are taken before anything else is imported."""
    from ewad.daemon.signals import SIGNALS

    daemon = sys.argv[1:2] in (["run"], ["gateway"])
    if daemon:
        SIGNALS.hold()
    from ewad.cli import main as run

    try:
        run()
    finally:
        if daemon:
            SIGNALS.ignore()


if __name__ == "__main__":
    main()
