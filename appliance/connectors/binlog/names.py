"""Names of topics and schemas.

Semantics: Debezium's topic naming strategies and schema name adjusters: topic names keep letters,
digits, `.`, `_` and `-`, are cut to 249 characters; `.` and `..` alone become `_` and `__`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection
from typing import Any, Final

from appliance.connectors.binlog.tables import TableId
from appliance.data.regex import java_compiled

_MAX_LENGTH: Final = 249
_INVALID: Final = re.compile(r"[^a-zA-Z0-9._\-]")
_UNICODE_INVALID: Final = re.compile(r"[^a-zA-Z0-9.\-]")
_AVRO_INVALID: Final = re.compile(r"[^a-zA-Z0-9_.]")
_AVRO_UNICODE_INVALID: Final = re.compile(r"[^a-zA-Z0-9.]")


def sanitized(name: str) -> str:
    """Give a valid topic name."""
    if name in (".", ".."):
        return "_" * len(name)
    return _INVALID.sub("_", name)[:_MAX_LENGTH]


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be").hex()
    return "".join(f"_u{units[i : i + 4]}" for i in range(0, len(units), 4))


def _unicode_sanitized(name: str) -> str:
    return _UNICODE_INVALID.sub(_escaped, name)[:_MAX_LENGTH]


def _avro(name: str) -> str:
    return _led(_AVRO_INVALID.sub("_", name), "_")


def _led(name: str, lead: str) -> str:
    """Put something before a digit that a part between dots begins with."""
    return f"{lead}{name}" if name[:1].isdigit() else name


def _avro_escape(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"_u{int.from_bytes(units[i : i + 2]):04x}" for i in range(0, len(units), 2))


def _avro_unicode(name: str) -> str:
    escaped = _AVRO_UNICODE_INVALID.sub(lambda match: _avro_escape(match[0]), name)
    return _avro_escape(escaped[0]) + escaped[1:] if escaped[:1].isdigit() else escaped


ADJUSTERS: Final[dict[str, Callable[[str], str]]] = {
    "none": lambda name: name,
    "avro": _avro,
    "avro_unicode": _avro_unicode,
}
"""How schema names are made valid, by mode."""

FIELD_ADJUSTERS: Final[dict[str, Callable[[str], str]]] = {
    "none": lambda name: name,
    "avro": lambda name: _avro(name).replace(".", "_"),
    "avro_unicode": lambda name: _avro_unicode(name).replace(".", "_u002e"),
}
"""How field names are made valid: there a dot is no separator."""


def _template(replacement: str | None) -> str:
    """Give a replacement with groups written as in Java as Python writes it."""
    return re.sub(r"\$(\d)", r"\\\1", replacement or "")


def java_set_order(texts: Collection[str]) -> list[str]:
    """Give texts in the order in which a Java HashSet, filled in the given order, lists them."""
    size = 16
    while len(texts) > size * 3 // 4:
        size *= 2
    return sorted(texts, key=lambda text: _spread(text) & size - 1)


def _spread(text: str) -> int:
    units = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for i in range(0, len(units), 2):
        value = (31 * value + int.from_bytes(units[i : i + 2])) & 0xFFFFFFFF
    return value ^ value >> 16


@dataclasses.dataclass(frozen=True, slots=True)
class TopicNames:
    """The topics of one connector."""

    prefix: str
    delimiter: str = "."
    transaction_word: str = "transaction"
    heartbeat_prefix: str = "__debezium-heartbeat"
    heartbeat_name: str | None = None
    unicode: bool = False
    regex: re.Pattern[str] | None = None
    replacement: str = ""
    key_field: str = ""
    key_regex: re.Pattern[str] | None = None
    key_replacement: str = ""

    @classmethod
    def of(cls, config: dict[str, Any]) -> TopicNames:
        """Give the names under parsed options, which validation has found good."""
        strategy = str(config["topic.naming.strategy"]).rpartition(".")[2]
        regex = None
        if strategy == "DefaultRegexTopicNamingStrategy":
            regex = java_compiled(config["topic.regex"] or "")
        return cls(
            config["topic.prefix"],
            config["topic.delimiter"],
            config["topic.transaction"],
            config["topic.heartbeat.prefix"],
            config["topic.heartbeat.name"],
            "Unicode" in strategy,
            regex,
            _template(config["topic.replacement"]),
            config["topic.key.field.name"] if config["topic.key.enforce.uniqueness"] else "",
            java_compiled(config["topic.key.field.regex"])
            if config["topic.key.field.regex"]
            else None,
            _template(config["topic.key.field.replacement"]),
        )

    def _valid(self, *parts: str) -> str:
        name = self.delimiter.join(parts)
        return _unicode_sanitized(name) if self.unicode else sanitized(name)

    def of_table(self, id_: TableId) -> str:
        """Give the topic of a table's records; its schemas' names begin with it too."""
        name = self._valid(self.prefix, id_.catalog, id_.table)
        if self.regex is not None and self.regex.fullmatch(name):
            return sanitized(self.regex.sub(self.replacement, name, count=1))
        return name

    def key_value(self, id_: TableId) -> str | None:
        """Give what tells a table's keys from those of others in its topic; None for no such field."""
        if self.regex is None or not self.key_field:
            return None
        name = self._valid(self.prefix, id_.catalog, id_.table)
        if self.key_regex is not None and self.key_regex.fullmatch(name):
            return self.key_regex.sub(self.key_replacement, name) or name
        return name

    @property
    def schema_changes(self) -> str:
        """Give the topic of schema changes."""
        return sanitized(self.prefix)

    @property
    def heartbeat(self) -> str:
        """Give the topic of heartbeats."""
        return self.heartbeat_name or self._valid(self.heartbeat_prefix, self.prefix)

    @property
    def transactions(self) -> str:
        """Give the topic of transaction metadata."""
        return self._valid(self.prefix, self.transaction_word)
