"""A throw-away certificate authority for tests, made with the openssl command."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests import components

AUTHORITY = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # which Python asks for from 3.13 on


@dataclass(frozen=True)
class Certificates:
    """PEM files: an authority, a server for localhost, a client, all signed by it; another authority."""

    ca: Path
    server_cert: Path
    server_key: Path
    client_cert: Path
    client_key: Path
    other_ca: Path


def make_certificates(directory: Path) -> Certificates:
    """Return fresh certificates in the directory. Skips the test without openssl."""
    components.program("openssl", "Debian's package of that name")
    for name in ("ca", "other_ca"):
        made = ("-out", f"{name}.pem", "-subj", f"/CN={name}")
        _openssl(directory, "req", "-x509", *_key(name), *made, *AUTHORITY)
    _signed(directory, "server", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    _signed(directory, "client", "extendedKeyUsage=clientAuth")
    files = ("ca.pem", "server.pem", "server.key", "client.pem", "client.key", "other_ca.pem")
    return Certificates(*(directory / file for file in files))


def _key(name: str) -> list[str]:
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key"]


def _signed(directory: Path, name: str, extension: str) -> None:
    (directory / f"{name}.ext").write_text(f"{extension}\nauthorityKeyIdentifier=keyid\n")
    _openssl(directory, "req", *_key(name), "-out", f"{name}.csr", "-subj", f"/CN={name}")
    _openssl(
        directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.pem",
    )  # fmt: skip


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
