"""Where a sink keeps a topic's files and notes, and how far these say that it has got."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from appliance.connectors.storage import config as keys
from appliance.connectors.storage.names import parse_committed
from appliance.connectors.storage.store import Store
from appliance.connectors.storage.topicfolders import topic_folder, topic_groups
from appliance.ids import TopicPartition


def folders(parsed: Mapping[str, Any], root: str, topic: str) -> tuple[str, str]:
    """Give the folders that `topics.dir` and `logs.dir` mean for a topic. Raises ConfigError."""
    groups = topic_groups(parsed[keys.CAPTURE_REGEX])
    match = groups(topic) if groups else None
    topics_dir, logs_dir = (
        f"{root.rstrip('/')}/{topic_folder(parsed[key], topic, match).strip('/')}"
        for key in (keys.TOPICS_DIR, keys.LOGS_DIR)
    )
    return topics_dir, logs_dir


def position(
    store: Store, partition: TopicPartition, topics_dir: str, logs_dir: str
) -> int | None:
    """Give the offset that a new owner goes on at, None when nothing was ever written. Changes nothing.

    Raises StoreError.
    """
    ends = [
        *_ends_of_files(store, partition, f"{topics_dir}/{partition.topic}"),
        *_ends_of_notes(store, f"{logs_dir}/{partition.topic}/{partition.partition}"),
    ]
    # one that took over and wrote nothing notes 0
    return max(ends, default=0) or None


def _ends_of_files(store: Store, partition: TopicPartition, folder: str) -> Iterator[int]:
    for entry in store.list(folder):
        if entry.is_folder:
            yield from _ends_of_files(store, partition, f"{folder}/{entry.name}")
            continue
        file = parse_committed(entry.name)
        if file and (file.topic, file.partition) == partition:
            yield file.end + 1


def _ends_of_notes(store: Store, folder: str) -> Iterator[int]:
    epochs = [entry for entry in store.list(folder) if entry.is_folder]
    for epoch in epochs:
        for entry in store.list(f"{folder}/{epoch.name}"):
            if noted := re.fullmatch(r"next-(\d+)", entry.name):
                yield int(noted[1])
            elif entry.name.endswith(".commit"):
                yield json.loads(store.read(f"{folder}/{epoch.name}/{entry.name}"))["next"]
