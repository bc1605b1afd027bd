"""Stores: the three stores of a worker and the logs they sit on, for either mode."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.config.worker import WorkerConfig
from appliance.kafka.log import LogClients, LogTopic
from appliance.storage.configs import ConfigListener, ConfigStore
from appliance.storage.memory import MemoryLog
from appliance.storage.offsetfile import FileLog
from appliance.storage.offsets import OffsetStore
from appliance.storage.statuses import StatusStore


class Logs(Protocol):
    """What is started before the stores can be used, and stopped after them."""

    def start(self, timeout_s: float) -> None:
        """Read everything to its end. RetriableError: call again; other ConnectError: give up."""

    def flush(self, timeout_s: float) -> None:
        """Wait until what was sent is written, at most so long."""

    def stop(self) -> None:
        """Give back clients and threads."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stores:
    """A worker's stores; `logs` carries all of them."""

    configs: ConfigStore
    offsets: OffsetStore
    statuses: StatusStore
    logs: Logs


def kafka_stores(
    config: WorkerConfig,
    listener: ConfigListener,
    logs: LogClients,
    clock: Clock = SYSTEM_CLOCK,
) -> Stores:
    """Give stores over the internal topics that `config` names; `logs` may carry other logs too."""
    transactional_id = (
        f"connect-cluster-{config.group_id}" if config.transactional_leader else None
    )
    configs = logs.log(_topic(config, "config"), transactional_id=transactional_id)
    offsets = logs.log(_topic(config, "offset"))
    statuses = logs.log(_topic(config, "status"))
    return Stores(
        ConfigStore(configs, listener), OffsetStore(offsets), StatusStore(statuses, clock), logs
    )


def standalone_stores(
    offset_file: Path, listener: ConfigListener, clock: Clock = SYSTEM_CLOCK
) -> Stores:
    """Give stores in memory, with offsets in `offset_file`."""
    offsets = FileLog(offset_file)
    return Stores(
        ConfigStore(MemoryLog(), listener),
        OffsetStore(offsets),
        StatusStore(MemoryLog(), clock),
        _FileOnly(offsets),
    )


class _FileOnly:
    """The logs of a standalone worker: only the offset file has anything to read."""

    def __init__(self, offsets: FileLog) -> None:
        self._offsets = offsets

    def start(self, timeout_s: float) -> None:
        """Read the offset file."""
        self._offsets.load()

    def flush(self, timeout_s: float) -> None:
        """Do nothing: every write was complete."""

    def stop(self) -> None:
        """Do nothing: every write was complete."""


def _topic(config: WorkerConfig, store: Any) -> LogTopic:
    settings: Mapping[str, str] = config.topic_settings(store)
    single = store == "config"
    return LogTopic(
        config.text(f"{store}.storage.topic"),
        f"{store}.storage.topic",
        1 if single else config.number(f"{store}.storage.partitions"),
        config.number(f"{store}.storage.replication.factor"),
        config=settings,
        single=single,
    )
