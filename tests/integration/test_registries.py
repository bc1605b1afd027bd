"""Converters with registries that are real servers: Apicurio's, and the daemon's own over its topic."""

from __future__ import annotations

import asyncio
import base64
import decimal
import json
import socket
import socketserver
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvicorn
from confluent_kafka import Consumer, Producer, TopicPartition

from appliance.converters.avro import AvroConverter
from appliance.converters.protobuf import ProtobufConverter
from appliance.converters.registry_json import JsonSchemaConverter
from appliance.data import DECIMAL_NAME, TIMESTAMP_NAME, Field, Schema, SchemaBuilder, Type
from appliance.data.recursive import Knot
from appliance.errors import ConnectError, DataError
from appliance.kafka.keystores import key_material
from appliance.kafka.log import LogClients
from appliance.rest.registry import RegistryApp
from appliance.schemaregistry.client import SchemaText
from appliance.schemaregistry.server.service import RegistryService, registry_topic
from deploy.parts import Apicurio, free_ports
from tests.waiting import wait_until

STORES = Path(__file__).parents[1] / "golden/keystores"
TLS = {
    "ssl.keystore.location": str(STORES / "own.jks"),
    "ssl.keystore.password": "store-secret",
    "ssl.key.password": "key-secret",
}
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


@pytest.fixture(scope="module")
def locked(own: str, broker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Give the port of the same registry behind TLS and a password (ana:s3cret)."""
    material = key_material(TLS)
    assert material is not None
    file = tmp_path_factory.mktemp("registry") / "own.pem"
    file.write_text(material.key + material.chain)
    (port,) = free_ports(1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Pass on what has the password; the registry itself is asked over plain HTTP."""
        headers = dict(scope["headers"])
        if headers.get(b"authorization") != b"Basic " + base64.b64encode(b"ana:s3cret"):
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        query = scope["query_string"].decode()
        url = f"{own}{scope['raw_path'].decode()}{'?' if query else ''}{query}"
        media = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        request = urllib.request.Request(url, body or None, media, method=scope["method"])
        status, content = await asyncio.to_thread(answer_of, request)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": content})

    server = uvicorn.Server(
        uvicorn.Config(app, port=port, lifespan="off", log_level="warning", ssl_certfile=str(file))
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the registry behind TLS serves")
    yield port
    server.should_exit = True
    thread.join(10)


def answer_of(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


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


@pytest.mark.parametrize("kind", CONVERTERS)
def test_records_that_contain_themselves_return(registry, unique_name, kind):
    """The registry takes the schema, and gives it to a reader that knows nothing else."""
    knot = Knot()
    inside = knot.reference()
    fields = {
        "name": Schema(Type.STRING, optional=True),
        "next": inside.replace(optional=True),
        "kids": Schema(Type.ARRAY, value_schema=inside),
    }
    made = [Field(name, index, schema) for index, (name, schema) in enumerate(fields.items())]
    tree = knot.tie(Schema(Type.STRUCT, name=f"acme.{unique_name}", fields=tuple(made)))
    leaf: Any = ("leaf", None, [])
    rows = [("root", ("next", leaf, []), [leaf, ("kid", leaf, [leaf])]), leaf]

    payloads = configured(kind, registry).encoder(unique_name, tree)(rows, ())
    (run,) = configured(kind, registry).decode(unique_name, payloads)

    assert run.rows == rows


def test_a_json_schema_is_read_with_those_of_other_subjects(own, unique_name):
    """What it refers to is asked for by subject and version."""
    address = {"type": "object", "title": "Address", "properties": {"town": {"type": "string"}}}
    order = {"type": "object", "properties": {"to": {"$ref": "address.json"}}}
    client = configured(JsonSchemaConverter, own)._client
    subject = f"{unique_name}-address"
    client.register(subject, SchemaText(json.dumps(address), "JSON"))
    references = (("address.json", subject, 1),)
    text = SchemaText(json.dumps(order), "JSON", references)
    schema_id = client.register(f"{unique_name}-value", text).number

    payload = b"\0" + schema_id.to_bytes(4, "big") + b'{"to":{"town":"Olot"}}'
    (run,) = configured(JsonSchemaConverter, own).decode(unique_name, [payload])

    assert run.rows == [(("Olot",),)]
    assert client.by_id(schema_id).references == references


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


TRUSTS = {
    "jks": {
        "truststore_location": str(STORES / "trust.jks"),
        "truststore_password": "store-secret",
    },
    "pkcs12": {
        "truststore_location": str(STORES / "trust.p12"),
        "truststore_password": "store-secret",
        "truststore_type": "PKCS12",
    },
    "pem": {"truststore_location": str(STORES / "own.crt")},
    "roots": {"ca_location": str(STORES / "own.crt")},
}


@pytest.mark.parametrize("trust", TRUSTS)
def test_a_registry_is_reached_behind_a_dead_one_by_tls_and_password(locked, unique_name, trust):
    """The second address answers where the first is dead, trusted by any kind of store."""
    (dead,) = free_ports(1)
    options = {f"schema_registry_ssl_{name}": value for name, value in TRUSTS[trust].items()}
    converter = configured(
        AvroConverter,
        f"https://127.0.0.1:{dead},https://127.0.0.1:{locked}",
        basic_auth_credentials_source="USER_INFO",
        basic_auth_user_info="ana:s3cret",
        **options,
    )

    payloads = converter.encoder(unique_name, ORDER)([ROWS[0]], ())
    (run,) = converter.decode(unique_name, payloads)

    assert run.rows == [ROWS[0]]


class Proxy(socketserver.StreamRequestHandler):
    """A proxy: tunnels for CONNECT, other requests are passed on; `seen` are their first lines."""

    seen: ClassVar[list[str]] = []

    def handle(self) -> None:
        line = self.rfile.readline().decode()
        self.seen.append(line)
        method, target, version = line.split(" ")
        parts = urllib.parse.urlsplit(f"//{target}" if method == "CONNECT" else target)
        with socket.create_connection((parts.hostname, parts.port)) as server:
            if method == "CONNECT":
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = parts._replace(scheme="", netloc="").geturl()
                server.sendall(f"{method} {path} {version}".encode())
            back = threading.Thread(target=self._answer, args=(server,))
            back.start()
            while data := self.rfile.read1(1 << 16):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
            back.join()

    def _answer(self, server: socket.socket) -> None:
        while data := server.recv(1 << 16):
            self.wfile.write(data)


@pytest.fixture
def proxy() -> Iterator[dict[str, str]]:
    """Give the options of a converter that goes through a proxy."""
    Proxy.seen.clear()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {"proxy_host": "127.0.0.1", "proxy_port": str(server.server_address[1])}
        server.shutdown()


def test_a_registry_is_reached_through_a_proxy(own, locked, proxy, unique_name):
    """Plain requests name the whole address; TLS goes through a tunnel, unread."""
    trust = {"schema_registry_ssl_ca_location": str(STORES / "own.crt")}
    secret = f"https://ana:s3cret@127.0.0.1:{locked}"
    for url, options in ((own, {}), (secret, trust)):
        converter = configured(AvroConverter, url, **proxy, **options)
        payloads = converter.encoder(unique_name, ORDER)([ROWS[0]], ())
        assert converter.decode(unique_name, payloads)[0].rows == [ROWS[0]]

    assert Proxy.seen[0].startswith(f"POST {own}/subjects/{unique_name}-value/versions ")
    assert Proxy.seen[-1].startswith(f"CONNECT 127.0.0.1:{locked} ")
    assert not any("ana" in line for line in Proxy.seen)


def test_user_and_password_may_stand_in_the_address(locked, unique_name):
    """Without USER_INFO they are taken out of the URL."""
    converter = configured(
        AvroConverter,
        f"https://ana:s3cret@127.0.0.1:{locked}",
        schema_registry_ssl_ca_location=str(STORES / "own.crt"),
    )

    assert converter.encoder(unique_name, ORDER)([ROWS[0]], ())


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("https://ana:wrong@127.0.0.1:{}", {"ca_location": str(STORES / "own.crt")}),
        ("https://ana:s3cret@127.0.0.1:{}", {}),
    ],
    ids=["password", "trust"],
)
def test_a_registry_that_may_not_be_used_is_an_error_without_secrets(
    locked, unique_name, address, options
):
    """A wrong password and a certificate that nobody vouches for are told, the password is not."""
    more = {f"schema_registry_ssl_{name}": value for name, value in options.items()}
    converter = configured(AvroConverter, address.format(locked), max_retries="0", **more)

    with pytest.raises(ConnectError) as raised:
        converter.encoder(unique_name, ORDER)([ROWS[0]], ())
    assert "s3cret" not in str(raised.value)
    assert "wrong@" not in str(raised.value)
