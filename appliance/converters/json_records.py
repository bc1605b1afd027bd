"""Rows that were read from JSON and can be written as JSON again without being put together anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from appliance.data import Schema

_encode = msgspec.json.Encoder().encode_lines


class RecordRows(list[Any]):
    """Rows of `schema`, with the parsed records that they were taken from.

    Whatever changes, drops or picks rows makes another list, which is an ordinary one.
    """

    __slots__ = ("_records", "schema")

    def __init__(self, schema: Schema, rows: Iterable[Any], records: Sequence[Any]) -> None:
        """Take the rows and their records, as many, whose members are named and ordered as the fields."""
        super().__init__(rows)
        self.schema = schema
        self._records = records

    def lines(self) -> bytes:
        """Give the rows as JSON lines, without the last line's end."""
        return _encode(self._records)[:-1]
