"""JsonSchemaConverter: JSON in Confluent's wire format, its JSON Schema in a schema registry.

Semantics: Confluent JsonSchemaConverter 8.x. A payload is a zero byte, the schema's id in four bytes and
the value as JSON; null under an optional schema is JSON's null, not a tombstone. Not thread-safe.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from appliance.api import Converter, Encoder, Layout, Run
from appliance.config import ConfigDef, ConfigType, Importance
from appliance.config.validators import OneOf
from appliance.converters.base import CONVERTER_TYPE
from appliance.converters.json_check import check_value
from appliance.converters.json_decoder import Decoder
from appliance.converters.json_encoder import Options, RowWriter
from appliance.converters.json_sums import SumDecoder
from appliance.data import Schema
from appliance.data.struct import wrap
from appliance.errors import DataError
from appliance.schemaregistry.client import RegistryClient, RegistryError, SchemaText
from appliance.schemaregistry.jsonschemadata import JsonSchemaReader, json_schema
from appliance.schemaregistry.latest import check_latest
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


class JsonSchemaConverter(Converter):
    """Rows to and from JSON with the id of their schema."""

    config_def: ClassVar[ConfigDef] = CONFIG

    def __init__(self) -> None:
        """Start unconfigured."""
        self._client: RegistryClient
        self._subjects: Subjects
        self._parsed: dict[str, Any] = {}
        self._options = Options()
        self._decoders: dict[bytes, Decoder | SumDecoder] = {}

    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take the options. Raises ConfigError."""
        kind = "key" if is_key else "value"
        parsed = self._parsed = CONFIG.parse({**config, "converter.type": kind})
        self._client = client_of(config, parsed)
        self._subjects = Subjects(parsed, is_key=is_key)
        self._options = Options(parsed["decimal.format"].upper() == "NUMERIC", True)

    def check(self, schema: Schema | None, value: Any) -> None:
        """Raise DataError when the boundary value does not fit the schema."""
        if schema is not None:
            check_value(schema, value, self._options)

    def encoder(self, topic: str, schema: Schema | None, layout: Layout | None = None) -> Encoder:
        """Give the function that encodes rows; the schema is registered with the first that is set."""
        if schema is None:
            return _nulls_only
        document = json_schema(
            schema,
            numeric=self._options.numeric_decimals,
            open_objects=self._parsed["object.additional.properties"],
            require=self._parsed["use.optional.for.nonrequired"],
        )
        text = SchemaText(json.dumps(document, separators=(",", ":"), ensure_ascii=False), "JSON")
        subject = self._subjects.of(topic, schema.name)
        write = RowWriter(
            schema,
            layout,
            self._options,
            ("", ""),
            lambda row: self.check(schema, wrap(schema, row)),
        )
        prefix: bytes | None = None

        def encode(rows: Sequence[Any], constants: Sequence[Any] = ()) -> list[bytes | None]:
            nonlocal prefix
            made = write(rows, constants)
            if prefix is None and any(body is not None for body in made):
                prefix = struct.pack(">bI", 0, self._id(topic, subject, text))
            return [None if body is None else (prefix or b"") + body for body in made]

        return encode

    def _id(self, topic: str, subject: str, text: SchemaText) -> int:
        parsed, client = self._parsed, self._client
        try:
            if parsed["auto.register.schemas"]:
                return client.register(subject, text, normalize=parsed["normalize.schemas"])
            if parsed["use.schema.id"] >= 0:
                return int(parsed["use.schema.id"])
            if parsed["use.latest.version"]:
                found, latest = client.latest(subject)
                if parsed["latest.compatibility.strict"]:
                    check_latest(client, latest, text)
                return found
            return client.lookup(subject, text, normalize=parsed["normalize.schemas"])
        except RegistryError as error:
            raise DataError(
                f"Failed to serialize JSON Schema data from topic {topic}: {error}"
            ) from error

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

    def _decoder(self, topic: str, head: bytes) -> Decoder | SumDecoder:
        known = self._decoders.get(head)
        if known is not None:
            return known
        failed = f"Converting byte[] to Kafka Connect data failed for topic {topic}"
        if len(head) < 5 or head[0]:
            raise DataError(f"{failed}: Unknown magic byte!")
        try:
            found = self._client.by_id(int.from_bytes(head[1:], "big"))
            document = json.loads(found.text)
        except (RegistryError, ValueError, RecursionError) as error:
            raise DataError(f"{failed}: {error}") from error
        if found.kind != "JSON" or not isinstance(document, dict):
            raise DataError(f"{failed}: its schema is {found.kind}, not a JSON Schema object")
        reader = JsonSchemaReader(
            document, optional_unless_required=self._parsed["use.optional.for.nonrequired"]
        )
        schema = reader.schema()
        known = (
            SumDecoder(schema)
            if reader.has_alternatives
            else Decoder(
                envelope=True, content=schema, replace_null_with_default=True, cache_size=100
            )
        )
        self._decoders[head] = known
        return known


def _nulls_only(rows: Sequence[Any], _constants: Sequence[Any] = ()) -> list[bytes | None]:
    if all(row is None for row in rows):
        return [None] * len(rows)
    raise DataError("Values without a schema cannot be written with a JSON Schema")
