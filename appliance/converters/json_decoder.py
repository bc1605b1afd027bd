"""Decoders of JSON payloads to rows, generated once per schema.

A payload that begins with the very bytes of a schema already seen is not looked at before its `payload`
member: only that is parsed (by the fast parser, all of a batch in one call) and read by generated code,
which accepts the plain cases. Whatever is out of the ordinary is parsed and coerced exactly (json_parser,
json_coerce), one by one.
"""

from __future__ import annotations

import binascii
import functools
import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import msgspec
import orjson

from appliance.api import NULL, Run
from appliance.converters.json_coerce import Coercion, schemaless
from appliance.converters.json_parser import MAX_DEPTH, MAX_NAME, MISSING, parse
from appliance.converters.json_records import RecordRows
from appliance.converters.json_schema import read_schema
from appliance.data import DATE_NAME, DECIMAL_NAME, TIME_NAME, TIMESTAMP_NAME, Schema, Type
from appliance.data.logical import decimal_of_bytes
from appliance.data.struct import unwrap
from appliance.data.text import to_float32
from appliance.errors import ConnectError, DataError, SerializationError

_OPENING: Final = b'{"schema":'
_MIDDLE: Final = b',"payload":'
_NOT_AN_ENVELOPE: Final = (
    'JsonConverter with schemas.enable requires "schema" and "payload" fields and may not contain '
    "additional fields. If you are trying to deserialize plain JSON data, set "
    "schemas.enable=false in your converter configuration."
)
_UNSURE: Final = re.compile(rb"[0-9]{19}|[:,\[][ \t\r\n]*-0")


class Unusual(Exception):
    """Raised by generated code for a value that needs the exact path."""


Plan = Callable[[Any], Any]
Read = Callable[[Sequence[bytes]], list[Any]]
"""From the rests of envelopes behind the prefix of their schema (`<payload>}`) to rows."""
UNUSUAL: Final = (
    Unusual,
    AttributeError,
    ValueError,
    TypeError,
    KeyError,
    RecursionError,
    msgspec.DecodeError,
)
"""What says that a payload needs the exact path, of whose own errors it is no cause."""
_UNREAD: Final = object()


class Decoder:
    """Decodes payloads; keeps the schemas it has seen (`cache_size` at most, the oldest go)."""

    def __init__(
        self,
        *,
        envelope: bool,
        content: Schema | None,
        replace_null_with_default: bool,
        cache_size: int,
    ) -> None:
        """Read envelopes, plain values under `content`, or schemaless values."""
        self._envelope = envelope and content is None
        self._content: RowsUnder | None = None
        self._replace = replace_null_with_default
        self._coercion = Coercion(replace_null_with_default=replace_null_with_default)
        if envelope and content is not None:
            exact = lambda payload: self._row(content, _parsed(payload))
            self._content = RowsUnder(content, exact, replace_null=self._replace)
        self._seen: OrderedDict[bytes, tuple[Schema | None, Read]] = OrderedDict()
        self._cache_size = max(1, cache_size)
        self._prefix = b"\0"
        self._schema: Schema | None = None
        self._read: Read = _no_reader

    def decode(self, payloads: Sequence[bytes | None]) -> list[Run]:
        """Decode in order into runs of one schema. Raises DataError."""
        if not self._envelope:
            return self._decode_plain(payloads)
        rows_of_known = self._all_known(payloads)
        if rows_of_known is not None:
            return [Run(self._schema, rows_of_known)]
        runs: list[Run] = []
        rows: list[Any] = []
        schema: Schema | None = None
        prefix, read, skip = self._prefix, self._read, len(self._prefix)
        settled = False
        for payload in payloads:
            if payload is None:
                rows.append(None)
                continue
            if payload.startswith(prefix):
                found, row = self._schema, _UNREAD
                try:
                    (row,) = read((payload[skip:],))
                except UNUSUAL:
                    pass
                if row is _UNREAD:
                    found, row = self._exact(payload)
            else:
                found, row = self._changed(payload)
                prefix, read, skip = self._prefix, self._read, len(self._prefix)
            if found is not schema:
                if settled:
                    runs.append(Run(schema, rows))
                    rows = []
                schema = found
            settled = True
            rows.append(row)
        runs.append(Run(schema, rows))
        return runs

    def _all_known(self, payloads: Sequence[bytes | None]) -> list[Any] | None:
        """Give the rows when all payloads have the schema of the one before and nothing unusual."""
        prefix, read, skip = self._prefix, self._read, len(self._prefix)
        last = payloads[-1] if payloads else None
        if last is None or not last.startswith(prefix):
            return None
        try:
            rests = [payload.removeprefix(prefix) for payload in payloads]  # type: ignore[union-attr]  # None ends as unusual
            removed = sum(map(len, payloads)) - sum(map(len, rests))  # type: ignore[arg-type]  # as above
            return read(rests) if removed == skip * len(payloads) else None
        except UNUSUAL:
            return None

    def _changed(self, payload: bytes) -> tuple[Schema | None, Any]:
        """Decode a payload whose schema is not that of the one before."""
        text = self._find_schema(payload)
        found = self._exact(payload) if text is None or text not in self._seen else None
        if text is None:
            return found or (None, None)
        if found is not None:
            schema = found[0]
            self._seen[text] = (schema, make_reader(schema, replace_null=self._replace))
            if len(self._seen) > self._cache_size:
                self._seen.popitem(last=False)
        self._seen.move_to_end(text)
        self._schema, self._read = self._seen[text]
        self._prefix = _OPENING + text + _MIDDLE
        return found if found is not None else self._known(payload)

    def _known(self, payload: bytes) -> tuple[Schema | None, Any]:
        try:
            return self._schema, self._read((payload[len(self._prefix) :],))[0]
        except UNUSUAL:
            pass
        return self._exact(payload)

    def _find_schema(self, payload: bytes) -> bytes | None:
        """Give the text of the schema member, or None unless the envelope is in compact form."""
        if not payload.startswith(_OPENING):
            return None
        end = payload.find(_MIDDLE)
        while end >= 0:
            text = payload[len(_OPENING) : end]
            if text in self._seen:
                return text
            try:
                orjson.loads(text)
            except ValueError:
                end = payload.find(_MIDDLE, end + 1)
            else:
                return text
        return None

    def _exact(self, payload: bytes) -> tuple[Schema | None, Any]:
        json = _parsed(payload)
        if not isinstance(json, dict) or set(json) != {"schema", "payload"}:
            raise DataError(_NOT_AN_ENVELOPE)
        text = self._find_schema(payload)
        schema = (
            self._seen[text][0]
            if text is not None and text in self._seen
            else read_schema(json["schema"], self._coercion.value)
        )
        return schema, self._row(schema, json["payload"])

    def _row(self, schema: Schema | None, json: Any) -> Any:
        try:
            if schema is None:
                return schemaless(json)
            row = self._coercion.row(schema, json)
        except RecursionError as error:
            raise DataError("A JSON document is nested too deeply") from error
        return NULL if row is None else row

    def _decode_plain(self, payloads: Sequence[bytes | None]) -> list[Run]:
        if self._content is not None:
            return [Run(self._content.schema, self._content.rows(payloads))]
        rows = [None if payload is None else self._schemaless(payload) for payload in payloads]
        return [Run(None, rows)]

    def _schemaless(self, payload: bytes) -> Any:
        if payload[:1] != b"-" and _UNSURE.search(payload) is None and _within_limits(payload):
            try:
                return orjson.loads(payload)
            except ValueError:
                pass
        return self._row(None, _parsed(payload))


class RowsUnder:
    """Reads payloads of one schema: a whole batch at once, and one by one where any is unusual."""

    def __init__(
        self,
        schema: Schema,
        exact: Callable[[bytes], Any],
        *,
        replace_null: bool,
        plain: bool = True,
    ) -> None:
        """Take what reads a payload exactly; not `plain`: the schema has forms that it alone reads."""
        self.schema = schema
        self._exact = exact
        self._read = make_reader(schema, replace_null=replace_null) if plain else _no_reader

    def rows(self, payloads: Sequence[bytes | None]) -> list[Any]:
        """Give the rows in order, None for None. Raises DataError."""
        if None not in payloads:
            try:
                return self._read([payload + b"}" for payload in payloads])  # type: ignore[operator]  # no None in it
            except UNUSUAL:
                pass
        return [None if payload is None else self._row(payload) for payload in payloads]

    def _row(self, payload: bytes) -> Any:
        try:
            return self._read((payload + b"}",))[0]
        except UNUSUAL:
            pass
        return self._exact(payload)


def _within_limits(payload: bytes) -> bool:
    """Whether no limit of the exact parser that the fast one lacks can be exceeded."""
    if len(payload) <= MAX_DEPTH:
        return True
    if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH:
        return False
    return len(payload) <= MAX_NAME or max(map(len, payload.split(b'"'))) <= MAX_NAME


def _parsed(payload: bytes) -> Any:
    try:
        return parse(payload)
    except SerializationError as error:
        raise DataError(
            "Converting byte[] to Kafka Connect data failed due to serialization error: "
        ) from error


def read_content(text: str, *, replace_null_with_default: bool) -> Schema | None:
    """Read the option `schema.content`. Raises DataError."""
    try:
        json = parse(text.encode("utf-8", "surrogatepass"))
    except ConnectError as error:
        raise DataError(
            "Failed to parse schema in converter config due to serialization error: "
        ) from error
    coercion = Coercion(replace_null_with_default=replace_null_with_default)
    return read_schema(None if json is MISSING else json, coercion.value)


def _no_reader(_payloads: Sequence[bytes]) -> list[Any]:
    raise Unusual


def _plain_schemaless(json: Any) -> Any:
    """Pass what the fast parser gives unless a number in it may have lost its exact form."""
    if type(json) is str or json is None or json is True or json is False:
        return json
    raise Unusual


def _float64(json: Any) -> float:
    if type(json) is float:
        return json + 0.0
    if type(json) is int:
        return float(json)
    raise Unusual


_DOUBLE: Final = struct.Struct("<d")


def _float32(json: Any) -> float:
    value = _float64(json)
    if int.from_bytes(_DOUBLE.pack(value), "little") & 0x1FFFFFFF == 0x10000000:
        raise Unusual
    return to_float32(value)


def _bytes(json: Any) -> bytes:
    return binascii.a2b_base64(json, strict_mode=True)


def _decimal(schema: Schema) -> Callable[[Any], Any]:
    def read(json: Any) -> Any:
        if type(json) is not str:
            raise Unusual
        return decimal_of_bytes(schema, _bytes(json))

    return read


_RANGES: Final = {
    Type.INT8: ("-128", "127"),
    Type.INT16: ("-32768", "32767"),
    Type.INT32: ("-2147483648", "2147483647"),
    Type.INT64: ("-9223372036854775808", "9223372036854775807"),
}


class _Generator:
    """Writes one function per nested schema; `v` is the parsed value, the result is the row."""

    def __init__(self, *, replace_null: bool) -> None:
        self.replace_null = replace_null
        self.functions: list[str] = []
        self.names: dict[str, Any] = {
            "Unusual": Unusual,
            "BYTES": _bytes,
            "FLOAT32": _float32,
            "FLOAT64": _float64,
        }

    def bind(self, value: Any) -> str:
        name = f"K{len(self.names)}"
        self.names[name] = value
        return name

    def check_and_result(self, schema: Schema, v: str) -> tuple[str | None, str]:
        """Give the condition under which `v` is plain (None: its result raises) and its row form."""
        if schema.name == DECIMAL_NAME:
            return None, f"{self.bind(_decimal(schema))}({v})"
        if schema.name in (DATE_NAME, TIME_NAME, TIMESTAMP_NAME):
            low, high = {
                DATE_NAME: _RANGES[Type.INT32],
                TIME_NAME: ("0", "86400000"),
                TIMESTAMP_NAME: _RANGES[Type.INT64],
            }[schema.name or ""]
            result = f"{v} * 86400000" if schema.name == DATE_NAME else v
            return f"type({v}) is int and {low} <= {v} <= {high}", result
        if schema.type in _RANGES:
            low, high = _RANGES[schema.type]
            return f"type({v}) is int and {low} <= {v} <= {high}", v
        if schema.type is Type.STRING:
            return f"type({v}) is str", v
        if schema.type is Type.BOOLEAN:
            return f"type({v}) is bool", v
        if schema.type in (Type.BYTES, Type.FLOAT32, Type.FLOAT64):
            return None, f"{schema.type.name}({v})"
        return None, f"{self.function_of(schema)}({v})"

    def nullable(self, schema: Schema, v: str) -> tuple[str | None, str]:
        """Give the same with null allowed where the schema allows it."""
        check, result = self.check_and_result(schema, v)
        has_default = schema.default is not None and self.replace_null
        if not has_default and not schema.optional:
            return check, result
        null = self.bind(unwrap(schema.default)) if has_default else "None"
        if check is not None:
            check = f"({v} is None or {check})"
        if result == v and null == "None":
            return check, v
        return check, f"({null} if {v} is None else {result})"

    def function_of(self, schema: Schema) -> str:
        name = f"read{len(self.functions)}"
        self.functions.append("")
        place = len(self.functions) - 1
        if schema.type is Type.STRUCT:
            body = self._struct(schema)
        elif schema.type is Type.ARRAY:
            body = self._items(schema, "list", "x", "[{} for x in v]")
        elif schema.key_schema is not None and schema.key_schema.type is Type.STRING:
            body = self._items(schema, "dict", "x", "{{k: {} for k, x in v.items()}}")
        else:
            body = "    raise Unusual\n"
        self.functions[place] = f"def {name}(v):\n{body}"
        return name

    def _items(self, schema: Schema, kind: str, x: str, form: str) -> str:
        if schema.value_schema is None:
            return "    raise Unusual\n"
        check, result = self.nullable(schema.value_schema, x)
        lines = f"    if type(v) is not {kind}: raise Unusual\n"
        if check is not None:
            members = "v.values()" if kind == "dict" else "v"
            lines += f"    for x in {members}:\n        if not ({check}): raise Unusual\n"
        return lines + f"    return {form.format(result)}\n"

    def _struct(self, schema: Schema) -> str:
        names = [f"v{f.index}" for f in schema.fields]
        if not names:
            return "    if type(v) is not dict: raise Unusual\n    return ()\n"
        keys = self.bind([f.name for f in schema.fields])
        gets = "".join(f"        v{f.index} = g({self.bind(f.name)})\n" for f in schema.fields)
        checks, results = [], []
        for field in schema.fields:
            check, result = self.nullable(field.schema, f"v{field.index}")
            if check is not None:
                checks.append(check)
            results.append(result)
        condition = f"    if not ({' and '.join(checks)}): raise Unusual\n" if checks else ""
        return (
            f"    if [*v] == {keys}:\n        {', '.join(names)}, = v.values()\n"
            f"    else:\n        g = v.get\n{gets}{condition}    return ({', '.join(results)},)\n"
        )


@functools.lru_cache(maxsize=2048)
def _compiled(source: str) -> Any:
    return compile(source, "<json decoder>", "exec")


def make_reader(schema: Schema | None, *, replace_null: bool) -> Read:
    """Give the function that reads payloads under a schema; it raises one of UNUSUAL."""
    if schema is not None and schema.type is Type.STRUCT and schema.fields:
        checked = _checked_reader(schema, replace_null=replace_null)
        if checked is not None:
            return checked
    plan, loads = make_plan(schema, replace_null=replace_null), orjson.loads
    return lambda rests: [plan(loads(_payload(rest))) for rest in rests]


def _checked_reader(schema: Schema, *, replace_null: bool) -> Read | None:
    """Give a reader whose parser checks types and ranges itself; None where it knows too few fields."""
    members: list[tuple[str, Any, Any]] = []
    results: list[str] = []
    generator = _Generator(replace_null=replace_null)
    for field in schema.fields:
        kind, null = _parsed_type(field.schema), field.schema.optional
        if field.schema.default is not None:
            kind = None
        v = f"t[{field.index}]"
        if kind is None:
            check, result = generator.nullable(field.schema, v)
            if check is not None:
                result = f"({result}) if {check} else unusual()"
            results.append(result)
            kind, null = Any, True
        else:
            plain = field.schema.name != DATE_NAME
            missing = f"None if {v} is None else " if null else ""
            results.append(v if plain else f"({missing}{v} * 86400000)")
        name = f"f{field.index}"
        missing_value = None if null else msgspec.NODEFAULT
        wanted = msgspec.field(default=missing_value, name=field.name)
        members.append((name, kind | None if null and kind is not Any else kind, wanted))
    # The parser takes no names that JSON would have to escape.
    escaped = any(char in '"\\' or char < " " for field in schema.fields for char in field.name)
    if escaped or not any(kind is not Any for _, kind, _ in members):
        return None
    # Fields without a default may not follow those with one, unless named by keyword.
    record = msgspec.defstruct("Payload", members, kw_only=True, gc=False)
    decode, fields = _many(record), msgspec.structs.astuple
    if results == [f"t[{i}]" for i in range(len(results))]:

        def records(rests: Sequence[bytes]) -> RecordRows:
            found = decode(rests)
            return RecordRows(schema, map(fields, found), found)

        return records
    source = f"{''.join(generator.functions)}def row(t):\n    return ({', '.join(results)},)\n"
    namespace = {**generator.names, "unusual": _unusual}
    exec(_compiled(source), namespace)  # noqa: S102 - the source is generated here, names are bound
    row = namespace["row"]
    return lambda rests: [row(fields(record)) for record in decode(rests)]


def _many(kind: Any) -> Callable[[Sequence[bytes]], list[Any]]:
    """Give the function that parses payloads of one kind in one call, each as if it stood alone.

    They become the members of one array, each in an object of its own. Where no payload has a bracket,
    that array is the only one, an object can begin behind a comma only in it, and no string holds a line
    break: so no payload reaches over its own end, and their number says that none is two.
    """
    envelope = msgspec.defstruct(
        "Envelope", [("payload", kind)], forbid_unknown_fields=True, gc=False
    )
    each = msgspec.json.Decoder(kind).decode
    all_of = msgspec.json.Decoder(list[envelope]).decode  # type: ignore[valid-type]  # made at run time

    def decode(rests: Sequence[bytes]) -> list[Any]:
        text = b',\n{"payload":'.join(rests)
        if b"[" in text:
            return [each(_payload(rest)) for rest in rests]
        found: list[Any] = all_of(b'[{"payload":%b]' % text)
        if len(found) != len(rests):
            raise Unusual
        return [one.payload for one in found]

    return decode


def _payload(rest: bytes) -> bytes:
    if rest[-1:] != b"}":
        raise Unusual
    return rest[:-1]


def _unusual() -> Any:
    raise Unusual


def _parsed_type(schema: Schema) -> Any:
    """Give the type that a parser checks for a schema, None where generated code must."""
    if schema.name == TIME_NAME:
        return Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
    if schema.name == DECIMAL_NAME:
        return None
    if schema.type in _RANGES:
        low, high = map(int, _RANGES[schema.type])
        return Annotated[int, msgspec.Meta(ge=low, le=high)]
    return {Type.STRING: str, Type.BOOLEAN: bool}.get(schema.type)


def make_plan(schema: Schema | None, *, replace_null: bool) -> Plan:
    """Generate the function from a fast-parsed payload to a row; it raises Unusual, TypeError, ..."""
    if schema is None:
        return _plain_schemaless
    generator = _Generator(replace_null=replace_null)
    check, result = generator.nullable(schema, "v")
    condition = f"    if not ({check}): raise Unusual\n" if check is not None else ""
    null = "    if v is None: raise Unusual\n"
    source = f"{''.join(generator.functions)}def plan(v):\n{null}{condition}    return {result}\n"
    namespace = dict(generator.names)
    exec(_compiled(source), namespace)  # noqa: S102 - the source is generated here, names are bound
    plan: Callable[[Any], Any] = namespace["plan"]
    return plan
