"""What the file-writing sink connectors have in common: validation and one task configuration each."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

from appliance.api.connector import Connector, ConnectorContext
from appliance.config.define import ConfigValue
from appliance.connectors.storage.together import check_together


class StorageSinkConnector(Connector):
    """Gives each task the connector's own configuration; Kafka spreads the partitions."""

    def validate(self, config: Mapping[str, str | None]) -> list[ConfigValue]:
        """Check the options, how they go together, and that the store answers."""
        values = {value.name: value for value in self.config_def.validate(config)}
        topics = [topic.strip() for topic in (config.get("topics") or "").split(",")]
        check_together(values, [topic for topic in topics if topic])
        if not any(value.errors for value in values.values()):
            found = self.check_store({name: value.value for name, value in values.items()})
            for option, text in found.items():
                values[option].errors.append(text)
        return list(values.values())

    @abc.abstractmethod
    def check_store(self, parsed: Mapping[str, Any]) -> dict[str, str]:
        """Give findings about the store by option, {} when it is fine."""

    def start(self, context: ConnectorContext, config: Mapping[str, str]) -> None:
        """Keep the configuration."""
        self._config = dict(config)

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Give the same configuration to every task."""
        return [dict(self._config) for _ in range(max_tasks)]
