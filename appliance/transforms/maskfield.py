"""MaskField: puts an empty value, or a fixed one, in the place of fields.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.MaskField.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import NonEmptyString, UniqueList
from appliance.data import Float32, Instant, Int8, Int16, Int32, Schema
from appliance.data.logical import BigInteger
from appliance.data.numbers import parse_decimal
from appliance.data.struct import java_class_name, wrap
from appliance.data.text import to_float32
from appliance.data.values import to_double, to_integer, typed
from appliance.errors import DataError
from appliance.transforms.base import (
    REPLACE_NULL,
    PartTransform,
    Plan,
    RowBuilder,
    refused_null,
    required_map,
    required_struct,
    row_by_row,
)


def _big_integer(text: str) -> BigInteger:
    try:
        return BigInteger(int(text))
    except ValueError as error:
        raise _no_number(text) from error


def _decimal(text: str) -> decimal.Decimal:
    try:
        return parse_decimal(text)
    except ValueError as error:
        raise _no_number(text) from error


def _no_number(text: str) -> DataError:
    return DataError(f"Unable to convert {text} (class java.lang.String) to number")


def _integer(bits: int, tag: type) -> Callable[[str], Any]:
    return lambda text: tag(to_integer(None, text, bits))


_EMPTY: Final[tuple[tuple[type, Any, Callable[[str], Any] | None], ...]] = (
    (bool, False, None),
    (Instant, Instant(0), None),
    (Int8, Int8(0), _integer(8, Int8)),
    (Int16, Int16(0), _integer(16, Int16)),
    (Int32, Int32(0), _integer(32, Int32)),
    (BigInteger, BigInteger(0), _big_integer),
    (int, 0, _integer(64, int)),
    (Float32, Float32(0.0), lambda text: Float32(to_float32(to_double(None, text) or 0.0))),
    (float, 0.0, lambda text: to_double(None, text)),
    (decimal.Decimal, decimal.Decimal(0), _decimal),
    (str, "", lambda text: text),
    (list, [], None),
    (dict, {}, None),
)
"""Classes, the empty value of each, and how a replacement text becomes one (None: it cannot)."""


class MaskField(PartTransform):
    """Masks `fields`."""

    purpose = "mask fields"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "fields",
            ConfigType.LIST,
            NO_DEFAULT,
            validator=UniqueList(),
            importance=Importance.HIGH,
            doc="Names of the fields to mask, separated by commas.",
        )
        .define(
            "replacement",
            ConfigType.STRING,
            None,
            validator=NonEmptyString(),
            importance=Importance.LOW,
            doc="What takes the place of numbers and texts; without it they become 0 or empty.",
        )
        .add(REPLACE_NULL)
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._fields = parsed["fields"]
        self._replacement = parsed["replacement"]
        self._replace_null = parsed["replace.null.with.default"]

    def null(self, schema: Schema | None) -> tuple[Schema | None, Any]:
        """Refuse null."""
        raise refused_null(schema, self.purpose)

    def plan(self, schema: Schema | None) -> Plan:
        """Give the same schema, the masked fields by class."""
        if schema is None:
            return Plan(None, row_by_row(self._schemaless))
        refusing = required_struct(schema, self.purpose)
        if refusing is not None:
            return refusing
        row = RowBuilder()
        for field in schema.fields:
            if field.name in self._fields:
                mask = self._under(field.schema)
                row.convert(field, mask, replace_null=self._replace_null)
            else:
                row.copy(field, replace_null=self._replace_null)
        return Plan(schema, row_by_row(row.build()))

    def _under(self, schema: Schema) -> Callable[[Any], Any]:
        return lambda value: self._masked(typed(schema, wrap(schema, value)))

    def _masked(self, value: Any) -> Any:
        if value is None:
            return None
        for kind, empty, convert in _EMPTY:
            if not isinstance(value, kind):
                continue
            if self._replacement is None:
                return type(empty)() if kind in (list, dict) else empty
            if convert is None:
                break
            return convert(self._replacement)
        if self._replacement is None:
            raise DataError(f"Cannot mask value of type: {java_class_name(value)}")
        raise DataError(
            f"Cannot mask value of type {java_class_name(value)} with custom replacement."
        )

    def _schemaless(self, value: Any) -> dict[Any, Any]:
        members = dict(required_map(value, self.purpose))
        for name in self._fields:
            members[name] = self._masked(members.get(name))
        return members


class Key(MaskField):
    """MaskField on keys."""

    part = "key"


class Value(MaskField):
    """MaskField on values."""
