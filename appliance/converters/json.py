"""JsonConverter: records as JSON, with or without the schema beside the payload.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.json.JsonConverter, byte for byte. Not thread-safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from appliance.api import Encoder, Layout, Run
from appliance.config import ConfigDef, ConfigType, Importance, Width
from appliance.config.validators import OneOf
from appliance.converters.base import CONVERTER_TYPE, DataAndHeaderConverter, refuse_null
from appliance.converters.json_check import check_value, dynamic_text
from appliance.converters.json_decoder import Decoder, read_content
from appliance.converters.json_encoder import Options, RowWriter, lines_of, value_text
from appliance.converters.json_schema import schema_text
from appliance.data import Schema
from appliance.data.struct import wrap

_SCHEMAS = "Schemas"
_SERIALIZATION = "Serialization"

CONFIG = (
    ConfigDef([CONVERTER_TYPE])
    .define(
        "schemas.enable",
        ConfigType.BOOLEAN,
        True,
        importance=Importance.HIGH,
        doc="Write every record as an object of `schema` and `payload`, and expect that form when "
        "reading. With `false` only the bare value is written and read.",
        group=_SCHEMAS,
        order=0,
        width=Width.MEDIUM,
        display_name="Enable Schemas",
    )
    .define(
        "schemas.cache.size",
        ConfigType.INT,
        1000,
        importance=Importance.HIGH,
        doc="How many different schemas each direction remembers.",
        group=_SCHEMAS,
        order=1,
        width=Width.MEDIUM,
        display_name="Schema Cache Size",
    )
    .define(
        "schema.content",
        ConfigType.STRING,
        None,
        importance=Importance.HIGH,
        doc="A schema in JSON form that every message read is taken to have; the whole message is "
        "then the value. Blank means that each message brings its own schema.",
        group=_SCHEMAS,
        order=2,
        width=Width.MEDIUM,
        display_name="Schema Content",
    )
    .define(
        "decimal.format",
        ConfigType.STRING,
        "BASE64",
        validator=OneOf(("NUMERIC", "BASE64"), ignore_case=True),
        importance=Importance.LOW,
        doc="How decimals are written: `BASE64` (the bytes of the unscaled number) or `NUMERIC`. Both "
        "are always read.",
        group=_SERIALIZATION,
        order=0,
        width=Width.MEDIUM,
        display_name="Decimal Format",
    )
    .define(
        "replace.null.with.default",
        ConfigType.BOOLEAN,
        True,
        importance=Importance.LOW,
        doc="Put a field's default in the place of null, in both directions. With `false` null stays.",
        group=_SERIALIZATION,
        order=1,
        width=Width.MEDIUM,
        display_name="Replace null with default",
    )
)


class JsonConverter(DataAndHeaderConverter):
    """Rows and header values to and from JSON."""

    config_def: ClassVar[ConfigDef] = CONFIG

    def __init__(self) -> None:
        """Start unconfigured."""
        self._envelope = True
        self._options = Options()
        self._encoders: dict[tuple[Schema | None, Layout | None], Encoder] = {}
        self._decoder: Decoder

    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take the options. Raises ConfigError, DataError for an unreadable `schema.content`."""
        parsed = CONFIG.parse({**config, "converter.type": "key" if is_key else "value"})
        refuse_null(parsed, "schemas.enable", "replace.null.with.default", "schemas.cache.size")
        replace = parsed["replace.null.with.default"]
        self._envelope = parsed["schemas.enable"]
        self._options = Options(parsed["decimal.format"].upper() == "NUMERIC", replace)
        self._encoders.clear()
        text = parsed["schema.content"]
        content = read_content(text, replace_null_with_default=replace) if text else None
        self._decoder = Decoder(
            envelope=self._envelope,
            content=content if self._envelope else None,
            replace_null_with_default=replace,
            cache_size=parsed["schemas.cache.size"],
        )

    def schema_json(self, schema: Schema | None) -> str:
        """Give the JSON text of a schema. Raises DataError."""
        return schema_text(schema, self._default_text)

    def schema_of(self, text: str) -> Schema | None:
        """Give the schema that JSON text describes. Raises DataError."""
        return read_content(
            text, replace_null_with_default=self._options.replace_null_with_default
        )

    def _default_text(self, schema: Schema, value: Any) -> str:
        check_value(schema, value, self._options)
        return value_text(schema, value, self._options)

    def encoder(self, topic: str, schema: Schema | None, layout: Layout | None = None) -> Encoder:
        """Give the function that encodes rows of `schema`, the same for every topic."""
        known = self._encoders.get((schema, layout))
        if known is None:
            known = self._encoders[schema, layout] = self._make_encoder(schema, layout)
        return known

    def _make_encoder(self, schema: Schema | None, layout: Layout | None) -> Encoder:
        envelope = ("", "")
        if self._envelope:
            envelope = (f'{{"schema":{self.schema_json(schema)},"payload":', "}")
        if schema is None:
            return _schemaless_encoder(*envelope)
        return RowWriter(
            schema,
            layout,
            self._options,
            envelope,
            lambda row: self.check(schema, wrap(schema, row)),
        )

    def line_writer(self, schema: Schema | None) -> Callable[[Sequence[Any]], bytes]:
        """Give the function from rows of `schema` to their payloads as lines. Raises DataError."""
        encode = self.encoder("", schema)
        if isinstance(encode, RowWriter):
            return encode.lines
        return lambda rows: lines_of(encode(rows, ()))

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """Decode the payloads in order. Raises DataError."""
        return self._decoder.decode(payloads)

    def check(self, schema: Schema | None, value: Any) -> None:
        """Raise DataError when the boundary value cannot be written under the schema."""
        if schema is None:
            dynamic_text(value)
        else:
            check_value(schema, value, self._options)


def _schemaless_encoder(head: str, tail: str) -> Encoder:
    def encode(rows: Sequence[Any], _constants: Sequence[Any]) -> list[bytes | None]:
        return [
            None if row is None else f"{head}{dynamic_text(row)}{tail}".encode() for row in rows
        ]

    return encode
