"""What the converters with a schema registry share: client, subjects, ids, and how its errors are told."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from appliance.api import Converter, Detached, RawHeaders, Run
from appliance.errors import DataError, RetriableError
from appliance.schemaregistry.chosen import Chosen, chosen, wanted
from appliance.schemaregistry.client import RegistryClient, RegistryError, SchemaText
from appliance.schemaregistry.options import Subjects, client_of, registry_options
from appliance.schemaregistry.wire import SchemaIds, head_size


class RegistryConverter(Converter):
    """A converter whose records name their schema in a registry."""

    form: ClassVar[str]
    """What errors call the form of its payloads."""
    _size = staticmethod(head_size)

    def __init__(self) -> None:
        """Start unconfigured."""
        self._client: RegistryClient
        self._subjects: Subjects
        self._ids: SchemaIds
        self._parsed: Mapping[str, Any] = {}
        self._kind = "value"

    def _take_options(self, config: Mapping[str, str], *, is_key: bool) -> Mapping[str, Any]:
        """Take the options that all have; give them parsed. Raises ConfigError."""
        self._kind = "key" if is_key else "value"
        parsed = self.config_def.parse({**config, "converter.type": self._kind})
        self._parsed = registry_options(parsed)
        self._client = client_of(config, parsed)
        self._subjects = Subjects(parsed, is_key=is_key)
        self._ids = SchemaIds(self._parsed, is_key=is_key, size=self._size)
        self.header_name = self._ids.header if self._ids.looks else None
        return self._parsed

    def decode_with_headers(
        self, topic: str, payloads: Sequence[bytes | None], headers: Sequence[RawHeaders | None]
    ) -> list[Run]:
        """Decode the payloads, whose schemas the headers may name. Raises DataError."""
        try:
            named = self._ids.attached(payloads, headers)
        except DataError as error:
            raise DataError(f"{self._unreadable(topic)}: {error}") from error
        return self.decode(topic, named)

    def detached(self, payloads: Sequence[bytes | None]) -> Detached | None:
        """Take the id of the schema into a header where the options say so."""
        return self._ids.detached(payloads)

    def _chosen(self, topic: str, subject: str, ours: SchemaText) -> Chosen:
        """Give the schema to write with. Raises DataError, RetriableError."""
        with self._serializing(topic):
            return chosen(self._client, self._parsed, subject, ours)

    def _wanted(self, topic: str, record_name: str | None) -> SchemaText | None:
        """Give the schema that records are read into; None for the one that they name."""
        subject = functools.partial(self._subjects.of, topic, record_name)
        return wanted(self._client, self._parsed, subject)

    @contextlib.contextmanager
    def _serializing(self, topic: str) -> Iterator[None]:
        """Tell errors of the registry as those of writing to a topic."""
        failed = f"Failed to serialize {self.form} data from topic {topic}"
        try:
            yield
        except RetriableError as error:
            raise RetriableError(f"{failed} : {error}") from error
        except RegistryError as error:
            raise DataError(f"{failed}: {error}") from error

    def _head_of(self, topic: str, payload: bytes) -> bytes:
        """Give the first bytes of a payload, which name its schema. Raises DataError."""
        try:
            return payload[: self._size(payload)]
        except DataError as error:
            raise DataError(f"{self._unreadable(topic)}: {error}") from error

    def _unreadable(self, topic: str) -> str:
        return f"Failed to deserialize data for topic {topic} to {self.form}"
