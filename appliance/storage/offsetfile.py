"""FileLog: the offset file of a standalone worker, in the form in which Kafka Connect keeps it.

The file is a `java.util.HashMap<byte[], byte[]>` written by Java's object serialisation (stream protocol
5); keys and values hold the same JSON as the records of the offset topic, a reset partition keeps its key
with a null value. A missing or empty file holds nothing. The file is replaced as a whole, by a rename.

Semantics: Kafka Connect 4.3.1 FileOffsetBackingStore; Java Object Serialization Specification, chapter 6.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from appliance.errors import ConnectError, DataError, RetriableError
from appliance.storage.log import KeyValue, OnRecord

_HEADER = b"\xac\xed\x00\x05"
_NULL, _REFERENCE, _CLASS, _OBJECT, _ARRAY = 0x70, 0x71, 0x72, 0x73, 0x75
_BLOCK, _END, _LONG_BLOCK = 0x77, 0x78, 0x7A
_FIRST_HANDLE = 0x7E0000

_MAP_CLASS = (
    b"\x72\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02"
    b"F\x00\x0aloadFactorI\x00\x09threshold\x78\x70"
)
_BYTES_CLASS = b"\x72\x00\x02[B\xac\xf3\x17\xf8\x06\x08\x54\xe0\x02\x00\x00\x78\x70"
_BYTES_CLASS_HANDLE = _FIRST_HANDLE + 2


class FileLog:
    """A `Log` over an offset file; `load` first. Writers wait for the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[bytes, bytes | None] = {}
        self._on_record: OnRecord | None = None
        self._lock = threading.Lock()

    def subscribe(self, on_record: OnRecord) -> None:
        """Give every record to `on_record`."""
        self._on_record = on_record

    def load(self) -> None:
        """Read the file. Raises ConnectError when it cannot be read, DataError when it is no such file."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConnectError(
                f"reading the offset file {self._path}: {error.strerror}; check"
                " offset.storage.file.filename and the rights on it"
            ) from error
        try:
            self._entries = decode_offset_map(data) if data else {}
        except DataError as error:
            raise DataError(f"reading the offset file {self._path}: {error}") from error
        self._tell(list(self._entries.items()))

    def read_to_end(self, timeout_s: float, *, decided: bool = False) -> None:
        """Return: everything has been given to the subscriber already."""

    def send(self, key: bytes, value: bytes | None) -> Future[None]:
        """Write one record."""
        done: Future[None] = Future()
        try:
            self.write([(key, value)], 0)
            done.set_result(None)
        except ConnectError as error:
            done.set_exception(error)
        return done

    def write(self, records: Sequence[KeyValue], timeout_s: float) -> None:
        """Replace the file by one with `records` in it. Raises RetriableError."""
        with self._lock:
            entries = self._entries | dict(records)
            try:
                self._replace(encode_offset_map(entries))
            except OSError as error:
                raise RetriableError(
                    f"writing the offset file {self._path}: {error.strerror}; check the rights on its"
                    " folder and the space on the disk"
                ) from error
            self._entries = entries
            self._tell(records)

    def claim(self, timeout_s: float) -> None:
        """Return: nobody else writes."""

    def purge(self) -> None:
        """Return: nothing is ever under way."""

    def _replace(self, data: bytes) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def _tell(self, records: Sequence[KeyValue]) -> None:
        if self._on_record is not None:
            for key, value in records:
                self._on_record(key, value, 0)


def encode_offset_map(entries: Mapping[bytes, bytes | None]) -> bytes:
    """Give the bytes that Java's `ObjectOutputStream` would write for a HashMap of `entries`."""
    capacity = 16
    while len(entries) > capacity * 3 // 4:
        capacity *= 2
    threshold = capacity * 3 // 4 if entries else 0
    parts = [
        _HEADER,
        bytes([_OBJECT]),
        _MAP_CLASS,
        struct.pack(">fi", 0.75, threshold),
        struct.pack(">BBii", _BLOCK, 8, capacity, len(entries)),
    ]
    bytes_class = _BYTES_CLASS
    for part in (part for entry in entries.items() for part in entry):
        if part is None:
            parts.append(bytes([_NULL]))
            continue
        parts += (bytes([_ARRAY]), bytes_class, struct.pack(">i", len(part)), part)
        bytes_class = struct.pack(">Bi", _REFERENCE, _BYTES_CLASS_HANDLE)
    parts.append(bytes([_END]))
    return b"".join(parts)


def decode_offset_map(data: bytes) -> dict[bytes, bytes | None]:
    """Read what `encode_offset_map` or Java wrote. Raises DataError for anything else."""
    try:
        return _Reader(data).offset_map()
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise DataError(
            "it ends too early; restore it, or remove it to start from the beginning"
        ) from error


class _Reader:
    """Reads one serialised map; `handles` are the things that later parts of the stream refer to."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._handles: list[str | bytes | None] = []

    def offset_map(self) -> dict[bytes, bytes | None]:
        if self._take(4) != _HEADER or self._byte() != _OBJECT:
            raise self._wrong("it is no serialised Java object")
        name, fields = self._class()
        if name != "java.util.HashMap":
            raise self._wrong(f"it holds a {name}")
        self._handles.append(None)
        self._take(sum(4 for _ in fields))
        kind = self._byte()
        size = self._byte() if kind == _BLOCK else self._int() if kind == _LONG_BLOCK else 0
        if size != 8:
            raise self._wrong("its map has no size")
        self._int()
        entries: dict[bytes, bytes | None] = {}
        for _ in range(self._int()):
            key, value = self._bytes(), self._bytes()
            if key is not None:
                entries[key] = value
        if self._byte() != _END:
            raise self._wrong("its map does not end where it should")
        return entries

    def _class(self) -> tuple[str, list[str]]:
        kind = self._byte()
        if kind == _REFERENCE:
            known = self._handles[self._int() - _FIRST_HANDLE]
            if not isinstance(known, str):
                raise self._wrong("a class is missing")
            return known, []
        if kind != _CLASS:
            raise self._wrong(f"a class was expected at byte {self._at - 1}")
        name = self._text()
        self._handles.append(name)
        self._take(8 + 1)
        fields = []
        for _ in range(self._short()):
            type_code = chr(self._byte())
            if type_code not in "FI":
                raise self._wrong(f"{name} has a field of type {type_code}")
            fields.append(self._text())
        if self._byte() != _END or self._byte() != _NULL:
            raise self._wrong(f"{name} has annotations or a parent")
        return name, fields

    def _bytes(self) -> bytes | None:
        kind = self._byte()
        if kind == _NULL:
            return None
        if kind == _REFERENCE:
            known = self._handles[self._int() - _FIRST_HANDLE]
            if not isinstance(known, bytes):
                raise self._wrong("a reference leads to no byte array")
            return known
        if kind != _ARRAY or self._class()[0] != "[B":
            raise self._wrong(f"a byte array was expected at byte {self._at - 1}")
        handle = len(self._handles)
        self._handles.append(None)
        content = self._take(self._int())
        self._handles[handle] = content
        return content

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._data):
            raise IndexError(end)
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _byte(self) -> int:
        return self._take(1)[0]

    def _short(self) -> int:
        return int.from_bytes(self._take(2), "big")

    def _int(self) -> int:
        return int.from_bytes(self._take(4), "big", signed=True)

    def _text(self) -> str:
        return self._take(self._short()).decode()

    @staticmethod
    def _wrong(what: str) -> DataError:
        return DataError(
            f"it is no offset file of a standalone worker: {what};"
            " check offset.storage.file.filename"
        )
