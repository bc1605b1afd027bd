"""Recorded binlog streams of real servers, and what the peer made of the same statements."""

from __future__ import annotations

import base64
import functools
import json
import re
from pathlib import Path
from typing import Any

from appliance.api import Batch
from appliance.clock import ManualClock
from appliance.connectors.binlog.batches import Options
from appliance.connectors.binlog.catalog import Catalog
from appliance.connectors.binlog.config import parse
from appliance.connectors.binlog.history import MemoryHistory
from appliance.connectors.binlog.position import Position
from appliance.connectors.binlog.schemas import TableSchemas
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.binlog.streaming import Streaming
from appliance.connectors.binlog.versions import VERSIONS
from appliance.converters.json import JsonConverter
from appliance.converters.simple_header import SimpleHeaderConverter
from appliance.data import Header

GOLDEN = Path(__file__).parents[0] / "golden/binlog"
_REQUIRED = {
    "database.hostname": "localhost",
    "database.user": "u",
    "database.server.id": "1",
    "schema.history.internal": "io.debezium.relational.history.MemorySchemaHistory",
}
_MASKED = re.compile(
    r'"(ts_ms|ts_us|ts_ns|pos|server_id|thread|gtid|file|id)":'
    r'("[0-9a-f-]+[:-]\d+"|"[a-z]+\.\d+"|\d+|#)(?=[,}])'
)
_CURRENT = re.compile(r'"c_ts_cur":"[^"]*"|"c_dt_cur":\d+|"cur":#')


@functools.cache
def recording(dialect: str) -> dict[str, Any]:
    """Give a recording; not to be changed."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{dialect}.json").read_text())
    return found


def masked(payload: str | None) -> str | None:
    """Hide what differs between two runs of the same statements."""
    if payload is None:
        return None
    hidden = _MASKED.sub(
        lambda m: m[0] if m[1] == "id" and m[2][0] != '"' else f'"{m[1]}":#', payload
    )
    return _CURRENT.sub('"cur":#', hidden)


class Replay:
    """One run over a recording, from any offset of it."""

    def __init__(
        self,
        dialect: Dialect,
        config: dict[str, str] | None = None,
        history: MemoryHistory | None = None,
        **options,
    ) -> None:
        self.recorded = recording(dialect)
        self.mariadb = dialect == "mariadb"
        text = {**self.recorded["config"], **_REQUIRED, **(config or {})}
        self.parsed = parse(dialect, text)
        self.history = MemoryHistory()
        if history is not None:
            self.history.records = list(history.records)
        catalog = Catalog(server_charset=self.recorded["server_charset"])
        self.schemas = TableSchemas(dialect, text, self.parsed, self.history, catalog=catalog)
        for statement in self.recorded["create"] if history is None else ():
            self.schemas.apply_ddl(
                self.recorded["offset"],
                "smp",
                statement,
                lambda *_: (None,) * 17,
                snapshot=True,
            )
        self.options = Options(
            **{
                "version": VERSIONS[dialect],
                "connector": dialect,
                "name": self.parsed["topic.prefix"],
                "partition": {"server": self.parsed["topic.prefix"]},
                "headers": (),
                "tombstones": True,
                "skipped": frozenset(),
                "skip_unchanged": False,
                "metadata": self.parsed["provide.transaction.metadata"],
                "unavailable": None,
                **options,
            }
        )
        self._header = SimpleHeaderConverter()
        self._header.configure({})

    def start(self, offset: dict[str, Any] | None = None) -> None:
        """Begin at an offset, the recording's own by default."""
        position = Position(
            offset or self.recorded["offset"],
            mariadb=self.mariadb,
            metadata=self.options.metadata,
        )
        self.streaming = Streaming(
            self.schemas,
            position,
            self.options,
            self.parsed,
            ManualClock(1_700_000_000_000),
            mariadb=self.mariadb,
        )

    def batches(self, events: list[Any] | None = None) -> list[Batch]:
        """Give the batches of events, in one poll."""
        streaming = self.streaming
        streaming.begin_poll(1_700_000_000_000_000_000)
        wanted = self.recorded["events"] if events is None else events
        streaming.take((*head, base64.b64decode(body)) for *head, body in wanted)
        return streaming.end_poll()

    def _text(self, header: Header) -> str:
        text = self._header.from_connect_header("", header.key, header.schema, header.value)
        return "" if text is None else text.decode()

    def records(self, batches: list[Batch]) -> list[tuple[Any, ...]]:
        """Give topic, key, value (payloads as text), headers and offset of every record."""
        key, value = JsonConverter(), JsonConverter()
        key.configure({"schemas.enable": "false"}, is_key=True)
        value.configure({"schemas.enable": "false"}, is_key=False)
        found = []
        for batch in batches:
            topic = batch.topic_at(0)
            keys: list[bytes | None] = [None] * len(batch)
            if batch.keys is not None:
                keys = key.encoder(topic, batch.key_schema)(batch.keys, ())
            encode = value.encoder(topic, batch.value_schema, batch.layout)
            values = encode(batch.values, batch.constants)
            for row in range(len(batch)):
                headers = [[h.key, self._text(h)] for h in batch.headers_at(row)]
                pair = (keys[row], values[row])
                texts = [None if data is None else data.decode() for data in pair]
                found.append((topic, *texts, headers, batch.source_offset_at(row)))
        return found
