"""Hosts on a network of their own: network namespaces on a bridge, each link can be taken down. Root only."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.packaging.roots import need


class Hosts:
    """`count` hosts, 10.98.N.11 and on, and this machine at `gateway`; use as a context."""

    def __init__(self, count: int) -> None:
        need("ip", "iproute2")
        number = os.getpid() % 200 + 20
        self._bridge = f"ihb{number}"
        self.gateway = f"10.98.{number}.1"
        self.addresses = [f"10.98.{number}.{11 + host}" for host in range(count)]
        self._names = [f"ih{number}-{host}" for host in range(count)]

    def command(self, host: int, *words: str) -> list[str]:
        """Give a command as it is run on a host; its process is the command itself."""
        return ["ip", "netns", "exec", self._names[host], *words]

    def link(self, host: int, state: str) -> None:
        """Put a host's link `up` or `down`: nothing gets through, and nobody is told."""
        _ip("link", "set", f"{self._names[host]}-v", state)

    def __enter__(self) -> Self:
        self._remove()
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self.gateway}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for name, address in zip(self._names, self.addresses, strict=True):
            _ip("netns", "add", name)
            inner = ("peer", "name", "eth0", "netns", name)
            _ip("link", "add", f"{name}-v", "type", "veth", *inner)
            _ip("link", "set", f"{name}-v", "master", self._bridge, "up")
            for words in (
                ("link", "set", "lo", "up"),
                ("addr", "add", f"{address}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
            ):
                _ip("-n", name, *words)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        for words in (
            *(("netns", "del", name) for name in self._names),
            ("link", "del", self._bridge),
        ):
            subprocess.run(["ip", *words], check=False, capture_output=True)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def write_certificate(folder: Path, addresses: list[str]) -> tuple[Path, Path]:
    """Write a key with its own certificate, and the certificate alone; both PEM. Give the paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ingest")])
    now = dt.datetime.now(dt.UTC)
    places = [x509.IPAddress(ipaddress.ip_address(text)) for text in addresses]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    own, trusted = folder / "tls.pem", folder / "ca.pem"
    own.write_bytes(private + public)
    trusted.write_bytes(public)
    return own, trusted
