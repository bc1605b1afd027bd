"""ProtobufConverter: protobuf messages in Confluent's wire format, their .proto files in a registry.

Semantics: Confluent ProtobufConverter 8.x. A payload is a zero byte, the schema's id in four bytes, the
place of the message in its file, and the message; null is null and registers nothing. Not thread-safe.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from appliance.api import NULL, Converter, Encoder, Layout, Run
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.converters.base import CONVERTER_TYPE, is_null
from appliance.data import Schema
from appliance.data.struct import validate_value
from appliance.errors import DataError, RetriableError
from appliance.schemaregistry.client import RegistryClient, RegistryError, SchemaText
from appliance.schemaregistry.latest import check_chosen, check_latest
from appliance.schemaregistry.options import CONFIG as REGISTRY_CONFIG
from appliance.schemaregistry.options import Subjects, client_of
from appliance.schemaregistry.protoelements import ProtoError
from appliance.schemaregistry.protofile import parse_proto, place_of
from appliance.schemaregistry.protoreader import ProtoReader, proto_reader
from appliance.schemaregistry.protowriter import ProtoOptions, ProtoWriter, proto_writer

PROTOBUF = "PROTOBUF"
CONFIG = ConfigDef([CONVERTER_TYPE]).merged(REGISTRY_CONFIG)
_NAMED = (
    ("enhanced.protobuf.schema.support", False, "Name structs with the package of their message."),
    ("scrub.invalid.names", False, "Replace characters in names that protobuf does not allow."),
    ("int.for.enums", False, "Read enums as numbers instead of texts."),
    ("optional.for.nullables", False, "Mark fields that may be null with `optional`."),
    ("wrapper.for.nullables", False, "Put scalars that may be null into wrapper messages."),
    ("wrapper.for.raw.primitives", True, "Put keys and values that are no structs into wrappers."),
    ("generate.index.for.unions", True, "Number the fields that stand for a oneof."),
    ("flatten.unions", False, "Give the fields of a oneof beside the others."),
    ("optional.for.proto2", True, "Read `optional` fields of proto2 that are not set as null."),
    ("generate.struct.for.nulls", False, "Read messages that are not set as those with defaults."),
    (
        "generalized.sum.type.support",
        False,
        "Read enums and oneofs as the forms that all three types of schema share.",
    ),
)
for _name, _default, _doc in _NAMED:
    CONFIG.define(_name, ConfigType.BOOLEAN, _default, importance=Importance.LOW, doc=_doc)

_MISFITS = (
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    ArithmeticError,
    RecursionError,
)


class ProtobufConverter(Converter):
    """Rows to and from messages with the id of their schema."""

    config_def: ClassVar[ConfigDef] = CONFIG

    def __init__(self) -> None:
        """Start unconfigured."""
        self._client: RegistryClient
        self._subjects: Subjects
        self._parsed: dict[str, Any] = {}
        self._options = ProtoOptions()
        self._kind = "value"
        self._writers: dict[Schema, ProtoWriter] = {}
        self._readers: dict[tuple[str, bytes], ProtoReader] = {}

    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take the options. Raises ConfigError."""
        self._kind = "key" if is_key else "value"
        parsed = self._parsed = CONFIG.parse({**config, "converter.type": self._kind})
        self._client = client_of(config, parsed)
        self._subjects = Subjects(parsed, is_key=is_key)
        self._options = ProtoOptions(*(parsed[name] for name, *_ in _NAMED))

    def check(self, schema: Schema | None, value: Any) -> None:
        """Raise DataError when the boundary value does not fit the schema."""
        if schema is not None:
            validate_value("value", schema, value)

    def encoder(self, topic: str, schema: Schema | None, layout: Layout | None = None) -> Encoder:
        """Give the function that encodes rows; the schema is registered with the first that is set."""
        if schema is None:
            return _nulls_only
        writer = self._writers.get(schema)
        if writer is None:
            writer = self._writers[schema] = proto_writer(schema, self._options)
        encode_live = writer.encode
        head: bytes | None = None

        def encode(rows: Sequence[Any], constants: Sequence[Any] = ()) -> list[bytes | None]:
            nonlocal head
            present = [row for row in rows if not is_null(row)]
            if not present:
                return [None] * len(rows)
            if layout is not None:
                present = [layout.assemble(row, constants) for row in present]
            try:
                bodies = iter(encode_live(present))
            except _MISFITS as error:
                raise DataError(
                    f"Failed to serialize Protobuf data from topic {topic}: {error}"
                ) from error
            if head is None:
                head = self._head(topic, writer)
            return [None if is_null(row) else head + next(bodies) for row in rows]

        return encode

    def _head(self, topic: str, writer: ProtoWriter) -> bytes:
        """Register or find the schema; give what stands before its messages."""
        parsed, client = self._parsed, self._client
        subject, text = self._subjects.of(topic, writer.record), SchemaText(writer.text, PROTOBUF)
        failed = f"Failed to serialize Protobuf data from topic {topic}"
        place = writer.place
        try:
            if parsed["auto.register.schemas"]:
                found = client.register(subject, text, normalize=parsed["normalize.schemas"])
            elif parsed["use.schema.id"] >= 0:
                found = int(parsed["use.schema.id"])
                chosen = client.by_id(found, subject)
                if parsed["id.compatibility.strict"]:
                    check_chosen(client, chosen, text)
                place = self._place_in(chosen, writer.record)
            elif parsed["use.latest.version"]:
                found, latest = client.latest(subject)
                if parsed["latest.compatibility.strict"]:
                    check_latest(client, latest, text)
                place = self._place_in(latest, writer.record)
            else:
                found = client.lookup(subject, text, normalize=parsed["normalize.schemas"])
        except RetriableError as error:
            raise RetriableError(f"{failed} : {error}") from error
        except RegistryError as error:
            raise DataError(f"{failed}: {error}") from error
        return struct.pack(">bI", 0, found) + _place(place)

    @staticmethod
    def _place_in(schema: SchemaText, record: str) -> tuple[int, ...]:
        """Give where a schema of the registry has the message that is written."""
        try:
            return place_of(parse_proto(schema.text), record)
        except ProtoError as error:
            raise DataError(f"Reading the registered protobuf schema: {error}") from error

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """Decode the payloads in order. Raises DataError."""
        runs: list[Run] = []
        rows: list[Any] = []
        reader: ProtoReader | None = None
        for payload in payloads:
            if payload is None:
                rows.append(None)
                continue
            found, start = self._reader(topic, payload)
            if found is not reader:
                if reader is not None:
                    runs.append(Run(reader.schema, rows))
                    rows = []
                reader = found
            row = found.read(payload[start:])
            rows.append(NULL if row is None else row)
        if rows:
            runs.append(Run(reader.schema if reader else None, rows))
        return runs

    def _reader(self, topic: str, payload: bytes) -> tuple[ProtoReader, int]:
        failed = f"Failed to deserialize data for topic {topic} to Protobuf"
        if len(payload) < 6 or payload[0]:
            raise DataError(f"{failed}: Unknown magic byte!")
        start, index = _read_place(payload)
        key = (topic, payload[:start])
        known = self._readers.get(key)
        if known is None:
            try:
                known = self._make_reader(topic, int.from_bytes(payload[1:5], "big"), index)
            except RegistryError as error:
                raise DataError(f"{failed}: {error}") from error
            self._readers[key] = known
        return known, start

    def _make_reader(self, topic: str, schema_id: int, index: tuple[int, ...]) -> ProtoReader:
        text = self._client.by_id(schema_id)
        if text.kind != PROTOBUF:
            raise DataError(f"The schema with id {schema_id} is {text.kind}, not Protobuf")
        referred = [(name, schema.text) for name, schema in self._client.resolved(text)]
        reader = proto_reader(text.text, referred, index, self._options)
        subject = self._subjects.of(topic, reader.record)
        version = self._client.version(subject, text)
        return reader._replace(schema=reader.schema.replace(version=version))


def _nulls_only(rows: Sequence[Any], _constants: Sequence[Any] = ()) -> list[bytes | None]:
    if all(is_null(row) for row in rows):
        return [None] * len(rows)
    raise DataError("Values without a schema cannot be written as Protobuf: add a schema")


def _varint(number: int) -> bytes:
    zigzag = (number << 1) ^ (number >> 63)
    found = bytearray()
    while zigzag > 0x7F:
        found.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    found.append(zigzag)
    return bytes(found)


def _place(index: tuple[int, ...]) -> bytes:
    """Give the place of a message in its file; that of the first is one zero byte."""
    if index == (0,):
        return b"\x00"
    return _varint(len(index)) + b"".join(map(_varint, index))


def _read_place(payload: bytes) -> tuple[int, tuple[int, ...]]:
    """Give where the message begins, and the place of its type. Raises DataError."""
    at = 5

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            if at >= len(payload) or shift > 28:
                raise DataError("The place of a message in its .proto file is cut short")
            byte = payload[at]
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
    index = tuple([number() for _ in range(count)])
    if min(index) < 0:
        raise DataError("The place of a message in its .proto file is not readable")
    return at, index
