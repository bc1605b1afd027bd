"""SimpleHeaderConverter: headers as text that is parsed back to what it seems to be.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.storage.SimpleHeaderConverter.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, ClassVar

from appliance.api import HeaderConverter
from appliance.config import ConfigDef
from appliance.converters.string import decode_utf8
from appliance.data import Schema
from appliance.data.values import format_value, parse_string


class SimpleHeaderConverter(HeaderConverter):
    """Header values to and from their text in UTF-8."""

    config_def: ClassVar[ConfigDef] = ConfigDef()

    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take no options."""

    def from_connect_header(
        self, topic: str, name: str, schema: Schema | None, value: Any
    ) -> bytes | None:
        """Encode one header value. Raises DataError."""
        text = format_value(schema, value)
        return None if text is None else text.encode("utf-8", "replace")

    def to_connect_header(
        self, topic: str, name: str, payload: bytes | None
    ) -> tuple[Schema | None, Any]:
        """Decode one header value; text that is nothing else is a STRING."""
        return (None, None) if payload is None else _parsed(payload)


@functools.lru_cache(maxsize=4096)
def _parsed(payload: bytes) -> tuple[Schema | None, Any]:
    schema, value = parse_string(decode_utf8(payload))
    return schema, value
