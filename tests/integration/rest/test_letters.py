"""Dead letters over REST, on a real broker: pages, groups, export, replay, discard and purge."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from appliance.client import AnswerError, Client
from appliance.kafka.topics import create_topic
from appliance.rest.console.payloads import LONGEST
from deploy.parts import free_ports
from tests.daemon import Daemon, worker_options
from tests.waiting import wait_until

LARGE = b"x" * (LONGEST + 1000)
ERRORS = "__connect.errors."


@pytest.fixture(scope="module")
def daemon(broker, tmp_path_factory):
    """A worker to ask."""
    group = f"letters-{uuid.uuid4().hex[:8]}"
    options = worker_options(broker.bootstrap, group, free_ports(1)[0])
    with Daemon(tmp_path_factory.mktemp("letters"), "distributed", options) as running:
        yield running


class Queue:
    """A queue of a connector that writes nothing itself."""

    def __init__(self, daemon: Daemon, bootstrap: str, name: str) -> None:
        self.client = daemon.client
        self.url = daemon.url
        self.topic = f"{name}-dlq"
        self._bootstrap = bootstrap

    def ask(self, tail: str, **query: Any) -> Any:
        return self.client.get("appliance", "v1", "dlq", self.topic, *tail.split("/"), **query)

    def post(self, verb: str, body: Any) -> Any:
        return self.client.post("appliance", "v1", "dlq", self.topic, verb, body=body)

    def run(self, verb: str, body: Any) -> Any:
        """Start a job and give it as it ended."""
        id_ = self.post(verb, body)["id"]

        def ended() -> Any:
            job = self.client.get("appliance", "v1", "jobs", id_)
            return job if job["state"] != "running" else None

        return wait_until(ended, f"{verb} ends")

    def write(self, values: list[bytes], origin: str) -> None:
        producer = Producer({"bootstrap.servers": self._bootstrap})
        for at, value in enumerate(values):
            headers = {
                f"{ERRORS}topic": origin,
                f"{ERRORS}partition": "0",
                f"{ERRORS}offset": str(at),
                f"{ERRORS}stage": "TASK_PUT" if at % 3 == 0 else "VALUE_CONVERTER",
                f"{ERRORS}exception.class.name": "a.DataException",
                f"{ERRORS}exception.message": f"no {at % 2}",
                "own": "h",
            }
            producer.produce(
                self.topic,
                value,
                f"k{at}".encode(),
                partition=at % 2,
                timestamp=1_000_000 - at,
                headers=list(headers.items()),
            )
        assert producer.flush(30) == 0

    def places(self, **query: Any) -> list[tuple[int, int]]:
        return [(one["partition"], one["offset"]) for one in self.ask("records", **query)]

    def read(self, topic: str, count: int) -> dict[bytes, Any]:
        """Give the records of a topic by key."""
        settings = {"bootstrap.servers": self._bootstrap, "group.id": uuid.uuid4().hex}
        consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        found: dict[bytes, Any] = {}
        while len(found) < count:
            (message,) = consumer.consume(1, timeout=30) or pytest.fail(f"{topic}: {len(found)}")
            assert message.error() is None, message.error()
            found[message.key() or b""] = message
        consumer.close()
        return found


@pytest.fixture
def queue(daemon, broker, unique_name, tmp_path):
    """A queue with two partitions and 12 letters, the last one larger than a list shows."""
    sink = {
        "connector.class": "FileStreamSink",
        "file": str(tmp_path / "out.txt"),
        "topics": unique_name,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": f"{unique_name}-dlq",
        "errors.deadletterqueue.topic.replication.factor": "1",
    }
    create_topic({"bootstrap.servers": broker.bootstrap}, f"{unique_name}-dlq", 2, 1)
    create_topic({"bootstrap.servers": broker.bootstrap}, unique_name, 1, 1)
    daemon.client.put("connectors", unique_name, "config", body=sink)
    made = Queue(daemon, broker.bootstrap, unique_name)
    wait_until(
        lambda: any(
            one["topic"] == made.topic for one in daemon.client.get("appliance", "v1", "dlq")
        ),
        "the queue is known",
    )
    made.write([*(f"v{at}".encode() for at in range(11)), LARGE], unique_name)
    yield made
    daemon.client.delete("connectors", unique_name)


def test_pages_hold_every_letter_once_when_they_are_asked_for_after_each_other(queue):
    """Whatever the times of the records, and with hidden ones between."""
    everything = {(at % 2, at // 2) for at in range(12)}
    queue.run("discard", {"records": [[1, 5], [1, 4], [0, 2]]})
    seen: list[tuple[int, int]] = []
    ends: dict[int, int] = {}
    while True:
        after = ",".join(f"{number}:{offset}" for number, offset in ends.items())
        page = queue.places(limit=2, after=after)
        if not page:
            break
        assert len(page) <= 2
        for number, offset in page:
            assert offset < ends.get(number, 99)
            ends[number] = offset
        seen += page
    assert sorted(seen) == sorted(everything - {(1, 5), (1, 4), (0, 2)})


def test_list_cuts_a_large_payload_and_one_letter_gives_it_whole(queue):
    """What is cut says so; a single letter and the export have every byte."""
    letters = {one["key"]["text"]: one for one in queue.ask("records")}
    assert letters["k11"]["value"]["cut"] is True
    assert letters["k1"]["value"]["cut"] is False
    whole = queue.ask("records/1/5")["value"]
    assert whole["cut"] is False
    assert base64.b64decode(whole["bytes_b64"]) == LARGE
    exported = list(Client(queue.url).lines("appliance", "v1", "dlq", queue.topic, "export"))
    assert len(exported) == 12
    values = {one["key"]["text"]: one["value"]["bytes_b64"] for one in exported}
    assert base64.b64decode(values["k11"]) == LARGE


def test_letters_are_counted_by_stage_and_error_when_grouped(queue):
    """All of the queue, the most frequent first; a filter keeps its own."""
    groups = {(one["stage"], one["message"]): one["count"] for one in queue.ask("groups")}
    assert groups == {
        ("VALUE_CONVERTER", "no 0"): 4,
        ("VALUE_CONVERTER", "no 1"): 4,
        ("TASK_PUT", "no 0"): 2,
        ("TASK_PUT", "no 1"): 2,
    }
    assert sum(one["count"] for one in queue.ask("groups", stage="TASK_PUT")) == 4


def test_all_letters_arrive_whole_when_they_are_replayed_elsewhere(queue, unique_name):
    """Bytes, key, time and own headers as they were; the errors' headers are gone; the queue is empty."""
    target = f"{unique_name}-again"
    dry = queue.post("replay", {"topic": target, "dry_run": True})
    assert (dry["count"], dry["tried"], dry["decode"], dry["whole"]) == (12, 12, 12, True)
    job = queue.run("replay", {"topic": target, "edits": {"0:0": "mended"}})
    assert (job["state"], job["done"], job["total"], job["failed"]) == ("done", 12, 12, 0)
    found = queue.read(target, 12)
    assert found[b"k11"].value() == LARGE
    assert found[b"k0"].value() == b"mended"
    assert found[b"k11"].timestamp()[1] == 1_000_000 - 11
    assert found[b"k11"].headers() == [("own", b"h"), ("ingest.replay.attempt", b"1")]
    assert queue.places() == []


def test_edit_is_refused_when_it_was_made_from_a_part_of_the_payload(queue, unique_name):
    """Nothing is sent; made from all of it, it is."""
    edit = {"text": "short", "from_size": LONGEST}
    body = {"records": [[1, 5]], "topic": f"{unique_name}-again", "edits": {"1:5": edit}}
    for dry_run in (True, False):
        with pytest.raises(AnswerError) as refused:
            queue.post("replay", {**body, "dry_run": dry_run})
        assert refused.value.status == 400
        assert f"made from {LONGEST} of its {len(LARGE)} bytes" in str(refused.value)
    assert (1, 5) in queue.places()
    edit["from_size"] = len(LARGE)
    assert queue.run("replay", body)["done"] == 1
    assert queue.read(body["topic"], 1)[b"k11"].value() == b"short"


def test_filtered_letters_are_hidden_when_discarded(queue):
    """The dry run hides nothing and tells how many; the job hides those and no others."""
    asked = {"stage": "TASK_PUT"}
    assert queue.post("discard", {**asked, "dry_run": True}) == {"count": 4, "whole": True}
    assert len(queue.places()) == 12
    job = queue.run("discard", asked)
    assert (job["kind"], job["state"], job["done"]) == ("discard", "done", 4)
    assert {one["stage"] for one in queue.ask("records")} == {"VALUE_CONVERTER"}
    assert len(queue.places(discarded="true")) == 12


def test_purge_ends_at_the_offset_that_is_given(queue):
    """The other partition keeps all of its letters."""
    body = {"before": {"1": 4}}
    assert queue.post("purge", {**body, "dry_run": True})["count"] == 4
    assert len(queue.places()) == 12
    queue.post("purge", body)
    assert sorted(queue.places()) == [*((0, at) for at in range(6)), (1, 4), (1, 5)]
    with pytest.raises(AnswerError):
        queue.post("purge", {"before": [1, 4]})
