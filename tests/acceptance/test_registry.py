"""Avro and JSON Schema on one VM: the daemon's own registry, real topics, and kills."""

from __future__ import annotations

import functools
import json
import signal
import threading
import urllib.request
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from appliance.kafka.log import LogClients
from appliance.schemaregistry.server.service import RegistryService, registry_topic
from deploy.parts import free_ports
from tests.daemon import Daemon, alive, worker_options
from tests.waiting import wait_until

AVRO = "io.confluent.connect.avro.AvroConverter"
JSON_SCHEMA = "io.confluent.connect.json.JsonSchemaConverter"
PROTOBUF = "io.confluent.connect.protobuf.ProtobufConverter"
LINES = ["Hola", "Adéu", "Otra línea"]


def asked(url: str, path: str):
    with urllib.request.urlopen(f"{url}{path}", timeout=30) as answer:
        return json.load(answer)


def first_record(bootstrap: str, topic: str) -> Message:
    """Give the topic's first record."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"look-{topic}"})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        return message
    finally:
        consumer.close()


def has_lines(file: Path) -> bool:
    return file.exists() and file.read_text().splitlines() == LINES


@pytest.mark.parametrize("converter", [AVRO, JSON_SCHEMA])
def test_records_go_through_a_topic_with_schemas_of_the_daemons_own_registry(
    broker, unique_name, tmp_path: Path, converter
):
    """Nothing else is installed; a killed daemon finds every schema again."""
    port, registry_port = free_ports(2)
    registry = f"http://127.0.0.1:{registry_port}"
    options = {
        **worker_options(broker.bootstrap, unique_name, port),
        "appliance.registry.listeners": registry,
        "appliance.registry.topic": f"{unique_name}-schemas",
        "appliance.registry.replication.factor": "1",
    }
    source, sink = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("".join(f"{line}\n" for line in LINES))
    with_registry = {"value.converter": converter, "value.converter.schema.registry.url": registry}
    with Daemon(tmp_path, "distributed", options) as daemon:
        sources = {
            "connector.class": "FileStreamSource",
            "file": str(source),
            "topic": unique_name,
        }
        daemon.client.put("connectors", "in", "config", body={**sources, **with_registry})
        wait_until(lambda: asked(registry, "/subjects") == [f"{unique_name}-value"], "a subject")
        every = [pid for pids in daemon.processes().values() for pid in pids]
        daemon.kill(signal.SIGKILL)
        wait_until(lambda: not any(map(alive, every)), "all processes of the daemon have ended", 5)
        daemon.stop()
        daemon.start()
        sinks = {"connector.class": "FileStreamSink", "file": str(sink), "topics": unique_name}
        daemon.client.put("connectors", "out", "config", body={**sinks, **with_registry})
        wait_until(functools.partial(has_lines, sink), "all lines")
        latest = asked(registry, f"/subjects/{unique_name}-value/versions/latest")

    assert latest["id"] == 1
    payload = first_record(broker.bootstrap, unique_name).value() or b""
    assert payload[:5] == b"\x00\x00\x00\x00\x01"


def test_ids_of_schemas_travel_in_headers_when_they_are_asked_for(
    broker, unique_name, tmp_path: Path
):
    """Sources write 01 and the GUID beside a bare payload; sinks and the console read it."""
    port, registry_port = free_ports(2)
    registry = f"http://127.0.0.1:{registry_port}"
    options = {
        **worker_options(broker.bootstrap, unique_name, port),
        "appliance.registry.listeners": registry,
        "appliance.registry.topic": f"{unique_name}-schemas",
        "appliance.registry.replication.factor": "1",
    }
    source = tmp_path / "in.txt"
    source.write_text("".join(f"{line}\n" for line in LINES))
    bodies = {AVRO: b"\x08Hola", JSON_SCHEMA: b'"Hola"', PROTOBUF: b"\x0a\x04Hola"}
    topics = {name: f"{unique_name}-{number}" for number, name in enumerate(bodies)}
    seen, guids, shown = {}, {}, {}
    with Daemon(tmp_path, "distributed", options) as daemon:
        for converter, topic in topics.items():
            sink = tmp_path / topic
            reading = {
                "value.converter": converter,
                "value.converter.schema.registry.url": registry,
            }
            writing = {
                **reading,
                "value.converter.value.schema.id.serializer": (
                    "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer"
                ),
            }
            sources = {"connector.class": "FileStreamSource", "file": str(source), "topic": topic}
            sinks = {"connector.class": "FileStreamSink", "file": str(sink), "topics": topic}
            daemon.client.put("connectors", f"in-{topic}", "config", body={**sources, **writing})
            daemon.client.put("connectors", f"out-{topic}", "config", body={**sinks, **reading})
        for converter, topic in topics.items():
            wait_until(functools.partial(has_lines, tmp_path / topic), f"all lines of {converter}")
            seen[converter] = first_record(broker.bootstrap, topic)
            guids[converter] = asked(registry, f"/subjects/{topic}-value/versions/1")["guid"]
            records = daemon.client.get("appliance", "v1", "topics", topic, "records")
            shown[converter] = [record["value"]["schema_id"] for record in records]

    for converter, body in bodies.items():
        # StringValue is the eighth message of wrappers.proto
        place = b"\x02\x0e" if converter == PROTOBUF else b""
        assert seen[converter].value() == body
        assert seen[converter].headers() == [
            ("__value_schema_id", b"\x01" + uuid.UUID(guids[converter]).bytes + place)
        ]
        assert shown[converter] == [guids[converter]] * 3


def test_hosts_that_register_at_once_never_share_an_id(broker, unique_name):
    """Writers fence each other: each decides on what the other has written."""
    opened = []
    for number in range(2):
        clients = LogClients(
            {"bootstrap.servers": broker.bootstrap, "client.id": f"registry-{number}"}
        )
        topic = registry_topic(f"{unique_name}-schemas", 1)
        log = clients.log(topic, transactional_id=f"registry-{unique_name}")
        service = RegistryService(log)
        clients.start(30)
        opened.append((clients, service))
    found: list[dict[str, int]] = [{}, {}]

    def register(number: int) -> None:
        for i in range(6):
            name = f"R{i}" if i % 2 else f"R{number}x{i}"
            schema = f'{{"type":"record","name":"{name}","fields":[]}}'
            version = opened[number][1].register(f"s{number}-{i}", {"schema": schema})
            found[number][name] = version.schema_id

    threads = [threading.Thread(target=register, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for clients, _ in opened:
        clients.stop()

    ids = {**found[0], **found[1]}
    assert len(ids) == 9
    assert sorted(ids.values()) == list(range(1, 10))
    assert all(found[0][name] == found[1][name] for name in found[0].keys() & found[1].keys())
