"""File formats: each turns rows of one schema into a local file.

Semantics: Confluent's AvroFormat, ParquetFormat, JsonFormat and StringFormat. Avro bodies and JSON lines
come from functions generated per schema; Parquet is built column by column.
"""

from __future__ import annotations

import abc
import bz2
import errno
import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from appliance.api.batch import NULL
from appliance.connectors.storage import config as keys
from appliance.converters.json import JsonConverter
from appliance.data import Schema, Type
from appliance.errors import ConfigError, DataError
from appliance.schemaregistry.avrodata import AvroOptions, avro_encoder, avro_schema, zigzag

_BLOCK_BYTES: Final = 64_000
_BUFFER_BYTES: Final = 1 << 16
_ROW_GROUP_ROWS: Final = 100_000
_PIECES: Final = 32
_VALUE_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)


Encode = Callable[[Sequence[Any]], Any]
"""From rows to what `RecordWriter.write` takes. Raises DataError when one of the rows cannot be written."""


class RecordWriter(abc.ABC):
    """A growing local file; its bytes may stay in memory until `close`."""

    def __init__(self, path: Path) -> None:
        """Make the file. Raises OSError."""
        self._file = io.BufferedWriter(io.FileIO(path, "wb"), _BUFFER_BYTES)

    @abc.abstractmethod
    def write(self, content: Any) -> None:
        """Append what the format's encoder gave. Raises OSError: then only `abandon` is left."""

    def close(self) -> int:
        """Finish the file on the disk; give its length in bytes.

        Raises OSError: then the file is cut short and only `abandon` is left.
        """
        self._finish()
        file = self._file
        file.flush()
        os.fsync(file.fileno())
        length = file.tell()
        if os.fstat(file.fileno()).st_size != length:
            raise OSError(errno.EIO, "the file is shorter than what was written")
        file.close()
        return length

    def _finish(self) -> None:
        """Write what is held back."""

    def abandon(self) -> None:
        """Let go of the file, whose content nobody wants."""
        self._file.raw.close()


class Format(abc.ABC):
    """A file format with its options."""

    name: ClassVar[str]
    extension: ClassVar[str]

    def __init__(self, parsed: Mapping[str, Any]) -> None:
        """Take the connector's parsed options."""
        self.parsed = parsed

    @abc.abstractmethod
    def encoder(self, topic: str, schema: Schema | None) -> Encode:
        """Give the encoder for rows of `schema`. Raises DataError when the format cannot take it."""

    @abc.abstractmethod
    def open(self, path: Path, schema: Schema | None) -> RecordWriter:
        """Begin a file for rows of a schema that has an encoder. Raises OSError."""


class JsonFormat(Format):
    """One JSON document per line, without the schema."""

    name = "json"
    extension = ".json"

    def encoder(self, topic: str, schema: Schema | None) -> Encode:
        """Give the encoder; any schema will do."""
        converter = JsonConverter()
        converter.configure({"schemas.enable": "false"}, is_key=False)
        return converter.line_writer(schema)

    def open(self, path: Path, schema: Schema | None) -> RecordWriter:
        """Begin a file."""
        return _LineWriter(path)


class StringFormat(Format):
    """One text per line."""

    name = "string"
    extension = ".txt"

    def encoder(self, topic: str, schema: Schema | None) -> Encode:
        """Give the encoder; values have to be texts."""
        if schema is not None and schema.type is not Type.STRING:
            raise DataError(
                f"writing {topic} with StringFormat: values have to be STRING, "
                f"not {schema.type.name}"
            )

        def encode(rows: Sequence[Any]) -> bytes:
            try:
                return "\n".join(rows).encode()
            except (TypeError, UnicodeEncodeError) as error:
                raise DataError(
                    f"writing {topic} with StringFormat: a value is no text ({error})"
                ) from error

        return encode

    def open(self, path: Path, schema: Schema | None) -> RecordWriter:
        """Begin a file."""
        return _LineWriter(path)


class _LineWriter(RecordWriter):
    """Lines of bytes, given without the last line's end."""

    def write(self, content: bytes) -> None:
        self._file.write(content + b"\n")


class AvroFormat(Format):
    """Avro object container files."""

    name = "avro"
    extension = ".avro"

    def encoder(self, topic: str, schema: Schema | None) -> Encode:
        """Give the encoder to bodies; records need a schema."""
        if schema is None:
            raise DataError(
                f"writing {topic} as Avro: the records have no schema; "
                "use a converter with schemas or JsonFormat"
            )
        avro_schema(schema, self._options())
        bodies_of = avro_encoder(schema, self._options())

        def encode(rows: Sequence[Any]) -> list[bytes]:
            try:
                return bodies_of(rows)
            except _VALUE_ERRORS as error:
                raise DataError(
                    f"writing {topic} as Avro: a value does not fit its schema ({error})"
                ) from error

        return encode

    def open(self, path: Path, schema: Schema | None) -> RecordWriter:
        """Begin a file whose schema is that of its first record."""
        assert schema is not None  # noqa: S101 - the encoder has refused it
        avro = json.dumps(avro_schema(schema, self._options()), separators=(",", ":"))
        return _AvroWriter(path, avro, self.parsed[keys.AVRO_CODEC])

    def _options(self) -> AvroOptions:
        return AvroOptions(self.parsed[keys.META_DATA], self.parsed[keys.OPTIONAL_MAP_KEYS])


def _snappy(data: bytes) -> bytes:
    import pyarrow as pa

    compressed: bytes = pa.compress(data, codec="snappy", asbytes=True)
    return compressed + zlib.crc32(data).to_bytes(4, "big")


def _deflate(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


_CODECS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "null": lambda data: data,
    "deflate": _deflate,
    "snappy": _snappy,
    "bzip2": bz2.compress,
}


class _AvroWriter(RecordWriter):
    """Blocks of encoded bodies between sync marks."""

    def __init__(self, path: Path, schema: str, codec: str) -> None:
        super().__init__(path)
        self._compress = _CODECS[codec]
        self._sync = os.urandom(16)
        self._bodies: list[bytes] = []
        self._size = 0
        meta = {b"avro.schema": schema.encode(), b"avro.codec": codec.encode()}
        entries = b"".join(zigzag(len(k)) + k + zigzag(len(v)) + v for k, v in meta.items())
        self._file.write(b"Obj\x01" + zigzag(len(meta)) + entries + b"\x00" + self._sync)

    def write(self, content: list[bytes]) -> None:
        self._bodies += content
        self._size += sum(map(len, content))
        if self._size >= _BLOCK_BYTES:
            self._end_block()

    def _end_block(self) -> None:
        data = self._compress(b"".join(self._bodies))
        self._file.write(zigzag(len(self._bodies)) + zigzag(len(data)) + data + self._sync)
        self._bodies = []
        self._size = 0

    def _finish(self) -> None:
        if self._bodies:
            self._end_block()


class ParquetFormat(Format):
    """Parquet files."""

    name = "parquet"
    extension = ".parquet"

    def encoder(self, topic: str, schema: Schema | None) -> Encode:
        """Give the encoder to columns; values have to be Structs."""
        if schema is None or schema.type is not Type.STRUCT:
            raise DataError(
                f"writing {topic} as Parquet: values have to be Structs with a schema; use a value.converter "
                "that gives them, or a format.class that takes others, as JsonFormat"
            )
        from appliance.connectors.storage.arrow import arrow_schema, check_schema, record_batch

        arrow = arrow_schema(schema)
        check_schema(arrow, topic)

        def encode(rows: Sequence[Any]) -> Any:
            if None in rows or NULL in rows:
                raise DataError(f"writing {topic} as Parquet: a record has no value")
            return record_batch(schema, arrow, rows)

        return encode

    def open(self, path: Path, schema: Schema | None) -> RecordWriter:
        """Begin a file."""
        assert schema is not None  # noqa: S101 - the encoder has refused it
        from appliance.connectors.storage.arrow import arrow_schema

        codec = self.parsed[keys.PARQUET_CODEC]
        return _ParquetWriter(
            path, arrow_schema(schema), "NONE" if codec == "uncompressed" else codec
        )


class _ParquetWriter(RecordWriter):
    """Gathers columns and writes them in row groups."""

    def __init__(self, path: Path, arrow: Any, codec: str) -> None:
        from pyarrow import parquet

        super().__init__(path)
        self._arrow = arrow
        self._writer = parquet.ParquetWriter(self._file, arrow, compression=codec)
        self._pieces: list[Any] = []
        """Given batches, often of few rows."""
        self._batches: list[Any] = []
        """Batches put together of pieces."""
        self._gathered = 0

    def write(self, content: Any) -> None:
        self._pieces.append(content)
        self._gathered += content.num_rows
        if len(self._pieces) >= _PIECES:
            self._join()
        if self._gathered >= _ROW_GROUP_ROWS:
            self._end_group()

    def _join(self) -> None:
        import pyarrow as pa

        self._batches += pa.Table.from_batches(self._pieces).combine_chunks().to_batches()
        self._pieces = []

    def _end_group(self) -> None:
        import pyarrow as pa

        table = pa.Table.from_batches(self._batches + self._pieces, self._arrow)
        self._writer.write_table(table, row_group_size=_ROW_GROUP_ROWS)
        self._batches = []
        self._pieces = []
        self._gathered = 0

    def _finish(self) -> None:
        if self._gathered:
            self._end_group()
        self._writer.close()

    def abandon(self) -> None:
        # or its destructor would write the footer
        self._writer.is_open = False
        super().abandon()


_FORMATS: Final[dict[str, type[Format]]] = {
    kind.name: kind for kind in (AvroFormat, ParquetFormat, JsonFormat, StringFormat)
}


def find_format(class_name: str) -> type[Format]:
    """Give the format for a Java class name or `avro`, `parquet`, `json`, `string`. Raises ConfigError."""
    simple = class_name.rpartition(".")[2].removesuffix("Format").lower()
    found = _FORMATS.get(simple)
    if found is None:
        known = ", ".join(f"{name.capitalize()}Format" for name in _FORMATS)
        raise ConfigError.invalid(
            keys.FORMAT_CLASS, class_name, f"formats written here are {known}"
        )
    return found
