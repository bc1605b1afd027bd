"""From Connect schemas to Avro schemas, and a generated binary encoder for rows.

Semantics: Confluent AvroData.fromConnectSchema. The encoder is one generated function per schema: rows in,
Avro binary bodies out, without dictionaries in between. Container files and the registry's wire format
both wrap these bodies.
"""

from __future__ import annotations

import dataclasses
import decimal
import re
import struct
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any, Final

from appliance.api.batch import NULL
from appliance.data.logical import (
    DATE_NAME,
    DECIMAL_NAME,
    MILLIS_PER_DAY,
    SCALE_FIELD,
    TIME_NAME,
    TIMESTAMP_NAME,
)
from appliance.data.recursive import BackReference, Later, node_of
from appliance.data.schema import Field, Schema, Type
from appliance.data.struct import unwrap
from appliance.errors import DataError

NAMESPACE: Final = "io.confluent.connect.avro"
DEFAULT_RECORD: Final = "ConnectDefault"
MAP_ENTRY: Final = "MapEntry"
UNION: Final = f"{NAMESPACE}.Union"
ENUM: Final = f"{NAMESPACE}.Enum"
GENERAL_UNION: Final = "org.apache.kafka.connect.data.Union"
GENERAL_ENUM: Final = "org.apache.kafka.connect.data.Enum"
FIXED_SIZE: Final = "connect.fixed.size"
PRECISION_PARAMETER: Final = "connect.decimal.precision"
DEFAULT_PRECISION: Final = 64
_LOGICAL: Final = {DATE_NAME: "date", TIME_NAME: "time-millis", TIMESTAMP_NAME: "timestamp-millis"}
_PRIMITIVES: Final = {
    Type.INT8: "int",
    Type.INT16: "int",
    Type.INT32: "int",
    Type.INT64: "long",
    Type.FLOAT32: "float",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "boolean",
    Type.STRING: "string",
    Type.BYTES: "bytes",
}


@dataclasses.dataclass(frozen=True, slots=True)
class AvroOptions:
    """The options that decide what an Avro schema says about its Connect schema."""

    connect_meta_data: bool = True
    allow_optional_map_keys: bool = False
    scrub_invalid_names: bool = False
    ignore_default_for_nullables: bool = False
    enhanced: bool = False
    discard_type_doc_default: bool = False

    def scrubbed(self, name: str) -> str:
        """Give a name, dotted or not, as Avro allows it when names are to be scrubbed."""
        if not self.scrub_invalid_names:
            return name
        return ".".join(scrub(part) for part in name.split("."))


def scrub(name: str) -> str:
    """Give one part of a name with everything that Avro does not allow replaced."""
    made = re.sub(r"[^A-Za-z0-9_]", "_", urllib.parse.quote_plus(name, safe="*-._"))
    return f"x{made}" if made[:1].isdigit() else made


class _Names:
    """Counts unnamed records and remembers named ones, so that a second use is a reference."""

    def __init__(self) -> None:
        self.unnamed = 0
        self.seen: dict[str, Schema] = {}
        self.nodes: dict[int, str] = {}

    def known(self, full: str, schema: Schema) -> bool:
        """Whether a record is the one that is known by a name already."""
        seen = self.seen.get(full)
        if seen is None or schema.name is None:
            return False
        return seen == schema or (
            isinstance(seen, BackReference) and node_of(seen) == node_of(schema)
        )

    def next_default(self) -> str:
        self.unnamed += 1
        return DEFAULT_RECORD if self.unnamed == 1 else f"{DEFAULT_RECORD}{self.unnamed}"


def avro_schema(schema: Schema, options: AvroOptions | None = None) -> Any:
    """Give the Avro schema (as parsed JSON) for a Connect schema. Raises DataError."""
    return _avro(schema, options or AvroOptions(), _Names())


def _avro(schema: Schema, options: AvroOptions, names: _Names) -> Any:
    base = _base(schema, options, names)
    if not schema.optional or isinstance(base, list):
        return base
    return [base, "null"] if schema.default is not None else ["null", base]


def is_union(schema: Schema) -> bool:
    """Whether a struct stands for an Avro union."""
    return schema.type is Type.STRUCT and (
        schema.name == UNION or GENERAL_UNION in (schema.parameters or {})
    )


def enum_symbols(schema: Schema) -> tuple[str, list[str]] | None:
    """Give full name and symbols of the Avro enum that a text schema stands for, None for others."""
    parameters = schema.parameters or {}
    for name in (ENUM, GENERAL_ENUM):
        if schema.type is Type.STRING and name in parameters:
            symbols = [
                key.removeprefix(f"{name}.") for key in parameters if key.startswith(f"{name}.")
            ]
            return parameters[name], symbols
    return None


def _union(schema: Schema, options: AvroOptions, names: _Names) -> list[Any]:
    if isinstance(schema, BackReference):
        raise DataError(f"writing {schema} as Avro: a union cannot contain itself")
    branches = [
        _avro(field.schema.replace(optional=False, default=None), options, names)
        for field in schema.fields
    ]
    return ["null", *branches] if schema.optional else branches


def _named(
    schema: Schema,
    kind: str,
    full: str,
    members: dict[str, Any],
    options: AvroOptions,
    names: _Names,
) -> Any:
    """Give the definition of an enum or fixed, or its name when it was defined before."""
    full = options.scrubbed(full)
    if full in names.seen:
        return full
    names.seen[full] = schema
    namespace, _, name = full.rpartition(".")
    space = {"namespace": namespace} if namespace else {}
    return {"type": kind, "name": name, **space, **members, **_properties(schema, options)}


def _base(schema: Schema, options: AvroOptions, names: _Names) -> Any:
    if is_union(schema):
        return _union(schema, options, names)
    enum = enum_symbols(schema) if options.enhanced else None
    if enum is not None:
        return _named(schema, "enum", enum[0], {"symbols": enum[1]}, options, names)
    size = (schema.parameters or {}).get(FIXED_SIZE) if schema.type is Type.BYTES else None
    if size is not None and schema.name is not None and schema.name != DECIMAL_NAME:
        return _named(schema, "fixed", schema.name, {"size": int(size)}, options, names)
    if schema.type is Type.STRUCT:
        return _record(schema, options, names)
    if schema.type is Type.ARRAY:
        made: dict[str, Any] = {"type": "array", "items": _avro(_item(schema), options, names)}
    elif schema.type is Type.MAP:
        made = _map(schema, options, names)
    else:
        made = {"type": _PRIMITIVES[schema.type]}
    if schema.name == DECIMAL_NAME:
        parameters = schema.parameters or {}
        made["scale"] = int(parameters.get(SCALE_FIELD, "0"))
        made["precision"] = int(parameters.get(PRECISION_PARAMETER, DEFAULT_PRECISION))
    made.update(_properties(schema, options))
    logical = "decimal" if schema.name == DECIMAL_NAME else _LOGICAL.get(schema.name or "")
    if logical is not None:
        made["logicalType"] = logical
    return made["type"] if len(made) == 1 else made


def _properties(schema: Schema, options: AvroOptions) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.connect_meta_data:
        if schema.doc is not None and not options.discard_type_doc_default:
            found["connect.doc"] = schema.doc
        if schema.version is not None:
            found["connect.version"] = schema.version
        if schema.parameters:
            found["connect.parameters"] = dict(schema.parameters)
        if schema.default is not None and not options.discard_type_doc_default:
            found["connect.default"] = avro_default(schema, schema.default)
        if schema.name is not None:
            found["connect.name"] = schema.name
    if schema.type in (Type.INT8, Type.INT16):
        found["connect.type"] = schema.type.value
    return found


def _item(schema: Schema) -> Schema:
    if schema.value_schema is None:
        raise DataError(f"writing {schema} as Avro: its element schema is not known")
    return schema.value_schema


def _map(schema: Schema, options: AvroOptions, names: _Names) -> dict[str, Any]:
    key = schema.key_schema
    if key is None:
        raise DataError(f"writing {schema} as Avro: its key schema is not known")
    if key.type is Type.STRING and (not key.optional or options.allow_optional_map_keys):
        return {"type": "map", "values": _avro(_item(schema), options, names)}
    namespace, _, name = options.scrubbed(schema.name or f"{NAMESPACE}.{MAP_ENTRY}").rpartition(
        "."
    )
    entry: dict[str, Any] = {
        "type": "record",
        "name": name,
        "namespace": namespace,
        "fields": [
            {"name": "key", "type": _avro(key, options, names)},
            {"name": "value", "type": _avro(_item(schema), options, names)},
        ],
    }
    if schema.name is not None:
        entry["connect.internal.type"] = MAP_ENTRY
    return {"type": "array", "items": entry}


def _record(schema: Schema, options: AvroOptions, names: _Names) -> Any:
    if isinstance(schema, BackReference) and node_of(schema) in names.nodes:
        return names.nodes[node_of(schema)]
    bare = schema.replace(optional=False, default=None)
    full = options.scrubbed(schema.name or f"{NAMESPACE}.{names.next_default()}")
    if names.known(full, bare):
        return full
    names.seen[full] = bare
    names.nodes[node_of(schema)] = full
    namespace, _, name = full.rpartition(".")
    record: dict[str, Any] = {"type": "record", "name": name}
    if namespace:
        record["namespace"] = namespace
    parameters = schema.parameters or {}
    if f"{NAMESPACE}.record.doc" in parameters:
        record["doc"] = parameters[f"{NAMESPACE}.record.doc"]
    record["fields"] = [
        _field(field, options, names, parameters.get(f"{NAMESPACE}.field.doc.{field.name}"))
        for field in schema.fields
    ]
    record.update(_properties(schema, options))
    return record


def _field(
    field: Field, options: AvroOptions, names: _Names, doc: str | None = None
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": scrub(field.name) if options.scrub_invalid_names else field.name,
        "type": _avro(field.schema, options, names),
    }
    if doc is not None:
        made["doc"] = doc
    if field.schema.default is not None and not is_union(field.schema):
        made["default"] = avro_default(field.schema, field.schema.default)
    elif field.schema.optional:
        made["default"] = None
    return made


def avro_default(schema: Schema, value: Any) -> Any:
    """Give a default value as Avro's JSON has it (bytes as Latin-1 text, dates encoded)."""
    if value is None:
        return None
    if schema.name == DECIMAL_NAME:
        return unscaled_bytes(value, _scale(schema)).decode("latin-1")
    if schema.name == DATE_NAME:
        return int(value) // MILLIS_PER_DAY
    if schema.type is Type.BYTES:
        return bytes(value).decode("latin-1")
    if schema.type is Type.ARRAY:
        return [avro_default(_item(schema), item) for item in value]
    if schema.type is Type.MAP:
        return {str(key): avro_default(_item(schema), item) for key, item in value.items()}
    if schema.type is Type.STRUCT:
        return {
            field.name: avro_default(field.schema, value.get(field.name))
            for field in schema.fields
        }
    return value


def _scale(schema: Schema) -> int:
    return int((schema.parameters or {}).get(SCALE_FIELD, "0"))


def unscaled_bytes(value: decimal.Decimal, scale: int) -> bytes:
    """Give a decimal's unscaled integer, big-endian two's complement, in as few bytes as possible."""
    unscaled = int(value.scaleb(scale, decimal.Context(prec=1000)))
    return unscaled.to_bytes((unscaled + (unscaled < 0)).bit_length() // 8 + 1, "big", signed=True)


def zigzag(number: int) -> bytes:
    """Give Avro's variable-length form of a whole number."""
    n = (number << 1) ^ (number >> 63)
    if n < 0x80:
        return bytes((n,))
    if n < 0x4000:
        return bytes((n & 0x7F | 0x80, n >> 7))
    if n < 0x200000:
        return bytes((n & 0x7F | 0x80, n >> 7 & 0x7F | 0x80, n >> 14))
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


_SMALL: Final = {number: zigzag(number) for number in range(-2048, 2048)}

AvroEncoder = Callable[[Sequence[Any]], list[bytes]]


def avro_encoder(schema: Schema, options: AvroOptions | None = None) -> AvroEncoder:
    """Give the function from rows of `schema` to Avro binary bodies, one per row.

    The function raises DataError (or the error of the value that does not fit) for a bad row.
    """
    return _encoder(schema, options or AvroOptions(), {})


def _encoder(schema: Schema, options: AvroOptions, above: dict[int, Later]) -> AvroEncoder:
    """Give the same; `above` holds the encoders of the structs around, each once it is made."""
    own = Later()
    if schema.type is Type.STRUCT and not schema.optional:
        above = {**above, node_of(schema): own}
    generator = _Generator(options, above)
    if schema.type is Type.STRUCT and not schema.optional and not is_union(schema):
        names = [f"f{i}" for i in range(len(schema.fields))]
        parts = [
            part
            for field, name in zip(schema.fields, names, strict=True)
            for part in generator.parts(field.schema, name)
        ]
        joined = f"join(({', '.join(parts)},))" if parts else "b''"
        target = f"({', '.join(names)}{',' if names else ''})"
    else:
        joined, target = generator.expression(schema, "r"), "r"
    source = (
        f"def encode(rows):\n made = []; add = made.append\n for {target} in rows: add({joined})\n"
        " return made\n"
    )
    exec(source, generator.scope)  # noqa: S102 - made of numbers and our own names
    function: AvroEncoder = generator.scope["encode"]
    own.made = function
    return function


class _Generator:
    """Writes the Python expression that encodes a value of a schema."""

    def __init__(self, options: AvroOptions, above: dict[int, Later]) -> None:
        self._options = options
        self._above = above
        self.scope: dict[str, Any] = {
            "join": b"".join,
            "zz": zigzag,
            "small": _SMALL.get,
            "NULL": NULL,
            "f4": struct.Struct("<f").pack,
            "f8": struct.Struct("<d").pack,
            "text": _text,
            "blob": _blob,
            "unscaled": unscaled_bytes,
        }

    def parts(self, schema: Schema, name: str) -> list[str]:
        """Give the expressions of a field, which are joined: a text is its length and its bytes."""
        plain = schema.type is Type.STRING and not schema.optional and schema.default is None
        if plain and not (self._options.enhanced and enum_symbols(schema)):
            size = f"len(e{name} := {name}.encode())"
            return [f"small({size}) or zz(len(e{name}))", f"e{name}"]
        return [self.expression(schema, name)]

    def expression(self, schema: Schema, name: str) -> str:
        if is_union(schema):
            self.scope[known := f"g{len(self.scope)}"] = self._union(schema)
            return f"{known}({name})"
        inner = self._required(schema, name)
        if not schema.optional:
            if schema.default is None:
                return inner
            return f"({self._default(schema)!r} if {name} is None else {inner})"
        null, branch = (b"\x02", b"\x00") if schema.default is not None else (b"\x00", b"\x02")
        if schema.default is not None and not self._options.ignore_default_for_nullables:
            null = branch + self._default(schema)
        return f"({null!r} if {name} is None or {name} is NULL else {branch!r} + {inner})"

    def _union(self, schema: Schema) -> Callable[[Any], bytes]:
        """Give the function that writes the first branch which is set."""
        first = 1 if schema.optional else 0
        branches = [
            (
                zigzag(number),
                self._inner(field.schema.replace(optional=False, default=None)),
            )
            for number, field in enumerate(schema.fields, first)
        ]

        def encode(row: Any) -> bytes:
            if row is None or row is NULL:
                if first:
                    return b"\x00"
                raise DataError("A union without a null branch is null")
            for value, (index, write) in zip(row, branches, strict=True):
                if value is not None:
                    return index + write([value])[0]
            raise DataError("No branch of a union is set")

        return encode

    def _inner(self, schema: Schema) -> AvroEncoder:
        if isinstance(schema, BackReference) and not schema.optional:
            around = self._above.get(node_of(schema))
            if around is not None:
                return around
        return _encoder(schema, self._options, self._above)

    def _default(self, schema: Schema) -> bytes:
        encode = avro_encoder(schema.replace(optional=False, default=None), self._options)
        return encode([unwrap(schema.default)])[0]

    def _required(self, schema: Schema, name: str) -> str:
        if schema.name == DECIMAL_NAME:
            return f"blob(unscaled({name}, {_scale(schema)}))"
        if schema.name == DATE_NAME:
            return f"(small({name} // {MILLIS_PER_DAY}) or zz({name} // {MILLIS_PER_DAY}))"
        kind = schema.type
        enum = enum_symbols(schema) if self._options.enhanced else None
        if enum is not None:
            symbols = {symbol: zigzag(number) for number, symbol in enumerate(enum[1])}
            self.scope[known := f"g{len(self.scope)}"] = _symbol_of(enum[0], symbols)
            return f"{known}({name})"
        if kind is Type.BYTES and FIXED_SIZE in (schema.parameters or {}) and schema.name:
            self.scope[known := f"g{len(self.scope)}"] = _fixed_of(schema)
            return f"{known}({name})"
        if kind in (Type.INT8, Type.INT16, Type.INT32, Type.INT64):
            return f"(small({name}) or zz({name}))"
        if kind is Type.STRING:
            return f"text({name})"
        if kind is Type.BYTES:
            return f"blob({name})"
        if kind is Type.BOOLEAN:
            return f"(b'\\x01' if {name} else b'\\x00')"
        if kind is Type.FLOAT32:
            return f"f4({name})"
        if kind is Type.FLOAT64:
            return f"f8({name})"
        return self._nested(schema, name)

    def _nested(self, schema: Schema, name: str) -> str:
        number = len(self.scope)
        if schema.type is Type.STRUCT:
            self.scope[f"g{number}"] = self._inner(schema.replace(optional=False, default=None))
            return f"g{number}(({name},))[0]"
        item = self._inner(_item(schema))
        if schema.type is Type.ARRAY:
            self.scope[f"g{number}"] = lambda values: _blocks(item(values))
        else:
            key = schema.key_schema
            if key is None:
                raise DataError(f"writing {schema} as Avro: its key schema is not known")
            encode_key = self._inner(
                key.replace(optional=False) if self._options.allow_optional_map_keys else key
            )
            self.scope[f"g{number}"] = lambda value: _blocks(
                [
                    k + v
                    for k, v in zip(
                        encode_key(list(value)), item(list(value.values())), strict=True
                    )
                ]
            )
        return f"g{number}({name})"


def _symbol_of(enum: str, symbols: dict[str, bytes]) -> Callable[[str], bytes]:
    def encode(value: str) -> bytes:
        found = symbols.get(value)
        if found is None:
            raise DataError(f"'{value}' is not a symbol of the enum {enum}")
        return found

    return encode


def _fixed_of(schema: Schema) -> Callable[[bytes], bytes]:
    size = int((schema.parameters or {})[FIXED_SIZE])

    def encode(value: bytes) -> bytes:
        if len(value) != size:
            raise DataError(f"{schema.name} has {size} bytes, not {len(value)}")
        return bytes(value)

    return encode


def _text(value: str) -> bytes:
    data = value.encode()
    size = len(data)
    return (_SMALL.get(size) or zigzag(size)) + data


def _blob(value: bytes) -> bytes:
    size = len(value)
    return (_SMALL.get(size) or zigzag(size)) + bytes(value)


def _blocks(items: list[bytes]) -> bytes:
    return zigzag(len(items)) + b"".join(items) + b"\x00" if items else b"\x00"
