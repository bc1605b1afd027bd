"""From Avro schemas to Connect schemas, and a generated decoder of Avro bodies into rows.

Semantics: Confluent AvroData.toConnectSchema and toConnectData. One function is generated per writer
schema; it makes rows (tuples in field order) without dictionaries in between. A record that contains
itself becomes a struct with back references, and has a function of its own. Raises DataError.
"""

from __future__ import annotations

import decimal
import json
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from appliance.data.logical import (
    DATE_NAME,
    DECIMAL_NAME,
    MILLIS_PER_DAY,
    SCALE_FIELD,
    TIME_NAME,
    TIMESTAMP_NAME,
    decimal_of_bytes,
)
from appliance.data.recursive import Knot
from appliance.data.schema import Field, Schema, Type
from appliance.data.struct import Struct, wrap
from appliance.errors import DataError
from appliance.schemaregistry.anything import NAME as ANYTHING_NAME
from appliance.schemaregistry.anything import decode_anything
from appliance.schemaregistry.avrodata import (
    DEFAULT_PRECISION,
    DEFAULT_RECORD,
    ENUM,
    GENERAL_ENUM,
    GENERAL_UNION,
    MAP_ENTRY,
    NAMESPACE,
    PRECISION_PARAMETER,
    UNION,
)

_PRIMITIVES: Final = {
    "int": Type.INT32,
    "long": Type.INT64,
    "float": Type.FLOAT32,
    "double": Type.FLOAT64,
    "boolean": Type.BOOLEAN,
    "string": Type.STRING,
    "bytes": Type.BYTES,
    "fixed": Type.BYTES,
    "enum": Type.STRING,
}
_LOGICAL: Final = {
    ("int", "date"): DATE_NAME,
    ("int", "time-millis"): TIME_NAME,
    ("long", "timestamp-millis"): TIMESTAMP_NAME,
}


class AvroReader(NamedTuple):
    """The Connect schema (None: schemaless), and the function from a body and a start to a row."""

    schema: Schema | None
    read: Callable[[bytes, int], Any]
    record_name: str | None
    raw_bytes: bool


class _Names:
    """Named Avro types met so far, with their full names resolved."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}

    def resolved(self, avro: Any, space: str) -> tuple[Any, str]:
        """Give the definition of a type (unions as lists) and the namespace inside it."""
        if isinstance(avro, list):
            return avro, space
        if isinstance(avro, str):
            if (avro in _PRIMITIVES and avro not in ("fixed", "enum")) or avro == "null":
                return {"type": avro}, space
            full = avro if "." in avro else f"{space}.{avro}".lstrip(".")
            found = self.known.get(full) or self.known.get(avro)
            if found is None:
                raise DataError(f"Reading an Avro schema: no type is named {avro}")
            return found, full.rpartition(".")[0]
        if not isinstance(avro, dict) or "type" not in avro:
            raise DataError(f"Reading an Avro schema: {avro!r} is no type")
        if avro["type"] in ("record", "enum", "fixed", "error"):
            full = full_name(avro, space)
            self.known[full] = avro
            return avro, full.rpartition(".")[0]
        if isinstance(avro["type"], (dict, list)):
            return self.resolved(avro["type"], space)
        if avro["type"] in _PRIMITIVES or avro["type"] in ("array", "map", "null"):
            return avro, space
        return self.resolved(avro["type"], space)


def full_name(avro: Mapping[str, Any], space: str = "") -> str:
    """Give the full name of a named Avro type that stands inside namespace `space`."""
    name = str(avro.get("name", ""))
    if "." in name:
        return name
    return f"{avro.get('namespace', space) or ''}.{name}".lstrip(".")


class ReaderOptions(NamedTuple):
    """What the converter's options say about reading."""

    meta_data: bool = True
    enhanced: bool = False
    generalized: bool = False
    flatten_singletons: bool = True
    discard_type_doc_default: bool = False


def avro_reader(
    text: str, references: Iterable[str] = (), options: ReaderOptions | None = None
) -> AvroReader:
    """Give the reader for an Avro schema in JSON form; `references` define names that it uses."""
    options = options or ReaderOptions()
    names = _Names()
    try:
        for referred in references:
            _Schemas(names, options).of(json.loads(referred), "")
        avro = json.loads(text)
        if (
            isinstance(avro, dict)
            and avro.get("type") == "record"
            and full_name(avro) == ANYTHING_NAME
        ):
            return AvroReader(None, decode_anything, ANYTHING_NAME, False)
        schemas = _Schemas(names, options)
        schema = schemas.of(avro, "")
        resolved, space = names.resolved(avro, "")
        code = _Code(names, schemas.recursive, options.flatten_singletons)
        code.value(resolved, "v", schema, space)
        body = "\n".join(code.lines)
        functions = "".join(code.functions)
        source = f"{functions}def read(b, p):\n{body}\n if p > len(b): bad()\n return v"
        exec(source, code.scope)  # noqa: S102 - made of numbers and our own names
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"Reading an Avro schema: {error!r}") from error
    except (RecursionError, SyntaxError) as error:
        # the function made for it has a level of blocks for each level of the schema
        raise DataError("Reading an Avro schema: it is nested too deeply") from error
    named = isinstance(resolved, dict) and resolved["type"] == "record"
    return AvroReader(
        schema,
        _checked(code.scope["read"]),
        full_name(resolved) if named else None,
        isinstance(resolved, dict) and resolved["type"] == "bytes" and not schema.optional,
    )


def _checked(read: Callable[[bytes, int], Any]) -> Callable[[bytes, int], Any]:
    def checked(body: bytes, start: int) -> Any:
        try:
            return read(body, start)
        except (
            IndexError,
            ValueError,
            struct.error,
            TypeError,
            decimal.DecimalException,
        ) as error:
            raise DataError(f"The bytes are no Avro of their schema: {error}") from error
        except RecursionError as error:
            raise DataError("An Avro record is nested too deeply") from error

    return checked


class _Schemas:
    """Makes Connect schemas of Avro schemas."""

    def __init__(self, names: _Names, options: ReaderOptions) -> None:
        self._names = names
        self._options = options
        self._meta = options.meta_data
        self._unions = 0
        self._open: dict[str, Knot] = {}
        self._made: dict[str, Schema] = {}
        self.recursive: set[str] = set()

    def of(self, avro: Any, space: str, default: Any = None, *, field: bool = False) -> Schema:
        """Give the Connect schema; `default` is an Avro field's own default."""
        resolved, inner = self._names.resolved(avro, space)
        if isinstance(resolved, list):
            return self._union(resolved, inner)
        own = default if field else None
        if resolved["type"] != "record":
            return self._annotated(self._single(resolved, inner), resolved, own)
        full = full_name(resolved, inner)
        if full in self._open:
            self.recursive.add(full)
            return self._open[full].reference()
        if full not in self._made:
            knot = self._open[full] = Knot()
            made = self._record(resolved, inner)
            del self._open[full]
            knot.tie(self._annotated(made, resolved, None))
            self._made[full] = made
        return self._annotated(self._made[full], resolved, own)

    def _single(self, avro: dict[str, Any], space: str) -> Schema:
        kind = avro["type"]
        if kind == "null":
            raise DataError("Standalone null schemas are not supported by this converter")
        if kind == "array":
            entry = map_entry(avro["items"], self._names, space)
            if entry is not None:
                return self._entries(entry, space)
            return Schema(Type.ARRAY, value_schema=self.of(avro["items"], space))
        if kind == "map":
            values = self.of(avro["values"], space)
            return Schema(Type.MAP, key_schema=Schema(Type.STRING), value_schema=values)
        return self._plain(avro, kind, space)

    def _plain(self, avro: dict[str, Any], kind: str, space: str) -> Schema:
        type_, logical = _PRIMITIVES[kind], avro.get("logicalType")
        name = _LOGICAL.get((kind, logical or ""))
        if name is not None:
            return Schema(type_, name=name, version=1)
        parameters: dict[str, str] = {}
        if kind == "int" and avro.get("connect.type") in ("int8", "int16"):
            type_ = Type(avro["connect.type"])
        if kind == "fixed":
            parameters["connect.fixed.size"] = str(avro["size"])
            name = full_name(avro, space)
        if logical == "decimal" and type_ is Type.BYTES:
            parameters[SCALE_FIELD] = str(avro.get("scale", 0))
            if avro.get("precision", DEFAULT_PRECISION) != DEFAULT_PRECISION:
                parameters[PRECISION_PARAMETER] = str(avro["precision"])
            return Schema(type_, name=DECIMAL_NAME, version=1, parameters=parameters)
        if kind == "enum":
            name = full_name(avro, space)
            general = self._options.generalized
            parameter = GENERAL_ENUM if general else ENUM
            parameters[parameter] = name
            for number, symbol in enumerate(avro["symbols"]):
                parameters[f"{parameter}.{symbol}"] = str(number) if general else symbol
        return Schema(type_, name=name, parameters=parameters)

    def _entries(self, entry: dict[str, Any], space: str) -> Schema:
        key, value = (self.of(field["type"], space) for field in entry["fields"])
        full = full_name(entry, space)
        named = None if full == f"{NAMESPACE}.{MAP_ENTRY}" else full
        return Schema(Type.MAP, key_schema=key, value_schema=value, name=named)

    def _record(self, avro: dict[str, Any], space: str) -> Schema:
        full = full_name(avro, space)
        parameters: dict[str, str] = {}
        if avro.get("doc") is not None and self._meta:
            parameters[f"{NAMESPACE}.record.doc"] = avro["doc"]
        fields = []
        for index, field in enumerate(avro["fields"]):
            made = self.of(field["type"], space, field.get("default"), field=True)
            fields.append(Field(field["name"], index, made))
            if field.get("doc") is not None and self._meta:
                parameters[f"{NAMESPACE}.field.doc.{field['name']}"] = field["doc"]
        name = None if full.startswith(f"{NAMESPACE}.{DEFAULT_RECORD}") else full
        return Schema(Type.STRUCT, name=name, fields=tuple(fields), parameters=parameters)

    def _union(self, branches: list[Any], space: str) -> Schema:
        others = [branch for branch in branches if not _is_null(branch)]
        nullable = len(others) < len(branches)
        if not others:
            raise DataError("Standalone null schemas are not supported by this converter")
        if len(others) == 1 and (nullable or self._options.flatten_singletons):
            return self.of(others[0], space).replace(optional=nullable)
        number, self._unions = self._unions, self._unions + 1
        fields: list[Field] = []
        for index, branch in enumerate(others):
            schema = self.of(branch, space).replace(optional=True)
            name = self._branch_name(branch, space, index)
            if any(field.name == name for field in fields):
                raise DataError("Multiple union schemas map to the Connect union field name")
            fields.append(Field(name, index, schema))
        general = f"connect_union_{number}" if self._options.generalized else None
        return Schema(
            Type.STRUCT,
            name=general or UNION,
            parameters=None if general is None else {GENERAL_UNION: general},
            optional=nullable,
            fields=tuple(fields),
        )

    def _branch_name(self, branch: Any, space: str, index: int) -> str:
        if self._options.generalized:
            return f"connect_union_field_{index}"
        avro, _ = self._names.resolved(branch, space)
        if self._options.enhanced and "name" in avro:
            return full_name(avro, space)
        return str(avro.get("name", avro["type"])).rpartition(".")[2]

    def _annotated(self, schema: Schema, avro: dict[str, Any], default: Any) -> Schema:
        parameters = dict(schema.parameters or {})
        if self._meta:
            parameters.update(avro.get("connect.parameters") or {})
            parameters.update(
                {key: str(value) for key, value in avro.items() if key.startswith("avro")}
            )
        value = avro.get("connect.default")
        if self._options.discard_type_doc_default:
            value = None
        if value is None and default is not None:
            value = default
            parameters[f"{NAMESPACE}.field.default"] = "true"
        changes: dict[str, Any] = {"parameters": parameters}
        discards = self._options.discard_type_doc_default
        if self._meta and avro.get("connect.doc") is not None and not discards:
            changes["doc"] = avro["connect.doc"]
        if avro.get("connect.version") is not None:
            changes["version"] = int(avro["connect.version"])
        if avro.get("connect.name") is not None:
            changes["name"] = avro["connect.name"]
        changed = schema.replace(**changes)
        return changed if value is None else changed.replace(default=_default(changed, value))


def _is_null(branch: Any) -> bool:
    return branch == "null" or (isinstance(branch, dict) and branch.get("type") == "null")


def map_entry(items: Any, names: _Names, space: str) -> dict[str, Any] | None:
    """Give the record of an array's items when it stands for the entries of a map."""
    avro, _ = names.resolved(items, space)
    if not isinstance(avro, dict) or avro["type"] != "record":
        return None
    if (
        full_name(avro, space) != f"{NAMESPACE}.{MAP_ENTRY}"
        and avro.get("connect.internal.type") != MAP_ENTRY
    ):
        return None
    if [field["name"] for field in avro["fields"]] != ["key", "value"]:
        raise DataError(
            "Found map encoded as array of key-value pairs, but array elements do not match the "
            "expected format."
        )
    return avro


def _default(schema: Schema, value: Any) -> Any:
    """Give a default in JSON form as a value of the schema."""
    if value is None:
        return None
    if schema.type is Type.BYTES:
        data = str(value).encode("latin-1")
        return decimal_of_bytes(schema, data) if schema.name == DECIMAL_NAME else data
    if schema.name == DATE_NAME:
        return int(value) * MILLIS_PER_DAY
    if schema.type is Type.ARRAY and schema.value_schema is not None:
        return [_default(schema.value_schema, item) for item in value]
    if schema.type is Type.MAP and schema.value_schema is not None:
        return {key: _default(schema.value_schema, item) for key, item in value.items()}
    if schema.type is Type.STRUCT:
        row = [_default(field.schema, value.get(field.name)) for field in schema.fields]
        return Struct.of_row(schema, tuple(row))
    if schema.type in (Type.FLOAT32, Type.FLOAT64):
        return float(value)
    return wrap(schema, value)


class _Code:
    """Writes the statements that read one value from `b` at `p` into a variable."""

    def __init__(self, names: _Names, recursive: set[str], flatten_singletons: bool) -> None:
        self.lines: list[str] = []
        self.functions: list[str] = []
        self._recursive = recursive
        self._known: dict[str, str] = {}
        self._names = names
        self._flatten_singletons = flatten_singletons
        self._count = 0
        self._indent = 1
        self.scope: dict[str, Any] = {
            "more": _more,
            "size": _size,
            "bad": _bad,
            "number": decimal_of_bytes,
            "f4": struct.Struct("<f").unpack_from,
            "f8": struct.Struct("<d").unpack_from,
        }

    def value(self, avro: Any, var: str, schema: Schema, space: str) -> None:
        """Read a value of the Avro type, given resolved or not, into variable `var`."""
        avro, space = self._names.resolved(avro, space)
        if isinstance(avro, list):
            self._union(avro, var, schema, space)
        elif avro["type"] == "record":
            self._record(avro, var, schema, space)
        elif avro["type"] in ("array", "map"):
            self._blocks(avro, var, schema, space)
        else:
            self._plain(avro, var, schema)

    def _add(self, *lines: str) -> None:
        self.lines.extend(" " * self._indent + line for line in lines)

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def _long(self, var: str) -> None:
        self._add("n = b[p]; p += 1", "if n > 127: n, p = more(b, n, p)")
        self._add(f"{var} = (n >> 1) ^ -(n & 1)")

    def _plain(self, avro: dict[str, Any], var: str, schema: Schema) -> None:
        kind = avro["type"]
        if kind in ("int", "long"):
            self._long(var)
            if schema.name == DATE_NAME:
                self._add(f"{var} *= {MILLIS_PER_DAY}")
        elif kind in ("string", "bytes"):
            self._add("n = b[p]; p += 1", "if n & 129: n, p = size(b, n, p)", "e = p + (n >> 1)")
            self._add(f"{var} = b[p:e]{'.decode()' if kind == 'string' else ''}; p = e")
        elif kind == "fixed":
            self._add(f"e = p + {int(avro['size'])}", f"{var} = b[p:e]; p = e")
        elif kind == "boolean":
            self._add(f"{var} = b[p] != 0; p += 1")
        elif kind in ("float", "double"):
            width = 4 if kind == "float" else 8
            self._add(f"{var}, = f{width}(b, p); p += {width}")
        elif kind == "enum":
            self.scope[symbols := self._name()] = tuple(avro["symbols"])
            self._add("n = b[p]; p += 1", "if n & 129: n, p = size(b, n, p)")
            self._add(f"{var} = {symbols}[n >> 1]")
        else:
            self._add(f"{var} = None")
        if schema.name == DECIMAL_NAME:
            self.scope[own := self._name()] = schema
            self._add(f"{var} = number({own}, {var})")

    def _record(self, avro: dict[str, Any], var: str, schema: Schema, space: str) -> None:
        full = full_name(avro, space)
        if full in self._recursive:
            self._add(f"{var}, p = {self._function(full, avro, schema, space)}(b, p)")
        else:
            self._members(avro, var, schema, space)

    def _function(self, full: str, avro: dict[str, Any], schema: Schema, space: str) -> str:
        """Give the name of the function that reads a record which contains itself."""
        known = self._known.get(full)
        if known is None:
            known = self._known[full] = f"r{len(self._known)}"
            outside, self.lines = (self.lines, self._indent), []
            self._indent = 1
            self._members(avro, "v", schema, space)
            body = "\n".join(self.lines)
            self.functions.append(f"def {known}(b, p):\n{body}\n return v, p\n")
            self.lines, self._indent = outside
        return known

    def _members(self, avro: dict[str, Any], var: str, schema: Schema, space: str) -> None:
        made = []
        for field, connect in zip(avro["fields"], schema.fields, strict=True):
            made.append(self._name())
            self.value(field["type"], made[-1], connect.schema, space)
        self._add(f"{var} = ({', '.join(made)}{',' if made else ''})")

    def _union(self, branches: list[Any], var: str, schema: Schema, space: str) -> None:
        which = self._name()
        self._long(which)
        struct_like = len([b for b in branches if not _is_null(b)]) > 1 or (
            len(branches) == 1 and not self._flatten_singletons
        )
        place = 0
        for number, branch in enumerate(branches):
            self._add(f"{'el' if number else ''}if {which} == {number}:")
            self._indent += 1
            if _is_null(branch):
                self._add(f"{var} = None")
            elif struct_like:
                inner = self._name()
                self.value(branch, inner, schema.fields[place].schema, space)
                row = [inner if i == place else "None" for i in range(len(schema.fields))]
                self._add(f"{var} = ({', '.join(row)})")
                place += 1
            else:
                self.value(branch, var, schema, space)
            self._indent -= 1
        self._add("else: bad()")

    def _blocks(self, avro: dict[str, Any], var: str, schema: Schema, space: str) -> None:
        left, key, item = self._name(), self._name(), self._name()
        is_map, entries = schema.type is Type.MAP, avro["type"] == "array"
        self._add(f"{var} = {'{}' if is_map else '[]'}", "while True:")
        self._indent += 1
        self._long(left)
        self._add(
            f"if {left} == 0: break", f"if {left} < 0:", f" {left} = -{left}; n = b[p]; p += 1"
        )
        self._add(" if n > 127: n, p = more(b, n, p)", f"if {left} > len(b): bad()")
        self._add(f"while {left}:")
        self._indent += 1
        self._add(f"{left} -= 1")
        value_schema, key_schema = schema.value_schema, schema.key_schema if is_map else None
        if value_schema is None:
            raise DataError("Reading an Avro schema: no schema of the elements")
        if key_schema is not None:
            if entries:
                record, space = self._names.resolved(avro["items"], space)
                self.value(record["fields"][0]["type"], key, key_schema, space)
                self.value(record["fields"][1]["type"], item, value_schema, space)
            else:
                self.value("string", key, key_schema, space)
                self.value(avro["values"], item, value_schema, space)
            self._add(f"{var}[{key}] = {item}")
        else:
            self.value(avro["items"], item, value_schema, space)
            self._add(f"{var}.append({item})")
        self._indent -= 2


def _more(body: bytes, first: int, at: int) -> tuple[int, int]:
    """Read the rest of a variable-length number whose first byte was `first`."""
    number, shift = first & 0x7F, 7
    while True:
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            _bad()


def _size(body: bytes, first: int, at: int) -> tuple[int, int]:
    """Read a length, which must not be negative, still doubled as zig-zag has it."""
    number, at = (first, at) if first < 0x80 else _more(body, first, at)
    if number & 1 or number >> 1 > len(body):
        _bad()
    return number, at


def _bad() -> None:
    raise DataError("the bytes end too early, or a length or union branch is out of range")
