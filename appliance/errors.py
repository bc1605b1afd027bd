"""The exception tree of the product.

ConnectError
├── RetriableError            try the same thing again later
├── DataError                 a value, schema or byte sequence does not fit
│   ├── SchemaBuilderError    a schema cannot be built as asked
│   └── SchemaProjectorError  a value cannot be projected to another schema
├── SerializationError        bytes could not be written or read by a codec
├── ConfigError               a configuration is wrong; may carry several findings
├── NotFoundError             the named connector, task, plugin or record does not exist
├── AlreadyExistsError        the name is taken
├── BadRequestError           a request asks for something that cannot be done as asked
│   └── UnreachableError      not as long as a server that it names is away
├── RebalanceNeededError      the answer depends on a rebalance that is about to happen
├── RequestTargetError        another worker must handle this request
│   ├── NotLeaderError
│   └── NotAssignedError
└── TaskFailedError           a task stops for good, with its cause chained

Each class names the Java class whose place it takes (`java_class`): it is printed in traces, in REST
answers and in dead letter queue headers, where tools made for Kafka Connect look for it.
"""

from __future__ import annotations

import errno
import traceback
from typing import ClassVar, Final

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors that pass by themselves as soon as somebody makes room."""
_READ_ONLY: Final = (
    "mount the file system for writing; if it is, systemd's sandbox is in the way: add the folder to "
    "ReadWritePaths= of the unit (`ingest-appliance doctor CONNECTOR` prints the commands)"
)
_RIGHTS: Final = "give the daemon's user the right to write there"
_REMEDIES: Final = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "raise the quota",
    errno.EFBIG: "raise the limit on the length of files, or begin a new one",
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOENT: "make its folder",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "correct the path: a part of it is a file",
    errno.EIO: "check the disk",
}


class ConnectError(Exception):
    """Something in a pipeline or the daemon failed; the root of the tree."""

    java_class: ClassVar[str] = "org.apache.kafka.connect.errors.ConnectException"


class RetriableError(ConnectError):
    """The same call may succeed later; the runtime tries again within `errors.retry.timeout`."""

    java_class = "org.apache.kafka.connect.errors.RetriableException"


class DataError(ConnectError):
    """A value, schema or byte sequence does not fit what is asked of it."""

    java_class = "org.apache.kafka.connect.errors.DataException"


class SchemaBuilderError(DataError):
    """A schema cannot be built as asked."""

    java_class = "org.apache.kafka.connect.errors.SchemaBuilderException"


class SchemaProjectorError(DataError):
    """A value cannot be projected from its schema to another one."""

    java_class = "org.apache.kafka.connect.errors.SchemaProjectorException"


class SerializationError(ConnectError):
    """Bytes could not be written or read by a codec."""

    java_class = "org.apache.kafka.common.errors.SerializationException"


class ConfigError(ConnectError):
    """A configuration is wrong.

    `findings` holds one text per wrong option where several were found at once.
    """

    java_class = "org.apache.kafka.common.config.ConfigException"

    def __init__(self, message: str, findings: tuple[str, ...] = ()) -> None:
        """Keep `findings` (default: the message alone) beside the message."""
        super().__init__(message)
        self.findings = findings or (message,)

    @classmethod
    def invalid(cls, name: str, value: object, why: str | None = None) -> ConfigError:
        """Give the error with Kafka's text for a wrong value of option `name`."""
        tail = f": {why}" if why is not None else ""
        return cls(
            f"Invalid value {'null' if value is None else value} for configuration {name}{tail}"
        )


class NotFoundError(ConnectError):
    """The named thing does not exist."""

    java_class = "org.apache.kafka.connect.errors.NotFoundException"


class AlreadyExistsError(ConnectError):
    """The name is taken."""

    java_class = "org.apache.kafka.connect.errors.AlreadyExistsException"


class BadRequestError(ConnectError):
    """A request asks for something that cannot be done as asked."""

    java_class = "org.apache.kafka.connect.runtime.rest.errors.BadRequestException"


class UnreachableError(BadRequestError):
    """A configuration that nothing is wrong with but that a server it names cannot be reached now."""


class RebalanceNeededError(ConnectError):
    """The answer depends on a rebalance that is about to happen; ask again."""

    java_class = "org.apache.kafka.connect.runtime.distributed.RebalanceNeededException"


class RequestTargetError(ConnectError):
    """Another worker must handle this request; `forward_url` is its REST address or None if unknown."""

    java_class = "org.apache.kafka.connect.runtime.distributed.RequestTargetException"

    def __init__(self, message: str, forward_url: str | None) -> None:
        """Keep the address of the worker that can answer."""
        super().__init__(message)
        self.forward_url = forward_url


class NotLeaderError(RequestTargetError):
    """Only the leader may do this."""

    java_class = "org.apache.kafka.connect.runtime.distributed.NotLeaderException"


class NotAssignedError(RequestTargetError):
    """Only the worker that owns the connector or task may do this."""

    java_class = "org.apache.kafka.connect.runtime.distributed.NotAssignedException"


class TaskFailedError(ConnectError):
    """A task stops for good; the cause is chained."""


def java_class_of(error: BaseException) -> str:
    """Give the Java class name that stands for `error` in traces and headers.

    Errors from outside the tree are named by their nearest Java counterpart.
    """
    named = getattr(error, "java_class", None)
    if isinstance(named, str):
        return named
    for kind, name in _JAVA_COUNTERPARTS:
        if isinstance(error, kind):
            return name
    return f"{type(error).__module__}.{type(error).__qualname__}"


_JAVA_COUNTERPARTS: tuple[tuple[type[BaseException], str], ...] = (
    (FileNotFoundError, "java.io.FileNotFoundException"),
    (TimeoutError, "java.util.concurrent.TimeoutException"),
    (ConnectionError, "java.net.ConnectException"),
    (OSError, "java.io.IOException"),
    (MemoryError, "java.lang.OutOfMemoryError"),
    (RecursionError, "java.lang.StackOverflowError"),
    (TypeError, "java.lang.ClassCastException"),
    (ValueError, "java.lang.IllegalArgumentException"),
)


def java_trace(error: BaseException) -> str:
    """Give the trace as Java tools expect it: class and message first, causes after, frames below.

    Notes, such as which record it was, stand behind the frames of what they were added to.
    """
    lines = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        text = str(current)
        first = f"{java_class_of(current)}: {text}" if text else java_class_of(current)
        lines.append(first if current is error else f"Caused by: {first}")
        frames = traceback.extract_tb(current.__traceback__)
        lines += [f"\tat {f.name}({f.filename}:{f.lineno})" for f in reversed(frames)]
        lines += [f"\tof {note}" for note in getattr(current, "__notes__", ())]
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return "\n".join(lines) + "\n"


def os_remedy(error: OSError, otherwise: str = "correct the cause") -> str:
    """Give what mends an error of the operating system, without a full stop."""
    return _REMEDIES.get(error.errno or 0, otherwise)


def os_reason(error: OSError) -> str:
    """Give what the operating system says, without the path."""
    return error.strerror or str(error)
