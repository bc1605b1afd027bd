"""Connectors: they check a configuration and cut the work into task configurations."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from appliance.config.define import ConfigDef, ConfigValue

ExactlyOnceSupport = Literal["supported", "unsupported"] | None


class ConnectorContext(Protocol):
    """What the runtime gives a running connector."""

    @property
    def name(self) -> str:
        """Give the connector's name."""

    def request_task_reconfiguration(self) -> None:
        """Ask that `task_configs` be called again soon; any thread."""

    def raise_error(self, error: BaseException) -> None:
        """Fail the connector with `error`; any thread."""

    def offsets(self, partitions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
        """Give the stored source offset of each partition (None: none stored); source only."""


class OffsetChange(NamedTuple):
    """A partition, its present offset (None: none stored) and the new one (None: reset)."""

    partition: Mapping[str, Any] | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclasses.dataclass(frozen=True, slots=True)
class OffsetCheck:
    """One condition of a start; `detail` says what is there instead, or what follows from it."""

    name: str
    ok: bool
    detail: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class OffsetPreview:
    """What a start at another offset would find.

    `bytes` is how far the offset moves in the source's log, `records` by how many records: below zero
    what is read again, above what is left out; None where that is not known. Of a sink the records follow
    from its offsets, unless it says otherwise: 0 where it does not go by them.
    """

    checks: tuple[OffsetCheck, ...] = ()
    bytes: int | None = None
    records: int | None = None


class Connector(abc.ABC):
    """A configured connector on the worker that owns it; its methods run on one thread."""

    config_def: ClassVar[ConfigDef]
    version: ClassVar[str]

    def validate(self, config: Mapping[str, str | None]) -> list[ConfigValue]:
        """Check the connector's own options, together with what they point at."""
        return self.config_def.validate(config)

    @abc.abstractmethod
    def start(self, context: ConnectorContext, config: Mapping[str, str]) -> None:
        """Begin; may start a thread that watches the source. Raises ConnectError."""

    @abc.abstractmethod
    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Give one configuration per task, at most `max_tasks`."""

    def stop(self) -> None:
        """End whatever `start` began."""

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]],
    ) -> bool:
        """Check (and, where the system keeps them itself, apply) a change of offsets.

        `offsets` are pairs of partition and new offset (None: reset). Gives True when the connector
        vouches for the result. Raises ConnectError when it cannot be done. Sinks get partitions
        `{"kafka_topic", "kafka_partition"}` and offsets `{"kafka_offset"}`.
        """
        return False

    def preview_offsets(
        self,
        config: Mapping[str, str],
        changes: Sequence[OffsetChange],
        client_config: Callable[[str], dict[str, Any]],
    ) -> list[OffsetPreview]:
        """Give for each change what a start at the new offset would find; nothing is altered.

        In a process of its own that is killed when it takes too long. Whatever keeps a
        system from answering is a check that failed. `client_config` is SourceTaskContext's.
        """
        return [OffsetPreview() for _ in changes]

    def exactly_once_support(self, config: Mapping[str, str]) -> ExactlyOnceSupport:
        """Say whether a source gives exactly-once delivery under `config` (None: it does not say)."""
        return None

    def can_define_transaction_boundaries(self, config: Mapping[str, str]) -> bool:
        """Say whether the source's tasks mark transaction boundaries themselves."""
        return False
