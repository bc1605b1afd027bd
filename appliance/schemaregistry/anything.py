"""Values without a schema as Avro: one record that can hold anything, and that contains itself.

Semantics: Confluent AvroData's schema for schemaless data. Bytes, decimals and dates have no place in it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, Final

from appliance.data.logical import Float32, Instant, Int8, Int16, Int32
from appliance.data.struct import java_class_name
from appliance.errors import DataError
from appliance.schemaregistry.avrodata import MAP_ENTRY, NAMESPACE, zigzag

NAME: Final = f"{NAMESPACE}.Anything"
_SCALARS: Final = ("boolean", "bytes", "double", "float", "int", "long", "string")
_PLACES: Final = (*_SCALARS, "array", "map")
_NULL, _SET = b"\x00", b"\x02"


def _schema_text() -> str:
    entry = {
        "type": "record",
        "name": MAP_ENTRY,
        "fields": [{"name": name, "type": "Anything"} for name in ("key", "value")],
    }
    kinds: list[Any] = [
        *_SCALARS,
        {"type": "array", "items": "Anything"},
        {"type": "array", "items": entry},
    ]
    fields = [
        {"name": name, "type": ["null", kind], "default": None}
        for name, kind in zip(_PLACES, kinds, strict=True)
    ]
    record = {"type": "record", "name": "Anything", "namespace": NAMESPACE, "fields": fields}
    return json.dumps(record, separators=(",", ":"))


ANYTHING: Final = _schema_text()


def encode_anything(value: Any) -> bytes:
    """Give the Avro body of a value without a schema. Raises DataError for a class it cannot hold."""
    place, body = _placed(value)
    if place is None:
        return _NULL * len(_PLACES)
    number = _PLACES.index(place)
    return _NULL * number + _SET + body + _NULL * (len(_PLACES) - number - 1)


def _placed(value: Any) -> tuple[str | None, bytes]:
    if value is None:
        return None, b""
    if isinstance(value, bool):
        return "boolean", b"\x01" if value else b"\x00"
    if isinstance(value, (Int8, Int16, Int32)):
        return "int", zigzag(int(value))
    if isinstance(value, int) and not isinstance(value, Instant) and -(2**63) <= value < 2**63:
        return "long", zigzag(int(value))
    if isinstance(value, Float32):
        return "float", struct.pack("<f", value)
    if isinstance(value, float):
        return "double", struct.pack("<d", value)
    if isinstance(value, str):
        data = value.encode()
        return "string", zigzag(len(data)) + data
    if isinstance(value, list):
        return "array", _blocks([encode_anything(item) for item in value])
    if isinstance(value, dict):
        return "map", _blocks([encode_anything(k) + encode_anything(v) for k, v in value.items()])
    shown = java_class_name(value).removeprefix("class ")
    raise DataError(f"Unknown Java type for schemaless data: class {shown}")


def _blocks(items: list[bytes]) -> bytes:
    return zigzag(len(items)) + b"".join(items) + b"\x00" if items else b"\x00"


_DEEPEST: Final = 500


def decode_anything(body: bytes, start: int) -> Any:
    """Give the value of an Avro body. Raises DataError."""
    try:
        return _Body(body, start).value(0)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError) as error:
        raise DataError(f"The bytes are no Avro of {NAME}: {error}") from error


class _Body:
    """Reads one body from a place on."""

    def __init__(self, body: bytes, start: int) -> None:
        self._body = body
        self._at = start
        self._readers: dict[str, Callable[[int], Any]] = {
            "boolean": lambda _depth: self._take(1) != b"\x00",
            "bytes": lambda _depth: self._take(self._long()),
            "double": lambda _depth: struct.unpack("<d", self._take(8))[0],
            "float": lambda _depth: Float32(struct.unpack("<f", self._take(4))[0]),
            "int": lambda _depth: Int32(self._long()),
            "long": lambda _depth: self._long(),
            "string": lambda _depth: self._take(self._long()).decode(),
            "array": self._list,
            "map": self._map,
        }

    def value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise DataError(f"A value of {NAME} is nested too deeply")
        found = None
        for place in _PLACES:
            branch = self._long()
            if branch == 1:
                found = self._readers[place](depth + 1)
            elif branch:
                raise DataError(f"The bytes are no Avro of {NAME}: a union has no branch {branch}")
        return found

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._body):
            raise DataError(f"The bytes are no Avro of {NAME}: they end too early")
        part = self._body[self._at : end]
        self._at = end
        return part

    def _long(self) -> int:
        number = shift = 0
        while True:
            byte = self._body[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                number &= 2**64 - 1
                return (number >> 1) ^ -(number & 1)
            if shift > 63:
                raise DataError(f"The bytes are no Avro of {NAME}: a number is too long")

    def _items(self) -> int:
        count = self._long()
        if count < 0:
            self._long()
        if abs(count) > len(self._body):
            raise DataError(f"The bytes are no Avro of {NAME}: a list is too long")
        return abs(count)

    def _list(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while count := self._items():
            found += [self.value(depth) for _ in range(count)]
        return found

    def _map(self, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        while count := self._items():
            for _ in range(count):
                key = self.value(depth)
                found[key] = self.value(depth)
        return found
