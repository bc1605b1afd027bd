"""Encoders of rows to JSON text, generated once per schema and layout.

The generated code is one f-string per row: field names, punctuation and the constants of a layout are
literal text, strings go through the C escape function of `json`. Rows of nothing but texts, integers and
booleans are checked and written by msgspec, a batch in one call. Two things that both write otherwise than
Jackson (control characters, characters beyond the BMP) are looked for once per batch; a batch that has
them, or a row that does not fit, takes the generated code with the exact escape function, row by row.
"""

from __future__ import annotations

import binascii
import decimal
import functools
import itertools
import json.encoder
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from appliance.api import NULL, Const, Layout, Var
from appliance.converters.json_records import RecordRows
from appliance.data import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Field,
    Schema,
    Type,
)
from appliance.data.logical import MILLIS_PER_DAY, decimal_scale
from appliance.data.struct import unwrap
from appliance.data.text import decimal_text, double_text, float_text, json_quote
from appliance.errors import DataError

_quote_fast: Callable[[str], str] = json.encoder.c_encode_basestring or json_quote  # type: ignore[attr-defined]  # not in its stubs

RowErrors: Final = (
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    msgspec.ValidationError,
)
"""What the generated code raises for a row that does not fit, before the fault is named exactly."""


class Options(NamedTuple):
    """The options of the converter that change how values are written."""

    numeric_decimals: bool = False
    replace_null_with_default: bool = True
    generator: Callable[[Options], Generator] | None = None


def bytes_json(value: Any) -> str:
    """Give a byte string as JSON: base64 in quotes."""
    return f'"{binascii.b2a_base64(value, newline=False).decode()}"'


def decimal_bytes(value: decimal.Decimal, scale: int) -> bytes:
    """Give the unscaled integer of a Decimal of exactly this scale. Raises DataError."""
    text = str(value)
    if scale > 0 and text[-scale - 1 : -scale] == "." and "E" not in text:
        unscaled = int(text.replace(".", "", 1))
    else:
        sign, digits, exponent = value.as_tuple()
        if exponent != -scale:
            raise DataError(
                "Decimal value has mismatching scale for given Decimal schema. "
                f"Schema has scale {scale}, value has scale {-int(exponent)}."
            )
        unscaled = int("".join(map(str, digits)) or "0") * (-1 if sign else 1)
    length = ((unscaled if unscaled >= 0 else ~unscaled).bit_length() >> 3) + 1
    return unscaled.to_bytes(length, "big", signed=True)


_DATE_END: Final = 2**31 * MILLIS_PER_DAY


def _date_json(ms: int) -> str:
    days, rest = divmod(ms, MILLIS_PER_DAY)
    if rest:
        raise DataError(
            "Kafka Connect Date type should not have any time fields set to non-zero values."
        )
    return str(((days + 2**31) % 2**32) - 2**31)


def _time_json(ms: int) -> str:
    if not 0 <= ms <= MILLIS_PER_DAY:
        raise DataError(
            "Kafka Connect Time type should not have any date fields set to non-zero values."
        )
    return int.__repr__(ms)


class Generator:
    """Collects the functions and constants that one encoder's source text refers to."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.functions: list[str] = []
        self.names: dict[str, Any] = {}
        self._of_schema: dict[Schema, str] = {}

    def is_whole(self, schema: Schema) -> bool:
        """Whether values of `schema` are written by a function of their own at the top too."""
        return schema.type is not Type.STRUCT

    def is_spread(self, _field: Field) -> bool:
        """Whether a map's members are written beside the fields of its struct."""
        return False

    def spread(self, _schema: Schema) -> Callable[[Any, str], str]:
        """Give the function from such a map, and what stands before its first member, to text."""
        raise NotImplementedError

    def bind(self, value: Any) -> str:
        name = f"K{len(self.names)}"
        self.names[name] = value
        return name

    def null_text(self, schema: Schema) -> str | None:
        """Give the text that stands for null, or None when null does not fit."""
        if schema.default is not None and self.options.replace_null_with_default:
            if schema.type is Type.STRUCT:
                return None
            return value_text(schema.replace(default=None), schema.default, self.options)
        return "null" if schema.optional else None

    def expression(self, schema: Schema, name: str) -> str:
        """Give what stands between the braces of an f-string for the value called `name`."""
        null = self.null_text(schema)
        if schema.type is Type.STRUCT:
            return f"{self.function_of(schema)}({name})"
        text, is_call = self._plain(schema, name)
        if null is None:
            return text
        return f"{self.bind(null)} if {name} is None else {text if is_call else name}"

    def _plain(self, schema: Schema, name: str) -> tuple[str, bool]:
        if schema.name == DECIMAL_NAME:
            if self.options.numeric_decimals:
                return f"DECIMAL({name})", True
            scale = decimal_scale(schema)
            return f"BYTES(SCALED({name}, {scale}))", True
        if schema.name == DATE_NAME:
            # whole days that need no wrapping, as nearly all are, are spared the call
            whole = f"not {name} % {MILLIS_PER_DAY} and {-_DATE_END} <= {name} < {_DATE_END}"
            return f"{name} // {MILLIS_PER_DAY} if {whole} else DATE({name})", True
        if schema.name in _LOGICAL_FUNCTIONS:
            return f"{_LOGICAL_FUNCTIONS[schema.name]}({name})", True
        if schema.type in _INTEGERS:
            # Unary plus refuses None and costs a tenth of a format specification.
            return f"+{name}", False
        if schema.type in (Type.ARRAY, Type.MAP):
            return f"{self.function_of(schema)}({name})", True
        if schema.type is Type.BOOLEAN:
            return f"BOOLEAN[{name}]", True
        return f"{_FUNCTIONS[schema.type]}({name})", True

    def function_of(self, schema: Schema) -> str:
        """Give the name of the function that writes a nested value of `schema`."""
        known = self._of_schema.get(schema)
        if known is not None:
            return known
        name = self._of_schema[schema] = f"write{len(self._of_schema)}"
        if schema.type is Type.ARRAY:
            item = self.expression(_of(schema.value_schema), "x")
            body = f"    return '[' + ','.join([f'{{{item}}}' for x in v]) + ']'\n"
        elif schema.type is Type.MAP:
            body = self.map_body(schema)
        else:
            body = self.struct_body(schema)
        self.functions.append(f"def {name}(v):\n{body}")
        return name

    def map_body(self, schema: Schema) -> str:
        """Give the statements that return the text of a map `v`."""
        key_schema, value_schema = _of(schema.key_schema), _of(schema.value_schema)
        item = self.expression(value_schema, "x")
        if key_schema.type is Type.STRING:
            null = self.bind(self.null_text(key_schema))
            key = f"QUOTE_KEY(k, {null})"
            return f"    return '{{' + ','.join([f'{{{key}}}:{{{item}}}' for k, x in v.items()]) + '}}'\n"
        key = self.expression(key_schema, "k")
        return (
            f"    return '[' + ','.join([f'[{{{key}}},{{{item}}}]' for k, x in v.items()]) + ']'\n"
        )

    def struct_body(self, schema: Schema) -> str:
        """Give the statements that return the text of a struct `v`."""
        null = self.null_text(schema)
        lines = [] if null is None else ["    if v is None:\n        return 'null'\n"]
        names = [f"v{f.index}" for f in schema.fields]
        if names:
            lines.append(f"    {', '.join(names)}, = v\n")
        pieces = _Pieces()
        self.struct_pieces(pieces, schema, [Var(f.index) for f in schema.fields], "v")
        lines.append(f"    return {pieces.f_string()}\n")
        return "".join(lines)

    def struct_pieces(
        self, pieces: _Pieces, schema: Schema, parts: Sequence[Var | Const | Layout], prefix: str
    ) -> None:
        """Append the text of a struct whose fields come from `parts`."""
        separator = "{"
        last = []
        for field, part in zip(schema.fields, parts, strict=True):
            if isinstance(part, Var) and self.is_spread(field):
                last.append((self.bind(self.spread(field.schema)), f"{prefix}{part.index}"))
                continue
            pieces.literal(f"{separator}{json_quote(field.name)}:")
            separator = ","
            if isinstance(part, Layout):
                self.struct_pieces(pieces, field.schema, part.fields, prefix)
            elif isinstance(part, Var):
                pieces.variable(self.expression(field.schema, f"{prefix}{part.index}"))
            else:
                pieces.constant(self.expression(field.schema, f"c{part.index}"), part.index)
        if last:
            pieces.literal("{" if separator == "{" else "")
            for function, value in last:
                pieces.variable(f"{function}({value}, {self.bind(separator.strip('{'))})")
                separator = ","
            pieces.literal("}")
        else:
            pieces.literal("{}" if separator == "{" else "}")


def _generator(options: Options) -> Generator:
    return (options.generator or Generator)(options)


class _Pieces:
    """The text of a row as literal, per-batch and per-row pieces."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, str]] = []
        self.constants: set[int] = set()

    def literal(self, text: str) -> None:
        escaped = text.replace("\\", "\\\\").replace("'", "\\'")
        self.pieces.append(("constant", escaped.replace("{", "{{").replace("}", "}}")))

    def constant(self, expression: str, index: int) -> None:
        self.constants.add(index)
        self.pieces.append(("constant", f"{{{expression}}}"))

    def variable(self, expression: str) -> None:
        self.pieces.append(("variable", f"{{{expression}}}"))

    def f_string(self) -> str:
        return f"f'{''.join(text for _, text in self.pieces)}'"

    def hoisted(self) -> tuple[list[str], str]:
        """Give the statements that render stretches with constants, and the f-string of a row."""
        statements: list[str] = []
        row: list[str] = []
        stretch: list[str] = []

        def close() -> None:
            text = "".join(stretch)
            if text.replace("{{", "").find("{") >= 0:
                name = f"h{len(statements)}"
                statements.append(f"{name} = f'{text}'")
                text = f"{{{name}}}"
            row.append(text)
            stretch.clear()

        for kind, text in self.pieces:
            if kind == "variable":
                close()
                row.append(text)
            else:
                stretch.append(text)
        close()
        return statements, f"f'{''.join(row)}'"


def _quote_key(quote: Callable[[str], str]) -> Callable[[Any, str | None], str]:
    def quote_key(key: Any, null: str | None) -> str:
        if key is not None:
            return quote(key)
        if null is None:
            raise DataError(NULL_FOR_REQUIRED)
        return null if null.startswith('"') else f'"{null}"'

    return quote_key


NULL_FOR_REQUIRED: Final = (
    "Conversion error: null value for field that is required and has no default value"
)
_INTEGERS: Final = (Type.INT8, Type.INT16, Type.INT32, Type.INT64)
_FUNCTIONS: Final = {
    Type.STRING: "QUOTE",
    Type.BYTES: "BYTES",
    Type.FLOAT32: "FLOAT32",
    Type.FLOAT64: "FLOAT64",
}
_LOGICAL_FUNCTIONS: Final[dict[str | None, str]] = {
    TIME_NAME: "TIME",
    TIMESTAMP_NAME: "INTEGER",
}


def float_json(value: float) -> str:
    """Give a 32-bit float as JSON: Java's text, in quotes when it is no number."""
    text = float_text(value)
    return text if value - value == 0.0 else f'"{text}"'


def _globals(quote: Callable[[str], str]) -> dict[str, Any]:
    return {
        "QUOTE": quote,
        "QUOTE_KEY": _quote_key(quote),
        "BYTES": bytes_json,
        "FLOAT32": float_json,
        "FLOAT64": double_json,
        "BOOLEAN": {True: "true", False: "false"},
        "DECIMAL": decimal_text,
        "SCALED": decimal_bytes,
        "DATE": _date_json,
        "TIME": _time_json,
        "INTEGER": int.__repr__,
    }


def double_json(value: float) -> str:
    """Give a double as JSON: Java's text, in quotes when it is no number."""
    if 1e-3 <= value < 1e7:
        return float.__repr__(value)
    text = double_text(value)
    return text if value - value == 0.0 else f'"{text}"'


def _of(schema: Schema | None) -> Schema:
    if schema is None:
        raise DataError("The element schema of an array or map is missing")
    return schema


@functools.lru_cache(maxsize=2048)
def _compiled(source: str) -> Any:
    return compile(source, "<json encoder>", "exec")


def _execute(
    source: str, names: dict[str, Any], quote: Callable[[str], str]
) -> Callable[..., Any]:
    namespace = {**_globals(quote), **names}
    exec(_compiled(source), namespace)  # noqa: S102 - the source is generated here, names are bound
    rows_of: Callable[..., Any] = namespace["rows_of"]
    return rows_of


TextsOf = Callable[[Sequence[Any], Sequence[Any]], list[str]]


def _generate(
    schema: Schema, layout: Layout | None, options: Options, width: int
) -> tuple[str, dict[str, Any]]:
    generator = _generator(options)
    pieces = _Pieces()
    if generator.is_whole(schema):
        pieces.variable(generator.expression(schema, "v0"))
        target = "v0"
    else:
        parts = layout.fields if layout else tuple(Var(f.index) for f in schema.fields)
        generator.struct_pieces(pieces, schema, parts, "v")
        names = [f"v{i}" for i in range(width)]
        target = f"({', '.join(names)},)" if names else "_"
    statements, row = pieces.hoisted()
    lines = [*generator.functions, "def rows_of(rows, constants):\n"]
    lines += [f"    c{index} = constants[{index}]\n" for index in sorted(pieces.constants)]
    lines += [f"    {statement}\n" for statement in statements]
    lines.append(f"    return [{row} for {target} in rows]\n")
    return "".join(lines), generator.names


class RowWriter:
    """Writes the rows of one schema and layout as JSON payloads between `head` and `tail`."""

    def __init__(
        self,
        schema: Schema,
        layout: Layout | None,
        options: Options,
        envelope: tuple[str, str],
        explain: Callable[[Any], None],
    ) -> None:
        """Prepare; `explain` names what is wrong with one full row by raising DataError."""
        self._schema, self._layout, self._options = schema, layout, options
        self._explain = explain
        self._head = envelope[0].encode()
        self._tail = envelope[1].encode()
        self._writers: dict[tuple[int, bool], TextsOf] = {}
        generator = _generator(options)
        self._unpacks = not generator.is_whole(schema) and bool(schema.fields)
        self._plain = None if layout else _plain_writer(schema, options)
        null = generator.null_text(schema)
        self._null = None if null is None else self._head + null.encode() + self._tail

    def __call__(self, rows: Sequence[Any], constants: Sequence[Any] = ()) -> list[bytes | None]:
        """Encode the rows. Raises DataError for the first row that does not fit."""
        head, tail, join = self._head, self._tail, b"".join
        if self._is_plain(rows):
            data = self._plain_lines(rows)
            if data is not None:
                if tail:
                    data = data.replace(b"\n", tail + b"\n") + tail
                return [head + line for line in data.split(b"\n")]
        else:
            texts = self._texts(rows, constants)
            if texts is not None:
                return [join((head, text.encode(), tail)) for text in texts]
        return self._with_nulls(rows, constants)

    def lines(self, rows: Sequence[Any]) -> bytes:
        """Give the payloads as lines, `null` where there is none. Raises DataError as a call does."""
        if rows and not self._head and self._is_plain(rows):
            data = self._plain_lines(rows)
            if data is not None:
                return data
        return lines_of(self(rows))

    def _is_plain(self, rows: Sequence[Any]) -> bool:
        first = rows[0] if rows and self._plain is not None else None
        return isinstance(first, (tuple, list)) and len(first) == len(self._schema.fields)

    def _plain_lines(self, rows: Sequence[Any]) -> bytes | None:
        """Give rows of plain types as lines, or None when a row or a text is out of the ordinary."""
        try:
            if type(rows) is RecordRows and rows.schema == self._schema:
                data = rows.lines()
            else:
                data = self._plain(rows)  # type: ignore[misc]  # plain, so not None
        except (*RowErrors, DataError):
            return None
        if b"\\" in data and b"\\u00" in data:
            return None
        return data if data.isascii() or _inside_bmp(data) else None

    def _texts(self, rows: Sequence[Any], constants: Sequence[Any]) -> list[str] | None:
        """Give the generated code's texts, or None when a row or a text is out of the ordinary."""
        if not self._unpacks and (None in rows or NULL in rows):
            return None
        try:
            texts = self._writer(rows[0], exact=False)(rows, constants)
            whole = "".join(texts)
            fits = whole.isascii() or _inside_bmp(whole.encode())
        except (*RowErrors, DataError):
            return None
        return texts if fits and not ("\\" in whole and "\\u00" in whole) else None

    def _writer(self, row: Any, *, exact: bool) -> TextsOf:
        """Give the generated code for rows as wide as `row`."""
        width = len(row) if self._unpacks else 0
        writer = self._writers.get((width, exact))
        if writer is None:
            source, names = _generate(self._schema, self._layout, self._options, width)
            writer = _execute(source, names, json_quote if exact else _quote_fast)
            self._writers[width, exact] = writer
        return writer

    def _with_nulls(self, rows: Sequence[Any], constants: Sequence[Any]) -> list[bytes | None]:
        live = [row for row in rows if row is not None and row is not NULL]
        if len(live) == len(rows):
            return [self._one(row, constants) for row in rows]
        encoded = iter(self(live, constants))
        return [
            None if row is None else self._null_payload() if row is NULL else next(encoded)
            for row in rows
        ]

    def _null_payload(self) -> bytes:
        if self._null is None:
            raise DataError(NULL_FOR_REQUIRED)
        return self._null

    def _one(self, row: Any, constants: Sequence[Any]) -> bytes:
        try:
            (text,) = self._writer(row, exact=True)([row], constants)
        except RecursionError as error:
            raise DataError("A value is nested too deeply to be written as JSON") from error
        except (*RowErrors, DataError) as error:
            self._explain(self._layout.assemble(row, constants) if self._layout else row)
            if isinstance(error, DataError):
                raise
            raise DataError(f"A row does not fit its schema {self._schema}: {error}") from error
        return self._head + text.encode() + self._tail


def lines_of(payloads: Sequence[bytes | None]) -> bytes:
    """Give payloads as lines, `null` where there is none."""
    return b"\n".join([b"null" if payload is None else payload for payload in payloads])


_PLAIN: Final[dict[Type, type]] = {
    Type.STRING: str,
    Type.BOOLEAN: bool,
    **dict.fromkeys(_INTEGERS, int),
}


def _plain_writer(schema: Schema, options: Options) -> Callable[[Sequence[Any]], bytes] | None:
    """Give the function that checks and writes rows as lines; None for a schema of other types.

    It raises ValidationError for a row that does not fit, and for some that do.
    """
    generator = _generator(options)
    if generator.is_whole(schema) or not schema.fields:
        return None
    kinds: list[Any] = []
    for field in schema.fields:
        kind = _PLAIN.get(field.schema.type)
        if kind is None or field.schema.name in (DATE_NAME, TIME_NAME):
            return None
        null = generator.null_text(field.schema)
        if null not in (None, "null") or json_quote(field.name) != f'"{field.name}"':
            return None
        kinds.append(kind | None if null else kind)
    members = [
        (f"f{field.index}", kind, msgspec.field(name=field.name))
        for field, kind in zip(schema.fields, kinds, strict=True)
    ]
    record = msgspec.defstruct("Row", members, gc=False)
    fitting: Any = list[tuple[tuple(kinds)]]  # type: ignore[misc]  # made at run time
    encode, convert = msgspec.json.Encoder().encode_lines, msgspec.convert
    return lambda rows: encode(itertools.starmap(record, convert(rows, fitting)))[:-1]


def _inside_bmp(data: bytes) -> bool:
    return not (
        b"\xf0" in data or b"\xf1" in data or b"\xf2" in data or b"\xf3" in data or b"\xf4" in data
    )


@functools.lru_cache(maxsize=2048)
def _value_writer(schema: Schema, options: Options) -> TextsOf:
    width = len(schema.fields) if schema.type is Type.STRUCT else 1
    source, names = _generate(schema, None, options, width)
    return _execute(source, names, json_quote)


def value_text(schema: Schema, value: Any, options: Options) -> str:
    """Give one boundary value as JSON text, exactly. The value must fit its schema."""
    return _value_writer(schema, options)([unwrap(value)], ())[0]
