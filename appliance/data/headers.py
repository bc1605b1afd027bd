"""Record headers: an ordered multimap of named values with schemas.

Semantics: Kafka Connect 4.3.1 ConnectHeaders. A block of headers is a plain tuple of `Header`, so that
batches can share one block and converters can encode it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from appliance.data.schema import Schema


class Header(NamedTuple):
    """One header: its name, the schema of its value (None: schemaless) and the value."""

    key: str
    schema: Schema | None
    value: Any


class Headers:
    """The headers of one record, for plugins that handle single records."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Iterable[Header] = ()) -> None:
        """Start with a copy of `headers`."""
        self._headers = list(headers)

    def __iter__(self) -> Iterator[Header]:
        """Walk over the headers in order."""
        return iter(self._headers)

    def __len__(self) -> int:
        """Count the headers."""
        return len(self._headers)

    def __eq__(self, other: object) -> bool:
        """Compare headers in order."""
        return isinstance(other, Headers) and self._headers == other._headers

    def __hash__(self) -> int:
        """Refuse hashing: the headers can change."""
        raise TypeError("unhashable type: 'Headers'")

    def add(self, key: str, value: Any, schema: Schema | None = None) -> Headers:
        """Append one header; give self. Raises DataError when value and schema do not fit."""
        from appliance.data.struct import check_header

        check_header(schema, value)
        self._headers.append(Header(key, schema, value))
        return self

    def remove(self, key: str) -> Headers:
        """Remove every header called `key`; give self."""
        self._headers = [header for header in self._headers if header.key != key]
        return self

    def last(self, key: str) -> Header | None:
        """Give the last header called `key`, or None."""
        return next((header for header in reversed(self._headers) if header.key == key), None)

    def all(self, key: str) -> list[Header]:
        """Give every header called `key`, in order."""
        return [header for header in self._headers if header.key == key]

    def block(self) -> tuple[Header, ...]:
        """Give the headers as a shareable tuple."""
        return tuple(self._headers)
