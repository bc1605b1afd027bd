"""The converters of single booleans and numbers, as Kafka's own serializers write them.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.converters.{Boolean,Short,Integer,Long,Float,
Double}Converter: big-endian, null as null.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, ClassVar

from appliance.api import Encoder, Layout, Run
from appliance.config import ConfigDef
from appliance.converters.base import CONVERTER_TYPE, DataAndHeaderConverter, is_null, run_of
from appliance.data import Float32, Int16, Int32, Schema, Type
from appliance.data.logical import Float64, Int64
from appliance.data.struct import java_class_name
from appliance.errors import DataError, SerializationError


class BooleanConverter(DataAndHeaderConverter):
    """Booleans to and from one byte."""

    config_def: ClassVar[ConfigDef] = ConfigDef([CONVERTER_TYPE])
    _schema = Schema(Type.BOOLEAN, optional=True)

    def encoder(self, topic: str, schema: Schema | None, layout: Layout | None = None) -> Encoder:
        """Give the encoder. Raises DataError for a schema of another type than BOOLEAN."""
        if schema is not None and schema.type is not Type.BOOLEAN:
            raise DataError(f"Invalid schema type for BooleanConverter: {schema.type.name}")
        return _encode_booleans

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """Give the rows. Raises DataError for any payload but 00, 01 and null."""
        return run_of(self._schema, [None if p is None else _boolean_of(p) for p in payloads])


def _encode_booleans(rows: Sequence[Any], _constants: Sequence[Any] = ()) -> list[bytes | None]:
    return [_boolean_bytes(row) for row in rows]


def _boolean_bytes(row: Any) -> bytes | None:
    if is_null(row):
        return None
    if not isinstance(row, bool):
        raise DataError(
            f"BooleanConverter is not compatible with objects of type {java_class_name(row)}"
        )
    return b"\x01" if row else b"\x00"


def _boolean_of(payload: bytes) -> bool:
    if payload == b"\x01":
        return True
    if payload == b"\x00":
        return False
    if len(payload) != 1:
        cause = "Size of data received by BooleanDeserializer is not 1"
    else:
        signed = int.from_bytes(payload, "big", signed=True)
        cause = f"Unexpected byte received by BooleanDeserializer: {signed}"
    raise DataError("Failed to deserialize boolean: ") from SerializationError(cause)


class NumberConverter(DataAndHeaderConverter):
    """Numbers of one width to and from big-endian bytes; the subclasses name the width."""

    config_def: ClassVar[ConfigDef] = ConfigDef([CONVERTER_TYPE])
    _type: ClassVar[Type]
    _tagged: ClassVar[type]
    _plain: ClassVar[type]
    _without_schema: ClassVar[Type]
    _word: ClassVar[str]
    _deserializer: ClassVar[str]
    _format: ClassVar[struct.Struct]

    def encoder(self, topic: str, schema: Schema | None, layout: Layout | None = None) -> Encoder:
        """Give the encoder; a plain number has the width that the schema says."""
        width = schema.type if schema is not None else self._without_schema
        plain_fits = width is self._type
        pack, plain = self._format.pack, self._plain

        def encode(rows: Sequence[Any], _constants: Sequence[Any] = ()) -> list[bytes | None]:
            return [
                pack(row) if plain_fits and type(row) is plain else self._bytes_of(row)
                for row in rows
            ]

        return encode

    def _bytes_of(self, row: Any) -> bytes | None:
        if is_null(row):
            return None
        if not isinstance(row, self._tagged):
            raise DataError(f"Failed to serialize to {self._word} (was {java_class_name(row)}): ")
        return self._format.pack(row)

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """Give the rows. Raises DataError for a payload of another size."""
        return run_of(
            Schema(self._type, optional=True),
            [None if p is None else self._number_of(p) for p in payloads],
        )

    def _number_of(self, payload: bytes) -> Any:
        size = self._format.size
        if len(payload) != size:
            raise DataError(f"Failed to deserialize {self._word}: ") from SerializationError(
                f"Size of data received by {self._deserializer} is not {size}"
            )
        return self._format.unpack(payload)[0]


class ShortConverter(NumberConverter):
    """INT16."""

    _type, _tagged, _plain, _without_schema = Type.INT16, Int16, int, Type.INT64
    _word, _deserializer, _format = "short", "ShortDeserializer", struct.Struct(">h")


class IntegerConverter(NumberConverter):
    """INT32."""

    _type, _tagged, _plain, _without_schema = Type.INT32, Int32, int, Type.INT64
    _word, _deserializer, _format = "integer", "IntegerDeserializer", struct.Struct(">i")


class LongConverter(NumberConverter):
    """INT64."""

    _type, _tagged, _plain, _without_schema = Type.INT64, Int64, int, Type.INT64
    _word, _deserializer, _format = "long", "LongDeserializer", struct.Struct(">q")


class FloatConverter(NumberConverter):
    """FLOAT32."""

    _type, _tagged, _plain, _without_schema = Type.FLOAT32, Float32, float, Type.FLOAT64
    _word, _deserializer, _format = "float", "Deserializer", struct.Struct(">f")


class DoubleConverter(NumberConverter):
    """FLOAT64."""

    _type, _tagged, _plain, _without_schema = Type.FLOAT64, Float64, float, Type.FLOAT64
    _word, _deserializer, _format = "double", "Deserializer", struct.Struct(">d")
