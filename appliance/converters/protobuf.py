"""ProtobufConverter: protobuf messages in Confluent's wire format, their .proto files in a registry.

Semantics: Confluent ProtobufConverter 8.x. A payload is the schema's id, the place of the message in its
file, and the message, or the message alone beside a header; null is null and registers nothing. Not
thread-safe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from appliance.api import NULL, Encoder, Layout, Run
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.converters.base import CONVERTER_TYPE, is_null
from appliance.converters.registered import RegistryConverter
from appliance.data import Schema
from appliance.data.struct import validate_value
from appliance.errors import DataError
from appliance.schemaregistry.bounded import Bounded
from appliance.schemaregistry.client import RegistryError, SchemaText
from appliance.schemaregistry.options import CONFIG as REGISTRY_CONFIG
from appliance.schemaregistry.protoelements import ProtoError
from appliance.schemaregistry.protofile import parse_proto, place_of
from appliance.schemaregistry.protoreader import ProtoReader, proto_reader
from appliance.schemaregistry.protowriter import ProtoOptions, ProtoWriter, proto_writer
from appliance.schemaregistry.wire import (
    Place,
    head_size,
    place_bytes,
    placed_size,
    read_place,
    reference_of,
)

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


class ProtobufConverter(RegistryConverter):
    """Rows to and from messages with the id of their schema."""

    config_def: ClassVar[ConfigDef] = CONFIG
    form = "Protobuf"
    _size = staticmethod(placed_size)

    def __init__(self) -> None:
        """Start unconfigured."""
        super().__init__()
        self._options = ProtoOptions()
        self._writers: Bounded[Schema, ProtoWriter]
        self._readers: Bounded[tuple[str, bytes], ProtoReader]

    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self._take_options(config, is_key=is_key)
        self._writers = Bounded(parsed["schemas.cache.config"])
        self._readers = Bounded(parsed["schemas.cache.config"])
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
        subject = self._subjects.of(topic, writer.record)
        found = self._chosen(topic, subject, SchemaText(writer.text, PROTOBUF))
        place = writer.place if found.text is None else self._place_in(found.text, writer.record)
        return self._ids.head(found.id, place_bytes(place))

    @staticmethod
    def _place_in(schema: SchemaText, record: str) -> Place:
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
        head, size = b"", 0
        for payload in self._ids.assumed(payloads):
            if payload is None:
                rows.append(None)
                continue
            if reader is None or payload[:size] != head:
                found, size = self._reader(topic, payload)
                head = payload[:size]
                if reader is not None and found is not reader:
                    runs.append(Run(reader.schema, rows))
                    rows = []
                reader = found
            row = reader.read(payload[size:])
            rows.append(NULL if row is None else row)
        if rows:
            runs.append(Run(reader.schema if reader else None, rows))
        return runs

    def _reader(self, topic: str, payload: bytes) -> tuple[ProtoReader, int]:
        """Give what reads a payload, and where its message begins."""
        head = self._head_of(topic, payload)
        known = self._readers.get((topic, head))
        if known is None:
            try:
                known = self._make_reader(topic, head)
            except RegistryError as error:
                raise DataError(f"{self._unreadable(topic)}: {error}") from error
            self._readers[topic, head] = known
        return known, len(head)

    def _make_reader(self, topic: str, head: bytes) -> ProtoReader:
        reference, (_, place) = reference_of(head), read_place(head, head_size(head))
        text = self._client.known(reference)
        if text.kind != PROTOBUF:
            raise DataError(f"The schema with id {reference} is {text.kind}, not Protobuf")
        reader = self._reader_of(text, place)
        subject = self._subjects.of(topic, reader.record)
        target = self._wanted(topic, reader.record)
        if target is not None:
            text, reader = target, self._reader_of(target, self._place_in(target, reader.record))
        version = self._client.version(subject, text)
        return reader._replace(schema=reader.schema.replace(version=version))

    def _reader_of(self, text: SchemaText, place: Place) -> ProtoReader:
        referred = [(name, schema.text) for name, schema in self._client.resolved(text)]
        return proto_reader(text.text, referred, place, self._options)


def _nulls_only(rows: Sequence[Any], _constants: Sequence[Any] = ()) -> list[bytes | None]:
    if all(is_null(row) for row in rows):
        return [None] * len(rows)
    raise DataError("Values without a schema cannot be written as Protobuf: add a schema")
