"""File formats: each turns rows of one schema into a local file.

Semantics: Confluent's AvroFormat, ParquetFormat, JsonFormat and StringFormat. Avro bodies and JSON lines
come from functions generated per schema; Parquet is built column by column.
"""

from __future__ import annotations

import abc
import bz2
import json
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Final

from appliance.api.batch import NULL
from appliance.connectors.storage import config as keys
from appliance.converters.json import JsonConverter
from appliance.data import Schema, Type
from appliance.errors import ConfigError, DataError
from appliance.schemaregistry.avrodata import AvroOptions, avro_encoder, avro_schema, zigzag

_BLOCK_BYTES: Final = 64_000
_ROW_GROUP_ROWS: Final = 100_000
_ARROW_ROWS: Final = 2000


class RecordWriter(abc.ABC):
    """An open local file."""

    @abc.abstractmethod
    def write(self, rows: Sequence[Any]) -> None:
        """Append rows. Raises DataError before anything of the call is written, or OSError."""

    @abc.abstractmethod
    def close(self) -> None:
        """Finish the file."""


class Format(abc.ABC):
    """A file format with its options."""

    name: ClassVar[str]
    extension: ClassVar[str]

    def __init__(self, parsed: Mapping[str, Any]) -> None:
        """Take the connector's parsed options."""
        self.parsed = parsed

    @abc.abstractmethod
    def open(self, path: Path, topic: str, schema: Schema | None) -> RecordWriter:
        """Begin a file for rows of `schema`. Raises DataError when the format cannot take it."""


class JsonFormat(Format):
    """One JSON document per line, without the schema."""

    name = "json"
    extension = ".json"

    def open(self, path: Path, topic: str, schema: Schema | None) -> RecordWriter:
        """Begin a file."""
        converter = JsonConverter()
        converter.configure({"schemas.enable": "false"}, is_key=False)
        return _LineWriter(path, converter.line_writer(schema))


class StringFormat(Format):
    """One text per line."""

    name = "string"
    extension = ".txt"

    def open(self, path: Path, topic: str, schema: Schema | None) -> RecordWriter:
        """Begin a file; values have to be texts."""
        if schema is not None and schema.type is not Type.STRING:
            raise DataError(
                f"writing {topic} with StringFormat: values have to be STRING, "
                f"not {schema.type.name}"
            )

        def encode(rows: Sequence[Any]) -> bytes:
            try:
                return "\n".join(rows).encode()
            except TypeError as error:
                raise DataError(
                    f"writing {topic} with StringFormat: a value is no text"
                ) from error

        return _LineWriter(path, encode)


class _LineWriter(RecordWriter):
    """Lines of bytes; `encode` gives those of rows, without the last line's end."""

    def __init__(self, path: Path, encode: Callable[[Sequence[Any]], bytes]) -> None:
        self._file: IO[bytes] = path.open("wb", buffering=1 << 16)
        self._encode = encode

    def write(self, rows: Sequence[Any]) -> None:
        self._file.write(self._encode(rows) + b"\n")

    def close(self) -> None:
        self._file.close()


class AvroFormat(Format):
    """Avro object container files."""

    name = "avro"
    extension = ".avro"

    def open(self, path: Path, topic: str, schema: Schema | None) -> RecordWriter:
        """Begin a file whose schema is that of its first record."""
        if schema is None:
            raise DataError(
                f"writing {topic} as Avro: the records have no schema; "
                "use a converter with schemas or JsonFormat"
            )
        options = AvroOptions(self.parsed[keys.META_DATA], self.parsed[keys.OPTIONAL_MAP_KEYS])
        avro = json.dumps(avro_schema(schema, options), separators=(",", ":"))
        return _AvroWriter(path, avro, avro_encoder(schema, options), self.parsed[keys.AVRO_CODEC])


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

    def __init__(
        self, path: Path, schema: str, encode: Callable[[Sequence[Any]], list[bytes]], codec: str
    ) -> None:
        self._file: IO[bytes] = path.open("wb", buffering=1 << 16)
        self._encode = encode
        self._compress = _CODECS[codec]
        self._sync = os.urandom(16)
        self._bodies: list[bytes] = []
        self._size = 0
        meta = {b"avro.schema": schema.encode(), b"avro.codec": codec.encode()}
        entries = b"".join(zigzag(len(k)) + k + zigzag(len(v)) + v for k, v in meta.items())
        self._file.write(b"Obj\x01" + zigzag(len(meta)) + entries + b"\x00" + self._sync)

    def write(self, rows: Sequence[Any]) -> None:
        try:
            bodies = self._encode(rows)
        except (TypeError, AttributeError, ValueError, OverflowError) as error:
            raise DataError(f"writing Avro: a value does not fit its schema ({error})") from error
        self._bodies += bodies
        self._size += sum(map(len, bodies))
        if self._size >= _BLOCK_BYTES:
            self._end_block()

    def _end_block(self) -> None:
        data = self._compress(b"".join(self._bodies))
        self._file.write(zigzag(len(self._bodies)) + zigzag(len(data)) + data + self._sync)
        self._bodies = []
        self._size = 0

    def close(self) -> None:
        if self._bodies:
            self._end_block()
        self._file.close()


class ParquetFormat(Format):
    """Parquet files."""

    name = "parquet"
    extension = ".parquet"

    def open(self, path: Path, topic: str, schema: Schema | None) -> RecordWriter:
        """Begin a file; values have to be Structs."""
        if schema is None or schema.type is not Type.STRUCT:
            raise DataError(f"writing {topic} as Parquet: values have to be Structs with a schema")
        return _ParquetWriter(path, schema, self.parsed[keys.PARQUET_CODEC])


class _ParquetWriter(RecordWriter):
    """Gathers rows, turns them to columns in pieces, writes row groups."""

    def __init__(self, path: Path, schema: Schema, codec: str) -> None:
        from pyarrow import parquet

        from appliance.connectors.storage.arrow import arrow_schema

        self._schema = schema
        self._arrow = arrow_schema(schema)
        self._writer = parquet.ParquetWriter(
            str(path), self._arrow, compression="NONE" if codec == "uncompressed" else codec
        )
        self._rows: list[Any] = []
        self._batches: list[Any] = []
        self._gathered = 0

    def write(self, rows: Sequence[Any]) -> None:
        if any(row is None or row is NULL for row in rows):
            raise DataError("writing Parquet: a record has no value")
        self._rows += rows
        if len(self._rows) >= _ARROW_ROWS:
            self._to_columns()
        if self._gathered >= _ROW_GROUP_ROWS:
            self._end_group()

    def _to_columns(self) -> None:
        from appliance.connectors.storage.arrow import record_batch

        self._batches.append(record_batch(self._schema, self._arrow, self._rows))
        self._gathered += len(self._rows)
        self._rows = []

    def _end_group(self) -> None:
        import pyarrow as pa

        self._writer.write_table(
            pa.Table.from_batches(self._batches, self._arrow), row_group_size=_ROW_GROUP_ROWS
        )
        self._batches = []
        self._gathered = 0

    def close(self) -> None:
        if self._rows:
            self._to_columns()
        if self._batches:
            self._end_group()
        self._writer.close()


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
