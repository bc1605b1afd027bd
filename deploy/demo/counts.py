"""What has flowed: records per topic, files per sink, the state of each connector."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from deploy.demo.connectors import CDC_TOPICS, TOPICS
from deploy.demo.rest import Refused, call
from deploy.demo.settings import Settings

COMMITTED_NAME = re.compile(r"[a-zA-Z0-9._-]+\+\d+\+\d+\+\d+\.\w+")


class TopicCounter:
    """Counts records by the topics' end offsets; one consumer, kept open. One thread."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "quickstart-view",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )

    def counts(self) -> dict[str, int]:
        """Give topic -> records, 0 for a topic that is not there yet."""
        try:
            known = self._consumer.list_topics(timeout=3).topics
            return {topic: self._count(topic, known) for topic in TOPICS}
        except KafkaException:
            return {}

    def close(self) -> None:
        self._consumer.close()

    def _count(self, topic: str, known: dict[str, Any]) -> int:
        if topic not in known:
            return 0
        total = 0
        for partition in known[topic].partitions:
            where = TopicPartition(topic, partition)
            low, high = self._consumer.get_watermark_offsets(where, timeout=3)
            total += high - low
        return total


def local_files(folder: Path) -> int:
    """Give how many files the local sink has committed."""
    return sum(1 for path in folder.rglob("*") if COMMITTED_NAME.fullmatch(path.name))


def hdfs_files(webhdfs: str) -> int:
    """Give how many files the HDFS sink has committed, 0 while HDFS is away."""
    total = 0
    for topic in CDC_TOPICS:
        url = f"{webhdfs}/webhdfs/v1/topics/{topic}?op=GETCONTENTSUMMARY&user.name=hdfs"
        try:
            total += call("GET", url, timeout_s=5)["ContentSummary"]["fileCount"]
        except (Refused, OSError):
            continue
    return total


def connector_states(settings: Settings) -> dict[str, list[str]]:
    """Give connector -> its state and those of its tasks; empty while the daemon is away."""
    try:
        found = call("GET", f"{settings.rest_url}/connectors?expand=status", timeout_s=5)
    except (Refused, OSError, ValueError):
        return {}
    return {
        name: [
            entry["status"]["connector"]["state"],
            *(task["state"] for task in entry["status"]["tasks"]),
        ]
        for name, entry in sorted(found.items())
        if "status" in entry
    }
