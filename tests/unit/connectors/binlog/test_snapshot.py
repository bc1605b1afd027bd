"""A snapshot that fails half way."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.connectors.binlog.config import parse
from appliance.connectors.binlog.history import MemoryHistory
from appliance.connectors.binlog.plan import Plan
from appliance.connectors.binlog.schemas import TableSchemas
from appliance.connectors.binlog.snapshot import Snapshot
from appliance.errors import RetriableError


def test_snapshot_begins_again_when_a_step_has_failed():
    """After an error the next step is the first one: what is missing never passes for complete."""
    config = {
        "topic.prefix": "p",
        "database.hostname": "h",
        "database.user": "u",
        "database.server.id": "1",
        "notification.enabled.channels": "sink",
        "notification.sink.topic.name": "n",
    }
    parsed = parse("mysql", config)

    def connect() -> Any:
        raise RetriableError("the server is away")

    schemas = TableSchemas("mysql", config, parsed, MemoryHistory())
    plan = Plan(schema=True, data=True, stream=True)
    steps = Snapshot(schemas, config, parsed, plan, connect=connect).batches()
    for _ in range(3):
        (started,) = next(steps)
        assert started.values[0][1] == "STARTED"
        with pytest.raises(RetriableError):
            next(steps)
