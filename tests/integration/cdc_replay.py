"""A replay of the recorded statements through the task, with what a runtime would do around it."""

from __future__ import annotations

import time
from typing import Any

from appliance.connectors.binlog.task import MariaDbConnectorTask, MySqlConnectorTask
from appliance.converters.json import JsonConverter
from appliance.converters.simple_header import SimpleHeaderConverter
from appliance.ids import ConnectorTaskId
from tests.golden.cdc_recordings import recording

TASKS = {"mariadb": MariaDbConnectorTask, "mysql": MySqlConnectorTask}
QUIET_S = 1.5
"""How long nothing must come for the task to count as caught up."""


class Context:
    """The runtime's side of a task: offsets kept in memory."""

    stopping = False
    id = ConnectorTaskId("replay", 0)

    def __init__(self, config, stored=None):
        self.config = config
        self.stored = stored
        self.metrics: dict[str, float] = {}

    def offsets(self, partitions):
        return [self.stored for _ in partitions]

    def client_config(self, prefix):
        return {}

    def wait(self, timeout_s):
        time.sleep(min(timeout_s, 0.05))
        return False

    def set_metric(self, name, value):
        self.metrics[name] = value

    def set_trouble(self, trouble): ...


class Replay:
    """One task and everything it sent: `topics` to lists of [key, value, headers, offset]."""

    def __init__(self, database, config, stored=None):
        self.context = Context(config, stored)
        self.task: Any = TASKS[database]()
        self.task.start(self.context, config)
        self.topics: dict[str, list[list[Any]]] = {}
        self.offset: Any = None
        self._keys, self._values = JsonConverter(), JsonConverter()
        for part, converter in (("key", self._keys), ("value", self._values)):
            prefix = f"{part}.converter."
            given = {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}
            converter.configure({"schemas.enable": "true", **given}, is_key=part == "key")
        self._headers: Any = SimpleHeaderConverter()
        self._headers.configure({})

    def poll(self):
        """Poll once; give how many records came, heartbeats apart."""
        count = 0
        for batch in self.task.poll():
            self._take(batch)
            count += len(batch.values) * ("heartbeat" not in batch.topic)
        return count

    def _take(self, batch):
        if batch.source_offset is not None and not batch.values:
            self.offset = dict(batch.source_offset)
        if not batch.values:
            return
        keys: list[Any] = [None] * len(batch)
        if batch.keys is not None:
            keys = self._keys.encoder(batch.topic, batch.key_schema)(batch.keys, ())
        encode = self._values.encoder(batch.topic, batch.value_schema, batch.layout)
        values = encode(batch.values, batch.constants)
        for row, (key, value) in enumerate(zip(keys, values, strict=True)):
            headers = [
                [
                    h.key,
                    self._headers.from_connect_header(
                        batch.topic, h.key, h.schema, h.value
                    ).decode(),
                ]
                for h in batch.headers_at(row)
            ]
            offset = batch.source_offset_at(row)
            self.offset = dict(offset) if offset is not None else self.offset
            record = [key and key.decode(), value and value.decode(), headers, offset]
            self.topics.setdefault(batch.topic_at(row), []).append(record)

    def catch_up(self, quiet_s=QUIET_S):
        """Poll until nothing has come for a while."""
        last = time.monotonic()
        while time.monotonic() - last < quiet_s:
            if self.poll():
                last = time.monotonic()

    def history(self):
        """Give all records of the schema history."""
        return list(self.task._schemas.history.read())

    def close(self):
        self.task.stop()
        self.task.close()


def replay(database, address, changes):
    """Run the recorded statements while a task of the recorded configuration follows; give the Replay.

    It ends before the first signal: what signals do is not part of it.
    """
    recorded = recording(database)
    config = {**recorded["connector"], **changes}
    connection = address.connect(None, charset="utf8mb4")
    running: Any = None
    with connection.cursor() as cursor:
        for database_name in ("smp", "smp2"):
            cursor.execute(f"drop database if exists {database_name}")
        for part in statements(recorded["statements"]):
            if part.startswith("insert into sig"):
                break
            if part.startswith("-- connector created"):
                running = Replay(database, config)
                running.catch_up()
            elif part.startswith("-- wait"):
                running.catch_up()
            elif part.startswith("--"):
                continue
            else:
                cursor.execute(part)
    running.catch_up()
    running.close()
    connection.close()
    return running


def statements(script):
    """Give statements and comments in order."""
    found, current = [], []
    for line in script.split("\n"):
        if line.startswith("--"):
            found.append(line)
            continue
        current.append(line)
        if line.endswith(";"):
            found.append("\n".join(current)[:-1])
            current = []
    return found
