"""What the file-writing sink connectors have in common: validation and one task configuration each."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from appliance.api.connector import (
    Connector,
    ConnectorContext,
    OffsetChange,
    OffsetCheck,
    OffsetPreview,
)
from appliance.config.define import ConfigValue
from appliance.connectors.storage.config import STORE_URL
from appliance.connectors.storage.position import folders, position
from appliance.connectors.storage.store import Store, StoreAwayError, StoreError
from appliance.connectors.storage.together import check_together
from appliance.errors import ConnectError
from appliance.ids import TopicPartition


class StorageSinkConnector(Connector):
    """Gives each task the connector's own configuration; Kafka spreads the partitions."""

    def validate(self, config: Mapping[str, str | None]) -> list[ConfigValue]:
        """Check the options, how they go together, and that the store answers."""
        values = {value.name: value for value in self.config_def.validate(config)}
        topics = [topic.strip() for topic in (config.get("topics") or "").split(",")]
        check_together(values, [topic for topic in topics if topic])
        if not any(value.errors for value in values.values()):
            try:
                found = self.check_store({name: value.value for name, value in values.items()})
            except StoreAwayError as error:
                found = {STORE_URL: str(error)}
                values[STORE_URL].passing = True
            for option, text in found.items():
                values[option].errors.append(text)
        return list(values.values())

    @abc.abstractmethod
    def check_store(self, parsed: Mapping[str, Any]) -> dict[str, str]:
        """Give findings about the store by option, {} when it is fine. Raises StoreAwayError."""

    @abc.abstractmethod
    def open_store(self, parsed: Mapping[str, Any]) -> tuple[Store, str]:
        """Give the store and the root folder in it. Raises ConnectError."""

    def preview_offsets(
        self,
        config: Mapping[str, str],
        changes: Sequence[OffsetChange],
        client_config: Callable[[str], dict[str, Any]],
    ) -> list[OffsetPreview]:
        """Say where files stand for the position: offsets count only where nothing is written yet."""
        del client_config
        parsed = self.config_def.parse(config)
        store, root = self.open_store(parsed)
        try:
            return [_previewed(store, root, parsed, change) for change in changes]
        except StoreError as error:
            raise ConnectError(f"looking for files that are written: {error}") from error
        finally:
            store.close()

    def start(self, context: ConnectorContext, config: Mapping[str, str]) -> None:
        """Keep the configuration."""
        self._config = dict(config)

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Give the same configuration to every task."""
        return [dict(self._config) for _ in range(max_tasks)]


def _previewed(
    store: Store, root: str, parsed: Mapping[str, Any], change: OffsetChange
) -> OffsetPreview:
    place, wanted = change.partition or {}, (change.after or {}).get("kafka_offset")
    if not {"kafka_topic", "kafka_partition"} <= place.keys():
        # the change itself is refused with Kafka Connect's words
        return OffsetPreview()
    partition = TopicPartition(str(place["kafka_topic"]), int(place["kafka_partition"]))
    topics_dir, logs_dir = folders(parsed, root, partition.topic)
    found = position(store, partition, topics_dir, logs_dir)
    name = "no files decide the position"
    if found is None:
        return OffsetPreview((OffsetCheck(name, ok=True),))
    if found == wanted:
        return OffsetPreview((OffsetCheck("the files end there too", ok=True),))
    detail = (
        f"what is written of it ends before offset {found}, and the sink goes on there whatever offset is "
        "committed. To write records again name another topics.dir and logs.dir, or move away its files in "
        f"{topics_dir}/{partition.topic} and its folder {logs_dir}/{partition.topic}/{partition.partition}"
    )
    return OffsetPreview((OffsetCheck(name, ok=False, detail=detail),), records=0)
