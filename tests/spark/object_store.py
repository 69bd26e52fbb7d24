"""A bucket of an S3-compatible server, mounted as a folder: what is renamed there is copied, then deleted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import components
from tests.system import mosquitto
from tests.system.daemon import environment
from tests.system.polling import until


class Store:
    """folder: where the bucket is mounted.  objects: the folder in which the server keeps them."""

    def __init__(self, directory: Path) -> None:
        self.folder, self.objects = directory / "mounted", directory / "objects" / "bucket"
        self.output = directory / "output"

    @property
    def said(self) -> str:
        """What server and mount have written so far: a line for each copy and each deletion."""
        return self.output.read_text(errors="replace")


@contextmanager
def mounted(directory: Path) -> Iterator[Store]:
    """Serve a new bucket on loopback and mount it."""
    components.module("localbucket", "make scale")
    rclone = components.program("rclone", "Debian's package rclone, with fuse3,")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        components.missing("/dev/fuse can't be used: mounting a bucket needs it")
    store, port = Store(directory), mosquitto.free_port()
    for each in (store.folder, store.objects):
        each.mkdir(parents=True)
    served = store.objects.parent
    server = _started(store, {}, sys.executable, "-m", "localbucket", served, "--port", port)
    try:
        until(lambda: mosquitto.accepts(port), lambda: store.said)
        # folders that are empty are known to the mount alone; a file is uploaded as soon as it is closed
        options = ("--dir-cache-time", "10h", "--cache-dir", directory / "cache", "-v")
        options += ("--vfs-cache-mode", "writes", "--vfs-write-back", "0s")
        mount = _started(store, _remote(port), rclone, "mount", "store:bucket", store.folder, *options)
        try:
            until(store.folder.is_mount, lambda: store.said)
            yield store
        finally:
            subprocess.run(["umount", "--lazy", store.folder], check=False)
            _end(mount)
    finally:
        _end(server)


def _remote(port: int) -> dict[str, str]:
    """Return how rclone comes to the server, as environment. Who comes is not asked there."""
    remote = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": f"http://127.0.0.1:{port}", "REGION": "local"}
    remote |= {"ACCESS_KEY_ID": "anybody", "SECRET_ACCESS_KEY": "not-asked"}
    named = {f"RCLONE_CONFIG_STORE_{name}": value for name, value in remote.items()}
    return named | {"RCLONE_CONFIG": os.devnull, "AWS_CA_BUNDLE": ""}


def _started(store: Store, environ: dict[str, str], *command: object) -> subprocess.Popen[bytes]:
    with store.output.open("ab") as output:
        return subprocess.Popen(
            list(map(str, command)), stdout=output, stderr=output, env=environment(**environ)
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
