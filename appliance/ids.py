"""Frozen value types that name things: a task, a topic partition, a worker."""

from __future__ import annotations

import enum
from typing import NamedTuple


class ConnectorTaskId(NamedTuple):
    """One task of a connector; text form `connector-task`, as in Kafka Connect."""

    connector: str
    task: int

    def __str__(self) -> str:
        """Give `connector-task`."""
        return f"{self.connector}-{self.task}"

    @classmethod
    def parse(cls, text: str) -> ConnectorTaskId:
        """Read `connector-task`; the number stands after the last dash. Raises ValueError."""
        connector, dash, number = text.rpartition("-")
        if not dash or not connector or not number.isascii() or not number.isdigit():
            raise ValueError(f"reading a task id: {text!r} is not <connector>-<number>")
        return cls(connector, int(number))


class TopicPartition(NamedTuple):
    """One partition of a Kafka topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        """Give `topic-partition`, as Kafka prints it."""
        return f"{self.topic}-{self.partition}"


class State(enum.StrEnum):
    """What a connector or task is doing, as statuses and REST answers say it."""

    UNASSIGNED = "UNASSIGNED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    FAILED = "FAILED"
    RESTARTING = "RESTARTING"
    STOPPED = "STOPPED"
    DESTROYED = "DESTROYED"


class TargetState(enum.StrEnum):
    """What a user wants a connector to do."""

    STARTED = "STARTED"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
