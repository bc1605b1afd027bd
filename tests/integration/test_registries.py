"""Converters with registries that are real servers: Apicurio's, and the daemon's own over its topic."""

from __future__ import annotations

import decimal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from confluent_kafka import Consumer, Producer, TopicPartition

from appliance.converters.avro import AvroConverter
from appliance.converters.protobuf import ProtobufConverter
from appliance.converters.registry_json import JsonSchemaConverter
from appliance.data import DECIMAL_NAME, TIMESTAMP_NAME, Schema, SchemaBuilder, Type
from appliance.errors import DataError
from appliance.kafka.log import LogClients
from appliance.rest.registry import RegistryApp
from appliance.schemaregistry.server.service import RegistryService, registry_topic
from deploy.parts import Apicurio, free_ports
from tests.waiting import wait_until

CONVERTERS = [AvroConverter, JsonSchemaConverter, ProtobufConverter]
INNER = SchemaBuilder.struct().name("acme.In").field("x", Schema(Type.INT16)).build()
PRICE = Schema(Type.BYTES, name=DECIMAL_NAME, version=1, parameters={"scale": "2"})
ORDER = (
    SchemaBuilder.struct()
    .name("acme.Order")
    .field("id", Schema(Type.INT64))
    .field("name", Schema(Type.STRING, optional=True))
    .field("price", PRICE)
    .field("at", Schema(Type.INT64, name=TIMESTAMP_NAME, version=1))
    .field("inner", INNER)
    .field("tags", SchemaBuilder.array(Schema(Type.STRING)).build())
    .build()
)
WITHOUT_NAME = SchemaBuilder.struct().name("acme.Order").field("id", Schema(Type.STRING)).build()
ROWS = [
    (7, "Ana", decimal.Decimal("1.20"), 1_700_000_000_123, (5,), ["a", "b"]),
    None,
    (-(2**63), "", decimal.Decimal("-0.01"), -1, (-5,), []),
]


@pytest.fixture(scope="module")
def apicurio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a registry of another maker."""
    with Apicurio(tmp_path_factory.mktemp("apicurio")) as server:
        yield server.url


@pytest.fixture(scope="module")
def own(broker: Any) -> Iterator[str]:
    """Give the address of the built-in registry over a topic."""
    (port,) = free_ports(1)
    clients = LogClients({"bootstrap.servers": broker.bootstrap})
    log = clients.log(registry_topic(f"schemas-{port}", 1), transactional_id=f"schemas-{port}")

    def opened() -> RegistryService:
        service = RegistryService(log)
        clients.start(30)
        return service

    server = uvicorn.Server(
        uvicorn.Config(RegistryApp(opened), port=port, lifespan="off", log_level="warning")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the registry serves")
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
    clients.stop()


@pytest.fixture(params=["apicurio", "own"])
def registry(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def configured(kind: Any, registry: str, **options: str) -> Any:
    converter = kind()
    more = {name.replace("_", "."): value for name, value in options.items()}
    converter.configure({"schema.registry.url": registry, **more}, is_key=False)
    return converter


def through_topic(bootstrap: str, topic: str, payloads: list[bytes | None]) -> list[bytes | None]:
    """Produce the payloads and consume them again."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for payload in payloads:
        producer.produce(topic, payload, partition=0)
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[bytes | None] = []
        while len(found) < len(payloads):
            messages = consumer.consume(len(payloads) - len(found), timeout=20)
            assert messages, "records did not come back"
            found += [message.value() for message in messages]
        return found
    finally:
        consumer.close()


@pytest.mark.parametrize("kind", CONVERTERS)
def test_rows_return_through_a_topic(broker, registry, unique_name, kind):
    """What one converter writes another reads, asking the registry for the schema."""
    payloads = configured(kind, registry).encoder(unique_name, ORDER)(ROWS, ())

    consumed = through_topic(broker.bootstrap, unique_name, payloads)
    runs = configured(kind, registry).decode(unique_name, consumed)

    assert [row for run in runs for row in run.rows] == ROWS


@pytest.mark.parametrize("strategy", ["RecordNameStrategy", "TopicRecordNameStrategy"])
@pytest.mark.parametrize("kind", CONVERTERS)
def test_subjects_may_be_named_by_record(registry, unique_name, kind, strategy):
    """Any strategy finds its own schemas again."""
    name = f"io.confluent.kafka.serializers.subject.{strategy}"
    converter = configured(kind, registry, value_subject_name_strategy=name)
    order = ORDER.replace(name=f"acme.{unique_name}")

    payloads = converter.encoder(unique_name, order)([ROWS[0]], ())
    (run,) = converter.decode(unique_name, payloads)

    assert run.rows == [ROWS[0]]


@pytest.mark.parametrize("kind", CONVERTERS)
def test_schemas_are_looked_up_when_they_may_not_be_registered(registry, unique_name, kind):
    """A known schema has its id; an unknown subject is an error that says so."""
    (first,) = configured(kind, registry).encoder(unique_name, ORDER)([ROWS[0]], ())
    looking = configured(kind, registry, auto_register_schemas="false")

    (again,) = looking.encoder(unique_name, ORDER)([ROWS[0]], ())
    assert again == first
    with pytest.raises(DataError, match="40401"):
        looking.encoder(f"{unique_name}-other", ORDER)([ROWS[0]], ())


@pytest.mark.parametrize("kind", CONVERTERS)
def test_the_newest_schema_is_checked_before_it_is_used(registry, unique_name, kind):
    """It is used where it fits, and refused where it does not."""
    (first,) = configured(kind, registry).encoder(unique_name, ORDER)([ROWS[0]], ())
    latest = configured(kind, registry, auto_register_schemas="false", use_latest_version="true")

    (again,) = latest.encoder(unique_name, ORDER)([ROWS[0]], ())
    assert again[:5] == first[:5]
    with pytest.raises(DataError, match=r"latest\.compatibility\.strict"):
        latest.encoder(unique_name, WITHOUT_NAME)([("x",)], ())


@pytest.mark.parametrize("kind", CONVERTERS)
def test_ids_that_do_not_exist_are_data_errors(registry, unique_name, kind):
    """The error names the id."""
    with pytest.raises(DataError, match="1000000"):
        configured(kind, registry).decode(unique_name, [b"\x00\x00\x0f\x42\x40\x00\x00"])
