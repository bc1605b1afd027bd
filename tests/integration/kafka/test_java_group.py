"""One group of a real Java Connect worker and two of our members: as its followers and as its leader."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid

import pytest
from confluent_kafka import Consumer, TopicPartition

from appliance.herder.protocol import Work
from appliance.ids import ConnectorTaskId
from appliance.kafka.membership import GroupEvent
from deploy.parts.connect import ConnectWorker
from tests.integration.kafka.worker import Worker, group_settings
from tests.waiting import wait_until

CONNECTORS = [f"c{n}" for n in range(6)]


class ConfigTopic:
    """What stands in the config topic: the connectors with their tasks, and the offset after the last."""

    def __init__(self, bootstrap, topic):
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "unused",
                "enable.auto.commit": False,
            }
        )
        self._partition = TopicPartition(topic, 0, 0)

    def read(self):
        """Give (work, offset) at the end of the topic as it is now."""
        self._consumer.assign([self._partition])
        _, end = self._consumer.get_watermark_offsets(self._partition, timeout=10)
        connectors, counts, offset = {}, {}, -1
        while self._consumer.position([self._partition])[0].offset < end:
            message = self._consumer.poll(5)
            if message is None or message.error():
                break
            offset = (message.offset() or 0) + 1
            kind, _, name = (message.key() or b"").decode().partition("-")
            value = json.loads(message.value() or b"null")
            if kind == "connector":
                connectors[name] = value
            elif kind == "commit":
                counts[name] = value["tasks"]
        names = sorted(name for name, value in connectors.items() if value)
        tasks = (ConnectorTaskId(name, n) for name in names for n in range(counts.get(name, 0)))
        return Work(tuple(names), tuple(tasks)), offset

    def close(self):
        self._consumer.close()


class Peer:
    """The Java worker with the names of its group and topics."""

    def __init__(self, data, bootstrap):
        self.group = f"java-{uuid.uuid4().hex[:8]}"
        self.topic = f"{self.group}-configs"
        self.server = ConnectWorker(
            data,
            bootstrap,
            properties={
                "group.id": self.group,
                "config.storage.topic": self.topic,
                "offset.storage.topic": f"{self.group}-offsets",
                "status.storage.topic": f"{self.group}-status",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 1_000,
                "scheduled.rebalance.max.delay.ms": 0,
            },
        )

    def call(self, method, path, body=None):
        """Give the parsed answer of its REST interface."""
        request = urllib.request.Request(
            self.server.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def running_connectors(self):
        """Give the connectors whose status says RUNNING on the Java worker."""
        statuses = self.call("GET", "/connectors?expand=status")
        where = self.server.url.removeprefix("http://")
        return {
            name
            for name, entry in statuses.items()
            if entry["status"]["connector"]
            == {
                "state": "RUNNING",
                "worker_id": where,
                "version": "4.3.1",
            }
        }


@pytest.fixture
def peer(broker, tmp_path):
    """A Java worker that runs."""
    java = Peer(tmp_path / "java", broker.bootstrap)
    with java.server:
        yield java


@pytest.fixture
def start(broker, peer):
    """Give a function that starts one of our members beside the Java worker."""
    started: list[tuple[Worker, ConfigTopic]] = []

    def start_worker():
        configs = ConfigTopic(broker.bootstrap, peer.topic)
        settings = group_settings(
            broker.bootstrap, peer.group, session_timeout_ms=10_000, rebalance_timeout_ms=60_000
        )
        worker = Worker(
            settings,
            lambda: configs.read()[0],
            name=f"w{len(started)}",
            offset=lambda: configs.read()[1],
        ).start()
        started.append((worker, configs))
        return worker

    yield start_worker
    for worker, configs in started:
        worker.vanish()
        configs.close()


def shared_with(peer, ours):
    """Tell whether Java and our members have all connectors, each one once, evenly."""
    theirs = peer.running_connectors()
    held = [set(worker.work.connectors) for worker in ours]
    sizes = [len(theirs), *map(len, held)]
    together = theirs.union(*held)
    return (
        together == set(CONNECTORS)
        and sum(sizes) == len(CONNECTORS)
        and max(sizes) - min(sizes) <= 1
    )


def test_java_and_our_members_share_the_work_when_either_leads(peer, start):
    """The Java worker leads our two members; when it has left and come back, one of ours leads it.

    No round fails, nobody is fenced, and every connector is in exactly one place.
    """
    for name in CONNECTORS:
        config = {"connector.class": "FileStreamSource", "file": "/dev/null", "topic": peer.group}
        peer.call("PUT", f"/connectors/{name}/config", config)
    wait_until(lambda: peer.running_connectors() == set(CONNECTORS), "all at the Java worker", 30)

    ours = [start(), start()]
    wait_until(lambda: shared_with(peer, ours), "work shared under the Java leader", 60)
    java_leader = ours[0].received[-1]
    assert f"{peer.server.url}/" == java_leader.leader_url
    assert not any(worker.member.is_leader for worker in ours)
    assert all(assignment.version == 2 for worker in ours for assignment in worker.received)

    peer.server.stop()
    wait_until(
        lambda: {*ours[0].work.connectors, *ours[1].work.connectors} == set(CONNECTORS),
        "all work at our members",
        60,
    )
    assert sum(worker.member.is_leader for worker in ours) == 1

    began = time.monotonic()
    peer.server.start()
    wait_until(lambda: shared_with(peer, ours), "work shared under our leader", 60)
    assert time.monotonic() - began < 60
    leader = next(worker for worker in ours if worker.member.is_leader)
    assert leader.url == ours[0].received[-1].leader_url
    tasks = [task for worker in ours for task in worker.work.tasks]
    assert len(tasks) == len(set(tasks))

    for worker in ours:
        assert not worker.errors
        assert GroupEvent.FENCED not in worker.events
        assert not any(assignment.failed for assignment in worker.received)
    assert " ERROR " not in peer.server.log_path.read_text()
