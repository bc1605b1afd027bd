"""Rows of a SELECT in the text protocol, read by code generated for the columns.

The server sends a row as one packet of length-prefixed texts. `RowReader` walks over whole buffers of
packets and converts each text by its column's form, so that a row costs one pass and no object but its
values. Where asyncmy is installed its C code takes the rows that it can, at a third of the cost. Texts come
as UTF-8 (the connection's character set), binary values as they are.
"""

from __future__ import annotations

import base64
import decimal
import itertools
import operator
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

from pymysql import err
from pymysql.constants import COMMAND, CR

from appliance.connectors.binlog.forms import ValueForm
from appliance.connectors.binlog.temporal import (
    MICROS_PER_DAY,
    date_days,
    iso_date,
    iso_datetime,
    iso_time,
    time_micros,
)
from appliance.connectors.binlog.values import Table
from appliance.connectors.binlog.versions import DecodedColumn

_BUFFER: Final = 256 * 1024
_WHOLE: Final = 0xFFFFFF
_WHOLE_MARK: Final = b"\xff\xff\xff"
_NANOS_LIMIT: Final = 2**63
_FLOAT: Final = struct.Struct("<f")

Convert = Callable[[bytes], Any]


class _Buffered(Protocol):
    """The part of a buffered socket file that is used."""

    def read1(self, size: int, /) -> bytes: ...


def float32(text: bytes) -> float:
    """Give the 32-bit float nearest to a text."""
    return float(_FLOAT.unpack(_FLOAT.pack(float(text)))[0])


def _wrapped(text: bytes) -> int:
    value = int(text)
    return value - 2**64 if value >= 2**63 else value


def _decimal(text: bytes) -> decimal.Decimal:
    return decimal.Decimal(text.decode())


def _year_zero_as(year: bytes, text: bytes) -> str:
    return (year + text[4:] if text.startswith(b"0000") else text).decode()


def _adjusted(text: bytes) -> int | None:
    # one in the year 0 stands for another year, as in the peer's snapshots; so for DATETIMEs below
    return date_days(_year_zero_as(b"2000", text))


def _literal(text: bytes) -> int | None:
    return date_days(text.decode(), literal=True)


def _days(show: Callable[[int], Any], days_of: Callable[[bytes], int | None] = _adjusted) -> Table:
    def convert(text: bytes) -> Any:
        days = days_of(text)
        return None if days is None else show(days)

    return Table(convert)


_MICROS_OF: Final = tuple(10 ** (6 - digits) for digits in range(7))


def _micros_of(days_of: Callable[[bytes], int | None]) -> Callable[[bytes], int | None]:
    """Give the function from `YYYY-MM-DD HH:MM:SS[.ffffff]` to microseconds since the epoch or None."""
    table = Table(days_of)

    def micros_of(text: bytes) -> int | None:
        days = table[text[:10]]
        if days is None:
            return None
        seconds = int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
        fraction = text[20:]
        micros = int(fraction) * _MICROS_OF[len(fraction)] if fraction else 0
        return int(days * MICROS_PER_DAY + seconds * 1_000_000 + micros)

    return micros_of


_datetime_micros = _micros_of(lambda text: date_days(_year_zero_as(b"2001", text)))
_literal_micros = _micros_of(lambda text: date_days(_year_zero_as(b"0001", text), literal=True))


def _moment(
    show: Callable[[int], Any], micros_of: Callable[[bytes], int | None] = _datetime_micros
) -> Convert:
    def convert(text: bytes) -> Any:
        micros = micros_of(text)
        return None if micros is None else show(micros)

    return convert


def _nanos(micros: int) -> int | None:
    return micros * 1000 if -_NANOS_LIMIT <= micros * 1000 < _NANOS_LIMIT else None


def _zoned(text: bytes) -> str | None:
    """Give a TIMESTAMP in UTC, the fraction without trailing zeros."""
    if text.startswith(b"0000"):
        return None
    moment = text.decode()
    if "." in moment:
        moment = moment.rstrip("0").rstrip(".")
    return f"{moment[:10]}T{moment[11:]}Z"


def _time(show: Callable[[int], Any]) -> Convert:
    def convert(text: bytes) -> Any:
        micros = time_micros(text.decode())
        return None if micros is None else show(micros)

    return convert


def _of_day(show: Callable[[int], Any]) -> Callable[[int], Any]:
    return lambda micros: show(micros) if 0 <= micros < MICROS_PER_DAY else None


def _year(text: bytes) -> int:
    year = int(text)
    return year or 2000


def _geometry(raw: bytes) -> tuple[bytes, int | None]:
    return raw[4:], int.from_bytes(raw[:4], "little") or None


def _point(raw: bytes) -> tuple[float, float, bytes, int | None]:
    x, y = struct.unpack_from("<dd" if raw[4] else ">dd", raw, 9)
    return x, y, raw[4:], int.from_bytes(raw[:4], "little") or None


_CONVERTS: Final[dict[ValueForm, str | Convert | Table]] = {
    ValueForm.INT: int,
    ValueForm.UINT64_WRAPPED: _wrapped,
    ValueForm.INTEGER_DECIMAL: _decimal,
    ValueForm.FLOAT: float32,
    ValueForm.FLOAT_WIDENED: float32,
    ValueForm.DOUBLE: float,
    ValueForm.DECIMAL_PRECISE: _decimal,
    ValueForm.DECIMAL_STRING: bytes.decode,
    ValueForm.DECIMAL_DOUBLE: float,
    ValueForm.STRING: bytes.decode,
    ValueForm.BYTES: "same",
    ValueForm.BASE64: lambda raw: base64.b64encode(raw).decode(),
    ValueForm.BASE64_URL: lambda raw: base64.urlsafe_b64encode(raw).decode(),
    ValueForm.HEX: bytes.hex,
    ValueForm.DATE_EPOCH_DAYS: _days(lambda days: days),
    ValueForm.CONNECT_DATE: _days(lambda days: days * 86_400_000),
    ValueForm.DATE_ISO: _days(iso_date),
    ValueForm.TIME_MICROS: _time(lambda micros: micros),
    ValueForm.TIME_NANOS: _time(lambda micros: micros * 1000),
    ValueForm.CONNECT_TIME: _time(_of_day(lambda micros: micros // 1000)),
    ValueForm.TIME_ISO: _time(_of_day(iso_time)),
    ValueForm.DATETIME_MILLIS: _moment(lambda micros: micros // 1000),
    ValueForm.DATETIME_MICROS: _datetime_micros,
    ValueForm.DATETIME_NANOS: _moment(_nanos),
    ValueForm.DATETIME_ISO: _moment(iso_datetime),
    ValueForm.ZONED_TIMESTAMP_TEXT: _zoned,
    ValueForm.YEAR: _year,
    ValueForm.BOOLEAN: lambda text: text != b"0",
    ValueForm.BIT_BOOLEAN: lambda raw: raw != b"\0",
    ValueForm.BIT: lambda raw: raw[::-1],
    ValueForm.ENUM: bytes.decode,
    ValueForm.SET: bytes.decode,
    ValueForm.JSON: bytes.decode,
    ValueForm.GEOMETRY: _geometry,
    ValueForm.POINT: _point,
    ValueForm.VECTOR: lambda raw: list(struct.unpack(f"<{len(raw) // 4}f", raw)),
    ValueForm.UUID: bytes.decode,
    ValueForm.INET4: bytes.decode,
    ValueForm.INET6: bytes.decode,
}


def select_expression(decoded: DecodedColumn, name: str) -> str:
    """Give what to select for a column: a float as a double, since its own text loses digits."""
    if decoded.type.form in (ValueForm.FLOAT, ValueForm.FLOAT_WIDENED):
        return f"{name} * 1E0"
    return name


def _long(buffer: bytes, at: int) -> tuple[int, int]:
    """Read a length of more than 250: where the text begins and ends."""
    size = {252: 2, 253: 3, 254: 8}[buffer[at]]
    start = at + 1 + size
    return start, start + int.from_bytes(buffer[at + 1 : start], "little")


def _value_text(convert: str | Convert | Table) -> str:
    """Give the expression that turns a column's text into its value."""
    if convert == "same":
        return "{text}"
    return "{convert}[{text}]" if isinstance(convert, Table) else "{convert}({text})"


_LITERAL: Final[dict[ValueForm, str | Convert | Table]] = {
    ValueForm.DATE_EPOCH_DAYS: _days(lambda days: days, _literal),
    ValueForm.CONNECT_DATE: _days(lambda days: days * 86_400_000, _literal),
    ValueForm.DATE_ISO: _days(iso_date, _literal),
    ValueForm.DATETIME_MILLIS: _moment(lambda micros: micros // 1000, _literal_micros),
    ValueForm.DATETIME_MICROS: _literal_micros,
    ValueForm.DATETIME_NANOS: _moment(_nanos, _literal_micros),
    ValueForm.DATETIME_ISO: _moment(iso_datetime, _literal_micros),
}
"""What is converted otherwise where years of two digits, and the year 0 of a date, stay as they are."""


def _convert(decoded: DecodedColumn) -> str | Convert | Table:
    convert = _CONVERTS[decoded.type.form]
    return _LITERAL.get(decoded.type.form, convert) if decoded.type.literal_years else convert


def _column_lines(columns: Sequence[DecodedColumn], names: dict[str, Any]) -> list[str]:
    """Write the lines that read one row of `b` from `at` on into v0, v1, ..."""
    lines = []
    for index, decoded in enumerate(columns):
        convert = _convert(decoded)
        names[f"c{index}"], names[f"n{index}"] = convert, decoded.type.fallback
        text = _value_text(convert).format(convert=f"c{index}", text="b[s:q]")
        lines += [
            "        n = b[at]",
            "        if n < 251:",
            "            s = at + 1; q = s + n",
            f"            v{index} = {text}",
            "        elif n == 251:",
            f"            q = at + 1; v{index} = n{index}",
            "        else:",
            "            s, q = long(b, at)",
            f"            v{index} = {text}",
            "        at = q",
        ]
        if decoded.type.fallback is not None:
            lines.append(f"        if v{index} is None: v{index} = n{index}")
    return lines


def _source(columns: Sequence[DecodedColumn]) -> tuple[str, dict[str, Any]]:
    """Write two functions: `walk` over a buffer of packets, and `one` for a row without its header.

    `walk` gives the place of the first packet that is not complete, not a row or larger than 16 MB, and
    whether it is the end of the result.
    """
    names: dict[str, Any] = {"long": _long}
    body = _column_lines(columns, names)
    values = "".join(f"v{index}, " for index in range(len(columns)))
    lines = [
        "def walk(b, p, end, rows):",
        "    append = rows.append",
        "    while end - p >= 4:",
        "        size = b[p] | b[p + 1] << 8 | b[p + 2] << 16",
        "        at = p + 4",
        "        stop = at + size",
        f"        if stop > end or size == {_WHOLE}: return p, False",
        "        if (b[at] == 254 and size < 9) or b[at] == 255: return p, True",
        *body,
        f"        append(({values}))",
        "        p = stop",
        "    return p, False",
        "def one(b, at, rows):",
        "    if True:",
        *body,
        f"        rows.append(({values}))",
    ]
    return "\n".join(lines), names


def row_parser() -> Any:
    """Give asyncmy's `parse_rows_from_buffer`, None where there is no wheel of asyncmy."""
    try:
        # here, since asyncmy brings asyncio along and most tasks never take a snapshot
        from asyncmy.protocol import parse_rows_from_buffer
    except ImportError:
        return None
    return parse_rows_from_buffer


def _plan(decoded: DecodedColumn) -> tuple[int, str | None, Convert | None]:
    """Give what asyncmy's parser does with a column: 1 decodes its text, 0 leaves bytes; then a function."""
    convert = _convert(decoded)
    if convert is bytes.decode:
        return 1, "utf8", None
    if isinstance(convert, Table):
        return 0, None, convert.__getitem__
    return 0, None, None if isinstance(convert, str) else convert


class RowReader:
    """Runs one SELECT on a connection and gives its rows in lists.

    The connection serves nothing else until the rows are at their end. Not thread-safe.
    """

    def __init__(self, connection: Any, columns: Sequence[DecodedColumn]) -> None:
        self._connection = connection
        self._columns = columns
        source, names = _source(columns)
        exec(compile(source, "<rows>", "exec"), names)  # noqa: S102  the text is made here, of no input
        self._walk = names["walk"]
        self._one = names["one"]
        self._parse = row_parser()
        self._plans = tuple(map(_plan, columns))
        self._fallbacks = [decoded.type.fallback for decoded in columns]

    def rows(self, statement: str, most: int) -> Iterator[list[tuple[Any, ...]]]:
        """Give the rows of `statement`, about `most` at a time. Raises MySQLError, OSError."""
        connection = self._connection
        try:
            connection._execute_command(COMMAND.COM_QUERY, statement)
            count = connection._read_packet().read_length_encoded_integer()
            for _ in range(count + 1):
                connection._read_packet()
            yield from self._read(most)
        finally:
            connection._result = None

    def _read(self, most: int) -> Iterator[list[tuple[Any, ...]]]:
        file: _Buffered = self._connection._rfile
        buffer, position = b"", 0
        rows: list[tuple[Any, ...]] = []
        while True:
            position = self._parsed(buffer, position, rows)
            position, ended = self._walk(buffer, position, len(buffer), rows)
            if ended:
                self._check_end(buffer, position)
                if rows:
                    yield rows
                return
            if len(rows) >= most:
                yield rows
                rows = []
            if buffer[position : position + 3] == _WHOLE_MARK:
                buffer, position = self._large(file, buffer[position:], rows), 0
            else:
                buffer, position = buffer[position:] + self._more(file), 0

    def _parsed(self, buffer: bytes, position: int, rows: list[tuple[Any, ...]]) -> int:
        """Read the rows that asyncmy can; give the place of the first packet that is left."""
        if self._parse is None or len(buffer) - position < 4:
            return position
        found: list[tuple[Any, ...]] = []
        position, _ = self._parse(
            bytearray(buffer), position, len(buffer), self._plans, buffer[position + 3], found
        )
        if any(map(operator.contains, found, itertools.repeat(None))):
            found = [
                tuple(
                    missing if value is None else value
                    for value, missing in zip(row, self._fallbacks, strict=True)
                )
                for row in found
            ]
        rows += found
        return position

    @staticmethod
    def _more(file: _Buffered) -> bytes:
        data = file.read1(_BUFFER)
        if not data:
            raise err.OperationalError(CR.CR_SERVER_LOST, "the server closed the connection")
        return data

    def _large(self, file: _Buffered, buffer: bytes, rows: list[tuple[Any, ...]]) -> bytes:
        """Read a row of several packets; give what is left of the buffer."""
        row = bytearray()
        while True:
            while len(buffer) < 4 or len(buffer) < 4 + int.from_bytes(buffer[:3], "little"):
                buffer += self._more(file)
            size = int.from_bytes(buffer[:3], "little")
            row += buffer[4 : 4 + size]
            buffer = buffer[4 + size :]
            if size < _WHOLE:
                self._one(bytes(row), 0, rows)
                return buffer

    @staticmethod
    def _check_end(buffer: bytes, position: int) -> None:
        """Raise the server's error where the result ends with one."""
        size = int.from_bytes(buffer[position : position + 3], "little")
        packet = buffer[position + 4 : position + 4 + size]
        if packet[0] == 0xFF:
            err.raise_mysql_exception(packet)
