"""JsonSchemaConverter: JSON in Confluent's wire format, its JSON Schema in a schema registry.

Semantics: Confluent JsonSchemaConverter 8.x. A payload is the schema's id and the value as JSON, or the
JSON alone beside a header; null under an optional schema is JSON's null, not a tombstone. Not thread-safe.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from appliance.api import Encoder, Layout, Run
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.config.validators import OneOf
from appliance.converters.base import CONVERTER_TYPE, is_null
from appliance.converters.json_check import check_value
from appliance.converters.json_encoder import Options, RowWriter
from appliance.converters.json_forms import FormsDecoder, FormsGenerator, OmittingGenerator
from appliance.converters.json_parser import parse
from appliance.converters.registered import RegistryConverter
from appliance.data import Schema
from appliance.data.struct import wrap
from appliance.errors import DataError
from appliance.schemaregistry.bounded import Bounded
from appliance.schemaregistry.client import RegistryError, SchemaText
from appliance.schemaregistry.jsonreferences import Documents
from appliance.schemaregistry.jsonschemadata import JsonWriting, json_schema
from appliance.schemaregistry.jsonschemareader import JsonReading, read_json_schema
from appliance.schemaregistry.jsonvalidation import check_json
from appliance.schemaregistry.options import CONFIG as REGISTRY_CONFIG
from appliance.schemaregistry.wire import reference_of

CONFIG = (
    ConfigDef([CONVERTER_TYPE])
    .merged(REGISTRY_CONFIG)
    .define(
        "object.additional.properties",
        ConfigType.BOOLEAN,
        True,
        importance=Importance.MEDIUM,
        doc="Let objects have members that the schema does not name.",
    )
    .define(
        "use.optional.for.nonrequired",
        ConfigType.BOOLEAN,
        False,
        importance=Importance.MEDIUM,
        doc="Take properties that a schema does not require as optional, and require the others.",
    )
    .define(
        "decimal.format",
        ConfigType.STRING,
        "BASE64",
        validator=OneOf(("NUMERIC", "BASE64"), ignore_case=True),
        importance=Importance.LOW,
        doc="How decimals are written: BASE64 or NUMERIC.",
    )
)
for _name, _default, _importance, _doc in (
    (
        "generalized.sum.type.support",
        False,
        Importance.LOW,
        "Read enums and alternatives as the forms that all three types of schema share.",
    ),
    (
        "flatten.singleton.unions",
        True,
        Importance.LOW,
        "Take alternatives of which there is one for that one.",
    ),
    (
        "ignore.default.for.nullables",
        False,
        Importance.LOW,
        "Write null where an optional field is null, instead of the field's default.",
    ),
    (
        "ignore.modern.dialects",
        False,
        Importance.LOW,
        "Read every schema as one of draft 7, whatever draft it says it is of.",
    ),
    (
        "preserve.additional.properties",
        False,
        Importance.MEDIUM,
        "Keep members that no property names, in a field `__connect_additional_properties__`.",
    ),
    (
        "json.fail.invalid.schema",
        False,
        Importance.MEDIUM,
        "Refuse values, read or written, that are not valid under their JSON Schema.",
    ),
):
    CONFIG.define(_name, ConfigType.BOOLEAN, _default, importance=_importance, doc=_doc)


class JsonSchemaConverter(RegistryConverter):
    """Rows to and from JSON with the id of their schema."""

    config_def: ClassVar[ConfigDef] = CONFIG
    form = "JSON Schema"

    def __init__(self) -> None:
        """Start unconfigured."""
        super().__init__()
        self._options = self._omitting = Options()
        self._writing = JsonWriting()
        self._reading = JsonReading()
        self._decoders: Bounded[tuple[str, bytes], FormsDecoder]

    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self._take_options(config, is_key=is_key)
        self._decoders = Bounded(parsed["schemas.cache.config"])
        keeps = parsed["preserve.additional.properties"]
        self._options = Options(
            parsed["decimal.format"].upper() == "NUMERIC",
            not parsed["ignore.default.for.nullables"],
            functools.partial(FormsGenerator, keep_additional=keeps),
        )
        self._omitting = self._options._replace(
            generator=functools.partial(OmittingGenerator, keep_additional=keeps)
        )
        self._writing = JsonWriting(
            self._options.numeric_decimals,
            parsed["object.additional.properties"],
            parsed["use.optional.for.nonrequired"],
            keeps,
        )
        self._reading = JsonReading(
            parsed["use.optional.for.nonrequired"],
            parsed["generalized.sum.type.support"],
            parsed["flatten.singleton.unions"],
            keeps,
        )

    def check(self, schema: Schema | None, value: Any) -> None:
        """Raise DataError when the boundary value does not fit the schema."""
        if schema is not None:
            check_value(schema, value, self._options)

    def encoder(self, topic: str, schema: Schema | None, layout: Layout | None = None) -> Encoder:
        """Give the function that encodes rows; the schema is registered with the first that is set."""
        if schema is None:
            return _nulls_only
        document = json_schema(schema, self._writing)
        text = SchemaText(json.dumps(document, separators=(",", ":"), ensure_ascii=False), "JSON")
        subject = self._subjects.of(topic, schema.name)
        write = self._writer(schema, layout, self._options)

        write_omitting = functools.cache(lambda: self._writer(schema, None, self._omitting))

        def omitting(rows: Sequence[Any], constants: Sequence[Any]) -> list[bytes | None]:
            if layout is not None:
                rows = [row if is_null(row) else layout.assemble(row, constants) for row in rows]
            return write_omitting()(rows)

        prefix: bytes | None = None
        check: Callable[[Any], None] | None = None

        def encode(rows: Sequence[Any], constants: Sequence[Any] = ()) -> list[bytes | None]:
            nonlocal prefix, check
            try:
                made = write(rows, constants)
            except DataError:
                made = omitting(rows, constants)
            if prefix is None and any(body is not None for body in made):
                found = self._chosen(topic, subject, text)
                with self._serializing(topic):
                    check = self._check(found.text or text)
                prefix = self._ids.head(found.id)
            if check is not None:
                for body in made:
                    if body is not None:
                        check(parse(body))
            return [None if body is None else (prefix or b"") + body for body in made]

        return encode

    def _writer(self, schema: Schema, layout: Layout | None, options: Options) -> RowWriter:
        return RowWriter(
            schema, layout, options, ("", ""), lambda row: self.check(schema, wrap(schema, row))
        )

    @property
    def _validates(self) -> bool:
        return bool(self._parsed["json.fail.invalid.schema"])

    def _check(self, text: SchemaText) -> Callable[[Any], None] | None:
        """Give what validates values by a schema, None when they are not to be."""
        return functools.partial(check_json, self._documents(text)) if self._validates else None

    def _documents(self, text: SchemaText) -> Documents:
        """Give a schema with those that it refers to. Raises DataError, RegistryError."""
        try:
            referred = [(n, json.loads(one.text)) for n, one in self._client.resolved(text)]
            return Documents(
                json.loads(text.text),
                referred,
                ignore_modern_dialects=self._parsed["ignore.modern.dialects"],
            )
        except (ValueError, RecursionError) as error:
            raise DataError(f"Reading a JSON Schema: {error}") from error

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """Decode the payloads in order. Raises DataError."""
        payloads = self._ids.assumed(payloads)
        runs: list[Run] = []
        start = 0
        while start < len(payloads):
            first = payloads[start]
            head = None if first is None else self._head_of(topic, first)
            size = len(head or b"")
            end = start + 1
            while end < len(payloads):
                payload = payloads[end]
                if (None if payload is None else payload[:size]) != head:
                    break
                end += 1
            if head is None:
                runs.append(Run(None, [None] * (end - start)))
            else:
                bodies = [(payload or b"")[size:] for payload in payloads[start:end]]
                runs.extend(self._decoder(topic, head).decode(bodies))
            start = end
        return runs

    def _decoder(self, topic: str, head: bytes) -> FormsDecoder:
        known = self._decoders.get((topic, head))
        if known is not None:
            return known
        try:
            found = self._client.known(reference_of(head))
            if found.kind != "JSON":
                raise DataError(f"its schema is {found.kind}, not a JSON Schema")
            documents = self._documents(found)
            schema = read_json_schema(documents, self._reading)
            target = self._wanted(topic, schema.name)
            if target is not None:
                found, documents = target, self._documents(target)
                schema = read_json_schema(documents, self._reading)
            if schema.version is None:
                subject = self._subjects.of(topic, schema.name)
                schema = schema.replace(version=self._client.version(subject, found))
            known = self._decoders[topic, head] = FormsDecoder(
                schema,
                keep_additional=self._reading.keep_additional,
                check=functools.partial(check_json, documents) if self._validates else None,
            )
        except (RegistryError, DataError) as error:
            raise DataError(f"{self._unreadable(topic)}: {error}") from error
        return known

    def _unreadable(self, topic: str) -> str:
        return f"Converting byte[] to Kafka Connect data failed for topic {topic}"


def _nulls_only(rows: Sequence[Any], _constants: Sequence[Any] = ()) -> list[bytes | None]:
    if all(row is None for row in rows):
        return [None] * len(rows)
    raise DataError("Values without a schema cannot be written with a JSON Schema")
