"""ClusterConfigState: the config topic at one moment, immutable.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.storage.ClusterConfigState.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from appliance.ids import ConnectorTaskId, TargetState

Config = Mapping[str, str | None]


@dataclasses.dataclass(frozen=True, slots=True)
class SessionKey:
    """The key that signs requests between workers; `created_ms` since the epoch."""

    key: bytes = dataclasses.field(repr=False)
    algorithm: str
    created_ms: int


@dataclasses.dataclass(frozen=True, slots=True)
class ClusterConfigState:
    """All connectors, their tasks and target states as of `offset`.

    `offset` is the offset after the last record read, -1 when there is none. `applied_configs` holds
    the connector configuration that each connector's tasks were generated from; tasks of an
    `inconsistent` connector (compaction took a part of its last set away) do not count.
    """

    offset: int = -1
    session_key: SessionKey | None = None
    connector_configs: Mapping[str, Config] = dataclasses.field(default_factory=dict)
    target_states: Mapping[str, TargetState] = dataclasses.field(default_factory=dict)
    task_counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    all_task_configs: Mapping[ConnectorTaskId, Mapping[str, str]] = dataclasses.field(
        default_factory=dict
    )
    applied_configs: Mapping[str, Config] = dataclasses.field(default_factory=dict)
    task_count_records: Mapping[str, int] = dataclasses.field(default_factory=dict)
    pending_fencing: frozenset[str] = frozenset()
    inconsistent: frozenset[str] = frozenset()

    @property
    def connectors(self) -> frozenset[str]:
        """Give the names of all connectors."""
        return frozenset(self.connector_configs)

    def contains(self, connector: str) -> bool:
        """Tell whether the connector exists."""
        return connector in self.connector_configs

    def config(self, connector: str) -> Config | None:
        """Give a connector's configuration as stored."""
        return self.connector_configs.get(connector)

    def target_state(self, connector: str) -> TargetState:
        """Give what the user wants a connector to do."""
        return self.target_states.get(connector, TargetState.STARTED)

    def tasks(self, connector: str) -> tuple[ConnectorTaskId, ...]:
        """Give a connector's tasks, in order; none when their last set is incomplete."""
        if connector in self.inconsistent:
            return ()
        count = self.task_counts.get(connector, 0)
        return tuple(ConnectorTaskId(connector, number) for number in range(count))

    def task_config(self, id: ConnectorTaskId) -> Mapping[str, str] | None:
        """Give one task's configuration."""
        return self.all_task_configs.get(id)

    def task_configs(self, connector: str) -> tuple[Mapping[str, str], ...]:
        """Give the configurations of a connector's tasks, in order."""
        return tuple(self.all_task_configs[task] for task in self.tasks(connector))
