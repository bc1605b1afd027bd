"""What is wrong with the text of an option, by its type and name, in the peer's words and number.

Semantics: Debezium 3.6.1 Field: an option has up to two checks, and each that fails says so. Numbers are
read without a look at blanks around them.
"""

from __future__ import annotations

import re
from typing import Final

from appliance.config import ConfigKey, ConfigType

_POSITIVE_INT: Final = "A positive, non-zero integer value is expected"
_POSITIVE_LONG: Final = "A positive, non-zero long value is expected"
_NO_NEGATIVE_INT: Final = "An non-negative integer is expected"
_NO_NEGATIVE_LONG: Final = "A non-negative long value is expected"

_RANGES: Final[dict[str, tuple[int, int, str]]] = {
    "poll.interval.ms": (1, 32, _POSITIVE_INT),
    "max.batch.size": (1, 32, _POSITIVE_INT),
    "connect.timeout.ms": (1, 32, _POSITIVE_INT),
    "signal.poll.interval.ms": (1, 32, _POSITIVE_INT),
    "snapshot.max.threads": (1, 32, _POSITIVE_INT),
    "snapshot.max.threads.multiplier": (1, 32, _POSITIVE_INT),
    "connect.keep.alive.interval.ms": (1, 32, _POSITIVE_INT),
    "database.server.id": (1, 64, _POSITIVE_LONG),
    "retriable.restart.connector.wait.ms": (1, 64, _POSITIVE_LONG),
    "connection.validation.timeout.ms": (1, 64, _POSITIVE_LONG),
    "executor.shutdown.timeout.ms": (1, 64, _POSITIVE_LONG),
    "snapshot.fetch.size": (0, 32, _NO_NEGATIVE_INT),
    "query.fetch.size": (0, 32, _NO_NEGATIVE_INT),
    "guardrail.collections.max": (0, 32, _NO_NEGATIVE_INT),
    "heartbeat.interval.ms": (0, 32, _NO_NEGATIVE_INT),
    "binlog.buffer.size": (0, 32, _NO_NEGATIVE_INT),
    "incremental.snapshot.chunk.size": (0, 32, _NO_NEGATIVE_INT),
    "max.queue.size.in.bytes": (0, 64, _NO_NEGATIVE_LONG),
    "snapshot.delay.ms": (0, 64, _NO_NEGATIVE_LONG),
    "streaming.delay.ms": (0, 64, _NO_NEGATIVE_LONG),
    "binlog.net.write.timeout": (0, 64, _NO_NEGATIVE_LONG),
    "binlog.net.read.timeout": (0, 64, _NO_NEGATIVE_LONG),
    "min.row.count.to.stream.results": (0, 64, _NO_NEGATIVE_LONG),
}
"""By option: the least value, the bits it is read with, and the words of the check."""

_TWICE: Final = frozenset(
    {
        "errors.max.retries",
        "extended.headers.enabled",
        "connect.keep.alive",
        "tombstones.on.delete",
        "database.jdbc.driver",
        "include.schema.comments",
        "table.ignore.builtin",
        "column.truncate.to.(d+).chars",
    }
)
_MAPS: Final = frozenset(
    {
        "custom.metric.tags",
        "openlineage.integration.job.tags",
        "openlineage.integration.job.owners",
    }
)
_NO_MAP: Final = (
    "A equivalent-separated map of valid key/value pairs is expected, for example: k1=v1,k2=v2"
)
_JAVA_NAME: Final = re.compile(r"[^\W\d][\w$]*(\.[^\W\d][\w$]*)*")
_JAVA_WORD: Final = re.compile(
    r"(?:.*\.)?(?:_|abstract|assert|boolean|break|byte|case|catch|char|class|const|continue|default|do|double"
    r"|else|enum|extends|false|final|finally|float|for|goto|if|implements|import|instanceof|int|interface|long"
    r"|native|new|null|package|private|protected|public|return|short|static|strictfp|super|switch|synchronized"
    r"|this|throw|throws|transient|true|try|void|volatile|while)(?:\..*)?"
)
_PAIRS: Final = re.compile(r"\s*([^=,]+=[^=,]+(,[^=,]+=[^=,]+)*)?,?\s*")
_KEYS: Final = re.compile(r"\s*([^:]+):([^:,]+(,[^:,]+)*)\s*", re.ASCII)
_NO_KEYS: Final = r"has an invalid format (expecting '^\s*([^:]+):([^:,]+(,[^:,]+)*)\s*$')"
_OPERATIONS: Final = frozenset({"c", "u", "d", "t", "none"})


def type_errors(key: ConfigKey, text: str) -> list[str]:
    """Give what the checks of the option say about a text."""
    found = _of_type(key, text)
    if key.name in _TWICE:
        found *= 2
    limits = _RANGES.get(key.name)
    if limits is not None:
        least, bits, words = limits
        number = whole_number(text, bits)
        if number is None or number < least:
            found.append(words)
    return found


def whole_number(text: str, bits: int) -> int | None:
    """Give a whole number of so many bits, None for another text."""
    number = int(text) if re.fullmatch(r"[+-]?\d+", text) else None
    return None if number is None or not -(1 << bits - 1) <= number < 1 << bits - 1 else number


def _of_type(key: ConfigKey, text: str) -> list[str]:
    match key.type:
        case ConfigType.BOOLEAN:
            good = text.strip().lower() in ("true", "false")
            return [] if good else ["Either 'true' or 'false' is expected"]
        case ConfigType.INT:
            return [] if whole_number(text, 32) is not None else ["An integer is expected"]
        case ConfigType.LONG:
            return [] if whole_number(text, 64) is not None else ["A long value is expected"]
        case ConfigType.CLASS:
            named = _JAVA_NAME.fullmatch(text) and not _JAVA_WORD.fullmatch(text)
            return [] if named else ["A Java class name is expected"]
    return _of_list(key.name, text)


def _of_list(name: str, text: str) -> list[str]:
    if name == "column.mask.with.(d+).chars":
        return [] if whole_number(text, 32) is not None else ["An integer is expected"]
    if name == "message.key.columns":
        parts = text.rstrip(";").split(";") if text.strip(";") or not text else []
        empty = [] if text else ["Must not be empty"]
        return empty + [f"{part} {_NO_KEYS}" for part in parts if not _KEYS.fullmatch(part)]
    if name in _MAPS and not _PAIRS.fullmatch(text):
        return [_NO_MAP]
    words = [word.strip() for word in text.rstrip(",").split(",")]
    only_commas = text != "" and not text.strip(",")
    if name == "skipped.operations" and not only_commas and not _OPERATIONS.issuperset(words):
        return ["Invalid operation"]
    if name == "signal.data.collection" and len(words) > 1:
        return ["For single task connector only one signal data collection is permitted."]
    return []
