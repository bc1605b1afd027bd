"""Changing a connector's offsets, and reading a sink's, with the connector's consent.

Texts and checks: Kafka Connect 4.3.1 Worker.{alterSinkConnectorOffsets, alterSourceConnectorOffsets} and
SinkUtils. Called in a process that may make Kafka clients; blocks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from appliance.api import Connector
from appliance.channel import AlterOffsets
from appliance.config.connector import ConnectorConfig
from appliance.config.worker import WorkerConfig
from appliance.errors import BadRequestError, ConnectError
from appliance.kafka.clients import connector_admin, sink_group
from appliance.kafka.library import (
    ConsumerGroupTopicPartitions,
    KafkaException,
    Place,
    admin_client,
)
from appliance.runtime.plugins import imported

Pair = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]
TIMEOUT_S = 30.0


def alter(message: AlterOffsets, pairs: Sequence[Pair], worker: WorkerConfig) -> bool:
    """Let the connector check `pairs`; apply them where they are a sink's. Give what it answered."""
    ref = message.plugins["connector"]
    connector: Connector = imported(ref.target)()
    if ref.kind == "source":
        return _consent(connector, message, pairs)
    config = ConnectorConfig(message.config, "sink")
    offsets = [(_partition(partition), _offset(offset)) for partition, offset in pairs]
    plain: list[Pair] = [
        (
            {"kafka_topic": place.topic, "kafka_partition": place.partition},
            None if offset is None else {"kafka_offset": offset},
        )
        for place, offset in offsets
    ]
    answer = _consent(connector, message, plain)
    _apply(message, config, worker, offsets)
    return answer


def _consent(connector: Connector, message: AlterOffsets, pairs: Sequence[Pair]) -> bool:
    try:
        return connector.alter_offsets(message.config, pairs)
    except NotImplementedError as error:
        raise ConnectError(
            f"Failed to modify offsets for connector {message.name} because it doesn't support"
            " external modification of offsets"
        ) from error


def _partition(partition: Mapping[str, Any] | None) -> Place:
    if partition is None:
        raise BadRequestError(
            "The partition for a sink connector offset cannot be null or missing"
        )
    if "kafka_topic" not in partition or "kafka_partition" not in partition:
        raise BadRequestError(
            "The partition for a sink connector offset must contain the keys 'kafka_topic' and"
            " 'kafka_partition'"
        )
    topic, number = partition["kafka_topic"], partition["kafka_partition"]
    if topic is None:
        raise BadRequestError("Kafka topic names must be valid strings and may not be null")
    if number is None:
        raise BadRequestError("Kafka partitions must be valid numbers and may not be null")
    return Place(str(topic), _integer(number, "Kafka partition value", "Partition values"))


def _offset(offset: Mapping[str, Any] | None) -> int | None:
    if offset is None:
        return None
    if "kafka_offset" not in offset:
        raise BadRequestError(
            "The offset for a sink connector should either be null or contain the key 'kafka_offset'"
        )
    return _integer(offset["kafka_offset"], "Kafka offset value", "Offset values")


def _integer(value: Any, what: str, plural: str) -> int:
    text = _java_text(value)
    if not re.fullmatch(r"[+-]?\d+", text) or abs(int(text)) >= 1 << 63:
        raise BadRequestError(
            f"Failed to parse the following {what} in the provided offsets: '{text}'."
            f" {plural} for sink connectors need to be integers."
        )
    return int(text)


def _java_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


def _apply(
    message: AlterOffsets,
    config: ConnectorConfig,
    worker: WorkerConfig,
    offsets: Sequence[tuple[Place, int | None]],
) -> None:
    verb = "reset" if message.reset else "alter"
    admin = _admin(config, worker)
    group = sink_group(config)
    try:
        if message.reset:
            _delete_group(admin, group)
            return
        if any(place.partition < 0 or not place.topic for place, _ in offsets):
            raise ConnectError(
                f"Failed to {verb} consumer group offsets for connector {message.name}"
            )
        if any(offset is not None and offset < 0 for _, offset in offsets):
            raise ConnectError(f"Failed to modify offsets for sink connector {message.name}")
        places = [Place(p.topic, p.partition, o) for p, o in offsets if o is not None]
        if places:
            request = [ConsumerGroupTopicPartitions(group, places)]
            answer = admin.alter_consumer_group_offsets(request)[group].result(TIMEOUT_S)
            if any(place.error for place in answer.topic_partitions):
                raise ConnectError(
                    f"Failed to alter consumer group offsets for connector {message.name}"
                )
        forgotten = [place for place, offset in offsets if offset is None]
        if forgotten:
            _forget(admin, group, forgotten)
    except KafkaException as error:
        active = error.args[0].name() in ("NON_EMPTY_GROUP", "UNKNOWN_MEMBER_ID")
        why = (
            " either because its tasks haven't stopped completely yet or the connector was resumed"
            f" before the request to {verb} its offsets could be successfully completed. If the"
            " connector is in a stopped state, this operation can be safely retried. If it doesn't"
            " eventually succeed, the Connect cluster may need to be restarted to get rid of the"
            " zombie sink tasks."
        )
        raise ConnectError(
            f"Failed to {verb} consumer group offsets for connector {message.name}"
            f"{why if active else ''}"
        ) from error


def _admin(config: ConnectorConfig, worker: WorkerConfig) -> Any:
    return admin_client(connector_admin(worker, config, f"connector-adminclient-{config.name}"))


def _delete_group(admin: Any, group: str) -> None:
    try:
        admin.delete_consumer_groups([group])[group].result(TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].name() != "GROUP_ID_NOT_FOUND":
            raise


def _forget(admin: Any, group: str, places: Sequence[Place]) -> None:
    """Forget single partitions: the others are committed again into a group made anew."""
    keep = [
        place
        for place in _committed(admin, group)
        if (place.topic, place.partition) not in {(p.topic, p.partition) for p in places}
    ]
    _delete_group(admin, group)
    if keep:
        request = [ConsumerGroupTopicPartitions(group, keep)]
        admin.alter_consumer_group_offsets(request)[group].result(TIMEOUT_S)


def _committed(admin: Any, group: str) -> list[Place]:
    request = [ConsumerGroupTopicPartitions(group)]
    try:
        answer = admin.list_consumer_group_offsets(request)[group].result(TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].name() == "GROUP_ID_NOT_FOUND":
            return []
        raise
    return [place for place in answer.topic_partitions if place.offset >= 0]


def group_offsets(texts: Mapping[str, str], worker: WorkerConfig) -> list[Pair]:
    """Give a sink's committed offsets as REST shows them. Raises ConnectError."""
    config = ConnectorConfig(texts, "sink")
    try:
        places = _committed(_admin(config, worker), sink_group(config))
    except KafkaException as error:
        raise ConnectError(
            f"Failed to list offsets of the consumer group of connector {config.name}:"
            f" {error.args[0].str()}"
        ) from error
    return [
        (
            {"kafka_topic": place.topic, "kafka_partition": place.partition},
            {"kafka_offset": place.offset},
        )
        for place in sorted(places, key=lambda place: (place.topic, place.partition))
    ]
