"""Column rules: masks, cuts, and source types in schemas.

Per column at most one rule applies; one that cannot change the column's values still marks its schema.
Masks come before cuts, and both apply whether or not source
types are propagated: the peer lets `column.propagate.source.type` switch a mask off without a word.
Semantics otherwise: Debezium ColumnMappers, MaskStrings, TruncateColumn, PropagateSourceMetadataToSchema.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from appliance.connectors.binlog.config import split_regexes
from appliance.connectors.binlog.filters import Patterns, matches
from appliance.connectors.binlog.forms import ValueForm
from appliance.connectors.binlog.tables import Column, TableId
from appliance.connectors.binlog.types import ColumnType
from appliance.errors import ConfigError

Convert = Callable[[Any], Any]
_MASK: Final = re.compile(r"column\.mask\.with\.(\d+)\.chars")
_CUT: Final = re.compile(r"column\.truncate\.to\.(\d+)\.chars")
_HASH: Final = re.compile(r"column\.mask\.hash\.(v2\.)?([^.]+)\.with\.salt\.(.+)")
_TEXTS: Final = frozenset({ValueForm.STRING, ValueForm.ENUM, ValueForm.SET})
_CUTTABLE: Final = _TEXTS | {
    ValueForm.JSON, ValueForm.BYTES, ValueForm.BASE64, ValueForm.BASE64_URL, ValueForm.HEX,
}  # fmt: skip
_SHORT: Final = 0xFFFF
_LOG: Final = logging.getLogger("io.debezium.relational.mapping.ColumnMappers")


@dataclasses.dataclass(frozen=True, slots=True)
class _Rule:
    patterns: Patterns
    parameter: tuple[str, str]
    make: Callable[[Column], Convert]
    longer_than: int | None = None
    forms: frozenset[ValueForm] = _TEXTS

    def applies(self, column: Column, name: str) -> bool:
        if (
            self.longer_than is not None
            and (column.length or self.longer_than + 1) <= self.longer_than
        ):
            return False
        return matches(self.patterns, name)


class ColumnMappers:
    """The column rules of one connector."""

    def __init__(self, config: Mapping[str, str], parsed: Mapping[str, Any]) -> None:
        """Read the rules from raw and parsed options. Raises ConfigError."""
        masks, hashes, cuts = [], [], []
        for key, text in config.items():
            if match := _MASK.fullmatch(key):
                stars = "*" * int(match[1])
                masks.append(_Rule(split_regexes(text), _MASKED, _constant(stars)))
            elif match := _HASH.fullmatch(key):
                make = _hashing(bool(match[1]), match[2], match[3])
                hashes.append(_Rule(split_regexes(text), _MASKED, make))
            elif match := _CUT.fullmatch(key):
                length = int(match[1])
                parameter = ("truncateLength", match[1])
                cuts.append(
                    _Rule(split_regexes(text), parameter, _cutting(length), length, _CUTTABLE)
                )
        self._rules = [*masks, *hashes, *cuts]
        self._columns = split_regexes(",".join(parsed["column.propagate.source.type"] or ()))
        self._types = split_regexes(",".join(parsed["datatype.propagate.source.type"] or ()))

    def shaped(
        self, id_: TableId, column: Column, type_: ColumnType
    ) -> tuple[ColumnType, Convert | None]:
        """Give a column's type with the parameters that rules add, and what they do to its values."""
        name = f"{id_}.{column.name}"
        rule = next((rule for rule in self._rules if rule.applies(column, name)), None)
        if rule is not None:
            convert = rule.make(column) if type_.form in rule.forms else None
            if convert is None:
                _LOG.warning("%s is no column that a mask or cut can change; it stays clear", name)
            return _with_parameters(type_, dict([rule.parameter])), convert
        if matches(self._columns, name) or matches(
            self._types, f"{id_.catalog}.{id_.table}.{column.type_name}"
        ):
            return _with_parameters(type_, _source_parameters(column)), None
        return type_, None


_MASKED: Final = ("masked", "true")


def _with_parameters(type_: ColumnType, added: dict[str, str]) -> ColumnType:
    parameters = {**(type_.schema.parameters or {}), **added}
    return dataclasses.replace(type_, schema=type_.schema.replace(parameters=parameters))


def _source_parameters(column: Column) -> dict[str, str]:
    parameters = {"__debezium.source.column.type": column.type_name.upper()}
    if column.length is not None:
        parameters["__debezium.source.column.length"] = str(column.length)
    if column.scale is not None:
        parameters["__debezium.source.column.scale"] = str(column.scale)
    parameters["__debezium.source.column.name"] = column.name
    if column.comment:
        parameters["__debezium.source.column.comment"] = column.comment
    return parameters


def _constant(text: str) -> Callable[[Column], Convert]:
    return lambda _column: lambda _value: text


def _cutting(length: int) -> Callable[[Column], Convert]:
    """Cut bytes, and texts to UTF-16 units, as Java counts characters."""

    def cut(value: Any) -> Any:
        if value is None or isinstance(value, bytes):
            return value and value[:length]
        if len(value) <= length and value.isascii():
            return value
        units = value.encode("utf-16-le", "surrogatepass")[: 2 * length]
        return units.decode("utf-16-le", "surrogatepass")

    return lambda _column: cut


def _hashing(by_text: bool, algorithm: str, salt: str) -> Callable[[Column], Convert]:
    name = algorithm.replace("-", "").lower()
    name = {"sha": "sha1"}.get(name, name)
    if name not in hashlib.algorithms_available:
        raise ConfigError(
            f"column.mask.hash names the algorithm {algorithm}, which is not known here"
        )
    form = str.encode if by_text else _serialized

    def make(column: Column) -> Convert:
        limit = column.length or None

        def convert(value: Any) -> Any:
            if value is None:
                return None
            digest = hashlib.new(name, salt.encode() + form(value))
            return digest.hexdigest()[:limit]

        return convert

    return make


def _serialized(text: str) -> bytes:
    """Give a text as Java writes the object: magic, type, length, modified UTF-8."""
    parts = []
    for character in text:
        if character == "\0":
            parts.append(b"\xc0\x80")
            continue
        units = character.encode("utf-16-be", "surrogatepass")
        parts += [
            chr(int.from_bytes(units[i : i + 2])).encode("utf-8", "surrogatepass")
            for i in range(0, len(units), 2)
        ]
    data = b"".join(parts)
    if len(data) <= _SHORT:
        return b"\xac\xed\x00\x05t" + struct.pack(">H", len(data)) + data
    return b"\xac\xed\x00\x05|" + struct.pack(">Q", len(data)) + data
