"""Framework options against the definitions recorded from Kafka Connect 4.3.1."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from appliance.config import ConfigDef
from appliance.config.connector import (
    CONNECTOR_KEYS,
    SINK_KEYS,
    SOURCE_KEYS,
    ConnectorConfig,
    topic_creation_groups,
)
from appliance.config.types import text_of
from appliance.config.worker_keys import DISTRIBUTED_KEYS, STANDALONE_KEYS, WORKER_KEYS
from appliance.errors import ConfigError

HERE = Path(__file__).parent
OURS = {
    "ConnectorConfig": CONNECTOR_KEYS,
    "SourceConnectorConfig": SOURCE_KEYS,
    "SinkConnectorConfig": SINK_KEYS,
    "WorkerConfig": WORKER_KEYS,
    "DistributedConfig": DISTRIBUTED_KEYS,
    "StandaloneConfig": STANDALONE_KEYS,
}


def lines(name: str) -> list[dict]:
    return [json.loads(line) for line in (HERE / name).read_text().splitlines()]


def described(definition: ConfigDef) -> dict[str, list[object]]:
    return {
        key.name: [
            key.name,
            key.type.value,
            key.required,
            None if key.required else text_of(key.default, key.type),
            key.importance.value,
            key.group,
            key.order,
            key.width.value,
            key.label,
        ]
        for key in definition.keys.values()
        if not key.name.startswith("appliance.")
    }


@pytest.mark.parametrize("recorded", lines("definitions.jsonl"), ids=lambda line: line["class"])
def test_options_are_the_recorded_ones_when_a_definition_is_described(recorded):
    """Every framework option has the recorded name, type, default, group, order and label."""
    ours = OURS[recorded["class"]]

    assert {key[0]: key for key in recorded["keys"]} == described(ours)
    assert recorded["groups"] == ours.groups


@pytest.mark.parametrize("recorded", lines("connector-start.jsonl"), ids=lambda line: line["id"])
def test_framework_options_are_checked_as_recorded_when_a_connector_starts(recorded):
    """A running connector's framework options give the recorded groups or the recorded error."""
    expected = recorded["expect"]
    kind = recorded.get("kind", "source")
    if "error" in expected:
        text = expected["error"]["chain"][0]["message"].split("Unclosed")[0]
        with pytest.raises(ConfigError, match=re.escape(text)):
            topic_creation_groups(ConnectorConfig(recorded["config"], kind))
        return

    config = ConnectorConfig(recorded["config"], kind)
    groups = {
        group.name: {
            "include": list(group.include),
            "exclude": list(group.exclude),
            "replication_factor": group.replication_factor,
            "partitions": group.partitions,
            "other": group.other,
        }
        for group in (topic_creation_groups(config) if kind == "source" else ())
    }

    assert expected.get("groups", {}) == groups
