"""A worker on a real broker with a listener that remembers, for tests of tasks."""

from __future__ import annotations

import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer

from appliance.config.worker import WorkerConfig
from appliance.ids import ConnectorTaskId, State, TargetState
from appliance.kafka.clients import worker_client
from appliance.kafka.log import LogClients
from appliance.storage.stores import kafka_stores
from appliance.worker.plugins import Plugins
from appliance.worker.processes import Spawner
from appliance.worker.worker import Worker
from tests.waiting import wait_until

STRING = "org.apache.kafka.connect.storage.StringConverter"
JSON = "org.apache.kafka.connect.json.JsonConverter"


class Listener:
    """Remembers every state in order."""

    def __init__(self) -> None:
        self.states: dict[Any, list[State]] = defaultdict(list)
        self.traces: dict[Any, str | None] = {}
        self.topics: set[tuple[ConnectorTaskId, str]] = set()
        self.reconfigurations: list[str] = []

    def on_connector_state(self, name, state, trace, version):
        self.states[name].append(state)
        self.traces[name] = trace

    def on_task_state(self, id, state, trace, version):
        self.states[id].append(state)
        self.traces[id] = trace

    def on_reconfiguration_requested(self, connector):
        self.reconfigurations.append(connector)

    def on_topic_used(self, id, topic):
        self.topics.add((id, topic))


class NoConfigs:
    """The configuration store's listener of a worker without herder."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments, **_named: None


class Rig:
    """A worker and what it needs; `close` ends everything."""

    def __init__(self, bootstrap: str, folder: Path, **options: str) -> None:
        group = f"g{uuid.uuid4().hex[:8]}"
        self.bootstrap = bootstrap
        self.config = WorkerConfig(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "key.converter": JSON,
                "value.converter": JSON,
                "offset.flush.interval.ms": "500",
                "appliance.runtime.dir": str(folder / "run"),
                **{
                    f"{store}.storage.topic": f"{group}-{store}"
                    for store in ("config", "offset", "status")
                },
                **{
                    f"{store}.storage.replication.factor": "1"
                    for store in ("config", "offset", "status")
                },
                "offset.storage.partitions": "3",
                **options,
            }
        )
        clients = LogClients(worker_client(self.config, "test-worker"))
        self.stores = kafka_stores(self.config, NoConfigs(), clients)
        wait_until(self._start_logs, "the internal topics are read")
        self.listener = Listener()
        self.spawner = Spawner.start()
        self.worker = self.second()

    def _start_logs(self) -> bool:
        # a topic made a moment ago may not have its leader yet: start says "call again"
        self.stores.logs.start(30)
        return True

    def second(self) -> Worker:
        """Give a worker on the same stores and host."""
        return Worker(
            self.config, Plugins.discover(), self.listener, self.spawner, self.stores.offsets
        )

    def start(self, connector: dict[str, str], tasks: int = 1) -> list[ConnectorTaskId]:
        """Start the tasks of a connector; give their ids when all run."""
        ids = [ConnectorTaskId(connector["name"], number) for number in range(tasks)]
        for task in ids:
            self.worker.start_task(task, connector, connector, TargetState.STARTED)
        self.await_state(State.RUNNING, *ids)
        return ids

    def await_state(self, state: State, *ids: Any, timeout_s: float = 30.0) -> None:
        """Wait until all are in `state`."""
        states = self.listener.states
        wait_until(
            lambda: all(states[task][-1:] == [state] for task in ids),
            f"{ids} are {state}; states {dict(states)}, traces {self.listener.traces}",
            timeout_s,
        )

    def pid(self, id: Any) -> int:
        """Give the pid of the process in which something runs."""
        resident = self.worker._resident(id)
        assert resident is not None
        assert resident.host is not None
        assert resident.host.process is not None
        return resident.host.process.pid

    def offset(self, connector: str) -> Any:
        """Give the stored offsets of a connector."""
        self.stores.offsets.refresh(10)
        return [stored.offset for stored in self.stores.offsets.all_of(connector)]

    def close(self) -> None:
        """End worker, spawner and clients."""
        self.worker.close()
        self.spawner.close()
        self.stores.logs.stop()


def consume(bootstrap: str, topic: str, count: int, timeout_s: float = 30.0) -> list[Any]:
    """Give the first `count` messages of a topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
            "topic.metadata.refresh.interval.ms": 200,
        }
    )
    consumer.subscribe([topic])
    found: list[Any] = []

    def more() -> bool:
        messages = consumer.consume(max(1, count - len(found)), 0.2)
        found.extend(message for message in messages if message.error() is None)
        return len(found) >= count

    try:
        wait_until(more, f"{count} messages in {topic}; {len(found)} came", timeout_s, 0)
    finally:
        consumer.close()
    return found


def produce(bootstrap: str, topic: str, values: list[Any], **named: Any) -> None:
    """Write messages; `named` goes to `produce`."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for value in values:
        producer.produce(topic, value, **named)
    assert producer.flush(20) == 0


__all__ = ["JSON", "STRING", "Listener", "Rig", "consume", "produce"]
