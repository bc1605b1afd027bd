"""What a configuration asks for in vain: one warning each when a task starts, instead of silence."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

_LOG: Final = logging.getLogger("io.debezium.connector.binlog.BinlogConnectorTask")

_NO_SIGNALS: Final = "signals are not acted on, so there are no incremental snapshots"
_NEGLECTED: Final[Mapping[str, str]] = {
    "heartbeat.topics.prefix": "it has no effect, as in Debezium; set topic.heartbeat.prefix",
    "event.deserialization.failure.handling.mode": (
        "it is deprecated; set event.processing.failure.handling.mode"
    ),
    "signal.data.collection": f"its rows are captured, but {_NO_SIGNALS}",
    **dict.fromkeys(
        (
            "signal.enabled.channels",
            "signal.poll.interval.ms",
            "signal.kafka.topic",
            "signal.kafka.bootstrap.servers",
            "signal.kafka.groupId",
            "signal.kafka.poll.timeout.ms",
            "signal.file",
            "incremental.snapshot.chunk.size",
            "incremental.snapshot.allow.schema.changes",
            "incremental.snapshot.watermarking.strategy",
            "read.only",
        ),
        f"it has no effect: {_NO_SIGNALS}",
    ),
    "openlineage.integration.enabled": "lineage is not reported",
}


def neglected(config: Mapping[str, str], parsed: Mapping[str, Any]) -> list[str]:
    """Give one sentence for each option that is set and does not do what it seems to ask for."""
    found = [
        f"{name} is set, but {why}"
        for name, why in _NEGLECTED.items()
        if config.get(name, "").strip().lower() not in ("", "false")
    ]
    if config.get("heartbeat.action.query") and not parsed["heartbeat.interval.ms"]:
        found.append(
            "heartbeat.action.query is set, but heartbeat.interval.ms is 0: there are no heartbeats to "
            "run it with"
        )
    channels = [word.strip() for word in parsed["notification.enabled.channels"] or ()]
    unknown = [word for word in channels if word and word != "sink"]
    if unknown:
        found.append(
            f"notification.enabled.channels names {', '.join(unknown)}, but notifications go by the "
            "channel sink only"
        )
    if "sink" in channels and not parsed["notification.sink.topic.name"]:
        found.append(
            "notification.enabled.channels names sink, but notification.sink.topic.name is not set: no "
            "notifications are sent"
        )
    return found


def warn_of_neglected(config: Mapping[str, str], parsed: Mapping[str, Any]) -> None:
    """Log them."""
    for sentence in neglected(config, parsed):
        _LOG.warning("%s", sentence)
