"""AvroConverter: records as Avro in Confluent's wire format, their schemas in a schema registry.

Semantics: Confluent AvroConverter 8.x. A payload is a zero byte, the schema's id in four bytes and the
Avro body; null is null and registers nothing. The registry is asked when a schema is first written or
read, never again for it. Not thread-safe.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import fastavro

from appliance.api import NULL, Converter, Encoder, Layout, Run
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.converters.base import CONVERTER_TYPE, is_null
from appliance.data import Schema, Type
from appliance.data.struct import validate_value
from appliance.errors import ConnectError, DataError, RetriableError
from appliance.schemaregistry.anything import ANYTHING, encode_anything
from appliance.schemaregistry.anything import NAME as ANYTHING_NAME
from appliance.schemaregistry.avrodata import AvroOptions, avro_encoder, avro_schema
from appliance.schemaregistry.avroreader import AvroReader, ReaderOptions, avro_reader
from appliance.schemaregistry.client import AVRO, RegistryClient, RegistryError, SchemaText
from appliance.schemaregistry.latest import check_chosen, check_latest
from appliance.schemaregistry.options import CONFIG as REGISTRY_CONFIG
from appliance.schemaregistry.options import Subjects, client_of

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


class AvroConverter(Converter):
    """Rows to and from Avro with the id of their schema."""

    config_def: ClassVar[ConfigDef] = CONFIG

    def __init__(self) -> None:
        """Start unconfigured."""
        self._client: RegistryClient
        self._subjects: Subjects
        self._parsed: dict[str, Any] = {}
        self._options = AvroOptions()
        self._reading = ReaderOptions()
        self._kind = "value"
        self._readers: dict[tuple[str, int], AvroReader] = {}
        self._compiled: dict[
            Schema | None, tuple[SchemaText, str | None, Callable[..., list[bytes]]]
        ] = {}

    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take the options. Raises ConfigError."""
        self._kind = "key" if is_key else "value"
        parsed = self._parsed = CONFIG.parse({**config, "converter.type": self._kind})
        self._client = client_of(config, parsed)
        self._subjects = Subjects(parsed, is_key=is_key)
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
                return made  # type: ignore[return-value]
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
        try:
            schema_id, target = self._target(subject, text)
            others = self._client.resolved(target) if target is not None else []
            referred = [schema.text for _, schema in others]
        except RetriableError as error:
            raise RetriableError(
                f"Failed to serialize Avro data from topic {topic} : {error}"
            ) from error
        except RegistryError as error:
            raise DataError(
                f"Failed to serialize Avro data from topic {topic}: {error}"
            ) from error
        prefix = struct.pack(">bI", 0, schema_id)
        if target is None or json.loads(target.text) == json.loads(text.text):
            return lambda rows: [prefix + encoded for encoded in body(rows)]
        rewrite = _rewriter(text.text, target.text, referred)
        return lambda rows: [prefix + rewrite(encoded) for encoded in body(rows)]

    def _target(self, subject: str, text: SchemaText) -> tuple[int, SchemaText | None]:
        """Give the id to write with, and the schema when it may be another than ours."""
        normalize = self._parsed["normalize.schemas"]
        if self._parsed["auto.register.schemas"]:
            return self._client.register(subject, text, normalize=normalize), None
        fixed = self._parsed["use.schema.id"]
        if fixed >= 0:
            chosen = self._client.by_id(fixed, subject)
            if self._parsed["id.compatibility.strict"]:
                check_chosen(self._client, chosen, text)
            return fixed, chosen
        if self._parsed["use.latest.version"]:
            latest = self._client.latest(subject)
            if self._parsed["latest.compatibility.strict"]:
                check_latest(self._client, latest[1], text)
            return latest
        return self._client.lookup(subject, text, normalize=normalize), None

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """Decode the payloads in order. Raises DataError."""
        runs: list[Run] = []
        rows: list[Any] = []
        reader: AvroReader | None = None
        head = b""
        for payload in payloads:
            if payload is None:
                rows.append(None)
                continue
            if reader is None or payload[:5] != head:
                if reader is not None:
                    runs.append(Run(reader.schema, rows))
                    rows = []
                head = payload[:5]
                reader = self._reader(topic, head)
            row = payload[5:] if reader.raw_bytes else reader.read(payload, 5)
            rows.append(NULL if row is None and reader.schema is not None else row)
        if rows:
            runs.append(Run(reader.schema if reader else None, rows))
        return runs

    def _reader(self, topic: str, head: bytes) -> AvroReader:
        if len(head) < 5 or head[0]:
            raise DataError(
                f"Failed to deserialize data for topic {topic} to Avro: Unknown magic byte!"
            )
        (schema_id,) = struct.unpack(">I", head[1:])
        known = self._readers.get((topic, schema_id))
        if known is None:
            try:
                known = self._make_reader(topic, schema_id)
            except RegistryError as error:
                raise DataError(
                    f"Failed to deserialize data for topic {topic} to Avro: Error retrieving Avro "
                    f"{self._kind} schema version for id {schema_id}: {error}"
                ) from error
            self._readers[topic, schema_id] = known
        return known

    def _make_reader(self, topic: str, schema_id: int) -> AvroReader:
        text = self._client.by_id(schema_id)
        if text.kind != AVRO:
            raise DataError(f"The schema with id {schema_id} is {text.kind}, not Avro")
        referred = [schema.text for _, schema in self._client.resolved(text)]
        reader = avro_reader(text.text, referred, self._reading)
        if reader.schema is None or reader.schema.version is not None:
            return reader
        subject = self._subjects.of(topic, reader.record_name)
        version = self._client.version(subject, text)
        return reader._replace(schema=reader.schema.replace(version=version))


def _rewriter(ours: str, target: str, referred: Iterable[str]) -> Callable[[bytes], bytes]:
    """Give the function from a body of schema `ours` to one of `target`, which names `referred` ones.

    Raises DataError.
    """
    named: dict[str, Any] = {}
    try:
        writer = fastavro.parse_schema(json.loads(ours))
        for other in referred:
            fastavro.parse_schema(json.loads(other), named_schemas=named)
        wanted = fastavro.parse_schema(json.loads(target), named_schemas=named)
    except Exception as error:
        raise DataError(f"Reading the registered Avro schema: {error}") from error

    def rewrite(body: bytes) -> bytes:
        out = io.BytesIO()
        try:
            value = fastavro.schemaless_reader(io.BytesIO(body), writer, wanted)
            fastavro.schemaless_writer(out, wanted, value)
        except ConnectError:
            raise
        except Exception as error:
            raise DataError(
                "Incompatible schema of type 'AVRO'. Set latest.compatibility.strict=false to "
                f"disable this check. See log file for more details. ({error})"
            ) from error
        return out.getvalue()

    return rewrite
