"""Cast: gives fields, or the whole key or value, another type.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.transforms.Cast.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from appliance.config import NO_DEFAULT, ConfigDef, ConfigType, Importance
from appliance.config.validators import Check
from appliance.data import Float32, Instant, Int8, Int16, Int32, Schema, SchemaBuilder, Type
from appliance.data.infer import type_of
from appliance.data.logical import LOGICAL_NAMES
from appliance.data.numbers import decimal_to_integer, saturated, wrap_integer
from appliance.data.struct import java_class_name, unwrap, wrap
from appliance.data.text import base64_text, java_text, to_float32
from appliance.data.values import encoded_instant, format_instant, typed
from appliance.errors import ConfigError, DataError, SchemaBuilderError
from appliance.transforms.base import (
    REPLACE_NULL,
    PartTransform,
    Plan,
    RowBuilder,
    copied_basics,
    required_map,
    row_by_row,
)

_BITS: Final = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
_TAGS: Final[dict[Type, type]] = {Type.INT8: Int8, Type.INT16: Int16, Type.INT32: Int32}
_OUTPUT: Final = (*_BITS, Type.FLOAT32, Type.FLOAT64, Type.BOOLEAN, Type.STRING)
_INPUT: Final = (*_OUTPUT, Type.BYTES)
_INTEGER_TEXT: Final = re.compile(r"[+-]?\d+")
_FLOAT_TEXT: Final = re.compile(
    r"[+-]?(NaN|Infinity|((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
    r"|0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+)[fFdD]?)",
    re.ASCII,
)
Caster = Callable[[Any], Any]


def parse_spec(mappings: list[str]) -> tuple[dict[str, Type], Type | None]:
    """Read the option `spec`: types by field, or the type of the whole. Raises ConfigError."""
    fields: dict[str, Type] = {}
    whole: Type | None = None
    for mapping in mappings:
        parts = mapping.split(":")
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        if len(parts) > 2:
            raise ConfigError.invalid(
                "renames", f"[{', '.join(mappings)}]", f"Invalid rename mapping: {mapping}"
            )
        if len(parts) == 1:
            whole = _target(parts[0].strip())
        else:
            fields[parts[0].strip()] = _target(parts[1].strip())
    if whole is not None and len(mappings) > 1:
        raise ConfigError(
            "Cast transformations that specify a type to cast the entire value to "
            "may only specify a single cast in their spec"
        )
    return fields, whole


def _target(name: str) -> Type:
    try:
        type_ = Type[name.upper()]
    except KeyError as error:
        raise ConfigError(
            "Invalid value java.lang.IllegalArgumentException: No enum constant "
            f"org.apache.kafka.connect.data.Schema.Type.{name.upper()} for configuration "
            f"Invalid type found in casting spec: {name}"
        ) from error
    if type_ not in _OUTPUT:
        raise ConfigError(_unsupported("to", type_, _OUTPUT))
    return type_


def _unsupported(way: str, type_: Type, supported: tuple[Type, ...]) -> str:
    return (
        f"Cast transformation does not support casting {way} {type_.name}; "
        f"supported types are [{', '.join(t.name for t in supported)}]"
    )


def _check_spec(_name: str, value: Any) -> None:
    if not value:
        raise ConfigError("Must specify at least one field to cast.")
    parse_spec(value)


class Cast(PartTransform):
    """Casts by `spec`."""

    purpose = "cast types"
    config_def: ClassVar[ConfigDef] = (
        ConfigDef()
        .define(
            "spec",
            ConfigType.LIST,
            NO_DEFAULT,
            validator=Check(
                _check_spec, "list of colon-delimited pairs, e.g. <code>foo:bar,abc:xyz</code>"
            ),
            importance=Importance.HIGH,
            doc="Fields and their new types as `field:type`, separated by commas, or one type for the "
            "whole key or value. Types: int8, int16, int32, int64, float32, float64, boolean, string.",
        )
        .add(REPLACE_NULL)
    )

    def configure(self, config: Mapping[str, str]) -> None:
        """Take the options. Raises ConfigError."""
        parsed = self.config_def.parse(config)
        self._fields, self._whole = parse_spec(parsed["spec"])
        self._replace_null = parsed["replace.null.with.default"]

    def plan(self, schema: Schema | None) -> Plan:
        """Pick one function per field to cast."""
        if schema is None:
            return Plan(None, row_by_row(self._schemaless))
        if self._whole is not None:
            return self._whole_plan(schema, self._whole)
        builder, row = copied_basics(schema), RowBuilder()
        if schema.optional:
            builder.optional()
        for field in schema.fields:
            target = self._fields.get(field.name)
            if target is None:
                builder.field(field.name, field.schema)
                row.copy(field, replace_null=self._replace_null)
                continue
            cast = caster(field.schema, target)
            new = SchemaBuilder(target)
            if field.schema.optional:
                new.optional()
            if field.schema.default is not None:
                new.default(_untagged(cast(unwrap(field.schema.default))))
            builder.field(field.name, new.build())
            row.convert(field, _or_null(cast), replace_null=self._replace_null, kind=target)
        if schema.default is not None:
            # The peer casts the default of the whole too, and cannot cast a struct.
            raise DataError(_unsupported("from", schema.type, _INPUT))
        return Plan(builder.build(), row_by_row(row.build()))

    @staticmethod
    def _whole_plan(schema: Schema, target: Type) -> Plan:
        cast = caster(schema, target)
        new = schema.replace(default=None)
        if schema.default is not None and schema.name in LOGICAL_NAMES:
            # The name stays, and with it the class that it asks of a default.
            value = cast_value(schema, schema.default, target)
            raise SchemaBuilderError("Invalid default value") from DataError(
                f'Invalid Java object for schema "{schema.name}" with type {target.name}: '
                f"{java_class_name(value)} for value"
            )
        found = Schema(
            target,
            optional=new.optional,
            name=new.name,
            version=new.version,
            doc=new.doc,
            parameters=new.parameters,
            default=None if schema.default is None else _untagged(cast(unwrap(schema.default))),
        )
        return Plan(found, row_by_row(cast))

    def _schemaless(self, value: Any) -> Any:
        if self._whole is not None:
            return cast_value(None, value, self._whole)
        members = dict(required_map(value, self.purpose))
        for name, target in self._fields.items():
            found = members.get(name)
            members[name] = None if found is None else cast_value(None, found, target)
        return members


def _or_null(cast: Caster) -> Caster:
    return lambda value: None if value is None else cast(value)


def caster(schema: Schema, target: Type) -> Caster:
    """Give the function that casts live rows of `schema`, a direct one where the pair allows it."""
    if schema.name not in LOGICAL_NAMES:
        source = schema.type
        if source is target and target not in (Type.FLOAT32, Type.BYTES):
            return lambda value: value
        if source in _BITS and target in _BITS and _BITS[source] <= _BITS[target]:
            return lambda value: value
        if source in _BITS and target is Type.STRING:
            return int.__repr__
        if source in _BITS and target is Type.FLOAT64:
            return float
        if source is Type.FLOAT32 and target is Type.FLOAT64:
            return lambda value: value
    return lambda value: _untagged(cast_value(schema, wrap(schema, value), target))


def _untagged(value: Any) -> Any:
    """Give a plain number: under a schema the width needs no tag."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, Float32) else value


def cast_value(schema: Schema | None, value: Any, target: Type) -> Any:
    """Cast one boundary value; the result carries its width. Raises DataError."""
    value = typed(schema, value)
    source = type_of(value) if schema is None else schema.type
    if source is None:
        raise DataError(
            f"Cast transformation was passed a value of type {java_class_name(value)} "
            "which is not supported by Connect's data API"
        )
    if source not in _INPUT:
        raise DataError(_unsupported("from", source, _INPUT))
    if isinstance(value, Instant) and target is not Type.STRING:
        encoded = encoded_instant(schema, value)
        value = int(value) if encoded is None else encoded
    try:
        return _CASTS[target](value)
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"Value ({java_text(value)}) was out of range for requested data type"
        ) from error


def _unexpected(value: Any) -> DataError:
    return DataError(f"Unexpected type in Cast transformation: {java_class_name(value)}")


def _integer_caster(bits: int, tag: Callable[[int], Any]) -> Caster:
    def cast(value: Any) -> Any:
        if isinstance(value, bool):
            return tag(int(value))
        if isinstance(value, int):
            return tag(wrap_integer(value, bits))
        if isinstance(value, float):
            return tag(wrap_integer(saturated(value, max(bits, 32)), bits))
        if isinstance(value, decimal.Decimal):
            return tag(wrap_integer(decimal_to_integer(value, 64), bits))
        if not isinstance(value, str):
            raise _unexpected(value)
        if not _INTEGER_TEXT.fullmatch(value):
            raise ValueError(value)
        number = int(value)
        if wrap_integer(number, bits) != number:
            raise ValueError(value)
        return tag(number)

    return cast


def _to_double(value: Any) -> float:
    if isinstance(value, (bool, int, float, decimal.Decimal)):
        return float(value)
    if not isinstance(value, str):
        raise _unexpected(value)
    text = value.strip("".join(map(chr, range(33))))
    if not _FLOAT_TEXT.fullmatch(text):
        raise ValueError(value)
    if text.endswith(("N", "y")):
        return float(text)
    if "x" in text or "X" in text:
        return float.fromhex(
            text.rstrip("fFdD") if text[-1] in "fFdD" and "p" in text.lower() else text
        )
    return float(text.rstrip("fFdD"))


def _to_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float, decimal.Decimal)):
        return bool(_to_long(value))
    if isinstance(value, str):
        return value.lower() == "true"
    raise _unexpected(value)


def _to_text(value: Any) -> str:
    if isinstance(value, Instant):
        return format_instant(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64_text(value)
    return java_text(value)


_to_long: Final = _integer_caster(64, int)
_CASTS: Final[dict[Type, Caster]] = {
    **{type_: _integer_caster(bits, _TAGS.get(type_, int)) for type_, bits in _BITS.items()},
    Type.FLOAT32: lambda value: Float32(to_float32(_to_double(value))),
    Type.FLOAT64: _to_double,
    Type.BOOLEAN: _to_boolean,
    Type.STRING: _to_text,
}


class Key(Cast):
    """Cast on keys."""

    part = "key"


class Value(Cast):
    """Cast on values."""
