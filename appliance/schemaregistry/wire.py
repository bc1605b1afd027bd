"""Where a record says which schema of the registry it is written with.

    00 + number, 4 bytes    in front of the payload
    01 + GUID, 16 bytes     in a header of the record, or in front of the payload too

With Protobuf the place of the message in its .proto file follows. Semantics: Confluent 8.x, package
io.confluent.kafka.serializers.schema.id.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from appliance.api import Detached, RawHeaders
from appliance.errors import ConfigError, DataError
from appliance.schemaregistry.avrodata import zigzag
from appliance.schemaregistry.client import SchemaId

HEADERS: Final[Mapping[str, str]] = {"key": "__key_schema_id", "value": "__value_schema_id"}
PACKAGE: Final = "io.confluent.kafka.serializers.schema.id."
_SIZES: Final = {b"\x00": 5, b"\x01": 17}
_PREFIX_WRITER: Final = "PrefixSchemaIdSerializer"
_HEADER_WRITER: Final = "HeaderSchemaIdSerializer"
_DUAL_READER: Final = "DualSchemaIdDeserializer"
_PREFIX_READER: Final = "PrefixSchemaIdDeserializer"
_CONFIG_READER: Final = "ConfigSchemaIdDeserializer"
DEFAULT_WRITER: Final = PACKAGE + _PREFIX_WRITER
DEFAULT_READER: Final = PACKAGE + _DUAL_READER

Place = tuple[int, ...]
"""Where a message is in its .proto file: its number, then those of nested ones."""


def head_of(reference: int | str) -> bytes:
    """Give the bytes that stand for a schema's number or GUID. Raises ValueError for no GUID."""
    if isinstance(reference, int):
        return struct.pack(">bI", 0, reference)
    return b"\x01" + uuid.UUID(reference).bytes


def head_size(data: bytes) -> int:
    """Give how many bytes at the beginning stand for a schema. Raises DataError."""
    size = _SIZES.get(data[:1])
    if size is None or len(data) < size:
        raise DataError("Unknown magic byte!")
    return size


def reference_of(head: bytes) -> int | str:
    """Give the number or GUID that `head_size` bytes stand for."""
    if head[0]:
        return str(uuid.UUID(bytes=head[1:17]))
    return int.from_bytes(head[1:5], "big")


def place_bytes(place: Place) -> bytes:
    """Give the bytes of a message's place; that of the first is one zero byte."""
    if place == (0,):
        return b"\x00"
    return zigzag(len(place)) + b"".join(map(zigzag, place))


def read_place(data: bytes, at: int) -> tuple[int, Place]:
    """Give where the message begins, and the place that is written at `at`. Raises DataError."""

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            if at >= len(data) or shift > 28:
                raise DataError("The place of a message in its .proto file is cut short")
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)

    count = number()
    if count == 0:
        return at, (0,)
    if not 0 < count <= 50:
        raise DataError("The place of a message in its .proto file is not readable")
    place = tuple([number() for _ in range(count)])
    if min(place) < 0:
        raise DataError("The place of a message in its .proto file is not readable")
    return at, place


def placed_size(data: bytes) -> int:
    """Give how many bytes at the beginning stand for a schema and a message in it. Raises DataError."""
    return read_place(data, head_size(data))[0]


class SchemaIds:
    """What a converter of keys or values does with the ids of schemas, as its options say.

    `size` gives how many of the first bytes of a payload name its schema; `header` is the name of the header,
    `looks` whether it is read.
    """

    def __init__(
        self,
        parsed: Mapping[str, Any],
        *,
        is_key: bool,
        size: Callable[[bytes], int] = head_size,
    ) -> None:
        """Take the options. Raises ConfigError."""
        side = "key" if is_key else "value"
        self._size = size
        self.header = HEADERS[side]
        self._apart = (
            _choice(parsed, f"{side}.schema.id.serializer", (_PREFIX_WRITER, _HEADER_WRITER))
            == _HEADER_WRITER
        )
        readers = (_DUAL_READER, _PREFIX_READER, _CONFIG_READER)
        reader = _choice(parsed, f"{side}.schema.id.deserializer", readers)
        self.looks = reader == _DUAL_READER
        self._assumed = b""
        if reader == _CONFIG_READER:
            self._assumed = _assumed(parsed, with_place=size is placed_size)

    def head(self, schema: SchemaId, place: bytes = b"") -> bytes:
        """Give what payloads of a schema begin with. Raises DataError without the GUID for a header."""
        if not self._apart:
            return head_of(schema.number) + place
        if schema.guid is None:
            raise DataError(
                f"The registry tells no GUID of schema {schema.number}, so that {_HEADER_WRITER} has "
                f"nothing to write: use {_PREFIX_WRITER}, or a registry that has GUIDs"
            )
        return head_of(schema.guid) + place

    def detached(self, payloads: Sequence[bytes | None]) -> Detached | None:
        """Take apart payloads that all begin with the same head, None when it stays where it is."""
        if not self._apart:
            return None
        first = next((payload for payload in payloads if payload is not None), None)
        if first is None:
            return None
        size = self._size(first)
        bare = [None if payload is None else payload[size:] for payload in payloads]
        return Detached(bare, self.header, first[:size])

    def attached(
        self,
        payloads: Sequence[bytes | None],
        headers: Sequence[RawHeaders | None],
    ) -> Sequence[bytes | None]:
        """Put what the records' headers say in front of payloads. Raises DataError."""
        if not self.looks:
            return payloads
        name = self.header
        # the last header of a name counts, as in a map
        given = [
            dict(block).get(name) if block and payload is not None else None
            for payload, block in zip(payloads, headers, strict=True)
        ]
        if given.count(None) == len(given):
            return payloads
        heads: dict[bytes | None, bytes] = {None: b""}
        for value in set(given):
            if value is not None:
                heads[value] = value[: self._size(value)]
        return [
            None if payload is None else heads[value] + payload
            for payload, value in zip(payloads, given, strict=True)
        ]

    def assumed(self, payloads: Sequence[bytes | None]) -> Sequence[bytes | None]:
        """Put the schema of the options in front of payloads where records name none."""
        head = self._assumed
        if not head:
            return payloads
        return [None if payload is None else head + payload for payload in payloads]


def _choice(parsed: Mapping[str, Any], option: str, known: tuple[str, ...]) -> str:
    """Give the class of an option without its package. Raises ConfigError for another than those known."""
    name: str = parsed[option].rpartition(".")[2]
    if name not in known:
        raise ConfigError.invalid(option, parsed[option], f"not one of {', '.join(known)}")
    return name


def _assumed(parsed: Mapping[str, Any], *, with_place: bool) -> bytes:
    number, guid = parsed["use.schema.id"], parsed["use.schema.guid"]
    if number < 0 and guid is None:
        raise ConfigError(f"{_CONFIG_READER} needs use.schema.id or use.schema.guid")
    head = head_of(number if number >= 0 else guid)
    if not with_place:
        return head
    try:
        place = tuple(int(index) for index in parsed["use.message.indexes"])
    except ValueError as error:
        raise ConfigError.invalid(
            "use.message.indexes", parsed["use.message.indexes"], "not a list of numbers"
        ) from error
    return head + place_bytes(place or (0,))
