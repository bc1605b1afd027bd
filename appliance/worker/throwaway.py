"""Questions to throw-away processes: plugins and drivers are imported there, and may hang or crash there.

`Questions` is the asker's side, `answer` the process's. Blocking; any thread.
"""

from __future__ import annotations

import math
import socket
import traceback
from collections.abc import Callable
from typing import Any

import msgspec

from appliance.config.worker import WorkerConfig
from appliance.errors import (
    BadRequestError,
    ConnectError,
    NotFoundError,
    RetriableError,
    UnreachableError,
    java_class_of,
)
from appliance.imports import own_imports
from appliance.worker.plugins import NoSuchConnectorError
from appliance.worker.processes import Spawner


class ValidationFailedError(ConnectError):
    """Validation ended with an error of the connector's own; `java_class` names the peer's class."""

    def __init__(self, message: str, java_class: str) -> None:
        """Keep the class by which the error is known to Connect's users."""
        super().__init__(message)
        self.cause_class = java_class


class Questions:
    """Asks: forks a process for each question, waits with a timeout and kills it."""

    def __init__(
        self, worker: WorkerConfig, spawner: Spawner, entry: str, longest_s: float = math.inf
    ) -> None:
        """Take the worker's configuration, its handle of the spawner, and who is to answer.

        A question takes no longer than the worker allows a check, nor than `longest_s`.
        """
        self._worker = worker
        self._spawner = spawner
        self._entry = entry
        self._longest_s = longest_s

    def __call__(self, what: str, argument: dict[str, Any]) -> bytes:
        """Give the answer as JSON. Raises what the process raised, ConnectError when it gave none."""
        ours, theirs = socket.socketpair()
        allowed_s = self._worker.seconds("appliance.validation.timeout.ms")
        timeout_s = min(allowed_s, self._longest_s)
        request = {
            "what": what,
            "argument": argument,
            "properties": dict(self._worker.originals),
            "mode": self._worker.mode,
        }
        with ours:
            process = self._spawner.spawn(self._entry, {}, [theirs], name="ingest-check")
            try:
                ours.settimeout(timeout_s)
                ours.sendall(msgspec.json.encode(request))
                ours.shutdown(socket.SHUT_WR)
                given = _read_all(ours)
            except TimeoutError as error:
                raise RetriableError(
                    f"checking the configuration: the connector gave no answer within {timeout_s:g} s"
                ) from error
            finally:
                process.kill()
        modules, _, given = given.partition(b"\n")
        if modules:
            self._spawner.preload(msgspec.json.decode(modules, type=list[str]))
        return _opened(given, process.status)


def answer(sock: socket.socket, found: Callable[[WorkerConfig, str, Any], Any]) -> int:
    """Be the process: answer the one question on the socket with what `found` gives for it."""
    with sock:
        request = msgspec.json.decode(_read_all(sock))
        try:
            worker = WorkerConfig(request["properties"], request["mode"])
            given = msgspec.json.encode(found(worker, request["what"], request["argument"]))
        except Exception as error:  # noqa: BLE001 - the asker raises it again
            if not isinstance(error, ConnectError):
                traceback.print_exc()
            fault = {
                "message": str(error),
                "class": java_class_of(error),
                "kind": _fault_kind(error),
            }
            sock.sendall(b"\n-" + msgspec.json.encode(fault))
            return 0
        sock.sendall(msgspec.json.encode(own_imports()) + b"\n+" + given)
    return 0


def _read_all(sock: socket.socket) -> bytes:
    parts = []
    while data := sock.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def _opened(given: bytes, status: int | None) -> bytes:
    if not given:
        raise ConnectError(
            f"checking the configuration: the process ended without an answer (status {status})"
        )
    if given[:1] == b"+":
        return given[1:]
    fault = msgspec.json.decode(given[1:])
    if fault["kind"] == "no_connector":
        raise NoSuchConnectorError(fault["message"])
    if fault["kind"] == "unreachable":
        raise UnreachableError(fault["message"])
    if fault["kind"] == "bad_request":
        raise BadRequestError(fault["message"])
    if fault["kind"] == "not_found":
        raise NotFoundError(fault["message"])
    raise ValidationFailedError(fault["message"], fault["class"])


def _fault_kind(error: Exception) -> str:
    if isinstance(error, NoSuchConnectorError):
        return "no_connector"
    if isinstance(error, UnreachableError):
        return "unreachable"
    if isinstance(error, BadRequestError):
        return "bad_request"
    return "not_found" if isinstance(error, NotFoundError) else "failed"
