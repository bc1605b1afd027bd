"""What CDC costs before Kafka: CPU-seconds per million rows of reading, decoding and encoding a binlog.

    python -m tests.benchmarks.cdc_decode [--rows N] [--work N,W,T,U] [--server mariadb|mysql] [--port P]

Loads each workload into a server of its own (or the one on --port), then streams its binlog through the
connector's own stream, decoder and JSON converter with schema, envelope and headers; no broker. The last
column relates the result to a fixed loop timed in the same run, so that machines can be compared.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.api import Batch
from appliance.clock import SYSTEM_CLOCK
from appliance.connectors.binlog.catalog import Catalog
from appliance.connectors.binlog.config import parse
from appliance.connectors.binlog.history import MemoryHistory
from appliance.connectors.binlog.position import Position
from appliance.connectors.binlog.schemas import TableSchemas
from appliance.connectors.binlog.server import Server, connection_settings
from appliance.connectors.binlog.sqltokens import Dialect
from appliance.connectors.binlog.stream import BinlogStream, StartPoint
from appliance.connectors.binlog.streaming import Streaming
from appliance.connectors.binlog.tables import TableId
from appliance.connectors.binlog.task import MariaDbConnectorTask, MySqlConnectorTask
from appliance.converters.json import JsonConverter
from deploy.parts.databases import MariaDb, MySql
from tests.benchmarks import workloads


class Drain:
    """Streams a stretch of the binlog once per step."""

    def __init__(self, dialect: Dialect, port: int) -> None:
        self.dialect = dialect
        config = {
            "topic.prefix": "bench",
            "database.hostname": "127.0.0.1",
            "database.port": str(port),
            "database.user": "ingest",
            "database.password": "ingest",
            "database.server.id": "7001",
            "database.ssl.mode": "disabled" if dialect == "mysql" else "disable",
            "database.include.list": "bench",
            "schema.history.internal": "io.debezium.relational.history.MemorySchemaHistory",
        }
        self.parsed = parse(dialect, config)
        self._config = config
        task = MariaDbConnectorTask() if dialect == "mariadb" else MySqlConnectorTask()
        self.options = task.event_options(self.parsed)

    def schemas(self, statement: str) -> TableSchemas:
        """Give schemas that know the bench table."""
        schemas = TableSchemas(
            self.dialect, self._config, self.parsed, MemoryHistory(), catalog=Catalog()
        )
        schemas.apply_ddl({}, "bench", statement, lambda *_: (None,) * 17, snapshot=True)
        return schemas

    def batches(
        self, statement: str, start: dict[str, Any], end: tuple[str, int]
    ) -> Iterator[list[Batch]]:
        """Give what polls give between two positions."""
        mariadb = self.dialect == "mariadb"
        position = Position(start, mariadb=mariadb, metadata=False)
        streaming = Streaming(
            self.schemas(statement),
            position,
            self.options,
            self.parsed,
            SYSTEM_CLOCK,
            mariadb=mariadb,
        )
        stream = BinlogStream(
            connection_settings(self.parsed), 7001, mariadb=mariadb, heartbeat_s=5
        )
        stream.connect(StartPoint(start["file"], start["pos"]))
        while (position.file, position.pos) < end:
            streaming.begin_poll(SYSTEM_CLOCK.now_ns())
            while (
                not streaming.take(stream.events(), 2048) and (position.file, position.pos) < end
            ):
                if not stream.fill(1):
                    break
            yield streaming.end_poll()
        stream.close()


def calibrate() -> float:
    """Time a fixed loop."""
    started = time.process_time()
    total = 0
    for number in range(3_000_000):
        total += number & 7
    return time.process_time() - started


def measure(drain: Drain, connection: Any, work: str, rows: int) -> None:
    """Load one workload, drain it, print a line."""
    load_server = Server(drain.dialect, drain.parsed)
    workloads.create(connection, work, "bench")
    if work == "U":
        workloads.insert(connection, "N", "bench", 0, rows)
    before = load_server.position()
    workloads.change(connection, work, "bench", 0, rows)
    after = load_server.position()
    statement = load_server.create_statement(TableId("bench", "t")) or ""
    load_server.close()
    start = {"file": before.file, "pos": before.pos}
    end = (after.file, after.pos)
    results = []
    for encodes in (False, True):
        best = 1e9
        for _ in range(3):
            best = min(best, _run(drain, statement, start, end, rows, encodes=encodes))
        results.append(best)
    unit = calibrate()
    print(
        f"{drain.dialect:8} {work}  decode {results[0]:6.2f}  decode+encode {results[1]:6.2f} "
        f"CPU-s per M rows   {results[1] / unit:6.2f} loops",
        flush=True,
    )


def _run(
    drain: Drain,
    statement: str,
    start: dict[str, Any],
    end: tuple[str, int],
    rows: int,
    *,
    encodes: bool,
) -> float:
    key, value = JsonConverter(), JsonConverter()
    key.configure({"schemas.enable": "true"}, is_key=True)
    value.configure({"schemas.enable": "true"}, is_key=False)
    encoders: dict[Any, Any] = {}
    seen = 0
    started = time.process_time()
    for batches in drain.batches(statement, start, end):
        for batch in batches:
            seen += len(batch)
            if not encodes or batch.keys is None:
                continue
            name = (id(batch.value_schema), id(batch.layout))
            pair = encoders.get(name)
            if pair is None:
                topic = batch.topic_at(0)
                pair = encoders[name] = (
                    key.encoder(topic, batch.key_schema),
                    value.encoder(topic, batch.value_schema, batch.layout),
                    batch,
                )
            pair[0](batch.keys, ())
            pair[1](batch.values, batch.constants)
    spent = time.process_time() - started
    if seen < rows:
        raise SystemExit(f"only {seen} of {rows} rows came")
    return spent / rows * 1e6


def main() -> None:
    """Run the chosen workloads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--work", default="N,W,T,U")
    parser.add_argument("--server", default="mariadb", choices=("mariadb", "mysql"))
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    server = None
    port = options.port
    if port is None:
        folder = Path(tempfile.mkdtemp(prefix="ingest-bench-"))
        kind = MariaDb if options.server == "mariadb" else MySql
        server = kind(folder, options={"sync_binlog": 0, "innodb_flush_log_at_trx_commit": 2})
        server.start()
        port = server.port
    try:
        connection = workloads.connect(port)
        drain = Drain(options.server, port)
        for work in options.work.split(","):
            measure(drain, connection, work, options.rows)
    finally:
        if server is not None:
            server.stop()


if __name__ == "__main__":
    main()
