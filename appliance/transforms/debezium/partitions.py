"""PartitionRouting: the Kafka partition of change events by the hash of some of their fields.

Semantics: Debezium 3.6.1 io.debezium.transforms.partitions.PartitionRouting, hashes included, so that
records of one key stay in the partition where the peer put them. Other records pass.
"""

from __future__ import annotations

import dataclasses
import decimal
import struct
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from appliance.api import NULL, Batch, Stage
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.data import Float32, Schema, Type
from appliance.data.struct import unwrap
from appliance.errors import ConnectError, DataError
from appliance.transforms.base import CompiledTransform
from appliance.transforms.debezium.options import parsed_untrimmed, refused
from appliance.transforms.debezium.unwrap import is_envelope

_FIELDS: Final = "partition.payload.fields"
_COUNT: Final = "partition.topic.num"
_HASH: Final = "partition.hash.function"
_MASK: Final = (1 << 64) - 1
_LARGEST: Final = 2**31 - 1
Way = tuple[int, ...]


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK


def _mixed(k: int) -> int:
    k = (k ^ k >> 33) * 0xFF51AFD7ED558CCD & _MASK
    k = (k ^ k >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return k ^ k >> 33


def _tail(data: bytes) -> int:
    word = 0
    for place, byte in enumerate(data):
        word ^= ((byte - 256 if byte > 127 else byte) << (8 * place)) & _MASK
    return word


def murmur_hash(data: bytes) -> int:
    """Give the upper half of the peer's MurmurHash3 for 64-bit machines (seed 9001)."""
    h1, h2 = 0x9368E53C2F6AF274 ^ 9001, 0x586DCD208F7CD3FD ^ 9001
    c1, c2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
    whole = len(data) // 16 * 16
    words = [
        (int.from_bytes(data[i : i + 8], "little"), int.from_bytes(data[i + 8 : i + 16], "little"))
        for i in range(0, whole, 16)
    ]
    if whole < len(data):
        words.append((_tail(data[whole : whole + 8]), _tail(data[whole + 8 :])))
    for k1, k2 in words:
        h1 = (h1 ^ _rotated(k1 * c1 & _MASK, 23) * c2 & _MASK) + h2 & _MASK
        h2 = _rotated(h2, 41)
        h2 = (h2 ^ _rotated(k2 * c2 & _MASK, 23) * c1 & _MASK) + h1 & _MASK
        h1, h2 = h1 * 3 + 0x52DCE729 & _MASK, h2 * 3 + 0x38495AB5 & _MASK
        c1, c2 = c1 * 5 + 0x7B7D159C & _MASK, c2 * 5 + 0x6BCE6396 & _MASK
    h2 ^= len(data)
    h1 = h1 + h2 & _MASK
    h2 = h2 + h1 & _MASK
    return (_mixed(h1) + _mixed(h2) & _MASK) >> 32


def _hash64(value: int) -> int:
    value &= _MASK
    return (value ^ value >> 32) & 0xFFFFFFFF


def java_hash(schema: Schema | None, value: Any) -> int:
    """Give Java's hashCode of a value as an unsigned number.

    Raises DataError for a struct: its hash differs from one run of the peer to the next.
    """
    if isinstance(value, bool):
        return 1231 if value else 1237
    if isinstance(value, int):
        wide = schema is not None and (schema.type is Type.INT64 or schema.name is not None)
        return _hash64(value) if wide else value & 0xFFFFFFFF
    if isinstance(value, float):
        if isinstance(value, Float32) or (schema is not None and schema.type is Type.FLOAT32):
            return int.from_bytes(struct.pack(">f", value), "big")
        return _hash64(int.from_bytes(struct.pack(">d", value), "big"))
    if isinstance(value, decimal.Decimal):
        return _decimal_hash(value)
    if isinstance(value, str):
        return _text_hash(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bytes_hash(bytes(value))
    items = None if schema is None else schema.value_schema
    if isinstance(value, list):
        found = 1
        for item in value:
            found = found * 31 + _hash_or_zero(items, item) & 0xFFFFFFFF
        return found
    if isinstance(value, dict):
        keys = None if schema is None else schema.key_schema
        pairs = value.items()
        return sum(java_hash(keys, k) ^ _hash_or_zero(items, v) for k, v in pairs) & 0xFFFFFFFF
    raise DataError("A partition cannot be made of a struct: name one of its fields")


def _hash_or_zero(schema: Schema | None, value: Any) -> int:
    return 0 if value is None else java_hash(schema, value)


def _decimal_hash(value: decimal.Decimal) -> int:
    sign, digits, exponent = value.as_tuple()
    unscaled = int("".join(map(str, digits)))
    found = 0
    for shift in range(-(-unscaled.bit_length() // 32) * 32 - 32, -1, -32):
        found = found * 31 + (unscaled >> shift & 0xFFFFFFFF) & 0xFFFFFFFF
    return (-found if sign else found) * 31 - int(exponent) & 0xFFFFFFFF


def _bytes_hash(data: bytes) -> int:
    found = 1
    for byte in reversed(data):
        found = found * 31 + (byte - 256 if byte > 127 else byte) & 0xFFFFFFFF
    return found


def _text_hash(text: str) -> int:
    found = 0
    data = text.encode("utf-16-be", "surrogatepass")
    for i in range(0, len(data), 2):
        found = found * 31 + (data[i] << 8 | data[i + 1]) & 0xFFFFFFFF
    return found


def _murmur(schema: Schema | None, value: Any) -> int:
    if isinstance(value, str):
        return murmur_hash(value.encode("utf-8", "replace"))
    return murmur_hash(java_hash(schema, value).to_bytes(4, "little"))


class PartitionRouting(CompiledTransform):
    """Gives change events the partition of their fields."""

    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            _FIELDS,
            ConfigType.LIST,
            None,
            importance=Importance.HIGH,
            group="partitions",
            order=1,
            display_name="List of payload fields to use for compute partition.",
            doc="Fields of the event, as `source.table`; `change` stands for the row after the change, or "
            "before a delete. Those that do not exist are left out.",
        )
        .define(
            _COUNT,
            ConfigType.INT,
            None,
            importance=Importance.HIGH,
            group="partitions",
            order=2,
            display_name="Number of partition configured for topic",
            doc="How many partitions the topic has.",
        )
        .define(
            _HASH,
            ConfigType.STRING,
            "java",
            importance=Importance.LOW,
            group="partitions",
            order=3,
            display_name="Hash function",
            doc="How values are hashed: `java` or `murmur`.",
        )
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        count = config.get(_COUNT)
        if count is None:
            raise refused(_COUNT, None, "A value is required")
        try:
            number = int(count) if count == count.strip() else None
        except ValueError:
            number = None
        if number is None:
            raise refused(_COUNT, count, "An integer is expected")
        if number <= 0:
            raise refused(_COUNT, count, "A positive, non-zero integer value is expected")
        if not config.get(_FIELDS):
            raise refused(_FIELDS, config.get(_FIELDS), "A value is required")
        parsed = parsed_untrimmed(self.config_def, config)
        self._paths = [field.split(".") for field in parsed[_FIELDS]]
        self._partitions = number
        self._hash: Callable[[Schema | None, Any], int] = (
            _murmur if parsed[_HASH].strip().lower() == "murmur" else java_hash
        )

    def stage(self, key_schema: Schema | None, value_schema: Schema | None) -> Stage:
        """Give the stage; the ways to the fields are found once per kind of change."""
        if value_schema is None or not is_envelope(value_schema):
            return lambda batch: [batch]
        ways = {change: self._ways(value_schema, change) for change in ("before", "after")}
        op = value_schema.field("op")

        def partition(row: Any, before: int | None) -> int | None:
            if row is None or row is NULL:
                return before
            code = None if op is None else row[op.index]
            if code in ("t", "m"):
                return before
            deleted = code == "d"
            return self._partition(row, ways["before" if deleted else "after"], before)

        def run(batch: Batch) -> list[Batch]:
            rows = batch.expanded().values
            partitions = [partition(row, batch.partition_at(i)) for i, row in enumerate(rows)]
            return [dataclasses.replace(batch, partition=partitions)]

        return run

    def _ways(self, schema: Schema, change: str) -> list[tuple[Way, Schema]]:
        found = []
        for path in self._paths:
            way: list[int] = []
            at: Schema | None = schema
            for name in path:
                inside = None
                if at is not None and at.type is Type.STRUCT:
                    inside = at.field(change if name == "change" else name)
                if inside is None:
                    at = None
                    break
                way.append(inside.index)
                at = inside.schema
            if at is not None:
                found.append((tuple(way), at))
        return found

    def _partition(
        self, row: Any, ways: list[tuple[Way, Schema]], before: int | None
    ) -> int | None:
        total, any_found = 0, False
        for way, schema in ways:
            value = row
            for place in way:
                if value is None:
                    raise ConnectError(
                        "Unprocessable message: the state of the row after the change is missing"
                    )
                value = value[place]
            value = unwrap(schema.default) if value is None else value
            if value is not None:
                total += self._hash(schema, value)
                any_found = True
        if not any_found:
            return before
        positive = total & _LARGEST
        return (0 if positive == _LARGEST else positive) % self._partitions
