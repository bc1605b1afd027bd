"""Messages between a worker and the processes that run its connectors and tasks.

One stream socket per process carries frames both ways: four bytes of length, then one message in
MessagePack. Every message names the connector or task it is about, so that one process can host several.
End of stream is a message too: it says that the other side is gone, and a process whose worker is gone
ends. Records never pass here.

Threads: any thread may send; one thread at each end receives. Raises ChannelClosed at the end of stream.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from appliance.errors import ConnectError
from appliance.ids import ConnectorTaskId, State, TargetState

_LENGTH: Final = struct.Struct("!I")
MAX_FRAME: Final = 64 << 20

OffsetEntry = tuple[bytes, bytes | None]
"""A source offset as it stands in the offsets topic: key and value, JSON."""


class ChannelClosed(ConnectError):
    """The other side is gone."""


class Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What all messages share: the tag by which they are told apart."""


class PluginRef(msgspec.Struct, frozen=True, array_like=True):
    """A plugin as the worker found it: its Java class, version and where the code is."""

    kind: str
    java_class: str
    target: str
    version: str
    task: str | None = None
    task_class: str | None = None


# down: worker to process


class Configure(Message, frozen=True):
    """The first message: the worker's properties (providers resolved) and where lock files live."""

    properties: dict[str, str]
    mode: str
    worker_id: str
    lock_dir: str | None
    lease: float | None = None


class StartTask(Message, frozen=True):
    """Start a task. `config` is the task's, `connector_config` the connector's, providers resolved.

    `plugins` holds every class named in the configuration, by `kind:name`. `offsets` are the source
    offsets found in the store; `store_offsets` says that the worker keeps them (standalone).
    """

    id: ConnectorTaskId
    config: dict[str, str]
    connector_config: dict[str, str]
    plugins: dict[str, PluginRef]
    target: TargetState
    offsets: list[OffsetEntry]
    store_offsets: bool


class SetTaskTarget(Message, frozen=True):
    """Pause or resume a task."""

    id: ConnectorTaskId
    target: TargetState


class StopTask(Message, frozen=True):
    """Commit and end a task; a process ends with its last one."""

    id: ConnectorTaskId


class StartConnector(Message, frozen=True):
    """Start a connector instance; `offsets` as in StartTask."""

    name: str
    config: dict[str, str]
    plugins: dict[str, PluginRef]
    target: TargetState
    offsets: list[OffsetEntry]


class SetConnectorTarget(Message, frozen=True):
    """Pause, stop or resume a connector instance."""

    name: str
    target: TargetState


class StopConnector(Message, frozen=True):
    """End a connector instance."""

    name: str


class AskTaskConfigs(Message, frozen=True):
    """Ask for a connector's task configurations; answered by Reply."""

    call: int
    name: str
    max_tasks: int


class AskGroupOffsets(Message, frozen=True):
    """Ask for the committed offsets of a sink's consumer group; answered by Reply."""

    call: int
    name: str
    config: dict[str, str]


class AlterOffsets(Message, frozen=True):
    """Let a connector check new offsets, and for a sink apply them; answered by Reply.

    `offsets` is JSON: a list of [partition, offset or null]; `reset` marks the DELETE form.
    """

    call: int
    name: str
    config: dict[str, str]
    plugins: dict[str, PluginRef]
    offsets: bytes
    reset: bool


class Lease(Message, frozen=True):
    """The process may write until `until` (CLOCK_MONOTONIC, seconds), then it stops its tasks."""

    until: float


class SetLogLevel(Message, frozen=True):
    """Set the level of one logger."""

    logger: str
    level: str


# up: process to worker


class TaskStatus(Message, frozen=True):
    """A task is in a new state; UNASSIGNED says that it has ended cleanly."""

    id: ConnectorTaskId
    state: State
    trace: str | None = None
    version: str | None = None
    lapsed: bool = False


class ConnectorStatus(Message, frozen=True):
    """A connector instance is in a new state; UNASSIGNED says that it has ended."""

    name: str
    state: State
    trace: str | None = None
    version: str | None = None


class Reconfigure(Message, frozen=True):
    """A connector asks that its task configurations be taken again."""

    name: str


class TopicUsed(Message, frozen=True):
    """A task uses a topic for the first time."""

    id: ConnectorTaskId
    topic: str


class Committed(Message, frozen=True):
    """Source offsets that the worker must store (`StartTask.store_offsets`)."""

    id: ConnectorTaskId
    offsets: list[OffsetEntry]


class Figures(Message, frozen=True):
    """A task's metrics under Connect's attribute names, and its own under theirs."""

    id: ConnectorTaskId
    values: dict[str, float | int | str]


class LogLine(Message, frozen=True):
    """A line of the process's log, for the console; `ts` in ms since the epoch."""

    ts: int
    level: str
    logger: str
    context: str
    message: str


class Imported(Message, frozen=True):
    """Modules that the process had to import to run what it was given."""

    modules: list[str]


class Reply(Message, frozen=True):
    """The answer to a call: JSON, or the error's text and Java class."""

    call: int
    value: bytes | None = None
    error: str | None = None
    error_class: str | None = None


Down = (
    Configure
    | StartTask
    | SetTaskTarget
    | StopTask
    | StartConnector
    | SetConnectorTarget
    | StopConnector
    | AskTaskConfigs
    | AskGroupOffsets
    | AlterOffsets
    | Lease
    | SetLogLevel
)
Up = (
    TaskStatus
    | ConnectorStatus
    | Reconfigure
    | TopicUsed
    | Committed
    | Figures
    | LogLine
    | Imported
    | Reply
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Down | Up)


class Channel:
    """One end of the socket between a worker and a process."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sending = threading.Lock()
        self._received = bytearray()

    @staticmethod
    def pair() -> tuple[Channel, socket.socket]:
        """Give an end for this process and the socket to hand to another one."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return Channel(mine), theirs

    def fileno(self) -> int:
        """Give the descriptor, for a selector."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Send one message; waits while the other side does not read. Raises ChannelClosed."""
        body = _encoder.encode(message)
        try:
            with self._sending:
                self._socket.sendall(_LENGTH.pack(len(body)) + body)
        except OSError as error:
            raise ChannelClosed(
                f"sending {type(message).__name__} to the other process: it is gone"
            ) from error

    def receive(self, timeout_s: float | None = None) -> Any:
        """Give the next message, or None when `timeout_s` passes first. Raises ChannelClosed."""
        while True:
            message = self._next()
            if message is not None:
                return message
            if timeout_s is not None and not _readable(self._socket, timeout_s):
                return None
            self._read()

    def drain(self) -> Iterator[Any]:
        """Read once (the selector said there is something) and give every whole message."""
        self._read()
        while (message := self._next()) is not None:
            yield message

    def close(self) -> None:
        """Close this end; the other one sees the end of stream."""
        # shutdown, not only close: a thread blocked in recv would keep the connection open
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _next(self) -> Any:
        buffer = self._received
        if len(buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(buffer)
        if length > MAX_FRAME:
            raise ChannelClosed(f"reading a message of {length} bytes: the stream is out of step")
        end = _LENGTH.size + length
        if len(buffer) < end:
            return None
        message = _decoder.decode(memoryview(buffer)[_LENGTH.size : end].tobytes())
        del buffer[:end]
        return message

    def _read(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except OSError as error:
            raise ChannelClosed("reading from the other process: it is gone") from error
        if not data:
            raise ChannelClosed("reading from the other process: it is gone")
        self._received += data


def _readable(sock: socket.socket, timeout_s: float) -> bool:
    import select

    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(max(0, int(timeout_s * 1000))))
