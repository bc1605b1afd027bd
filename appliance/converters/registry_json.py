"""JsonSchemaConverter: JSON in Confluent's wire format, its JSON Schema in a schema registry.

Semantics: Confluent JsonSchemaConverter 8.x. A payload is a zero byte, the schema's id in four bytes and
the value as JSON; null under an optional schema is JSON's null, not a tombstone. Not thread-safe.
"""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from appliance.api import Converter, Encoder, Layout, Run
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.config.validators import OneOf
from appliance.converters.base import CONVERTER_TYPE, is_null
from appliance.converters.json_check import check_value
from appliance.converters.json_encoder import Options, RowWriter
from appliance.converters.json_forms import FormsDecoder, FormsGenerator, OmittingGenerator
from appliance.converters.json_parser import parse
from appliance.data import Schema
from appliance.data.struct import wrap
from appliance.errors import DataError
from appliance.schemaregistry.client import RegistryClient, RegistryError, SchemaText
from appliance.schemaregistry.jsonreferences import Documents
from appliance.schemaregistry.jsonschemadata import JsonWriting, json_schema
from appliance.schemaregistry.jsonschemareader import JsonReading, read_json_schema
from appliance.schemaregistry.jsonvalidation import check_json
from appliance.schemaregistry.latest import check_chosen, check_latest
from appliance.schemaregistry.options import CONFIG as REGISTRY_CONFIG
from appliance.schemaregistry.options import Subjects, client_of

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


class JsonSchemaConverter(Converter):
    """Rows to and from JSON with the id of their schema."""

    config_def: ClassVar[ConfigDef] = CONFIG

    def __init__(self) -> None:
        """Start unconfigured."""
        self._client: RegistryClient
        self._subjects: Subjects
        self._parsed: dict[str, Any] = {}
        self._options = self._omitting = Options()
        self._writing = JsonWriting()
        self._reading = JsonReading()
        self._decoders: dict[tuple[str, bytes], FormsDecoder] = {}

    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take the options. Raises ConfigError."""
        kind = "key" if is_key else "value"
        parsed = self._parsed = CONFIG.parse({**config, "converter.type": kind})
        self._client = client_of(config, parsed)
        self._subjects = Subjects(parsed, is_key=is_key)
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
                found, kept = self._id(topic, subject, text)
                prefix, check = struct.pack(">bI", 0, found), self._check(kept)
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

    def _id(self, topic: str, subject: str, text: SchemaText) -> tuple[int, SchemaText]:
        """Give the id that values are written with, and the schema it stands for."""
        parsed, client = self._parsed, self._client
        try:
            if parsed["auto.register.schemas"]:
                return client.register(subject, text, normalize=parsed["normalize.schemas"]), text
            if parsed["use.schema.id"] >= 0:
                fixed = int(parsed["use.schema.id"])
                chosen = client.by_id(fixed, subject)
                if parsed["id.compatibility.strict"]:
                    check_chosen(client, chosen, text)
                return fixed, chosen
            if parsed["use.latest.version"]:
                found, latest = client.latest(subject)
                if parsed["latest.compatibility.strict"]:
                    check_latest(client, latest, text)
                return found, latest
            return client.lookup(subject, text, normalize=parsed["normalize.schemas"]), text
        except RegistryError as error:
            raise DataError(
                f"Failed to serialize JSON Schema data from topic {topic}: {error}"
            ) from error

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
        runs: list[Run] = []
        start = 0
        while start < len(payloads):
            first = payloads[start]
            head = None if first is None else first[:5]
            end = start + 1
            while end < len(payloads):
                payload = payloads[end]
                if (None if payload is None else payload[:5]) != head:
                    break
                end += 1
            if head is None:
                runs.append(Run(None, [None] * (end - start)))
            else:
                bodies = [(payload or b"")[5:] for payload in payloads[start:end]]
                runs.extend(self._decoder(topic, head).decode(bodies))
            start = end
        return runs

    def _decoder(self, topic: str, head: bytes) -> FormsDecoder:
        known = self._decoders.get((topic, head))
        if known is not None:
            return known
        failed = f"Converting byte[] to Kafka Connect data failed for topic {topic}"
        if len(head) < 5 or head[0]:
            raise DataError(f"{failed}: Unknown magic byte!")
        try:
            found = self._client.by_id(int.from_bytes(head[1:], "big"))
            if found.kind != "JSON":
                raise DataError(f"its schema is {found.kind}, not a JSON Schema")
            documents = self._documents(found)
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
            raise DataError(f"{failed}: {error}") from error
        return known


def _nulls_only(rows: Sequence[Any], _constants: Sequence[Any] = ()) -> list[bytes | None]:
    if all(row is None for row in rows):
        return [None] * len(rows)
    raise DataError("Values without a schema cannot be written with a JSON Schema")
