"""The options that every converter with a schema registry has, and the client they describe.

Semantics: Confluent AbstractKafkaSchemaSerDeConfig and SchemaRegistryClientConfig; names of strategies as
in Java. Subjects: TopicNameStrategy, RecordNameStrategy and TopicRecordNameStrategy.
"""

from __future__ import annotations

import csv
import ssl
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from appliance.config import ConfigDef, ConfigType, Importance, Password
from appliance.config.validators import OneOf
from appliance.errors import ConfigError, DataError
from appliance.schemaregistry.client import ClientOptions, RegistryClient, basic
from appliance.schemaregistry.wire import DEFAULT_READER, DEFAULT_WRITER, HEADERS

_STRATEGIES: Final = "io.confluent.kafka.serializers.subject."
_TOPIC: Final = f"{_STRATEGIES}TopicNameStrategy"
_HIGH, _MEDIUM, _LOW = Importance.HIGH, Importance.MEDIUM, Importance.LOW

CONFIG: Final = ConfigDef()
for _name, _type, _default, _importance, _doc in (
    (
        "auto.register.schemas",
        ConfigType.BOOLEAN,
        True,
        _MEDIUM,
        "Register schemas not yet known.",
    ),
    (
        "use.latest.version",
        ConfigType.BOOLEAN,
        False,
        _LOW,
        "Read into the newest schema of the subject; write with it, without automatic registration.",
    ),
    (
        "latest.compatibility.strict",
        ConfigType.BOOLEAN,
        True,
        _LOW,
        "Refuse records that the newest schema of the subject cannot hold.",
    ),
    (
        "id.compatibility.strict",
        ConfigType.BOOLEAN,
        True,
        _LOW,
        "Refuse records that the schema of `use.schema.id` or `use.schema.guid` cannot hold.",
    ),
    (
        "normalize.schemas",
        ConfigType.BOOLEAN,
        False,
        _MEDIUM,
        "Let the registry put schemas into normal form before comparing them.",
    ),
    ("use.schema.id", ConfigType.INT, -1, _LOW, "Write with the schema of this id; -1 for none."),
    (
        "use.schema.guid",
        ConfigType.STRING,
        None,
        _LOW,
        "Write with the schema of this GUID, which must be one of the subject's.",
    ),
    (
        "use.latest.with.metadata",
        ConfigType.STRING,
        None,
        _LOW,
        "Write with, and read into, the newest schema that has these properties, `name=value,..`.",
    ),
    (
        "use.message.indexes",
        ConfigType.LIST,
        "",
        _LOW,
        "With ConfigSchemaIdDeserializer: place of the message in its .proto file; empty: the first.",
    ),
    (
        "key.subject.name.strategy",
        ConfigType.STRING,
        _TOPIC,
        _MEDIUM,
        "How key subjects are named.",
    ),
    (
        "value.subject.name.strategy",
        ConfigType.STRING,
        _TOPIC,
        _MEDIUM,
        "How value subjects are named.",
    ),
    (
        "basic.auth.user.info",
        ConfigType.PASSWORD,
        None,
        _MEDIUM,
        "User and password, `user:password`.",
    ),
    ("bearer.auth.token", ConfigType.PASSWORD, None, _MEDIUM, "Token sent with STATIC_TOKEN."),
    (
        "schema.registry.ssl.ca.location",
        ConfigType.STRING,
        None,
        _LOW,
        "PEM file of trusted roots.",
    ),
    (
        "schema.registry.ssl.truststore.location",
        ConfigType.STRING,
        None,
        _LOW,
        "Store of trusted roots: JKS, PKCS12 or PEM.",
    ),
    (
        "schema.registry.ssl.truststore.password",
        ConfigType.PASSWORD,
        None,
        _LOW,
        "Password of that store.",
    ),
    (
        "schema.registry.ssl.truststore.type",
        ConfigType.STRING,
        "JKS",
        _LOW,
        "JKS, PKCS12 or PEM; a PEM file is known by itself.",
    ),
    (
        "schema.registry.ssl.keystore.location",
        ConfigType.STRING,
        None,
        _LOW,
        "Store with the own key and its certificates.",
    ),
    (
        "schema.registry.ssl.keystore.password",
        ConfigType.PASSWORD,
        None,
        _LOW,
        "Password of that store.",
    ),
    (
        "schema.registry.ssl.keystore.type",
        ConfigType.STRING,
        "JKS",
        _LOW,
        "JKS, PKCS12 or PEM; a PEM file is known by itself.",
    ),
    ("schema.registry.ssl.key.password", ConfigType.PASSWORD, None, _LOW, "Password of the key."),
    (
        "schema.registry.ssl.endpoint.identification.algorithm",
        ConfigType.STRING,
        "https",
        _LOW,
        "Empty: the name in the registry's certificate may be another.",
    ),
    ("max.retries", ConfigType.INT, 3, _LOW, "Further tries of a request that failed."),
    ("retries.wait.ms", ConfigType.INT, 1000, _LOW, "Longest wait before the second try."),
    ("retries.max.wait.ms", ConfigType.INT, 20000, _LOW, "Longest wait between later tries."),
    ("http.connect.timeout.ms", ConfigType.INT, 60000, _LOW, "Longest wait for a connection."),
    ("http.read.timeout.ms", ConfigType.INT, 60000, _LOW, "Longest wait for an answer."),
    ("proxy.host", ConfigType.STRING, "", _LOW, "HTTP proxy before the registry; empty for none."),
    ("proxy.port", ConfigType.INT, -1, _LOW, "Port of the proxy."),
    (
        "max.schemas.per.subject",
        ConfigType.INT,
        1000,
        _LOW,
        "Most schemas that are remembered; the oldest is asked for again.",
    ),
    (
        "latest.cache.size",
        ConfigType.INT,
        1000,
        _LOW,
        "Most newest schemas that are remembered.",
    ),
    (
        "schemas.cache.config",
        ConfigType.INT,
        1000,
        _LOW,
        "Most schemas, read or written, that are kept ready for use.",
    ),
    (
        "latest.cache.ttl.sec",
        ConfigType.INT,
        -1,
        _LOW,
        "Age at which a newest schema is asked again.",
    ),
):
    CONFIG.define(_name, _type, _default, importance=_importance, doc=_doc)
for _side in ("key", "value"):
    CONFIG.define(
        f"{_side}.schema.id.serializer",
        ConfigType.STRING,
        DEFAULT_WRITER,
        importance=_MEDIUM,
        doc=f"Where the ids of {_side} schemas are written: in front of the {_side} "
        f"(PrefixSchemaIdSerializer), or in the header `{HEADERS[_side]}` (HeaderSchemaIdSerializer).",
    )
    CONFIG.define(
        f"{_side}.schema.id.deserializer",
        ConfigType.STRING,
        DEFAULT_READER,
        importance=_MEDIUM,
        doc=f"Where the ids of {_side} schemas are read: in the header `{HEADERS[_side]}`, else in "
        f"front of the {_side} (DualSchemaIdDeserializer); in front alone (PrefixSchemaIdDeserializer); "
        "nowhere, all are of `use.schema.id` or `use.schema.guid` (ConfigSchemaIdDeserializer).",
    )
CONFIG.define(
    "schema.registry.url",
    ConfigType.LIST,
    importance=_HIGH,
    doc="URLs of the registry, tried in turn.",
)
CONFIG.define(
    "basic.auth.credentials.source",
    ConfigType.STRING,
    "URL",
    validator=OneOf(("URL", "USER_INFO")),
    importance=_MEDIUM,
    doc="Where user and password stand: in the URL, or in `basic.auth.user.info` (USER_INFO).",
)
CONFIG.define(
    "bearer.auth.credentials.source",
    ConfigType.STRING,
    None,
    importance=_MEDIUM,
    doc="STATIC_TOKEN to send `bearer.auth.token`.",
)


def registry_options(parsed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the options with those that have a form of their own read. Raises ConfigError."""
    guid, metadata = parsed["use.schema.guid"], parsed["use.latest.with.metadata"]
    try:
        guid = None if guid is None else str(uuid.UUID(guid))
    except ValueError as error:
        raise ConfigError.invalid("use.schema.guid", guid, "not a GUID") from error
    items = next(csv.reader([metadata or ""], quotechar="'"), [])
    pairs = [item.partition("=") for item in items]
    if not all(mark for _, mark, _ in pairs):
        raise ConfigError.invalid("use.latest.with.metadata", metadata, "not name=value,..")
    properties = {name: value for name, _, value in pairs}
    return {**parsed, "use.schema.guid": guid, "use.latest.with.metadata": properties}


def client_of(config: Mapping[str, str], parsed: Mapping[str, Any]) -> RegistryClient:
    """Give the client that a converter's options describe. Raises ConfigError."""
    headers = {
        name.removeprefix("request.header."): value
        for name, value in config.items()
        if name.startswith("request.header.")
    }
    source = parsed["bearer.auth.credentials.source"]
    if source not in (None, "STATIC_TOKEN"):
        raise ConfigError.invalid(
            "bearer.auth.credentials.source", source, "only STATIC_TOKEN can be used"
        )
    token, user = parsed["bearer.auth.token"], parsed["basic.auth.user.info"]
    if source and token:
        headers["Authorization"] = f"Bearer {token.value}"
    elif parsed["basic.auth.credentials.source"] == "USER_INFO" and user:
        headers["Authorization"] = basic(user.value)
    return RegistryClient(
        ClientOptions(
            urls=tuple(url.strip() for url in parsed["schema.registry.url"]),
            headers=headers,
            url_credentials="Authorization" not in headers,
            tls=_tls(parsed),
            max_retries=parsed["max.retries"],
            retry_wait_ms=parsed["retries.wait.ms"],
            retry_max_wait_ms=parsed["retries.max.wait.ms"],
            connect_timeout_ms=parsed["http.connect.timeout.ms"],
            timeout_ms=parsed["http.read.timeout.ms"],
            latest_ttl_s=parsed["latest.cache.ttl.sec"],
            most_schemas=parsed["max.schemas.per.subject"],
            most_latest=parsed["latest.cache.size"],
            proxy=_proxy(parsed),
        )
    )


def _proxy(parsed: Mapping[str, Any]) -> tuple[str, int] | None:
    host, port = parsed["proxy.host"], parsed["proxy.port"]
    return (host, port) if host and port > 0 else None


def _tls(parsed: Mapping[str, Any]) -> ssl.SSLContext | None:
    prefix = "schema.registry."
    given = {
        name.removeprefix(prefix): value.value if isinstance(value, Password) else str(value)
        for name, value in parsed.items()
        if name.startswith(f"{prefix}ssl.") and value is not None
    }
    identification = given["ssl.endpoint.identification.algorithm"]
    files = ("ssl.ca.location", "ssl.truststore.location", "ssl.keystore.location")
    if identification and not any(given.get(file) for file in files):
        return None
    # Kept out of the module's imports: most converters need no certificates.
    from appliance.kafka.keystores import key_material, load_key, trusted_certificates

    for store in ("ssl.truststore", "ssl.keystore"):
        if _is_pem(given.get(f"{store}.location")):
            given[f"{store}.type"] = "PEM"
    roots, own = trusted_certificates(given), key_material(given)
    try:
        context = ssl.create_default_context(cafile=given.get("ssl.ca.location"), cadata=roots)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"Reading the roots that the schema registry is trusted by: {error}; check the "
            "schema.registry.ssl.* options"
        ) from error
    context.check_hostname = bool(identification)
    if own is not None:
        load_key(context, own)
    return context


def _is_pem(location: str | None) -> bool:
    """Tell whether a store is a PEM file; one that cannot be read is complained of when it is opened."""
    try:
        return location is not None and b"-----BEGIN" in Path(location).read_bytes()
    except OSError:
        return False


class Subjects:
    """Names the subject of a topic's keys or values."""

    def __init__(self, parsed: Mapping[str, Any], *, is_key: bool) -> None:
        """Take the strategy of the side. Raises ConfigError for one that is not known."""
        self._kind = "key" if is_key else "value"
        self._option = f"{self._kind}.subject.name.strategy"
        self._class = parsed[self._option]
        self._strategy = self._class.rpartition(".")[2]
        if self._strategy not in (
            "TopicNameStrategy",
            "RecordNameStrategy",
            "TopicRecordNameStrategy",
            "AssociatedNameStrategy",
        ):
            raise ConfigError.invalid(self._option, self._class, "not a known strategy")

    def of(self, topic: str, record_name: str | None) -> str:
        """Give the subject. Raises DataError when the strategy needs a record and there is none."""
        if self._strategy in ("TopicNameStrategy", "AssociatedNameStrategy"):
            return f"{topic}-{self._kind}"
        if not record_name:
            raise DataError(
                f"In configuration {self._option} = {self._class}, the message {self._kind} "
                "must only be a record schema"
            )
        if self._strategy == "RecordNameStrategy":
            return record_name
        return f"{topic}-{record_name}"
