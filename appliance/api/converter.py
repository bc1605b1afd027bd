"""Converters: between rows and the bytes in Kafka.

A converter is compiled once per schema into functions over whole columns of rows; the single-value
methods are defined by the compiled ones, so that there is one truth.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from appliance.api.batch import NULL, Layout, row_form
from appliance.config.define import ConfigDef
from appliance.data import Schema
from appliance.data.struct import wrap

Encoder = Callable[[Sequence[Any], Sequence[Any]], list[bytes | None]]
"""Rows (short rows when compiled for a layout) and the batch's constants to one payload per row."""


RawHeaders = Sequence[tuple[str, bytes | None]]
"""The headers of one record as they stand in Kafka."""


class Detached(NamedTuple):
    """Payloads, and the header that goes with those that are not None."""

    payloads: list[bytes | None]
    name: str
    value: bytes


class Run(NamedTuple):
    """Consecutive decoded records under one schema; `rows` as in a Batch (None, NULL included)."""

    schema: Schema | None
    rows: list[Any]


class Converter(abc.ABC):
    """Turns rows into payloads and back. Not thread-safe: each task has its own."""

    config_def: ClassVar[ConfigDef]
    header_name: str | None = None
    """The header that `decode_with_headers` looks for; None for a converter that looks for none."""

    @abc.abstractmethod
    def configure(self, config: Mapping[str, str], *, is_key: bool) -> None:
        """Take the options below `key.converter.` or `value.converter.`. Raises ConfigError."""

    @abc.abstractmethod
    def encoder(self, topic: str, schema: Schema | None, layout: Layout | None = None) -> Encoder:
        """Give the function that encodes rows of `schema`; called once per topic, schema and layout.

        The returned function raises DataError when a row does not fit; the runtime then runs the batch
        row by row. Raises DataError when the converter cannot write the schema at all.
        """

    @abc.abstractmethod
    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """Decode the payloads of one topic in order; the rows of all runs together are one per payload.

        Raises DataError if any payload is not readable; the runtime then decodes one by one.
        """

    def decode_with_headers(
        self, topic: str, payloads: Sequence[bytes | None], headers: Sequence[RawHeaders | None]
    ) -> list[Run]:
        """Decode as `decode` does, beside the headers of each record, for a converter that looks at them."""
        return self.decode(topic, payloads)

    def detached(self, payloads: Sequence[bytes | None]) -> Detached | None:
        """Take from what an encoder made of a batch the part that belongs into a header of the records.

        None for a converter that writes no headers, and when every payload is None.
        """
        return None

    def check(self, schema: Schema | None, value: Any) -> None:
        """Raise DataError when a boundary value from foreign code does not fit its schema."""

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Encode one boundary value. Raises DataError."""
        self.check(schema, value)
        return self.encoder(topic, schema)([row_form(schema, value)], ())[0]

    def to_connect_data(
        self, topic: str, payload: bytes | None, headers: RawHeaders | None = None
    ) -> tuple[Schema | None, Any]:
        """Decode one payload into schema and boundary value. Raises DataError."""
        if headers:
            (run,) = self.decode_with_headers(topic, [payload], [headers])
        else:
            (run,) = self.decode(topic, [payload])
        row = run.rows[0]
        if row is None:
            return None, None
        return run.schema, wrap(run.schema, None if row is NULL else row)

    def close(self) -> None:
        """Give back what the converter holds."""


class HeaderConverter(abc.ABC):
    """Turns header values into bytes and back."""

    config_def: ClassVar[ConfigDef]

    @abc.abstractmethod
    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take the options below `header.converter.`. Raises ConfigError."""

    @abc.abstractmethod
    def from_connect_header(
        self, topic: str, name: str, schema: Schema | None, value: Any
    ) -> bytes | None:
        """Encode one header value. Raises DataError."""

    @abc.abstractmethod
    def to_connect_header(
        self, topic: str, name: str, payload: bytes | None
    ) -> tuple[Schema | None, Any]:
        """Decode one header value. Raises DataError."""

    def close(self) -> None:
        """Give back what the converter holds."""
