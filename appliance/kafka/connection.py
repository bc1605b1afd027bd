"""One connection to a broker: TCP, TLS, login, and one request in flight.

`open_connection` gives a connection that has agreed on versions and logged in. `begin` sends a request,
`finish` waits for its answer and may be called again after it ran into its timeout: so a request that
the broker holds back (JoinGroup) can be waited for in slices. After any failure the connection is of no
more use.

One thread at a time, except `abort`. A broker that cannot be reached or goes away raises RetriableError;
a refused login or certificate raises ConnectError.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple

import appliance
from appliance.clock import SYSTEM_CLOCK
from appliance.errors import ConnectError, RetriableError
from appliance.kafka import sasl, wire
from appliance.kafka.security import Security

_UNSUPPORTED_VERSION = 35
_LARGEST_ANSWER = 64 << 20


class Address(NamedTuple):
    """Host and port of a listener."""

    host: str
    port: int

    def __str__(self) -> str:
        """Give `host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `host:port`, with or without a scheme. Raises ValueError."""
        host, _, port = text.strip().rpartition("://")[2].rpartition(":")
        if not host:
            raise ValueError(f"{text!r} is not host:port")
        return cls(host.strip("[]"), int(port))


class Connection:
    """An open connection; see `open_connection`."""

    def __init__(self, address: Address, stream: socket.socket, client_id: str) -> None:
        """Speak over `stream`, which is already connected."""
        self.address = address
        self._stream = stream
        # Shutting a socket down acts on the socket, not on the descriptor: a duplicate lets another
        # thread end a wait without touching the TLS state that the waiting thread is using.
        self._handle = socket.socket(fileno=os.dup(stream.fileno()))
        self._client_id = client_id
        self._versions: dict[int, tuple[int, int]] = {}
        self._correlation = 0
        self._pending: tuple[wire.Api, int] | None = None
        self._received = bytearray()

    def begin(self, api: wire.Api, build: Callable[[int], bytes], timeout_s: float) -> None:
        """Send a request whose body `build` gives for the agreed version."""
        version = wire.pick_version(api, self._versions)
        self._send(api, version, build(version), timeout_s)

    def finish(self, timeout_s: float) -> tuple[int, wire.Reader] | None:
        """Wait for the answer; give its version and reader, or None when the time is over."""
        if self._pending is None:
            raise RetriableError(
                f"waiting for Kafka broker {self.address}: no request is in flight"
            )
        frame = self._receive(timeout_s)
        if frame is None:
            return None
        (api, version), self._pending = self._pending, None
        correlation, reader = wire.answer(api, version, frame)
        if correlation != self._correlation:
            raise self._lost(f"it answered request {correlation} instead of {self._correlation}")
        return version, reader

    def call(
        self, api: wire.Api, build: Callable[[int], bytes], timeout_s: float
    ) -> tuple[int, wire.Reader]:
        """Send a request and wait for its answer; running into the timeout raises RetriableError."""
        self.begin(api, build, timeout_s)
        answered = self.finish(timeout_s)
        if answered is None:
            raise self._lost(f"no answer to {api.name} within {timeout_s:.1f} s")
        return answered

    def agree_on_versions(self, timeout_s: float) -> None:
        """Learn the versions that the broker offers."""
        for version in (wire.API_VERSIONS.highest, 0):
            body = wire.api_versions_request(version, "ingest-appliance", appliance.__version__)
            self._send(wire.API_VERSIONS, version, body, timeout_s)
            frame = self._receive(timeout_s)
            if frame is None:
                raise self._lost(f"no answer to ApiVersions within {timeout_s:.1f} s")
            # A broker that does not know our version answers in version 0, whose error comes first too.
            flexible = version >= wire.API_VERSIONS.flexible_from
            if int.from_bytes(frame[4:6], "big") == _UNSUPPORTED_VERSION:
                continue
            self._pending = None
            _, self._versions = wire.read_api_versions(wire.Reader(frame[4:], flexible=flexible))
            return
        raise ConnectError(
            f"speaking to Kafka broker {self.address}: it knows no ApiVersions request"
        )

    def log_in(self, security: Security, timeout_s: float) -> None:
        """Log in by the mechanism of `security`. Raises ConnectError when refused."""
        mechanism = security.mechanism or ""
        _, reader = self.call(
            wire.SASL_HANDSHAKE, lambda _: wire.sasl_handshake_request(mechanism), timeout_s
        )
        error, known = wire.read_sasl_handshake(reader)
        if error != 0:
            raise ConnectError(
                f"logging in to Kafka broker {self.address}: it does not offer {mechanism} but"
                f" {', '.join(known) or 'no mechanism'}; correct sasl.mechanism"
            )
        exchange = sasl.tokens(mechanism, security.username, security.password.value)
        token = next(exchange)
        with contextlib.suppress(StopIteration):
            while True:
                token = exchange.send(self._authenticate(security, token, timeout_s))

    def _authenticate(self, security: Security, token: bytes, timeout_s: float) -> bytes:
        _, reader = self.call(
            wire.SASL_AUTHENTICATE,
            lambda version: wire.sasl_authenticate_request(version, token),
            timeout_s,
        )
        error, text, answer = wire.read_sasl_authenticate(reader)
        if error != 0:
            raise ConnectError(
                f"logging in to Kafka broker {self.address} as {security.username} by"
                f" {security.mechanism}: {text or f'error {error}'}; correct sasl.jaas.config"
            )
        return answer

    def abort(self) -> None:
        """End whatever waits on this connection; any thread."""
        with contextlib.suppress(OSError):
            self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give up the connection."""
        self.abort()
        for end in (self._stream, self._handle):
            with contextlib.suppress(OSError):
                end.close()

    def _send(self, api: wire.Api, version: int, body: bytes, timeout_s: float) -> None:
        self._correlation += 1
        frame = wire.request(api, version, self._correlation, self._client_id, body)
        self._pending = (api, version)
        try:
            self._stream.settimeout(timeout_s)
            self._stream.sendall(frame)
        except (OSError, ValueError) as error:
            raise self._lost(error) from error

    def _receive(self, timeout_s: float) -> bytes | None:
        """Give the next whole answer without its length; None when the time is over."""
        deadline = SYSTEM_CLOCK.monotonic_s() + timeout_s
        while True:
            size = int.from_bytes(self._received[:4], "big") if len(self._received) >= 4 else None
            if size is not None and size > _LARGEST_ANSWER:
                raise self._lost("what it sends is not Kafka's protocol")
            if size is not None and len(self._received) >= size + 4:
                frame = bytes(self._received[4 : size + 4])
                del self._received[: size + 4]
                return frame
            try:
                self._stream.settimeout(max(deadline - SYSTEM_CLOCK.monotonic_s(), 0.001))
                chunk = self._stream.recv(65536)
            except TimeoutError:
                return None
            except (OSError, ValueError) as error:
                raise self._lost(error) from error
            if not chunk:
                raise self._lost("it closed the connection")
            self._received += chunk

    def _lost(self, why: object) -> RetriableError:
        return RetriableError(f"speaking to Kafka broker {self.address}: {why}")


def open_connection(
    address: Address, security: Security, client_id: str, timeout_s: float
) -> Connection:
    """Connect, agree on versions and log in; `timeout_s` bounds each step."""
    try:
        stream = socket.create_connection(address, timeout_s)
    except OSError as error:
        raise RetriableError(
            f"connecting to Kafka broker {address}: {error.strerror or error}; check bootstrap.servers and"
            " that the broker runs"
        ) from error
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _find_dead_peers(stream, timeout_s)
    if security.tls is not None:
        stream = _wrap(stream, security.tls, address)
    connection = Connection(address, stream, client_id)
    try:
        connection.agree_on_versions(timeout_s)
        if security.mechanism is not None:
            connection.log_in(security, timeout_s)
    except BaseException:
        connection.close()
        raise
    return connection


def _find_dead_peers(stream: socket.socket, timeout_s: float) -> None:
    """Have the kernel end a connection to a host that is gone, while a request waits for minutes."""
    seconds = max(int(timeout_s / 2), 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, seconds)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)


def _wrap(stream: socket.socket, tls: ssl.SSLContext, address: Address) -> ssl.SSLSocket:
    try:
        return tls.wrap_socket(stream, server_hostname=address.host)
    except ssl.SSLCertVerificationError as error:
        stream.close()
        raise ConnectError(
            f"checking the certificate of Kafka broker {address}: {error.verify_message}; correct"
            " ssl.truststore.* or ssl.endpoint.identification.algorithm"
        ) from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, TimeoutError, ConnectionError) as error:
        stream.close()
        raise RetriableError(
            f"opening TLS to Kafka broker {address}: {error}; check that this listener speaks TLS"
        ) from error
    except ssl.SSLError as error:
        stream.close()
        raise ConnectError(
            f"opening TLS to Kafka broker {address}: {error.reason or error}; check security.protocol and"
            " that this listener speaks TLS"
        ) from error
