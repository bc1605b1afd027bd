"""Hosts on a network of their own: network namespaces on a bridge, each link can be taken down."""

from __future__ import annotations

import os
import subprocess
from types import TracebackType
from typing import Self

from tests.root import need_root


class Hosts:
    """`count` hosts, 10.98.N.11 and on, and this machine at `gateway`; use as a context."""

    def __init__(self, count: int) -> None:
        need_root("hosts are network namespaces on a bridge", "ip", "iproute2")
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
