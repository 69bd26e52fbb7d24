"""`ewad` that at SIGUSR1 writes to stderr how many tasks its event loop has."""

import asyncio
import signal
import sys

from ewad.cli import main


def tell(*_: object) -> None:
    """Write the number of tasks. Runs between two steps of the loop's thread."""
    print(f"tasks={len(asyncio.all_tasks())}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, tell)
    main()
