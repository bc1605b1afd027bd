"""What the built-in converters share: one class for data and headers, and the option they all have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.api import NULL, Converter, HeaderConverter, Run
from appliance.config import ConfigKey, ConfigType, Importance
from appliance.config.validators import OneOf
from appliance.data import Schema
from appliance.errors import ConfigError

CONVERTER_TYPE = ConfigKey(
    "converter.type",
    ConfigType.STRING,
    validator=OneOf(("key", "value", "header")),
    importance=Importance.LOW,
    doc="What the converter is used for: `key`, `value` or `header`. Set by the worker, never by hand.",
)


class DataAndHeaderConverter(Converter, HeaderConverter):
    """A converter whose headers are written as its keys and values are."""

    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take the options. Raises ConfigError."""
        self.config_def.parse({**config, "converter.type": "key" if is_key else "value"})

    def from_connect_header(
        self, topic: str, name: str, schema: Schema | None, value: Any
    ) -> bytes | None:
        """Encode one header value. Raises DataError."""
        return self.from_connect_data(topic, schema, value)

    def to_connect_header(
        self, topic: str, name: str, payload: bytes | None
    ) -> tuple[Schema | None, Any]:
        """Decode one header value. Raises DataError."""
        return self.to_connect_data(topic, payload)


def run_of(schema: Schema, values: Sequence[Any]) -> list[Run]:
    """Give decoded values of an optional schema as one run, None as a null under it."""
    return [Run(schema, [NULL if value is None else value for value in values])]


def is_null(row: Any) -> bool:
    """Whether a row is null, with or without a schema."""
    return row is None or row is NULL


def refuse_null(parsed: Mapping[str, Any], *names: str) -> None:
    """Raise ConfigError for an option that was explicitly set to null."""
    for name in names:
        if parsed[name] is None:
            raise ConfigError.invalid(name, None, "Value must be non-null")
