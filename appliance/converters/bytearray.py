"""ByteArrayConverter: bytes as they are.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.converters.ByteArrayConverter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from appliance.api import Encoder, Layout, Run
from appliance.config import ConfigDef
from appliance.converters.base import CONVERTER_TYPE, DataAndHeaderConverter, is_null, run_of
from appliance.data import Schema, Type
from appliance.data.schema import OPTIONAL_BYTES_SCHEMA
from appliance.data.struct import java_class_name
from appliance.errors import DataError


class ByteArrayConverter(DataAndHeaderConverter):
    """Byte strings to and from payloads."""

    config_def: ClassVar[ConfigDef] = ConfigDef([CONVERTER_TYPE])

    def encoder(self, topic: str, schema: Schema | None, layout: Layout | None = None) -> Encoder:
        """Give the pass-through. Raises DataError for a schema of another type than BYTES."""
        if schema is not None and schema.type is not Type.BYTES:
            raise DataError(f"Invalid schema type for ByteArrayConverter: {schema.type.name}")
        return _encode

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """Give the payloads as rows of optional BYTES."""
        return run_of(OPTIONAL_BYTES_SCHEMA, payloads)


def _encode(rows: Sequence[Any], _constants: Sequence[Any] = ()) -> list[bytes | None]:
    return [row if type(row) is bytes else _bytes_of(row) for row in rows]


def _bytes_of(row: Any) -> bytes | None:
    if is_null(row):
        return None
    if isinstance(row, (bytes, bytearray, memoryview)):
        return bytes(row)
    raise DataError(
        f"ByteArrayConverter is not compatible with objects of type {java_class_name(row)}"
    )
