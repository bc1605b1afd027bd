"""AvroConverter: records as Avro in Confluent's wire format, their schemas in a schema registry.

Semantics: Confluent AvroConverter 8.x. A payload is the schema's id and the Avro body, or the body alone
beside a header; null is null and registers nothing. The registry is asked when a schema is first written or
read, never again for it. Not thread-safe.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import fastavro

from appliance.api import NULL, Encoder, Layout, Run
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.converters.base import CONVERTER_TYPE, is_null
from appliance.converters.registered import RegistryConverter
from appliance.data import Schema, Type
from appliance.data.struct import validate_value
from appliance.errors import ConnectError, DataError
from appliance.schemaregistry.anything import ANYTHING, encode_anything
from appliance.schemaregistry.anything import NAME as ANYTHING_NAME
from appliance.schemaregistry.avrodata import AvroOptions, avro_encoder, avro_schema
from appliance.schemaregistry.avroreader import AvroReader, ReaderOptions, avro_reader
from appliance.schemaregistry.bounded import Bounded
from appliance.schemaregistry.client import AVRO, RegistryError, SchemaText
from appliance.schemaregistry.options import CONFIG as REGISTRY_CONFIG
from appliance.schemaregistry.wire import reference_of

CONFIG = ConfigDef([CONVERTER_TYPE]).merged(REGISTRY_CONFIG)
for _name, _default, _doc in (
    ("connect.meta.data", True, "Keep names, versions, docs and parameters as schema properties."),
    ("scrub.invalid.names", False, "Replace characters in names that Avro does not allow."),
    (
        "ignore.default.for.nullables",
        False,
        "Write null where an optional field is null, instead of the field's default.",
    ),
    ("allow.optional.map.keys", False, "Write maps with optional text keys as Avro maps."),
    (
        "enhanced.avro.schema.support",
        False,
        "Write enums as enums, and name the fields of unions by full names.",
    ),
    (
        "generalized.sum.type.support",
        False,
        "Read enums and unions as the forms that all three types of schema share.",
    ),
    ("flatten.singleton.unions", True, "Take a union of one type for that type."),
    (
        "discard.type.doc.default",
        False,
        "Leave docs and defaults of types out; fields keep theirs.",
    ),
):
    CONFIG.define(_name, ConfigType.BOOLEAN, _default, importance=Importance.LOW, doc=_doc)

_MISFITS = (
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    struct.error,
    ArithmeticError,
    RecursionError,
)


class AvroConverter(RegistryConverter):
    """Rows to and from Avro with the id of their schema."""

    config_def: ClassVar[ConfigDef] = CONFIG
    form = "Avro"

    def __init__(self) -> None:
        """Start unconfigured."""
        super().__init__()
        self._options = AvroOptions()
        self._reading = ReaderOptions()
        self._readers: Bounded[tuple[str, bytes], AvroReader]
        self._compiled: Bounded[
            Schema | None, tuple[SchemaText, str | None, Callable[..., list[bytes]]]
        ]

    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self._take_options(config, is_key=is_key)
        self._readers = Bounded(parsed["schemas.cache.config"])
        self._compiled = Bounded(parsed["schemas.cache.config"])
        self._options = AvroOptions(
            parsed["connect.meta.data"],
            parsed["allow.optional.map.keys"],
            parsed["scrub.invalid.names"],
            parsed["ignore.default.for.nullables"],
            parsed["enhanced.avro.schema.support"],
            parsed["discard.type.doc.default"],
        )
        self._reading = ReaderOptions(
            parsed["connect.meta.data"],
            parsed["enhanced.avro.schema.support"],
            parsed["generalized.sum.type.support"],
            parsed["flatten.singleton.unions"],
            parsed["discard.type.doc.default"],
        )

    def check(self, schema: Schema | None, value: Any) -> None:
        """Raise DataError when the boundary value does not fit the schema."""
        if schema is not None:
            validate_value("value", schema, value)

    def encoder(self, topic: str, schema: Schema | None, layout: Layout | None = None) -> Encoder:
        """Give the function that encodes rows; the schema is registered with the first that is set."""
        text, record, body = self._compiled.get(schema) or self._compile(schema)
        write: Callable[[Sequence[Any]], list[bytes]] | None = None

        def encode(rows: Sequence[Any], constants: Sequence[Any] = ()) -> list[bytes | None]:
            nonlocal write
            present = [row for row in rows if not is_null(row)]
            if not present:
                return [None] * len(rows)
            try:
                if write is None:
                    write = self._writer(topic, text, record, body)
                if layout is not None:
                    present = [layout.assemble(row, constants) for row in present]
                made = write(present)
            except _MISFITS as error:
                raise DataError(
                    f"Failed to serialize Avro data from topic {topic}: {error}"
                ) from error
            if len(made) == len(rows):
                return made  # type: ignore[return-value]  # bytes are bytes or None
            bodies = iter(made)
            return [None if is_null(row) else next(bodies) for row in rows]

        return encode

    def _compile(
        self, schema: Schema | None
    ) -> tuple[SchemaText, str | None, Callable[..., list[bytes]]]:
        if schema is None:
            anything = lambda rows: [encode_anything(row) for row in rows]
            self._compiled[None] = found = (SchemaText(ANYTHING), ANYTHING_NAME, anything)
            return found
        avro = avro_schema(schema, self._options)
        text = SchemaText(json.dumps(avro, separators=(",", ":"), ensure_ascii=False))
        if schema.type is Type.BYTES and not schema.optional and schema.name is None:
            body: Callable[..., list[bytes]] = lambda rows, head=b"": [head + row for row in rows]
        else:
            body = avro_encoder(schema, self._options)
        record = None
        if schema.type is Type.STRUCT:
            branches = avro if isinstance(avro, list) else [avro]
            found = next(branch for branch in branches if branch != "null")
            record = f"{found.get('namespace', '')}.{found['name']}".lstrip(".")
        self._compiled[schema] = made = (text, record, body)
        return made

    def _writer(
        self, topic: str, text: SchemaText, record: str | None, body: Callable[..., list[bytes]]
    ) -> Callable[[Sequence[Any]], list[bytes]]:
        subject = self._subjects.of(topic, record)
        found = self._chosen(topic, subject, text)
        prefix, target = self._ids.head(found.id), found.text
        if target is None or json.loads(target.text) == json.loads(text.text):
            return lambda rows: [prefix + encoded for encoded in body(rows)]
        with self._serializing(topic):
            referred = self._referred(target)
        rewrite = _rewriter(text.text, (), target.text, referred)
        return lambda rows: [prefix + rewrite(encoded) for encoded in body(rows)]

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """Decode the payloads in order. Raises DataError."""
        runs: list[Run] = []
        rows: list[Any] = []
        reader: AvroReader | None = None
        head, size = b"", 0
        for payload in self._ids.assumed(payloads):
            if payload is None:
                rows.append(None)
                continue
            if reader is None or payload[:size] != head:
                if reader is not None:
                    runs.append(Run(reader.schema, rows))
                    rows = []
                reader, size = self._reader(topic, payload)
                head = payload[:size]
            row = payload[size:] if reader.raw_bytes else reader.read(payload, size)
            rows.append(NULL if row is None and reader.schema is not None else row)
        if rows:
            runs.append(Run(reader.schema if reader else None, rows))
        return runs

    def _reader(self, topic: str, payload: bytes) -> tuple[AvroReader, int]:
        """Give what reads a payload, and where its body begins."""
        head = self._head_of(topic, payload)
        known = self._readers.get((topic, head))
        if known is None:
            reference = reference_of(head)
            try:
                known = self._make_reader(topic, reference)
            except RegistryError as error:
                raise DataError(
                    f"{self._unreadable(topic)}: Error retrieving Avro {self._kind} schema version "
                    f"for id {reference}: {error}"
                ) from error
            self._readers[topic, head] = known
        return known, len(head)

    def _make_reader(self, topic: str, reference: int | str) -> AvroReader:
        text = self._client.known(reference)
        if text.kind != AVRO:
            raise DataError(f"The schema with id {reference} is {text.kind}, not Avro")
        reader = avro_reader(text.text, self._referred(text), self._reading)
        target = self._wanted(topic, reader.record_name)
        if target is not None and target != text and not reader.raw_bytes:
            reader = self._converted(text, target)
        if reader.schema is None or reader.schema.version is not None:
            return reader
        version = self._client.version(self._subjects.of(topic, reader.record_name), text)
        return reader._replace(schema=reader.schema.replace(version=version))

    def _referred(self, text: SchemaText) -> list[str]:
        return [schema.text for _, schema in self._client.resolved(text)]

    def _converted(self, text: SchemaText, target: SchemaText) -> AvroReader:
        """Give what reads bodies of one schema into another."""
        referred = self._referred(target)
        reader = avro_reader(target.text, referred, self._reading)
        rewrite = _rewriter(text.text, self._referred(text), target.text, referred)
        return reader._replace(read=lambda data, at: reader.read(rewrite(data[at:]), 0))


def _rewriter(
    source: str, source_needs: Iterable[str], target: str, target_needs: Iterable[str]
) -> Callable[[bytes], bytes]:
    """Give the function from bodies of one schema to those of another, each with what it refers to.

    Raises DataError.
    """
    try:
        writer = _parsed(source, source_needs)
        reader = _parsed(target, target_needs)
    except Exception as error:
        raise DataError(f"Reading the registered Avro schema: {error}") from error

    def rewrite(body: bytes) -> bytes:
        out = io.BytesIO()
        try:
            value = fastavro.schemaless_reader(io.BytesIO(body), writer, reader)
            fastavro.schemaless_writer(out, reader, value)
        except ConnectError:
            raise
        except Exception as error:
            raise DataError(f"A value does not fit the registered Avro schema: {error}") from error
        return out.getvalue()

    return rewrite


def _parsed(text: str, needs: Iterable[str]) -> Any:
    named: dict[str, Any] = {}
    for other in needs:
        fastavro.parse_schema(json.loads(other), named_schemas=named)
    return fastavro.parse_schema(json.loads(text), named_schemas=named)
