"""One generated function per table version: rows of a binlog event to tuples in Connect's row form.

`RowDecoder` is made for a table version and the shape of a TABLE_MAP. For every set of columns that an
event carries it generates the source of one function and keeps it. Neighbouring columns of fixed size
share one `unpack_from` whenever none of them is null. A decoded row is short (api/batch.py): for an
insert or delete the value's fields, for an update those before and those after, each followed by the
row's number in its event.

Semantics: MySQL 9.7 and MariaDB 10.11 row images; the values are those of Debezium 3.6.1's streaming.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import logging
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from appliance.connectors.binlog import values
from appliance.connectors.binlog.charsets import codec_of
from appliance.connectors.binlog.events import TableMap, length_encoded
from appliance.connectors.binlog.forms import ValueForm
from appliance.connectors.binlog.json_binary import json_text
from appliance.connectors.binlog.tables import Column
from appliance.connectors.binlog.wire import WireColumn, mismatch, wire_columns
from appliance.errors import ConnectError, DataError

Convert = Callable[[Any], Any]
_LOG: Final = logging.getLogger("io.debezium.connector.binlog.RowDeserializers")


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """A column to decode: its place in the table from 0, itself, its form and what stands for null.

    `literal_years`: years of two digits stay as they are.
    """

    index: int
    column: Column
    form: ValueForm
    fallback: Any
    literal_years: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """How rows are cut out of the decoded columns.

    `key` are places in `columns` (None: no key), `key_constant` a further field of it, `value` the fields
    in order, each a place with what a mask or cut does to it.
    """

    columns: tuple[Wanted, ...]
    key: tuple[int, ...] | None
    value: tuple[tuple[int, Convert | None], ...]
    key_constant: str | None = None


Decoded = tuple[list[Any], list[Any], list[Any] | None]
"""Keys (of the new image, where there are two), short rows, keys of the old image of an update."""


class RowDecoder:
    """Decodes the rows of one table as long as neither its version nor its TABLE_MAP changes."""

    def __init__(
        self,
        shape: Shape,
        table_map: TableMap,
        unavailable: str | None,
        converting: str = "warn",
    ) -> None:
        """Check the map against the columns. Raises ConnectError when they cannot be the same table.

        `unavailable` stands for a large column that a row image leaves out (None: null).
        `converting`: whether a value that cannot be converted fails or is null (warn: with a warning).
        """
        self._name = f"{table_map.database}.{table_map.table}"
        self._shape = shape
        self._unavailable = unavailable
        self._converting = converting
        self._wire = wire_columns(table_map)
        self._functions: dict[Any, Callable[[bytes, int, int], Decoded]] = {}
        count = len(self._wire)
        self._inserts = (1 if count < 251 else 3) + (count + 7) // 8
        self._updates = self._inserts + (count + 7) // 8

    def decode(self, body: bytes, at: int, update: bool) -> Decoded:
        """Decode the rows of an event whose column count starts at `at`.

        Raises DataError (a value that cannot be), ConnectError (an image that leaves needed columns out).
        """
        end = at + (self._updates if update else self._inserts)
        shape = body[at:end]
        function = self._functions.get((update, shape)) if update else self._functions.get(shape)
        if function is None:
            function = self._generate(shape, update, "strict")
        try:
            return function(body, end, len(body))
        except UnicodeDecodeError:
            lenient = self._generate(shape, update, "replace")
            return lenient(body, end, len(body))
        except (struct.error, IndexError) as error:
            raise ConnectError(
                f"Error processing row in {self._name}: the row image does not fit the table's known "
                "columns; restart connector with schema recovery mode (snapshot.mode=recovery)"
            ) from error

    def _generate(
        self, shape: bytes, update: bool, errors: str
    ) -> Callable[[bytes, int, int], Decoded]:
        """Make the function for the columns present, given as count and bitmaps."""
        count, at = length_encoded(shape, 0)
        if count != len(self._wire):
            raise ConnectError(
                f"Error processing row in {self._name}, internal schema size {len(self._wire)}, but row "
                f"size {count}, restart connector with schema recovery mode."
            )
        size = (count + 7) // 8
        writer = _Writer(
            self._shape, self._wire, errors, self._unavailable, self._converting, self._name
        )
        after = shape[at + size :] if update else None
        function = writer.function(shape[at : at + size], after)
        if errors == "strict":
            self._functions[(update, shape) if update else shape] = function
        return function


def check_columns(name: str, columns: Sequence[Column], table_map: TableMap) -> None:
    """Compare a table's known columns with what the server says of it. Raises ConnectError."""
    wire = wire_columns(table_map)
    problem = None
    if len(wire) != len(columns):
        raise ConnectError(
            f"Error processing row in {name}, internal schema size {len(columns)}, but row size "
            f"{len(wire)} , restart connector with schema recovery mode."
        )
    for column, sent in zip(columns, wire, strict=True):
        problem = problem or mismatch(column, sent)
    if problem:
        raise ConnectError(
            f"The known columns of {name} are not those of the binlog: {problem}. Restart the connector "
            "with snapshot.mode=recovery once it is certain that no DDL came after the stored position"
        )


class _Writer:
    """Writes the source of one decoding function."""

    def __init__(
        self,
        shape: Shape,
        wire: Sequence[WireColumn],
        errors: str,
        unavailable: str | None,
        converting: str,
        name: str,
    ) -> None:
        self._shape = shape
        self._wire = wire
        self._errors = errors
        self._unavailable = unavailable
        self._converting = converting
        self._name = name
        self._scope: dict[str, Any] = {"int_from": int.from_bytes, "Decimal": Decimal}
        self._lines: list[str] = []
        self._places = {wanted.index: place for place, wanted in enumerate(shape.columns)}

    def constant(self, value: Any) -> str:
        """Give the name under which the generated function finds `value`."""
        name = f"k{len(self._scope)}"
        self._scope[name] = value
        return name

    def function(self, before: bytes, after: bytes | None) -> Callable[[bytes, int, int], Decoded]:
        self._image(before, "a")
        if after is not None:
            self._image(after, "b")
        last = "a" if after is None else "b"
        value = ", ".join(
            [*self._value("a"), *(self._value("b") if after is not None else ()), "row"]
        )
        key = self._shape.key
        source = ["def decode(b, p, end):", "    keys = []; rows = []; row = 0"]
        source += ["    ka = keys.append; ra = rows.append"]
        if after is not None:
            source += ["    old = []; oa = old.append"]
        source += ["    while p < end:"]
        source += [f"        {line}" for line in self._lines]
        if key is not None:
            source += [f"        ka({self._key(key, last)})"]
            if after is not None:
                source += [f"        oa({self._key(key, 'a')})"]
        source += [f"        ra(({value},))", "        row += 1"]
        source += [f"    return keys, rows, {'old' if after is not None else 'None'}"]
        code = compile("\n".join(source), f"<rows of {self._name}>", "exec")
        exec(code, self._scope)  # noqa: S102  the source is made here from column positions and types
        function: Callable[[bytes, int, int], Decoded] = self._scope["decode"]
        return function

    def _key(self, places: Sequence[int], prefix: str) -> str:
        fields = [f"{prefix}{place}" for place in places]
        if self._shape.key_constant is not None:
            fields.append(self.constant(self._shape.key_constant))
        return f"({', '.join(fields)},)"

    def _value(self, prefix: str) -> list[str]:
        return [
            f"{prefix}{place}" if convert is None else f"{self.constant(convert)}({prefix}{place})"
            for place, convert in self._shape.value
        ]

    def _image(self, present: bytes, prefix: str) -> None:
        bits = int.from_bytes(present, "little")
        columns = [wire for wire in self._wire if bits >> wire.index & 1]
        size = (len(columns) + 7) // 8
        if size == 1:
            self._line("n = b[p]")
        else:
            self._line(f"n = int_from(b[p:p + {size}], 'little')")
        self._line(f"p += {size}")
        run: list[tuple[int, WireColumn, struct.Struct, str]] = []
        for bit, wire in enumerate(columns):
            fixed = self._fixed(wire, prefix)
            if fixed is not None:
                run.append((bit, wire, *fixed))
                continue
            self._flush(run, prefix)
            self._variable(bit, wire, prefix)
        self._flush(run, prefix)
        for place, wanted in enumerate(self._shape.columns):
            if not bits >> wanted.index & 1:
                self._line(f"{prefix}{place} = {self._absent(wanted)}")

    def _absent(self, wanted: Wanted) -> str:
        if wanted.column.computed:  # MariaDB 11.8 logs it for an INSERT only
            _LOG.warning(
                "The server leaves the computed column %s out of some events of %s; it is null there",
                wanted.column.name,
                self._name,
            )
            return self.constant(wanted.fallback)
        if not self._wire[wanted.index].large:
            raise ConnectError(
                f"A row of {self._name} comes without its column {wanted.column.name}; set "
                "binlog_row_image=FULL on the server and in every session that writes"
            )
        if self._unavailable is None or wanted.form not in (ValueForm.STRING, ValueForm.BYTES):
            return self.constant(wanted.fallback)
        text = self._unavailable
        return self.constant(text if wanted.form is ValueForm.STRING else text.encode())

    def _line(self, text: str) -> None:
        self._lines.append(text)

    def _wanted(self, wire: WireColumn) -> Wanted | None:
        place = self._places.get(wire.index)
        return None if place is None else self._shape.columns[place]

    def _target(self, wire: WireColumn, prefix: str) -> str:
        place = self._places.get(wire.index)
        return "_" if place is None else f"{prefix}{place}"

    def _null(self, wire: WireColumn) -> str:
        wanted = self._wanted(wire)
        fallback = None if wanted is None else wanted.fallback
        return "None" if fallback is None else self.constant(fallback)

    def _fixed(self, wire: WireColumn, prefix: str) -> tuple[struct.Struct, str] | None:
        """Give format and expression of a column that struct can read, `{0}`, `{1}` its raw parts."""
        wanted = self._wanted(wire)
        if wanted is None:
            return (struct.Struct(f"<{wire.size}x"), "") if wire.size else None
        found = _FIXED.get(wire.kind)
        return None if found is None else found(self, wire, wanted)

    def _flush(self, run: list[tuple[int, WireColumn, struct.Struct, str]], prefix: str) -> None:
        """Write the reads of neighbouring columns of fixed size."""
        if not run:
            return
        mask = sum(1 << bit for bit, wire, _, _ in run if wire.nullable)
        together = self._read_together(run, prefix)
        if not mask:
            self._lines += together
        elif len(run) == 1:
            self._line(
                f"if n & {mask}: {self._target(run[0][1], prefix)} = {self._null(run[0][1])}"
            )
            self._line("else:")
            self._lines += [f"    {line}" for line in together]
        else:
            self._line(f"if n & {mask}:")
            for bit, wire, form, shown in run:
                one = self._read_together([(bit, wire, form, shown)], prefix)
                if wire.nullable:
                    target = self._target(wire, prefix)
                    self._line(f"    if n & {1 << bit}: {target} = {self._null(wire)}")
                    self._line("    else:")
                    self._lines += [f"        {line}" for line in one]
                else:
                    self._lines += [f"    {line}" for line in one]
            self._line("else:")
            self._lines += [f"    {line}" for line in together]
        run.clear()

    def _read_together(
        self, run: Sequence[tuple[int, WireColumn, struct.Struct, str]], prefix: str
    ) -> list[str]:
        names, after, form = [], [], "<"
        for _, wire, one, shown in run:
            form += one.format[1:]
            count = len(one.unpack(bytes(one.size)))
            target = self._target(wire, prefix)
            if shown == "{0}":
                names.append(target)
                continue
            raw = [f"r{len(names) + i}" for i in range(count)]
            names += raw
            if shown:
                after.append(f"{target} = {shown.format(*raw)}")
        whole = struct.Struct(form)
        lines = []
        if names:
            unpack = self.constant(whole.unpack_from)
            lines.append(f"{', '.join(names)}{',' if len(names) == 1 else ''} = {unpack}(b, p)")
        lines += [*after, f"p += {whole.size}"]
        return lines

    def _variable(self, bit: int, wire: WireColumn, prefix: str) -> None:
        lines = self._read_variable(wire, prefix)
        if wire.nullable:
            self._line(f"if n & {1 << bit}: {self._target(wire, prefix)} = {self._null(wire)}")
            self._line("else:")
            lines = [f"    {line}" for line in lines]
        self._lines += lines

    def _read_variable(self, wire: WireColumn, prefix: str) -> list[str]:
        wanted = self._wanted(wire)
        if wire.size:
            if wanted is None:
                return [f"p += {wire.size}"]
            lines = _WIDE[wire.kind](self, wire, wanted)
            target = self._target(wire, prefix)
            return [line.replace("TARGET", target) for line in lines] + [f"p += {wire.size}"]
        if wire.length_size == 1:
            lines = ["q = p + 1 + b[p]; p += 1"]
        else:
            lines = [
                f"p += {wire.length_size}; q = p + int_from(b[p - {wire.length_size}:p], 'little')"
            ]
        if wanted is not None:
            lines.append(f"{self._target(wire, prefix)} = {self._bytes_value(wire, wanted)}")
        return [*lines, "p = q"]

    def _bytes_value(self, wire: WireColumn, wanted: Wanted) -> str:
        """Give the expression of a value that is the bytes `b[p:q]`."""
        raw = "b[p:q]"
        form = wanted.form
        if wire.compressed:
            raw = f"{self.constant(values.uncompressed)}({raw})"
        if form in (ValueForm.STRING, ValueForm.JSON) and wire.kind != "json":
            codec = codec_of(wanted.column.charset)
            if codec == "utf-8" and self._errors == "strict":
                return f"{raw}.decode()"
            return f"{raw}.decode({codec!r}, {self._errors!r})"
        if wanted.column.base_type == "BINARY" and wanted.column.length:
            raw = f"{raw}.ljust({wanted.column.length}, b'\\0')"
        function = _OF_BYTES.get(form)
        if function is None:
            raise DataError(
                f"Column {wanted.column.name} of {self._name} cannot be read as {form.name}"
            )
        if function is json_text and self._converting != "fail":
            function = self._or_null(function, wanted.column.name)
        return raw if function is bytes else f"{self.constant(function)}({raw})"

    def _or_null(self, function: Callable[[bytes], Any], column: str) -> Callable[[bytes], Any]:
        """Give a function whose result is null where the value cannot be converted."""
        name = f"{self._name}.{column}"
        level = logging.WARNING if self._converting == "warn" else logging.DEBUG

        def convert(raw: bytes) -> Any:
            try:
                return function(raw)
            except DataError as error:
                _LOG.log(
                    level, "A value of %s is null, since it cannot be converted: %s", name, error
                )
                return None

        return convert


_OF_BYTES: Final[dict[ValueForm, Callable[[bytes], Any]]] = {
    ValueForm.BYTES: bytes,
    ValueForm.BASE64: lambda raw: base64.b64encode(raw).decode(),
    ValueForm.BASE64_URL: lambda raw: base64.urlsafe_b64encode(raw).decode(),
    ValueForm.HEX: bytes.hex,
    ValueForm.JSON: json_text,
    ValueForm.GEOMETRY: values.geometry,
    ValueForm.POINT: values.point,
    ValueForm.VECTOR: values.vector,
    ValueForm.UUID: values.uuid_text,
    ValueForm.INET4: values.inet4_text,
    ValueForm.INET6: values.inet6_text,
}

_Fixed = tuple[struct.Struct, str]


def _integer(_writer: _Writer, wire: WireColumn, wanted: Wanted) -> _Fixed:
    code = {1: "b", 2: "h", 3: "", 4: "i", 8: "q"}[wire.size]
    unsigned = wanted.column.unsigned and wanted.form is not ValueForm.UINT64_WRAPPED
    if not code:  # 24 bits: the low two bytes, then the high one with the sign
        return struct.Struct("<HB" if unsigned else "<Hb"), "{0} | {1} << 16"
    form = struct.Struct("<" + (code.upper() if unsigned else code))
    if wanted.form is ValueForm.BOOLEAN:
        return form, "{0} != 0"
    if wanted.form is ValueForm.INTEGER_DECIMAL:
        return form, "Decimal({0})"
    return form, "{0}"


def _float(_writer: _Writer, wire: WireColumn, _wanted: Wanted) -> _Fixed:
    return struct.Struct("<f" if wire.size == 4 else "<d"), "{0}"


def _year(_writer: _Writer, _wire: WireColumn, _wanted: Wanted) -> _Fixed:
    return struct.Struct("<B"), "{0} + 1900"


def _date(writer: _Writer, _wire: WireColumn, wanted: Wanted) -> _Fixed:
    table = values.date_table(
        values.DATE_SHOWS[wanted.form.name], wanted.fallback, literal=wanted.literal_years
    )
    return struct.Struct("<HB"), writer.constant(table) + "[{0} | {1} << 16]"


def _enum(writer: _Writer, wire: WireColumn, wanted: Wanted) -> _Fixed:
    table = values.enum_table(wanted.column.options)
    return struct.Struct("<B" if wire.size == 1 else "<H"), writer.constant(table) + "[{0}]"


def _set(writer: _Writer, wire: WireColumn, wanted: Wanted) -> _Fixed | None:
    code = {1: "B", 2: "H", 4: "I", 8: "Q"}.get(wire.size)
    if code is None:
        return None
    table = values.set_table(wanted.column.options)
    return struct.Struct("<" + code), writer.constant(table) + "[{0}]"


_FIXED: Final[dict[str, Callable[[_Writer, WireColumn, Wanted], _Fixed | None]]] = {
    "integer": _integer,
    "float": _float,
    "year": _year,
    "date": _date,
    "enum": _enum,
    "set": _set,
}


def _wide_set(writer: _Writer, wire: WireColumn, wanted: Wanted) -> list[str]:
    table = writer.constant(values.set_table(wanted.column.options))
    return [f"TARGET = {table}[int_from(b[p:p + {wire.size}], 'little')]"]


def _bit(_writer: _Writer, wire: WireColumn, wanted: Wanted) -> list[str]:
    if wanted.form is ValueForm.BIT_BOOLEAN:
        return ["TARGET = b[p] != 0"]
    return [f"TARGET = b[p:p + {wire.size}][::-1]"]


def _decimal(writer: _Writer, wire: WireColumn, wanted: Wanted) -> list[str]:
    size, precision, scale = wire.size, wire.precision, wire.scale
    parts = _decimal_parts(precision, scale)
    sign = 1 << 8 * size - 1
    unscaled, left = "", 8 * size
    for digits, length in parts:
        left -= 8 * length
        part = f"x >> {left} & {256**length - 1}" if left else f"x & {256**length - 1}"
        unscaled = f"({part})" if not unscaled else f"({unscaled} * {10**digits} + ({part}))"
    lines = [
        f"x = int_from(b[p:p + {size}], 'big')",
        f"if x & {sign}: x ^= {sign}; x = {unscaled}",
        f"else: x ^= {sign - 1}; x = -{unscaled}",
    ]
    return [*lines, f"TARGET = {_decimal_value(writer, wanted.form, precision, scale)}"]


def _decimal_value(writer: _Writer, form: ValueForm, precision: int, scale: int) -> str:
    if precision > 28:  # beyond the default context
        exact = f"{writer.constant(values.decimal_of)}(x, {scale})"
    elif scale:
        exact = f"Decimal(x) * {writer.constant(Decimal(1).scaleb(-scale))}"
    else:
        exact = "Decimal(x)"
    if form is ValueForm.DECIMAL_DOUBLE:
        return f"float({exact})"
    if form is ValueForm.DECIMAL_STRING:
        return f"format({exact}, 'f')"
    return exact


def _decimal_parts(precision: int, scale: int) -> list[tuple[int, int]]:
    """Give the groups of a packed DECIMAL as pairs of digits and bytes."""
    whole = precision - scale
    groups = [whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9]
    return [(digits, (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)[digits]) for digits in groups if digits]


def _datetime(writer: _Writer, wire: WireColumn, wanted: Wanted) -> list[str]:
    size = wire.size
    millis = wanted.form is ValueForm.DATETIME_MILLIS
    a_day = 86_400_000 if millis else 86_400_000_000
    days = writer.constant(values.day_table(a_day, literal=wanted.literal_years))
    minutes = writer.constant(values.MINUTES_MS if millis else values.MINUTES_US)
    unit = 1000 if millis else 1_000_000
    bits = 8 * (size - 5)
    lines = [f"x = int_from(b[p:p + {size}], 'big')"]
    fraction = ""
    if bits:
        micros = values.FRACTION_MICROS[size - 5]
        mask = f"x & {(1 << bits) - 1}"
        if millis:
            fraction = (
                f" + ({mask}) * {micros // 1000}"
                if micros >= 1000
                else (f" + ({mask}) * {micros} // 1000")
            )
        else:
            fraction = f" + ({mask}) * {micros}"
    # bit 39 of the whole part is the sign, always set: 22 bits of day below it
    lines.append(f"d = {days}[x >> {bits + 17} & 0x3FFFFF]")
    value = (
        f"d + {minutes}[x >> {bits + 6} & 0x7FF] + (x >> {bits} & 63) * {unit}{fraction}"
        if bits
        else f"d + {minutes}[x >> 6 & 0x7FF] + (x & 63) * {unit}"
    )
    if wanted.form not in (ValueForm.DATETIME_MILLIS, ValueForm.DATETIME_MICROS):
        value = f"{writer.constant(values.DATETIME_SHOWS[wanted.form.name])}({value})"
    missing = writer.constant(wanted.fallback)
    return [*lines, f"TARGET = {missing} if d is None else {value}"]


def _timestamp(writer: _Writer, wire: WireColumn, wanted: Wanted) -> list[str]:
    order = "little" if wire.old else "big"
    texts = writer.constant(values.SECOND_TEXTS)
    fraction = ""
    lines = [f"x = int_from(b[p:p + 4], {order!r})"]
    digits = wire.precision
    if digits:
        extra = wire.size - 4
        lines.append(f"f = int_from(b[p + 4:p + {wire.size}], 'big')")
        # the stored fraction has an even number of digits
        cut = f"f // {10 ** (2 * extra - digits)}" if digits % 2 else "f"
        fraction = f".{{{cut}:0{digits}d}}"
    missing = writer.constant(wanted.fallback)
    lines.append(f"TARGET = f'{{{texts}[x]}}{fraction}Z' if x else {missing}")
    return lines


def _time(writer: _Writer, wire: WireColumn, wanted: Wanted) -> list[str]:
    if wire.old:
        raw = "int_from(b[p:p + 3], 'little', signed=True)"
        micros = f"{writer.constant(values.old_time)}({raw})"
    else:
        extra = wire.size - 3
        raw = f"int_from(b[p:p + {wire.size}], 'big') - {0x800000 << 8 * extra}"
        micros = f"{writer.constant(values.packed_time)}({raw}, {extra})"
    if wanted.form is ValueForm.TIME_MICROS:
        return [f"TARGET = {micros}"]
    return [f"TARGET = {writer.constant(values.TIME_SHOWS[wanted.form.name])}({micros})"]


def _old_datetime(writer: _Writer, _wire: WireColumn, wanted: Wanted) -> list[str]:
    show = writer.constant(values.DATETIME_SHOWS[wanted.form.name])
    missing = writer.constant(wanted.fallback)
    read = writer.constant(functools.partial(values.old_datetime, literal=wanted.literal_years))
    return [
        f"d = {read}(int_from(b[p:p + 8], 'little'))",
        f"TARGET = {missing} if d is None else {show}(d)",
    ]


_WIDE: Final[dict[str, Callable[[_Writer, WireColumn, Wanted], list[str]]]] = {
    "set": _wide_set,
    "bit": _bit,
    "decimal": _decimal,
    "datetime": _datetime,
    "old datetime": _old_datetime,
    "timestamp": _timestamp,
    "time": _time,
}
