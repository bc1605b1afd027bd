"""Source offsets in a task process: those found at the start, and the records that store new ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from appliance.channel import OffsetEntry
from appliance.errors import ConnectError
from appliance.runtime.submitted import Position
from appliance.storage.offsets import offset_key, offset_value, parse_offset_key, partition_id

_PRIMITIVES = (str, int, float, bool, type(None))


class SourceOffsets:
    """The offsets of one connector. A partition keeps the bytes it was found with. Any thread."""

    def __init__(self, connector: str, entries: Iterable[OffsetEntry]) -> None:
        """Read the entries that the worker found in the store."""
        self._connector = connector
        self._offsets: dict[bytes, Mapping[str, Any]] = {}
        self._keys: dict[bytes, bytes] = {}
        for key, value in entries:
            name = partition_id(parse_offset_key(key)[1])
            self._keys[name] = key
            if value is not None:
                self._offsets[name] = orjson.loads(value)

    def of(self, partitions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
        """Give the offset of each partition, None where none is stored."""
        return [self._offsets.get(partition_id(partition)) for partition in partitions]

    def entries(self, positions: Iterable[Position]) -> list[OffsetEntry]:
        """Give the records that store `positions`, and remember them.

        Raises ConnectError for an offset that holds more than numbers, texts and truth values.
        """
        result: list[OffsetEntry] = []
        for partition, offset in positions:
            for field, value in offset.items():
                if not isinstance(value, _PRIMITIVES):
                    raise ConnectError(
                        "Offsets may only contain primitive types as values, but field "
                        f"{field} contains {'MAP' if isinstance(value, Mapping) else 'ARRAY'}"
                    )
            name = partition_id(partition)
            key = self._keys.setdefault(name, offset_key(self._connector, partition))
            self._offsets[name] = dict(offset)
            result.append((key, offset_value(offset)))
        return result
